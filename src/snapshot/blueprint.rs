//! A compiled world, which all snapshots of it share.

use std::collections::HashMap;
use std::sync::Arc;

use super::compile::{self, Compiler, Maps};
use super::shared::KnownRules;
use super::{PoolId, Rule, Snapshot, SteeredName, Steering, World, ZoneSpec};
use crate::counters::{AnswerCounters, Dimensions, Traffic};
use crate::dnssec::ZoneKeys;
use crate::geo::{Locations, Regions};
use crate::latency::{ClientRtts, LatencyTable};
use crate::name::{Name, suffixes};
use crate::wire::CookieSecret;
use crate::zone::{NameId, Names, PlanId, Steered, Zone, ZoneId};

/// A compiled world: everything that health does not change. Compiling takes time, so it runs in a thread of its own.
///
/// All parts are shared. To copy a blueprint and replace one zone costs only a list of the zones.
#[derive(Clone, Debug)]
pub struct Blueprint {
    pub(super) world: Arc<World>,
    pub(super) locations: Arc<Locations>,
    /// The client RTTs at the time of compilation; `None` if no chain uses them.
    pub(super) client_rtts: Option<Arc<ClientRtts>>,
    pub(super) zones: Box<[Arc<ServedZone>]>,
    /// The apexes of the zones, by [`ZoneId`].
    apexes: Arc<Names>,
    /// The number of names of all zones.
    name_count: usize,
    /// By [`PlanId`].
    pub(super) rules: Arc<[Arc<Rule>]>,
    /// The plan of each steered name, by [`NameId`], in the order of the world.
    pub(super) plan_of_name: Arc<[PlanId]>,
    /// The plans that use each pool, by [`PoolId`].
    pub(super) plans_of: Arc<[Vec<PlanId>]>,
    /// The number of endpoints of the pools before each pool, by [`PoolId`]: its first endpoint has this number.
    pub(super) first_endpoints: Arc<[u32]>,
    /// The secret for cookies if the operator gave none.
    pub(super) own_secret: [CookieSecret; 1],
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
    /// The keys that sign its answers; `None` if the zone is not signed.
    pub keys: Option<Arc<ZoneKeys>>,
}

impl ServedZone {
    /// True if askers that set DO get signatures: of its keys or of its file.
    pub fn is_signed(&self) -> bool {
        self.keys.is_some() || self.zone.is_presigned()
    }
}

impl Blueprint {
    /// Compiles a world. Shares the maps of `previous` that have the same locations, and the zones that did not change.
    /// Cookies that `previous` made stay valid.
    pub fn compile(mut world: World, locations: Arc<Locations>, previous: Option<&Snapshot>) -> Self {
        let client_rtts = compile::client_rtts(&world, &locations, previous);
        let before = previous.map(|snapshot| &*snapshot.blueprint);
        if let Some(before) = before {
            before.share_trees(&mut world);
            before.share_pools(&mut world);
        }
        let maps = Maps::new(&locations, client_rtts.as_ref(), world.ecs.caps(), previous);
        let Zones { served: zones, rules, plan_of_name } = compile_zones(&world, maps, previous);
        let has_zones_of = |before: &Self| are_same_zones(&before.zones, &zones);
        let known_apexes = before.filter(|before| has_zones_of(before)).map(|before| before.apexes.clone());
        let apexes = known_apexes.unwrap_or_else(|| {
            let mut apexes = Names::default();
            for served in &zones {
                apexes.insert(&served.zone.apex().to_key());
            }
            Arc::new(apexes)
        });
        let plans_of = plans_of(world.pools.len(), &rules);
        let first_endpoints = first_endpoints(&world);
        let own_secret = previous.map_or_else(|| [random_secret()], |snapshot| snapshot.blueprint.own_secret);
        let counters = before.filter(|before| before.counts_as(&world)).and_then(|before| before.counters.clone());
        Self {
            world: Arc::new(world),
            locations,
            client_rtts,
            name_count: zones.iter().map(|served| served.zone.tree().name_count()).sum(),
            zones: zones.into(),
            apexes,
            rules: rules.into(),
            plan_of_name: plan_of_name.into(),
            plans_of,
            first_endpoints,
            own_secret,
            counters,
        }
    }

    /// Returns this blueprint with counters of the pools and endpoints in answers, with as many shards as `traffic` has: those
    /// of the blueprint before, if they mean the same here, else new ones.
    pub fn counted(mut self, traffic: &Traffic) -> Self {
        if self.counters.is_some() {
            return self;
        }
        let dimensions = Dimensions {
            regions: self.zones.iter().map(|served| served.regions.list().len()).collect(),
            pools: self
                .world
                .zones
                .iter()
                .flat_map(|zone| zone.names.iter())
                .map(|name| name.steering.pools.len())
                .collect(),
            endpoints: self.world.pools.iter().map(|pool| pool.members.len()).sum(),
            datacenters: self.world.datacenters.len(),
        };
        self.counters = Some(Arc::new(AnswerCounters::new(&dimensions, traffic)));
        self
    }

    /// Returns this blueprint with another world, which differs in the endpoints of its pools only. It counts nothing yet.
    pub(super) fn with_pools_of(&self, world: World) -> Self {
        let first_endpoints = first_endpoints(&world);
        Self { world: Arc::new(world), first_endpoints, counters: None, ..self.clone() }
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

    /// Replaces the trees and the rules of names of a new world by those of this one where both have the same contents. A reload
    /// then costs only as much as changed.
    fn share_trees(&self, world: &mut World) {
        for (place, spec) in world.zones.iter_mut().enumerate() {
            let Some(before) = self.zone_near(place, &spec.origin).map(|id| &self.world.zones[id.index()]) else {
                continue;
            };
            if !Arc::ptr_eq(&before.tree, &spec.tree) && before.tree.says_as(&spec.tree) {
                spec.tree = before.tree.clone();
            }
            share_names(&mut spec.names, &before.names);
        }
    }

    /// Returns the zone with this origin, which is probably at this place of the list.
    pub(super) fn zone_near(&self, place: usize, origin: &Name) -> Option<ZoneId> {
        let is_there = self.world.zones.get(place).is_some_and(|spec| spec.origin == *origin);
        if is_there { Some(ZoneId::from_index(place)) } else { self.zone_id_at(&origin.to_key()) }
    }

    /// Returns the configuration of the zone with this origin.
    pub fn spec(&self, origin: &Name) -> Option<&ZoneSpec> {
        self.zone_id_at(&origin.to_key()).map(|id| &self.world.zones[id.index()])
    }

    /// Returns this blueprint's zone if a zone that is made from the spec and the plans would equal it. `first` is the
    /// number of the zone's first steered name.
    fn zone_like(&self, id: ZoneId, spec: &ZoneSpec, first: NameId, plans: &[PlanId]) -> Option<Arc<ServedZone>> {
        let served = &self.zones[id.index()];
        let steered = served.zone.steered();
        // Without steered names, the number of steered names in earlier zones does not matter.
        let is_same = *steered.plans == *plans && (plans.is_empty() || steered.first == first);
        let is_like = is_same && Arc::ptr_eq(served.zone.tree(), &spec.tree) && served.regions == spec.regions;
        let is_like = is_like && served.zone.is_plain() && served.zone.serial() == spec.serial;
        let is_like = is_like && served.keys == spec.keys;
        is_like.then(|| served.clone())
    }

    /// Returns the number of zones that were built for this blueprint: those that it does not share with another one.
    pub fn built_since(&self, other: &Self) -> usize {
        let is_shared = |(place, zone): &(usize, &Arc<ServedZone>)| {
            let before = other.zone_near(*place, zone.zone.apex()).map(|id| &other.zones[id.index()]);
            before.is_some_and(|before| Arc::ptr_eq(before.zone.tree(), zone.zone.tree()))
        };
        self.zones.len() - self.zones.iter().enumerate().filter(is_shared).count()
    }

    /// True if both have the same zones, in the same order.
    pub fn has_zones_of(&self, other: &Self) -> bool {
        are_same_zones(&self.zones, &other.zones)
    }

    /// Returns the zones that have, or may have, another serial or other contents than in `other`.
    pub fn zones_since<'b>(&'b self, other: Option<&'b Self>) -> impl Iterator<Item = &'b Arc<ServedZone>> {
        let is_same = move |place: usize| {
            let Some((other, before)) = other.and_then(|other| Some((other, other.zones.get(place)?))) else {
                return false;
            };
            Arc::ptr_eq(before, &self.zones[place])
                && other.world.zones[place].contents == self.world.zones[place].contents
        };
        self.zones.iter().enumerate().filter(move |(place, _)| !is_same(*place)).map(|(_, zone)| zone)
    }

    /// Returns the operator's configuration.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Fits a latency table to this world: its datacenters and its network widths.
    pub fn adopt(&self, table: &mut LatencyTable) {
        compile::adopt(table, &self.world);
    }

    /// True if both blueprints come from one compilation: they differ at most in the TXT records that were set and the
    /// endpoints that registered themselves at run time. Then ids mean the same in both, and maps that were made for one
    /// fit the other.
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plans_of, &other.plans_of)
    }

    /// Returns all zones, in the order of the world.
    pub fn zones(&self) -> &[Arc<ServedZone>] {
        &self.zones
    }

    /// Returns the number of names of all zones, without those that were set at run time.
    pub fn name_count(&self) -> usize {
        self.name_count
    }

    /// Returns the zone with the longest apex at or above a name, which is in wire format and lower case.
    pub fn find_zone(&self, key: &[u8]) -> Option<&ServedZone> {
        self.find_zone_id(key).map(|id| &*self.zones[id.index()])
    }

    /// Returns the zone that holds a name.
    pub fn zone_of(&self, name: &Name) -> Option<&Arc<ServedZone>> {
        self.find_zone_id(&name.to_key()).map(|id| &self.zones[id.index()])
    }

    pub(super) fn find_zone_id(&self, key: &[u8]) -> Option<ZoneId> {
        suffixes(key).find_map(|suffix| self.zone_id_at(suffix))
    }

    /// Returns the zone with this apex, which is in wire format and lower case.
    pub(super) fn zone_id_at(&self, apex: &[u8]) -> Option<ZoneId> {
        self.apexes.find(apex).map(|number| ZoneId::from_index(number as usize))
    }
}

/// True if both lists have the same zones, in the same order.
fn are_same_zones(zones: &[Arc<ServedZone>], others: &[Arc<ServedZone>]) -> bool {
    let is_same = |(one, other): (&Arc<ServedZone>, &Arc<ServedZone>)| {
        Arc::ptr_eq(one, other) || one.zone.apex() == other.zone.apex()
    };
    zones.len() == others.len() && zones.iter().zip(others).all(is_same)
}

/// Replaces the rules of names by equal ones of the names before.
pub(crate) fn share_names(names: &mut Arc<[SteeredName]>, before: &Arc<[SteeredName]>) {
    if Arc::ptr_eq(names, before) {
        return;
    }
    let is_same = |name: &SteeredName, before: &SteeredName| {
        name.steering == before.steering && name.owner.as_wire() == before.owner.as_wire()
    };
    if names.len() == before.len() && names.iter().zip(&**before).all(|(name, before)| is_same(name, before)) {
        names.clone_from(before);
        return;
    }
    let shared = names.iter().enumerate().map(|(place, name)| match before.get(place) {
        Some(before) if before.steering == name.steering => {
            SteeredName { owner: name.owner.clone(), steering: before.steering.clone() }
        }
        _ => name.clone(),
    });
    *names = shared.collect();
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

/// Compiles all zones. Shares the zones and rules of `previous` that did not change.
fn compile_zones(world: &World, maps: Maps<'_>, previous: Option<&Snapshot>) -> Zones {
    let before = previous.map(|snapshot| &*snapshot.blueprint);
    let known_rules = previous.map(|snapshot| KnownRules::new(snapshot, world));
    let mut compiler = Compiler::new(world, maps);
    let Zones { mut served, mut rules, mut plan_of_name } = Zones::default();
    for (place, spec) in world.zones.iter().enumerate() {
        let first = NameId::from_index(plan_of_name.len());
        let id = before.and_then(|before| before.zone_near(place, &spec.origin));
        let known = known_rules.as_ref().zip(id);
        let shared = known.and_then(|(known, id)| Some((known, known.of_zone(id, spec, compiler.maps())?)));
        if let Some((known, plans)) = shared {
            // The plans of a zone follow one another, in the order of the names that use them first.
            let first = plans.first().map_or(0, |plan| plan.index());
            let end = plans.iter().map(|plan| plan.index() + 1).max().unwrap_or(first);
            let moved = |plan: &PlanId| PlanId::from_index(plan.index() - first + rules.len());
            plan_of_name.extend(plans.iter().map(moved));
            rules.extend((first..end).map(|plan| known.rule(PlanId::from_index(plan)).clone()));
        } else {
            compile_names(spec, &mut compiler, &mut rules, &mut plan_of_name);
        }
        let plans = &plan_of_name[first.index()..];
        let same = before.zip(id).and_then(|(before, id)| before.zone_like(id, spec, first, plans));
        served.push(same.unwrap_or_else(|| {
            let steered = Steered { first, plans: plans.into() };
            let of_keys = spec.keys.as_ref().map_or_else(Vec::new, |keys| keys.records());
            Arc::new(ServedZone {
                zone: Zone::new(spec.tree.clone(), steered, spec.serial).with_apex_records(of_keys),
                regions: spec.regions.clone(),
                keys: spec.keys.clone(),
            })
        }));
    }
    Zones { served, rules, plan_of_name }
}

/// Adds the plan of each name of a zone, and the rules of these plans.
fn compile_names(
    spec: &ZoneSpec,
    compiler: &mut Compiler<'_>,
    rules: &mut Vec<Arc<Rule>>,
    plan_of_name: &mut Vec<PlanId>,
) {
    let mut known: HashMap<&Steering, PlanId> = HashMap::new();
    for name in &*spec.names {
        let mut new = || {
            // Only a map of the zone can be in a name's configuration.
            let regions = spec.regions.of_map(&name.steering.map).unwrap_or(&spec.regions);
            rules.push(Arc::new(compiler.rule(&name.steering, regions)));
            PlanId::from_index(rules.len() - 1)
        };
        // Each name with a roll-out needs a plan of its own.
        let is_alone = name.steering.rollout.is_some();
        let plan = if is_alone { new() } else { *known.entry(&name.steering).or_insert_with(new) };
        plan_of_name.push(plan);
    }
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
