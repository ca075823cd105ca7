//! The rows of the ledger, and entries as JSON: the same shape in the state folder and in messages.

use serde::{Deserialize, Serialize};

use super::lease::LeaseRecord;
use super::records::OverrideRecord;
use super::rollouts::RolloutRecord;
use super::table::StoreTable;
use super::versions::ReleasesRecord;
use crate::health::PoolKey;
use crate::ledger::{Book, Content, Entry, KeptLedger, KeptRow, Matter, Origin, TargetOrders};
use crate::name::Name;
use crate::overrides::OverrideId;
use crate::rollout::RolloutId;
use crate::vantage::NodeName;

/// What the fleet ordered, and what this node ordered that the fleet has not heard, by the subject.
pub const LEDGER: StoreTable<String, LedgerRecord> = StoreTable::new("ledger");

/// The identities of the fleet's streams, in hexadecimal digits, by their names.
pub const STREAMS: StoreTable<String, String> = StoreTable::new("streams");

/// Longest `who` and longest text of a name, in octets. Longer ones are not read.
const MAX_TEXT: usize = 2048;

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// The number of the latest entry in the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heard: Option<EntryRecord>,
    /// The word of this node that the stream has not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<EntryRecord>,
    /// The number of the latest entry in the stream that was known when that word was given.
    #[serde(default)]
    basis: u64,
}

/// An entry. One of its subjects is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryRecord {
    node: String,
    run: u64,
    number: u64,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    who: Box<str>,
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    target: Option<TargetShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    txt: Option<TxtShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollout: Option<RolloutShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zones: Option<ReleasesRecord>,
}

/// The overrides of a target; without them, all were lifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TargetShape {
    target: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    opens: bool,
    /// By their numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    placed: Option<Vec<(u64, OverrideRecord)>>,
}

/// A TXT record; without `until` it was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TxtShape {
    name: String,
    value: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// A lease; without `row` it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct LeaseShape {
    pool: String,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row: Option<LeaseRecord>,
}

/// A roll-out; without `row` it is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RolloutShape {
    zone: Box<str>,
    owner: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row: Option<RolloutRecord>,
}

impl LedgerRecord {
    /// Returns the record of a row.
    pub fn new(row: &KeptRow) -> Self {
        let KeptRow { heard, waiting, basis } = row;
        Self {
            sequence: heard.as_ref().map(|(sequence, _)| *sequence),
            heard: heard.as_ref().map(|(_, entry)| EntryRecord::new(entry)),
            waiting: waiting.as_ref().map(EntryRecord::new),
            basis: *basis,
        }
    }

    /// Returns the row; `None` if it cannot be read.
    pub fn into_row(self) -> Option<KeptRow> {
        let Self { sequence, heard, waiting, basis } = self;
        let heard = match (sequence, heard) {
            (Some(sequence), Some(heard)) => Some((sequence, heard.into_entry()?)),
            _ => None,
        };
        let waiting = match waiting {
            Some(waiting) => Some(waiting.into_entry()?),
            None => None,
        };
        Some(KeptRow { heard, waiting, basis })
    }
}

impl EntryRecord {
    /// Returns the record of an entry.
    pub fn new(entry: &Entry) -> Self {
        let Origin { node, run, number, who } = entry.origin();
        let (mut target, mut txt, mut lease, mut rollout, mut zones) = (None, None, None, None, None);
        match (entry.matter(), entry.content()) {
            (Matter::Target(of), content) => {
                let orders = if let Some(Content::Target(orders)) = content { Some(orders) } else { None };
                let placed = orders.map(|orders| orders.placed.iter().filter_map(override_record).collect());
                let opens = orders.is_some_and(|orders| orders.opens);
                target = Some(TargetShape { target: of.to_string(), opens, placed });
            }
            (Matter::Txt(name, value), content) => {
                let until = if let Some(Content::Txt(until)) = content { Some(*until) } else { None };
                txt = Some(TxtShape { name: name.to_string(), value: value.clone(), until });
            }
            (Matter::Lease(pool, id), content) => {
                let row = if let Some(Content::Lease(row)) = content { Some(LeaseRecord::new(row)) } else { None };
                lease = Some(LeaseShape { pool: pool.to_string(), id: id.to_string(), row });
            }
            (Matter::Rollout(RolloutId { zone, owner }), content) => {
                let row =
                    if let Some(Content::Rollout(kept)) = content { Some(RolloutRecord::new(kept)) } else { None };
                rollout = Some(RolloutShape { zone: zone.clone(), owner: owner.clone(), row });
            }
            (Matter::Zones, content) => {
                let releases = if let Some(Content::Zones(releases)) = content { Some(releases) } else { None };
                zones = Some(ReleasesRecord::new(releases));
            }
        }
        let (run, number, who) = (*run, *number, who.clone());
        Self { node: node.to_string(), run, number, who, target, txt, lease, rollout, zones }
    }

    /// Returns the entry; `None` if it cannot be read.
    pub fn into_entry(self) -> Option<Entry> {
        let Self { node, run, number, who, target, txt, lease, rollout, zones } = self;
        if who.len() > MAX_TEXT {
            return None;
        }
        let (matter, content) = match (target, txt, lease, rollout, zones) {
            (Some(of), None, None, None, None) => of.read()?,
            (None, Some(of), None, None, None) => of.read()?,
            (None, None, Some(of), None, None) => of.read()?,
            (None, None, None, Some(of), None) => of.read()?,
            (None, None, None, None, Some(of)) => of.read()?,
            _ => return None,
        };
        let origin = Origin { node: NodeName::try_new(&node)?, run, number, who };
        Entry::try_new(matter, content, origin)
    }
}

fn override_record(item: &crate::overrides::Override) -> Option<(u64, OverrideRecord)> {
    let OverrideId::Placed(number) = item.id else { return None };
    OverrideRecord::new(item).map(|(_, record)| (number, record))
}

impl TargetShape {
    fn read(self) -> Option<(Matter, Option<Content>)> {
        let Self { target, opens, placed } = self;
        let item = |(number, record): (u64, OverrideRecord)| record.into_override(number.into());
        let content = match placed {
            Some(placed) => {
                let placed = placed.into_iter().map(item).collect::<Option<Vec<_>>>()?;
                Some(Content::Target(TargetOrders { placed, opens }))
            }
            None => None,
        };
        Some((Matter::Target(target.parse().ok()?), content))
    }
}

impl TxtShape {
    fn read(self) -> Option<(Matter, Option<Content>)> {
        let Self { name, value, until } = self;
        let name = Name::parse(&name, &Name::root()).ok()?;
        let is_fit = !value.is_empty() && value.len() <= MAX_TEXT;
        is_fit.then(|| (Matter::Txt(name, value), until.map(Content::Txt)))
    }
}

impl LeaseShape {
    fn read(self) -> Option<(Matter, Option<Content>)> {
        let Self { pool, id, row } = self;
        let content = match row {
            Some(row) => Some(Content::Lease(row.into_row()?)),
            None => None,
        };
        let is_fit = pool.len() <= MAX_TEXT;
        is_fit.then_some((Matter::Lease(PoolKey::from_kept(pool), id.parse().ok()?), content))
    }
}

impl RolloutShape {
    fn read(self) -> Option<(Matter, Option<Content>)> {
        let Self { zone, owner, row } = self;
        let id = RolloutId { zone, owner };
        let content = match row {
            Some(row) => Some(Content::Rollout(row.into_kept(&format!("{} {}", id.zone, id.owner))?.1)),
            None => None,
        };
        (id.zone.len() + id.owner.len() <= MAX_TEXT).then_some((Matter::Rollout(id), content))
    }
}

impl super::Store {
    /// Returns the ledger that an earlier run kept.
    pub fn ledger(&self) -> KeptLedger {
        let stream = |(name, identity): (String, String)| {
            let book = Book::ALL.into_iter().find(|book| book.as_str() == name)?;
            Some((book, u128::from_str_radix(&identity, 16).ok()?))
        };
        KeptLedger {
            rows: self.all(&LEDGER).into_values().filter_map(LedgerRecord::into_row).collect(),
            streams: self.all(&STREAMS).into_iter().filter_map(stream).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::overrides::{Mode, Order, Override};

    fn origin() -> Origin {
        Origin { node: NodeName::try_new("ns1").unwrap(), run: 7, number: 9, who: "ada".into() }
    }

    fn entries() -> Vec<Entry> {
        let order = Order {
            mode: Mode::Drain,
            target: "pool:web/*".parse().unwrap(),
            from: None,
            until: Some(Duration::from_millis(1_790_000_000_123)),
            over: None,
            reason: "new kernel".into(),
            who: "ada at ns1".into(),
        };
        let placed = vec![Override { id: OverrideId::Placed(4097), made_at: Duration::from_secs(5), order }];
        let target = Matter::Target("pool:web/*".parse().unwrap());
        let txt = Matter::Txt(Name::parse("_acme-challenge.example.", &Name::root()).unwrap(), "a b".into());
        let rollout = Matter::Rollout(RolloutId { zone: "example.com".into(), owner: "api.example.com".into() });
        let lease = Matter::Lease(PoolKey::new("example.com.", "web/fra"), "i-1".parse().unwrap());
        [
            (target.clone(), Some(Content::Target(TargetOrders { placed, opens: true }))),
            (target, None),
            (txt.clone(), Some(Content::Txt(1_790_000_000))),
            (txt, None),
            (rollout, None),
            (lease, None),
        ]
        .into_iter()
        .map(|(matter, content)| Entry::try_new(matter, content, origin()).unwrap())
        .collect()
    }

    #[test]
    fn an_entry_comes_back_as_it_was() {
        for entry in entries() {
            let text = serde_json::to_string(&EntryRecord::new(&entry)).unwrap();
            assert_eq!(serde_json::from_str::<EntryRecord>(&text).unwrap().into_entry(), Some(entry), "{text}");
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        let [first, second] = [0, 1].map(|number| entries()[number].clone());
        for row in [
            KeptRow { heard: Some((3, first.clone())), waiting: Some(second), basis: 2 },
            KeptRow { heard: None, waiting: Some(first), basis: 0 },
        ] {
            let text = serde_json::to_string(&LedgerRecord::new(&row)).unwrap();
            assert_eq!(serde_json::from_str::<LedgerRecord>(&text).unwrap().into_row(), Some(row), "{text}");
        }
    }

    #[test]
    fn what_is_no_entry_is_not_read() {
        for text in [
            r#"{"node":"ns1","run":1,"number":1}"#,
            r#"{"node":"a b","run":1,"number":1,"txt":{"name":"a.","value":"x"}}"#,
            r#"{"node":"ns1","run":1,"number":1,"txt":{"name":"a.","value":""}}"#,
            r#"{"node":"ns1","run":1,"number":1,"txt":{"name":"a.","value":"x"},"lease":{"pool":" web","id":"i"}}"#,
            r#"{"node":"ns1","run":1,"number":1,"override":{"target":"dc"}}"#,
            r#"{"node":"ns1","run":1,"number":1,"override":{"target":"dc:fra","placed":[[1,{"mode":"drain","target":"dc:iad","from":null,"until":null,"reason":"","who":"","made_at":1}]]}}"#,
        ] {
            let read = serde_json::from_str::<EntryRecord>(text).unwrap();
            assert_eq!(read.into_entry(), None, "{text}");
        }
    }
}
