//! The split of a name's pools, and the part that a client belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::Percent;
use crate::snapshot::{Plan, Snapshot};
use crate::steering::{HashKey, Set};

/// A split of a name's pools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SplitShape {
    /// The new pools.
    part: Vec<String>,
    /// The others.
    rest: Vec<String>,
    /// The share of clients that belongs to the new pools, 0-1.
    share: f64,
    /// True if this share is changing.
    ramping: bool,
    /// True if this client belongs to the new pools; absent if a draw decides for each query.
    belongs: Option<bool>,
}

impl SplitShape {
    /// Returns the split for a client with this key.
    pub(super) fn new(snapshot: &Snapshot, plan: &Plan, key: Option<HashKey>) -> Option<Self> {
        let (split, rule) = (plan.split()?, plan.rule());
        let all = rule.pools.iter().enumerate().fold(0, |set: Set, (place, _)| set | 1 << place);
        let names = |set: Set| {
            let ids = rule.pools_of(set & all);
            ids.map(|id| snapshot.world().pools[id.index()].name.to_string()).collect()
        };
        let is_settled = key.is_some() || split.is_whole();
        Some(Self {
            part: names(split.side(true)),
            rest: names(split.side(false)),
            share: f64::from(split.share.thousandths()) / 1000.0,
            ramping: split.is_ramping,
            belongs: is_settled.then(|| split.pools(key, |_| 0) == split.side(true)),
        })
    }
}

impl fmt::Display for SplitShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, rest) = (self.part.join(" and "), self.rest.join(" and "));
        let percent = Percent(self.share);
        match self.belongs {
            Some(is_first) if self.share <= 0.0 || self.share >= 1.0 => {
                let (chosen, ready) = if is_first { (part, rest) } else { (rest, part) };
                write!(f, "all clients to {chosen}")?;
                if ready.is_empty() { Ok(()) } else { write!(f, ", none to {ready}") }
            }
            Some(is_first) => {
                let here = if is_first { &part } else { &rest };
                write!(
                    f,
                    "{percent} of clients to {part}, the others to {rest}; this client goes to {here}, by its hash"
                )
            }
            None => write!(f, "{percent} of queries to {part}, the others to {rest}, by a draw for each query"),
        }
    }
}
