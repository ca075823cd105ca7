//! Which endpoints changed state when a probe did.
//!
//! An endpoint with one probe changes state with it. The state of an endpoint with several probes is derived from all
//! of them: a change of one probe is reported as a change of that probe, and as a change of the endpoint too if the
//! endpoint's state changed. A person who is paged for endpoints that are down does not want to hear of single probes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::dependents::Dependents;
use super::push::EndpointRef;
use crate::health::{Condition, EndpointKey, LastProbe, Outcome, State, Target};
use crate::snapshot::{PoolId, PoolSpec, World};
use crate::watch::{TargetId, TargetMap, Watch};

/// The state of an endpoint, or of one of its probes, changed.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The probe whose outcome caused the change.
    pub target: Arc<Target>,
    /// The name of its monitor in the first of the pools.
    pub monitor: Box<str>,
    /// The part of the endpoint that changed.
    pub of: Part,
    /// The pools that hold it, as `web/fra`.
    pub pools: Vec<Box<str>>,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// The last outcome.
    pub seen: Outcome,
}

/// The part of an endpoint whose state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An endpoint with only this probe.
    Only,
    /// An endpoint with several probes.
    Whole,
    /// One of several probes of an endpoint.
    One,
}

impl Part {
    /// The part that a target is of the endpoints that depend on it, and the pools to report. If it is one of several
    /// probes in some pools and the only one in others, only the latter are reported.
    pub(super) fn of(target: TargetId, dependents: &Dependents) -> (Self, Vec<PoolId>) {
        let is_alone =
            |&&(pool, place): &&EndpointRef| matches!(dependents.condition(pool, place), Some(Condition::Probe(_)));
        let mut alone: Vec<PoolId> =
            dependents.endpoints(target).iter().filter(is_alone).map(|&(pool, _)| pool).collect();
        alone.dedup();
        if alone.is_empty() { (Self::One, dependents.pools(target).to_vec()) } else { (Self::Only, alone) }
    }
}

/// The states of endpoints that have several probes.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    /// The state of each endpoint that was reported last, and since when.
    told: HashMap<EndpointKey, (State, Duration)>,
}

impl Aggregates {
    /// Takes in the world that is served from now on. Returns the endpoints that changed state while it waited.
    pub(super) fn adopt(
        &mut self,
        world: &World,
        dependents: &Dependents,
        watch: &Watch,
        last_probes: &TargetMap<LastProbe>,
        now: Duration,
    ) -> Vec<Turn> {
        let before = std::mem::take(&mut self.told);
        let mut turns = Vec::new();
        for (id, spec) in world.pools_by_id() {
            for place in 0..spec.members.len() {
                let Some(condition @ Condition::AtLeast(..)) = dependents.condition(id, place) else { continue };
                let to = condition.state(&|&target| watch.health(target));
                let key = spec.key_of(place);
                let (from, since) = before.get(&key).copied().unwrap_or((State::Unknown, now));
                self.told.insert(key, (to, if from == to { since } else { now }));
                if let Some((target, seen)) = last_seen(condition, last_probes, to).filter(|_| from != to)
                    && let Some(watched) = watch.target(target)
                {
                    let (target, pools) = (watched.target().clone(), vec![spec.name.clone()]);
                    let monitor = monitor_of(spec, place, &target);
                    turns.push(Turn { target, monitor, of: Part::Whole, pools, from, to, seen });
                }
            }
        }
        turns
    }

    /// The endpoints that change state because one of their probes did. Pools with the same change are reported
    /// together.
    pub(super) fn follow(
        &mut self,
        world: &World,
        dependents: &Dependents,
        (id, target): (TargetId, &Arc<Target>),
        seen: &Outcome,
        watch: &Watch,
        now: Duration,
    ) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        for &(pool, place) in dependents.endpoints(id) {
            let spec = &world.pools[pool.index()];
            let Some(condition @ Condition::AtLeast(..)) = dependents.condition(pool, place) else { continue };
            let to = condition.state(&|&target| watch.health(target));
            let told = self.told.entry(spec.key_of(place)).or_insert((State::Unknown, now));
            if told.0 == to {
                continue;
            }
            let (from, _) = std::mem::replace(told, (to, now));
            if let Some(turn) = turns.iter_mut().find(|turn| (turn.from, turn.to) == (from, to)) {
                turn.pools.push(spec.name.clone());
            } else {
                let (target, pools, seen) = (target.clone(), vec![spec.name.clone()], seen.clone());
                let monitor = monitor_of(spec, place, &target);
                turns.push(Turn { target, monitor, of: Part::Whole, pools, from, to, seen });
            }
        }
        turns
    }

    /// Since when each endpoint is in its state.
    pub(super) fn since(&self) -> impl Iterator<Item = (&EndpointKey, Duration)> {
        self.told.iter().map(|(key, &(_, since))| (key, since))
    }
}

/// The name of the monitor of an endpoint's target; empty if the endpoint does not depend on it.
pub(super) fn monitor_of(spec: &PoolSpec, place: usize, target: &Target) -> Box<str> {
    let probes = spec.probes(place);
    probes.into_iter().find(|(_, other)| *other == target).map_or_else(Box::default, |(monitor, _)| monitor.into())
}

/// The probe of the condition with the latest outcome, and that outcome: of those in this state, if there are any. A
/// success is not why an endpoint is down.
fn last_seen(
    condition: &Condition<TargetId>,
    last_probes: &TargetMap<LastProbe>,
    state: State,
) -> Option<(TargetId, Outcome)> {
    let mut last: Option<(TargetId, &Outcome, (bool, Duration))> = None;
    condition.each_target(&mut |&target| {
        if let Some(LastProbe { seen: Some((seen, at)), health, .. }) = last_probes.get(target) {
            let rank = (health.state() == state, *at);
            if last.as_ref().is_none_or(|&(.., before)| before < rank) {
                last = Some((target, seen, rank));
            }
        }
    });
    last.map(|(target, seen, _)| (target, seen.clone()))
}
