//! TXT records that were set on a running node.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::table::span;
use crate::printable::Printable;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtShape {
    /// Its owner.
    pub name: String,
    /// What it says.
    pub value: String,
    /// When it goes by itself: Unix time in seconds.
    pub until: u64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtList {
    /// By owner and value, in the order in which they were set.
    pub records: Vec<TxtShape>,
    /// When that was: Unix time in seconds.
    pub time: u64,
    /// The generation that they are served with, if they were changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
}

/// A change that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TxtChange {
    /// The owner, absolute whether it ends with a dot or not.
    pub name: String,
    /// What the record says. To take records away it may be left out: then all of the owner's go.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// How long it stays, such as `10m`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub lifetime: Option<String>,
}

impl fmt::Display for TxtList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.records.is_empty() {
            return f.write_str("no TXT record is set");
        }
        for (place, TxtShape { name, value, until }) in self.records.iter().enumerate() {
            let end = if place + 1 < self.records.len() { "\n" } else { "" };
            write!(f, "{name} TXT \"{}\" for {}{end}", Printable(value), span(until.saturating_sub(self.time)))?;
        }
        Ok(())
    }
}
