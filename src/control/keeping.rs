//! What of the targets' health is kept for the next run, and what of the last run's is still believed.
//!
//! A row is written when the state changes, and again once a minute while probes confirm it: its age is then right to a
//! minute, at a sixtieth of the writing. Rows that changed are handed over together, once a second at most.
//!
//! A row is found by what its target is, or else by what it asks: a monitor whose `fall` was edited while the node was down
//! goes on with what was known.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{Now, RecoveryStates};
use crate::health::{Health, Kept, KeptHold, Means, RecoveryState, State, Target};
use crate::overrides::Change;
use crate::rollout;

/// What was confirmed longer ago is not believed any more.
pub const BELIEVED_FOR: Duration = Duration::from_secs(10 * 60);

/// From one batch of rows to the next, at least.
pub const KEEP_EVERY: Duration = Duration::from_secs(1);

/// While a state stays as it is, its row is written so often.
pub const CONFIRM_EVERY: Duration = Duration::from_secs(60);

/// Rows that nothing confirmed for so long are removed.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Rows: what each is to be from now on; `None` for one to be removed.
///
/// All rows that one event changes belong together: an override that takes the place of another one is a removal and a
/// placement, and a crash between the two would leave neither.
#[derive(Debug, Default)]
pub struct Keep {
    /// Of targets' health, by fingerprint.
    pub health: BTreeMap<u128, Option<Kept>>,
    /// Of what comes back.
    pub recovery_states: RecoveryStates,
    /// Changes of overrides, in this order.
    pub overrides: Vec<Change>,
    /// Of roll-outs.
    pub rollouts: rollout::Rows,
}

impl Keep {
    /// The same, its times told by the clock on the wall.
    pub(super) fn timed(self, now: Now) -> Self {
        let by = |time| now.to_wall(time);
        let health = |(key, kept): (_, Option<Kept>)| (key, kept.map(|kept| kept.timed(&by)));
        let recovery_state = |(key, kept): (_, Option<RecoveryState>)| (key, kept.map(|kept| kept.timed(&by)));
        Self {
            health: self.health.into_iter().map(health).collect(),
            recovery_states: self.recovery_states.into_iter().map(recovery_state).collect(),
            ..self
        }
    }

    /// Whether nothing is to be kept.
    pub fn is_empty(&self) -> bool {
        let Self { health, recovery_states, overrides, rollouts } = self;
        health.is_empty() && recovery_states.is_empty() && overrides.is_empty() && rollouts.is_empty()
    }

    /// Adds later rows.
    pub fn extend(&mut self, later: Self) {
        let Self { health, recovery_states, overrides, rollouts } = later;
        self.health.extend(health);
        self.recovery_states.extend(recovery_states);
        self.overrides.extend(overrides);
        self.rollouts.extend(rollouts);
    }
}

/// The rows that are kept, and changes that are not handed over yet.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    kept: HashMap<u128, Kept>,
    /// What the last run knew, by what was asked; of several the worst. Forgotten once a configuration is served.
    by_question: HashMap<u128, Kept>,
    /// Since when the node doubts its probes, by what it doubts them for.
    fail_statics: HashMap<&'static str, Duration>,
    changed: Keep,
    handed_over: Duration,
}

impl Keeping {
    /// What the last run kept.
    pub(super) fn restore(&mut self, kept: HashMap<u128, Kept>) {
        for &row in kept.values() {
            let worst = self.by_question.entry(row.question).or_insert(row);
            if row.state == State::Down && worst.state != State::Down {
                *worst = row;
            }
        }
        self.kept = kept;
    }

    /// What a target was found to be, if that is still to be believed.
    pub(super) fn health(&self, target: &Target, now: Duration) -> Option<Health> {
        let kept = self.kept.get(&target.fingerprint());
        let kept = kept.or_else(|| self.by_question.get(&target.question_fingerprint()))?;
        let health = Health::kept(kept.state, kept.fell, kept.hold, &target.monitor, now);
        // One that is from the future was written by a clock that was wrong, or is.
        let is_believed = kept.confirmed.abs_diff(now) <= BELIEVED_FOR;
        let is_held = kept.state == State::Down && health.held_until() > now;
        (is_believed || is_held).then_some(health)
    }

    /// Takes in what a target is after a probe.
    pub(super) fn observe(&mut self, target: &Target, health: Health, now: Duration) {
        let fingerprint = target.fingerprint();
        let (state, hold) = (health.state(), health.hold());
        let is_fresh =
            |kept: &Kept| kept.state == state && kept.hold == hold && now.abs_diff(kept.confirmed) < CONFIRM_EVERY;
        // What an outcome speaks against is not confirmed by it, and of what is not watched nothing is known.
        if state == State::Unknown || health.is_restless() || self.kept.get(&fingerprint).is_some_and(is_fresh) {
            return;
        }
        let fell = if state == State::Down { health.last_up() } else { Duration::ZERO };
        let kept = Kept { state, confirmed: now, fell, hold, question: target.question_fingerprint() };
        self.kept.insert(fingerprint, kept);
        self.changed.health.insert(fingerprint, Some(kept));
    }

    /// Removes the rows of targets that are not watched any more, and those that are too old.
    pub(super) fn retain<'a>(&mut self, watched: impl Iterator<Item = &'a Target>, now: Duration) {
        self.by_question.clear();
        let mut kept = HashMap::new();
        for fingerprint in watched.map(Target::fingerprint) {
            if let Some(row) = self.kept.remove(&fingerprint) {
                let is_held = row.hold.is_some_and(|KeptHold { until, .. }| until > now);
                if row.confirmed.abs_diff(now) <= KEPT_FOR || is_held {
                    kept.insert(fingerprint, row);
                } else {
                    self.changed.health.insert(fingerprint, None);
                }
            }
        }
        let gone = std::mem::replace(&mut self.kept, kept);
        self.changed.health.extend(gone.into_keys().map(|fingerprint| (fingerprint, None)));
    }

    /// Takes in what is to be kept besides.
    pub(super) fn note(&mut self, recovery_states: RecoveryStates) {
        self.changed.recovery_states.extend(recovery_states);
    }

    /// Takes in what the last run kept besides, as far as it is of doubts: since when the node doubts which of its means.
    pub(super) fn fail_statics(&mut self, kept: &HashMap<String, RecoveryState>) -> Vec<(Means, Duration)> {
        let kept_of = |means| match kept.get(doubt_key(means)) {
            Some(&RecoveryState::FailStaticEvent(since)) => Some((means, since)),
            _ => None,
        };
        let fail_statics: Vec<_> = [Means::Network, Means::Programs].into_iter().filter_map(kept_of).collect();
        self.fail_statics.extend(fail_statics.iter().map(|&(means, since)| (doubt_key(means), since)));
        fail_statics
    }

    /// Takes in since when the node doubts these means of its own, if it does.
    pub(super) fn note_doubt(&mut self, means: Means, since: Option<Duration>) {
        let key = doubt_key(means);
        if self.fail_statics.get(key).copied() == since {
            return;
        }
        self.changed.recovery_states.insert(key.to_owned(), since.map(RecoveryState::FailStaticEvent));
        match since {
            Some(since) => _ = self.fail_statics.insert(key, since),
            None => _ = self.fail_statics.remove(key),
        }
    }

    /// When changes are to be handed over, if there are any.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.changed.is_empty()).then_some(self.handed_over + KEEP_EVERY)
    }

    /// The changes, if it is time for them.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Keep> {
        self.due().filter(|due| *due <= now)?;
        self.handed_over = now;
        Some(std::mem::take(&mut self.changed))
    }

    /// The changes, whenever the last ones were handed over.
    pub(super) fn take(&mut self) -> Option<Keep> {
        Some(std::mem::take(&mut self.changed)).filter(|changed| !changed.is_empty())
    }
}

/// What a doubt is kept by. Pools' and endpoints' keys begin with the name of a zone or with a blank.
fn doubt_key(means: Means) -> &'static str {
    match means {
        Means::Network => "network",
        Means::Programs => "programs",
        Means::Reports => "reports",
    }
}
