//! The overview of a node: its datacenters and pools, its problems, and where clients come from and are sent. It is
//! made from the status, so that both say the same.

use std::collections::BTreeMap;

use serde::Serialize;

use super::decisions::{Decisions, NameGroup};
use super::endpoint_counts::EndpointCounts;
use super::status::{DatacenterStatus, FleetStatus, PoolStatus};
use super::{PoolLoad, Status, Totals, Traffic};
use crate::geo::countries::country;
use crate::snapshot::{Pool, Snapshot};

/// Maximum number of pools in an overview. Pools with a problem come first.
const MAX_POOLS: usize = 2000;

/// Maximum number of endpoints that are listed because they are not up.
const MAX_TROUBLES: usize = 100;

/// Maximum number of datacenters that are listed for the clients of a country.
const MAX_SENT: usize = 8;

/// The overview of a node.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// The node's name.
    pub node: String,
    /// The version of the program.
    pub version: String,
    /// Unix time in seconds.
    pub time: u64,
    /// Seconds since the node began to answer.
    pub uptime: u64,
    /// The generation of the snapshot that it answers from.
    pub generation: u64,
    /// While endpoints keep their last states (fail-static): when that ends at the latest, Unix time in seconds. Absent
    /// otherwise.
    pub held_until: Option<u64>,
    /// The pools whose leases are kept, because none of them is renewed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<String>,
    /// True if the files on disk have errors. Then an older configuration is served.
    pub files_have_errors: bool,
    /// The fleet; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetStatus>,
    /// DNS responses since the start.
    pub responses: u64,
    /// Connections and losses.
    pub traffic: Traffic,
    /// Number of zones.
    pub zones: usize,
    /// All endpoints.
    pub endpoints: EndpointCounts,
    /// All datacenters.
    pub datacenters: Vec<DatacenterShape>,
    /// Pools, those with a problem first.
    pub pools: Vec<PoolShape>,
    /// Number of further pools.
    pub more_pools: usize,
    /// Endpoints that are not up, those that are down first.
    pub troubles: Vec<Trouble>,
    /// Number of further ones.
    pub more_troubles: usize,
    /// Clients by country, the country with most clients first.
    pub clients: Vec<ClientsShape>,
    /// Where the clients of each name are sent.
    pub names: Vec<NameGroup>,
    /// Number of names that were not looked at.
    pub more_names: usize,
}

/// A datacenter.
#[derive(Debug, Serialize)]
pub struct DatacenterShape {
    /// Its name.
    pub name: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Its endpoints.
    pub endpoints: EndpointCounts,
    /// Number of its pools.
    pub pools: usize,
    /// Number of those that are usable for any family.
    pub usable_pools: usize,
    /// Answers since the start in which one of its endpoints came first.
    pub answers: u64,
    /// Clients since the start that were sent to it, as far as clients are counted by country.
    pub clients: u64,
    /// The load of its pools, as far as it is known.
    pub load: Option<LoadSum>,
}

/// Loads of several pools, in the operator's unit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LoadSum {
    /// The used load.
    pub used: f64,
    /// The capacity; absent unless it is known for all pools.
    pub capacity: Option<f64>,
}

/// A pool.
#[derive(Debug, Serialize)]
pub struct PoolShape {
    /// Its name.
    pub pool: String,
    /// The zone that defines it; absent if the server file does.
    pub zone: Option<String>,
    /// Its datacenter.
    pub datacenter: Option<String>,
    /// True if it is usable for any family that it has endpoints of.
    pub usable: bool,
    /// Its endpoints.
    pub endpoints: EndpointCounts,
    /// Answers since the start in which one of its endpoints came first.
    pub answers: u64,
    /// Its load, if it is known and used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<PoolLoad>,
}

/// An endpoint that is not up.
#[derive(Debug, Serialize)]
pub struct Trouble {
    /// Its pool.
    pub pool: String,
    /// Its datacenter.
    pub datacenter: Option<String>,
    /// The endpoint.
    pub endpoint: String,
    /// The state that answers use.
    pub state: String,
    /// The state that the probes found.
    pub really: String,
    /// When that state began, Unix time in seconds.
    pub since: Option<u64>,
    /// The last outcome; with several probes, that of one in the worst state. Absent without a monitor.
    pub seen: Option<String>,
    /// The reason why it gets no clients, or fewer than its share, in a sentence.
    pub why: Option<String>,
}

/// The clients of a country.
#[derive(Debug, Serialize)]
pub struct ClientsShape {
    /// Its code; absent for clients that cannot be located.
    pub country: Option<String>,
    /// Its name in English.
    pub name: Option<&'static str>,
    /// The latitude of the area where most of its people live, in degrees north.
    pub latitude: Option<f64>,
    /// The longitude of that area, in degrees east.
    pub longitude: Option<f64>,
    /// Clients since the start.
    pub count: u64,
    /// Their destinations, the one with most clients first.
    pub sent: Vec<SentShape>,
}

/// Clients that were sent to a place.
#[derive(Debug, Serialize)]
pub struct SentShape {
    /// The datacenter; absent for pools without one, and for answers without an endpoint.
    pub datacenter: Option<String>,
    /// Number of clients since the start.
    pub count: u64,
}

impl Overview {
    /// Returns the overview. `status` is that of all pools, and `decisions` are those of `snapshot`.
    pub fn new(status: Status, snapshot: &Snapshot, totals: &Totals, decisions: &Decisions) -> Self {
        let clients = clients(totals);
        let order = clients.iter().enumerate().filter_map(|(place, one)| Some((one.country.as_deref()?, place)));
        let names = decisions.short(&order.collect());
        let mut sent: BTreeMap<String, u64> = BTreeMap::new();
        for ((_, place), count) in totals.clients() {
            if let Some(place) = place {
                *sent.entry(place.to_string()).or_default() += count;
            }
        }
        let sites = snapshot.world().datacenters.iter().map(|datacenter| datacenter.coordinates);
        let mut datacenters: Vec<DatacenterShape> = sites
            .zip(status.datacenters)
            .map(|(site, datacenter)| {
                let DatacenterStatus { datacenter: name, endpoints, pools, usable_pools, answers, share: _ } =
                    datacenter;
                let name = name.unwrap_or_default();
                let (latitude, longitude) = (site.latitude(), site.longitude());
                let clients = sent.get(&name).copied().unwrap_or_default();
                DatacenterShape {
                    name,
                    latitude,
                    longitude,
                    endpoints,
                    pools,
                    usable_pools,
                    answers,
                    clients,
                    load: None,
                }
            })
            .collect();
        let mut troubles = Vec::new();
        let mut pools: Vec<PoolShape> = Vec::with_capacity(status.pools.len());
        for (pool, served) in status.pools.into_iter().zip(snapshot.pools()) {
            troubles.extend(Trouble::all(&pool));
            if let (Some(id), Some(load)) = (served.spec().datacenter, &pool.load) {
                datacenters[id.index()].add(load);
            }
            pools.push(PoolShape::new(pool, served));
        }
        pools.sort_by_key(PoolShape::order);
        troubles.sort_by_key(Trouble::order);
        let (more_pools, more_troubles) =
            (pools.len().saturating_sub(MAX_POOLS), troubles.len().saturating_sub(MAX_TROUBLES));
        pools.truncate(MAX_POOLS);
        troubles.truncate(MAX_TROUBLES);
        Self {
            node: status.node,
            version: status.version,
            time: status.time,
            uptime: status.uptime,
            generation: status.generation,
            held_until: status.held_until,
            silent: status.silent.clone(),
            files_have_errors: status.files.would_fail,
            fleet: status.fleet,
            responses: totals.traffic.all_responses(),
            traffic: status.traffic,
            zones: status.zones.len(),
            endpoints: status.sums.endpoints,
            datacenters,
            pools,
            more_pools,
            troubles,
            more_troubles,
            clients,
            names,
            more_names: decisions.more,
        }
    }
}

impl DatacenterShape {
    fn add(&mut self, load: &PoolLoad) {
        let PoolLoad { used: Some(used), capacity, .. } = load else { return };
        let sum = self.load.get_or_insert(LoadSum { used: 0.0, capacity: Some(0.0) });
        sum.used += used;
        sum.capacity = sum.capacity.zip(*capacity).map(|(sum, capacity)| sum + capacity);
    }
}

impl PoolShape {
    fn new(pool: PoolStatus, served: &Pool) -> Self {
        Self {
            pool: pool.pool,
            zone: pool.zone,
            datacenter: pool.datacenter,
            usable: pool.usable_v4 || pool.usable_v6,
            endpoints: EndpointCounts::of([served]),
            answers: pool.endpoints.iter().map(|endpoint| endpoint.first_answers).sum(),
            load: pool.load,
        }
    }

    /// Returns the rank of the pool in the list. Pools that cannot answer come first, then those with an endpoint that
    /// is down, then those with another one that is not up. Pools of one rank stay in the order of the configuration.
    fn order(&self) -> u8 {
        let EndpointCounts { down, forced_down, draining, held_back, degraded, .. } = self.endpoints;
        match self.usable {
            false => 0,
            true if down + forced_down > 0 => 1,
            true if draining + held_back + degraded > 0 => 2,
            true => 3,
        }
    }
}

impl Trouble {
    fn all(pool: &PoolStatus) -> impl Iterator<Item = Self> + '_ {
        pool.endpoints.iter().filter(|endpoint| endpoint.state != "up").map(|endpoint| Self {
            pool: pool.pool.clone(),
            datacenter: pool.datacenter.clone(),
            endpoint: endpoint.endpoint.clone(),
            state: endpoint.state.clone(),
            really: endpoint.really.clone(),
            since: endpoint.since,
            seen: (!endpoint.probes.is_empty()).then(|| endpoint.last_seen()),
            why: endpoint.why.clone(),
        })
    }

    fn order(&self) -> u8 {
        match self.state.as_str() {
            "down" => 0,
            "forced down" => 1,
            _ => 2,
        }
    }
}

fn clients(totals: &Totals) -> Vec<ClientsShape> {
    let mut by_country: BTreeMap<_, Vec<SentShape>> = BTreeMap::new();
    for ((code, datacenter), count) in totals.clients() {
        let datacenter = datacenter.map(String::from);
        by_country.entry(code).or_default().push(SentShape { datacenter, count });
    }
    let mut clients: Vec<ClientsShape> = by_country
        .into_iter()
        .map(|(code, mut sent)| {
            let known = code.and_then(country);
            let count = sent.iter().map(|sent| sent.count).sum();
            sent.sort_by_key(|sent| std::cmp::Reverse(sent.count));
            sent.truncate(MAX_SENT);
            ClientsShape {
                country: code.map(|code| code.to_string()),
                name: known.map(|country| country.name),
                latitude: known.map(|country| country.point.latitude()),
                longitude: known.map(|country| country.point.longitude()),
                count,
                sent,
            }
        })
        .collect();
    clients.sort_by_key(|clients| std::cmp::Reverse(clients.count));
    clients
}
