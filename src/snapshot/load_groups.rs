//! Groups of pools whose loads influence each other's clients.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::ids::PoolId;
use super::world::World;
use crate::steering::Pick;

/// Pools that are connected by names with the step `load`, or a single pool whose endpoints are drawn by load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadGroup {
    /// In ascending order.
    pub pools: Vec<PoolId>,
    /// The pools of each connecting name, as positions in `pools`; equal lists only once.
    pub names: Vec<Vec<usize>>,
    /// Maximum TTL of the answers that depend on these loads, in seconds.
    pub ttl: u32,
    /// Pools whose endpoints are drawn by load.
    pub drawn: HashSet<PoolId>,
}

impl World {
    /// Returns all load groups. No pool is in two groups.
    pub fn load_groups(&self) -> Vec<LoadGroup> {
        let uses = Uses::of(self);
        let mut leader: HashMap<PoolId, PoolId> = uses.ttl.keys().map(|&id| (id, id)).collect();
        for name in &uses.spilling {
            let first = lead(&leader, name[0]);
            for &id in name {
                let other = lead(&leader, id);
                leader.insert(other, first);
                leader.insert(id, first);
            }
        }
        let mut connected: BTreeMap<PoolId, (BTreeSet<PoolId>, Vec<&Vec<PoolId>>)> = BTreeMap::new();
        for &id in leader.keys() {
            connected.entry(lead(&leader, id)).or_default().0.insert(id);
        }
        for name in &uses.spilling {
            connected.entry(lead(&leader, name[0])).or_default().1.push(name);
        }
        connected.into_values().map(|(pools, names)| uses.group(pools, &names)).collect()
    }
}

/// How the names of a world use the loads of pools.
#[derive(Default)]
struct Uses {
    /// The pool sets of names that spill clients from one pool to another.
    spilling: BTreeSet<Vec<PoolId>>,
    /// Pools whose endpoints are drawn by load.
    drawn: HashSet<PoolId>,
    /// For each pool, the longest TTL of the names that depend on its load.
    ttl: HashMap<PoolId, u32>,
}

impl Uses {
    fn of(world: &World) -> Self {
        let mut uses = Self::default();
        let steerings = world.zones.iter().flat_map(|zone| zone.names.iter().map(|name| &name.steering));
        for steering in steerings.filter(|steering| steering.goes_by_load()) {
            let draws = steering.pick == Some(Pick::LeastLoad);
            let own: Vec<PoolId> = steering.pools.iter().map(|used| used.pool).collect();
            for &id in own.iter().chain(steering.fallback.as_ref().filter(|_| draws)) {
                let ttl = uses.ttl.entry(id).or_default();
                *ttl = steering.ttls.calm().max(*ttl);
                if draws {
                    uses.drawn.insert(id);
                }
            }
            if steering.spills() {
                uses.spilling.insert(own);
            }
        }
        uses
    }

    fn group(&self, pools: BTreeSet<PoolId>, names: &[&Vec<PoolId>]) -> LoadGroup {
        let places: HashMap<PoolId, usize> = pools.iter().copied().zip(0..).collect();
        LoadGroup {
            names: names.iter().map(|name| name.iter().map(|id| places[id]).collect()).collect(),
            ttl: pools.iter().map(|id| self.ttl[id]).max().unwrap_or(0),
            drawn: pools.iter().copied().filter(|id| self.drawn.contains(id)).collect(),
            pools: pools.into_iter().collect(),
        }
    }
}

/// Returns the pool that represents this pool's group.
fn lead(leader: &HashMap<PoolId, PoolId>, mut id: PoolId) -> PoolId {
    while leader[&id] != id {
        id = leader[&id];
    }
    id
}
