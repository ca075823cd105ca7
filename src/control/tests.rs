//! Scenarios of the machine: no sockets, no clock.

mod latency;

use std::net::IpAddr;

use super::*;
use crate::geo::Locations;
use crate::health::{Check, Condition, Failure, Finding, Monitor};
use crate::snapshot::{Endpoint, Family, Members, PoolSpec};

const INTERVAL: Duration = Duration::from_secs(5);
const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

fn blueprint(addresses: &[&str]) -> Arc<Blueprint> {
    let monitor = Arc::new(Monitor { interval: INTERVAL, ..Monitor::new(Check::Tcp, 80) });
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
    /// Maps that are to be made, and since when.
    remaps: Vec<(Duration, Arc<Blueprint>, Table)>,
}

impl Scene {
    fn new() -> Self {
        let control = Control::new(7);
        let (probes, turns, remaps) = (Vec::new(), Vec::new(), Vec::new());
        Self { control, now: Duration::ZERO, probes, serving: None, turns, remaps }
    }

    fn happen(&mut self, event: Event) {
        for effect in self.control.step(event, self.now) {
            match effect {
                Effect::Probe(target) => self.probes.push(target),
                Effect::Publish(snapshot) => self.serving = Some(snapshot),
                Effect::Remap(blueprint, table) => self.remaps.push((self.now, blueprint, table)),
                Effect::Report(turn) => self.turns.push((turn.target.address.ip(), turn.to)),
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
