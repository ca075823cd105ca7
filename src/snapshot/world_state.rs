//! The state of a world: everything that answers depend on beside the blueprint, as one value that can be printed and
//! kept.
//!
//! ```text
//!   probes, operators, ramps ─► EndpointState of each endpoint ─┐
//!   loads                    ─► Allowance of each pool ─────────┤
//!   operators                ─► orders for each name ───────────┼─► WorldState ──┐
//!   roll-outs                ─► split of each name ─────────────┤                ├─► Snapshot::derive ─► Snapshot
//!   round trips              ─► maps ───────────────────────────┘    Blueprint ──┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Blueprint;
use super::compile::Remapped;
use super::endpoint_state::{EndpointState, PoolState};
use super::ids::PoolId;
use super::name_overrides::NameOrders;
use super::world::{SteeredName, World};
use crate::load::Allowance;
use crate::overrides::{EffectiveOverrides, Mode, canonical};
use crate::steering::Split;
use crate::zone::NameId;

/// The state of a world.
#[derive(Clone, Debug)]
pub struct WorldState {
    /// By [`PoolId`].
    pools: Box<[PoolState]>,
    /// The orders for each name that has any. An `open` override is not among them: it is only an exception from a less
    /// specific override.
    name_orders: BTreeMap<NameId, NameOrders>,
    /// The splits of the names whose roll-out has begun.
    splits: BTreeMap<NameId, Split>,
    /// The maps that were made from settled round trips since the blueprint was compiled.
    maps: Option<Arc<Remapped>>,
}

/// The parts of a state that changed since a snapshot was derived from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Pools with a changed endpoint state or allowance.
    pub pools: BTreeSet<PoolId>,
    /// True if orders for names or splits of names changed.
    pub names: bool,
    /// True if there are new maps.
    pub maps: bool,
}

impl Dirty {
    /// Marks all parts of a state of this blueprint's world.
    pub fn everything(blueprint: &Blueprint) -> Self {
        Self { pools: blueprint.world.pool_ids().collect(), names: true, maps: true }
    }

    /// True if nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl WorldState {
    /// Returns the state of a world with unknown loads and without overrides of names. `endpoint_state` takes a pool
    /// and the position of an endpoint in its spec.
    pub fn new(blueprint: &Blueprint, endpoint_state: impl Fn(PoolId, usize) -> EndpointState) -> Self {
        let pools = blueprint.world.pools_by_id().map(|(id, spec)| PoolState {
            endpoint_states: (0..spec.members.len()).map(|endpoint| endpoint_state(id, endpoint)).collect(),
            allowance: Allowance::UNKNOWN,
        });
        Self { pools: pools.collect(), name_orders: BTreeMap::new(), splits: BTreeMap::new(), maps: None }
    }

    /// Sets the states of a pool's endpoints.
    pub fn set_endpoint_states(&mut self, pool: PoolId, endpoint_state: impl Fn(usize) -> EndpointState) {
        let endpoint_states = &mut self.pools[pool.index()].endpoint_states;
        *endpoint_states = (0..endpoint_states.len()).map(endpoint_state).collect();
    }

    /// Sets the share of its clients that a pool keeps, and its room for others.
    pub fn set_allowance(&mut self, pool: PoolId, allowance: Allowance) {
        self.pools[pool.index()].allowance = allowance;
    }

    /// Replaces the orders for all names by those that follow from the effective overrides.
    pub fn set_name_orders(&mut self, blueprint: &Blueprint, effective_overrides: &EffectiveOverrides) {
        self.name_orders.clear();
        if !effective_overrides.affects_names() {
            return;
        }
        let world = &blueprint.world;
        let names = world.zones.iter().flat_map(|zone| zone.names.iter());
        let orders = names.map(|name| orders_for(name, world, effective_overrides));
        let orders = (0..).map(NameId::from_index).zip(orders);
        self.name_orders.extend(orders.filter(|(_, orders)| !orders.is_none()));
    }

    /// Sets the splits of these names, and removes all others.
    pub fn set_splits(&mut self, splits: impl IntoIterator<Item = (NameId, Split)>) {
        self.splits = splits.into_iter().collect();
    }

    /// Sets the maps that rank clients.
    pub fn set_maps(&mut self, maps: Arc<Remapped>) {
        self.maps = Some(maps);
    }

    /// Takes over the maps of another state of the same compiled world.
    pub fn share_maps(&mut self, other: &Self) {
        self.maps.clone_from(&other.maps);
    }

    pub(super) fn pool(&self, id: PoolId) -> &PoolState {
        &self.pools[id.index()]
    }

    pub(super) fn name_orders(&self) -> &BTreeMap<NameId, NameOrders> {
        &self.name_orders
    }

    pub(super) fn splits(&self) -> &BTreeMap<NameId, Split> {
        &self.splits
    }

    pub(super) fn maps(&self) -> Option<&Remapped> {
        self.maps.as_deref()
    }
}

/// Returns the orders for one name that follow from the effective overrides.
fn orders_for(name: &SteeredName, world: &World, effective_overrides: &EffectiveOverrides) -> NameOrders {
    let owner = canonical(&name.owner);
    let mode = effective_overrides.of_name(&owner).map(|item| item.order.mode).filter(|mode| *mode != Mode::Open);
    let mut orders = NameOrders { mode, ..NameOrders::default() };
    if !effective_overrides.affects_pools_in_names() {
        return orders;
    }
    let of_pool = |id: PoolId| {
        let item = effective_overrides.of_pool_in_name(&world.pools[id.index()].name, &owner)?;
        Some(item.order.mode).filter(|mode| *mode != Mode::Open)
    };
    for (place, used) in name.steering.pools.iter().enumerate() {
        match of_pool(used.pool) {
            Some(Mode::Drain) => orders.drained |= 1 << place,
            Some(_) => orders.forced_down |= 1 << place,
            None => {}
        }
    }
    orders.no_fallback = name.steering.fallback.and_then(of_pool).is_some();
    orders
}
