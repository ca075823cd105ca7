//! The immutable compiled state from which queries are answered, and the values that it is compiled from.
//!
//! A [`Snapshot`] never changes. Every event makes a new one, which shares everything that stayed the same. A change of
//! health shares zones and maps. A new configuration shares the maps whose compiled chains it repeats. Newly settled
//! round trips share everything except the maps that use them.

mod amend;
mod compile;
mod endpoint_state;
mod family;
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
mod rehosted;
mod rollouts;
mod targets;
#[cfg(test)]
mod tests;
mod values;
mod world;
mod world_state;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::counters::{AnswerCounters, Dimensions, Traffic};
use crate::geo::{Locations, Regions};
use crate::latency::{ClientRtts, LatencyTable};
use crate::name::{Name, suffixes};
use crate::steering::Split;
use crate::wire::{CookieSecret, Rtype};
use crate::zone::{NameId, Names, PlanId, Steered, Zone, ZoneId};
pub use amend::Unfit;
pub use compile::Remapped;
use compile::{Compiler, Maps};
pub use endpoint_state::{AdminState, EndpointState};
pub use family::{Family, PerFamily};
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
pub use rehosted::{HostChange, Rehosted};
pub use rollouts::RolledOut;
pub use values::{Addresses, Capacity, MAX_ENDPOINTS, MAX_POOLS, MinHealthy, PoolList, Ttls};
pub use world::{
    Datacenter, Ecs, Endpoint, Members, PoolSpec, PoolUse, Probing, SteeredName, Steering, World, ZoneSpec,
};
pub use world_state::{Dirty, WorldState};

/// Everything that queries are answered from.
#[derive(Debug)]
pub struct Snapshot {
    generation: u64,
    blueprint: Arc<Blueprint>,
    state: WorldState,
    pools: Box<[Arc<Pool>]>,
    plans: Box<[Plan]>,
    name_overrides: NameOverrides,
}

/// A compiled world: everything that health does not change. Compiling takes time, so it runs in a thread of its own.
///
/// All parts are shared. To copy a blueprint and replace one zone costs only a list of the zones.
#[derive(Clone, Debug)]
pub struct Blueprint {
    world: Arc<World>,
    locations: Arc<Locations>,
    /// The client RTTs at the time of compilation; `None` if no chain uses them.
    client_rtts: Option<Arc<ClientRtts>>,
    zones: Box<[Arc<ServedZone>]>,
    /// The apexes of the zones, by [`ZoneId`].
    apexes: Arc<Names>,
    /// By [`PlanId`].
    rules: Arc<[Arc<Rule>]>,
    /// The plan of each steered name, by [`NameId`], in the order of the world.
    plan_of_name: Arc<[PlanId]>,
    /// The plans that use each pool, by [`PoolId`].
    plans_of: Arc<[Vec<PlanId>]>,
    /// The number of endpoints of the pools before each pool, by [`PoolId`]: its first endpoint has this number.
    first_endpoints: Arc<[u32]>,
    /// The secret for cookies if the operator gave none.
    own_secret: [CookieSecret; 1],
    /// Counters of the pools and endpoints in answers; `None` if nobody counts.
    counters: Option<Arc<AnswerCounters>>,
}

/// A zone, and the regions that its answers depend on.
#[derive(Debug)]
pub struct ServedZone {
    /// Names and records.
    pub zone: Zone,
    /// The regions of its clients.
    pub regions: Arc<Regions>,
}

impl Blueprint {
    /// Compiles a world. Shares the maps of `previous` that have the same locations, and the zones that did not change.
    /// Cookies that `previous` made stay valid.
    pub fn compile(mut world: World, locations: Arc<Locations>, previous: Option<&Snapshot>) -> Self {
        let client_rtts = compile::client_rtts(&world, &locations, previous);
        let before = previous.map(|snapshot| &*snapshot.blueprint);
        if let Some(before) = before {
            before.share_trees(&mut world);
        }
        let maps = Maps::new(&locations, client_rtts.as_ref(), world.ecs.caps(), previous);
        let Zones { served: zones, rules, plan_of_name } = compile_zones(&world, maps, before);
        let mut apexes = Names::default();
        for served in &zones {
            apexes.insert(&served.zone.apex().to_key());
        }
        let plans_of = plans_of(world.pools.len(), &rules);
        let first_endpoints = first_endpoints(&world);
        let own_secret = previous.map_or_else(|| [random_secret()], |snapshot| snapshot.blueprint.own_secret);
        Self {
            world: Arc::new(world),
            locations,
            client_rtts,
            zones: zones.into(),
            apexes: Arc::new(apexes),
            rules: rules.into(),
            plan_of_name: plan_of_name.into(),
            plans_of,
            first_endpoints,
            own_secret,
            counters: None,
        }
    }

    /// Returns this blueprint with new counters of the pools and endpoints in answers, with as many shards as `traffic`
    /// has.
    pub fn counted(mut self, traffic: &Traffic) -> Self {
        let dimensions = Dimensions {
            regions: self.zones.iter().map(|served| served.regions.list().len()).collect(),
            pools: self.world.zones.iter().flat_map(|zone| &zone.names).map(|name| name.steering.pools.len()).collect(),
            endpoints: self.world.pools.iter().map(|pool| pool.members.len()).sum(),
            datacenters: self.world.datacenters.len(),
        };
        self.counters = Some(Arc::new(AnswerCounters::new(&dimensions, traffic)));
        self
    }

    /// Returns the counters of the pools and endpoints in answers; `None` if nobody counts.
    pub fn counters(&self) -> Option<&Arc<AnswerCounters>> {
        self.counters.as_ref()
    }

    /// Returns the number of the endpoint at this position of a pool, counted over the pools of the world.
    pub fn endpoint_number(&self, pool: PoolId, place: usize) -> usize {
        self.first_endpoints[pool.index()] as usize + place
    }

    /// Returns the secret for cookies if the operator gave none.
    pub fn own_secret(&self) -> CookieSecret {
        self.own_secret[0]
    }

    /// Returns this blueprint with another secret for cookies, so that the cookies of another process stay valid.
    pub fn with_own_secret(self, secret: CookieSecret) -> Self {
        Self { own_secret: [secret], ..self }
    }

    /// Replaces the trees of a new world by those of this one where both have the same contents. A reload then costs
    /// only as much as changed.
    fn share_trees(&self, world: &mut World) {
        for spec in &mut world.zones {
            let Some(before) = self.spec(&spec.origin) else { continue };
            if !Arc::ptr_eq(&before.tree, &spec.tree) && before.tree.says_as(&spec.tree) {
                spec.tree = before.tree.clone();
            }
        }
    }

    /// Returns the configuration of the zone with this origin.
    pub fn spec(&self, origin: &Name) -> Option<&ZoneSpec> {
        self.zone_id_at(&origin.to_key()).map(|id| &self.world.zones[id.index()])
    }

    /// Returns this blueprint's zone if a zone that is made from the spec and the plans would equal it. `first` is the
    /// number of the zone's first steered name.
    fn zone_like(&self, spec: &ZoneSpec, first: NameId, plans: &[PlanId]) -> Option<Arc<ServedZone>> {
        let served = &self.zones[self.zone_id_at(&spec.origin.to_key())?.index()];
        let steered = served.zone.steered();
        // Without steered names, the number of steered names in earlier zones does not matter.
        let is_same = *steered.plans == *plans && (plans.is_empty() || steered.first == first);
        let is_like = is_same && Arc::ptr_eq(served.zone.tree(), &spec.tree) && *served.regions == *spec.regions;
        let is_like = is_like && served.zone.is_plain() && served.zone.serial() == spec.serial;
        is_like.then(|| served.clone())
    }

    /// Returns the number of zones that were built for this blueprint: those that it does not share with another one.
    pub fn built_since(&self, other: &Self) -> usize {
        let is_shared = |zone: &&Arc<ServedZone>| {
            let before = other.zone_id_at(&zone.zone.apex().to_key()).map(|id| &other.zones[id.index()]);
            before.is_some_and(|before| Arc::ptr_eq(before.zone.tree(), zone.zone.tree()))
        };
        self.zones.len() - self.zones.iter().filter(is_shared).count()
    }

    /// Returns the operator's configuration.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Fits a latency table to this world: its datacenters and its network widths.
    pub fn adopt(&self, table: &mut LatencyTable) {
        compile::adopt(table, &self.world);
    }

    /// True if both blueprints are the same except for TXT records that were set at run time. Then maps that were made
    /// for one fit the other.
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.world, &other.world)
    }

    /// Returns all zones, in the order of the world.
    pub fn zones(&self) -> &[Arc<ServedZone>] {
        &self.zones
    }

    /// Returns the zone with the longest apex at or above a name, which is in wire format and lower case.
    pub fn find_zone(&self, key: &[u8]) -> Option<&ServedZone> {
        self.find_zone_id(key).map(|id| &*self.zones[id.index()])
    }

    /// Returns the zone that holds a name.
    pub fn zone_of(&self, name: &Name) -> Option<&Arc<ServedZone>> {
        self.find_zone_id(&name.to_key()).map(|id| &self.zones[id.index()])
    }

    fn find_zone_id(&self, key: &[u8]) -> Option<ZoneId> {
        suffixes(key).find_map(|suffix| self.zone_id_at(suffix))
    }

    /// Returns the zone with this apex, which is in wire format and lower case.
    fn zone_id_at(&self, apex: &[u8]) -> Option<ZoneId> {
        self.apexes.find(apex).map(|number| ZoneId::from_index(number as usize))
    }
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
    /// changed since then: if both have the same world, everything else is shared.
    pub fn derive(blueprint: Arc<Blueprint>, state: WorldState, since: Option<(&Self, &Dirty)>) -> Self {
        let generation = since.map_or(1, |(before, _)| before.generation + 1);
        let since = since.filter(|(before, _)| before.blueprint.is_like(&blueprint));
        let make_pool = |id: PoolId| {
            let first_endpoint = blueprint.first_endpoints[id.index()];
            Arc::new(Pool::new(blueprint.world.pools[id.index()].clone(), state.pool(id), first_endpoint))
        };
        let mut pools = match since {
            Some((before, _)) => before.pools.clone(),
            None => blueprint.world.pool_ids().map(make_pool).collect(),
        };
        for &id in since.iter().flat_map(|(_, dirty)| &dirty.pools) {
            pools[id.index()] = make_pool(id);
        }

        let rules = state.maps().map_or(&*blueprint.rules, |maps| &maps.rules);
        let plan_of = |name: NameId| blueprint.plan_of_name[name.index()];
        let splits: HashMap<PlanId, Split, foldhash::fast::RandomState> =
            state.splits().iter().map(|(&name, &split)| (plan_of(name), split)).collect();
        let make_plan = |id: PlanId| {
            let rule = &rules[id.index()];
            Plan::new(rule.clone(), &pools, NameOrders::default(), splits.get(&id).copied().or(rule.split))
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
        Self { generation, blueprint, state, pools, plans, name_overrides }
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
    pub fn authority(&self, key: &[u8], rtype: Rtype) -> Option<(ZoneId, &ServedZone)> {
        let find = |key: &[u8]| self.blueprint.find_zone_id(key).map(|id| (id, &*self.blueprint.zones[id.index()]));
        let (id, zone) = find(key)?;
        let is_apex = zone.zone.apex().as_wire().len() == key.len();
        let above = if rtype == Rtype::DS && is_apex { suffixes(key).nth(1).and_then(find) } else { None };
        Some(above.filter(|(_, above)| above.zone.delegates(key)).unwrap_or((id, zone)))
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
    pub fn plan(&self, id: PlanId, name: NameId) -> &Plan {
        self.name_overrides.get(name).unwrap_or(&self.plans[id.index()])
    }

    /// Returns all plans, without overrides of names.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }
}

/// Returns a random secret for cookies. It comes from the operating system and not from the generators that draw
/// answers, because whoever can guess the secret can forge cookies.
fn random_secret() -> CookieSecret {
    let mut octets = [0; CookieSecret::LENGTH];
    getrandom::fill(&mut octets).expect("the system has random octets");
    CookieSecret::new(octets)
}

/// The compiled zones of a world, with the rules and plans of their steered names.
#[derive(Default)]
struct Zones {
    served: Vec<Arc<ServedZone>>,
    rules: Vec<Arc<Rule>>,
    plan_of_name: Vec<PlanId>,
}

/// Compiles all zones. Shares the zones of `before` that did not change.
fn compile_zones(world: &World, maps: Maps<'_>, before: Option<&Blueprint>) -> Zones {
    let mut compiler = Compiler::new(world, maps);
    let Zones { mut served, mut rules, mut plan_of_name } = Zones::default();
    for spec in &world.zones {
        let mut known: HashMap<&Steering, PlanId> = HashMap::new();
        let first = NameId::from_index(plan_of_name.len());
        for name in &spec.names {
            let mut new = || {
                rules.push(Arc::new(compiler.rule(&name.steering, &spec.regions)));
                PlanId::from_index(rules.len() - 1)
            };
            // Each name with a roll-out needs a plan of its own.
            let is_alone = name.steering.rollout.is_some();
            let plan = if is_alone { new() } else { *known.entry(&name.steering).or_insert_with(new) };
            plan_of_name.push(plan);
        }
        let plans = &plan_of_name[first.index()..];
        let same = before.and_then(|before| before.zone_like(spec, first, plans));
        served.push(same.unwrap_or_else(|| {
            let steered = Steered { first, plans: plans.into() };
            Arc::new(ServedZone {
                zone: Zone::new(spec.tree.clone(), steered, spec.serial),
                regions: spec.regions.clone(),
            })
        }));
    }
    Zones { served, rules, plan_of_name }
}

/// Returns the number of endpoints in the pools before each pool, by [`PoolId`].
fn first_endpoints(world: &World) -> Arc<[u32]> {
    let first = world.pools.iter().scan(0, |next, pool| {
        let first = *next;
        *next += pool.members.len() as u32;
        Some(first)
    });
    first.collect()
}

/// Returns the plans that use each pool, by [`PoolId`].
fn plans_of(pools: usize, rules: &[Arc<Rule>]) -> Arc<[Vec<PlanId>]> {
    let mut plans_of = vec![Vec::new(); pools];
    for (plan, rule) in (0..).map(PlanId::from_index).zip(rules) {
        for &pool in rule.pools.iter().chain(&rule.fallback) {
            if plans_of[pool.index()].last() != Some(&plan) {
                plans_of[pool.index()].push(plan);
            }
        }
    }
    plans_of.into()
}
