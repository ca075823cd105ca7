//! The tables, and the shapes of their rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::health::{Comeback, Kept, Share, State};
use crate::overrides::{Order, Override, OverrideId};

/// The SOA serial last served, by origin.
pub const SERIALS: Table<String, u32> = Table::new("serials");

/// A fingerprint of what a zone's files said when it had that serial, by origin.
pub const CONTENTS: Table<String, u64> = Table::new("zone-contents");

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

/// TXT records that were set while the node ran, by their owner and value with a blank between.
pub const TXT: Table<String, TxtRecord> = Table::new("txt");

/// Overrides that were placed, by their number.
pub const OVERRIDES: Table<u128, OverrideRecord> = Table::new("overrides");

/// An override that was placed. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideRecord {
    mode: String,
    target: String,
    from: Option<u64>,
    until: Option<u64>,
    #[serde(default)]
    over: Option<u64>,
    reason: Box<str>,
    who: Box<str>,
    made_at: u64,
}

impl OverrideRecord {
    /// The row of an override and its key; none for a window, which stands in the server file.
    pub fn new(item: &Override) -> Option<(u128, Self)> {
        let OverrideId::Placed(number) = item.id else { return None };
        let Order { mode, target, from, until, over, reason, who } = item.order.clone();
        let milliseconds = |time: Duration| time.as_millis() as u64;
        let record = Self {
            mode: mode.to_string(),
            target: target.to_string(),
            from: from.map(milliseconds),
            until: until.map(milliseconds),
            over: over.map(milliseconds),
            reason,
            who,
            made_at: milliseconds(item.made_at),
        };
        Some((number.into(), record))
    }

    /// The override of a row, if it can be read.
    pub fn into_override(self, key: u128) -> Option<Override> {
        let Self { mode, target, from, until, over, reason, who, made_at } = self;
        let [from, until, over] = [from, until, over].map(|time| time.map(Duration::from_millis));
        let order = Order { mode: mode.parse().ok()?, target: target.parse().ok()?, from, until, over, reason, who };
        let id = OverrideId::Placed(key.try_into().ok()?);
        Some(Override { id, made_at: Duration::from_millis(made_at), order })
    }
}

/// A TXT record that goes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtRecord {
    /// Its owner in presentation format.
    pub name: String,
    /// What it says.
    pub value: String,
    /// Unix seconds.
    pub until: u64,
}

impl TxtRecord {
    /// What its row is found by.
    pub fn key(&self) -> String {
        // No name has a blank in it that is not written as an escape.
        format!("{} {}", self.name, self.value)
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
    fn an_override_comes_back_as_it_was_and_a_window_is_not_kept() {
        let order = Order {
            mode: crate::overrides::Mode::Drain,
            target: "pool:web/*".parse().unwrap(),
            from: None,
            until: Some(Duration::from_millis(1_790_000_000_123)),
            over: Some(Duration::from_secs(300)),
            reason: "new kernel".into(),
            who: "me".into(),
        };
        let item = Override { id: OverrideId::Placed(7), made_at: Duration::from_secs(1_790_000_000), order };
        let (key, record) = OverrideRecord::new(&item).unwrap();
        assert_eq!(record.into_override(key), Some(item.clone()));
        assert_eq!(OverrideRecord::new(&Override { id: OverrideId::Window(1), ..item }), None);
    }

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
