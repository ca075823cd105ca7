//! Finds the endpoints that changed state because a probe did.
//!
//! An endpoint with one probe changes state with it. The state of an endpoint with several probes is derived from all
//! of them, and so is that of an endpoint whose probe is inverted or is of something else that it depends on. A change of
//! one such probe is reported as a change of that probe. If the endpoint's state changed too, this is reported as well.
//! The two are kept apart so that alerts for endpoints do not come for single probes. Endpoints that change because of
//! what they all depend on are reported together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::dependents::Dependents;
use super::push::EndpointRef;
use crate::health::{Condition, ConditionProbe, EndpointKey, LastProbe, Outcome, State, Target};
use crate::snapshot::{PoolId, PoolSpec, World};
use crate::watch::{TargetId, TargetMap, Watch};

/// The state of an endpoint, or of one of its probes, changed.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The probe whose outcome caused the change.
    pub target: Arc<Target>,
    /// The part of the endpoint that changed.
    pub of: Part,
    /// True if the endpoint is good while the probe fails.
    pub is_inverted: bool,
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
        let (pools, monitors) = (Vec::new(), Vec::new());
        Self { target: target.clone(), of, is_inverted: false, pools, monitors, from, to, seen, witnesses: None }
    }

    /// Adds a pool that holds the endpoint at this position.
    pub(super) fn add(&mut self, spec: &PoolSpec, place: usize) {
        if self.pools.last() != Some(&spec.name) {
            self.pools.push(spec.name.clone());
        }
        for (monitor, probe) in spec.probes(place) {
            if *probe.target == *self.target && !self.monitors.iter().any(|known| **known == *monitor) {
                self.monitors.push(monitor.into());
            }
        }
    }

    /// True if both are the same change of endpoints because of the same probe, so that they are reported together.
    fn is_like(&self, other: &Self) -> bool {
        let is_same_part = match (self.of, other.of) {
            (Part::Dependents(_), Part::Dependents(_)) => true,
            // An endpoint may be in several pools.
            (Part::Whole, Part::Whole) => self.target.address == other.target.address,
            _ => false,
        };
        is_same_part
            && self.target == other.target
            && (self.from, self.to, self.is_inverted) == (other.from, other.to, other.is_inverted)
    }
}

/// Adds the change of the endpoint at this position of a pool to those that are reported.
fn report(turns: &mut Vec<Turn>, new: Turn, (spec, place): (&PoolSpec, usize)) {
    let known = turns.iter().position(|turn| turn.is_like(&new));
    let at = known.unwrap_or(turns.len());
    if known.is_none() {
        turns.push(new);
    } else if let Part::Dependents(count) = &mut turns[at].of {
        *count += 1;
    }
    turns[at].add(spec, place);
}

/// The part of an endpoint whose state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An endpoint with only this probe.
    Only,
    /// An endpoint with several probes, or an inverted one.
    Whole,
    /// This number of endpoints that depend on what is probed.
    Dependents(usize),
    /// One of several probes of an endpoint.
    One,
}

impl Part {
    /// Returns whether a target is the only probe of the endpoints that depend on it, and the pools to report. If it is
    /// one of several probes in some pools and the only one in others, only the latter are reported.
    pub(super) fn of(target: TargetId, dependents: &Dependents) -> (Self, Vec<PoolId>) {
        let is_alone =
            |&&(pool, place): &&EndpointRef| dependents.condition(pool, place).is_some_and(Condition::is_one_probe);
        let mut alone: Vec<PoolId> =
            dependents.endpoints(target).iter().filter(is_alone).map(|&(pool, _)| pool).collect();
        alone.dedup();
        if alone.is_empty() { (Self::One, dependents.pools(target).to_vec()) } else { (Self::Only, alone) }
    }
}

/// The states of endpoints that have several probes, or one that is inverted or not their own.
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
                let condition = dependents.condition(id, place).filter(|condition| !condition.is_one_probe());
                let Some(condition) = condition else { continue };
                let to = condition.state(&|&target| watch.decided(target));
                let key = spec.key_of(place);
                let (from, since) = before.get(&key).copied().unwrap_or((State::Unknown, now));
                self.told.insert(key, (to, if from == to { since } else { now }));
                if let Some((probe, seen)) = last_seen(condition, last_probes, to).filter(|_| from != to)
                    && let Some(watched) = watch.target(probe.target)
                {
                    let turn = of_endpoint(watched.target(), probe, [from, to], Some(seen));
                    report(&mut turns, turn, (spec, place));
                }
            }
        }
        turns
    }

    /// The endpoints that change state because one of their probes did. Pools with the same change are reported
    /// together, and so are endpoints that depend on the target.
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
            let condition = dependents.condition(pool, place).filter(|condition| !condition.is_one_probe());
            let Some(condition) = condition else { continue };
            let to = condition.state(&|&target| watch.decided(target));
            let told = self.told.entry(spec.key_of(place)).or_insert((State::Unknown, now));
            if told.0 == to {
                continue;
            }
            let (from, _) = std::mem::replace(told, (to, now));
            if let Some(probe) = probe_of(condition, id) {
                report(&mut turns, of_endpoint(target, probe, [from, to], seen.cloned()), (spec, place));
            }
        }
        turns
    }

    /// Since when each endpoint is in its state.
    pub(super) fn since(&self) -> impl Iterator<Item = (&EndpointKey, Duration)> {
        self.told.iter().map(|(key, &(_, since))| (key, since))
    }
}

/// The change of one endpoint because of this probe, without its pool.
fn of_endpoint(
    target: &Arc<Target>,
    probe: ConditionProbe<TargetId>,
    states: [State; 2],
    seen: Option<Outcome>,
) -> Turn {
    let of = if probe.is_dependency { Part::Dependents(1) } else { Part::Whole };
    Turn { is_inverted: probe.is_inverted, ..Turn::new(target, of, states, seen) }
}

/// The first probe of the condition with this target.
fn probe_of(condition: &Condition<TargetId>, target: TargetId) -> Option<ConditionProbe<TargetId>> {
    let mut found = None;
    condition.each_probe(&mut |probe| {
        if *probe.target == target && found.is_none() {
            found = Some(ConditionProbe { target, is_dependency: probe.is_dependency, is_inverted: probe.is_inverted });
        }
    });
    found
}

/// The probe of the condition with the latest outcome, and that outcome: of those that give the endpoint this state, if
/// there are any. A success is not why an endpoint is down, unless the probe is inverted.
fn last_seen(
    condition: &Condition<TargetId>,
    last_probes: &TargetMap<LastProbe>,
    state: State,
) -> Option<(ConditionProbe<TargetId>, Outcome)> {
    let mut last: Option<(TargetId, &Outcome, (bool, Duration))> = None;
    condition.each_probe(&mut |probe| {
        if let Some(LastProbe { seen: Some((seen, at)), health, .. }) = last_probes.get(*probe.target) {
            let is_why = if probe.is_inverted {
                (health.state() == State::Down) == (state != State::Down)
            } else {
                health.state() == state
            };
            let rank = (is_why, *at);
            if last.as_ref().is_none_or(|&(.., before)| before < rank) {
                last = Some((*probe.target, seen, rank));
            }
        }
    });
    let (target, seen, _) = last?;
    Some((probe_of(condition, target)?, seen.clone()))
}
