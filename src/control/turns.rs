//! Finds the endpoints that changed state because a probe did.
//!
//! An endpoint with one probe changes state with it. The state of an endpoint with several probes is derived from all
//! of them. A change of one probe is reported as a change of that probe. If the endpoint's state changed too, this is
//! reported as well. The two are kept apart so that alerts for endpoints do not come for single probes.

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
    /// The part of the endpoint that changed.
    pub of: Part,
    /// The pools that hold it, as `web/fra`.
    pub pools: Vec<Box<str>>,
    /// The monitors of these pools, each once: pools whose monitors ask the same share a probe.
    pub monitors: Vec<Box<str>>,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// The last outcome.
    pub seen: Outcome,
}

impl Turn {
    /// The change of an endpoint of this pool that has several probes.
    fn of_whole(target: &Arc<Target>, spec: &PoolSpec, [from, to]: [State; 2], seen: Outcome) -> Self {
        let (pools, monitors) = (Vec::new(), Vec::new());
        let mut turn = Self { target: target.clone(), of: Part::Whole, pools, monitors, from, to, seen };
        turn.add(spec);
        turn
    }

    /// Adds a pool that holds the endpoint too.
    pub(super) fn add(&mut self, spec: &PoolSpec) {
        self.pools.push(spec.name.clone());
        self.monitors.extend(spec.monitor.clone().filter(|monitor| !self.monitors.contains(monitor)));
    }
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
    /// Returns whether a target is the only probe of the endpoints that depend on it, and the pools to report. If it is
    /// one of several probes in some pools and the only one in others, only the latter are reported.
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
                if let Some((target, seen)) = last_seen(condition, last_probes).filter(|_| from != to)
                    && let Some(watched) = watch.target(target)
                {
                    turns.push(Turn::of_whole(watched.target(), spec, [from, to], seen));
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
                turn.add(spec);
            } else {
                turns.push(Turn::of_whole(target, spec, [from, to], seen.clone()));
            }
        }
        turns
    }

    /// Since when each endpoint is in its state.
    pub(super) fn since(&self) -> impl Iterator<Item = (&EndpointKey, Duration)> {
        self.told.iter().map(|(key, &(_, since))| (key, since))
    }
}

/// The probe of the condition with the latest outcome, and that outcome.
fn last_seen(condition: &Condition<TargetId>, last_probes: &TargetMap<LastProbe>) -> Option<(TargetId, Outcome)> {
    let mut last: Option<(TargetId, &Outcome, Duration)> = None;
    condition.each_target(&mut |&target| {
        if let Some(LastProbe { seen: Some((seen, at)), .. }) = last_probes.get(target)
            && last.as_ref().is_none_or(|(.., before)| before < at)
        {
            last = Some((target, seen, *at));
        }
    });
    last.map(|(target, seen, _)| (target, seen.clone()))
}
