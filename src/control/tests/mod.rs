//! Scenarios of the state machine: no sockets, no clock.

mod amend;
mod calculated;
mod fail_static;
mod fleet;
mod fleet_latency;
mod fleet_orders;
mod keeping;
mod latency;
mod loads;
mod preview;
mod probes;
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
    Target {
        address: std::net::SocketAddr::new(address, monitor.port).into(),
        host: "a".into(),
        monitor: monitor.clone(),
    }
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
    /// Endpoints whose state is calculated.
    whole_turns: Vec<(Vec<Box<str>>, State, State)>,
    /// The number of endpoints in each report of those that depend on something.
    dependents: Vec<usize>,
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
    /// The entries for the fleet's streams.
    submitted: Vec<crate::ledger::Publish>,
    /// Orders of the fleet about TXT records and leases.
    follows: Vec<crate::ledger::Follow>,
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
            dependents: Vec::new(),
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
            submitted: Vec::new(),
            follows: Vec::new(),
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
                Effect::Report(turn) if matches!(turn.of, Part::Whole | Part::Dependents(_)) => {
                    if let Part::Dependents(count) = turn.of {
                        self.dependents.push(count);
                    }
                    self.whole_turns.push((turn.pools, turn.from, turn.to));
                }
                Effect::Report(turn) => self.turns.push((turn.target.address.ip().unwrap(), turn.to)),
                Effect::FailStatic(fail_static) => self.fail_statics.push(fail_static),
                Effect::Rehosted(change) => self.rehosted.push(change.to_string()),
                Effect::Pushed(reply, result) => _ = reply.send(result),
                Effect::Decided(reply, decision) => _ = reply.send(decision),
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
                Effect::Submit(entries) => self.submitted.extend(entries),
                Effect::Follow(follows) => self.follows.extend(follows.follows),
                Effect::Overruled(told) => self.overruled.push((told.target.address.ip().unwrap(), told.own)),
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
            let outcome = outcome(&target.address.host());
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
