//! Keeps targets' health for the next run, and decides which health of the last run still counts.
//!
//! A row is written when the state changes, and once a minute while probes confirm it. Its age is therefore right to a
//! minute, without a write for every probe. Changed rows are handed over together, at most once a second.
//!
//! A row is looked up by the target's fingerprint, or else by the fingerprint of its question. A monitor whose `fall`
//! was edited while the node was down therefore continues with the known health. A target that asks for another host
//! than before also continues, if no target asks for the old host any more. A name that came or went while the node was
//! down says nothing about the endpoints.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::{Now, RecoveryStates};
use crate::health::{Health, Kept, KeptAgreement, KeptHold, Means, Opinion, RecoveryState, State};
use crate::ledger;
use crate::overrides::Change;
use crate::rollout;
use crate::watch::Watched;

/// A state that was confirmed longer ago no longer counts.
pub const BELIEVED_FOR: Duration = Duration::from_secs(10 * 60);

/// The least time between two batches of rows.
pub const KEEP_EVERY: Duration = Duration::from_secs(1);

/// The interval at which the row of an unchanged state is written again.
pub const CONFIRM_EVERY: Duration = Duration::from_secs(60);

/// Rows that nothing confirmed for this long are removed.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Rows to store: the new value of each; `None` removes it.
///
/// All rows that one event changes belong together. For example, an override that replaces another one is a removal and
/// a placement: a crash between them would lose both overrides.
#[derive(Debug, Default)]
pub struct Keep {
    /// Targets' health, by fingerprint.
    pub health: BTreeMap<u128, Option<Kept>>,
    /// The agreements of the fleet, by the target's fingerprint.
    pub agreements: BTreeMap<u128, Option<KeptAgreement>>,
    /// Recovery states.
    pub recovery_states: RecoveryStates,
    /// Changes of overrides, in this order.
    pub overrides: Vec<Change>,
    /// Roll-outs.
    pub rollouts: rollout::Rows,
    /// The orders of the fleet.
    pub ledger: ledger::Rows,
    /// The identities of the fleet's streams.
    pub streams: Vec<(ledger::Book, u128)>,
}

impl Keep {
    /// The same with wall-clock times.
    pub(super) fn timed(self, now: Now) -> Self {
        let by = |time| now.to_wall(time);
        let health = |(key, kept): (_, Option<Kept>)| (key, kept.map(|kept| kept.timed(&by)));
        let agreement = |(key, kept): (_, Option<KeptAgreement>)| {
            (key, kept.map(|kept| KeptAgreement { confirmed: by(kept.confirmed), ..kept }))
        };
        let recovery_state = |(key, kept): (_, Option<RecoveryState>)| (key, kept.map(|kept| kept.timed(&by)));
        Self {
            health: self.health.into_iter().map(health).collect(),
            agreements: self.agreements.into_iter().map(agreement).collect(),
            recovery_states: self.recovery_states.into_iter().map(recovery_state).collect(),
            ..self
        }
    }

    /// True if there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        let Self { health, agreements, recovery_states, overrides, rollouts, ledger, streams } = self;
        health.is_empty()
            && agreements.is_empty()
            && recovery_states.is_empty()
            && overrides.is_empty()
            && rollouts.is_empty()
            && ledger.is_empty()
            && streams.is_empty()
    }

    /// Adds later rows.
    pub fn extend(&mut self, later: Self) {
        let Self { health, agreements, recovery_states, overrides, rollouts, ledger, streams } = later;
        self.health.extend(health);
        self.agreements.extend(agreements);
        self.recovery_states.extend(recovery_states);
        self.overrides.extend(overrides);
        self.rollouts.extend(rollouts);
        self.ledger.extend(ledger);
        self.streams.extend(streams);
    }
}

/// The rows that are kept, and the changes that are not handed over yet.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    kept: HashMap<u128, Kept>,
    /// The rows of the last run, by the question's fingerprint; of several, the worst. Cleared once a configuration is
    /// served.
    by_question: HashMap<u128, Kept>,
    /// The keys of the same rows, by the fingerprint of the question without its host. Cleared at the same time.
    by_hostless: HashMap<u128, Vec<u128>>,
    /// The agreements of the fleet, by the target's fingerprint.
    agreements: HashMap<u128, KeptAgreement>,
    /// When the node began to distrust its probes, by their means, until one of them is answered.
    fail_statics: HashMap<&'static str, Duration>,
    changed: Keep,
    handed_over: Duration,
}

impl Keeping {
    /// Takes in the rows of the last run.
    pub(super) fn restore(&mut self, kept: HashMap<u128, Kept>) {
        for (&key, row) in &kept {
            let worst = self.by_question.entry(row.question).or_insert_with(|| row.clone());
            if row.state == State::Down && worst.state != State::Down {
                *worst = row.clone();
            }
            self.by_hostless.entry(row.hostless).or_default().push(key);
        }
        self.kept = kept;
    }

    /// Takes in what the fleet had agreed on when the last run ended. Returns the part that still counts.
    pub(super) fn restore_agreements(
        &mut self,
        kept: HashMap<u128, KeptAgreement>,
        now: Duration,
    ) -> HashMap<u128, Opinion> {
        self.agreements = kept;
        let recent = self.agreements.iter().filter(|(_, kept)| kept.confirmed.abs_diff(now) <= BELIEVED_FOR);
        recent.map(|(&fingerprint, kept)| (fingerprint, kept.opinion)).collect()
    }

    /// Takes in what the fleet agrees on about a target; `None` if this node decides alone.
    pub(super) fn agree(&mut self, watched: &Watched, opinion: Option<Opinion>, now: Duration) {
        let fingerprint = watched.fingerprint();
        let before = self.agreements.get(&fingerprint);
        let Some(opinion) = opinion else {
            if self.agreements.remove(&fingerprint).is_some() {
                self.changed.agreements.insert(fingerprint, None);
            }
            return;
        };
        if before.is_some_and(|kept| kept.opinion == opinion && now.abs_diff(kept.confirmed) < CONFIRM_EVERY) {
            return;
        }
        let kept = KeptAgreement { opinion, confirmed: now };
        self.agreements.insert(fingerprint, kept);
        self.changed.agreements.insert(fingerprint, Some(kept));
    }

    /// The kept health of a target, if it still counts, and the host of the probes that found it. `present` holds the
    /// fingerprints of all targets of the new configuration.
    pub(super) fn health(
        &mut self,
        watched: &Watched,
        present: &HashSet<u128>,
        now: Duration,
    ) -> Option<(Health, Box<str>)> {
        let kept = self.kept.get(&watched.fingerprint());
        let kept = kept.or_else(|| self.by_question.get(&watched.question()));
        let kept = kept.or_else(|| self.under_another_host(watched, present))?.clone();
        let health = Health::kept(kept.state, kept.fell, kept.hold, &watched.target().monitor, now);
        // A row from the future means that the clock was wrong earlier or is wrong now.
        let is_believed = kept.confirmed.abs_diff(now) <= BELIEVED_FOR;
        let is_held = kept.state == State::Down && health.held_until() > now;
        if !is_believed && !is_held {
            return None;
        }
        let host = kept.host.clone();
        self.copy(&kept, watched, health);
        Some((health, host))
    }

    /// The row of a target that differs from this one only in its host, and that the new configuration does not have;
    /// of several, the worst.
    fn under_another_host(&self, watched: &Watched, present: &HashSet<u128>) -> Option<&Kept> {
        let keys = self.by_hostless.get(&watched.hostless())?.iter().filter(|key| !present.contains(key));
        let rows = keys.filter_map(|key| self.kept.get(key)).filter(|row| row.hostless != 0);
        // The host decides between rows that are equally bad, so that every run selects the same row.
        rows.min_by_key(|row| (row.state != State::Down, &row.host))
    }

    /// Takes in that a target continues with the health of another one. The row stays even if an outcome contradicts
    /// the state, because a hold has to outlive the process.
    pub(super) fn carry(&mut self, from: &Watched, to: &Watched, health: Health, now: Duration) {
        match self.kept.get(&from.fingerprint()).filter(|row| row.state == health.state()).cloned() {
            Some(row) => self.copy(&row, to, health),
            None => self.observe(to, health, now),
        }
    }

    /// Gives a target the row of another one.
    fn copy(&mut self, row: &Kept, to: &Watched, health: Health) {
        let (question, hostless, host) = (to.question(), to.hostless(), to.target().host.clone());
        let kept = Kept { hold: health.hold(), question, hostless, host, ..*row };
        if self.kept.get(&to.fingerprint()) != Some(&kept) {
            self.kept.insert(to.fingerprint(), kept.clone());
            self.changed.health.insert(to.fingerprint(), Some(kept));
        }
    }

    /// Takes in the health of a target after a probe.
    pub(super) fn observe(&mut self, watched: &Watched, health: Health, now: Duration) {
        let fingerprint = watched.fingerprint();
        let (state, hold) = (health.state(), health.hold());
        let is_fresh =
            |kept: &Kept| kept.state == state && kept.hold == hold && now.abs_diff(kept.confirmed) < CONFIRM_EVERY;
        // An outcome that contradicts the state does not confirm it. The state of a target that is not watched is
        // unknown.
        if state == State::Unknown || health.is_restless() || self.kept.get(&fingerprint).is_some_and(is_fresh) {
            return;
        }
        let fell = if state == State::Down { health.last_up() } else { Duration::ZERO };
        let (question, hostless, host) = (watched.question(), watched.hostless(), watched.target().host.clone());
        let kept = Kept { state, confirmed: now, fell, hold, question, hostless, host };
        self.kept.insert(fingerprint, kept.clone());
        self.changed.health.insert(fingerprint, Some(kept));
    }

    /// Forgets the health of a target that other nodes probe.
    pub(super) fn forget(&mut self, watched: &Watched) {
        if self.kept.remove(&watched.fingerprint()).is_some() {
            self.changed.health.insert(watched.fingerprint(), None);
        }
    }

    /// Removes the rows of targets that are no longer watched, and rows that are too old.
    pub(super) fn retain<'a>(&mut self, watched: impl Iterator<Item = &'a Watched>, now: Duration) {
        self.by_question.clear();
        self.by_hostless.clear();
        let (mut kept, mut agreements) = (HashMap::new(), HashMap::new());
        for fingerprint in watched.map(Watched::fingerprint) {
            agreements.extend(self.agreements.remove_entry(&fingerprint));
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
        let gone = std::mem::replace(&mut self.agreements, agreements);
        self.changed.agreements.extend(gone.into_keys().map(|fingerprint| (fingerprint, None)));
    }

    /// Takes in changed recovery states, to be kept too.
    pub(super) fn note(&mut self, recovery_states: RecoveryStates) {
        self.changed.recovery_states.extend(recovery_states);
    }

    /// Takes in changed orders of the fleet, to be kept too.
    pub(super) fn note_ledger(&mut self, rows: ledger::Rows, streams: Vec<(ledger::Book, u128)>) {
        self.changed.ledger.extend(rows);
        self.changed.streams.extend(streams);
    }

    /// Takes in the recovery states of the last run and returns the fail-static part. These are the means that the node
    /// distrusted, without an answer since then, each with its beginning.
    pub(super) fn fail_statics(&mut self, kept: &HashMap<String, RecoveryState>) -> Vec<(Means, Duration)> {
        let kept_of = |means| match kept.get(fail_static_key(means)) {
            Some(&RecoveryState::FailStatic(since)) => Some((means, since)),
            _ => None,
        };
        let fail_statics: Vec<_> = [Means::Network, Means::Programs].into_iter().filter_map(kept_of).collect();
        self.fail_statics.extend(fail_statics.iter().map(|&(means, since)| (fail_static_key(means), since)));
        fail_statics
    }

    /// Takes in when the node began to distrust these means; `None` if it never did, or something was heard since.
    pub(super) fn note_fail_static(&mut self, means: Means, since: Option<Duration>) {
        let key = fail_static_key(means);
        if self.fail_statics.get(key).copied() == since {
            return;
        }
        self.changed.recovery_states.insert(key.to_owned(), since.map(RecoveryState::FailStatic));
        match since {
            Some(since) => _ = self.fail_statics.insert(key, since),
            None => _ = self.fail_statics.remove(key),
        }
    }

    /// When changes have to be handed over, if there are any.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.changed.is_empty()).then_some(self.handed_over + KEEP_EVERY)
    }

    /// The changes, if they are due.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Keep> {
        self.due().filter(|due| *due <= now)?;
        self.handed_over = now;
        Some(std::mem::take(&mut self.changed))
    }

    /// The changes, whether they are due or not; `None` if there are none.
    pub(super) fn take(&mut self) -> Option<Keep> {
        Some(std::mem::take(&mut self.changed)).filter(|changed| !changed.is_empty())
    }
}

/// The key of a fail-static row. Keys of pools and endpoints begin with the name of a zone or with a blank, so no key
/// is equal to these.
fn fail_static_key(means: Means) -> &'static str {
    match means {
        Means::Network => "network",
        Means::Programs => "programs",
        Means::Reports => "reports",
    }
}
