//! Which endpoints changed state when a probe did.
//!
//! An endpoint with one probe changes state with it. The state of an endpoint with several probes is derived from all
//! of them: a change of one probe is reported as a change of that probe, and as a change of the endpoint too if the
//! endpoint's state changed. A person who is paged for endpoints that are down does not want to hear of single probes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::health::{Condition, Health, LastProbe, Outcome, State, Target};
use crate::snapshot::{PoolId, PoolSpec, World};

/// The state of an endpoint, or of one of its probes, changed.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The probe whose outcome caused the change.
    pub target: Arc<Target>,
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

/// The states of endpoints that have several probes.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    /// The endpoints that each probe belongs to, pool by pool.
    places: HashMap<Arc<Target>, Vec<(PoolId, usize)>, RandomState>,
    /// The probes of endpoints with several probes in the configuration that waits to be served.
    awaited: HashSet<Arc<Target>, RandomState>,
    /// By [`crate::snapshot::PoolSpec::key_of`]: the state that was reported last, and since when.
    told: HashMap<String, (State, Duration)>,
}

impl Aggregates {
    /// Takes in the world that is served from now on. Returns the endpoints that changed state while it waited.
    pub(super) fn adopt(
        &mut self,
        world: &World,
        health: &impl Fn(&Target) -> Health,
        last_probes: &HashMap<Arc<Target>, LastProbe>,
        now: Duration,
    ) -> Vec<Turn> {
        self.places.clear();
        self.awaited.clear();
        let before = std::mem::take(&mut self.told);
        let mut turns = Vec::new();
        for (id, spec) in world.pools_by_id() {
            for place in 0..spec.members.len() {
                let Some(condition @ Condition::AtLeast(..)) = spec.members.condition(place) else { continue };
                condition.each_target(&mut |target| match self.places.get_mut(target) {
                    Some(places) => places.push((id, place)),
                    None => _ = self.places.insert(Arc::new(target.clone()), vec![(id, place)]),
                });
                let key = spec.key_of(place);
                let (from, since) = before.get(&key).copied().unwrap_or((State::Unknown, now));
                let to = condition.state(health);
                self.told.insert(key, (to, if from == to { since } else { now }));
                if let Some((target, seen)) = last_seen(condition, last_probes).filter(|_| from != to) {
                    let pools = vec![spec.name.clone()];
                    turns.push(Turn { target, of: Part::Whole, pools, from, to, seen });
                }
            }
        }
        turns
    }

    /// Takes in the world that is probed now and served later.
    pub(super) fn await_world(&mut self, world: &World) {
        self.awaited.clear();
        for spec in &world.pools {
            for condition in (0..spec.members.len()).filter_map(|place| spec.members.condition(place)) {
                if let Condition::AtLeast(..) = condition {
                    condition.each_target(&mut |target| _ = self.awaited.insert(Arc::new(target.clone())));
                }
            }
        }
    }

    /// The part that a probe is of its endpoint in these pools, and the pools to report. If the probe is one of several
    /// in some pools and the only one in others, only the latter are reported.
    pub(super) fn part(&self, target: &Target, pools: &[&PoolSpec]) -> (Part, Vec<Box<str>>) {
        let names = |pools: &[&PoolSpec]| pools.iter().map(|pool| pool.name.clone()).collect();
        if !self.places.contains_key(target) && !self.awaited.contains(target) {
            return (Part::Only, names(pools));
        }
        let is_alone = |pool: &&PoolSpec| {
            let mut conditions = (0..pool.members.len()).filter_map(|place| pool.members.condition(place));
            conditions.any(|condition| matches!(condition, Condition::Probe(alone) if alone == target))
        };
        let alone: Vec<&PoolSpec> = pools.iter().copied().filter(is_alone).collect();
        if alone.is_empty() { (Part::One, names(pools)) } else { (Part::Only, names(&alone)) }
    }

    /// The endpoints that change state because one of their probes did. Pools with the same change are reported
    /// together.
    pub(super) fn follow(
        &mut self,
        target: &Arc<Target>,
        seen: &Outcome,
        world: &World,
        health: &impl Fn(&Target) -> Health,
        now: Duration,
    ) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        for &(id, place) in self.places.get(target).map_or(&[][..], Vec::as_slice) {
            let spec = &world.pools[id.index()];
            let Some(condition) = spec.members.condition(place) else { continue };
            let to = condition.state(health);
            let told = self.told.entry(spec.key_of(place)).or_insert((State::Unknown, now));
            if told.0 == to {
                continue;
            }
            let (from, _) = std::mem::replace(told, (to, now));
            if let Some(turn) = turns.iter_mut().find(|turn| (turn.from, turn.to) == (from, to)) {
                turn.pools.push(spec.name.clone());
            } else {
                let (target, pools, seen) = (target.clone(), vec![spec.name.clone()], seen.clone());
                turns.push(Turn { target, of: Part::Whole, pools, from, to, seen });
            }
        }
        turns
    }

    /// Since when each endpoint is in its state, by [`crate::snapshot::PoolSpec::key_of`].
    pub(super) fn since(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.told.iter().map(|(key, &(_, since))| (key.as_str(), since))
    }
}

/// The probe of the condition with the latest outcome, and that outcome.
fn last_seen(condition: &Condition, last_probes: &HashMap<Arc<Target>, LastProbe>) -> Option<(Arc<Target>, Outcome)> {
    let mut last: Option<(Arc<Target>, &Outcome, Duration)> = None;
    condition.each_target(&mut |target| {
        if let Some((target, LastProbe { seen: Some((seen, at)), .. })) = last_probes.get_key_value(target)
            && last.as_ref().is_none_or(|(.., before)| before < at)
        {
            last = Some((target.clone(), seen, *at));
        }
    });
    last.map(|(target, seen, _)| (target, seen.clone()))
}
