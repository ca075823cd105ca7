//! Scenarios: a configuration, observations, and where clients are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::health::Share;

const START: Duration = Duration::from_secs(1_800_000_000);
const HOLD: Duration = Duration::from_secs(600);
const MILLISECOND: Duration = Duration::from_millis(1);

fn canary(bounds: Bounds) -> Canary {
    Canary { pool: "next".into(), steps: Steps::try_new(&[5, 25, 100]).unwrap(), hold: HOLD, bounds }
}

fn all_bounds() -> Bounds {
    Bounds {
        healthy: Some(Share::from_thousandths(900)),
        errors: Some(Share::from_thousandths(50)),
        latency: Some(LatencyBound::Absolute(MILLISECOND * 250)),
    }
}

fn id() -> RolloutId {
    RolloutId { zone: "example.com".into(), owner: "api.example.com".into() }
}

fn draft(spec: Spec) -> Draft {
    Draft { id: id(), spec, pools: ["stable", "next"].map(Into::into).into() }
}

/// A store with one roll-out, and the changes that were reported.
struct Scene {
    store: RolloutStore,
    now: Duration,
    told: Vec<String>,
    kept: BTreeMap<RolloutId, Kept>,
}

impl Scene {
    fn new(spec: Spec) -> Self {
        let mut scene = Self { store: RolloutStore::default(), now: START, told: Vec::new(), kept: BTreeMap::new() };
        scene.adopt(spec);
        scene
    }

    /// A canary whose endpoints are all open.
    fn well(bounds: Bounds) -> Self {
        let mut scene = Self::new(Spec::Canary(canary(bounds)));
        scene.open(1000);
        scene
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = Change>) {
        for Change { happening, from, to, who, reason, .. } in changes {
            self.told.push(format!("{} {from} -> {to} by {who}: {reason}", happening.as_str()));
        }
        for (id, row) in self.store.unsaved() {
            match row {
                Some(row) => _ = self.kept.insert(id, row),
                None => _ = self.kept.remove(&id),
            }
        }
    }

    fn adopt(&mut self, spec: Spec) {
        let changes = self.store.adopt([draft(spec)], |_| None, self.now);
        self.tell(changes);
    }

    /// Restarts: the kept rows are all that the next run knows.
    fn restart(self, spec: Spec) -> Self {
        let mut scene = Self { store: RolloutStore::default(), told: Vec::new(), ..self };
        scene.store.restore(scene.kept.clone());
        scene.adopt(spec);
        scene
    }

    fn open(&mut self, thousandths: u16) {
        self.store.see_open(&id(), Some(Share::from_thousandths(thousandths)), self.now);
        self.advance();
    }

    fn reported(&mut self, errors: u64, requests: u64) {
        self.store.see_requests(&id(), errors, requests, self.now);
        self.advance();
    }

    fn probed(&mut self, side: Side, milliseconds: u32) {
        self.store.see_probe(&id(), side, MILLISECOND * milliseconds, self.now);
        self.advance();
    }

    fn advance(&mut self) {
        let changes = self.store.advance(self.now);
        self.tell(changes);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.store.wake_at().filter(|at| *at <= end) {
            assert!(at >= self.now, "it never wakes for nothing");
            self.now = at;
            let before = self.told.len();
            self.advance();
            assert!(self.told.len() > before, "it never wakes for nothing");
        }
        self.now = end;
    }

    fn order(&mut self, command: Command) -> Result<(), String> {
        let order = Order { owner: id().owner, command, reason: "because".into(), who: "ada".into() };
        let change = self.store.order(&order, self.now).map_err(|refusal| refusal.to_string())?;
        self.tell([change]);
        Ok(())
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        self.order(Command::Act(action))
    }

    fn exposure(&self) -> String {
        self.store.exposure(&id()).unwrap().0.to_string()
    }

    fn is_ramping(&self) -> bool {
        self.store.exposure(&id()).unwrap().1
    }
}

#[test]
fn a_canary_that_does_well_takes_each_step_when_the_one_before_was_held() {
    let mut scene = Scene::well(all_bounds());
    assert_eq!((scene.exposure().as_str(), scene.is_ramping()), ("5 %", true));
    scene.pass(HOLD - MILLISECOND);
    assert_eq!(scene.exposure(), "5 %");
    scene.pass(MILLISECOND);
    assert_eq!(scene.exposure(), "25 %");
    scene.pass(HOLD);
    assert_eq!((scene.exposure().as_str(), scene.is_ramping()), ("100 %", true));
    scene.pass(HOLD);
    assert_eq!((scene.exposure().as_str(), scene.is_ramping()), ("100 %", false));
    assert_eq!(scene.store.wake_at(), None);
    let held = "by truenorth: the step was held and no bound was broken";
    let expected = [
        "began 0 % -> 5 % by truenorth: the configuration".to_owned(),
        format!("advanced 5 % -> 25 % {held}"),
        format!("advanced 25 % -> 100 % {held}"),
        format!("completed 100 % -> 100 % {held}"),
    ];
    assert_eq!(scene.told, expected);
}

#[test]
fn one_whose_last_step_is_not_all_stays_there_and_is_judged_on() {
    let canary = Canary { steps: Steps::try_new(&[5, 25]).unwrap(), ..canary(all_bounds()) };
    let mut scene = Scene::new(Spec::Canary(canary));
    scene.open(1000);
    scene.pass(HOLD * 20);
    assert_eq!((scene.exposure().as_str(), scene.is_ramping()), ("25 %", false));
    assert_eq!(scene.act(Action::Advance).unwrap_err(), "the roll-out is at its last step");
    scene.open(0);
    scene.pass(PATIENCE);
    assert_eq!(scene.exposure(), "0 %");
}

#[test]
fn too_few_open_endpoints_stop_it_at_once_and_take_it_back_after_a_while() {
    let mut scene = Scene::well(all_bounds());
    scene.pass(HOLD - MILLISECOND);
    scene.open(899);
    scene.pass(PATIENCE - MILLISECOND);
    assert_eq!(scene.exposure(), "5 %", "the hold is over, but too few endpoints are open");
    scene.open(900);
    assert_eq!(scene.exposure(), "25 %");
    scene.open(500);
    scene.pass(PATIENCE);
    let last = "rolled back 25 % -> 0 % by truenorth: 50 % of its endpoints are open, less than 90 %";
    assert_eq!(scene.told.last().unwrap(), last);
    assert!(!scene.is_ramping());
    scene.open(1000);
    scene.pass(HOLD * 9);
    assert_eq!(scene.exposure(), "0 %", "it does not begin again by itself");
}

#[test]
fn without_bounds_a_pool_with_nothing_open_is_still_given_no_more() {
    let mut scene = Scene::well(Bounds::default());
    scene.open(0);
    scene.pass(HOLD * 2);
    assert_eq!(scene.exposure(), "5 %");
    scene.open(1);
    assert_eq!(scene.exposure(), "25 %");
}

#[test]
fn reported_errors_take_it_back_once_there_are_enough_requests() {
    let mut scene = Scene::well(all_bounds());
    scene.reported(MIN_REQUESTS - 1, MIN_REQUESTS - 1);
    assert_eq!(scene.exposure(), "5 %", "too few to tell");
    scene.pass(WINDOW);
    scene.reported(5, 100);
    assert_eq!(scene.exposure(), "5 %", "a share equal to the bound does not break it, and old requests do not count");
    scene.reported(1, 0);
    scene.reported(1, 1);
    let last = "rolled back 5 % -> 0 % by truenorth: 6 of 101 requests failed, more than 5 %";
    assert_eq!(scene.told.last().unwrap(), last);
}

#[test]
fn slow_probes_take_it_back() {
    let mut scene = Scene::well(all_bounds());
    scene.probed(Side::New, 400);
    scene.probed(Side::New, 400);
    assert_eq!(scene.exposure(), "5 %", "too few to tell");
    scene.probed(Side::New, 400);
    let last = "rolled back 5 % -> 0 % by truenorth: probes take 400.0 ms, more than 250.0 ms";
    assert_eq!(scene.told.last().unwrap(), last);
}

#[test]
fn latency_may_be_bound_to_that_of_the_other_pools() {
    let bounds = Bounds { latency: Some(LatencyBound::Relative(150)), ..Bounds::default() };
    let mut scene = Scene::well(bounds);
    (0..3).for_each(|_| scene.probed(Side::New, 150));
    assert_eq!(scene.exposure(), "5 %", "nothing is known of the others");
    (0..3).for_each(|_| scene.probed(Side::Old, 100));
    assert_eq!(scene.exposure(), "5 %");
    scene.probed(Side::New, 300);
    assert_eq!(scene.exposure(), "0 %");
}

#[test]
fn an_operator_pauses_advances_takes_back_and_resumes() {
    let mut scene = Scene::well(all_bounds());
    scene.pass(HOLD / 2);
    scene.act(Action::Pause).unwrap();
    scene.pass(HOLD * 5);
    assert_eq!((scene.exposure().as_str(), scene.is_ramping()), ("5 %", true));
    assert_eq!(scene.act(Action::Pause).unwrap_err(), "there is nothing to pause: the roll-out is paused");
    scene.act(Action::Resume).unwrap();
    assert_eq!(scene.act(Action::Resume).unwrap_err(), "the roll-out is running already");
    scene.pass(HOLD / 2);
    assert_eq!(scene.exposure(), "25 %", "the time before the pause counts");
    scene.act(Action::Pause).unwrap();
    scene.act(Action::Advance).unwrap();
    scene.pass(HOLD * 2);
    assert_eq!(scene.exposure(), "100 %", "it is still paused");
    scene.act(Action::Advance).unwrap();
    assert_eq!(scene.told.last().unwrap(), "completed 100 % -> 100 % by ada: because");
    scene.act(Action::Back).unwrap();
    assert_eq!(scene.told.last().unwrap(), "rolled back 100 % -> 0 % by ada: because");
    assert_eq!(scene.act(Action::Advance).unwrap_err(), "there is nothing to advance: the roll-out is back");
    scene.act(Action::Resume).unwrap();
    assert_eq!(scene.told.last().unwrap(), "began 0 % -> 5 % by ada: because");
    assert_eq!(
        scene.order(Command::Switch("next".into())).unwrap_err(),
        "api.example.com has no `active`: `rollout` moves its `canary`"
    );
}

#[test]
fn it_is_taken_back_while_it_is_paused_too() {
    let mut scene = Scene::well(all_bounds());
    scene.act(Action::Pause).unwrap();
    scene.reported(100, 100);
    assert_eq!(scene.exposure(), "0 %");
}

#[test]
fn what_was_seen_before_it_was_taken_back_does_not_count_when_it_begins_again() {
    let mut scene = Scene::well(all_bounds());
    scene.reported(100, 100);
    scene.act(Action::Resume).unwrap();
    scene.open(1000);
    assert_eq!(scene.exposure(), "5 %");
}

#[test]
fn a_restart_goes_on_where_it_was_and_watches_before_it_takes_a_step() {
    let mut scene = Scene::well(all_bounds());
    scene.pass(HOLD);
    scene.now += HOLD * 10;
    let mut scene = scene.restart(Spec::Canary(canary(all_bounds())));
    assert_eq!((scene.exposure().as_str(), scene.told.len()), ("25 %", 0));
    scene.open(1000);
    scene.pass(WINDOW - MILLISECOND);
    assert_eq!(scene.exposure(), "25 %");
    scene.pass(MILLISECOND);
    assert_eq!(scene.exposure(), "100 %");
}

#[test]
fn what_was_taken_back_stays_so_until_the_file_says_something_else() {
    let mut scene = Scene::well(all_bounds());
    scene.act(Action::Back).unwrap();
    scene.adopt(Spec::Canary(canary(all_bounds())));
    let mut scene = scene.restart(Spec::Canary(canary(all_bounds())));
    assert_eq!(scene.exposure(), "0 %");
    scene.adopt(Spec::Canary(canary(Bounds::default())));
    assert_eq!((scene.exposure().as_str(), scene.told.len()), ("5 %", 1));
}

#[test]
fn a_running_one_takes_other_bounds_in_its_stride_and_begins_anew_with_other_steps() {
    let mut scene = Scene::well(all_bounds());
    scene.pass(HOLD);
    scene.adopt(Spec::Canary(Canary { hold: HOLD * 2, ..canary(Bounds::default()) }));
    scene.open(1000);
    scene.pass(HOLD * 2 - MILLISECOND);
    assert_eq!(scene.exposure(), "25 %");
    scene.adopt(Spec::Canary(Canary { steps: Steps::try_new(&[1, 2]).unwrap(), ..canary(all_bounds()) }));
    assert_eq!(scene.exposure(), "1 %");
}

#[test]
fn one_that_leaves_the_files_is_forgotten() {
    let mut scene = Scene::well(all_bounds());
    scene.pass(HOLD);
    let changes = scene.store.adopt([], |_| None, scene.now);
    scene.tell(changes);
    assert_eq!(scene.told.last().unwrap(), "ended 25 % -> 25 % by truenorth: the configuration no longer has it");
    assert!(scene.kept.is_empty() && scene.store.exposure(&id()).is_none());
    scene.adopt(Spec::Canary(canary(all_bounds())));
    assert_eq!(scene.exposure(), "5 %");
}

#[test]
fn blue_and_green_are_switched_and_switched_back() {
    let blue = || Spec::Active("stable".into());
    let mut scene = Scene::new(blue());
    assert!(scene.told.is_empty() && !scene.is_ramping());
    assert_eq!(scene.act(Action::Back).unwrap_err(), "nobody switched it, so there is nothing to go back to");
    scene.order(Command::Switch("next".into())).unwrap();
    assert_eq!(scene.order(Command::Switch("next".into())).unwrap_err(), "next answers already");
    let refusal = scene.order(Command::Switch("stabel".into())).unwrap_err();
    assert_eq!(refusal, "the name's `pools` do not contain stabel: did you mean stable?");
    assert_eq!(scene.act(Action::Pause).unwrap_err(), "api.example.com has no `canary`: `switch` changes its `active`");
    let mut scene = scene.restart(blue());
    assert_eq!(scene.exposure(), "next");
    scene.adopt(blue());
    assert_eq!(scene.exposure(), "next", "the file did not change");
    scene.act(Action::Back).unwrap();
    scene.act(Action::Back).unwrap();
    scene.adopt(Spec::Active("next".into()));
    assert_eq!(scene.exposure(), "next");
    assert!(scene.kept.is_empty(), "the new text of the file counts");
    scene.adopt(blue());
    assert_eq!(scene.told.last().unwrap(), "switched next -> stable by truenorth: the configuration");
}

#[test]
fn names_without_a_roll_out_are_told() {
    let mut store = Scene::well(all_bounds()).store;
    let order = |owner: &str| Order {
        owner: owner.into(),
        command: Command::Act(Action::Back),
        reason: "".into(),
        who: "".into(),
    };
    let refusal = store.order(&order("app.example.com"), START).unwrap_err();
    assert_eq!(refusal.to_string(), "app.example.com has no roll-out: did you mean api.example.com?");
    let long = Order { reason: "x".repeat(513).into(), ..order("api.example.com") };
    assert_eq!(store.order(&long, START).unwrap_err().to_string(), "a reason may have at most 512 octets");
}

proptest! {
    /// Whatever happens, the share is that of a step, none or all; and there is at most one step at a time.
    #[test]
    fn shares_are_those_of_the_steps(doings in prop::collection::vec((0..8_u8, 0..1200_u64), 1..60)) {
        let mut scene = Scene::well(all_bounds());
        let steps = ["0 %", "5 %", "25 %", "100 %"];
        let mut before = 1;
        for (what, number) in doings {
            match what {
                0 => scene.pass(Duration::from_secs(number)),
                1 => scene.open(number as u16),
                2 => scene.reported(number / 12, number),
                3 => scene.probed(Side::New, number as u32),
                doing => _ = scene.act(Action::ALL[usize::from(doing) - 4].1),
            }
            let place = steps.iter().position(|step| *step == scene.exposure());
            prop_assert!(place.is_some(), "{}", scene.exposure());
            let place = place.unwrap();
            prop_assert!(place == 0 || what == 0 || place <= before + 1, "{before} -> {place}");
            before = place;
        }
    }
}
