//! The rows of roll-outs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::StoreTable;
use crate::rollout::{Kept, KeptCanary, KeptSwitch, Phase, RolloutId};

/// Roll-outs by their zone and owner, separated by a blank.
pub const ROLLOUTS: StoreTable<String, RolloutRecord> = StoreTable::new("rollouts");

/// The state of a roll-out. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutRecord {
    /// A switch by an operator.
    Switch {
        /// The pool that the file named then.
        file: Box<str>,
        /// The pool that answers now.
        active: Box<str>,
        /// The pool that answered before.
        before: Box<str>,
        /// The time of the switch.
        since: u64,
    },
    /// The state of a canary.
    Canary {
        /// The identity of the canary.
        identity: String,
        /// The terms of the canary.
        terms: String,
        /// Its phase.
        phase: PhaseRecord,
        /// The beginning of the phase.
        since: u64,
    },
}

/// The phase of a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseRecord {
    /// It is at a step.
    Running {
        /// The index of the step.
        step: usize,
        /// The end of the step; `None` if it has none.
        next_at: Option<u64>,
    },
    /// It is paused at a step.
    Paused {
        /// The index of the step.
        step: usize,
        /// The time that is left of the step, in milliseconds; `None` if it has no end.
        left: Option<u64>,
    },
    /// It is past the last step.
    Complete,
    /// It was rolled back.
    Back {
        /// The reason.
        why: Box<str>,
    },
}

impl RolloutRecord {
    /// The key of a roll-out's row.
    pub fn key(RolloutId { zone, owner }: &RolloutId) -> String {
        // A blank in a name is always written as an escape.
        format!("{zone} {owner}")
    }

    /// Returns the row of a roll-out.
    pub fn new(kept: &Kept) -> Self {
        match kept.clone() {
            Kept::Switch(KeptSwitch { file, active, before, since }) => {
                Self::Switch { file, active, before, since: milliseconds(since) }
            }
            Kept::Canary(KeptCanary { identity, terms, phase }) => {
                let (phase, since) = match phase {
                    Phase::Running { step, since, next_at } => {
                        (PhaseRecord::Running { step, next_at: next_at.map(milliseconds) }, since)
                    }
                    Phase::Paused { step, since, left } => {
                        (PhaseRecord::Paused { step, left: left.map(milliseconds) }, since)
                    }
                    Phase::Complete { since } => (PhaseRecord::Complete, since),
                    Phase::Back { since, why } => (PhaseRecord::Back { why }, since),
                };
                Self::Canary { identity, terms, phase, since: milliseconds(since) }
            }
        }
    }

    /// Returns the roll-out's id and state; `None` if its key cannot be read.
    pub fn into_kept(self, key: &str) -> Option<(RolloutId, Kept)> {
        let (zone, owner) = key.split_once(' ')?;
        let id = RolloutId { zone: zone.into(), owner: owner.into() };
        let time = Duration::from_millis;
        let kept = match self {
            Self::Switch { file, active, before, since } => {
                Kept::Switch(KeptSwitch { file, active, before, since: time(since) })
            }
            Self::Canary { identity, terms, phase, since } => {
                let since = time(since);
                let phase = match phase {
                    PhaseRecord::Running { step, next_at } => {
                        Phase::Running { step, since, next_at: next_at.map(time) }
                    }
                    PhaseRecord::Paused { step, left } => Phase::Paused { step, since, left: left.map(time) },
                    PhaseRecord::Complete => Phase::Complete { since },
                    PhaseRecord::Back { why } => Phase::Back { since, why },
                };
                Kept::Canary(KeptCanary { identity, terms, phase })
            }
        };
        Some((id, kept))
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_out_comes_back_as_it_was() {
        let since = Duration::from_millis(1_790_000_000_123);
        let phases = [
            Phase::Running { step: 2, since, next_at: Some(since * 2) },
            Phase::Paused { step: 1, since, left: None },
            Phase::Complete { since },
            Phase::Back { since, why: "slow".into() },
        ];
        let canary = |phase| Kept::Canary(KeptCanary { identity: "next: 5 %".into(), terms: "x".into(), phase });
        let switch = KeptSwitch { file: "blue".into(), active: "green".into(), before: "blue".into(), since };
        let id = RolloutId { zone: "example.com".into(), owner: "*.apps.example.com".into() };
        for kept in phases.map(canary).into_iter().chain([Kept::Switch(switch)]) {
            let json = serde_json::to_string(&RolloutRecord::new(&kept)).unwrap();
            let record: RolloutRecord = serde_json::from_str(&json).unwrap();
            assert_eq!(record.into_kept(&RolloutRecord::key(&id)), Some((id.clone(), kept)));
        }
    }
}
