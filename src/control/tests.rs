//! Scenarios of the machine: no sockets, no clock.

use std::net::IpAddr;

use super::*;
use crate::geo::Locations;
use crate::health::{Check, Condition, Failure, Finding, Monitor, Recovery, TcpCheck};
use crate::snapshot::{Endpoint, Family, Members, PoolSpec};

const INTERVAL: Duration = Duration::from_secs(5);
const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

fn blueprint(addresses: &[&str]) -> Arc<Blueprint> {
    let monitor = Arc::new(Monitor { interval: INTERVAL, ..Monitor::new(Check::Tcp(TcpCheck::default()), 80) });
    let endpoint = |text: &&str| {
        let value: IpAddr = text.parse().unwrap();
        let target = Target { address: (value, 80).into(), host: (*text).into(), monitor: monitor.clone() };
        Endpoint { value, weight: 1, condition: Some(Condition::Probe(target)) }
    };
    let pool = PoolSpec {
        name: "web".into(),
        zone: None,
        datacenter: None,
        min_healthy: 0.0,
        recovery: Recovery::default(),
        members: Members::Addresses(addresses.iter().map(endpoint).collect()),
    };
    let world = World { pools: vec![Arc::new(pool)], ..World::default() };
    Arc::new(Blueprint::compile(world, Arc::new(Locations::unknown()), None).unwrap())
}

/// A conversation with a control: what it wants probed, what it serves, what it tells.
struct Scene {
    control: Control,
    now: Duration,
    probes: Vec<Arc<Target>>,
    serving: Option<Arc<Snapshot>>,
    turns: Vec<(IpAddr, State)>,
    /// What is kept for the next run.
    kept: HashMap<u128, Kept>,
    /// When rows were handed over to be kept.
    kept_at: Vec<Duration>,
    changes: Vec<Change>,
}

impl Scene {
    fn new() -> Self {
        let control = Control::new(7);
        Self {
            control,
            now: Duration::ZERO,
            probes: Vec::new(),
            serving: None,
            turns: Vec::new(),
            changes: Vec::new(),
            kept: HashMap::new(),
            kept_at: Vec::new(),
        }
    }

    /// A node that begins later with what another one kept.
    fn restarted(kept: HashMap<u128, Kept>, now: Duration) -> Self {
        let mut scene = Self { now, ..Self::new() };
        scene.kept = kept.clone();
        scene.happen(Event::Restore(kept));
        scene
    }

    fn happen(&mut self, event: Event) {
        for effect in self.control.step(event, self.now) {
            match effect {
                Effect::Probe(target) => self.probes.push(target),
                Effect::Publish(snapshot) => self.serving = Some(snapshot),
                Effect::Report(turn) => self.turns.push((turn.target.address.ip(), turn.to)),
                Effect::Keep(rows) => {
                    self.kept_at.push(self.now);
                    for (target, kept) in rows.health {
                        match kept {
                            Some(kept) => _ = self.kept.insert(target, kept),
                            None => _ = self.kept.remove(&target),
                        }
                    }
                }
                Effect::Overridden(change) => self.changes.push(change),
                Effect::Reply(reply) => reply.send(),
            }
        }
    }

    /// Lets time pass up to `time`, and answers every probe as `is_up` says.
    fn pass(&mut self, time: Duration, is_up: impl Fn(&str) -> bool) {
        while let Some(at) = self.control.wake_at().filter(|at| *at <= time) {
            self.now = at;
            self.happen(Event::Tick);
            self.answer_probes(&is_up);
        }
        self.now = time;
    }

    fn answer_probes(&mut self, is_up: impl Fn(&str) -> bool) {
        for target in std::mem::take(&mut self.probes) {
            let up = is_up(&target.address.ip().to_string());
            let outcome =
                if up { Outcome::Success(Finding::full(Duration::ZERO)) } else { Outcome::Failure(Failure::Refused) };
            self.happen(Event::Outcome(target, outcome));
        }
    }

    fn open(&self) -> Vec<String> {
        let pool = &self.serving.as_ref().expect("something is served").pools()[0];
        let crate::snapshot::Kind::Addresses(v4, _) = pool.kind() else { panic!("no addresses") };
        let open = v4.select(crate::snapshot::Selection::Open).iter();
        open.map(|member| IpAddr::from(member.value).to_string()).collect()
    }
}

#[test]
fn nothing_is_served_before_the_first_round_is_over() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    assert_eq!(scene.probes.len(), 2);
    let (first, second) = (scene.probes[0].clone(), scene.probes[1].clone());
    scene.happen(Event::Outcome(first, Outcome::Success(Finding::full(Duration::ZERO))));
    assert!(scene.serving.is_none());
    let down = second.address.ip().to_string();
    scene.happen(Event::Outcome(second, Outcome::Failure(Failure::Refused)));
    assert_eq!(scene.open().len(), 1);
    assert!(!scene.open().contains(&down));
}

#[test]
fn what_is_unprobed_at_the_deadline_is_up() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.probes.clear();
    scene.now = FIRST_ROUND;
    scene.happen(Event::Tick);
    assert_eq!(scene.open(), ADDRESSES);
}

#[test]
fn a_world_without_monitors_is_served_at_once() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&[])));
    assert!(scene.serving.is_some());
}

#[test]
fn an_endpoint_leaves_within_its_falls_and_returns_after_its_rises() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.answer_probes(|_| true);
    assert_eq!(scene.open(), ADDRESSES);

    let died = Duration::from_secs(1);
    scene.pass(died, |_| true);
    scene.pass(died + INTERVAL * 3 + PUBLISH_WINDOW, |address| address != "127.0.0.2");
    assert_eq!(scene.open(), ["127.0.0.1"]);

    let mended = scene.now;
    scene.pass(mended + INTERVAL * 2 + PUBLISH_WINDOW, |_| true);
    assert_eq!(scene.open(), ADDRESSES);
    let second: IpAddr = "127.0.0.2".parse().unwrap();
    let of_second: Vec<_> = scene.turns.iter().filter(|turn| turn.0 == second).map(|turn| turn.1).collect();
    assert_eq!(of_second, [State::Up, State::Down, State::Up], "each transition is told once");
}

#[test]
fn the_first_unconfirmed_failure_is_published() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.answer_probes(|_| true);
    assert!(!scene.serving.as_ref().unwrap().pools()[0].is_restless());
    scene.pass(INTERVAL + PUBLISH_WINDOW, |address| address != "127.0.0.2");
    assert!(scene.serving.as_ref().unwrap().pools()[0].is_restless());
    assert_eq!(scene.open(), ADDRESSES);
}

#[test]
fn a_reload_keeps_health_and_waits_for_what_is_new() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.answer_probes(|address| address != "127.0.0.2");
    assert_eq!(scene.open(), ["127.0.0.1"]);

    scene.happen(Event::Adopt(blueprint(&["127.0.0.1", "127.0.0.2", "127.0.0.3"])));
    assert_eq!(scene.probes.len(), 1, "only the new one is probed at once");
    assert_eq!(scene.serving.as_ref().unwrap().generation(), 1, "the old configuration goes on");
    scene.answer_probes(|_| false);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    assert_eq!(scene.serving.as_ref().unwrap().generation(), 2);
}

#[test]
fn a_removed_endpoint_is_probed_no_more() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.answer_probes(|_| true);
    scene.happen(Event::Adopt(blueprint(&["127.0.0.1"])));
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.now = INTERVAL;
    scene.happen(Event::Tick);
    assert_eq!(scene.probes.len(), 1);
}

#[test]
fn when_all_died_a_pool_knows_how_long_it_was_open() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.answer_probes(|_| true);
    scene.pass(INTERVAL * 4, |_| false);
    let pool = &scene.serving.as_ref().unwrap().pools()[0];
    assert!(!pool.is_open(Family::V4));
    assert!(pool.last_open(Family::V4) > 0);
}

/// What a node kept whose second endpoint is down, a while after it began.
fn kept_with_the_second_down() -> Scene {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.answer_probes(|_| true);
    scene.pass(INTERVAL * 4, |address| address != "127.0.0.2");
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.happen(Event::Stop);
    scene
}

#[test]
fn a_node_that_was_restarted_answers_at_once_and_as_before() {
    let before = kept_with_the_second_down();
    let mut scene = Scene::restarted(before.kept, before.now + BELIEVED_FOR - CONFIRM_EVERY);
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    assert_eq!(scene.open(), ["127.0.0.1"], "no probe has ended");
    assert_eq!(scene.probes.len(), 2, "all are probed at once");
    scene.answer_probes(|_| true);
    scene.pass(scene.now + PUBLISH_WINDOW, |_| true);
    assert_eq!(scene.open(), ["127.0.0.1"], "one success is no rise");
    scene.pass(scene.now + INTERVAL, |_| true);
    assert_eq!(scene.open(), ADDRESSES);
    let second: IpAddr = "127.0.0.2".parse().unwrap();
    assert_eq!(scene.turns, [(second, State::Up)]);
}

#[test]
fn what_is_too_old_or_from_the_future_is_not_believed() {
    let before = kept_with_the_second_down();
    let oldest = before.kept.values().map(|kept| kept.confirmed).max().unwrap();
    for now in [oldest + BELIEVED_FOR + KEEP_EVERY, Duration::ZERO] {
        let mut kept = before.kept.clone();
        if now.is_zero() {
            for kept in kept.values_mut() {
                kept.confirmed += BELIEVED_FOR;
            }
        }
        let mut scene = Scene::restarted(kept, now);
        scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
        assert!(scene.serving.is_none());
        scene.answer_probes(|_| true);
        assert_eq!(scene.open(), ADDRESSES, "the first outcome sets the state");
    }
}

#[test]
fn what_is_kept_is_what_changed_and_each_minute_what_was_confirmed() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.pass(CONFIRM_EVERY * 10, |_| true);
    // In ten minutes ten times for each of two targets, whose probes drift apart.
    assert!((10..=22).contains(&scene.kept_at.len()), "{:?}", scene.kept_at);
    assert!(scene.kept_at.windows(2).all(|pair| pair[1] - pair[0] >= KEEP_EVERY), "{:?}", scene.kept_at);
    let is_recent = |kept: &Kept| scene.now - kept.confirmed <= CONFIRM_EVERY + INTERVAL;
    assert!(scene.kept.values().all(|kept| kept.state == State::Up && is_recent(kept)), "{:?}", scene.kept);

    // A failure that is not confirmed confirms nothing either; one that is is kept within a second.
    let died = scene.now;
    scene.pass(died + INTERVAL * 2, |_| false);
    assert!(scene.kept.values().all(|kept| kept.state == State::Up && kept.confirmed <= died), "{:?}", scene.kept);
    scene.pass(died + INTERVAL * 3 + KEEP_EVERY, |_| false);
    assert!(scene.kept.values().all(|kept| kept.state == State::Down && kept.confirmed > died), "{:?}", scene.kept);
}

#[test]
fn rows_of_targets_that_are_gone_and_of_yesterday_are_removed() {
    let before = kept_with_the_second_down();
    assert_eq!(before.kept.len(), 2);
    let mut scene = Scene::restarted(before.kept.clone(), before.now);
    scene.happen(Event::Adopt(blueprint(&["127.0.0.1"])));
    scene.happen(Event::Stop);
    assert_eq!(scene.kept.len(), 1);

    let mut scene = Scene::restarted(before.kept, before.now + KEPT_FOR * 2);
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    // No probe ends, so nothing is found anew.
    scene.now += FIRST_ROUND;
    scene.happen(Event::Tick);
    assert_eq!(scene.kept.len(), 0);
}

#[test]
fn a_stop_hands_over_what_waits() {
    let mut scene = Scene::new();
    scene.happen(Event::Adopt(blueprint(&ADDRESSES)));
    scene.answer_probes(|_| true);
    scene.happen(Event::Stop);
    assert_eq!(scene.kept.len(), 2);
}
