//! When to probe which target, and what the outcomes mean: a state machine without clock, sockets or tasks.
//!
//! The caller gives the time, counted from any beginning. The schedule decides which target is probed when. Health says
//! what an outcome makes of a target, and fail-static whether outcomes count at all.

mod fail_static;
mod history;
mod lateness;
mod outcomes;
mod schedule;
mod targets;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use history::{ProbeHistory, SLOT, SLOTS, Slot, Track, Turned, slot_at};
pub use lateness::Lateness;
pub use outcomes::ProbeCounters;
pub use schedule::Call;
pub use targets::{TargetId, TargetMap, Watched};

use crate::geo::DatacenterId;
use crate::health::{Condition, ConditionState, Health, Means, Opinion, Outcome, Share, State, Target, Transition};
use crate::snapshot::{AdminState, EndpointState};
use fail_static::{FailStatic, Held, Suspect};
use schedule::ProbeSchedule;
use targets::Targets;

/// All watched targets, their health, and the time of their next probe.
#[derive(Debug)]
pub struct Watch {
    targets: Targets,
    health: TargetMap<Health>,
    /// The agreements of the fleet.
    agreed: TargetMap<Agreed>,
    schedule: ProbeSchedule,
    /// One for the node's network and one for its running of programs: either may fail without the other.
    fail_statics: [FailStatic; 2],
}

/// The agreement of a fleet's vantage points on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Agreed {
    opinion: Opinion,
    since: Duration,
}

/// The means of this node that fail-static covers, in the order of [`Watch::fail_statics`].
const FAIL_STATIC_MEANS: [Means; 2] = [Means::Network, Means::Programs];

/// The effects of an outcome.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    /// The effect on the target itself.
    pub transition: Transition,
    /// The effect on all targets.
    pub fail_static: Option<FailStaticEvent>,
}

/// The node began or stopped to distrust its probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailStaticEvent {
    /// All targets that answered stopped answering within an interval. They keep their last states.
    Began {
        /// Number of endpoints, by address.
        targets: usize,
        /// Number of datacenters that they are in.
        datacenters: usize,
        /// Targets whose state had already changed, and was changed back.
        restored: Vec<Restored>,
    },
    /// Fail-static began in an earlier run, which ended before it was over. It continues.
    Resumed,
    /// This target showed that this node can be heard. Outcomes count again.
    Answered(Arc<Target>),
    /// Fail-static lasted as long as it may. Outcomes count again.
    Ended,
}

/// A target that has its state from before the failures again, because those may be this node's own fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The target.
    pub target: TargetId,
    /// Its state in the meantime.
    pub from: State,
    /// The failure that had changed it.
    pub seen: Outcome,
}

impl Watch {
    /// A watch without targets. `seed` makes the jitter repeatable. At most `bound` probes are in flight.
    pub fn new(seed: u64, bound: usize) -> Self {
        Self {
            targets: Targets::default(),
            health: TargetMap::default(),
            agreed: TargetMap::default(),
            schedule: ProbeSchedule::new(seed, bound),
            fail_statics: Default::default(),
        }
    }

    /// The distribution of how late probes started.
    pub fn lateness(&self) -> &Arc<Lateness> {
        self.schedule.lateness()
    }

    /// Sets how long fail-static may last; zero disables it. Returns an event if the fail-static of an earlier run
    /// continues.
    pub fn set_hold(&mut self, hold: Duration, now: Duration) -> Option<FailStaticEvent> {
        let goes_on = self.fail_statics.each_mut().map(|fail_static| fail_static.set_hold(hold, now));
        goes_on.contains(&true).then_some(FailStaticEvent::Resumed)
    }

    /// Continues the fail-static of these means that began at `began`. An earlier run ended during it, or before anything
    /// was heard again.
    pub fn resume_fail_static(&mut self, of: Means, began: Duration) {
        if let Some(place) = FAIL_STATIC_MEANS.iter().position(|&means| means == of) {
            self.fail_statics[place].resume(began);
        }
    }

    /// When the node began to distrust each of its means; `None` if it never did, or something was heard since.
    pub fn unanswered_since(&self) -> impl Iterator<Item = (Means, Option<Duration>)> {
        FAIL_STATIC_MEANS.into_iter().zip(self.fail_statics.each_ref().map(FailStatic::unanswered_since))
    }

    /// Watches these targets and returns their ids, in order. The first probes of new ones are scheduled soon. A target
    /// that is watched already keeps its id, its health and its turn.
    ///
    /// A new target takes over the health of a watched one with the same question, whatever their `rise`, `fall` and
    /// `interval` are; of several, the worst health. Also returns each new target that took over health, with the
    /// target that it is from.
    pub fn add<'a>(
        &mut self,
        targets: impl IntoIterator<Item = &'a Target>,
        now: Duration,
    ) -> (Vec<TargetId>, Vec<(TargetId, TargetId)>) {
        let mut new = Vec::new();
        let ids = targets.into_iter().map(|target| {
            let (id, is_new) = self.targets.add(target);
            new.extend(is_new.then_some(id));
            id
        });
        let ids = ids.collect();
        let alike = if new.is_empty() { HashMap::new() } else { self.worst_by_question() };
        let mut carried = Vec::new();
        for id in new {
            let Some(watched) = self.targets.get(id).cloned() else { continue };
            self.schedule.add(id, watched.target(), now);
            self.health.insert(id, Health::UNKNOWN);
            if let Some(&(from, _)) = alike.get(&watched.question()) {
                self.carry(from, id, now);
                carried.push((id, from));
            }
        }
        (ids, carried)
    }

    /// The watched target with this id; `None` if it was forgotten.
    pub fn target(&self, id: TargetId) -> Option<&Watched> {
        self.targets.get(id)
    }

    /// Gives a target whose health is unknown the health of another one. Returns true if it was known.
    pub fn carry(&mut self, from: TargetId, to: TargetId, now: Duration) -> bool {
        // One that rests has the state that was agreed on.
        let known = if self.is_resting(from) { self.decided(from) } else { self.health(from) };
        let (Some(watched), Some(health)) = (self.targets.get(to), self.health.get_mut(to)) else { return false };
        if known.state() == State::Unknown || *health != Health::UNKNOWN {
            return false;
        }
        // Outcomes in a row for another host prove nothing for this one.
        let is_same_host = self.targets.get(from).is_some_and(|of| of.target().host == watched.target().host);
        let known = if is_same_host { known } else { known.without_outcomes() };
        *health = known.under(&watched.target().monitor, now);
        if let Some(&agreed) = self.agreed.get(from) {
            self.agreed.insert(to, agreed);
        }
        if let Some(fail_static) = fail_static_of(&mut self.fail_statics, watched.target()) {
            fail_static.carry(from, to);
        }
        true
    }

    /// The id of a target; `None` if it is not watched.
    pub fn id(&self, target: &Target) -> Option<TargetId> {
        self.targets.find(target)
    }

    /// For each question, the target with the worst known health.
    fn worst_by_question(&self) -> HashMap<u128, (TargetId, Health)> {
        let mut worst: HashMap<u128, (TargetId, Health)> = HashMap::new();
        for (id, watched) in self.targets.iter() {
            let health = self.health(id);
            if health.state() == State::Unknown {
                continue;
            }
            worst
                .entry(watched.question())
                .and_modify(|known| {
                    if health.share() < known.1.share() {
                        *known = (id, health);
                    }
                })
                .or_insert((id, health));
        }
        worst
    }

    /// Gives a target that was never probed the health that an earlier run kept.
    pub fn restore(&mut self, id: TargetId, kept: Health) {
        let Some(health) = self.health.get_mut(id).filter(|health| **health == Health::UNKNOWN) else { return };
        *health = kept;
        if kept.share().is_some()
            && let Some(watched) = self.targets.get(id)
            && let Some(fail_static) = fail_static_of(&mut self.fail_statics, watched.target())
        {
            fail_static.trust(id);
        }
    }

    /// Does not probe a target until it is resumed, and forgets what its probes found. Answers follow what the fleet agrees
    /// on about it.
    pub fn rest(&mut self, id: TargetId) {
        self.schedule.rest(id);
        if let Some(health) = self.health.get_mut(id) {
            *health = Health::UNKNOWN;
        }
        self.fail_statics.iter_mut().for_each(|fail_static| fail_static.forget(id));
    }

    /// Probes a target again that rests, soon. Until its probes confirm another state, it has the one that was agreed on.
    /// Returns false if it does not rest.
    pub fn resume(&mut self, id: TargetId, now: Duration) -> bool {
        if !self.schedule.resume(id, now) {
            return false;
        }
        let agreed = self.decided(id);
        if let Some(health) = self.health.get_mut(id) {
            *health = agreed;
        }
        true
    }

    /// True if other nodes of the fleet probe a target in this node's stead.
    pub fn is_resting(&self, id: TargetId) -> bool {
        self.schedule.is_resting(id)
    }

    /// Forgets the targets that `keep` rejects. Returns those whose probes are in flight, for the caller to stop: their
    /// ids may be given to other targets.
    pub fn retain(&mut self, keep: impl Fn(TargetId) -> bool) -> Vec<TargetId> {
        self.targets.retain(&keep);
        self.health.retain(|id, _| keep(id));
        self.agreed.retain(|id, _| keep(id));
        self.fail_statics.iter_mut().for_each(|fail_static| fail_static.retain(&keep));
        self.schedule.retain(keep)
    }

    /// When the next probe is due, or fail-static ends.
    pub fn next_due(&mut self) -> Option<Duration> {
        let ends = self.fail_statics.iter().filter_map(FailStatic::ends_at).min();
        [self.schedule.next_due(), ends].into_iter().flatten().min()
    }

    /// The calls that are due. Each target is due again after its interval.
    pub fn take_due(&mut self, now: Duration) -> Vec<Call> {
        self.schedule.take_due(now)
    }

    /// Takes in that the process was stopped for this long. The deadlines of reports move by the pause, in which no
    /// report could be heard.
    pub fn sleep(&mut self, pause: Duration) {
        self.schedule.sleep(pause);
    }

    /// When fail-static ends at the latest; `None` while probes are trusted.
    pub fn held_until(&self) -> Option<Duration> {
        self.fail_statics.iter().filter_map(FailStatic::ends_at).max()
    }

    /// Ends fail-static if it has lasted as long as it may. Returns the event.
    pub fn end_fail_static(&mut self, now: Duration) -> Option<FailStaticEvent> {
        let is_over = |fail_static: &&mut FailStatic| fail_static.ends_at().is_some_and(|at| at <= now);
        let ended =
            self.fail_statics.iter_mut().filter(is_over).map(FailStatic::end).fold(false, |any, ended| any | ended);
        ended.then_some(FailStaticEvent::Ended)
    }

    /// Takes in the outcome of a probe. `None` if it does not count, because the target is no longer watched or because
    /// the node distrusts the outcome. `datacenters` gives the datacenters of a target.
    pub fn observe(
        &mut self,
        id: TargetId,
        outcome: &Outcome,
        now: Duration,
        datacenters: impl Fn(TargetId) -> Vec<DatacenterId>,
    ) -> Option<Observed> {
        self.schedule.finish(id, now);
        let (target, health) = (self.targets.get(id)?.target(), self.health.get_mut(id)?);
        let fail_static = fail_static_of(&mut self.fail_statics, target);
        if outcome.may_be_ours() && fail_static.as_ref().is_some_and(|fail_static| fail_static.is_on()) {
            return None;
        }
        let before = *health;
        let transition = health.observe(outcome.share(), &target.monitor, now);
        let mut doubted = None;
        if let Some(fail_static) = fail_static {
            if outcome.may_be_ours() {
                let suspect = Suspect { before, seen: outcome.clone(), turned: now };
                let held = fail_static.suspect(id, suspect, &self.targets, datacenters);
                doubted = held.map(|held| self.hold(held, id));
            } else if fail_static.hear(id, outcome) && fail_static.end() {
                doubted = Some(FailStaticEvent::Answered(target.clone()));
            }
        }
        Some(Observed { transition, fail_static: doubted })
    }

    /// Takes in that a probe ended without an outcome.
    pub fn lose(&mut self, id: TargetId, now: Duration) {
        self.schedule.finish(id, now);
    }

    /// Takes in a report of a target, or its silence. Neither proves anything about this node's own network.
    pub fn hear(&mut self, id: TargetId, outcome: &Outcome, now: Duration) -> Transition {
        self.schedule.hear(id, now);
        match (self.targets.get(id), self.health.get_mut(id)) {
            (Some(watched), Some(health)) => health.observe(outcome.share(), &watched.target().monitor, now),
            _ => Transition::None,
        }
    }

    /// The health of a target; unknown if it is not watched.
    pub fn health(&self, id: TargetId) -> Health {
        self.health.get(id).copied().unwrap_or(Health::UNKNOWN)
    }

    /// Sets what the fleet agreed on about a target; `None` if this node decides alone. Returns true if that is new.
    pub fn agree(&mut self, id: TargetId, opinion: Option<Opinion>, now: Duration) -> bool {
        if self.agreed(id) == opinion {
            return false;
        }
        match opinion {
            Some(opinion) if self.health.contains(id) => _ = self.agreed.insert(id, Agreed { opinion, since: now }),
            _ if self.agreed.contains(id) => _ = self.agreed.remove(id),
            _ => return false,
        }
        true
    }

    /// The health of a target that answers follow: what the fleet agreed on, else what its own probes found.
    pub fn decided(&self, id: TargetId) -> Health {
        let own = self.health(id);
        self.agreed.get(id).map_or(own, |agreed| own.overruled(agreed.opinion, agreed.since))
    }

    /// Since when the fleet has agreed on its opinion of a target; `None` if this node decides alone.
    pub fn agreed_since(&self, id: TargetId) -> Option<Duration> {
        self.agreed.get(id).map(|agreed| agreed.since)
    }

    /// Returns the agreement of the fleet about a target; `None` if this node decides alone.
    pub fn agreed(&self, id: TargetId) -> Option<Opinion> {
        self.agreed.get(id).map(|agreed| agreed.opinion)
    }

    /// Number of targets for which answers follow the fleet against the node's own probes.
    pub fn overruled(&self) -> usize {
        let differs = |id, opinion| self.health(id).share() != opinion && !self.is_resting(id);
        self.agreed.iter().filter(|&(id, agreed)| differs(id, agreed.opinion)).count()
    }

    /// The state of an endpoint with this condition, before overrides. While the node distrusts its probes, the state
    /// counts as unconfirmed. An endpoint that asks for no clients is draining, as if an operator had drained it: it
    /// answers only while no other endpoint is left.
    pub fn endpoint_state(&self, condition: Option<&Condition<TargetId>>) -> EndpointState {
        condition.map_or(EndpointState::CALM, |condition| {
            let ConditionState { share, restless, last_up } = condition.verdict(&|&id| self.decided(id));
            let mut is_held = false;
            condition.each_target(&mut |&id| is_held |= self.is_fail_static(id) && !self.agreed.contains(id));
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

    /// True if an endpoint counts as up only because a probe that it needs has no outcome yet. A registered endpoint is
    /// not handed out before.
    pub fn awaits_outcome(&self, condition: &Condition<TargetId>) -> bool {
        let health = |&id: &TargetId| self.decided(id);
        condition.verdict(&health).share.is_some() && !condition.is_confirmed_up(&health)
    }

    fn is_fail_static(&self, id: TargetId) -> bool {
        let means = self.targets.get(id).map(|watched| watched.target().means());
        FAIL_STATIC_MEANS
            .iter()
            .zip(&self.fail_statics)
            .any(|(&doubted, fail_static)| Some(doubted) == means && fail_static.is_on())
    }

    /// Gives the suspects back the health that they had before they failed, and returns the event. `last` is the target
    /// whose failure began fail-static: its change was not reported yet.
    fn hold(&mut self, Held { suspects, endpoints, datacenters }: Held, last: TargetId) -> FailStaticEvent {
        let mut restored = Vec::new();
        for (target, Suspect { before, seen, .. }) in suspects.iter() {
            let Some(health) = self.health.get_mut(target) else { continue };
            let from = std::mem::replace(health, *before).state();
            if from != before.state() && target != last {
                restored.push(Restored { target, from, seen: seen.clone() });
            }
        }
        FailStaticEvent::Began { targets: endpoints, datacenters, restored }
    }
}

/// The fail-static of the means by which a target is probed, if it is covered.
fn fail_static_of<'a>(fail_statics: &'a mut [FailStatic; 2], target: &Target) -> Option<&'a mut FailStatic> {
    let place = FAIL_STATIC_MEANS.iter().position(|&means| means == target.means())?;
    Some(&mut fail_statics[place])
}

#[cfg(test)]
mod tests;
