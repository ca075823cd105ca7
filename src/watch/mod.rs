//! When to probe what, and what the outcomes say: a machine without clock, sockets or tasks.
//!
//! Time is what the caller says it is, counted from any beginning. The agenda says whose turn it is, health what an outcome
//! makes of a target, and doubt whether outcomes are to be believed at all.

mod agenda;
mod doubt;
mod lateness;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

pub use agenda::Call;
pub use lateness::Lateness;

use crate::geo::DatacenterId;
use crate::health::{Condition, Health, Outcome, State, Target, Transition, Verdict};
use crate::snapshot::Standing;
use agenda::Agenda;
use doubt::{Doubt, Held, Suspect};

/// Every target that is watched, its health, and when it is probed next.
#[derive(Debug)]
pub struct Watch {
    health: HashMap<Arc<Target>, Health, RandomState>,
    agenda: Agenda,
    doubt: Doubt,
}

/// What an outcome brought about.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    /// For the target itself.
    pub transition: Transition,
    /// For all of them.
    pub doubt: Option<Doubted>,
}

/// The node began, or ceased, to doubt what its probes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubted {
    /// All that answered stopped to do so within an interval. Their last states are held.
    Began {
        /// How many there are.
        targets: usize,
        /// In how many datacenters.
        datacenters: usize,
        /// Those whose state had changed already and changed back.
        restored: Vec<Restored>,
    },
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
        Self { health: HashMap::default(), agenda: Agenda::new(seed, bound), doubt: Doubt::default() }
    }

    /// How late probes started so far.
    pub fn lateness(&self) -> &Arc<Lateness> {
        self.agenda.lateness()
    }

    /// How long the node may doubt its probes; zero for not at all.
    pub fn set_hold(&mut self, hold: Duration) {
        self.doubt.set_hold(hold);
    }

    /// Watches one more target, whose turn comes soon. One that is watched already keeps its health and its turn.
    pub fn add(&mut self, target: &Arc<Target>, now: Duration) {
        if !self.health.contains_key(target) {
            self.health.insert(target.clone(), Health::UNKNOWN);
            self.agenda.add(target, now);
        }
    }

    /// Takes a target that was never probed for what an earlier run found it to be.
    pub fn restore(&mut self, target: &Arc<Target>, state: State) {
        let Some(health) = self.health.get_mut(target).filter(|health| **health == Health::UNKNOWN) else { return };
        *health = Health::settled(state);
        if health.share().is_some() && target.tells_of_this_node() {
            self.doubt.trust(target);
        }
    }

    /// Forgets the targets that are not to be kept, and gives those whose probes are in flight: they are to be stopped.
    pub fn retain(&mut self, keep: impl Fn(&Target) -> bool) -> Vec<Arc<Target>> {
        self.health.retain(|target, _| keep(target));
        self.doubt.retain(&keep);
        self.agenda.retain(keep)
    }

    /// When the next turn comes, or the doubt ends.
    pub fn next_due(&mut self) -> Option<Duration> {
        [self.agenda.next_due(), self.doubt.ends_at()].into_iter().flatten().min()
    }

    /// The targets whose time has come. Each is due again after its interval.
    pub fn take_due(&mut self, now: Duration) -> Vec<Call> {
        self.agenda.take_due(now)
    }

    /// Until when last states are held at most; `None` while probes are believed.
    pub fn held_until(&self) -> Option<Duration> {
        self.doubt.ends_at()
    }

    /// Ends a doubt that lasted as long as it may.
    pub fn end_doubt(&mut self, now: Duration) -> Option<Doubted> {
        let is_over = self.doubt.ends_at().is_some_and(|at| at <= now);
        (is_over && self.doubt.end()).then_some(Doubted::Ended)
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
        self.agenda.finish(target, now);
        let health = self.health.get_mut(target)?;
        if self.doubt.is_on() && target.tells_of_this_node() && outcome.may_be_ours() {
            return None;
        }
        let before = *health;
        let transition = health.observe(outcome.share(), &target.monitor, now);
        if !target.tells_of_this_node() {
            return Some(Observed { transition, doubt: None });
        }
        let ended = self.doubt.end().then(|| Doubted::Answered(target.clone()));
        let held = self.doubt.observe(target, outcome, before, now, datacenters);
        Some(Observed { transition, doubt: held.map(|held| self.hold(held, target)).or(ended) })
    }

    /// A probe ended without telling anything.
    pub fn lose(&mut self, target: &Arc<Target>, now: Duration) {
        self.agenda.finish(target, now);
    }

    /// Takes in what somebody else says of a target, or its silence. It tells nothing of this node's own network.
    pub fn hear(&mut self, target: &Arc<Target>, outcome: &Outcome, now: Duration) -> Transition {
        self.agenda.hear(target, now);
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
    /// confirmed.
    pub fn standing(&self, condition: Option<&Condition>) -> Standing {
        condition.map_or(Standing::CALM, |condition| {
            let Verdict { share, restless } = condition.verdict(&|target| self.health(target));
            let mut is_held = false;
            if self.doubt.is_on() {
                condition.each_target(&mut |target| is_held |= target.tells_of_this_node());
            }
            Standing { share, restless: restless || is_held, ..Standing::CALM }
        })
    }

    /// Puts back what the suspects were before they turned. Of the last one nobody was told yet that it did.
    fn hold(&mut self, Held { suspects, datacenters }: Held, last: &Target) -> Doubted {
        let targets = suspects.len();
        let mut restored = Vec::new();
        for (target, Suspect { before, seen, .. }) in suspects {
            let Some(health) = self.health.get_mut(&target) else { continue };
            let from = std::mem::replace(health, before).state();
            if from != before.state() && *target != *last {
                restored.push(Restored { target, from, seen });
            }
        }
        Doubted::Began { targets, datacenters, restored }
    }
}

#[cfg(test)]
mod tests;
