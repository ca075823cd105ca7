//! Overrides: what an operator says is to answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::table::{TextTable, span};
use crate::overrides::{Change, Override};
use crate::printable::Printable;

/// An override, or a window of the server file. Times are Unix times in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideShape {
    /// A number; `window-N` for a window. It is a notice's own `id` that bears that name there.
    #[serde(rename = "override")]
    pub number: String,
    /// `drain`, `open`, `force-up` or `force-down`.
    pub mode: String,
    /// `dc:fra`, `pool:web/fra`, `endpoint:192.0.2.10` or `name:www.example.com`.
    pub target: String,
    /// From when on; at once without it.
    pub from: Option<u64>,
    /// Until when; until it is lifted without it.
    pub until: Option<u64>,
    /// How many seconds a drain takes, from its beginning on; at once without it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub over: Option<u64>,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub who: String,
    /// What happened to it: `placed`, `began`, `ended` or `lifted`; absent where that is not what is told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub happening: Option<String>,
    /// Whether it is in force; absent likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub in_force: Option<bool>,
}

impl From<&Override> for OverrideShape {
    fn from(Override { id, made_at: _, order }: &Override) -> Self {
        Self {
            number: id.to_string(),
            mode: order.mode.to_string(),
            target: order.target.to_string(),
            from: order.from.map(|time| time.as_secs()),
            until: order.until.map(|time| time.as_secs()),
            over: order.over.map(|time| time.as_secs()),
            reason: Printable(&order.reason).to_string(),
            who: Printable(&order.who).to_string(),
            happening: None,
            in_force: None,
        }
    }
}

impl From<&Change> for OverrideShape {
    fn from(Change { happening, item }: &Change) -> Self {
        Self { happening: Some(happening.as_str().to_owned()), ..item.into() }
    }
}

/// Overrides: all of them, or those to which something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideList {
    /// Windows first, in the order in which they were made.
    pub overrides: Vec<OverrideShape>,
    /// When that was: Unix time in seconds.
    pub time: u64,
}

/// An override that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideOrder {
    /// `drain`, `open`, `force-up` or `force-down`.
    pub mode: String,
    /// With what.
    pub target: String,
    /// For how long, such as `2h`, from `from` or from now on.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub lifetime: Option<String>,
    /// From when on: Unix time in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<u64>,
    /// How long a drain takes, such as `5m`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub over: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Who asks.
    #[serde(default)]
    pub who: String,
}

/// Overrides that are to be lifted: one, or all that were placed on exactly this target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideSelector {
    /// A number.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none", default)]
    pub number: Option<String>,
    /// A target.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// Who lifts them.
    #[serde(default)]
    pub who: String,
}

impl fmt::Display for OverrideList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.overrides.is_empty() {
            return f.write_str("none");
        }
        let mut table = TextTable::new(&["OVERRIDE", "", "TARGET", "STATE", "WHO", "REASON"]);
        for item in &self.overrides {
            let until =
                item.until.map_or_else(String::new, |at| format!(", {} left", span(at.saturating_sub(self.time))));
            let coming = item.from.filter(|from| *from > self.time);
            let state = match (&item.happening, coming, item.in_force) {
                (Some(happening), ..) => happening.clone(),
                (None, Some(from), _) => format!("in {}", span(from - self.time)),
                (None, None, Some(false)) => "over".to_owned(),
                (None, None, _) => format!("in force{until}"),
            };
            let OverrideShape { number, mode, target, over, who, reason, .. } = item.clone();
            let mode = over.map_or_else(|| mode.clone(), |over| format!("{mode} over {}", span(over)));
            table.push(vec![number, mode, target, state, who, reason], "");
        }
        f.write_str(table.text(false).trim_end())
    }
}
