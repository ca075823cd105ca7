//! Names with their pools, and the tables of both.

use std::collections::{BTreeMap, BTreeSet};

use super::tables::Pool;
use super::text::{Table, Value};

/// A name whose answers are chosen. Pools have their names: `web`, or `web/fra` for a part of an entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Steered {
    /// Pools, best first for the step `failover`; those of an inner list are tied.
    pub(super) tiers: Vec<Vec<Use>>,
    pub(super) steer: Vec<&'static str>,
    pub(super) map: Option<String>,
    pub(super) only: Option<bool>,
    pub(super) pick: Option<&'static str>,
    pub(super) answers: Option<u32>,
    pub(super) fallback: Option<String>,
    pub(super) all_down: Option<&'static str>,
    pub(super) ttl: Option<u32>,
    pub(super) ttl_min: Option<u32>,
    pub(super) comments: Vec<String>,
}

/// A pool of a name, its weight for draws, and its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) pool: String,
    pub(super) weight: u16,
    /// True if it is drained in the answers of the name.
    pub(super) is_drained: bool,
}

impl Use {
    pub(super) fn new(pool: &str) -> Self {
        Self::weighted(pool, 1)
    }

    pub(super) fn weighted(pool: &str, weight: u16) -> Self {
        Self { pool: pool.to_owned(), weight, is_drained: false }
    }

    /// True if it is no more than the name of its pool.
    fn is_plain(&self) -> bool {
        self.weight == 1 && !self.is_drained
    }
}

/// How pools are written: the entries that have a list for each datacenter, with their datacenters.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<String, Vec<String>>);

impl Entries {
    /// Returns the tables of the pools that are used, and how to refer to them.
    pub(super) fn of(pools: &BTreeMap<String, Pool>, used: &BTreeSet<String>) -> (Vec<Table>, Self) {
        let mut groups: BTreeMap<&str, Vec<(&str, &Pool)>> = BTreeMap::new();
        let mut tables = Vec::new();
        let mut entries = Self::default();
        for (name, pool) in pools.iter().filter(|(name, _)| used.contains(*name)) {
            match name.split_once('/') {
                Some((entry, part)) => groups.entry(entry).or_default().push((part, pool)),
                None => tables.push(pool.table(name)),
            }
        }
        for (entry, parts) in groups {
            let is_free = !pools.contains_key(entry);
            if is_free && parts.iter().all(|(_, pool)| pool.is_like(parts[0].1)) {
                let parts: Vec<(String, Pool)> =
                    parts.into_iter().map(|(part, pool)| (part.to_owned(), pool.clone())).collect();
                tables.push(Pool::table_of_parts(entry, &parts));
                entries.0.insert(entry.to_owned(), parts.into_iter().map(|(part, _)| part).collect());
            } else {
                tables.extend(parts.iter().map(|(part, pool)| pool.table(&format!("{entry}.{part}"))));
            }
        }
        (tables, entries)
    }

    /// Returns the reference to a pool.
    fn reference(&self, pool: &str) -> String {
        match pool.split_once('/') {
            Some((entry, part)) if !self.0.contains_key(entry) => format!("{entry}.{part}"),
            _ => pool.to_owned(),
        }
    }

    /// Returns the references to the pools of a tier. All parts of an entry are the entry itself.
    fn tier(&self, tier: &[Use]) -> Vec<Value> {
        let mut items = Vec::new();
        let mut whole: BTreeSet<&str> = BTreeSet::new();
        for used in tier {
            let entry = used.pool.split_once('/').map(|(entry, _)| entry).filter(|entry| {
                let parts = self.0.get(*entry).map_or(&[][..], Vec::as_slice);
                let is_used = |part: &String| {
                    tier.iter().any(|other| other.pool == format!("{entry}/{part}") && other.is_plain())
                };
                !parts.is_empty() && parts.iter().all(is_used)
            });
            match entry {
                Some(entry) => {
                    if whole.insert(entry) {
                        items.push(entry.into());
                    }
                }
                None if used.is_plain() => items.push(self.reference(&used.pool).into()),
                None => {
                    let mut keys = vec![("pool".to_owned(), self.reference(&used.pool).into())];
                    if used.weight != 1 {
                        keys.push(("weight".to_owned(), u32::from(used.weight).into()));
                    }
                    if used.is_drained {
                        keys.push(("mode".to_owned(), "drain".into()));
                    }
                    items.push(Value::Inline(keys));
                }
            }
        }
        items
    }

    /// Returns the table of a name.
    pub(super) fn table(&self, owner: &str, name: &Steered) -> Table {
        let mut table = Table { comments: name.comments.clone(), ..Table::new(&["names", owner]) };
        let ordered = name.steer.contains(&"failover");
        let tiers = name.tiers.iter().map(|tier| self.tier(tier));
        let pools: Vec<Value> = if ordered {
            let tier = |items: Vec<Value>| match &items[..] {
                [one] => one.clone(),
                _ => Value::List(items),
            };
            tiers.map(tier).collect()
        } else {
            // Without that step all are tied anyway.
            self.tier(&name.tiers.iter().flatten().cloned().collect::<Vec<_>>())
        };
        table.set("pools", Value::List(pools));
        table.set("steer", name.steer.clone());
        let texts = [
            ("map", name.map.as_deref()),
            ("pick", name.pick),
            ("fallback", name.fallback.as_deref()),
            ("all_down", name.all_down),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                let text = if key == "fallback" { self.reference(text) } else { text.to_owned() };
                table.set(key, text);
            }
        }
        if let Some(only) = name.only {
            table.set("only", only);
        }
        for (key, number) in [("answers", name.answers), ("ttl", name.ttl), ("ttl_min", name.ttl_min)] {
            if let Some(number) = number {
                table.set(key, number);
            }
        }
        table
    }
}

impl Steered {
    /// Drains those of its pools that are among these.
    pub(super) fn drain(&mut self, pools: &BTreeSet<String>) {
        for used in self.tiers.iter_mut().flatten() {
            used.is_drained |= pools.contains(&used.pool);
        }
        if let Some(fallback) = self.fallback.as_ref().filter(|fallback| pools.contains(*fallback)) {
            self.comments.push(format!("its fallback {fallback} was forced down"));
        }
    }

    /// The names of all its pools.
    pub(super) fn pools(&self) -> impl Iterator<Item = &String> {
        self.tiers.iter().flatten().map(|used| &used.pool).chain(&self.fallback)
    }
}
