//! Assumed loads of pools, with which a simulation can find out which pools would be full.

use std::collections::HashMap;

use crate::health::Load;
use crate::load::{Allowance, BELIEVED_FOR, EndpointLoad, GroupShares, LoadEstimate, PoolEstimate};
use crate::snapshot::{AdminState, Dirty, Family, LoadGroup, PoolId, Snapshot};
use crate::suggest::did_you_mean;

/// The load that a pool's own clients cause. As text: `web/fra=900`.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The pool, such as `web/fra`.
    pub pool: Box<str>,
    /// Load in thousandths of the operator's unit.
    pub used: u64,
}

impl std::str::FromStr for Demand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a load: write POOL=NUMBER, such as web/fra=900");
        let (pool, used) = text.split_once('=').ok_or_else(wrong)?;
        let used = used.parse().ok().and_then(Load::thousandths_of).ok_or_else(wrong)?;
        Ok(Self { pool: pool.into(), used })
    }
}

/// The demand of each given pool.
pub type Demands = HashMap<PoolId, u64>;

/// Finds the pools of the demands. Fails with a message if a pool does not exist, or if no name uses its load.
pub fn find_demands(snapshot: &Snapshot, demands: &[Demand]) -> Result<Demands, String> {
    let world = snapshot.world();
    let weighed: Vec<PoolId> = world.load_groups().into_iter().flat_map(|group| group.pools).collect();
    let mut found = Demands::new();
    for Demand { pool, used } in demands {
        let named: Vec<PoolId> = world.pools_by_id().filter(|(_, spec)| spec.name == *pool).map(|(id, _)| id).collect();
        if named.is_empty() {
            let names = world.pools.iter().map(|spec| &*spec.name);
            let meant = did_you_mean(pool, names).map_or_else(String::new, |meant| format!(": did you mean {meant}?"));
            return Err(format!("no pool is named {pool}{meant}"));
        }
        if !named.iter().any(|id| weighed.contains(id)) {
            return Err(format!("no name uses the load of {pool}, by the step `load` or by `pick = \"least-load\"`"));
        }
        found.extend(named.into_iter().map(|id| (id, *used)));
    }
    Ok(found)
}

/// Returns the snapshot after all pools have adapted to these loads. The loads include those of clients whose pool is
/// down now.
pub fn with_demands(snapshot: &Snapshot, demands: &Demands) -> Snapshot {
    let (mut state, mut dirty) = (snapshot.state().clone(), Dirty::default());
    for (id, allowance) in snapshot.world().load_groups().iter().flat_map(|group| settle(snapshot, group, demands)) {
        state.set_allowance(id, allowance);
        dirty.pools.insert(id);
    }
    snapshot.next(state, &dirty)
}

/// Returns the allowances of the pools of a load group when nothing changes any more.
fn settle(snapshot: &Snapshot, group: &LoadGroup, demands: &Demands) -> Vec<(PoolId, Allowance)> {
    let readings: Vec<PoolEstimate> =
        group.pools.iter().map(|&id| read(snapshot, id, demands.get(&id).copied())).collect();
    let down: Vec<bool> = readings.iter().map(|reading| !reading.is_alive).collect();
    let shares = GroupShares::settled(&readings, &group.names, &down);
    group.pools.iter().enumerate().map(|(place, &id)| (id, shares.allowance(place))).collect()
}

/// Returns the estimate for a pool whose endpoints use this much together, each in proportion to its capacity.
fn read(snapshot: &Snapshot, id: PoolId, demand: Option<u64>) -> PoolEstimate {
    let pool = &snapshot.pools()[id.index()];
    let spec = pool.spec();
    let mut silent = LoadEstimate::default();
    silent.hear(Load { used: 0, capacity: None }, BELIEVED_FOR, BELIEVED_FOR, BELIEVED_FOR);
    let endpoint_load = |place| {
        let endpoint_state = pool.endpoint_state(place);
        let is_open = endpoint_state.admin_state == AdminState::On && endpoint_state.share.is_some();
        EndpointLoad { estimate: &silent, capacity: spec.members.capacity(place), is_open }
    };
    let loads: Vec<EndpointLoad<'_>> = (0..spec.members.len()).map(endpoint_load).collect();
    let is_alive = pool.is_usable(Family::V4) || pool.is_usable(Family::V6);
    let estimate = PoolEstimate::new(is_alive, &loads, spec.capacity(), BELIEVED_FOR, BELIEVED_FOR / 2);
    PoolEstimate { used: demand.map(|used| used as f64 / 1000.0), is_fresh: true, ..estimate }
}
