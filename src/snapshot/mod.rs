//! The immutable compiled state that queries are answered from, and what it is compiled from.
//!
//! A [`Snapshot`] is never changed. What the world does makes a new one, which shares all that stayed: a change of health
//! shares zones and maps, a new configuration shares the maps whose criteria it repeats, round trips that settled anew share
//! all but the maps that ask for them.

mod amend;
mod circles;
mod compile;
mod odds;
mod overlay;
mod plan;
mod pool;
mod protocol;
mod rollouts;
mod targets;
#[cfg(test)]
mod tests;
mod world;

use std::collections::HashMap;
use std::sync::Arc;

use crate::geo::{Locations, Regions};
use crate::latency::{Table, Vantages};
use crate::load::Allowance;
use crate::name::{Name, labels, suffixes};
use crate::overrides::{Rulings, canonical};
use crate::steering::Split;
use crate::wire::{CookieSecret, Rtype};
use crate::zone::{NameId, PlanId, Steered, Zone};
pub use amend::Unfit;
pub use circles::Circle;
pub use compile::Remapped;
use compile::{Compiler, Maps};
pub use odds::Shares;
use overlay::Overlay;
pub use plan::{Choice, LoadKeys, Plan, Rule, Rung, Verdict};
pub use pool::{Duty, Family, Kind, Lists, Member, PerFamily, Pool, Selection, Standing};
pub use protocol::{Cookies, Identity, MAX_IDENTITY, MAX_SECRETS, MAX_WINDOW, Protocol, RateLimit, Transfers};
pub use rollouts::RolledOut;
pub use world::{
    Datacenter, Ecs, Endpoint, MAX_ENDPOINTS, MAX_POOLS, Members, PoolId, PoolSpec, PoolUse, Probing, SteeredName,
    Steering, World, ZoneSpec,
};

/// All that queries are answered from.
#[derive(Debug)]
pub struct Snapshot {
    generation: u64,
    blueprint: Arc<Blueprint>,
    vantages: Option<Arc<Vantages>>,
    pools: Box<[Arc<Pool>]>,
    plans: Box<[Plan]>,
    overlay: Overlay,
}

/// A compiled world: what health does not change. It takes time to make, so it is made aside.
///
/// All of it is shared: a copy with another zone costs as little as a list of the zones.
#[derive(Clone, Debug)]
pub struct Blueprint {
    world: Arc<World>,
    locations: Arc<Locations>,
    /// What was known of round trips then, if any chain asks for it.
    vantages: Option<Arc<Vantages>>,
    zones: Box<[Arc<ServedZone>]>,
    by_apex: Arc<HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>>,
    /// Labels of the longest apex, so that longer names need no look-up at their full length.
    apex_depth: usize,
    /// By [`PlanId`].
    rules: Arc<[Arc<Rule>]>,
    /// The plan of each steered name, by [`NameId`], in the order of the world.
    plan_of_name: Arc<[PlanId]>,
    /// The plans that hold a pool, by [`PoolId`].
    plans_of: Arc<[Vec<PlanId>]>,
    /// What cookies are made with where the operator gave no secret.
    own_secret: [CookieSecret; 1],
}

/// A zone, and what its names' answers depend on besides.
#[derive(Debug)]
pub struct ServedZone {
    /// Names and records.
    pub zone: Zone,
    /// Who belongs to which region.
    pub regions: Arc<Regions>,
}

impl Blueprint {
    /// Compiles a world. Maps that `previous` holds for the same locations are shared, and so are zones that did not change;
    /// cookies that it made stay valid.
    pub fn compile(mut world: World, locations: Arc<Locations>, previous: Option<&Snapshot>) -> Self {
        let vantages = compile::vantages(&world, &locations, previous);
        let before = previous.map(|snapshot| &*snapshot.blueprint);
        if let Some(before) = before {
            before.share_trees(&mut world);
        }
        let maps = Maps::new(&locations, vantages.as_ref(), world.ecs.caps(), previous);
        let Zones { served: zones, rules, plan_of_name } = compile_zones(&world, maps, before);
        let by_apex = zones.iter().zip(0..).map(|(served, id)| (served.zone.apex().to_key(), id)).collect();
        let apex_depth = zones.iter().map(|served| served.zone.apex().label_count()).max().unwrap_or(0);
        let plans_of = plans_of(world.pools.len(), &rules);
        let own_secret = previous.map_or_else(|| [random_secret()], |snapshot| snapshot.blueprint.own_secret);
        Self {
            world: Arc::new(world),
            locations,
            vantages,
            zones: zones.into(),
            by_apex: Arc::new(by_apex),
            apex_depth,
            rules: rules.into(),
            plan_of_name: plan_of_name.into(),
            plans_of,
            own_secret,
        }
    }

    /// Has another world share the trees of zones that say the same as here: a reload costs what changed.
    fn share_trees(&self, world: &mut World) {
        for spec in &mut world.zones {
            let Some(before) = self.spec(&spec.origin) else { continue };
            if !Arc::ptr_eq(&before.tree, &spec.tree) && before.tree.says_as(&spec.tree) {
                spec.tree = before.tree.clone();
            }
        }
    }

    /// What the operator wrote of the zone with this origin.
    pub fn spec(&self, origin: &Name) -> Option<&ZoneSpec> {
        self.by_apex.get(&origin.to_key()).map(|&id| &self.world.zones[id as usize])
    }

    /// The zone that this spec and these plans would make, if it is there already.
    fn zone_like(&self, spec: &ZoneSpec, first: NameId, plans: &[PlanId]) -> Option<Arc<ServedZone>> {
        let served = &self.zones[*self.by_apex.get(&spec.origin.to_key())? as usize];
        let steered = served.zone.steered();
        // Without steered names it does not matter how many stand in zones before it.
        let is_same = *steered.plans == *plans && (plans.is_empty() || steered.first == first);
        let is_like = is_same && Arc::ptr_eq(served.zone.tree(), &spec.tree) && *served.regions == *spec.regions;
        let is_like = is_like && served.zone.is_plain() && served.zone.serial() == spec.serial;
        is_like.then(|| served.clone())
    }

    /// How many of its zones another blueprint does not share: what it took to make this one after that.
    pub fn built_since(&self, other: &Self) -> usize {
        let is_shared = |zone: &&Arc<ServedZone>| {
            let before = other.by_apex.get(&zone.zone.apex().to_key()).map(|&id| &other.zones[id as usize]);
            before.is_some_and(|before| Arc::ptr_eq(before.zone.tree(), zone.zone.tree()))
        };
        self.zones.len() - self.zones.iter().filter(is_shared).count()
    }

    /// What the operator wrote.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Makes a latency table one of this world's datacenters and networks.
    pub fn adopt(&self, table: &mut Table) {
        compile::adopt(table, &self.world);
    }

    /// Whether it is the same but for extra records, so that maps made for one fit the other.
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.world, &other.world)
    }

    /// All zones, in the order of the world's.
    pub fn zones(&self) -> &[Arc<ServedZone>] {
        &self.zones
    }

    /// The zone with the longest apex at or above a name in wire format and lower case.
    pub fn find_zone(&self, key: &[u8]) -> Option<&ServedZone> {
        self.find_zone_id(key).map(|id| &*self.zones[id as usize])
    }

    /// The zone that holds a name.
    pub fn zone_of(&self, name: &Name) -> Option<&Arc<ServedZone>> {
        self.find_zone_id(&name.to_key()).map(|id| &self.zones[id as usize])
    }

    fn find_zone_id(&self, key: &[u8]) -> Option<u32> {
        let surplus = labels(key).count().saturating_sub(self.apex_depth);
        suffixes(key).skip(surplus).find_map(|suffix| self.by_apex.get(suffix).copied())
    }
}

impl Snapshot {
    /// A compiled world with its endpoints' health: `standing` tells of each pool's endpoints, by their place in its spec.
    /// `previous` tells what was open last; its generation is followed by this one's.
    pub fn new(
        blueprint: Arc<Blueprint>,
        standing: impl Fn(PoolId, usize) -> Standing,
        previous: Option<&Self>,
    ) -> Self {
        let generation = previous.map_or(1, |snapshot| snapshot.generation + 1);
        let pools = make_pools(&blueprint.world, standing);
        let plans = blueprint.rules.iter().map(|rule| Plan::new(rule.clone(), &pools, None)).collect();
        let vantages = blueprint.vantages.clone();
        Self { generation, blueprint, vantages, pools, plans, overlay: Overlay::default() }
    }

    /// The same world after the standing of endpoints of these pools changed. What is said of names stays said, and loads
    /// stay what they are.
    pub fn with_pools(&self, changed: &[PoolId], standing: impl Fn(PoolId, usize) -> Standing) -> Self {
        let generation = self.generation + 1;
        let mut pools = self.pools.clone();
        let mut plans = self.plans.clone();
        for &id in changed {
            let before = &self.pools[id as usize];
            let standing = |endpoint| standing(id, endpoint);
            let pool = Pool::new(before.spec().clone(), standing);
            pools[id as usize] = Arc::new(pool.loaded(*before.allowance()));
        }
        for &id in changed {
            for &plan in &self.blueprint.plans_of[id as usize] {
                let before = &self.plans[plan as usize];
                plans[plan as usize] = Plan::new(before.rule().clone(), &pools, None).divided(before.split());
            }
        }
        let overlay = self.overlay.over(&pools);
        let (blueprint, vantages) = (self.blueprint.clone(), self.vantages.clone());
        Self { generation, blueprint, vantages, pools, plans, overlay }
    }

    /// The same world and standing, with maps made of its blueprint, and with what the operator says of steered names.
    pub fn with_maps(&self, remapped: &Remapped, rulings: &Rulings) -> Self {
        let rules = remapped.rules.iter().zip(&self.plans);
        let plans = rules.map(|(rule, before)| Plan::new(rule.clone(), &self.pools, None).divided(before.split()));
        let snapshot = Self {
            generation: self.generation + 1,
            blueprint: self.blueprint.clone(),
            vantages: Some(remapped.vantages.clone()),
            pools: self.pools.clone(),
            plans: plans.collect(),
            overlay: Overlay::default(),
        };
        snapshot.overlaid(rulings)
    }

    /// The same snapshot, before it is published, with the loads of these pools.
    pub fn loaded(mut self, loads: &[(PoolId, Allowance)]) -> Self {
        if loads.is_empty() {
            return self;
        }
        for &(id, allowance) in loads {
            self.pools[id as usize] = Arc::new(Pool::clone(&self.pools[id as usize]).loaded(allowance));
        }
        let mut plans: Vec<PlanId> =
            loads.iter().flat_map(|&(id, _)| &self.blueprint.plans_of[id as usize]).copied().collect();
        plans.sort_unstable();
        plans.dedup();
        for plan in plans {
            let before = &self.plans[plan as usize];
            self.plans[plan as usize] = Plan::new(before.rule().clone(), &self.pools, None).divided(before.split());
        }
        let overlay = self.overlay.over(&self.pools);
        Self { overlay, ..self }
    }

    /// The same snapshot, before it is published, with what the operator says of steered names.
    pub fn overlaid(self, rulings: &Rulings) -> Self {
        if !rulings.rules_names() {
            return Self { overlay: Overlay::default(), ..self };
        }
        let mode = |owner: &Name| rulings.of_name(&canonical(owner)).map(|ruling| ruling.order.mode);
        let names = self.blueprint.world.steered_names().zip(self.blueprint.plan_of_name.iter());
        let modes = names.map(|(owner, &plan)| (mode(owner), plan));
        let overlay = Overlay::new(modes, &self.plans, &self.pools);
        Self { overlay, ..self }
    }

    /// The same snapshot, before it is published, with the pools of names divided as roll-outs stand. What is said of names is to
    /// be laid over it again.
    pub fn divided(mut self, splits: impl IntoIterator<Item = (NameId, Split)>) -> Self {
        for (name, split) in splits {
            let plan = &mut self.plans[self.blueprint.plan_of_name[name as usize] as usize];
            *plan = plan.clone().divided(Some(split));
        }
        self
    }

    /// The same health, and the same world with other records: what [`Blueprint::amended`] made of its blueprint.
    pub fn amended(&self, blueprint: Arc<Blueprint>) -> Self {
        let (pools, plans, overlay) = (self.pools.clone(), self.plans.clone(), self.overlay.clone());
        Self { generation: self.generation + 1, blueprint, vantages: self.vantages.clone(), pools, plans, overlay }
    }

    /// Whether it is one of this blueprint.
    pub fn is_of(&self, blueprint: &Arc<Blueprint>) -> bool {
        Arc::ptr_eq(&self.blueprint, blueprint)
    }

    /// Whether the other one differs in health alone, and in what the operator says.
    pub fn shares_world(&self, other: &Self) -> bool {
        let vantages = |snapshot: &Self| snapshot.vantages.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.blueprint, &other.blueprint) && vantages(self) == vantages(other)
    }

    /// Counts up by one from snapshot to snapshot, beginning with 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What the operator wrote.
    pub fn world(&self) -> &World {
        &self.blueprint.world
    }

    /// Where clients are.
    pub fn locations(&self) -> &Arc<Locations> {
        &self.blueprint.locations
    }

    /// What it is one of.
    pub fn blueprint(&self) -> &Arc<Blueprint> {
        &self.blueprint
    }

    /// What is known of round trips, if any chain asks for it.
    pub fn vantages(&self) -> Option<&Arc<Vantages>> {
        self.vantages.as_ref()
    }

    /// All zones.
    pub fn zones(&self) -> &[Arc<ServedZone>] {
        self.blueprint.zones()
    }

    /// The zone with the longest apex at or above a name in wire format and lower case.
    pub fn find_zone(&self, key: &[u8]) -> Option<&ServedZone> {
        self.blueprint.find_zone(key)
    }

    /// The zone that answers questions for a name in wire format and lower case: the deepest one. Of the types only DS
    /// counts: at an apex it belongs to the zone above, if that is served too and delegates the name (RFC 4035, section
    /// 3.1.4.1).
    pub fn authority(&self, key: &[u8], rtype: Rtype) -> Option<&ServedZone> {
        let zone = self.find_zone(key)?;
        let is_apex = zone.zone.apex().as_wire().len() == key.len();
        let above =
            suffixes(key).nth(1).filter(|_| rtype == Rtype::DS && is_apex).and_then(|above| self.find_zone(above));
        Some(above.filter(|above| above.zone.delegates(key)).unwrap_or(zone))
    }

    /// The zone with this apex.
    pub fn zone_at(&self, apex: &[u8]) -> Option<&ServedZone> {
        self.blueprint.by_apex.get(apex).map(|&id| &*self.blueprint.zones[id as usize])
    }

    /// The secrets of cookies: the first makes them, all verify.
    pub fn cookie_secrets(&self) -> &[CookieSecret] {
        match self.world().protocol.cookies.secrets.as_slice() {
            [] => &self.blueprint.own_secret,
            secrets => secrets,
        }
    }

    /// The pools, by [`PoolId`].
    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// The plan of a steered name, with what the operator says of that name.
    pub fn plan(&self, id: PlanId, name: NameId) -> &Plan {
        self.overlay.get(name).unwrap_or(&self.plans[id as usize])
    }

    /// All plans, as they are for names of which nothing is said.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }
}

/// Whoever guesses it can forge cookies, so it does not come from the generators that draw answers.
fn random_secret() -> CookieSecret {
    let mut octets = [0; CookieSecret::LENGTH];
    getrandom::fill(&mut octets).expect("the system has random octets");
    CookieSecret::new(octets)
}

#[derive(Default)]
struct Zones {
    served: Vec<Arc<ServedZone>>,
    rules: Vec<Arc<Rule>>,
    plan_of_name: Vec<PlanId>,
}

fn compile_zones(world: &World, maps: Maps<'_>, before: Option<&Blueprint>) -> Zones {
    let mut compiler = Compiler::new(world, maps);
    let Zones { mut served, mut rules, mut plan_of_name } = Zones::default();
    for spec in &world.zones {
        let mut known: HashMap<&Steering, PlanId> = HashMap::new();
        let first = plan_of_name.len() as NameId;
        for name in &spec.names {
            let mut new = || {
                rules.push(Arc::new(compiler.rule(&name.steering, &spec.regions)));
                rules.len() as PlanId - 1
            };
            // Roll-outs go their ways name by name.
            let is_alone = name.steering.rollout.is_some();
            let plan = if is_alone { new() } else { *known.entry(&name.steering).or_insert_with(new) };
            plan_of_name.push(plan);
        }
        let plans = &plan_of_name[first as usize..];
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

fn make_pools(world: &World, standing: impl Fn(PoolId, usize) -> Standing) -> Box<[Arc<Pool>]> {
    let pool =
        |(id, spec): (PoolId, &Arc<PoolSpec>)| Arc::new(Pool::new(spec.clone(), |endpoint| standing(id, endpoint)));
    (0..).zip(&world.pools).map(pool).collect()
}

fn plans_of(pools: usize, rules: &[Arc<Rule>]) -> Arc<[Vec<PlanId>]> {
    let mut plans_of = vec![Vec::new(); pools];
    for (plan, rule) in (0..).zip(rules) {
        for &pool in rule.pools.iter().chain(&rule.fallback) {
            if plans_of[pool as usize].last() != Some(&plan) {
                plans_of[pool as usize].push(plan);
            }
        }
    }
    plans_of.into()
}
