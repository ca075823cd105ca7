//! The status of a node: its zones, the usable pools, and the state of every endpoint.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notice::word;
use super::{NameAnswers, PoolLoad, Totals};
use crate::counters::ZoneAnswer;
use crate::health::{Condition, Health, LastProbe, State, Survey, Target};
use crate::load::Allowance;
use crate::name::Name;
use crate::snapshot::{
    AdminState, Family, Members, Pool, PoolId, PoolSpec, ServedZone, Snapshot, SteeredName, ZoneSpec,
};

/// Default maximum number of steered names: a page of them, not all of a million.
const NAMES: usize = 1000;

/// The requested part; everything if no field is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// This steered name and its pools.
    pub name: Option<Name>,
    /// This pool, `web/fra`, or `web` in all of its datacenters, and the names that use it.
    pub pool: Option<String>,
    /// Maximum number of names.
    pub limit: Option<usize>,
}

/// The time of a status.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Unix time in seconds.
    pub unix_time: u64,
    /// Time since the node began to answer.
    pub uptime: Duration,
    /// The clients' traffic at that time.
    pub traffic: Traffic,
}

/// Traffic of clients, and losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Present DNS connections, over TCP, TLS, HTTPS and QUIC.
    pub connections: usize,
    /// Maximum number of DNS connections.
    pub most_connections: usize,
    /// DNS connections that were closed so far to make room for others. If it grows, raise the limit of descriptors or
    /// look for an attack.
    pub closed_connections: u64,
    /// UDP queries that the kernel dropped so far, because the workers could not read them fast enough.
    pub dropped_queries: u64,
    /// DNS connections that the kernel refused so far, because they could not be accepted fast enough.
    #[serde(default)]
    pub refused_connections: u64,
    /// Connections to the admin server over TCP that the kernel refused so far, because they could not be accepted fast
    /// enough. If it grows, keep strangers from its port.
    #[serde(default)]
    pub refused_admin_connections: u64,
    /// Zone transfers that took too long so far, and were cut off.
    #[serde(default)]
    pub cut_transfers: u64,
    /// Connections of the admin server that were closed so far to make room for others.
    #[serde(default)]
    pub closed_admin_connections: u64,
    /// Responses over the rate limit so far that had only TC.
    #[serde(default)]
    pub slipped_responses: u64,
    /// Responses over the rate limit so far that were not sent.
    #[serde(default)]
    pub limited_responses: u64,
}

/// The status of a node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// The version of the program.
    pub version: String,
    /// The present Unix time in seconds, to compare all other times with.
    pub time: u64,
    /// Seconds since the node began to answer.
    pub uptime: u64,
    /// The generation of the snapshot that it answers from.
    pub generation: u64,
    /// The clients' traffic.
    #[serde(default)]
    pub traffic: Traffic,
    /// When the last states are released at the latest, because the node does not trust its own probes (fail-static);
    /// absent otherwise.
    pub held_until: Option<u64>,
    /// All zones.
    pub zones: Vec<ZoneStatus>,
    /// Steered names.
    pub names: Vec<NameStatus>,
    /// Number of further names.
    pub more_names: usize,
    /// Pools.
    pub pools: Vec<PoolStatus>,
}

/// A zone.
#[derive(Debug, Serialize, Deserialize)]
pub struct ZoneStatus {
    /// Its apex.
    pub origin: String,
    /// The SERIAL as it is served.
    pub serial: u32,
    /// Number of its steered names.
    pub names: usize,
    /// Number of static records of its files.
    pub records: usize,
    /// Number of its answers since the node's start.
    #[serde(default)]
    pub answers: u64,
}

/// A steered name.
#[derive(Debug, Serialize, Deserialize)]
pub struct NameStatus {
    /// The owner.
    pub name: String,
    /// The pools, as configured.
    pub pools: Vec<String>,
    /// Number of pools that are usable for any family.
    pub usable: usize,
    /// The pool that answers if no other can.
    pub fallback: Option<String>,
    /// The answers that it gave since the node's start.
    #[serde(default)]
    pub answers: NameAnswers,
}

/// A pool.
#[derive(Debug, Serialize, Deserialize)]
pub struct PoolStatus {
    /// The name, such as `web/fra`.
    pub pool: String,
    /// The zone that defines it; absent if the server file does.
    pub zone: Option<String>,
    /// The datacenter.
    pub datacenter: Option<String>,
    /// True if the pool is usable for A.
    pub usable_v4: bool,
    /// True if the pool is usable for AAAA.
    pub usable_v6: bool,
    /// Number of open IPv4 endpoints.
    pub open_v4: usize,
    /// Number of configured IPv4 endpoints.
    pub given_v4: usize,
    /// Number of open IPv6 endpoints.
    pub open_v6: usize,
    /// Number of configured IPv6 endpoints.
    pub given_v6: usize,
    /// Absent if it is unknown or unused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub load: Option<PoolLoad>,
    /// The endpoints, in the order of the file.
    pub endpoints: Vec<EndpointStatus>,
}

/// An endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// The address, or the canonical name.
    pub endpoint: String,
    /// Weight for draws.
    pub weight: u16,
    /// The state that answers use: `up`, `degraded`, `held back`, `draining`, `down` or `forced down`.
    pub state: String,
    /// The state by probes and reports alone, without overrides: `unknown`, `up`, `degraded`, `drained` or `down`.
    pub really: String,
    /// When this state began, Unix time in seconds; absent before the first outcome, and without a monitor.
    #[serde(default)]
    pub since: Option<u64>,
    /// The share of its clients that it keeps, 0-1.
    pub share: f64,
    /// The part of that share during a slow start or a slow drain; 1 otherwise.
    pub ramp: f64,
    /// True if an unconfirmed outcome contradicts the state.
    pub restless: bool,
    /// Number of answers that it was in since the node's start.
    #[serde(default)]
    pub answers: u64,
    /// Number of answers in which it was the first address of its family.
    #[serde(default)]
    pub first_answers: u64,
    /// Its probes; empty without a monitor.
    pub probes: Vec<ProbeStatus>,
}

/// A probe.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProbeStatus {
    /// The probed address.
    pub target: String,
    /// `http`, `tcp`, ...
    pub check: String,
    /// The host name that is asked for.
    pub host: String,
    /// `unknown`, `up`, `degraded`, `drained` or `down`.
    pub state: String,
    /// When this state began, Unix time in seconds; absent before the first outcome.
    pub since: Option<u64>,
    /// The last outcome.
    pub seen: Option<String>,
    /// The time of the last outcome, Unix time in seconds.
    pub seen_at: Option<u64>,
    /// Number of failures in a row, up to the last outcome.
    pub failures: u8,
    /// Number of successes in a row.
    pub successes: u8,
}

impl Status {
    /// Returns the status for a snapshot and the state of its targets; the survey's times count from the Unix epoch.
    pub fn new(snapshot: &Snapshot, survey: &Survey, totals: &Totals, filter: &Filter, when: When) -> Self {
        let world = snapshot.world();
        let pool_is_meant = |pool: &PoolSpec| filter.pool.as_ref().is_none_or(|meant| is_named(pool, meant));
        let name_is_meant = |name: &SteeredName| {
            filter.name.as_ref().is_none_or(|meant| *meant == name.owner)
                && (filter.pool.is_none() || uses(name).any(|id| pool_is_meant(&world.pools[id.index()])))
        };
        // Names are counted by their number among all names.
        let names: Vec<(usize, &SteeredName)> = world
            .zones
            .iter()
            .flat_map(|zone| &zone.names)
            .enumerate()
            .filter(|(_, name)| name_is_meant(name))
            .collect();
        let of_names: Option<Vec<PoolId>> =
            filter.name.as_ref().map(|_| names.iter().flat_map(|(_, name)| uses(name)).collect());
        let pools = world
            .pool_ids()
            .zip(snapshot.pools())
            .filter(|(id, pool)| of_names.as_ref().is_none_or(|used| used.contains(id)) && pool_is_meant(pool.spec()));
        let limit = filter.limit.unwrap_or(NAMES);
        Self {
            node: world.node.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: when.unix_time,
            uptime: when.uptime.as_secs(),
            generation: snapshot.generation(),
            traffic: when.traffic,
            held_until: survey.held_until.map(|until| until.as_secs()),
            zones: snapshot
                .zones()
                .iter()
                .zip(&world.zones)
                .enumerate()
                .map(|(number, (served, spec))| zone(served, spec, number, totals))
                .collect(),
            more_names: names.len().saturating_sub(limit),
            pools: pools.map(|(id, pool)| PoolStatus::new(id, pool, snapshot, survey, totals)).collect(),
            names: names
                .into_iter()
                .take(limit)
                .map(|(number, name)| NameStatus::new(number, name, snapshot, totals))
                .collect(),
        }
    }
}

/// True if `meant` is the pool's name, or its part before the slash.
fn is_named(pool: &PoolSpec, meant: &str) -> bool {
    *pool.name == *meant || pool.name.split('/').next() == Some(meant)
}

fn uses(name: &SteeredName) -> impl Iterator<Item = PoolId> {
    name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback)
}

fn zone(served: &ServedZone, spec: &ZoneSpec, number: usize, totals: &Totals) -> ZoneStatus {
    ZoneStatus {
        origin: spec.origin.to_string(),
        serial: served.serial(),
        names: spec.names.len(),
        records: spec.tree.record_count(),
        answers: ZoneAnswer::ALL.into_iter().map(|kind| totals.zone(number, kind)).sum(),
    }
}

impl NameStatus {
    fn new(number: usize, name: &SteeredName, snapshot: &Snapshot, totals: &Totals) -> Self {
        let pool = |id: PoolId| &snapshot.pools()[id.index()];
        let spelt = |id: PoolId| pool(id).spec().name.to_string();
        let used = || name.steering.pools.iter().map(|used| used.pool);
        let is_usable = |id: &PoolId| pool(*id).is_usable(Family::V4) || pool(*id).is_usable(Family::V6);
        Self {
            name: name.owner.to_string(),
            pools: used().map(spelt).collect(),
            usable: used().filter(is_usable).count(),
            fallback: name.steering.fallback.map(spelt),
            answers: NameAnswers::new(name, &totals.name(number, &name.owner, &used().collect::<Vec<_>>()), &spelt),
        }
    }
}

impl PoolStatus {
    fn new(id: PoolId, pool: &Pool, snapshot: &Snapshot, survey: &Survey, totals: &Totals) -> Self {
        let spec = pool.spec();
        let ((open_v4, given_v4), (open_v6, given_v6)) = (pool.counts(Family::V4), pool.counts(Family::V6));
        let datacenter = spec.datacenter.map(|id| snapshot.world().datacenters[id.index()].name.to_string());
        Self {
            pool: spec.name.to_string(),
            zone: spec.zone.as_ref().map(Name::to_string),
            datacenter,
            usable_v4: pool.is_usable(Family::V4),
            usable_v6: pool.is_usable(Family::V6),
            open_v4,
            given_v4,
            open_v6,
            given_v6,
            load: match survey.loads.get(&spec.key()).filter(|seen| seen.heard.is_some()) {
                Some(seen) => Some(PoolLoad::now(pool.allowance(), seen)),
                None => (*pool.allowance() != Allowance::UNKNOWN).then(|| PoolLoad::new(pool.allowance())),
            },
            endpoints: (0..spec.members.len())
                .map(|place| EndpointStatus::new(pool, place, survey, totals.endpoint(id, place)))
                .collect(),
        }
    }
}

impl EndpointStatus {
    fn new(pool: &Pool, place: usize, survey: &Survey, (answers, first_answers): (u64, u64)) -> Self {
        let members = &pool.spec().members;
        let (endpoint, weight) = match members {
            Members::Addresses(endpoints) => (endpoints[place].value.to_string(), endpoints[place].weight),
            Members::Cname(endpoint) => (endpoint.value.to_string(), endpoint.weight),
        };
        let endpoint_state = pool.endpoint_state(place);
        let state = match (endpoint_state.admin_state, endpoint_state.share) {
            (AdminState::Off, _) => "forced down",
            (_, share) if !share.is_some() => word(State::Down),
            (AdminState::Held, _) => "held back",
            (AdminState::Draining, _) => "draining",
            (AdminState::On, share) if share.is_full() => word(State::Up),
            (AdminState::On, share) => word(State::Degraded(share)),
        };
        let mut targets = Vec::new();
        let (mut really, mut since) = (State::Up, None);
        if let Some(condition) = members.condition(place) {
            condition.each_target(&mut |target| targets.push(target));
            let health = |target: &Target| {
                survey.last_probes.get(target).map_or(Health::UNKNOWN, |last_probe| last_probe.health)
            };
            really = condition.state(&health);
            since = match condition {
                Condition::Probe(target) => survey.last_probes.get(target).map(|last_probe| last_probe.since),
                Condition::AtLeast(..) => survey.turned.get(&pool.spec().key_of(place)).copied(),
            };
            since = since.filter(|_| really != State::Unknown);
        }
        Self {
            endpoint,
            weight,
            state: state.to_owned(),
            really: word(really).to_owned(),
            since: since.map(|since| since.as_secs()),
            share: f64::from(endpoint_state.share.thousandths()) / 1000.0,
            ramp: f64::from(endpoint_state.ramp.thousandths()) / 1000.0,
            restless: endpoint_state.restless,
            answers,
            first_answers,
            probes: targets.into_iter().map(|target| ProbeStatus::new(target, survey)).collect(),
        }
    }
}

impl ProbeStatus {
    fn new(target: &Target, survey: &Survey) -> Self {
        let last_probe: Option<&LastProbe> = survey.last_probes.get(target);
        let seen = last_probe.and_then(|last_probe| last_probe.seen.as_ref());
        let (failures, successes) = last_probe.map_or((0, 0), |last_probe| last_probe.health.in_a_row());
        Self {
            target: target.address.to_string(),
            check: target.monitor.check.as_str().to_owned(),
            host: target.host.to_string(),
            state: word(last_probe.map_or(State::Unknown, |last_probe| last_probe.health.state())).to_owned(),
            since: last_probe.map(|last_probe| last_probe.since.as_secs()),
            seen: seen.map(|(outcome, _)| outcome.to_string()),
            seen_at: seen.map(|(_, at)| at.as_secs()),
            failures,
            successes,
        }
    }
}
