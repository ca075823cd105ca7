//! Compiles a world into rules and maps.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::ids::PoolId;
use super::plan::{LoadKeys, Rule};
use super::world::{Steering, World, share_addresses};
use super::{Blueprint, Snapshot};
use crate::geo::{Caps, Coordinates, DatacenterId, Locations, Region, Regions, local};
use crate::latency::{ClientRtts, LatencyTable, Widths};
use crate::steering::{
    CompiledChain, CompiledStep, Draw, Ground, HashKey, Map, RegionTiers, SelectionPolicy, Set, Step,
};

/// Prefixes of the keys for the step `load`. No pool's name contains a space, so keys never collide.
const STAY: &str = "stay ";
const GO: &str = "go ";

/// Makes the rules of a world. Rules with equal inputs share a map.
pub(super) struct Compiler<'a> {
    world: &'a World,
    maps: Maps<'a>,
}

/// Maps over the same locations and client RTTs. Each is made only once.
pub(super) struct Maps<'a> {
    locations: &'a Arc<Locations>,
    client_rtts: Option<&'a Arc<ClientRtts>>,
    caps: Caps,
    /// The ground of maps without round trip times, and of those with them; `None` before the first such map.
    grounds: [Option<Arc<Ground>>; 2],
    known: HashMap<Key, Arc<Map>>,
    /// True if the maps of the snapshot before are still valid: those without round trip times, and those with them.
    still_valid: [bool; 2],
}

/// The inputs in which maps over the same locations differ: the compiled chain, and, if the chain has no regions, the
/// zone's regions that name local address space.
type Key = (CompiledChain, Option<Arc<Regions>>);

/// The properties of a pool that the chain's steps compare: its position in the `failover` order, or 0 if the chain
/// lacks that step, and its datacenter. Pools with equal properties are one class.
type CandidateClass = (u8, Option<DatacenterId>);

impl<'a> Compiler<'a> {
    pub(super) fn new(world: &'a World, maps: Maps<'a>) -> Self {
        Self { world, maps }
    }

    pub(super) fn maps(&self) -> &Maps<'a> {
        &self.maps
    }

    /// Returns the rule for a name's steering, with the regions of its map.
    pub(super) fn rule(&mut self, steering: &Steering, regions: &Arc<Regions>) -> Rule {
        let ranked = steering.ranked_steps();
        let by_order = ranked.clone().any(|step| step == Step::Failover);
        let class_of: Vec<CandidateClass> = steering
            .pools
            .iter()
            .map(|used| (if by_order { used.order } else { 0 }, self.world.pools[used.pool.index()].datacenter))
            .collect();
        let mut classes = class_of.clone();
        classes.sort_unstable();
        classes.dedup();
        let steps = ranked.map(|step| self.compiled_step(step, &classes, steering, regions)).collect();
        let compiled_chain = CompiledChain::new(classes.len() as u8, steps);
        let naming = Some(regions).filter(|regions| compiled_chain.regions().is_none() && local::is_named_by(regions));
        let map = self.maps.get(compiled_chain, naming.cloned());
        let draw = steering.steer.iter().copied().find(|step| step.draws()).map(|step| match step {
            Step::Sticky => Draw::Sticky(steering.pools.iter().map(|used| self.key("", used.pool)).collect()),
            _ => Draw::Chance,
        });
        let keys = |salt: &str| steering.pools.iter().map(|used| self.key(salt, used.pool)).collect();
        Rule {
            load: steering.spills().then(|| LoadKeys { stay: keys(STAY), go: keys(GO) }),
            pools: steering.pools.iter().map(|used| used.pool).collect(),
            map,
            policy: SelectionPolicy {
                classes: classes.iter().map(|class| set_of(&class_of, |other| other == class)).collect(),
                datacenters: class_of.iter().map(|&(_, datacenter)| datacenter).collect(),
                weights: steering.pools.iter().map(|used| used.weight).collect(),
                draw,
                take: steering.take,
                spare: steering.spare,
            },
            pick: steering.pick,
            answers: steering.answers,
            shares_addresses: self.share_addresses(steering),
            sticky: steering.sticky,
            fallback: steering.fallback,
            all_down: steering.all_down,
            ttls: steering.ttls,
            https: steering.https.clone(),
            split: self.world.first_split(steering),
        }
    }

    /// True if several of a name's pools have an address in common.
    fn share_addresses(&self, steering: &Steering) -> bool {
        share_addresses(steering.pools.iter().map(|used| &self.world.pools[used.pool.index()].members))
    }

    /// Returns a pool's key for hashes with this salt.
    fn key(&self, salt: &str, pool: PoolId) -> HashKey {
        HashKey::of_candidate(format!("{salt}{}", self.world.pools[pool.index()].name).as_bytes())
    }

    fn compiled_step(
        &self,
        step: Step,
        classes: &[CandidateClass],
        steering: &Steering,
        regions: &Arc<Regions>,
    ) -> CompiledStep {
        match step {
            Step::Region => {
                let tiers = regions.list().iter().map(|region| region_tiers(region, steering, classes));
                CompiledStep::Region(regions.clone(), tiers.collect())
            }
            Step::Latency => {
                let places = classes.iter().map(|&(_, datacenter)| datacenter);
                CompiledStep::Latency(places.collect(), steering.latency_tolerance)
            }
            Step::Distance => {
                let place = |id: DatacenterId| self.world.datacenters[id.index()].coordinates;
                CompiledStep::Distance(classes.iter().map(|&(_, datacenter)| datacenter.map(place)).collect())
            }
            Step::Load => CompiledStep::Load,
            Step::Failover | Step::Weight | Step::Sticky => {
                let tiers = classes.chunk_by(|a, b| a.0 == b.0);
                CompiledStep::Failover(tiers.map(|tier| set_of(classes, |class| class.0 == tier[0].0)).collect())
            }
        }
    }
}

impl<'a> Maps<'a> {
    /// Takes over the maps of `previous` that are still valid: those with the same locations and caps and, if they use
    /// round trips, the same client RTTs.
    pub(super) fn new(
        locations: &'a Arc<Locations>,
        client_rtts: Option<&'a Arc<ClientRtts>>,
        caps: Caps,
        previous: Option<&Snapshot>,
    ) -> Self {
        let same_ground =
            |snapshot: &&Snapshot| Arc::ptr_eq(snapshot.locations(), locations) && snapshot.world().ecs.caps() == caps;
        let previous = previous.filter(same_ground);
        let same_client_rtts = previous.is_some_and(|snapshot| match (snapshot.client_rtts(), client_rtts) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            _ => false,
        });
        let still_valid = [previous.is_some(), same_client_rtts];
        let before = previous.map_or(&[][..], Snapshot::plans).iter().map(|plan| &plan.rule().map);
        let known = before.filter(|map| same_client_rtts || !map.compiled_chain().measures_latency());
        let mut grounds = [None, None];
        let known = known.map(|map| {
            grounds[usize::from(map.compiled_chain().measures_latency())] = Some(map.ground().clone());
            ((map.compiled_chain().clone(), map.naming().cloned()), map.clone())
        });
        let known = known.collect();
        Self { locations, client_rtts, caps, grounds, known, still_valid }
    }

    /// True if a map of the snapshot before is still valid.
    pub(super) fn still_has(&self, map: &Map) -> bool {
        self.still_valid[usize::from(map.compiled_chain().measures_latency())]
    }

    /// Returns the map of a compiled chain, and makes it if it is not known. `naming` is the argument of
    /// [`Map::build`].
    pub(super) fn get(&mut self, compiled_chain: CompiledChain, naming: Option<Arc<Regions>>) -> Arc<Map> {
        let key = (compiled_chain, naming);
        if let Some(map) = self.known.get(&key) {
            return map.clone();
        }
        let ground = self.ground(key.0.measures_latency());
        let map = Arc::new(Map::build(key.0.clone(), key.1.clone(), &ground));
        self.known.insert(key, map.clone());
        map
    }

    fn ground(&mut self, measures_latency: bool) -> Arc<Ground> {
        let &mut Self { locations, client_rtts, caps, ref mut grounds, .. } = self;
        let ground = grounds[usize::from(measures_latency)].get_or_insert_with(|| {
            let client_rtts = client_rtts.filter(|_| measures_latency).cloned();
            Arc::new(match client_rtts {
                Some(client_rtts) => Ground::of_client_rtts(locations.clone(), client_rtts, caps),
                None => Ground::of_locations(locations.clone(), caps),
            })
        });
        ground.clone()
    }
}

impl Blueprint {
    /// Returns the number of maps that were made for this blueprint: those that a previous snapshot does not have.
    pub fn maps_since(&self, previous: &Snapshot) -> usize {
        let before: HashSet<*const Map> = previous.plans().iter().map(|plan| Arc::as_ptr(&plan.rule().map)).collect();
        let own: HashSet<*const Map> = self.rules.iter().map(|rule| Arc::as_ptr(&rule.map)).collect();
        own.difference(&before).count()
    }
}

/// Returns the client RTTs of a world; `None` if no chain has the step `latency`. Shares those of `previous` if the
/// locations, the latency table and the datacenters are the same.
pub(super) fn client_rtts(
    world: &World,
    locations: &Arc<Locations>,
    previous: Option<&Snapshot>,
) -> Option<Arc<ClientRtts>> {
    let mut names = world.zones.iter().flat_map(|zone| zone.names.iter());
    if !names.any(|name| name.steering.steer.contains(&Step::Latency)) {
        return None;
    }
    let known = previous.and_then(Snapshot::client_rtts);
    let mut table = known.map_or_else(LatencyTable::default, |client_rtts| client_rtts.table().clone());
    adopt(&mut table, world);
    let sites = sites(world);
    let same_places = previous.is_some_and(|snapshot| Arc::ptr_eq(snapshot.locations(), locations));
    let still_holds =
        |before: &&Arc<ClientRtts>| before.table().generation() == table.generation() && *before.sites() == *sites;
    let client_rtts = known.filter(|_| same_places).filter(still_holds).cloned();
    client_rtts.or_else(|| Some(Arc::new(ClientRtts::new(table, sites, locations))))
}

/// Fits a table to this world: its datacenters and its network widths.
pub(super) fn adopt(table: &mut LatencyTable, world: &World) {
    let names = world.datacenters.iter().map(|datacenter| &*datacenter.name);
    table.adopt(names, Widths::new(world.ecs.max_source_v4, world.ecs.max_source_v6));
}

/// Returns the coordinates of the datacenters, by [`DatacenterId`].
fn sites(world: &World) -> Box<[Coordinates]> {
    world.datacenters.iter().map(|datacenter| datacenter.coordinates).collect()
}

/// Rules with new maps, after round trip times settled.
#[derive(Debug)]
pub struct Remapped {
    pub(super) client_rtts: Arc<ClientRtts>,
    /// By [`PlanId`](crate::zone::PlanId).
    pub(super) rules: Box<[Arc<Rule>]>,
    made: usize,
}

impl Remapped {
    /// Returns the number of maps that were made; names share them.
    pub fn made(&self) -> usize {
        self.made
    }

    /// Makes the rules and maps. This takes a while, so it runs in a thread of its own. Maps that do not use round
    /// trips are shared.
    pub fn new(blueprint: &Blueprint, table: LatencyTable) -> Self {
        let Blueprint { world, locations, rules, .. } = blueprint;
        let client_rtts = Arc::new(ClientRtts::new(table, sites(world), locations));
        let mut maps = Maps::new(locations, Some(&client_rtts), world.ecs.caps(), None);
        let rules = rules.iter().map(|rule| match rule.map.compiled_chain() {
            compiled_chain if compiled_chain.measures_latency() => {
                let map = maps.get(compiled_chain.clone(), rule.map.naming().cloned());
                Arc::new(Rule { map, ..(**rule).clone() })
            }
            _ => rule.clone(),
        });
        let rules: Box<[Arc<Rule>]> = rules.collect();
        let anew = rules.iter().filter(|rule| rule.map.compiled_chain().measures_latency());
        let made = anew.map(|rule| Arc::as_ptr(&rule.map)).collect::<HashSet<_>>().len();
        Self { client_rtts, rules, made }
    }
}

/// Returns a region's tiers as sets of candidate classes. If the name has tiers of its own for the region (`prefer`),
/// they count instead. Tiers without a class are left out.
fn region_tiers(region: &Region, steering: &Steering, classes: &[CandidateClass]) -> RegionTiers {
    let own = steering.prefer.iter().find(|(name, _)| *name == region.name).map(|(_, tiers)| tiers);
    let tiers = own.unwrap_or(&region.prefer).iter();
    let sets = tiers.map(|tier| set_of(classes, |class| class.1.is_some_and(|datacenter| tier.contains(&datacenter))));
    RegionTiers { tiers: sets.filter(|&set| set != 0).collect(), only: steering.only.unwrap_or(region.only) }
}

/// Returns the positions of the items for which `holds` is true.
fn set_of<T>(items: &[T], holds: impl Fn(&T) -> bool) -> Set {
    items.iter().enumerate().filter(|(_, item)| holds(item)).fold(0, |set, (place, _)| set | 1 << place)
}
