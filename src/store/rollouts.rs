//! Rows of roll-outs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::StoreTable;
use crate::rollout::{Kept, KeptCanary, KeptSwitch, Phase, RolloutId};

/// Roll-outs, by their zone and owner with a blank between.
pub const ROLLOUTS: StoreTable<String, RolloutRecord> = StoreTable::new("rollouts");

/// Where a roll-out stands. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutRecord {
    /// An operator switched it.
    Switch {
        /// What the file said then.
        file: Box<str>,
        /// The pool that answers.
        active: Box<str>,
        /// The one that did before.
        before: Box<str>,
        /// When.
        since: u64,
    },
    /// A canary.
    Canary {
        /// Which one.
        identity: String,
        /// On which terms.
        terms: String,
        /// Where it is.
        phase: PhaseRecord,
        /// Since when.
        since: u64,
    },
}

/// A canary's phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseRecord {
    /// At a step until some time.
    Running {
        /// Which step.
        step: usize,
        /// Until when.
        next_at: Option<u64>,
    },
    /// At a step, with so much of it left: milliseconds.
    Paused {
        /// Which step.
        step: usize,
        /// How much longer it is to be held.
        left: Option<u64>,
    },
    /// Past the last step.
    Complete,
    /// Taken back.
    Back {
        /// Why.
        why: Box<str>,
    },
}

impl RolloutRecord {
    /// What the row of a roll-out is found by.
    pub fn key(RolloutId { zone, owner }: &RolloutId) -> String {
        // No name has a blank in it that is not written as an escape.
        format!("{zone} {owner}")
    }

    /// The row.
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

    /// What it says, and of which roll-out, if its key can be read.
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
