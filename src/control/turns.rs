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
    /// The monitors that this probe belongs to in these pools, each once: monitors that ask the same share a probe.
    pub monitors: Vec<Box<str>>,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// The last outcome of this node's own probe; `None` if other nodes of the fleet probe it.
    pub seen: Option<Outcome>,
    /// The opinions of the fleet's vantage points on the probe, as a sentence, if they decided.
    pub witnesses: Option<Box<str>>,
}

impl Turn {
    /// The change of an endpoint that no pool holds yet.
    pub(super) fn new(target: &Arc<Target>, of: Part, [from, to]: [State; 2], seen: Option<Outcome>) -> Self {
        Self { target: target.clone(), of, pools: Vec::new(), monitors: Vec::new(), from, to, seen, witnesses: None }
    }

    /// The change of an endpoint with several probes: the one at this position of a pool.
    fn of_whole(
        target: &Arc<Target>,
        (spec, place): (&PoolSpec, usize),
        states: [State; 2],
        seen: Option<Outcome>,
    ) -> Self {
        let mut turn = Self::new(target, Part::Whole, states, seen);
        turn.add(spec, place);
        turn
    }

    /// Adds a pool that holds the endpoint at this position.
    pub(super) fn add(&mut self, spec: &PoolSpec, place: usize) {
        self.pools.push(spec.name.clone());
        for (monitor, target) in spec.probes(place) {
            if *target == *self.target && !self.monitors.iter().any(|known| **known == *monitor) {
                self.monitors.push(monitor.into());
            }
        }
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
                let to = condition.state(&|&target| watch.decided(target));
                let key = spec.key_of(place);
                let (from, since) = before.get(&key).copied().unwrap_or((State::Unknown, now));
                self.told.insert(key, (to, if from == to { since } else { now }));
                if let Some((target, seen)) = last_seen(condition, last_probes, to).filter(|_| from != to)
                    && let Some(watched) = watch.target(target)
                {
                    turns.push(Turn::of_whole(watched.target(), (spec, place), [from, to], Some(seen)));
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
        seen: Option<&Outcome>,
        watch: &Watch,
        now: Duration,
    ) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        for &(pool, place) in dependents.endpoints(id) {
            let spec = &world.pools[pool.index()];
            let Some(condition @ Condition::AtLeast(..)) = dependents.condition(pool, place) else { continue };
            let to = condition.state(&|&target| watch.decided(target));
            let told = self.told.entry(spec.key_of(place)).or_insert((State::Unknown, now));
            if told.0 == to {
                continue;
            }
            let (from, _) = std::mem::replace(told, (to, now));
            if let Some(turn) = turns.iter_mut().find(|turn| (turn.from, turn.to) == (from, to)) {
                turn.add(spec, place);
            } else {
                turns.push(Turn::of_whole(target, (spec, place), [from, to], seen.cloned()));
            }
        }
        turns
    }

    /// Since when each endpoint is in its state.
    pub(super) fn since(&self) -> impl Iterator<Item = (&EndpointKey, Duration)> {
        self.told.iter().map(|(key, &(_, since))| (key, since))
    }
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
