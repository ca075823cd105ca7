//! The state of a world: everything that answers depend on beside the blueprint, as one value that can be printed and
//! kept.
//!
//! ```text
//!   probes, operators, ramps ─► EndpointState of each endpoint ─┐
//!   loads                    ─► Allowance of each pool ─────────┤
//!   operators                ─► mode of each name ──────────────┼─► WorldState ──┐
//!   roll-outs                ─► split of each name ─────────────┤                ├─► Snapshot::derive ─► Snapshot
//!   round trips              ─► maps ───────────────────────────┘    Blueprint ──┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Blueprint;
use super::compile::Remapped;
use super::endpoint_state::{EndpointState, PoolState};
use super::ids::PoolId;
use crate::load::Allowance;
use crate::overrides::{EffectiveOverrides, Mode, canonical};
use crate::steering::Split;
use crate::zone::NameId;

/// The state of a world.
#[derive(Clone, Debug)]
pub struct WorldState {
    /// By [`PoolId`].
    pools: Box<[PoolState]>,
    /// The mode of each name with an override. An `open` override, which is an exception from a less specific one,
    /// gives no mode.
    modes: BTreeMap<NameId, Mode>,
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
    /// True if modes or splits of names changed.
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
        Self { pools: pools.collect(), modes: BTreeMap::new(), splits: BTreeMap::new(), maps: None }
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

    /// Sets the modes of all names from the effective overrides.
    pub fn set_modes(&mut self, blueprint: &Blueprint, effective_overrides: &EffectiveOverrides) {
        self.modes.clear();
        if !effective_overrides.affects_names() {
            return;
        }
        let mode = |owner: &_| {
            effective_overrides.of_name(&canonical(owner)).map(|effective_override| effective_override.order.mode)
        };
        let modes = (0..).map(NameId::from_index).zip(blueprint.world.steered_names().map(mode));
        self.modes.extend(modes.filter_map(|(name, mode)| Some((name, mode.filter(|mode| *mode != Mode::Open)?))));
    }

    /// Sets the splits of these names, and removes all others.
    pub fn set_splits(&mut self, splits: impl IntoIterator<Item = (NameId, Split)>) {
        self.splits = splits.into_iter().collect();
    }

    /// Sets the maps that rank clients.
    pub fn set_maps(&mut self, maps: Arc<Remapped>) {
        self.maps = Some(maps);
    }

    pub(super) fn pool(&self, id: PoolId) -> &PoolState {
        &self.pools[id.index()]
    }

    pub(super) fn modes(&self) -> &BTreeMap<NameId, Mode> {
        &self.modes
    }

    pub(super) fn splits(&self) -> &BTreeMap<NameId, Split> {
        &self.splits
    }

    pub(super) fn maps(&self) -> Option<&Remapped> {
        self.maps.as_deref()
    }
}
