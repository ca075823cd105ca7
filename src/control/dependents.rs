//! Which endpoints of a world depend on which targets.

use std::time::Duration;

use super::push::EndpointRef;
use crate::health::{Condition, Target};
use crate::snapshot::{PoolId, World};
use crate::watch::{TargetId, TargetMap, Watch};

/// For each endpoint of a pool, by position: the condition for it to be up; `None` if it always is.
type Conditions = Box<[Option<Condition<TargetId>>]>;

/// The endpoints of one world, by the targets that they depend on. It is built once, when the configuration is
/// prepared.
#[derive(Debug)]
pub(super) struct Dependents {
    /// By [`PoolId`].
    conditions: Box<[Conditions]>,
    endpoints: TargetMap<Vec<EndpointRef>>,
    pools: TargetMap<Vec<PoolId>>,
    /// The endpoints that a target itself probes, without those that only depend on it or that are up while it is down.
    own: TargetMap<Vec<EndpointRef>>,
}

impl Dependents {
    /// Watches all targets of a world from now on, and returns their dependents. Also returns each new target that took
    /// over the health of another one, after that other one.
    pub(super) fn watched(world: &World, watch: &mut Watch, now: Duration) -> (Self, Vec<(TargetId, TargetId)>) {
        let (ids, carried) = watch.add(world.pools.iter().flat_map(|spec| spec.members.targets()), now);
        let mut ids = ids.into_iter();
        // This visits the conditions in the order in which `watch` was given their targets.
        let mut next = |_: &Target| ids.next().expect("each target has an id");
        let members = world.pools.iter().map(|spec| &spec.members);
        let conditions = members
            .map(|members| (0..members.len()).map(|place| Some(members.condition(place)?.map(&mut next))).collect())
            .collect();
        (Self::new(world, conditions), carried)
    }

    fn new(world: &World, conditions: Box<[Conditions]>) -> Self {
        let (mut endpoints, mut pools) =
            (TargetMap::<Vec<EndpointRef>>::default(), TargetMap::<Vec<PoolId>>::default());
        let mut own = TargetMap::<Vec<EndpointRef>>::default();
        for (pool, conditions) in world.pool_ids().zip(&conditions) {
            for (place, condition) in conditions.iter().enumerate() {
                let Some(condition) = condition else { continue };
                condition.each_probe(&mut |probe| {
                    push_new(endpoints.entry(*probe.target), (pool, place));
                    push_new(pools.entry(*probe.target), pool);
                    if probe.is_own() {
                        push_new(own.entry(*probe.target), (pool, place));
                    }
                });
            }
        }
        Self { conditions, endpoints, pools, own }
    }

    /// The condition for the endpoint at this position of a pool to be up; `None` if it always is.
    pub(super) fn condition(&self, pool: PoolId, place: usize) -> Option<&Condition<TargetId>> {
        self.conditions[pool.index()][place].as_ref()
    }

    /// True if any endpoint depends on this target.
    pub(super) fn hold(&self, target: TargetId) -> bool {
        self.pools.contains(target)
    }

    /// All targets that endpoints depend on.
    pub(super) fn targets(&self) -> impl Iterator<Item = TargetId> {
        self.pools.ids()
    }

    /// All pools with endpoints that depend on targets, in no order. A pool may occur several times.
    pub(super) fn all_pools(&self) -> impl Iterator<Item = PoolId> {
        self.pools.iter().flat_map(|(_, pools)| pools).copied()
    }

    /// The endpoints that depend on a target, in order.
    pub(super) fn endpoints(&self, target: TargetId) -> &[EndpointRef] {
        self.endpoints.get(target).map_or(&[], Vec::as_slice)
    }

    /// The endpoints whose own address a target probes, in order. What its probes measure is about these alone.
    pub(super) fn own_endpoints(&self, target: TargetId) -> &[EndpointRef] {
        self.own.get(target).map_or(&[], Vec::as_slice)
    }

    /// The pools of these endpoints, each once, in order.
    pub(super) fn own_pools(&self, target: TargetId) -> Vec<PoolId> {
        let mut pools: Vec<PoolId> = self.own_endpoints(target).iter().map(|&(pool, _)| pool).collect();
        pools.dedup();
        pools
    }

    /// The pools with endpoints that depend on a target, in order.
    pub(super) fn pools(&self, target: TargetId) -> &[PoolId] {
        self.pools.get(target).map_or(&[], Vec::as_slice)
    }
}

/// Appends a value, unless it equals the last one.
fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if list.last() != Some(&value) {
        list.push(value);
    }
}
