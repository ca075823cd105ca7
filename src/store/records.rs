//! The tables, and the shapes of their rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::health::{Kept, Share, State};
use crate::overrides::{Order, Override, OverrideId};

/// The SOA serial last served, by origin.
pub const SERIALS: Table<String, u32> = Table::new("serials");

/// What probes found, by the target's fingerprint.
pub const HEALTH: Table<u128, HealthRecord> = Table::new("health");

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
    reason: Box<str>,
    who: Box<str>,
    made_at: u64,
}

impl OverrideRecord {
    /// The row of an override and its key; none for a window, which stands in the server file.
    pub fn new(item: &Override) -> Option<(u128, Self)> {
        let OverrideId::Placed(number) = item.id else { return None };
        let Order { mode, target, from, until, reason, who } = item.order.clone();
        let milliseconds = |time: Duration| time.as_millis() as u64;
        let record = Self {
            mode: mode.to_string(),
            target: target.to_string(),
            from: from.map(milliseconds),
            until: until.map(milliseconds),
            reason,
            who,
            made_at: milliseconds(item.made_at),
        };
        Some((number.into(), record))
    }

    /// The override of a row, if it can be read.
    pub fn into_override(self, key: u128) -> Option<Override> {
        let Self { mode, target, from, until, reason, who, made_at } = self;
        let (from, until) = (from.map(Duration::from_millis), until.map(Duration::from_millis));
        let order = Order { mode: mode.parse().ok()?, target: target.parse().ok()?, from, until, reason, who };
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
}
