//! Scenarios of the state machine: no sockets, no clock.

mod amend;
mod fail_static;
mod fleet;
mod keeping;
mod latency;
mod loads;
mod preview;
mod push;
mod ramps;
mod random;
mod register;
mod rollouts;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::*;
use crate::geo::{Coordinates, DatacenterId, Locations};
use crate::health::{
    Check, Condition, DEFAULT_TIMEOUT, Failure, Finding, Kept, KeptAgreement, Monitor, Pace, Recovery, RecoveryState,
    Share, Stage, State, TcpCheck,
};
use crate::latency::{LatencyTable, Record};
use crate::rollout;
use crate::snapshot::{
    Addresses, Blueprint, Datacenter, Endpoint, Family, Members, MinHealthy, PoolSpec, Remapped, Snapshot, World,
};
use crate::watch::{FailStaticEvent, TargetId};

const INTERVAL: Duration = Duration::from_secs(5);
const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];
const TIMED_OUT: Outcome = Outcome::Failure(Failure::TimedOut(Stage::Connect));
const REFUSED: Outcome = Outcome::Failure(Failure::Refused);
const WELL: Outcome = Outcome::Success(Finding::full(Duration::ZERO));

/// Seconds.
const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn tcp() -> Monitor {
    Monitor { pace: pace(INTERVAL), ..Monitor::new(Check::Tcp(TcpCheck::default()), 80) }
}

fn pace(interval: Duration) -> Pace {
    Pace::try_new(interval, DEFAULT_TIMEOUT).unwrap()
}

fn target(address: IpAddr, monitor: &Arc<Monitor>) -> Target {
    Target { address: (address, monitor.port).into(), host: "a".into(), monitor: monitor.clone() }
}

/// A pool for each list of addresses, named `web/0` and so on, each in a datacenter of its own. An empty list makes none.
fn world(monitor: Monitor, pools: &[&[&str]]) -> World {
    let monitor = Arc::new(monitor);
    let condition = |value| Some(Condition::Probe(target(value, &monitor)));
    let endpoint = |text: &&str| {
        let value: IpAddr = text.parse().unwrap();
        Endpoint { value, weight: 1, capacity: None, condition: condition(value), lease: None }
    };
    let pool = |(place, addresses): (usize, &&[&str])| {
        let members = Members::Addresses(Addresses::try_new(addresses.iter().map(endpoint).collect()).unwrap());
        let datacenter = Some(DatacenterId::from_index(place));
        Arc::new(PoolSpec { datacenter, ..PoolSpec::new(format!("web/{place}"), members) })
    };
    let datacenter = |place: usize| Datacenter {
        name: place.to_string().into(),
        coordinates: Coordinates::try_new(0.0, place as f64).unwrap(),
        country: None,
    };
    World {
        pools: pools.iter().enumerate().filter(|(_, addresses)| !addresses.is_empty()).map(pool).collect(),
        datacenters: (0..pools.len()).map(datacenter).collect(),
        ..World::default()
    }
}

fn blueprint(world: World) -> Arc<Blueprint> {
    Arc::new(Blueprint::compile(world, Arc::new(Locations::unknown()), None))
}

fn compile(world: World) -> Event {
    Event::Adopt(blueprint(world))
}

fn adopt(addresses: &[&str]) -> Event {
    compile(world(tcp(), &[addresses]))
}

/// A conversation with a control: which probes it starts, what it serves, and what it reports.
struct Scene {
    control: Control,
    now: Duration,
    probes: Vec<(TargetId, Arc<Target>)>,
    stopped: Vec<Arc<Target>>,
    /// The targets that were probed, each with its latest id.
    probed: HashMap<TargetId, Arc<Target>>,
    serving: Option<Arc<Snapshot>>,
    turns: Vec<(IpAddr, State)>,
    /// Endpoints that several probes watch.
    whole_turns: Vec<(Vec<Box<str>>, State, State)>,
    fail_statics: Vec<FailStaticEvent>,
    /// The warnings of probes that ask for another host than in the last run.
    rehosted: Vec<String>,
    /// The rows that are kept for the next run.
    kept: HashMap<u128, Kept>,
    /// The agreements of the fleet, as they are kept for the next run.
    agreements: HashMap<u128, KeptAgreement>,
    /// When rows were handed over to be kept.
    kept_at: Vec<Duration>,
    rolled_out: Vec<String>,
    /// The rows of roll-outs that are kept for the next run.
    rows: BTreeMap<rollout::RolloutId, rollout::Kept>,
    /// The makings of maps that were asked for, each with its time.
    remaps: Vec<(Duration, Arc<Blueprint>, LatencyTable)>,
    /// The latency tables that were saved, each with its time.
    kept_tables: Vec<(Duration, LatencyTable)>,
    recovery_states: HashMap<String, RecoveryState>,
    /// The reports that a pool began or stopped to be held back.
    holds: Vec<bool>,
    /// The number of publications.
    publications: usize,
    /// The messages for the fleet that nobody took yet.
    letters: Vec<crate::vantage::Letter>,
    /// The news about the fleet that control reported.
    fleet_turns: Vec<FleetTurn>,
    /// The events of this node's own probes when answers did not follow them.
    overruled: Vec<(IpAddr, State)>,
}

impl Scene {
    fn new() -> Self {
        Self {
            control: Control::new(7, MAX_IN_FLIGHT),
            now: Duration::ZERO,
            probes: Vec::new(),
            stopped: Vec::new(),
            probed: HashMap::new(),
            serving: None,
            turns: Vec::new(),
            whole_turns: Vec::new(),
            fail_statics: Vec::new(),
            rehosted: Vec::new(),
            kept: HashMap::new(),
            agreements: HashMap::new(),
            kept_at: Vec::new(),
            rolled_out: Vec::new(),
            rows: BTreeMap::new(),
            remaps: Vec::new(),
            kept_tables: Vec::new(),
            recovery_states: HashMap::new(),
            holds: Vec::new(),
            publications: 0,
            letters: Vec::new(),
            fleet_turns: Vec::new(),
            overruled: Vec::new(),
        }
    }

    /// A node that starts later with the rows that another one kept.
    fn restarted(kept: HashMap<u128, Kept>, now: Duration) -> Self {
        let mut scene = Self { now, ..Self::new() };
        scene.kept = kept.clone();
        scene.happen(Event::Restore(kept));
        scene
    }

    /// A node that serves, and whose endpoints are all up.
    fn serving(world: World) -> Self {
        let mut scene = Self::new();
        scene.happen(compile(world));
        scene.pass(at(1), |_| WELL);
        assert!(scene.serving.is_some());
        scene
    }

    fn happen(&mut self, event: Event) {
        for effect in self.control.step(event, self.now) {
            match effect {
                Effect::Probe(id, target) => {
                    self.probed.insert(id, target.clone());
                    self.probes.push((id, target));
                }
                Effect::Stop(id) => self.stopped.push(self.probed[&id].clone()),
                Effect::Publish(snapshot) => {
                    self.serving = Some(snapshot);
                    self.publications += 1;
                }
                Effect::Report(turn) if turn.of == Part::Whole => {
                    self.whole_turns.push((turn.pools, turn.from, turn.to));
                }
                Effect::Report(turn) => self.turns.push((turn.target.address.ip(), turn.to)),
                Effect::FailStatic(fail_static) => self.fail_statics.push(fail_static),
                Effect::Rehosted(change) => self.rehosted.push(change.to_string()),
                Effect::Pushed(reply, result) => _ = reply.send(result),
                Effect::Keep(rows) => {
                    self.kept_at.push(self.now);
                    for (target, kept) in rows.health {
                        match kept {
                            Some(kept) => _ = self.kept.insert(target, kept),
                            None => _ = self.kept.remove(&target),
                        }
                    }
                    for (target, agreement) in rows.agreements {
                        match agreement {
                            Some(agreement) => _ = self.agreements.insert(target, agreement),
                            None => _ = self.agreements.remove(&target),
                        }
                    }
                    for (key, recovery_state) in rows.recovery_states {
                        match recovery_state {
                            Some(recovery_state) => _ = self.recovery_states.insert(key, recovery_state),
                            None => _ = self.recovery_states.remove(&key),
                        }
                    }
                }
                Effect::KeepLatency(table) => self.kept_tables.push((self.now, table)),
                Effect::Remap(blueprint, table) => self.remaps.push((self.now, blueprint, table)),
                Effect::Hold(turn) => self.holds.push(turn.is_held),
                Effect::Letters(letters) => self.letters.extend(letters),
                Effect::FleetTurn(turn) => self.fleet_turns.push(turn),
                Effect::Overruled(told) => self.overruled.push((told.target.address.ip(), told.own)),
                Effect::Overridden(_) | Effect::Group(_) => {}
                Effect::Reply(reply) => reply.send(),
                Effect::RolledOut(change) => {
                    let rollout::Change { happening, from, to, reason, .. } = change;
                    self.rolled_out.push(format!("{} {from} -> {to}: {reason}", happening.as_str()));
                }
                Effect::KeepRollouts(rows) => {
                    for (id, row) in rows {
                        match row {
                            Some(row) => _ = self.rows.insert(id, row),
                            None => _ = self.rows.remove(&id),
                        }
                    }
                }
                Effect::RolloutReply(reply) => reply.send(),
            }
        }
    }

    /// Lets time pass up to `time`. Every probe has the outcome that `outcome` gives for its address.
    fn pass(&mut self, time: Duration, outcome: impl Fn(&str) -> Outcome) {
        self.answer_probes(&outcome);
        while let Some(at) = self.control.wake_at().filter(|at| *at <= time) {
            self.now = at.max(self.now);
            self.happen(Event::Tick);
            self.answer_probes(&outcome);
        }
        self.now = time;
    }

    fn answer_probes(&mut self, outcome: impl Fn(&str) -> Outcome) {
        for (id, target) in std::mem::take(&mut self.probes) {
            let outcome = outcome(&target.address.ip().to_string());
            self.happen(Event::Outcome(id, outcome));
        }
    }

    fn id_of(&self, target: &Target) -> TargetId {
        *self.probed.iter().find(|(_, probed)| ***probed == *target).expect("it was probed").0
    }

    fn pool(&self, place: usize) -> &crate::snapshot::Pool {
        &self.serving.as_ref().expect("something is served").pools()[place]
    }

    fn open_in(&self, place: usize) -> Vec<String> {
        let crate::snapshot::Kind::Addresses(v4, _) = self.pool(place).kind() else { panic!("no addresses") };
        let open = v4.select(crate::snapshot::Selection::Open).iter();
        open.map(|member| IpAddr::from(member.value).to_string()).collect()
    }

    fn open(&self) -> Vec<String> {
        self.open_in(0)
    }
}

/// Every address is up except this one.
fn but(down: &str) -> impl Fn(&str) -> Outcome {
    move |address| if address == down { REFUSED } else { WELL }
}

#[test]
fn nothing_is_served_before_the_first_round_is_over() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    assert_eq!(scene.probes.len(), 2);
    let ((first, _), (second, target)) = (scene.probes[0].clone(), scene.probes[1].clone());
    scene.happen(Event::Outcome(first, WELL));
    assert!(scene.serving.is_none());
    let down = target.address.ip().to_string();
    scene.happen(Event::Outcome(second, REFUSED));
    assert_eq!(scene.open().len(), 1);
    assert!(!scene.open().contains(&down));
}

#[test]
fn what_is_unprobed_at_the_deadline_is_up() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.probes.clear();
    scene.now = FIRST_ROUND;
    scene.happen(Event::Tick);
    assert_eq!(scene.open(), ADDRESSES);
}

#[test]
fn a_world_without_monitors_is_served_at_once() {
    let mut scene = Scene::new();
    scene.happen(adopt(&[]));
    assert!(scene.serving.is_some());
}

#[test]
fn an_endpoint_leaves_within_its_falls_and_returns_after_its_rises() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    assert_eq!(scene.open(), ADDRESSES);

    let died = Duration::from_secs(1);
    scene.pass(died, |_| WELL);
    scene.pass(died + INTERVAL * 3 + PUBLISH_WINDOW, but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);

    let mended = scene.now;
    scene.pass(mended + INTERVAL * 2 + PUBLISH_WINDOW, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);
    let second: IpAddr = "127.0.0.2".parse().unwrap();
    let of_second: Vec<_> = scene.turns.iter().filter(|turn| turn.0 == second).map(|turn| turn.1).collect();
    assert_eq!(of_second, [State::Up, State::Down, State::Up], "each transition is told once");
}

#[test]
fn the_first_unconfirmed_failure_is_published() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    assert!(!scene.pool(0).is_restless());
    scene.pass(INTERVAL + PUBLISH_WINDOW, but("127.0.0.2"));
    assert!(scene.pool(0).is_restless());
    assert_eq!(scene.open(), ADDRESSES);
}

#[test]
fn a_reload_keeps_health_and_waits_for_what_is_new() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);

    scene.happen(adopt(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]));
    assert_eq!(scene.probes.len(), 1, "only the new one is probed at once");
    assert_eq!(scene.serving.as_ref().unwrap().generation(), 1, "the old configuration goes on");
    scene.answer_probes(|_| REFUSED);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    assert_eq!(scene.serving.as_ref().unwrap().generation(), 2);
}

#[test]
fn a_removed_endpoint_is_probed_no_more() {
    let mut scene = Scene::new();
    scene.happen(adopt(&ADDRESSES));
    scene.answer_probes(|_| WELL);
    scene.happen(adopt(&["127.0.0.1"]));
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.now = INTERVAL;
    scene.happen(Event::Tick);
    assert_eq!(scene.probes.len(), 1);
}

#[test]
fn when_all_died_a_pool_knows_what_was_up_before() {
    let recent = |scene: &Scene, place: usize| -> Vec<u8> {
        let crate::snapshot::Kind::Addresses(v4, _) = scene.pool(place).kind() else { panic!("no addresses") };
        v4.select(crate::snapshot::Selection::Recent).iter().map(|member| member.value[3]).collect()
    };
    let pools: &[&[&str]] = &[&["127.0.0.1", "127.0.0.2", "127.0.0.3"], &["127.0.0.4"]];
    let mut scene = Scene::serving(world(tcp(), pools));
    scene.pass(at(60), but("127.0.0.2"));
    let died = scene.now;
    scene.pass(died + INTERVAL * 4, |_| REFUSED);
    assert!(!scene.pool(0).is_open(Family::V4) && !scene.pool(1).is_open(Family::V4));
    assert_eq!(recent(&scene, 0), [1, 3], "one was dead before, and the others died together");
    for pool in [0, 1] {
        let last_up = scene.pool(pool).last_up(Family::V4);
        assert!(last_up > died && last_up <= scene.now);
    }
    assert_eq!(scene.pool(0).outage(), INTERVAL * 3 + at(2));

    // It is known after a restart too.
    scene.happen(Event::Stop);
    let mut again = Scene::restarted(scene.kept.clone(), scene.now + at(30));
    again.happen(compile(world(tcp(), pools)));
    assert_eq!(recent(&again, 0), [1, 3]);
}

#[test]
fn a_probe_that_runs_is_stopped_when_its_endpoint_goes() {
    let mut scene = Scene::serving(world(tcp(), &[&ADDRESSES]));
    scene.now = INTERVAL;
    scene.happen(Event::Tick);
    assert_eq!(scene.probes.len(), 2);
    scene.happen(adopt(&["127.0.0.1"]));
    let stopped: Vec<_> = scene.stopped.iter().map(|target| target.address.ip().to_string()).collect();
    assert_eq!(stopped, ["127.0.0.2"]);
}

#[test]
fn a_probe_that_broke_off_is_not_waited_for_and_comes_again() {
    let mut scene = Scene::new();
    scene.happen(adopt(&["127.0.0.1"]));
    let (id, _) = scene.probes.pop().unwrap();
    scene.happen(Event::Lost(id));
    assert_eq!(scene.open(), ["127.0.0.1"], "nothing speaks against it");
    scene.pass(INTERVAL, |_| REFUSED);
    assert!(scene.open().is_empty());
}

#[test]
fn an_endpoint_that_asks_for_less_is_degraded_and_told_so() {
    let half = Share::from_thousandths(500);
    let asks = |share| Outcome::Success(Finding { share, ..Finding::full(Duration::ZERO) });
    let mut scene = Scene::serving(world(tcp(), &[&ADDRESSES]));
    scene.turns.clear();
    scene.pass(scene.now + INTERVAL * 3, |address| asks(if address == "127.0.0.2" { half } else { Share::FULL }));
    assert_eq!(scene.turns, [("127.0.0.2".parse().unwrap(), State::Degraded(half))]);
    assert_eq!(scene.open(), ADDRESSES, "it still answers");
    scene.pass(scene.now + INTERVAL * 3, |_| WELL);
    assert_eq!(scene.turns.last().unwrap().1, State::Up);
}

#[test]
fn an_endpoint_that_asks_for_nothing_is_drained_and_not_down() {
    let asks = |share| Outcome::Success(Finding { share, ..Finding::full(Duration::ZERO) });
    let one = |share| move |address: &str| asks(if address == "127.0.0.2" { share } else { Share::FULL });
    let mut both = world(tcp(), &[&ADDRESSES, &["127.0.0.2"]]);
    for pool in &mut both.pools {
        Arc::make_mut(pool).min_healthy = MinHealthy::try_new(1.0).unwrap();
    }
    let mut scene = Scene::serving(both);
    scene.turns.clear();
    scene.pass(scene.now + INTERVAL * 4, one(Share::NONE));
    assert_eq!(scene.turns, [("127.0.0.2".parse().unwrap(), State::Degraded(Share::NONE))]);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    assert!(scene.pool(0).is_usable(Family::V4), "what drains is not missed");
    assert!(!scene.pool(1).is_open(Family::V4) && scene.pool(1).is_draining(Family::V4), "it answers as the last one");

    // The drained state is kept, and then the endpoint falls like any other.
    scene.happen(Event::Stop);
    let mut again = Scene::restarted(scene.kept.clone(), scene.now);
    again.happen(compile(world(tcp(), &[&ADDRESSES])));
    assert_eq!(again.open(), ["127.0.0.1"]);
    assert!(again.pool(0).has_draining());
    scene.pass(scene.now + INTERVAL * 4, but("127.0.0.2"));
    assert_eq!(scene.turns.last().unwrap().1, State::Down);
    assert!(!scene.pool(1).is_draining(Family::V4) && !scene.pool(0).is_usable(Family::V4));
    // A thousandth is more than nothing.
    scene.pass(scene.now + INTERVAL * 4, one(Share::from_part(0.000_4)));
    assert!(scene.pool(0).is_usable(Family::V4) && scene.pool(1).is_open(Family::V4));
}

#[test]
fn an_aggregate_turns_when_what_its_probes_come_to_does() {
    let parts = [80, 81, 82].map(|port| Arc::new(Monitor { port, ..tcp() }));
    let mut aggregate = world(tcp(), &[&["127.0.0.1"], &["127.0.0.1"]]);
    for pool in &mut aggregate.pools {
        let Members::Addresses(endpoints) = &mut Arc::make_mut(pool).members else { unreachable!() };
        let probes = parts.each_ref().map(|monitor| Condition::Probe(target(endpoints[0].value, monitor)));
        endpoints.edit(|list| list[0].condition = Some(Condition::AtLeast(2, probes.into())));
    }
    let mut scene = Scene::serving(aggregate);
    let turned = |scene: &mut Scene, ports: &[u16], outcome: &Outcome| {
        scene.whole_turns.clear();
        for _ in 0..3 {
            for monitor in parts.iter().filter(|monitor| ports.contains(&monitor.port)) {
                let target = target("127.0.0.1".parse().unwrap(), monitor);
                scene.happen(Event::Outcome(scene.id_of(&target), outcome.clone()));
            }
        }
        std::mem::take(&mut scene.whole_turns)
    };
    let both = || vec!["web/0".into(), "web/1".into()];
    assert_eq!(turned(&mut scene, &[80], &REFUSED), [], "two of three are left");
    assert_eq!(turned(&mut scene, &[82], &REFUSED), [(both(), State::Up, State::Down)]);
    assert_eq!(turned(&mut scene, &[81], &REFUSED), [], "it is down already");
    assert_eq!(turned(&mut scene, &[80], &WELL), []);
    assert_eq!(turned(&mut scene, &[81], &WELL), [(both(), State::Down, State::Up)]);
    let turned_at = scene.control.survey().turned;
    assert_eq!(turned_at.len(), 2);
    assert!(turned_at.values().all(|&since| since == scene.now));
}

#[test]
fn what_is_held_down_comes_back_with_the_first_good_outcome_after_it() {
    let hold_down = at(60);
    let mut scene = Scene::serving(world(Monitor { hold_down, ..tcp() }, &[&ADDRESSES]));
    scene.pass(INTERVAL * 4, but("127.0.0.2"));
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.pass(hold_down, |_| WELL);
    assert_eq!(scene.open(), ["127.0.0.1"]);
    scene.pass(INTERVAL * 4 + hold_down + INTERVAL + PUBLISH_WINDOW, |_| WELL);
    assert_eq!(scene.open(), ADDRESSES);
    assert!(!scene.pool(0).is_restless());
}
