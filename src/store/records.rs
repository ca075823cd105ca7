//! The tables, and the shapes of their rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::health::{Comeback, Kept, Share, State};

/// The SOA serial last served, by origin.
pub const SERIALS: Table<String, u32> = Table::new("serials");

/// What probes found, by the target's fingerprint.
pub const HEALTH: Table<u128, HealthRecord> = Table::new("health");

/// What comes back slowly or is held back, by the name of the endpoint or pool.
pub const COMEBACKS: Table<String, ComebackRecord> = Table::new("comebacks");

/// What comes back. Times are Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComebackRecord {
    /// An endpoint takes more and more of its clients since then.
    Rising(u64),
    /// A pool is unusable, and will be held back.
    Failed,
    /// A pool is held back since then.
    Held(u64),
}

impl From<Comeback> for ComebackRecord {
    fn from(comeback: Comeback) -> Self {
        let milliseconds = |time: Duration| time.as_millis() as u64;
        match comeback {
            Comeback::Rising(since) => Self::Rising(milliseconds(since)),
            Comeback::Failed => Self::Failed,
            Comeback::Held(since) => Self::Held(milliseconds(since)),
        }
    }
}

impl From<ComebackRecord> for Comeback {
    fn from(record: ComebackRecord) -> Self {
        match record {
            ComebackRecord::Rising(since) => Self::Rising(Duration::from_millis(since)),
            ComebackRecord::Failed => Self::Failed,
            ComebackRecord::Held(since) => Self::Held(Duration::from_millis(since)),
        }
    }
}

/// A target's state, and when a probe confirmed it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRecord {
    /// The share of its clients that it keeps, in thousandths: 1000 is up, 0 is down.
    share: u16,
    /// Unix seconds.
    confirmed: u64,
}

impl HealthRecord {
    /// What is to be kept of this; nothing of a state that no probe found.
    pub fn new(kept: Kept) -> Option<Self> {
        let share = match kept.state {
            State::Unknown => return None,
            State::Up => Share::FULL,
            State::Degraded(share) => share,
            State::Down => Share::NONE,
        };
        Some(Self { share: share.thousandths(), confirmed: kept.confirmed.as_secs() })
    }
}

impl From<HealthRecord> for Kept {
    fn from(HealthRecord { share, confirmed }: HealthRecord) -> Self {
        let state = match Share::from_thousandths(share) {
            Share::NONE => State::Down,
            Share::FULL => State::Up,
            share => State::Degraded(share),
        };
        Self { state, confirmed: Duration::from_secs(confirmed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_as_it_was() {
        let states = [State::Up, State::Down, State::Degraded(Share::from_thousandths(250))];
        for state in states {
            let kept = Kept { state, confirmed: Duration::from_secs(1_790_000_000) };
            assert_eq!(HealthRecord::new(kept).map(Kept::from), Some(kept));
        }
        let unknown = Kept { state: State::Unknown, confirmed: Duration::ZERO };
        assert_eq!(HealthRecord::new(unknown), None);
    }

    #[test]
    fn what_comes_back_does_so_as_it_was() {
        let time = Duration::from_millis(1_790_000_000_123);
        for comeback in [Comeback::Rising(time), Comeback::Failed, Comeback::Held(time)] {
            assert_eq!(Comeback::from(ComebackRecord::from(comeback)), comeback);
        }
    }
}
