//! The configuration that is served and the one that is next: how one replaces the other, and when changes are
//! published.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::dependents::Dependents;
use super::loads::Loads;
use super::ramps::StateInputs;
use super::{Control, Effect, FIRST_ROUND, PUBLISH_WINDOW, overrides, push};
use crate::geo::DatacenterId;
use crate::health::{Health, LastProbe, State};
use crate::overrides::OverrideStore;
use crate::rollout::{Kept, RolloutId};
use crate::snapshot::{
    AdminState, Blueprint, Dirty, EndpointState, HostChange, PoolId, Rehosted, Snapshot, World, WorldState,
};
use crate::watch::{TargetId, Watch, Watched};

/// The snapshot that queries are answered from, and what belongs to it.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) dependents: Dependents,
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
    pub(super) dependents: Dependents,
    /// Its targets that have to be probed and never were.
    pub(super) unprobed: HashSet<TargetId>,
    pub(super) deadline: Duration,
    /// True if the health of any of its targets was unknown at first.
    is_unknown: bool,
}

impl Control {
    /// Takes in a configuration that is to be served next. Returns the pools whose probes ask for another host than in
    /// the last run. Their endpoints keep the states of the last run.
    pub(super) fn prepare(&mut self, blueprint: Arc<Blueprint>, now: Duration) -> Vec<HostChange> {
        let (dependents, mut carried) = Dependents::watched(blueprint.world(), &mut self.watch, now);
        for (from, to) in self.rehosted(blueprint.world()) {
            if self.watch.carry(from, to, now) {
                carried.push((to, from));
            }
        }
        for (id, from) in carried {
            if let Some(last_probe) = self.last_probes.get(from).cloned()
                && let (Some(before), Some(watched)) = (self.watch.target(from), self.watch.target(id))
            {
                let health = self.watch.health(id);
                self.keeping.carry(before, watched, health, now);
                self.last_probes.insert(id, LastProbe { health, ..last_probe });
            }
        }
        let present = dependents.targets().filter_map(|id| self.watch.target(id).map(Watched::fingerprint)).collect();
        let mut hosts = BTreeMap::<PoolId, HostChange>::new();
        for id in dependents.targets() {
            if self.watch.health(id) == Health::UNKNOWN
                && let Some(watched) = self.watch.target(id)
                && let Some((health, host)) = self.keeping.health(watched, &present, now)
            {
                // Rows of earlier versions have no host.
                if host != watched.target().host && !host.is_empty() {
                    for &pool in dependents.pools(id) {
                        let name = || HostChange::new(&blueprint.world().pools[pool.index()].name);
                        hosts.entry(pool).or_insert_with(name).add(&host, &watched.target().host);
                    }
                }
                self.watch.restore(id, health);
                self.note(id, health, None, now);
            }
        }
        let is_unprobed = |&id: &TargetId| {
            let is_probed = self.target(id).is_some_and(|target| target.is_probed()) && !self.watch.is_resting(id);
            self.watch.health(id).state() == State::Unknown && is_probed && !self.is_recalled(id)
        };
        let unprobed: HashSet<TargetId> = dependents.targets().filter(is_unprobed).collect();
        let is_unknown = !unprobed.is_empty();
        self.next = Some(Next { blueprint, dependents, unprobed, deadline: now + FIRST_ROUND, is_unknown });
        hosts.into_values().collect()
    }

    /// The targets that ask for another host than in the served configuration, each after the one that it continues;
    /// the worst first.
    ///
    /// A name that came or went changes what they ask for. That says nothing about the endpoints, so they keep their
    /// states until the new probes confirm others.
    fn rehosted(&self, world: &World) -> Vec<(TargetId, TargetId)> {
        let Some(serving) = &self.serving else { return Vec::new() };
        let rehosted = world.rehosted(serving.snapshot.world()).into_iter();
        let ids = |Rehosted { before, after, .. }: Rehosted<'_>| Some((self.watch.id(before)?, self.watch.id(after)?));
        let mut rehosted: Vec<_> = rehosted.filter_map(ids).collect();
        rehosted.sort_by_key(|&(before, _)| self.watch.health(before).share());
        rehosted
    }

    /// Replaces the records of a configuration. If one waits, it continues to wait with the new records, because its
    /// probes are the same. Otherwise this returns a snapshot of the served configuration with the new records, to be
    /// published at once.
    pub(super) fn amend(&mut self, blueprint: Arc<Blueprint>, now: Duration) -> Option<Arc<Snapshot>> {
        if let Some(next) = &mut self.next {
            next.blueprint = blueprint;
            return None;
        }
        self.identify(&blueprint, now);
        let serving = self.serving.as_mut()?;
        let before = &serving.snapshot;
        serving.snapshot =
            Arc::new(Snapshot::derive(blueprint, before.state().clone(), Some((before, &Dirty::default()))));
        Some(serving.snapshot.clone())
    }

    /// Takes in a configuration with other registered endpoints. If one waits, it continues to wait with the new
    /// endpoints, and not longer than before. Otherwise the new endpoints replace the old ones now: those that were never
    /// probed are not handed out, so there is nothing to wait for.
    pub(super) fn register(&mut self, blueprint: Arc<Blueprint>, now: Duration) {
        let deadline = self.next.as_ref().map_or(now, |next| next.deadline);
        // The hosts of probes are those of the configuration, so none changes here.
        self.prepare(blueprint, now);
        if let Some(next) = &mut self.next {
            next.deadline = deadline;
        }
    }

    /// Replaces the served configuration by the one that waits, if that need not wait any longer.
    pub(super) fn adopt(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.settle_fleet(now);
        // Before the first answer it also waits for what the fleet sees.
        let awaits_fleet = self.serving.is_none() && self.awaits_fleet(now);
        let is_ready = |next: &Next| next.unprobed.is_empty() && !(next.is_unknown && awaits_fleet);
        let Some(Next { blueprint, dependents, .. }) = self.next.take_if(|next| is_ready(next) || next.deadline <= now)
        else {
            return;
        };
        let world = blueprint.world();
        let stopped = self.watch.retain(|id| dependents.hold(id));
        effects.extend(stopped.into_iter().map(Effect::Stop));
        let resumed = self.watch.set_hold(world.probing.hold, now);
        effects.extend(resumed.map(Effect::FailStatic));
        self.note_fail_statics();
        self.latency.adopt(&blueprint);
        self.last_probes.retain(|id, _| dependents.hold(id));
        self.keeping.retain(dependents.targets().filter_map(|id| self.watch.target(id)), now);
        self.adopt_fleet(&dependents, world, now);
        self.identify(&blueprint, now);
        let turns = self.aggregates.adopt(world, &dependents, &self.watch, &self.last_probes, now);
        effects.extend(turns.into_iter().map(Effect::Report));
        let windows = self.overrides.set_windows(&world.windows, self.now.wall);
        self.ramps.follow(&windows, self.now);
        effects.extend(windows.into_iter().map(Effect::Overridden));
        let before = self.serving.as_ref().map(|serving| &*serving.snapshot);
        self.loads = self.loads_of(world, &dependents, now);
        let mut state = {
            let inputs = inputs(&self.watch, &dependents, &self.overrides, world);
            self.ramps.adopt(&inputs, now);
            WorldState::new(&blueprint, overrides::endpoint_state(&inputs, &self.ramps, &self.loads))
        };
        if let Some(before) = before.filter(|before| before.blueprint().is_like(&blueprint)) {
            state.share_maps(before.state());
        }
        self.keeping.note(self.ramps.take_changed());
        let elsewhere: BTreeMap<RolloutId, Kept> = world
            .rollouts()
            .filter_map(|of| Some((of.draft.id.clone(), self.rollout_elsewhere(&of.draft.id)?)))
            .collect();
        let rolled_out = self.rollouts.adopt(world, |id| elsewhere.get(id).cloned(), now);
        world.pool_ids().for_each(|id| state.set_allowance(id, self.loads.allowance(id)));
        state.set_splits(self.rollouts.splits(world));
        state.set_name_orders(&blueprint, self.overrides.effective_overrides());
        let dirty = Dirty::everything(&blueprint);
        let snapshot = Arc::new(Snapshot::derive(blueprint.clone(), state, before.map(|before| (before, &dirty))));
        effects.extend(self.groups.adopt(&snapshot).into_iter().map(Effect::Group));
        effects.push(Effect::Publish(snapshot.clone()));
        self.serving = Some(Serving {
            snapshot,
            places: push::places(world),
            dependents,
            dirty: Dirty::default(),
            publish_at: None,
        });
        self.say_begun(&rolled_out);
        effects.extend(rolled_out.into_iter().map(Effect::RolledOut));
        self.keep_rollouts(effects);
        self.look_at_new_pools(now);
    }

    /// The loads of the world that is served from now on. They include loads that were reported before any name used
    /// them.
    fn loads_of(&self, world: &World, dependents: &Dependents, now: Duration) -> Loads {
        let mut loads = Loads::new(world, &self.loads, now);
        let before = self.serving.as_ref().map(|serving| &serving.dependents);
        let is_known = |id| before.is_some_and(|before| self.loads.use_any(before.own_endpoints(id)));
        for id in dependents.targets().filter(|&id| !is_known(id)) {
            if let Some(target) = self.target(id)
                && let Some((seen, at)) = self.last_probes.get(id).and_then(|last_probe| last_probe.seen.as_ref())
            {
                loads.hear(target, dependents.own_endpoints(id), seen, *at);
            }
        }
        loads
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

    /// Publishes the changes that are due, after the effects on pools and datacenters as a whole.
    pub(super) fn publish(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(serving) = &mut self.serving else { return };
        if serving.publish_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let dirty = std::mem::take(&mut serving.dirty);
        let before = serving.snapshot.clone();
        let mut state = before.state().clone();
        let inputs = inputs(&self.watch, &serving.dependents, &self.overrides, before.world());
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
            state.set_name_orders(before.blueprint(), self.overrides.effective_overrides());
        }
        serving.snapshot = Arc::new(before.next(state, &dirty));
        let turns = self.groups.observe(&serving.snapshot, &dirty.pools);
        effects.extend(turns.into_iter().map(Effect::Group));
        effects.push(Effect::Publish(serving.snapshot.clone()));
    }
}

impl Serving {
    /// The datacenters of the endpoints that a target probes; none if it is only something that they depend on.
    pub(super) fn datacenters(&self, target: TargetId) -> impl Iterator<Item = DatacenterId> {
        let pools = &self.snapshot.world().pools;
        self.dependents.own_pools(target).into_iter().filter_map(|id| pools[id.index()].datacenter)
    }
}

/// The state of an endpoint by its probes, and by its own wish if it has a lease: it waits for its first probe, and is
/// drained once it asked to leave.
pub(super) fn probed_state(
    watch: &Watch,
    dependents: &Dependents,
    world: &World,
    pool: PoolId,
    place: usize,
) -> EndpointState {
    let condition = dependents.condition(pool, place);
    let probed = watch.endpoint_state(condition);
    let Some(lease) = world.pools[pool.index()].members.lease(place) else { return probed };
    if condition.is_some_and(|condition| watch.awaits_outcome(condition)) {
        return EndpointState::PENDING;
    }
    if lease.is_leaving { EndpointState { admin_state: AdminState::Draining, ..probed } } else { probed }
}

/// The state inputs: the endpoint states that probes and operators determine.
pub(super) fn inputs<'a>(
    watch: &'a Watch,
    dependents: &'a Dependents,
    overrides: &'a OverrideStore,
    world: &'a World,
) -> StateInputs<'a, impl Fn(PoolId, usize) -> EndpointState + 'a> {
    let probed = |pool, place| probed_state(watch, dependents, world, pool, place);
    StateInputs { world, effective_overrides: overrides.effective_overrides(), probed }
}
