//! The status of a node: its zones, names, pools and endpoints, and its problems.

mod absence;
mod endpoint;
mod fleet;
mod keys;
mod registered;
mod screen;
mod sums;
mod tables;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::owners::Owners;
use super::{NameAnswers, OverrideShape, PoolLoad, Totals};
use crate::counters::{QueryLogCounters, ZoneAnswer};
use crate::health::Survey;
use crate::load::Allowance;
use crate::name::Name;
use crate::overrides::{EffectiveOverrides, Override};
use crate::snapshot::{Family, Plan, Pool, PoolId, PoolSpec, Rung, ServedZone, Snapshot, SteeredName, ZoneSpec};
use crate::steering::Set;
use crate::zone::NameId;
pub(super) use absence::Known;
pub(super) use endpoint::EndpointHealth;
use endpoint::EndpointStatus;
pub(super) use fleet::{AgreementStatus, FleetStatus};
use keys::KeyStatus;
pub(super) use registered::RegisteredStatus;
pub use sums::DatacenterStatus;
use sums::{Sums, sums};

/// Default maximum number of steered names. A node may have a million of them.
const NAMES: usize = 1000;

/// Selects a part of the status; everything if no field is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// This steered name and its pools.
    pub name: Option<Name>,
    /// This pool, `web/fra`, or `web` in all of its datacenters, and the names that use it.
    pub pool: Option<String>,
    /// The pools in this datacenter, and the names that use them.
    pub datacenter: Option<String>,
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
    /// Zone transfers so far that took too long and were cut off.
    #[serde(default)]
    pub cut_transfers: u64,
    /// Connections of the admin server that were closed so far to make room for others.
    #[serde(default)]
    pub closed_admin_connections: u64,
    /// Responses over the rate limit so far that were sent as a header with TC.
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
    /// The version of the program, with its commit if that is known.
    pub version: String,
    /// The present Unix time in seconds. All other times can be compared with it.
    pub time: u64,
    /// Seconds since the node began to answer.
    pub uptime: u64,
    /// The generation of the snapshot that it answers from.
    pub generation: u64,
    /// The clients' traffic.
    #[serde(default)]
    pub traffic: Traffic,
    /// The files on disk.
    #[serde(default)]
    pub files: FilesStatus,
    /// The query log; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query_log: Option<QueryLogStatus>,
    /// The fleet; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fleet: Option<FleetStatus>,
    /// Numbers of endpoints, pools and names by their state. They are about the whole node, whatever part was selected.
    #[serde(default)]
    pub sums: Sums,
    /// The datacenters, in the order of the configuration; at the end the pools without one.
    #[serde(default)]
    pub datacenters: Vec<DatacenterStatus>,
    /// The overrides and windows in force.
    #[serde(default)]
    pub orders: Vec<OverrideShape>,
    /// While endpoints keep their last states (fail-static): when that ends at the latest, Unix time in seconds. Absent
    /// otherwise.
    pub held_until: Option<u64>,
    /// The pools whose leases are kept, because none of them is renewed. They are about the whole node.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub silent: Vec<String>,
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
    /// The keys that sign it; none for a zone that is not signed here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub keys: Vec<KeyStatus>,
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
    /// The rung that answers now at best: `usable`, `below_minimum`, `ready`, `held`, `draining`, `fallback`,
    /// `all_down` or `forced_down`. The regions of some clients may leave them only a lower rung.
    #[serde(default)]
    pub rung: String,
    /// The override of the name; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<String>,
    /// Its pools that are drained in its answers only.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub drained: Vec<String>,
    /// Its pools that are forced down in its answers only.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub forced_down: Vec<String>,
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
    /// The load; absent if it is unknown or not used.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub load: Option<PoolLoad>,
    /// Its registered endpoints; absent if it takes none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub registered: Option<RegisteredStatus>,
    /// The endpoints, in the order of the file; the registered ones follow.
    pub endpoints: Vec<EndpointStatus>,
}

/// The files on disk, compared with the configuration that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesStatus {
    /// True if they had errors when they were read last, so that an older configuration is served: a restart would
    /// fail.
    pub would_fail: bool,
    /// When they were read last, Unix time in seconds.
    pub read_at: u64,
}

/// The query log of a node. The numbers count from the node's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLogStatus {
    /// True if its sink works.
    pub up: bool,
    /// Answers that were written.
    pub written: u64,
    /// Octets that were written.
    pub written_bytes: u64,
    /// Answers that are missing, because the sink did not take them in time.
    pub lost: u64,
    /// How often the sink was opened.
    pub openings: u64,
}

impl QueryLogStatus {
    /// Returns the state of the query log, if there is one.
    fn of(log: &QueryLogCounters, totals: &Totals) -> Option<Self> {
        log.is_on.load(Relaxed).then(|| Self {
            up: log.is_written.load(Relaxed),
            written: log.written.load(Relaxed),
            written_bytes: log.octets.load(Relaxed),
            lost: totals.traffic.unlogged() + log.lost.load(Relaxed),
            openings: log.openings.load(Relaxed),
        })
    }
}

/// The facts that a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct StatusFacts<'a> {
    /// The snapshot that answers are given from.
    pub snapshot: &'a Snapshot,
    /// The state of its targets; times count from the Unix epoch.
    pub survey: &'a Survey,
    /// The answers so far.
    pub totals: &'a Totals,
    /// All overrides and windows, each with true if it is in force.
    pub overrides: &'a [(Override, bool)],
    /// The files on disk.
    pub files: &'a FilesStatus,
    /// The query log.
    pub query_log: &'a QueryLogCounters,
}

impl Status {
    /// Returns the requested part of the status.
    pub fn new(facts: StatusFacts<'_>, filter: &Filter, when: When) -> Self {
        let StatusFacts { snapshot, survey, totals, overrides, files, query_log } = facts;
        let world = snapshot.world();
        let pool_is_meant = |pool: &PoolSpec| {
            filter.pool.as_ref().is_none_or(|meant| pool.is_referred_to(meant))
                && filter.datacenter.as_ref().is_none_or(|meant| world.datacenter_of(pool) == Some(meant))
        };
        let name_is_meant = |name: &SteeredName| {
            filter.name.as_ref().is_none_or(|meant| *meant == name.owner)
                && ((filter.pool.is_none() && filter.datacenter.is_none())
                    || uses(name).any(|id| pool_is_meant(&world.pools[id.index()])))
        };
        // Names are counted by their number among all names.
        let all_names = || world.zones.iter().flat_map(|zone| zone.names.iter()).enumerate();
        let names: Vec<(usize, &SteeredName)> = all_names().filter(|(_, name)| name_is_meant(name)).collect();
        let of_names: Option<Vec<PoolId>> =
            filter.name.as_ref().map(|_| names.iter().flat_map(|(_, name)| uses(name)).collect());
        let pools = world
            .pool_ids()
            .zip(snapshot.pools())
            .filter(|(id, pool)| of_names.as_ref().is_none_or(|used| used.contains(id)) && pool_is_meant(pool.spec()));
        let limit = filter.limit.unwrap_or(NAMES);
        let in_force = || overrides.iter().filter(|(_, is_in_force)| *is_in_force).map(|(item, _)| item);
        let effective_overrides = EffectiveOverrides::new(in_force());
        let now = Duration::from_secs(when.unix_time);
        let known = Known { world, effective_overrides: &effective_overrides, now };
        let owners = Owners::new(snapshot);
        let (sums, datacenters) = sums(snapshot, &owners, totals);
        Self {
            node: world.node.to_string(),
            version: env!("TRUENORTH_VERSION").to_owned(),
            time: when.unix_time,
            uptime: when.uptime.as_secs(),
            generation: snapshot.generation(),
            traffic: when.traffic,
            files: files.clone(),
            query_log: QueryLogStatus::of(query_log, totals),
            fleet: survey.fleet.as_ref().map(FleetStatus::from),
            sums,
            datacenters,
            orders: in_force().map(|item| OverrideShape { in_force: Some(true), ..item.into() }).collect(),
            held_until: survey.held_until.map(|until| until.as_secs()),
            silent: registered::silent(world),
            zones: snapshot
                .zones()
                .iter()
                .zip(&world.zones)
                .enumerate()
                .map(|(number, (served, spec))| zone(served, spec, number, totals))
                .collect(),
            more_names: names.len().saturating_sub(limit),
            pools: pools.map(|(id, pool)| PoolStatus::new(id, pool, &facts, &known)).collect(),
            names: names
                .into_iter()
                .take(limit)
                .map(|(number, name)| NameStatus::new(number, name, &owners, snapshot, totals))
                .collect(),
        }
    }
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
        keys: served.keys.as_ref().map_or_else(Vec::new, |keys| KeyStatus::all(keys)),
    }
}

impl NameStatus {
    fn new(number: usize, name: &SteeredName, owners: &Owners<'_>, snapshot: &Snapshot, totals: &Totals) -> Self {
        let pool = |id: PoolId| &snapshot.pools()[id.index()];
        let spelt = |id: PoolId| pool(id).spec().name.to_string();
        let used = || name.steering.pools.iter().map(|used| used.pool);
        let is_usable = |id: &PoolId| pool(*id).is_usable(Family::V4) || pool(*id).is_usable(Family::V6);
        let plan = owners.of_id(NameId::from_index(number)).map(|place| owners.plan(place));
        let in_set = |set: Set| plan.map_or_else(Vec::new, |plan| plan.rule().pools_of(set).map(spelt).collect());
        let orders = plan.map(|plan| *plan.orders()).unwrap_or_default();
        Self {
            rung: plan.map_or(Rung::Usable, Plan::best_rung).as_str().to_owned(),
            mode: orders.mode.map(|mode| mode.to_string()),
            drained: in_set(orders.drained & !orders.forced_down),
            forced_down: in_set(orders.forced_down),
            name: name.owner.to_string(),
            pools: used().map(spelt).collect(),
            usable: used().filter(is_usable).count(),
            fallback: name.steering.fallback.map(spelt),
            answers: NameAnswers::new(name, &totals.name(number, &name.owner, &used().collect::<Vec<_>>()), &spelt),
        }
    }
}

impl PoolStatus {
    fn new(id: PoolId, pool: &Pool, facts: &StatusFacts<'_>, known: &Known<'_>) -> Self {
        let StatusFacts { snapshot, survey, totals, .. } = *facts;
        let spec = pool.spec();
        let ((open_v4, given_v4), (open_v6, given_v6)) = (pool.counts(Family::V4), pool.counts(Family::V6));
        let datacenter = snapshot.world().datacenter_of(spec).map(str::to_owned);
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
            registered: RegisteredStatus::of(spec),
            endpoints: (0..spec.members.len())
                .map(|place| EndpointStatus::new(pool, place, survey, totals.endpoint(id, place), known))
                .collect(),
        }
    }
}
