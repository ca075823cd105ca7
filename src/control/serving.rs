//! The configuration that is served and the one that is next: how one replaces the other, and when changes are
//! published.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::loads::Loads;
use super::ramps::StateInputs;
use super::{Control, Effect, FIRST_ROUND, PUBLISH_WINDOW, overrides, push};
use crate::geo::DatacenterId;
use crate::health::{Health, LastProbe, State, Target};
use crate::overrides::OverrideStore;
use crate::snapshot::{Blueprint, Dirty, EndpointState, PoolId, PoolSpec, Rehosted, Snapshot, World, WorldState};
use crate::watch::Watch;

/// The pools that hold each target.
pub(super) type PoolsOf = HashMap<Arc<Target>, Vec<PoolId>, RandomState>;

/// The snapshot that queries are answered from, and what belongs to it.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) pools_of: PoolsOf,
    /// The pool and position of the endpoints of each address, for reports.
    pub(super) places: HashMap<IpAddr, Vec<push::EndpointRef>>,
    /// The changes that are not published yet; `publish_at` is the time when they will be.
    pub(super) dirty: Dirty,
    pub(super) publish_at: Option<Duration>,
}

/// The configuration that will be served next.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) pools_of: PoolsOf,
    /// Its targets that have to be probed and never were.
    pub(super) unprobed: HashSet<Arc<Target>>,
    pub(super) deadline: Duration,
}

impl Control {
    pub(super) fn prepare(&mut self, blueprint: Arc<Blueprint>, now: Duration) {
        let pools_of = pools_of(blueprint.world());
        let mut carried = self.watch.add(pools_of.keys(), now);
        for (from, to) in self.rehosted(blueprint.world(), &pools_of) {
            if self.watch.carry(&from, &to, now) {
                carried.push((to, from));
            }
        }
        for (target, from) in carried {
            if let Some(last_probe) = self.last_probes.get(&from).cloned() {
                let health = self.watch.health(&target);
                self.keeping.observe(&target, health, now);
                self.last_probes.insert(target, LastProbe { health, ..last_probe });
            }
        }
        for target in pools_of.keys() {
            if self.watch.health(target) == Health::UNKNOWN
                && let Some(health) = self.keeping.health(target, now)
            {
                self.watch.restore(target, health);
                self.note(target, health, None, now);
            }
        }
        let is_unprobed =
            |target: &&Arc<Target>| target.is_probed() && self.watch.health(target).state() == State::Unknown;
        let unprobed = pools_of.keys().filter(is_unprobed).cloned().collect();
        self.aggregates.await_world(blueprint.world());
        self.next = Some(Next { blueprint, pools_of, unprobed, deadline: now + FIRST_ROUND });
    }

    /// The targets that ask for another host than in the served configuration, each after the one that it continues;
    /// the worst first.
    ///
    /// A name that came or went changes what they ask for. That says nothing about the endpoints, so they keep their
    /// states until the new probes confirm others.
    fn rehosted(&self, world: &World, pools_of: &PoolsOf) -> Vec<(Arc<Target>, Arc<Target>)> {
        let Some(serving) = &self.serving else { return Vec::new() };
        let rehosted =
            world.rehosted(serving.snapshot.world()).into_iter().filter_map(|Rehosted { before, after, .. }| {
                let (before, _) = serving.pools_of.get_key_value(before)?;
                let (after, _) = pools_of.get_key_value(after)?;
                Some((before.clone(), after.clone()))
            });
        let mut rehosted: Vec<_> = rehosted.collect();
        rehosted.sort_by_key(|(before, _)| self.watch.health(before).share());
        rehosted
    }

    /// If a configuration waits, it keeps waiting with the other records, for its probes are the same. Otherwise the
    /// served configuration is published with the other records at once.
    pub(super) fn amend(&mut self, blueprint: Arc<Blueprint>) -> Option<Arc<Snapshot>> {
        if let Some(next) = &mut self.next {
            next.blueprint = blueprint;
            return None;
        }
        let serving = self.serving.as_mut()?;
        let before = &serving.snapshot;
        serving.snapshot =
            Arc::new(Snapshot::derive(blueprint, before.state().clone(), Some((before, &Dirty::default()))));
        Some(serving.snapshot.clone())
    }

    /// Replaces the served configuration by the one that waits, if that need not wait any longer.
    pub(super) fn adopt(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(Next { blueprint, pools_of, .. }) =
            self.next.take_if(|next| next.unprobed.is_empty() || next.deadline <= now)
        else {
            return;
        };
        let world = blueprint.world();
        let stopped = self.watch.retain(|target| pools_of.contains_key(target));
        effects.extend(stopped.into_iter().map(Effect::Stop));
        let resumed = self.watch.set_hold(world.probing.hold, now);
        effects.extend(resumed.map(Effect::FailStatic));
        for (means, since) in self.watch.fail_static_since() {
            self.keeping.note_fail_static(means, since);
        }
        self.latency.adopt(&blueprint);
        self.last_probes.retain(|target, _| pools_of.contains_key(target));
        self.keeping.retain(pools_of.keys().map(|target| &**target), now);
        let health = |target: &Target| self.watch.health(target);
        let turns = self.aggregates.adopt(world, &health, &self.last_probes, now);
        effects.extend(turns.into_iter().map(Effect::Report));
        let windows = self.overrides.set_windows(&world.windows, self.now.wall);
        self.ramps.follow(&windows, self.now);
        effects.extend(windows.into_iter().map(Effect::Overridden));
        let before = self.serving.as_ref().map(|serving| &*serving.snapshot);
        self.loads = Loads::new(world, &self.loads, &self.last_probes, now);
        let mut state = {
            let inputs = inputs(&self.watch, &self.overrides, world);
            self.ramps.adopt(&inputs, now);
            WorldState::new(&blueprint, overrides::endpoint_state(&inputs, &self.ramps, &self.loads))
        };
        self.keeping.note(self.ramps.take_changed());
        let rolled_out = self.rollouts.adopt(world, now);
        (0..world.pools.len() as PoolId).for_each(|id| state.set_allowance(id, self.loads.allowance(id)));
        state.set_splits(self.rollouts.splits(world));
        state.set_modes(&blueprint, self.overrides.effective_overrides());
        let dirty = Dirty::everything(&blueprint);
        let snapshot = Arc::new(Snapshot::derive(blueprint.clone(), state, before.map(|before| (before, &dirty))));
        effects.push(Effect::Publish(snapshot.clone()));
        self.serving = Some(Serving {
            snapshot,
            places: push::places(world),
            pools_of,
            dirty: Dirty::default(),
            publish_at: None,
        });
        effects.extend(rolled_out.into_iter().map(Effect::RolledOut));
        self.keep_rollouts(effects);
        self.look_at_new_pools(now);
    }

    /// Schedules the publication of changes that are due to time alone.
    pub(super) fn advance_ramps(&mut self, now: Duration) {
        let Some(serving) = &mut self.serving else { return };
        let changed = self.ramps.take_due(now);
        if !changed.is_empty() {
            serving.dirty.pools.extend(changed);
            serving.publish_at.get_or_insert(now);
        }
    }

    /// Holds the load rounds that are due, and schedules the publication of their results.
    pub(super) fn have_rounds(&mut self, now: Duration) {
        let Some(serving) = &mut self.serving else { return };
        if self.loads.due().is_none_or(|due| due > now) {
            return;
        }
        let changed = self.loads.round(&serving.snapshot, now);
        if !changed.is_empty() {
            serving.dirty.pools.extend(changed);
            serving.publish_at.get_or_insert(now + PUBLISH_WINDOW);
        }
    }

    pub(super) fn publish(&mut self, now: Duration) -> Option<Effect> {
        let serving = self.serving.as_mut()?;
        serving.publish_at.take_if(|at| *at <= now)?;
        let dirty = std::mem::take(&mut serving.dirty);
        let before = serving.snapshot.clone();
        let mut state = before.state().clone();
        let inputs = inputs(&self.watch, &self.overrides, before.world());
        self.ramps.observe(dirty.pools.iter().copied(), &inputs, now);
        self.keeping.note(self.ramps.take_changed());
        let endpoint_state = overrides::endpoint_state(&inputs, &self.ramps, &self.loads);
        for &id in &dirty.pools {
            state.set_endpoint_states(id, |endpoint| endpoint_state(id, endpoint));
            state.set_allowance(id, self.loads.allowance(id));
        }
        self.rollouts.see_open(Some(&dirty.pools), before.world(), endpoint_state, now);
        if dirty.names {
            state.set_splits(self.rollouts.splits(before.world()));
            state.set_modes(before.blueprint(), self.overrides.effective_overrides());
        }
        serving.snapshot = Arc::new(before.next(state, &dirty));
        Some(Effect::Publish(serving.snapshot.clone()))
    }
}

impl Serving {
    /// The datacenters that hold a target.
    pub(super) fn datacenters(&self, target: &Target) -> Vec<DatacenterId> {
        let ids = self.pools_of.get(target).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|&id| self.snapshot.world().pools[id as usize].datacenter).collect()
    }
}

/// The state inputs: the endpoint states that probes and operators determine.
pub(super) fn inputs<'a>(
    watch: &'a Watch,
    overrides: &'a OverrideStore,
    world: &'a World,
) -> StateInputs<'a, impl Fn(&PoolSpec, usize) -> EndpointState + 'a> {
    let probed = |pool: &PoolSpec, place| watch.endpoint_state(pool.members.condition(place));
    StateInputs { world, effective_overrides: overrides.effective_overrides(), probed }
}

/// The pools that hold each target, in order.
pub(super) fn pools_of(world: &World) -> PoolsOf {
    let mut pools_of = PoolsOf::default();
    for (id, spec) in (0..).zip(&world.pools) {
        for target in spec.members.targets() {
            match pools_of.get_mut(target) {
                Some(ids) if ids.last() == Some(&id) => {}
                Some(ids) => ids.push(id),
                None => _ = pools_of.insert(Arc::new(target.clone()), vec![id]),
            }
        }
    }
    pools_of
}
