//! When to probe what, and what the outcomes say: a machine without clock, sockets or tasks.
//!
//! Time is what the caller says it is, counted from any beginning. The agenda says whose turn it is, health what an outcome
//! makes of a target, and doubt whether outcomes are to be believed at all.

mod fail_static;
mod lateness;
mod schedule;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

pub use lateness::Lateness;
pub use schedule::Call;

use crate::geo::DatacenterId;
use crate::health::{Condition, ConditionState, Health, Means, Outcome, Share, State, Target, Transition};
use crate::snapshot::{AdminState, EndpointState};
use fail_static::{FailStatic, Held, Suspect};
use schedule::ProbeSchedule;

/// Every target that is watched, its health, and when it is probed next.
#[derive(Debug)]
pub struct Watch {
    health: HashMap<Arc<Target>, Health, RandomState>,
    schedule: ProbeSchedule,
    /// Of its network, and of how it runs programs: one may be sick without the other.
    fail_statics: [FailStatic; 2],
}

/// The means of this node that it may doubt, in the order of their doubts.
const DOUBTED_MEANS: [Means; 2] = [Means::Network, Means::Programs];

/// What an outcome brought about.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    /// For the target itself.
    pub transition: Transition,
    /// For all of them.
    pub fail_static: Option<FailStaticEvent>,
}

/// The node began, or ceased, to doubt what its probes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailStaticEvent {
    /// All that answered stopped to do so within an interval. Their last states are held.
    Began {
        /// How many endpoints there are, by address.
        targets: usize,
        /// In how many datacenters.
        datacenters: usize,
        /// Those whose state had changed already and changed back.
        restored: Vec<Restored>,
    },
    /// An earlier run began to, and ended before that was over.
    Resumed,
    /// This one gave a sign that this node can be heard: outcomes count again.
    Answered(Arc<Target>),
    /// It lasted as long as it may: outcomes count again.
    Ended,
}

/// A target whose state is again what it was before failures that may be this node's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Which one.
    pub target: Arc<Target>,
    /// What it was taken to be meanwhile.
    pub from: State,
    /// What was seen of it.
    pub seen: Outcome,
}

impl Watch {
    /// Nothing is watched. `seed` makes the jitter repeatable; at most `bound` probes are in flight.
    pub fn new(seed: u64, bound: usize) -> Self {
        Self { health: HashMap::default(), schedule: ProbeSchedule::new(seed, bound), fail_statics: Default::default() }
    }

    /// How late probes started so far.
    pub fn lateness(&self) -> &Arc<Lateness> {
        self.schedule.lateness()
    }

    /// How long the node may doubt its probes; zero for not at all. Tells whether a doubt of an earlier run goes on.
    pub fn set_hold(&mut self, hold: Duration, now: Duration) -> Option<FailStaticEvent> {
        let goes_on = self.fail_statics.each_mut().map(|fail_static| fail_static.set_hold(hold, now));
        goes_on.contains(&true).then_some(FailStaticEvent::Resumed)
    }

    /// Goes on with a doubt in which an earlier run ended, and that began then.
    pub fn resume_doubt(&mut self, of: Means, began: Duration) {
        if let Some(place) = DOUBTED_MEANS.iter().position(|&means| means == of) {
            self.fail_statics[place].resume(began);
        }
    }

    /// Since when the node doubts these means of its own; `None` while it does not.
    pub fn doubted_since(&self) -> impl Iterator<Item = (Means, Option<Duration>)> {
        DOUBTED_MEANS.into_iter().zip(&self.fail_statics).map(|(means, fail_static)| (means, fail_static.began()))
    }

    /// Watches these targets, whose turns come soon. One that is watched already keeps its health and its turn.
    ///
    /// What is known of a target counts for a new one that asks the same, whatever their `rise`, `fall` and `interval` are; of
    /// several the worst. Gives the new ones of which something is known so, each with the one from which it is.
    pub fn add<'a>(
        &mut self,
        targets: impl IntoIterator<Item = &'a Arc<Target>>,
        now: Duration,
    ) -> Vec<(Arc<Target>, Arc<Target>)> {
        let new: Vec<_> = targets.into_iter().filter(|target| !self.health.contains_key(*target)).collect();
        let alike = if new.is_empty() { HashMap::new() } else { self.worst_by_question() };
        let mut carried = Vec::new();
        for target in new {
            self.schedule.add(target, now);
            let known = alike.get(&target.question_fingerprint());
            let health = known.map_or(Health::UNKNOWN, |(_, health)| health.under(&target.monitor, now));
            self.health.insert(target.clone(), health);
            if let Some((from, _)) = known {
                if let Some(fail_static) = doubt_of(&mut self.fail_statics, target) {
                    fail_static.carry(from, target);
                }
                carried.push((target.clone(), from.clone()));
            }
        }
        carried
    }

    /// Of all targets of which something is known, for each question the one that is worst.
    fn worst_by_question(&self) -> HashMap<u128, (Arc<Target>, Health)> {
        let mut worst: HashMap<u128, (Arc<Target>, Health)> = HashMap::new();
        for (target, &health) in self.health.iter().filter(|(_, health)| health.state() != State::Unknown) {
            worst
                .entry(target.question_fingerprint())
                .and_modify(|known| {
                    if health.share() < known.1.share() {
                        *known = (target.clone(), health);
                    }
                })
                .or_insert_with(|| (target.clone(), health));
        }
        worst
    }

    /// Takes a target that was never probed for what an earlier run found it to be.
    pub fn restore(&mut self, target: &Arc<Target>, kept: Health) {
        let Some(health) = self.health.get_mut(target).filter(|health| **health == Health::UNKNOWN) else { return };
        *health = kept;
        if kept.share().is_some()
            && let Some(fail_static) = doubt_of(&mut self.fail_statics, target)
        {
            fail_static.trust(target);
        }
    }

    /// Forgets the targets that are not to be kept, and gives those whose probes are in flight: they are to be stopped.
    pub fn retain(&mut self, keep: impl Fn(&Target) -> bool) -> Vec<Arc<Target>> {
        self.health.retain(|target, _| keep(target));
        self.fail_statics.iter_mut().for_each(|fail_static| fail_static.retain(&keep));
        self.schedule.retain(keep)
    }

    /// When the next turn comes, or a doubt ends.
    pub fn next_due(&mut self) -> Option<Duration> {
        let ends = self.fail_statics.iter().filter_map(FailStatic::ends_at).min();
        [self.schedule.next_due(), ends].into_iter().flatten().min()
    }

    /// The targets whose time has come. Each is due again after its interval.
    pub fn take_due(&mut self, now: Duration) -> Vec<Call> {
        self.schedule.take_due(now)
    }

    /// The node was not running for so long: nobody could have been heard meanwhile.
    pub fn sleep(&mut self, pause: Duration) {
        self.schedule.sleep(pause);
    }

    /// Until when last states are held at most; `None` while probes are believed.
    pub fn held_until(&self) -> Option<Duration> {
        self.fail_statics.iter().filter_map(FailStatic::ends_at).max()
    }

    /// Ends a doubt that lasted as long as it may.
    pub fn end_doubt(&mut self, now: Duration) -> Option<FailStaticEvent> {
        let is_over = |fail_static: &&mut FailStatic| fail_static.ends_at().is_some_and(|at| at <= now);
        let ended =
            self.fail_statics.iter_mut().filter(is_over).map(FailStatic::end).fold(false, |any, ended| any | ended);
        ended.then_some(FailStaticEvent::Ended)
    }

    /// Takes in the end of a probe; `None` if it counts for nothing, because the target is not watched any more or because the
    /// node doubts what it says. `datacenters` tells where a target stands.
    pub fn observe(
        &mut self,
        target: &Arc<Target>,
        outcome: &Outcome,
        now: Duration,
        datacenters: impl Fn(&Target) -> Vec<DatacenterId>,
    ) -> Option<Observed> {
        self.schedule.finish(target, now);
        let health = self.health.get_mut(target)?;
        let fail_static = doubt_of(&mut self.fail_statics, target);
        if outcome.may_be_ours() && fail_static.as_ref().is_some_and(|fail_static| fail_static.is_on()) {
            return None;
        }
        let before = *health;
        let transition = health.observe(outcome.share(), &target.monitor, now);
        let mut doubted = None;
        if let Some(fail_static) = fail_static {
            if outcome.may_be_ours() {
                let held = fail_static.suspect(target, outcome, before, now, datacenters);
                doubted = held.map(|held| self.hold(held, target));
            } else if fail_static.hear(target, outcome) && fail_static.end() {
                doubted = Some(FailStaticEvent::Answered(target.clone()));
            }
        }
        Some(Observed { transition, fail_static: doubted })
    }

    /// A probe ended without telling anything.
    pub fn lose(&mut self, target: &Arc<Target>, now: Duration) {
        self.schedule.finish(target, now);
    }

    /// Takes in what somebody else says of a target, or its silence. It tells nothing of this node's own network.
    pub fn hear(&mut self, target: &Arc<Target>, outcome: &Outcome, now: Duration) -> Transition {
        self.schedule.hear(target, now);
        match self.health.get_mut(target) {
            Some(health) => health.observe(outcome.share(), &target.monitor, now),
            None => Transition::None,
        }
    }

    /// A target's health; unknown if it is not watched.
    pub fn health(&self, target: &Target) -> Health {
        self.health.get(target).copied().unwrap_or(Health::UNKNOWN)
    }

    /// What answers may make of an endpoint with this condition. While the node doubts its probes, nothing they say is
    /// confirmed. One that asks for nothing answers while no other is left, as when an operator drains it.
    pub fn endpoint_state(&self, condition: Option<&Condition>) -> EndpointState {
        condition.map_or(EndpointState::CALM, |condition| {
            let ConditionState { share, restless, last_up } = condition.verdict(&|target| self.health(target));
            let mut is_held = false;
            condition.each_target(&mut |target| is_held |= self.is_doubted(target.means()));
            let restless = restless || is_held;
            match share {
                Some(Share::NONE) => {
                    EndpointState { admin_state: AdminState::Draining, restless, ..EndpointState::CALM }
                }
                share => {
                    EndpointState { share: share.unwrap_or(Share::NONE), restless, last_up, ..EndpointState::CALM }
                }
            }
        })
    }

    fn is_doubted(&self, means: Means) -> bool {
        DOUBTED_MEANS
            .iter()
            .zip(&self.fail_statics)
            .any(|(&doubted, fail_static)| doubted == means && fail_static.is_on())
    }

    /// Puts back what the suspects were before they turned. Of the last one nobody was told yet that it did.
    fn hold(&mut self, Held { suspects, endpoints, datacenters }: Held, last: &Target) -> FailStaticEvent {
        let mut restored = Vec::new();
        for (target, Suspect { before, seen, .. }) in suspects {
            let Some(health) = self.health.get_mut(&target) else { continue };
            let from = std::mem::replace(health, before).state();
            if from != before.state() && *target != *last {
                restored.push(Restored { target, from, seen });
            }
        }
        FailStaticEvent::Began { targets: endpoints, datacenters, restored }
    }
}

/// The doubt of the means by which a target is probed, if it may be doubted.
fn doubt_of<'a>(fail_statics: &'a mut [FailStatic; 2], target: &Target) -> Option<&'a mut FailStatic> {
    let place = DOUBTED_MEANS.iter().position(|&means| means == target.means())?;
    Some(&mut fail_statics[place])
}

#[cfg(test)]
mod tests;
