//! How a node stands: what it serves, which pools are usable, and what is known of every endpoint.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PoolLoad;
use super::notice::word;
use crate::health::{Condition, Health, LastProbe, State, Survey, Target};
use crate::load::Allowance;
use crate::name::Name;
use crate::snapshot::{
    AdminState, Family, Members, Pool, PoolId, PoolSpec, ServedZone, Snapshot, SteeredName, ZoneSpec,
};

/// Steered names that are told at most if nobody asks for another number: a page of them, not all of a million.
const NAMES: usize = 1000;

/// What is asked for; all if nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// This steered name and its pools.
    pub name: Option<Name>,
    /// This pool, `web/fra`, or `web` in all of its datacenters, and the names that use it.
    pub pool: Option<String>,
    /// How many names at most.
    pub limit: Option<usize>,
}

/// When that is.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Unix time in seconds.
    pub unix_time: u64,
    /// Since the node began to answer.
    pub uptime: Duration,
    /// What clients take up then.
    pub traffic: Traffic,
}

/// What clients take up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Connections of DNS now, over TCP, TLS, HTTPS and QUIC.
    pub connections: usize,
    /// How many there may be.
    pub most_connections: usize,
    /// Those that were closed so far because others came. If it grows, raise the limit of descriptors or look for an attack.
    pub closed_connections: u64,
    /// Queries over UDP that the kernel dropped so far, because more came than the workers could read.
    pub dropped_queries: u64,
    /// Connections of DNS that the kernel refused so far, because more came than could be accepted.
    #[serde(default)]
    pub refused_connections: u64,
    /// Zone transfers that took too long so far, and were cut.
    #[serde(default)]
    pub cut_transfers: u64,
    /// Connections of the admin server that were closed so far because others came.
    #[serde(default)]
    pub closed_admin_connections: u64,
}

/// How a node stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// What the node calls itself.
    pub node: String,
    /// Of the program.
    pub version: String,
    /// Unix time in seconds, for all other times here.
    pub time: u64,
    /// Seconds since it began to answer.
    pub uptime: u64,
    /// Of the snapshot that it answers from.
    pub generation: u64,
    /// What clients take up.
    #[serde(default)]
    pub traffic: Traffic,
    /// Until when last states are held at most, because the node doubts its own probes; absent while it does not.
    pub held_until: Option<u64>,
    /// All zones.
    pub zones: Vec<ZoneStatus>,
    /// Steered names.
    pub names: Vec<NameStatus>,
    /// How many more there are.
    pub more_names: usize,
    /// Pools.
    pub pools: Vec<PoolStatus>,
}

/// A zone.
#[derive(Debug, Serialize, Deserialize)]
pub struct ZoneStatus {
    /// Its apex.
    pub origin: String,
    /// As it is served.
    pub serial: u32,
    /// Steered names in it.
    pub names: usize,
    /// Static records of its files.
    pub records: usize,
}

/// A steered name.
#[derive(Debug, Serialize, Deserialize)]
pub struct NameStatus {
    /// The owner.
    pub name: String,
    /// As written.
    pub pools: Vec<String>,
    /// How many of them are usable for any family.
    pub usable: usize,
    /// What answers when none is.
    pub fallback: Option<String>,
}

/// A pool.
#[derive(Debug, Serialize, Deserialize)]
pub struct PoolStatus {
    /// `web/fra`.
    pub pool: String,
    /// The zone that defines it; absent if the server file does.
    pub zone: Option<String>,
    /// Where it stands.
    pub datacenter: Option<String>,
    /// Whether A and AAAA questions are answered from it.
    pub usable_v4: bool,
    /// See `usable_v4`.
    pub usable_v6: bool,
    /// How many endpoints of the family are open, and how many there are.
    pub open_v4: usize,
    /// See `open_v4`.
    pub given_v4: usize,
    /// See `open_v4`.
    pub open_v6: usize,
    /// See `open_v4`.
    pub given_v6: usize,
    /// Absent where nothing is known of it, or nobody goes by it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub load: Option<PoolLoad>,
    /// In the order of the file.
    pub endpoints: Vec<EndpointStatus>,
}

/// An endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// The address, or the canonical name.
    pub endpoint: String,
    /// For draws.
    pub weight: u16,
    /// `up`, `degraded`, `held back`, `draining`, `down` or `forced down`, as answers have it.
    pub state: String,
    /// What it would be by what is seen of it alone, whatever operators say: `unknown`, `up`, `degraded`, `drained` or `down`.
    pub really: String,
    /// When it came to be that, Unix time in seconds; absent before the first outcome, and where nobody watches.
    #[serde(default)]
    pub since: Option<u64>,
    /// The share of its clients that it keeps, 0-1.
    pub share: f64,
    /// The part of that which it takes while it comes back, or leaves, slowly; 1 otherwise.
    pub ramp: f64,
    /// Whether an outcome that is not confirmed yet speaks against that.
    pub restless: bool,
    /// What tells so; none where nobody watches.
    pub probes: Vec<ProbeStatus>,
}

/// A probe.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProbeStatus {
    /// Where it goes.
    pub target: String,
    /// `http`, `tcp`, ...
    pub check: String,
    /// What is asked for.
    pub host: String,
    /// `unknown`, `up`, `degraded`, `drained` or `down`.
    pub state: String,
    /// When it came to be that, Unix time in seconds; absent before the first outcome.
    pub since: Option<u64>,
    /// The last outcome.
    pub seen: Option<String>,
    /// And when, Unix time in seconds.
    pub seen_at: Option<u64>,
    /// Failures in a row, up to the last outcome.
    pub failures: u8,
    /// Successes in a row.
    pub successes: u8,
}

impl Status {
    /// Of what is answered from, and what is known of its endpoints; their times are counted from the Unix epoch.
    pub fn new(snapshot: &Snapshot, survey: &Survey, filter: &Filter, when: When) -> Self {
        let world = snapshot.world();
        let pool_is_meant = |pool: &PoolSpec| filter.pool.as_ref().is_none_or(|meant| is_named(pool, meant));
        let name_is_meant = |name: &SteeredName| {
            filter.name.as_ref().is_none_or(|meant| *meant == name.owner)
                && (filter.pool.is_none() || uses(name).any(|id| pool_is_meant(&world.pools[id as usize])))
        };
        let names: Vec<&SteeredName> =
            world.zones.iter().flat_map(|zone| &zone.names).filter(|name| name_is_meant(name)).collect();
        let of_names: Option<Vec<PoolId>> =
            filter.name.as_ref().map(|_| names.iter().flat_map(|name| uses(name)).collect());
        let pools = (0..)
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
            zones: snapshot.zones().iter().zip(&world.zones).map(|(served, spec)| zone(served, spec)).collect(),
            more_names: names.len().saturating_sub(limit),
            pools: pools.map(|(_, pool)| PoolStatus::new(pool, snapshot, survey)).collect(),
            names: names.into_iter().take(limit).map(|name| NameStatus::new(name, snapshot)).collect(),
        }
    }
}

/// Whether `meant` is its name, or the first part of it.
fn is_named(pool: &PoolSpec, meant: &str) -> bool {
    *pool.name == *meant || pool.name.split('/').next() == Some(meant)
}

fn uses(name: &SteeredName) -> impl Iterator<Item = PoolId> {
    name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback)
}

fn zone(served: &ServedZone, spec: &ZoneSpec) -> ZoneStatus {
    ZoneStatus {
        origin: spec.origin.to_string(),
        serial: served.serial(),
        names: spec.names.len(),
        records: spec.tree.record_count(),
    }
}

impl NameStatus {
    fn new(name: &SteeredName, snapshot: &Snapshot) -> Self {
        let pool = |id: PoolId| &snapshot.pools()[id as usize];
        let spelt = |id: PoolId| pool(id).spec().name.to_string();
        let used = || name.steering.pools.iter().map(|used| used.pool);
        let is_usable = |id: &PoolId| pool(*id).is_usable(Family::V4) || pool(*id).is_usable(Family::V6);
        Self {
            name: name.owner.to_string(),
            pools: used().map(spelt).collect(),
            usable: used().filter(is_usable).count(),
            fallback: name.steering.fallback.map(spelt),
        }
    }
}

impl PoolStatus {
    fn new(pool: &Pool, snapshot: &Snapshot, survey: &Survey) -> Self {
        let spec = pool.spec();
        let ((open_v4, given_v4), (open_v6, given_v6)) = (pool.counts(Family::V4), pool.counts(Family::V6));
        let datacenter = spec.datacenter.map(|id| snapshot.world().datacenters[usize::from(id)].name.to_string());
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
            endpoints: (0..spec.members.len()).map(|place| EndpointStatus::new(pool, place, survey)).collect(),
        }
    }
}

impl EndpointStatus {
    fn new(pool: &Pool, place: usize, survey: &Survey) -> Self {
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
