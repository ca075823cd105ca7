//! The immutable compiled state from which queries are answered, and the values that it is compiled from.
//!
//! A [`Snapshot`] never changes. Every event makes a new one, which shares everything that stayed the same. A change of
//! health shares zones and maps. A new configuration shares the maps whose compiled chains it repeats. Newly settled
//! round trips share everything except the maps that use them.

mod amend;
mod blueprint;
mod compile;
mod endpoint_state;
mod family;
mod foresight;
mod groups;
mod ids;
mod known_targets;
mod load_groups;
mod members;
mod name_overrides;
mod odds;
mod plan;
mod pool;
mod protocol;
mod query_log;
mod registration;
mod rehosted;
mod rollouts;
mod shared;
mod source;
mod targets;
#[cfg(test)]
mod tests;
mod unfit_address;
mod values;
mod world;
mod world_state;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counters::AnswerCounters;
use crate::geo::Locations;
use crate::latency::ClientRtts;
use crate::name::suffixes;
use crate::steering::Split;
use crate::wire::{CookieSecret, Rtype};
use crate::zone::{NameId, PlanId, ZoneId};
pub use amend::Unfit;
pub(crate) use blueprint::share_names;
pub use blueprint::{Blueprint, ServedZone};
pub use compile::Remapped;
pub use endpoint_state::{AdminState, EndpointState};
pub use family::{Family, PerFamily};
pub use foresight::HealthChange;
pub use groups::{DownGroups, GroupName, GroupTurn};
pub use ids::PoolId;
pub use known_targets::KnownTargets;
pub use load_groups::LoadGroup;
pub use members::{Lists, Member, Selection};
pub use name_overrides::NameOrders;
use name_overrides::NameOverrides;
pub use odds::Shares;
pub use plan::{Choice, LoadKeys, Plan, Rule, Rung, Verdict};
pub use pool::{Kind, Pool};
pub use protocol::{Cookies, Identity, MAX_IDENTITY, MAX_SECRETS, MAX_WINDOW, Protocol, RateLimit, Transfers};
pub use query_log::{LogClass, LogRule};
pub use registration::{Bounds, LeaseMark, Registered, Registration};
pub use rehosted::{HostChange, Rehosted};
pub use rollouts::RolledOut;
use shared::KnownPlans;
pub use source::{ApiServer, ConsulHealth, ConsulService, KubernetesAddresses, KubernetesService, Source};
pub use unfit_address::UnfitAddress;
pub use values::{Addresses, Capacity, MAX_ENDPOINTS, MAX_POOLS, MinHealthy, PoolList, Ttls};
pub use world::{
    Datacenter, Ecs, Endpoint, Members, PoolSpec, PoolUse, Probing, SteeredName, Steering, World, ZoneSpec,
};
pub use world_state::{Dirty, WorldState};

/// The identity of the next snapshot.
static IDENTITIES: AtomicU64 = AtomicU64::new(1);

/// Everything that queries are answered from.
#[derive(Debug)]
pub struct Snapshot {
    identity: u64,
    generation: u64,
    blueprint: Arc<Blueprint>,
    state: WorldState,
    pools: Box<[Arc<Pool>]>,
    plans: Box<[Plan]>,
    name_overrides: NameOverrides,
}

impl Snapshot {
    /// Returns a snapshot of a compiled world with the given endpoint states and no other state. `endpoint_state` takes
    /// a pool and the position of an endpoint in its spec. The generation follows that of `previous`.
    pub fn new(
        blueprint: Arc<Blueprint>,
        endpoint_state: impl Fn(PoolId, usize) -> EndpointState,
        previous: Option<&Self>,
    ) -> Self {
        let state = WorldState::new(&blueprint, endpoint_state);
        let dirty = Dirty::everything(&blueprint);
        Self::derive(blueprint, state, previous.map(|previous| (previous, &dirty)))
    }

    /// Returns the snapshot of a blueprint in a state. `since` is the snapshot before and the parts of the state that
    /// changed since then: if both have the same world, everything else is shared. If they have not, those pools and plans are
    /// shared that are the same in both.
    pub fn derive(blueprint: Arc<Blueprint>, state: WorldState, since: Option<(&Self, &Dirty)>) -> Self {
        let generation = since.map_or(1, |(before, _)| before.generation + 1);
        let (since, other) = match since {
            Some((before, _)) if !before.blueprint.is_like(&blueprint) => (None, Some(before)),
            since => (since, None),
        };
        let make_pool = |id: PoolId| {
            let first_endpoint = blueprint.first_endpoints[id.index()];
            Arc::new(Pool::new(blueprint.world.pools[id.index()].clone(), state.pool(id), first_endpoint))
        };
        let shared_or_new = |id: PoolId| {
            let shared = other.and_then(|before| before.pool_like(id, &blueprint, &state));
            shared.unwrap_or_else(|| make_pool(id))
        };
        let mut pools = match since {
            Some((before, _)) => before.pools.clone(),
            None => blueprint.world.pool_ids().map(shared_or_new).collect(),
        };
        for &id in since.iter().flat_map(|(_, dirty)| &dirty.pools) {
            pools[id.index()] = make_pool(id);
        }

        let rules = state.maps().map_or(&*blueprint.rules, |maps| &maps.rules);
        let plan_of = |name: NameId| blueprint.plan_of_name[name.index()];
        let splits: HashMap<PlanId, Split, foldhash::fast::RandomState> =
            state.splits().iter().map(|(&name, &split)| (plan_of(name), split)).collect();
        let known = other.map(|before| KnownPlans::new(before, &pools));
        let make_plan = |id: PlanId| {
            let rule = &rules[id.index()];
            let split = splits.get(&id).copied().or(rule.split);
            let shared = known.as_ref().and_then(|known| known.get(rule, split));
            shared.unwrap_or_else(|| Plan::new(rule.clone(), &pools, NameOrders::default(), split))
        };
        let plans = match since {
            Some((before, dirty)) if !dirty.maps => {
                let mut plans = before.plans.clone();
                let of_pools = dirty.pools.iter().flat_map(|&pool| &blueprint.plans_of[pool.index()]).copied();
                let divided = before.state.splits().keys().chain(state.splits().keys());
                let of_names = divided.filter(|_| dirty.names).map(|&name| plan_of(name));
                for id in of_pools.chain(of_names).collect::<BTreeSet<PlanId>>() {
                    plans[id.index()] = make_plan(id);
                }
                plans
            }
            _ => (0..rules.len()).map(PlanId::from_index).map(make_plan).collect(),
        };
        let name_overrides = match since {
            Some((before, dirty)) if dirty.is_empty() => before.name_overrides.clone(),
            _ => NameOverrides::new(state.name_orders(), &blueprint.plan_of_name, &plans, &pools),
        };
        let identity = IDENTITIES.fetch_add(1, Ordering::Relaxed);
        Self { identity, generation, blueprint, state, pools, plans, name_overrides }
    }

    /// Returns the snapshot of the same world in another state.
    pub fn next(&self, state: WorldState, dirty: &Dirty) -> Self {
        Self::derive(self.blueprint.clone(), state, Some((self, dirty)))
    }

    /// Returns the state that the snapshot was derived from, together with its blueprint.
    pub fn state(&self) -> &WorldState {
        &self.state
    }

    /// True if the snapshot was derived from this blueprint.
    pub fn is_of(&self, blueprint: &Arc<Blueprint>) -> bool {
        Arc::ptr_eq(&self.blueprint, blueprint)
    }

    /// True if both snapshots have the same blueprint and client RTTs, so that their rankings are the same. Endpoint
    /// states, loads, overrides and splits may differ.
    pub fn shares_world(&self, other: &Self) -> bool {
        let client_rtts = |snapshot: &Self| snapshot.client_rtts().map(Arc::as_ptr);
        Arc::ptr_eq(&self.blueprint, &other.blueprint) && client_rtts(self) == client_rtts(other)
    }

    /// Returns the generation: 1 for the first snapshot, and one more for each that follows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns a number above 0 that no other snapshot of this process has, whichever line of snapshots it is from.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Returns the operator's configuration.
    pub fn world(&self) -> &World {
        &self.blueprint.world
    }

    /// Returns the locations of clients.
    pub fn locations(&self) -> &Arc<Locations> {
        &self.blueprint.locations
    }

    /// Returns the blueprint that the snapshot was derived from.
    pub fn blueprint(&self) -> &Arc<Blueprint> {
        &self.blueprint
    }

    /// Returns the client RTTs; `None` if no chain uses them.
    pub fn client_rtts(&self) -> Option<&Arc<ClientRtts>> {
        self.state.maps().map(|maps| &maps.client_rtts).or(self.blueprint.client_rtts.as_ref())
    }

    /// Returns all zones.
    pub fn zones(&self) -> &[Arc<ServedZone>] {
        self.blueprint.zones()
    }

    /// Returns the zone with the longest apex at or above a name, which is in wire format and lower case.
    pub fn find_zone(&self, key: &[u8]) -> Option<&ServedZone> {
        self.blueprint.find_zone(key)
    }

    /// Returns the zone that answers questions for a name, which is in wire format and lower case: the deepest zone
    /// that holds it. The type matters for DS only: the DS records of an apex belong to the zone above, if that is
    /// served too and delegates the name (RFC 4035, section 3.1.4.1).
    #[inline]
    pub fn authority(&self, key: &[u8], rtype: Rtype) -> Option<(ZoneId, &ServedZone)> {
        let id = self.blueprint.find_zone_id(key)?;
        let zone = &*self.blueprint.zones[id.index()];
        if rtype == Rtype::DS { Some(self.ds_authority(key, (id, zone))) } else { Some((id, zone)) }
    }

    /// Returns the zone that answers for the DS records of a name. `holder` is the deepest zone that holds the name.
    #[inline(never)]
    fn ds_authority<'s>(&'s self, key: &[u8], holder: (ZoneId, &'s ServedZone)) -> (ZoneId, &'s ServedZone) {
        let is_apex = holder.1.zone.apex().as_wire().len() == key.len();
        let parent = suffixes(key).nth(1).filter(|_| is_apex);
        let above = parent.and_then(|parent| self.blueprint.find_zone_id(parent));
        let above = above.map(|id| (id, &*self.blueprint.zones[id.index()]));
        above.filter(|(_, above)| above.zone.delegates(key)).unwrap_or(holder)
    }

    /// Returns the zone with this apex.
    pub fn zone_at(&self, apex: &[u8]) -> Option<&ServedZone> {
        self.blueprint.zone_id_at(apex).map(|id| &*self.blueprint.zones[id.index()])
    }

    /// Returns the secrets for cookies: the first one makes cookies, all of them verify.
    pub fn cookie_secrets(&self) -> &[CookieSecret] {
        match self.world().protocol.cookies.secrets.as_slice() {
            [] => &self.blueprint.own_secret,
            secrets => secrets,
        }
    }

    /// Returns the counters of the pools and endpoints in answers; `None` if nobody counts.
    pub fn counters(&self) -> Option<&Arc<AnswerCounters>> {
        self.blueprint.counters()
    }

    /// Returns the pools, by [`PoolId`].
    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// Returns the plan of a steered name, with overrides of the name applied.
    #[inline]
    pub fn plan(&self, id: PlanId, name: NameId) -> &Plan {
        self.name_overrides.get(name).unwrap_or(&self.plans[id.index()])
    }

    /// Returns all plans, without overrides of names.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }
}
