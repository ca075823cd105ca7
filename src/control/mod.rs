//! The only writer of the node's state. It takes in events and returns the effects to carry out.
//!
//! [`Control::step`] is a state machine without clock, sockets or tasks; [`run`] gives it all three.
//!
//! ```text
//!   Adopt(blueprint) ─► next ── every target probed once, or 5 s passed ──► serving ─► Publish
//!                                                                             ▲
//!   Outcome, Push ─► health ── its pools changed ── 5 ms ─────────────────────┤
//!   Latency(samples) ─► table ── something settled ─► Remap ─► Remapped(maps) ┤
//!              └───► loads ─── a round ── its pools changed ── 5 ms ──────────┤
//!   Amend(blueprint), Register(blueprint) ── into next, or at once ───────────┘
//! ```
//!
//! Start and reload use one path: a new blueprint waits as *next* while its new targets are probed. Then it replaces
//! the blueprint that is served, if there is one. The first answer therefore knows which endpoints are up, and a reload
//! does not hand out an endpoint that was never probed. A recent result of the last run counts as a probe: with
//! `Restore` before the first `Adopt`, a restarted node answers at once, with the same endpoints as before.

mod dependents;
mod events;
mod expiry;
mod fleet;
mod handle;
mod keeping;
mod latency;
mod loads;
mod now;
mod observing;
mod overrides;
mod preview;
mod pulse;
mod push;
mod ramps;
mod remapping;
mod rollouts;
mod run;
mod serving;
mod told;
mod turns;
mod txt;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use events::{Effect, Event, Expiring, NodeEvent, Publication};
pub use fleet::{FleetTurn, Overruled, Proposed, ProposedReply, ZonesNews};
pub use handle::{Handle, Inbox, Message, Pause, PauseRequest, Posts, Shared};
pub use keeping::{BELIEVED_FOR, CONFIRM_EVERY, KEEP_EVERY, KEPT_FOR, Keep};
pub use latency::{KEEP_LATENCY_EVERY, REMAP_INTERVAL, REMAP_RETRY};
pub use now::Now;
pub use overrides::{EndpointView, OverrideEvent, OverrideReply, Reply};
pub use preview::{OrderRefusal, Preview, Proposal};
pub use push::{PushRefusal, PushReply};
pub use ramps::{HoldTurn, RecoveryStates, TICK};
pub use remapping::Remaps;
pub use rollouts::{RequestsRefusal, RolloutEvent, RolloutReply};
pub use run::run;
pub use turns::{Part, Turn};
pub use txt::{DynamicTxt, MAX_TXT_LIFETIME, MAX_VALUES, Replaced, TxtError, TxtValue};

use crate::health::{Failure, KeptAgreement, LastProbe, Outcome, Survey, Target};
use crate::overrides::OverrideStore;
use crate::snapshot::DownGroups;
use crate::vantage::Reported;
use crate::watch::{Call, Lateness, ProbeCounters, ProbeHistory, TargetId, TargetMap, Watch, Watched};
use fleet::Fleet;
use keeping::Keeping;
use latency::Latency;
use loads::Loads;
use ramps::Ramps;
use rollouts::Rollouts;
use serving::{Next, Serving, inputs};
use turns::Aggregates;

/// The time that a new configuration waits for the first outcomes of its new targets. Targets that are still unprobed
/// then count as up.
pub const FIRST_ROUND: Duration = Duration::from_secs(5);

/// Health changes within this time are published together.
pub const PUBLISH_WINDOW: Duration = Duration::from_millis(5);

/// Upper limit of probes in flight, however many descriptors there are: each takes a descriptor, a port and some 10
/// KiB.
pub const MAX_IN_FLIGHT: usize = 16_384;

/// The state of the node.
#[derive(Debug)]
pub struct Control {
    /// The time of the last step.
    now: Now,
    watch: Watch,
    /// The last probe of each watched target.
    last_probes: TargetMap<LastProbe>,
    aggregates: Aggregates,
    loads: Loads,
    keeping: Keeping,
    overrides: OverrideStore,
    ramps: Ramps,
    rollouts: Rollouts,
    groups: DownGroups,
    serving: Option<Serving>,
    next: Option<Next>,
    latency: Latency,
    /// The node's part in its fleet, if it has one.
    fleet: Option<Fleet>,
    probe_counters: Arc<ProbeCounters>,
    probe_history: Arc<ProbeHistory>,
}

impl Control {
    /// The state of a node that serves nothing yet. `seed` makes the probes' jitter repeatable. At most `in_flight`
    /// probes run at a time, and never more than [`MAX_IN_FLIGHT`].
    pub fn new(seed: u64, in_flight: usize) -> Self {
        Self {
            now: Now::default(),
            watch: Watch::new(seed, in_flight.min(MAX_IN_FLIGHT)),
            last_probes: TargetMap::default(),
            aggregates: Aggregates::default(),
            loads: Loads::default(),
            keeping: Keeping::default(),
            overrides: OverrideStore::default(),
            ramps: Ramps::default(),
            rollouts: Rollouts::default(),
            groups: DownGroups::default(),
            serving: None,
            next: None,
            latency: Latency::default(),
            fleet: None,
            probe_counters: Arc::default(),
            probe_history: Arc::default(),
        }
    }

    /// The counters of probes. They keep counting after this call.
    pub fn probe_counters(&self) -> Arc<ProbeCounters> {
        self.probe_counters.clone()
    }

    /// The latest outcomes and states of all targets. It continues after this call.
    pub fn probe_history(&self) -> Arc<ProbeHistory> {
        self.probe_history.clone()
    }

    /// The distribution of how late probes started. It keeps counting after this call.
    pub fn lateness(&self) -> Arc<Lateness> {
        self.watch.lateness().clone()
    }

    /// The time of the next action if no event comes before.
    pub fn wake_at(&mut self) -> Option<Duration> {
        let publish_at = self.serving.as_ref().and_then(|serving| serving.publish_at);
        let deadline = self.next.as_ref().map(|next| next.deadline);
        let overrides_at = self.overrides.change_at().map(|at| self.now.to_elapsed(at));
        let rollouts_at = self.rollouts.wake_at();
        let latency_at = self.latency.wake_at(self.serving.as_ref().map(|serving| &*serving.snapshot));
        let (kept_at, ramps_at) = (self.keeping.due(), self.ramps.due());
        let steered_at = [overrides_at, rollouts_at, latency_at, ramps_at, self.loads.due()];
        let times =
            [self.watch.next_due(), publish_at, deadline, kept_at, self.fleet_wakes_at()].into_iter().chain(steered_at);
        times.flatten().min()
    }

    /// Takes in an event. Here `now` is elapsed time unless a comment says otherwise.
    pub fn step(&mut self, event: Event, now: impl Into<Now>) -> Vec<Effect> {
        self.now = now.into();
        let now = self.now.elapsed;
        let to_elapsed = |time| self.now.to_elapsed(time);
        let mut effects = Vec::new();
        match event {
            Event::Restore(kept) => {
                self.keeping.restore(kept.into_iter().map(|(key, kept)| (key, kept.timed(&to_elapsed))).collect());
            }
            Event::Recall(kept) => {
                let kept = kept
                    .into_iter()
                    .map(|(key, kept)| (key, KeptAgreement { confirmed: to_elapsed(kept.confirmed), ..kept }));
                self.recall(kept.collect(), now);
            }
            Event::Resume(kept) => {
                let kept =
                    kept.into_iter().map(|(key, recovery_state)| (key, recovery_state.timed(&to_elapsed))).collect();
                for (means, since) in self.keeping.fail_statics(&kept) {
                    self.watch.resume_fail_static(means, since);
                }
                self.ramps.restore(kept);
            }
            Event::Reported(groups) => self.groups.restore(groups),
            Event::Adopt(blueprint) => effects.extend(self.prepare(blueprint, now).into_iter().map(Effect::Rehosted)),
            Event::Amend(blueprint) => effects.extend(self.amend(blueprint, now).map(Effect::Publish)),
            Event::Register(blueprint) => self.register(blueprint, now),
            // Others probe it by now.
            Event::Outcome(target, _) if self.watch.is_resting(target) => self.watch.lose(target, now),
            Event::Outcome(target, outcome) => {
                self.count_outcome(target, &outcome);
                self.time(target, &outcome, now);
                self.observe(target, &outcome, now, &mut effects);
            }
            Event::Lost(target) => {
                self.watch.lose(target, now);
                self.await_no_longer(target);
            }
            Event::Push(push, reply) => {
                let result = self.take_in(&push, now, &mut effects);
                if result.is_ok() {
                    self.pass_on(Reported::Push(push), now);
                }
                effects.push(Effect::Pushed(reply, result));
            }
            Event::Latency(samples) => self.feed(&samples, now),
            Event::KeptLatency(records) => self.latency.restore(records, now),
            Event::Remapped(blueprint, maps) => effects.extend(self.exchange_maps(&blueprint, maps, now)),
            Event::NotRemapped => self.latency.fail_remap(now),
            Event::Override(event) => effects.extend(self.take_override(event)),
            Event::Rollout(event) => self.take_rollout(event, now, &mut effects),
            Event::Fleet(event) => {
                self.hear_fleet(event, now, &mut effects);
                self.hear_reports(now, &mut effects);
            }
            Event::Stream(event) => self.hear_stream(event),
            Event::RestoreLedger(kept) => self.restore_ledger(kept),
            Event::Say(words) => self.say(words),
            Event::Remind(words) => self.remind(words),
            Event::Propose(proposed) => self.propose(*proposed, &mut effects),
            Event::Sight(sight, news) => self.sight_zones(sight, news, now, &mut effects),
            Event::Tick => {}
            Event::Stop => {
                self.keeping.note(self.ramps.take_changed());
                effects.extend(self.keeping.take().map(|keep| Effect::Keep(keep.timed(self.now))));
                effects.extend(self.latency.take_unkept().map(Effect::KeepLatency));
            }
        }
        if let Some(over) = self.watch.end_fail_static(now) {
            self.tell_fail_static(over, now, &mut effects);
        }
        effects.extend(self.advance_overrides());
        self.adopt(now, &mut effects);
        self.advance_fleet(now, &mut effects);
        self.advance_ledger(now, &mut effects);
        self.advance_ramps(now);
        self.have_rounds(now);
        self.publish(now, &mut effects);
        effects.extend(self.ramps.take_turns().into_iter().map(Effect::Hold));
        self.advance_rollouts(now, &mut effects);
        effects.extend(self.keeping.take_due(now).map(|keep| Effect::Keep(keep.timed(self.now))));
        for call in self.watch.take_due(now) {
            match call {
                Call::Probe(id) => effects.extend(self.target(id).map(|target| Effect::Probe(id, target.clone()))),
                Call::Silence(id) => self.hear(id, &Outcome::Failure(Failure::Silent), now, &mut effects),
            }
        }
        effects.extend(self.remap(now));
        effects.extend(self.latency.take_kept(now).map(Effect::KeepLatency));
        self.count_turns(&effects);
        effects
    }

    fn count_outcome(&self, target: TargetId, outcome: &Outcome) {
        if let Some(watched) = self.watch.target(target) {
            self.probe_counters.observe(watched.target(), outcome);
            self.probe_history.observe(watched.fingerprint(), outcome, self.now.wall);
        }
    }

    /// Counts endpoints that came to another state.
    fn count_turns(&self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Report(turn) = effect
                && turn.of != Part::One
            {
                turn.pools.iter().for_each(|pool| self.probe_counters.turn(pool, turn.to));
            }
        }
    }

    /// Takes in that the process was stopped for this long. No endpoint could report during the pause, and no other node could
    /// be heard, so the pause does not count as silence.
    pub fn sleep(&mut self, pause: Duration) {
        self.watch.sleep(pause);
        if let Some(fleet) = &mut self.fleet {
            fleet.sleep(pause);
        }
    }

    /// True if a change waits to be published, so that answers will soon change.
    pub fn will_publish(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.publish_at.is_some())
    }

    /// The watched target with this id; `None` if no configuration holds it any more.
    pub fn target(&self, id: TargetId) -> Option<&Arc<Target>> {
        self.watch.target(id).map(Watched::target)
    }

    /// The state of all targets. Times are wall-clock times.
    pub fn survey(&self) -> Survey {
        let by_target = |(id, last_probe): (_, &LastProbe)| Some((self.target(id)?.clone(), last_probe.clone()));
        let survey = Survey {
            last_probes: self.last_probes.iter().filter_map(by_target).collect(),
            turned: self.aggregates.since().map(|(key, since)| (key.clone(), since)).collect(),
            loads: self
                .serving
                .as_ref()
                .map_or_else(HashMap::new, |serving| self.loads.seen(serving.snapshot.pools(), self.now.elapsed)),
            agreements: self.agreements(),
            fleet: self.fleet_survey(),
            held_until: self.watch.held_until(),
        };
        survey.timed(&|time| self.now.to_wall(time))
    }
}

#[cfg(test)]
mod tests;
