//! Counters of the outcomes of probes, and of the states that they led to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::counters::Histogram;
use crate::health::{Outcome, State, Target, Times};

/// Counters of probes since the start, by the protocol of the probe. Control writes them; others may read meanwhile.
#[derive(Debug, Default)]
pub struct ProbeCounters(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    outcomes: BTreeMap<(&'static str, &'static str), u64>,
    times: BTreeMap<(&'static str, &'static str), Arc<Histogram>>,
    turns: BTreeMap<(Box<str>, &'static str), u64>,
}

impl ProbeCounters {
    /// Counts an outcome of a target's probe.
    pub fn observe(&self, target: &Target, outcome: &Outcome) {
        let check = target.monitor.check.as_str();
        let mut counts = self.counts();
        let result = match outcome {
            Outcome::Success(_) => "success",
            Outcome::Failure(failure) => failure.kind(),
        };
        *counts.outcomes.entry((check, result)).or_default() += 1;
        let Outcome::Success(finding) = outcome else { return };
        let Times { connect, handshake, first_byte } = finding.times;
        let phases =
            [("all", Some(finding.took)), ("connect", connect), ("handshake", handshake), ("first_byte", first_byte)];
        for (phase, time) in phases {
            if let Some(time) = time {
                counts.times.entry((check, phase)).or_default().record(time);
            }
        }
    }

    /// Counts an endpoint of this pool that came to a state.
    pub fn turn(&self, pool: &str, to: State) {
        let to = match to {
            State::Down => "down",
            State::Degraded(share) if !share.is_some() => "drained",
            State::Degraded(_) => "degraded",
            State::Up | State::Unknown => "up",
        };
        *self.counts().turns.entry((pool.into(), to)).or_default() += 1;
    }

    /// Returns the number of outcomes by protocol and result: `success`, or the kind of the failure.
    pub fn outcomes(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.counts().outcomes.clone()
    }

    /// Returns the times of successful probes by protocol and part: `all` of the probe, `connect`, `handshake` and
    /// `first_byte`.
    pub fn times(&self) -> BTreeMap<(&'static str, &'static str), Arc<Histogram>> {
        self.counts().times.clone()
    }

    /// Returns how often endpoints of a pool came to a state: `up`, `degraded`, `drained` or `down`.
    pub fn turns(&self) -> BTreeMap<(Box<str>, &'static str), u64> {
        self.counts().turns.clone()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A panic while the lock was held can at most have lost a count.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
