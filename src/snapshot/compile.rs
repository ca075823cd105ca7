//! From a world to the plans that queries are answered by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::plan::{LoadKeys, Rule};
use super::world::{Members, PoolId, Steering, World};
use super::{Blueprint, Snapshot};
use crate::geo::{Caps, Coordinates, DatacenterId, Locations, Region, Regions};
use crate::latency::{Table, Vantages, Widths};
use crate::steering::{Course, Criteria, Criterion, Draw, Ground, HashKey, Map, RegionTiers, Set, Step};

/// Makes rules, and the maps behind them, each once.
pub(super) struct Compiler<'a> {
    world: &'a World,
    maps: Maps<'a>,
}

/// Maps over the same locations and vantages, each made once.
pub(super) struct Maps<'a> {
    locations: &'a Locations,
    vantages: Option<&'a Vantages>,
    caps: Caps,
    known: HashMap<Key, Arc<Map>>,
}

/// What maps over the same ground differ by: their criteria, and the regions that name local space where the criteria have none.
type Key = (Criteria, Option<Arc<Regions>>);

/// What pools have in common that the chain's steps cannot tell apart: their place in the `failover` order, or 0 where the
/// chain does not ask for it, and their datacenter.
type Slot = (u8, Option<DatacenterId>);

impl<'a> Compiler<'a> {
    pub(super) fn new(world: &'a World, maps: Maps<'a>) -> Self {
        Self { world, maps }
    }

    /// The rule for a name's steering among a zone's regions.
    pub(super) fn rule(&mut self, steering: &Steering, regions: &Arc<Regions>) -> Rule {
        let ranked = steering.ranked_steps();
        let by_order = ranked.clone().any(|step| step == Step::Failover);
        let slot_of: Vec<Slot> = steering
            .pools
            .iter()
            .map(|used| (if by_order { used.order } else { 0 }, self.world.pools[used.pool as usize].datacenter))
            .collect();
        let mut slots = slot_of.clone();
        slots.sort_unstable();
        slots.dedup();
        let steps = ranked.map(|step| self.criterion(step, &slots, steering, regions)).collect();
        let criteria = Criteria::new(slots.len() as u8, steps);
        let naming = Some(regions).filter(|regions| criteria.regions().is_none() && regions.name_local_space());
        let map = self.maps.get(criteria, naming.cloned());
        let draw = steering.steer.iter().copied().find(|step| step.draws()).map(|step| match step {
            Step::Sticky => Draw::Sticky(steering.pools.iter().map(|used| self.key("", used.pool)).collect()),
            _ => Draw::Chance,
        });
        let keys = |salt: &str| steering.pools.iter().map(|used| self.key(salt, used.pool)).collect();
        Rule {
            load: steering.spills().then(|| LoadKeys { stay: keys(STAY), go: keys(GO) }),
            pools: steering.pools.iter().map(|used| used.pool).collect(),
            map,
            course: Course {
                slots: slots.iter().map(|slot| set_of(&slot_of, |other| other == slot)).collect(),
                datacenters: slot_of.iter().map(|&(_, datacenter)| datacenter).collect(),
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
            ttl: steering.ttl,
            ttl_min: steering.ttl_min,
            https: steering.https.clone(),
            split: self.world.first_split(steering),
        }
    }

    /// Whether some address stands in several of a name's pools.
    fn share_addresses(&self, steering: &Steering) -> bool {
        let pools = steering.pools.iter().map(|used| &self.world.pools[used.pool as usize].members);
        let mut seen = HashSet::new();
        let mut addresses = pools.flat_map(|members| match members {
            Members::Addresses(endpoints) => endpoints.as_slice(),
            Members::Cname(_) => &[],
        });
        // A pool holds each once.
        addresses.any(|endpoint| !seen.insert(endpoint.value))
    }

    /// A pool's key among those with the same salt.
    fn key(&self, salt: &str, pool: PoolId) -> HashKey {
        HashKey::of_candidate(format!("{salt}{}", self.world.pools[pool as usize].name).as_bytes())
    }

    fn criterion(&self, step: Step, slots: &[Slot], steering: &Steering, regions: &Arc<Regions>) -> Criterion {
        match step {
            Step::Region => {
                let tiers = regions.list().iter().map(|region| region_tiers(region, steering, slots));
                Criterion::Region(regions.clone(), tiers.collect())
            }
            Step::Latency => {
                let places = slots.iter().map(|&(_, datacenter)| datacenter);
                Criterion::Latency(places.collect(), steering.latency_tolerance)
            }
            Step::Distance => {
                let place = |id: DatacenterId| self.world.datacenters[usize::from(id)].coordinates;
                Criterion::Distance(slots.iter().map(|&(_, datacenter)| datacenter.map(place)).collect())
            }
            Step::Load => Criterion::Load,
            Step::Failover | Step::Weight | Step::Sticky => {
                let tiers = slots.chunk_by(|a, b| a.0 == b.0);
                Criterion::Failover(tiers.map(|tier| set_of(slots, |slot| slot.0 == tier[0].0)).collect())
            }
        }
    }
}

impl<'a> Maps<'a> {
    /// Those that `previous` has and that still hold are taken over.
    pub(super) fn new(
        locations: &'a Arc<Locations>,
        vantages: Option<&'a Arc<Vantages>>,
        caps: Caps,
        previous: Option<&Snapshot>,
    ) -> Self {
        let same_ground =
            |snapshot: &&Snapshot| Arc::ptr_eq(snapshot.locations(), locations) && snapshot.world().ecs.caps() == caps;
        let previous = previous.filter(same_ground);
        let same_vantages = previous.is_some_and(|snapshot| match (snapshot.vantages(), vantages) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            _ => false,
        });
        let before = previous.map_or(&[][..], Snapshot::plans).iter().map(|plan| &plan.rule().map);
        let known = before.filter(|map| same_vantages || !map.criteria().measures_latency());
        let known = known.map(|map| ((map.criteria().clone(), map.naming().cloned()), map.clone())).collect();
        Self { locations, vantages: vantages.map(|vantages| &**vantages), caps, known }
    }

    /// The map of these criteria; `naming` as for [`Map::build`].
    pub(super) fn get(&mut self, criteria: Criteria, naming: Option<Arc<Regions>>) -> Arc<Map> {
        let &mut Self { locations, vantages, caps, ref mut known } = self;
        let build = |(criteria, naming): &Key| {
            Arc::new(Map::build(criteria.clone(), naming.clone(), Ground { locations, vantages, caps }))
        };
        let key = (criteria, naming);
        if let Some(map) = known.get(&key) {
            return map.clone();
        }
        let map = build(&key);
        known.insert(key, map.clone());
        map
    }
}

/// What is known of round trips, if any chain asks for it. `previous` has it if nothing changed that it depends on.
pub(super) fn vantages(
    world: &World,
    locations: &Arc<Locations>,
    previous: Option<&Snapshot>,
) -> Option<Arc<Vantages>> {
    let mut names = world.zones.iter().flat_map(|zone| &zone.names);
    if !names.any(|name| name.steering.steer.contains(&Step::Latency)) {
        return None;
    }
    let known = previous.and_then(Snapshot::vantages);
    let mut table = known.map_or_else(Table::default, |vantages| vantages.table().clone());
    adopt(&mut table, world);
    let sites = sites(world);
    let same_places = previous.is_some_and(|snapshot| Arc::ptr_eq(snapshot.locations(), locations));
    let still_holds =
        |before: &&Arc<Vantages>| before.table().generation() == table.generation() && *before.sites() == *sites;
    let vantages = known.filter(|_| same_places).filter(still_holds).cloned();
    vantages.or_else(|| Some(Arc::new(Vantages::new(table, sites, locations))))
}

/// Makes a table one of this world's datacenters and networks.
pub(super) fn adopt(table: &mut Table, world: &World) {
    let names = world.datacenters.iter().map(|datacenter| &*datacenter.name);
    table.adopt(names, Widths::new(world.ecs.max_source_v4, world.ecs.max_source_v6));
}

fn sites(world: &World) -> Box<[Coordinates]> {
    world.datacenters.iter().map(|datacenter| datacenter.coordinates).collect()
}

/// Rules with new maps, for round trips that settled anew.
#[derive(Debug)]
pub struct Remapped {
    pub(super) vantages: Arc<Vantages>,
    /// By [`PlanId`](crate::zone::PlanId).
    pub(super) rules: Box<[Arc<Rule>]>,
}

impl Remapped {
    /// Takes a while, so it is made aside. Maps that do not ask for round trips stay.
    pub fn new(blueprint: &Blueprint, table: Table) -> Self {
        let Blueprint { world, locations, rules, .. } = blueprint;
        let vantages = Arc::new(Vantages::new(table, sites(world), locations));
        let mut maps = Maps::new(locations, Some(&vantages), world.ecs.caps(), None);
        let rules = rules.iter().map(|rule| match rule.map.criteria() {
            criteria if criteria.measures_latency() => {
                let map = maps.get(criteria.clone(), rule.map.naming().cloned());
                Arc::new(Rule { map, ..(**rule).clone() })
            }
            _ => rule.clone(),
        });
        let rules = rules.collect();
        Self { vantages, rules }
    }
}
/// What keys for the step `load` begin with. No pool's name has a blank, so none is another's key.
const STAY: &str = "stay ";
const GO: &str = "go ";

/// A region's tiers, or the name's own ones for it, as sets of slots; tiers without a slot are left out.
fn region_tiers(region: &Region, steering: &Steering, slots: &[Slot]) -> RegionTiers {
    let own = steering.prefer.iter().find(|(name, _)| *name == region.name).map(|(_, tiers)| tiers);
    let tiers = own.unwrap_or(&region.prefer).iter();
    let sets = tiers.map(|tier| set_of(slots, |slot| slot.1.is_some_and(|datacenter| tier.contains(&datacenter))));
    RegionTiers { tiers: sets.filter(|&set| set != 0).collect(), only: region.only }
}

fn set_of<T>(items: &[T], holds: impl Fn(&T) -> bool) -> Set {
    items.iter().enumerate().filter(|(_, item)| holds(item)).fold(0, |set, (place, _)| set | 1 << place)
}
