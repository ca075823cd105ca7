//! From a world to the plans that queries are answered by.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::Rule;
use super::world::{PoolId, Steering, World};
use crate::geo::{DatacenterId, Locations, Region, Regions};
use crate::steering::{Course, Criteria, Criterion, Draw, HashKey, Map, RegionTiers, Set, Step};

/// Makes rules, and the maps behind them, each once.
pub(super) struct Compiler<'a> {
    world: &'a World,
    locations: &'a Locations,
    maps: HashMap<Criteria, Arc<Map>>,
}

/// What pools have in common that the chain's steps cannot tell apart: their place in the `failover` order, or 0 where the
/// chain does not ask for it, and their datacenter.
type Slot = (u8, Option<DatacenterId>);

impl<'a> Compiler<'a> {
    /// `maps` are those that exist already for the same locations.
    pub(super) fn new(world: &'a World, locations: &'a Locations, maps: impl IntoIterator<Item = Arc<Map>>) -> Self {
        let maps = maps.into_iter().map(|map| (map.criteria().clone(), map)).collect();
        Self { world, locations, maps }
    }

    /// The rule for a name's steering among a zone's regions.
    pub(super) fn rule(&mut self, steering: &Steering, regions: &Arc<Regions>) -> Rule {
        let ranked = steering.steer.iter().take_while(|step| !step.draws());
        let by_order = ranked.clone().any(|&step| step == Step::Failover);
        let slot_of: Vec<Slot> = steering
            .pools
            .iter()
            .map(|used| (if by_order { used.order } else { 0 }, self.world.pools[used.pool as usize].datacenter))
            .collect();
        let mut slots = slot_of.clone();
        slots.sort_unstable();
        slots.dedup();
        let steps = ranked.map(|step| self.criterion(*step, &slots, steering, regions)).collect();
        let map = self.map(Criteria::new(slots.len() as u8, steps));
        let draw = steering.steer.iter().copied().find(|step| step.draws()).map(|step| match step {
            Step::Sticky => Draw::Sticky(steering.pools.iter().map(|used| self.key(used.pool)).collect()),
            _ => Draw::Chance,
        });
        Rule {
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
            sticky: steering.sticky,
            fallback: steering.fallback,
            all_down: steering.all_down,
            ttl: steering.ttl,
            ttl_min: steering.ttl_min,
            https: steering.https.clone(),
            split: self.world.first_split(steering),
        }
    }

    fn key(&self, pool: PoolId) -> HashKey {
        HashKey::of_candidate(self.world.pools[pool as usize].name.as_bytes())
    }

    fn map(&mut self, criteria: Criteria) -> Arc<Map> {
        if let Some(map) = self.maps.get(&criteria) {
            return map.clone();
        }
        let map = Arc::new(Map::build(criteria.clone(), self.locations));
        self.maps.insert(criteria, map.clone());
        map
    }

    fn criterion(&self, step: Step, slots: &[Slot], steering: &Steering, regions: &Arc<Regions>) -> Criterion {
        match step {
            Step::Region => {
                let tiers = regions.list().iter().map(|region| region_tiers(region, steering, slots));
                Criterion::Region(regions.clone(), tiers.collect())
            }
            Step::Distance => {
                let place = |id: DatacenterId| self.world.datacenters[usize::from(id)].coordinates;
                Criterion::Distance(slots.iter().map(|&(_, datacenter)| datacenter.map(place)).collect())
            }
            Step::Failover | Step::Weight | Step::Sticky => {
                let tiers = slots.chunk_by(|a, b| a.0 == b.0);
                Criterion::Failover(tiers.map(|tier| set_of(slots, |slot| slot.0 == tier[0].0)).collect())
            }
        }
    }
}

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
