//! The tables, and the shapes of their rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lease::LeaseRecord;
use super::table::StoreTable;
use crate::health::{Kept, KeptAgreement, KeptHold, RecoveryState, Share, State};
use crate::overrides::{Order, Override, OverrideId};

/// The SOA serial last served, by origin.
pub const SERIALS: StoreTable<String, u32> = StoreTable::new("serials");

/// The fingerprint of a zone's contents when it had that serial, by origin.
pub const CONTENTS: StoreTable<String, u64> = StoreTable::new("zone-contents");

/// The results of probes, by the target's fingerprint.
pub const HEALTH: StoreTable<u128, HealthRecord> = StoreTable::new("health");

/// The agreements of the fleet, by the target's fingerprint.
pub const AGREEMENTS: StoreTable<u128, AgreementRecord> = StoreTable::new("agreements");

/// Endpoints and pools that return slowly or are held back, by name.
pub const RECOVERIES: StoreTable<String, RecoveryRecord> = StoreTable::new("comebacks");

/// The recovery of an endpoint or a pool. Times are Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryRecord {
    /// Since this time an endpoint's share rises.
    Rising(u64),
    /// A pool is unusable, and will be held back when it recovers.
    Failed,
    /// A pool has been held back since this time.
    Held(u64),
    /// Fail-static: the node has distrusted its own probes since this time.
    #[serde(rename = "doubted")]
    FailStatic(u64),
}

impl From<RecoveryState> for RecoveryRecord {
    fn from(recovery_state: RecoveryState) -> Self {
        let milliseconds = |time: Duration| time.as_millis() as u64;
        match recovery_state {
            RecoveryState::Rising(since) => Self::Rising(milliseconds(since)),
            RecoveryState::Failed => Self::Failed,
            RecoveryState::Held(since) => Self::Held(milliseconds(since)),
            RecoveryState::FailStatic(since) => Self::FailStatic(milliseconds(since)),
        }
    }
}

impl From<RecoveryRecord> for RecoveryState {
    fn from(record: RecoveryRecord) -> Self {
        match record {
            RecoveryRecord::Rising(since) => Self::Rising(Duration::from_millis(since)),
            RecoveryRecord::Failed => Self::Failed,
            RecoveryRecord::Held(since) => Self::Held(Duration::from_millis(since)),
            RecoveryRecord::FailStatic(since) => Self::FailStatic(Duration::from_millis(since)),
        }
    }
}

/// The latest events, by their number, in the form of `/v1/events`.
pub const EVENTS: StoreTable<u128, serde_json::Value> = StoreTable::new("events");

/// TXT records that were set while the node ran, by their owner and value, separated by a blank.
pub const TXT: StoreTable<String, TxtRecord> = StoreTable::new("txt");

/// Leases of registered endpoints, by their pool and id, separated by a blank.
pub const LEASES: StoreTable<String, LeaseRecord> = StoreTable::new("leases");

/// Overrides that were placed, by their number.
pub const OVERRIDES: StoreTable<u128, OverrideRecord> = StoreTable::new("overrides");

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
    /// Returns the key and the row of an override; `None` for a window, which is in the server file.
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

    /// Returns the override of a row; `None` if it cannot be read.
    pub fn into_override(self, key: u128) -> Option<Override> {
        let Self { mode, target, from, until, over, reason, who, made_at } = self;
        let [from, until, over] = [from, until, over].map(|time| time.map(Duration::from_millis));
        let order = Order { mode: mode.parse().ok()?, target: target.parse().ok()?, from, until, over, reason, who };
        let id = OverrideId::Placed(key.try_into().ok()?);
        Some(Override { id, made_at: Duration::from_millis(made_at), order })
    }
}

/// A TXT record with an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtRecord {
    /// Its owner, in presentation format.
    pub name: String,
    /// Its text.
    pub value: String,
    /// Its end in Unix seconds.
    pub until: u64,
}

impl TxtRecord {
    /// The key of its row.
    pub fn key(&self) -> String {
        // A blank in a name is always written as an escape.
        format!("{} {}", self.name, self.value)
    }
}

/// The state of a target, and the time when a probe last confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRecord {
    /// The share of its clients that it keeps, in thousandths: 1000 is up, 0 is down or drained.
    share: u16,
    /// True if it serves but asks for no clients.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    drained: bool,
    /// Time of the last confirmation, in Unix seconds.
    confirmed: u64,
    /// Time when it last went down, in Unix milliseconds; 0 for never.
    #[serde(default, skip_serializing_if = "is_zero")]
    fell: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<HoldRecord>,
    /// The fingerprint of the probe's question, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    question: String,
    /// The fingerprint of the question without its host, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    hostless: String,
    /// The host that its probes asked for.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    host: Box<str>,
}

/// The hold-down of a target that went down. Times are Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HoldRecord {
    until: u64,
    risen: u64,
    doublings: u8,
}

impl HealthRecord {
    /// Returns the row to keep; `None` for a state that no probe found.
    pub fn new(kept: Kept) -> Option<Self> {
        let (share, drained) = match kept.state {
            State::Unknown => return None,
            State::Up => (Share::FULL, false),
            State::Degraded(share) => (share, !share.is_some()),
            State::Down => (Share::NONE, false),
        };
        let hold = kept.hold.map(|KeptHold { until, risen, doublings }| HoldRecord {
            until: until.as_millis() as u64,
            risen: risen.as_millis() as u64,
            doublings,
        });
        let [question, hostless] = [kept.question, kept.hostless].map(|fingerprint| format!("{fingerprint:x}"));
        let (confirmed, fell) = (kept.confirmed.as_secs(), kept.fell.as_millis() as u64);
        Some(Self { share: share.thousandths(), drained, confirmed, fell, hold, question, hostless, host: kept.host })
    }
}

impl From<HealthRecord> for Kept {
    fn from(record: HealthRecord) -> Self {
        let HealthRecord { share, drained, confirmed, fell, hold, question, hostless, host } = record;
        let state = match Share::from_thousandths(share) {
            Share::NONE if !drained => State::Down,
            Share::FULL => State::Up,
            share => State::Degraded(share),
        };
        let hold = hold.map(|HoldRecord { until, risen, doublings }| KeptHold {
            until: Duration::from_millis(until),
            risen: Duration::from_millis(risen),
            doublings,
        });
        let [question, hostless] = [question, hostless].map(|text| u128::from_str_radix(&text, 16).unwrap_or_default());
        let (confirmed, fell) = (Duration::from_secs(confirmed), Duration::from_millis(fell));
        Self { state, confirmed, fell, hold, question, hostless, host }
    }
}

/// The agreement of a fleet about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementRecord {
    /// The share of its clients that it keeps, in thousandths; `None` if it is down.
    share: Option<u16>,
    /// When answers last followed it, in Unix seconds.
    confirmed: u64,
}

impl From<KeptAgreement> for AgreementRecord {
    fn from(KeptAgreement { opinion, confirmed }: KeptAgreement) -> Self {
        Self { share: opinion.map(Share::thousandths), confirmed: confirmed.as_secs() }
    }
}

impl From<AgreementRecord> for KeptAgreement {
    fn from(AgreementRecord { share, confirmed }: AgreementRecord) -> Self {
        Self { opinion: share.map(Share::from_thousandths), confirmed: Duration::from_secs(confirmed) }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
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

    fn kept() -> Kept {
        let (confirmed, fell) = (Duration::from_secs(1_790_000_000), Duration::ZERO);
        Kept {
            state: State::Up,
            confirmed,
            fell,
            hold: None,
            question: u128::MAX,
            hostless: 7,
            host: "a.example".into(),
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was() {
        let (confirmed, until) = (Duration::from_secs(1_790_000_000), Duration::from_millis(1_790_000_060_500));
        let held = Some(KeptHold { until, risen: Duration::ZERO, doublings: 3 });
        let states =
            [State::Up, State::Down, State::Degraded(Share::from_thousandths(250)), State::Degraded(Share::NONE)];
        for (state, hold) in states.into_iter().flat_map(|state| [(state, None), (state, held)]) {
            let kept = Kept { state, confirmed, fell: confirmed, hold, ..kept() };
            assert_eq!(HealthRecord::new(kept.clone()).map(Kept::from), Some(kept));
        }
        assert_eq!(HealthRecord::new(Kept { state: State::Unknown, ..kept() }), None);
    }

    #[test]
    fn rows_of_earlier_versions_are_read() {
        let record: HealthRecord = serde_json::from_str(r#"{"share":0,"confirmed":1790000000}"#).unwrap();
        let confirmed = Duration::from_secs(1_790_000_000);
        assert_eq!(
            Kept::from(record),
            Kept { state: State::Down, confirmed, question: 0, hostless: 0, host: "".into(), ..kept() }
        );
    }

    #[test]
    fn what_comes_back_does_so_as_it_was_and_is_named_as_in_earlier_versions() {
        let time = Duration::from_millis(1_790_000_000_123);
        for (recovery_state, row) in [
            (RecoveryState::Rising(time), r#"{"rising":1790000000123}"#),
            (RecoveryState::Failed, r#""failed""#),
            (RecoveryState::Held(time), r#"{"held":1790000000123}"#),
            (RecoveryState::FailStatic(time), r#"{"doubted":1790000000123}"#),
        ] {
            let record = RecoveryRecord::from(recovery_state);
            assert_eq!(serde_json::to_string(&record).unwrap(), row);
            assert_eq!(serde_json::from_str::<RecoveryRecord>(row).unwrap(), record);
            assert_eq!(RecoveryState::from(record), recovery_state);
        }
    }
}
