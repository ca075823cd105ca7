//! The sums of the node's counters since its start, over all configurations that it served.
//!
//! ```text
//!   counters of replaced configurations ─► kept, by name ─┐
//!   counters of the present configuration ────────────────┴─► Totals ─► metrics, status
//! ```
//!
//! Counters belong to a blueprint, because its ids index them. When another blueprint has replaced it, and no worker
//! counts in it any more, its counts are kept by name. The counts of zones, names and endpoints that are no longer
//! configured are forgotten.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use crate::counters::{AnswerCounters, Traffic, TrafficSums, ZoneAnswer};
use crate::geo::CountryCode;
use crate::health::{EndpointKey, PoolKey};
use crate::name::Name;
use crate::snapshot::{Blueprint, PoolId, Snapshot};

/// Counters that outlive configurations.
#[derive(Debug)]
pub struct Tallies {
    traffic: Arc<Traffic>,
    /// Replaced blueprints. A worker may still count in their counters.
    replaced: Mutex<Vec<Arc<Blueprint>>>,
    kept: Mutex<Arc<Kept>>,
}

/// The counts of replaced configurations, by name.
#[derive(Clone, Debug, Default)]
struct Kept {
    zones: HashMap<(Name, usize), u64>,
    regions: HashMap<(Name, Option<Box<str>>), u64>,
    /// By the steered name and the source of the answer.
    names: HashMap<(Name, Giver), u64>,
    other_names: u64,
    /// By the endpoint's key: in how many answers it was, and in how many it was the first address.
    endpoints: HashMap<EndpointKey, (u64, u64)>,
    clients: HashMap<Sent, u64>,
}

/// A client's country, and the datacenter that it was sent to.
type Sent = (Option<CountryCode>, Option<Box<str>>);

/// The source of an answer of a steered name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Giver {
    /// The pool with this key.
    Pool(PoolKey),
    Fallback,
    Nodata,
    Failure,
}

/// All sums at one time.
#[derive(Debug)]
pub struct Totals {
    kept: Arc<Kept>,
    blueprint: Arc<Blueprint>,
    /// Queries and responses.
    pub traffic: TrafficSums,
}

/// The answers of a steered name since the node's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameTotals {
    /// Answers by the pools that gave them, in the order of the configuration.
    pub pools: Vec<u64>,
    /// Answers that `fallback` gave.
    pub fallback: u64,
    /// Answers without records.
    pub nodata: u64,
    /// SERVFAIL.
    pub failures: u64,
}

impl Tallies {
    /// Returns tallies over these counters of queries.
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic, replaced: Mutex::default(), kept: Mutex::default() }
    }

    /// Returns the counters of queries, which workers write.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Takes in a blueprint that is no longer served.
    pub fn replace(&self, blueprint: &Arc<Blueprint>) {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).push(blueprint.clone());
    }

    /// True if there are replaced blueprints in which workers may still count.
    pub fn has_replaced(&self) -> bool {
        !self.replaced.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Keeps the counts of replaced blueprints that no worker counts in any more, and frees them. `present` is the
    /// snapshot that is served.
    pub fn tidy(&self, present: &Snapshot) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.keep_unused(&mut kept, present.blueprint());
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
    }

    /// Returns the sums. `present` is the snapshot that is served.
    pub fn totals(&self, present: &Snapshot) -> Totals {
        let kept = self.settle(present.blueprint());
        Totals { kept, blueprint: present.blueprint().clone(), traffic: self.traffic.sums() }
    }

    /// Returns the counts of all blueprints before the present one.
    fn settle(&self, present: &Arc<Blueprint>) -> Arc<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.keep_unused(&mut kept, present);
        let mut all = kept.clone();
        for blueprint in &left {
            Arc::make_mut(&mut all).add(blueprint);
        }
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
        all
    }

    /// Keeps the counts of replaced blueprints that no worker counts in any more. Returns the others.
    fn keep_unused(&self, kept: &mut Arc<Kept>, present: &Arc<Blueprint>) -> Vec<Arc<Blueprint>> {
        // Control adds to this list when it publishes, and must not wait for the sums.
        let mut replaced = mem::take(&mut *self.replaced.lock().unwrap_or_else(PoisonError::into_inner));
        // An amended blueprint shares its counters with the one before.
        replaced.retain(|blueprint| blueprint.counters().is_some() && !share_counters(blueprint, present));
        // No worker counts in a blueprint any more if only this list holds it, and only the blueprint holds its
        // counters.
        let is_unused = |blueprint: &mut Arc<Blueprint>| {
            Arc::strong_count(blueprint) == 1
                && blueprint.counters().is_some_and(|counters| Arc::strong_count(counters) == 1)
        };
        let unused: Vec<Arc<Blueprint>> = replaced.extract_if(.., is_unused).collect();
        if !unused.is_empty() {
            let kept = Arc::make_mut(kept);
            for blueprint in &unused {
                kept.add(blueprint);
            }
            kept.forget(present);
        }
        replaced
    }
}

fn share_counters(one: &Blueprint, other: &Blueprint) -> bool {
    let counters = |blueprint: &Blueprint| blueprint.counters().map(Arc::as_ptr);
    counters(one) == counters(other)
}

/// Adds a count to a sum. Makes no entry for a count of 0.
fn bump<K: Eq + Hash>(map: &mut HashMap<K, u64>, key: impl FnOnce() -> K, count: u64) {
    if count > 0 {
        *map.entry(key()).or_default() += count;
    }
}

impl Kept {
    fn add(&mut self, blueprint: &Blueprint) {
        let Some(counters) = blueprint.counters() else { return };
        let world = blueprint.world();
        let mut number = 0;
        for (id, spec) in world.zones.iter().enumerate() {
            for kind in ZoneAnswer::ALL {
                bump(&mut self.zones, || (spec.origin.clone(), kind as usize), counters.zone(id, kind));
            }
            bump(&mut self.regions, || (spec.origin.clone(), None), counters.region(id, None));
            for (region, named) in spec.regions.list().iter().enumerate() {
                let key = || (spec.origin.clone(), Some(named.name.clone()));
                bump(&mut self.regions, key, counters.region(id, Some(region)));
            }
            for name in &*spec.names {
                let givers = givers(blueprint, name.steering.pools.iter().map(|used| used.pool));
                let counts = counters.name(number, name.steering.pools.len()).unwrap_or_default();
                for (giver, count) in givers.zip(counts) {
                    bump(&mut self.names, || (name.owner.clone(), giver()), count);
                }
                number += 1;
            }
        }
        self.other_names += counters.other_names();
        for (id, pool) in world.pool_ids().zip(&world.pools) {
            for place in 0..pool.members.len() {
                let (given, first) = counters.endpoint(blueprint.endpoint_number(id, place));
                if given > 0 {
                    let sums = self.endpoints.entry(pool.key_of(place)).or_default();
                    *sums = (sums.0 + given, sums.1 + first);
                }
            }
        }
        for (country, datacenter, count) in counters.clients() {
            let key = || (country, datacenter.map(|id| world.datacenters[id].name.clone()));
            bump(&mut self.clients, key, count);
        }
    }

    /// Forgets the counts of everything that this blueprint does not have.
    fn forget(&mut self, blueprint: &Blueprint) {
        let world = blueprint.world();
        let datacenters: HashSet<&str> = world.datacenters.iter().map(|datacenter| &*datacenter.name).collect();
        self.zones.retain(|(zone, _), _| blueprint.spec(zone).is_some());
        self.regions.retain(|(zone, _), _| blueprint.spec(zone).is_some());
        if !self.names.is_empty() {
            let names: HashSet<&Name> = world.steered_names().collect();
            let pools: HashSet<PoolKey> = world.pools.iter().map(|pool| pool.key()).collect();
            self.names.retain(|(name, giver), _| {
                names.contains(name) && if let Giver::Pool(pool) = giver { pools.contains(pool) } else { true }
            });
        }
        if !self.endpoints.is_empty() {
            let keys = world.pools.iter().flat_map(|pool| (0..pool.members.len()).map(|place| pool.key_of(place)));
            let endpoints: HashSet<EndpointKey> = keys.collect();
            self.endpoints.retain(|key, _| endpoints.contains(key));
        }
        self.clients.retain(|(_, datacenter), _| datacenter.as_deref().is_none_or(|name| datacenters.contains(name)));
    }
}

/// Returns the possible sources of the answers of a name with these pools, in the order of its counters. Most count nothing, and
/// the key of a pool is made only if somebody asks for it.
fn givers(blueprint: &Blueprint, pools: impl Iterator<Item = PoolId>) -> impl Iterator<Item = impl FnOnce() -> Giver> {
    let all = pools.map(Ok).chain([Giver::Fallback, Giver::Nodata, Giver::Failure].map(Err));
    all.map(move |giver: Result<PoolId, Giver>| {
        move || giver.map_or_else(|other| other, |id| Giver::Pool(blueprint.world().pools[id.index()].key()))
    })
}

impl Totals {
    fn counters(&self) -> Option<&AnswerCounters> {
        self.blueprint.counters().map(|counters| &**counters)
    }

    /// Returns the number of a zone's answers of this kind. `zone` is its position in the world.
    pub fn zone(&self, zone: usize, kind: ZoneAnswer) -> u64 {
        let origin = &self.blueprint.world().zones[zone].origin;
        let kept = self.kept.zones.get(&(origin.clone(), kind as usize)).copied().unwrap_or_default();
        kept + self.counters().map_or(0, |counters| counters.zone(zone, kind))
    }

    /// Returns the number of clients of each region of a zone; those of no region come first.
    pub fn regions(&self, zone: usize) -> Vec<(Option<&str>, u64)> {
        let spec = &self.blueprint.world().zones[zone];
        let all = [None].into_iter().chain(spec.regions.list().iter().map(|region| Some(&region.name)));
        let count = |(number, name): (usize, Option<&Box<str>>)| {
            let key = (spec.origin.clone(), name.cloned());
            (self.kept.regions.get(&key).copied().unwrap_or_default())
                + self.counters().map_or(0, |counters| counters.region(zone, number.checked_sub(1)))
        };
        all.enumerate().map(|(number, name)| (name.map(|name| &**name), count((number, name)))).collect()
    }

    /// Returns the answers of a steered name. `number` counts the steered names over all zones.
    pub fn name(&self, number: usize, owner: &Name, pools: &[PoolId]) -> NameTotals {
        let now = self.counters().and_then(|counters| counters.name(number, pools.len())).unwrap_or_default();
        let now = now.into_iter().chain(std::iter::repeat(0));
        let mut counts: Vec<u64> = givers(&self.blueprint, pools.iter().copied())
            .map(|giver| giver())
            .zip(now)
            .map(|(giver, now)| now + self.kept.names.get(&(owner.clone(), giver)).copied().unwrap_or_default())
            .collect();
        let failures = counts.pop().unwrap_or_default();
        let nodata = counts.pop().unwrap_or_default();
        let fallback = counts.pop().unwrap_or_default();
        NameTotals { pools: counts, fallback, nodata, failures }
    }

    /// Returns the number of answers of names that are not counted by name, because there are too many names.
    pub fn other_names(&self) -> u64 {
        self.kept.other_names + self.counters().map_or(0, AnswerCounters::other_names)
    }

    /// Returns in how many answers an endpoint was, and in how many it was the first address of its family.
    pub fn endpoint(&self, pool: PoolId, place: usize) -> (u64, u64) {
        let key = self.blueprint.world().pools[pool.index()].key_of(place);
        let kept = self.kept.endpoints.get(&key).copied().unwrap_or_default();
        let number = self.blueprint.endpoint_number(pool, place);
        let now = self.counters().map_or((0, 0), |counters| counters.endpoint(number));
        (kept.0 + now.0, kept.1 + now.1)
    }

    /// Returns the number of clients by country and by the datacenter that they were sent to, sorted.
    pub fn clients(&self) -> Vec<(Sent, u64)> {
        let mut sums = self.kept.clients.clone();
        let datacenters = &self.blueprint.world().datacenters;
        for (country, datacenter, count) in self.counters().into_iter().flat_map(AnswerCounters::clients) {
            bump(&mut sums, || (country, datacenter.map(|id| datacenters[id].name.clone())), count);
        }
        let mut sums: Vec<(Sent, u64)> = sums.into_iter().collect();
        sums.sort();
        sums
    }
}
