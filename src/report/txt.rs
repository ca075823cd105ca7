//! TXT records that were set on a running node, in JSON and as text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kept::{self, FleetShare};
use super::table::span;
use crate::printable::Printable;

/// A TXT record that was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtShape {
    /// Its owner.
    pub name: String,
    /// Its value.
    pub value: String,
    /// When it is removed: Unix time in seconds.
    pub until: u64,
}

/// All TXT records that were set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtList {
    /// Ordered by owner and value, in the order in which they were set.
    pub records: Vec<TxtShape>,
    /// The time of this list: Unix time in seconds.
    pub time: u64,
    /// The first generation with the change, if there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// After an order: true if it is in the state folder, so that a restart keeps it; false if the disk did not take it
    /// in time. Absent if nothing was ordered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept: Option<bool>,
    /// After an order: whether the fleet has it. Absent if nothing was ordered, and without a fleet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fleet: Option<FleetShare>,
}

/// The TXT records that were set at one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtOfName {
    /// Their owner.
    pub name: String,
    /// Their values, in the order of their octets.
    pub values: Vec<String>,
    /// When the first of them is removed: Unix time in seconds.
    pub until: u64,
    /// The first generation with the change, if there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// After an order: as in [`TxtList`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept: Option<bool>,
    /// After an order: as in [`TxtList`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fleet: Option<FleetShare>,
}

/// A request to replace the TXT records that were set at the name in its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TxtReplacement {
    /// The name of the path once more, or nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The values.
    pub values: Vec<String>,
    /// Time for which the records are served, such as `10m`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub lifetime: Option<String>,
}

/// A request to set or remove TXT records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TxtChange {
    /// The owner, absolute with or without a final dot.
    pub name: String,
    /// The record's value. A request to remove records may leave it out, to remove all records of the owner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// Time for which the record is served, such as `10m`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub lifetime: Option<String>,
}

impl fmt::Display for TxtList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.records.is_empty() {
            f.write_str("no TXT record is set")?;
        }
        for (place, TxtShape { name, value, until }) in self.records.iter().enumerate() {
            let end = if place + 1 < self.records.len() { "\n" } else { "" };
            write!(f, "{name} TXT \"{}\" for {}{end}", Printable(value), span(until.saturating_sub(self.time)))?;
        }
        f.write_str(&kept::warning(self.kept, self.fleet.as_ref()))
    }
}
