//! The parts that snapshots of two worlds have in common.
//!
//! After a reload most zones are as they were. Their pools, rules and plans are those of the snapshot before: what did not change
//! is not made again, and does not take its place in memory twice while both snapshots are in use.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::compile::Maps;
use super::plan::{Plan, Rule};
use super::pool::Pool;
use super::{Blueprint, PoolId, Snapshot, SteeredName, World, WorldState, ZoneSpec};
use crate::steering::Split;
use crate::zone::{PlanId, ZoneId};

impl Snapshot {
    /// Returns the pool with this id, if the one that would be made of this blueprint and state equals it.
    pub(super) fn pool_like(&self, id: PoolId, blueprint: &Blueprint, state: &WorldState) -> Option<Arc<Pool>> {
        let pool = self.pools.get(id.index())?;
        let first = |blueprint: &Blueprint| blueprint.first_endpoints[id.index()];
        let is_like = Arc::ptr_eq(pool.spec(), &blueprint.world.pools[id.index()])
            && first(&self.blueprint) == first(blueprint)
            && self.state.pool(id) == state.pool(id);
        is_like.then(|| pool.clone())
    }
}

/// The plans of the snapshot before, by their rules.
pub(super) struct KnownPlans<'a> {
    before: &'a Snapshot,
    plans: HashMap<*const Rule, &'a Plan, RandomState>,
    /// The pools of the snapshot that is made.
    pools: &'a [Arc<Pool>],
}

impl<'a> KnownPlans<'a> {
    pub(super) fn new(before: &'a Snapshot, pools: &'a [Arc<Pool>]) -> Self {
        let plans = before.plans.iter().map(|plan| (Arc::as_ptr(plan.rule()), plan)).collect();
        Self { before, plans, pools }
    }

    /// Returns the plan of a rule with this split, if its pools are the same as before.
    pub(super) fn get(&self, rule: &Arc<Rule>, split: Option<Split>) -> Option<Plan> {
        let plan = self.plans.get(&Arc::as_ptr(rule)).filter(|plan| plan.split() == split)?;
        let is_same = |&id: &PoolId| Arc::ptr_eq(&self.before.pools[id.index()], &self.pools[id.index()]);
        rule.pools.iter().chain(&rule.fallback).all(is_same).then(|| Plan::clone(plan))
    }
}

impl Blueprint {
    /// Replaces the pools of a new world by those of this one where both are the same.
    pub(super) fn share_pools(&self, world: &mut World) {
        for (before, pool) in self.world.pools.iter().zip(&mut world.pools) {
            if !Arc::ptr_eq(before, pool) && before == pool {
                pool.clone_from(before);
            }
        }
    }

    /// True if the counters of this blueprint mean the same in another one of this world, whose pools are
    /// [shared](Self::share_pools).
    pub(super) fn counts_as(&self, world: &World) -> bool {
        let before = &*self.world;
        let names = |zone: &ZoneSpec| zone.regions.list().iter().map(|region| region.name.clone()).collect::<Vec<_>>();
        let is_same_zone = |one: &ZoneSpec, other: &ZoneSpec| {
            one.origin == other.origin
                && (Arc::ptr_eq(&one.regions, &other.regions) || names(one) == names(other))
                && (Arc::ptr_eq(&one.names, &other.names) || count_alike(&one.names, &other.names))
        };
        let are_same_zones = before.zones.len() == world.zones.len()
            && before.zones.iter().zip(&world.zones).all(|(one, other)| is_same_zone(one, other));
        are_same_zones
            && before.pools.len() == world.pools.len()
            && before.pools.iter().zip(&world.pools).all(|(one, other)| Arc::ptr_eq(one, other))
            && before.datacenters == world.datacenters
    }
}

/// True if counters of these names mean the same.
fn count_alike(names: &[SteeredName], others: &[SteeredName]) -> bool {
    let is_alike = |(one, other): (&SteeredName, &SteeredName)| {
        one.owner == other.owner && one.steering.pools == other.steering.pools
    };
    names.len() == others.len() && names.iter().zip(others).all(is_alike)
}

/// The rules of the snapshot before, for a world whose pools are [shared](Blueprint::share_pools).
pub(super) struct KnownRules<'a> {
    before: &'a Snapshot,
    world: &'a World,
    /// True if the datacenters are the same: rankings depend on them.
    has_same_places: bool,
}

impl<'a> KnownRules<'a> {
    pub(super) fn new(before: &'a Snapshot, world: &'a World) -> Self {
        let has_same_places = before.world().datacenters == world.datacenters;
        Self { before, world, has_same_places }
    }

    /// Returns the plan of each name of a zone in the snapshot before, where it is `id`, if the rules of all of them are still
    /// those that would be made now.
    pub(super) fn of_zone(&self, id: ZoneId, spec: &ZoneSpec, maps: &Maps<'_>) -> Option<&'a [PlanId]> {
        if !self.has_same_places {
            return None;
        }
        let blueprint = &*self.before.blueprint;
        let (before, plans) = (&blueprint.world.zones[id.index()], &*blueprint.zones[id.index()].zone.steered().plans);
        let has_same_regions = Arc::ptr_eq(&before.regions, &spec.regions) || *before.regions == *spec.regions;
        if !has_same_regions || before.names.len() != spec.names.len() {
            return None;
        }
        let is_same_pool = |id: PoolId| {
            let (before, now) = (blueprint.world.pools.get(id.index()), self.world.pools.get(id.index()));
            before.zip(now).is_some_and(|(before, now)| Arc::ptr_eq(before, now))
        };
        let is_same = before.names.iter().zip(&*spec.names).zip(plans).all(|((before, name), &plan)| {
            // The first split of a roll-out depends on the names of all its parts.
            Arc::ptr_eq(&before.steering, &name.steering)
                && name.steering.rollout.is_none()
                && maps.still_has(&self.rule(plan).map)
                && name.steering.pools.iter().all(|used| is_same_pool(used.pool))
        });
        is_same.then_some(plans)
    }

    /// Returns the rule of a plan of the snapshot before.
    pub(super) fn rule(&self, plan: PlanId) -> &'a Arc<Rule> {
        self.before.plans[plan.index()].rule()
    }
}
