//! Orders, windows and what follows from them, over a control without sockets.

use std::sync::Arc;

use super::*;
use crate::config::tests::fixture;
use crate::control::{Event, PUBLISH_WINDOW};
use crate::geo::Locations;
use crate::health::{Failure, Finding, Outcome, State};
use crate::snapshot::{AdminState, Blueprint, Snapshot};
use crate::watch::TargetId;
use crate::zone::{NameId, PlanId};

/// 2026-12-01T01:00:00Z.
const START: Duration = Duration::from_secs(1_796_086_800);
const HOUR: Duration = Duration::from_secs(3600);
const WINDOW: &str = "[[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\n\
                      from = 2026-12-01T02:00:00Z\nuntil = 2026-12-01T04:00:00Z\nreason = \"new switches\"\n";
const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
[monitors.web]
type = "tcp"
port = 80
[pools.web]
monitor = "web"
endpoints.fra = ["127.0.0.1"]
endpoints.iad = ["127.0.0.2"]
[names.www]
pools = ["web"]
steer = ["failover"]
"#;

/// A node that serves [`ZONE`], and everything it reported.
struct Scene {
    control: Control,
    now: Duration,
    /// The time by which the wall clock is set ahead, and back.
    set: (Duration, Duration),
    snapshot: Option<Arc<Snapshot>>,
    /// Every target that was probed, once for each probe.
    probed: Vec<TargetId>,
    told: Vec<String>,
}

fn blueprint(server: &str) -> Arc<Blueprint> {
    let world = fixture::world(server, &[("example.com.toml", ZONE)]);
    Arc::new(Blueprint::compile(world, Arc::new(Locations::unknown()), None))
}

impl Scene {
    fn new() -> Self {
        Self {
            control: Control::new(7, super::super::MAX_IN_FLIGHT),
            now: START,
            set: Default::default(),
            snapshot: None,
            probed: Vec::new(),
            told: Vec::new(),
        }
    }

    fn serving(server: &str) -> Self {
        let mut scene = Self::new();
        scene.happen(Event::Adopt(blueprint(server)));
        scene
    }

    /// Every probe succeeds at once.
    fn happen(&mut self, event: Event) {
        let mut probes = Vec::new();
        let now = Now { elapsed: self.now, wall: self.wall() };
        for effect in self.control.step(event, now) {
            match effect {
                Effect::Probe(id, _) => probes.push(id),
                Effect::Publish(snapshot) => self.snapshot = Some(snapshot),
                Effect::Overridden(Change { happening, item }) => {
                    self.told.push(format!("{} {} {}", happening.as_str(), item.order.mode, item.order.target));
                }
                Effect::Reply(reply) => reply.send(),
                Effect::Report(_)
                | Effect::Group(_)
                | Effect::Hold(_)
                | Effect::Keep(_)
                | Effect::Stop(_)
                | Effect::FailStatic(_)
                | Effect::Letters(_)
                | Effect::FleetTurn(_)
                | Effect::Submit(_)
                | Effect::Follow(_)
                | Effect::Overruled(_)
                | Effect::Rehosted(_)
                | Effect::Decided(..)
                | Effect::Pushed(..) => {}
                // Nothing is rolled out here.
                Effect::RolledOut(_) | Effect::KeepRollouts(_) | Effect::RolloutReply(_) => panic!("no roll-out"),
                // No name is steered by latency here.
                Effect::Remap(..) | Effect::KeepLatency(_) => panic!("round trips without a probe that tells one"),
            }
        }
        self.probed.extend(&probes);
        for target in probes {
            self.happen(Event::Outcome(target, Outcome::Success(Finding::full(Duration::ZERO))));
        }
    }

    fn wall(&self) -> Duration {
        let (ahead, behind) = self.set;
        self.now + ahead - behind
    }

    /// Sets the wall clock this far ahead of or behind elapsed time.
    fn set(&mut self, ahead: Duration, behind: Duration) {
        self.set = (ahead, behind);
        self.happen(Event::Tick);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.control.wake_at().filter(|at| *at <= end) {
            self.now = at;
            self.happen(Event::Tick);
        }
        self.now = end;
    }

    fn place(
        &mut self,
        mode: Mode,
        target: &str,
        times: [Option<Duration>; 2],
    ) -> Result<Vec<Change>, OverrideRefusal> {
        let [from, until] = times;
        let target = target.parse().unwrap();
        let order = Order { mode, target, from, until, over: None, reason: "test".into(), who: "ada".into() };
        let (to, mut answer) = oneshot::channel();
        self.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
        answer.try_recv().expect("an answer comes with the step")
    }

    fn lift(&mut self, target: &str) -> Result<Vec<Change>, OverrideRefusal> {
        let (to, mut answer) = oneshot::channel();
        let which = Selector::Target(target.parse().unwrap());
        self.happen(Event::Override(OverrideEvent::Lift(which, "ada".into(), to)));
        answer.try_recv().expect("an answer comes with the step")
    }

    /// True if a pool is open, after all changes were published.
    fn is_open(&mut self, pool: usize) -> bool {
        self.pass(PUBLISH_WINDOW);
        self.snapshot.as_ref().unwrap().pools()[pool].is_open(crate::snapshot::Family::V4)
    }
}

#[test]
fn an_override_changes_the_pools_that_it_means_and_no_others() {
    let mut scene = Scene::serving("");
    let before = scene.snapshot.clone().unwrap();
    let placed = scene.place(Mode::Drain, "dc:fra", [None, None]).unwrap();
    assert_eq!((&*placed[0].item.order.who, placed[0].item.made_at), ("ada", START));
    assert_eq!((scene.is_open(0), scene.is_open(1)), (false, true));
    let after = scene.snapshot.clone().unwrap();
    assert!(Arc::ptr_eq(&before.pools()[1], &after.pools()[1]));
    assert_eq!(after.generation(), before.generation() + 1, "one snapshot");
    assert_eq!(scene.lift("dc:fra").unwrap()[0].item, placed[0].item);
    assert!(scene.is_open(0));
    assert_eq!(scene.told, ["placed drain dc:fra", "lifted drain dc:fra"]);
}

#[test]
fn it_begins_and_ends_when_its_time_comes() {
    let mut scene = Scene::serving("");
    let times = [Some(START + HOUR), Some(START + HOUR * 2)];
    scene.place(Mode::ForceDown, "pool:web/iad", times).unwrap();
    assert!(scene.is_open(1));
    scene.pass(HOUR);
    assert!(!scene.is_open(1));
    scene.pass(HOUR);
    assert!(scene.is_open(1));
    let expected = ["placed", "began", "ended"].map(|what| format!("{what} force-down pool:web/iad"));
    assert_eq!(scene.told, expected);
}

#[test]
fn the_server_files_windows_act_by_themselves_and_go_with_the_file() {
    let mut scene = Scene::serving(WINDOW);
    assert!(scene.is_open(0));
    scene.pass(HOUR);
    assert!(!scene.is_open(0));
    scene.happen(Event::Adopt(blueprint("")));
    assert!(scene.is_open(0));
    scene.happen(Event::Adopt(blueprint(WINDOW)));
    assert!(!scene.is_open(0));
    scene.pass(HOUR * 2);
    assert!(scene.is_open(0));
    assert_eq!(scene.told.iter().filter(|told| *told == "ended drain dc:fra").count(), 2);
}

#[test]
fn what_means_nothing_is_refused_with_what_may_have_been_meant() {
    let mut scene = Scene::serving("");
    for (target, told) in [
        ("dc:frd", "nothing is named dc:frd: did you mean dc:fra?"),
        ("pool:shop", "nothing is named pool:shop"),
        ("endpoint:192.0.2.*", "nothing is named endpoint:192.0.2.*"),
        ("name:ww.example.com", "nothing is named name:ww.example.com: did you mean name:www.example.com?"),
    ] {
        let refusal = scene.place(Mode::Drain, target, [None, None]).unwrap_err();
        assert_eq!(refusal.to_string(), told);
    }
    assert_eq!(scene.lift("dc:fra").unwrap_err().to_string(), "no override is placed on dc:fra");
    assert!(scene.told.is_empty());
}

#[test]
fn what_is_said_of_a_name_stays_said_when_pools_change() {
    let mut scene = Scene::serving("");
    scene.place(Mode::ForceDown, "name:www.*", [None, None]).unwrap();
    let mode = |scene: &mut Scene| {
        scene.pass(PUBLISH_WINDOW);
        scene.snapshot.as_ref().unwrap().plan(PlanId::from_index(0), NameId::from_index(0)).orders().mode
    };
    assert_eq!(mode(&mut scene), Some(Mode::ForceDown));
    scene.place(Mode::Drain, "dc:fra", [None, None]).unwrap();
    assert_eq!(mode(&mut scene), Some(Mode::ForceDown));
    scene.happen(Event::Adopt(blueprint(WINDOW)));
    assert_eq!(mode(&mut scene), Some(Mode::ForceDown));
    scene.lift("name:www.*").unwrap();
    assert_eq!(mode(&mut scene), None);
}

#[test]
fn the_probed_state_is_told_beside_the_forced_one() {
    let mut scene = Scene::serving("");
    let target = scene.probed[0];
    scene.place(Mode::ForceUp, "endpoint:127.0.0.1", [None, None]).unwrap();
    for _ in 0..3 {
        scene.happen(Event::Outcome(target, Outcome::Failure(Failure::Refused)));
    }
    assert!(scene.is_open(0));
    let views: Vec<_> = scene.control.endpoints().collect();
    assert_eq!(views[0].probes[0].1.state(), State::Down);
    assert!(!views[0].probed.share.is_some());
    assert_eq!(views[0].endpoint_state, EndpointState::CALM);
    assert_eq!(
        views[0].effective_override.map(|effective_override| effective_override.order.mode),
        Some(Mode::ForceUp)
    );
    assert_eq!((views[1].effective_override, views[1].endpoint_state.admin_state), (None, AdminState::On));
    drop(views);
    scene.lift("endpoint:127.0.0.1").unwrap();
    assert!(!scene.is_open(0), "the state that probes found meanwhile counts at once");
}

#[test]
fn what_is_ordered_for_a_time_lasts_whichever_way_the_clock_was_set() {
    const MINUTES: Duration = Duration::from_secs(300);
    for (ahead, behind) in [(HOUR, Duration::ZERO), (Duration::ZERO, HOUR)] {
        let mut scene = Scene::serving("");
        scene.set(ahead, behind);
        let until = Some(scene.wall() + MINUTES);
        scene.place(Mode::ForceDown, "dc:fra", [None, until]).unwrap();
        scene.pass(MINUTES - PUBLISH_WINDOW * 2);
        assert!(!scene.is_open(0));
        scene.pass(PUBLISH_WINDOW * 3);
        assert!(scene.is_open(0));
    }
}

#[test]
fn windows_and_ends_go_by_the_clock_on_the_wall_and_drains_by_what_elapsed() {
    let mut scene = Scene::serving(WINDOW);
    assert!(scene.is_open(0));
    scene.set(HOUR, Duration::ZERO);
    assert!(!scene.is_open(0), "the window began");
    scene.set(Duration::ZERO, HOUR);
    assert!(scene.is_open(0), "and is still to come");
    scene.pass(HOUR * 2);
    assert!(!scene.is_open(0), "it comes by itself");
    scene.set(HOUR * 9, Duration::ZERO);
    assert!(scene.is_open(0));

    let mut scene = Scene::serving("");
    let (to, _) = oneshot::channel();
    let order = Order {
        mode: Mode::Drain,
        target: "dc:fra".parse().unwrap(),
        from: None,
        until: None,
        over: Some(HOUR),
        reason: "".into(),
        who: "".into(),
    };
    scene.happen(Event::Override(OverrideEvent::Place(order.into(), to)));
    for (ahead, behind) in [(HOUR * 9, Duration::ZERO), (Duration::ZERO, HOUR * 9), (HOUR, Duration::ZERO)] {
        scene.set(ahead, behind);
        scene.pass(HOUR / 4);
    }
    scene.pass(PUBLISH_WINDOW);
    let ramp = scene.control.endpoints().next().unwrap().endpoint_state.ramp.thousandths();
    assert!((240..=260).contains(&ramp), "three quarters of its time have passed: {ramp}");
}

#[test]
fn what_the_last_run_placed_counts_from_the_first_answer_on() {
    let mut before = Scene::serving("");
    before.place(Mode::Drain, "dc:fra", [None, None]).unwrap();
    let kept = before.control.overrides().placed().cloned().collect();
    let mut scene = Scene::new();
    scene.happen(Event::Override(OverrideEvent::Restore(kept)));
    scene.happen(Event::Adopt(blueprint("")));
    assert!(!scene.snapshot.as_ref().unwrap().pools()[0].is_open(crate::snapshot::Family::V4));
}
