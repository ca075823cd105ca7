//! Overrides in JSON and as text: operators' orders for endpoints and names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kept::{self, FleetShare};
use super::order_effect::OrderEffect;
use super::table::{TextTable, span};
use crate::overrides::{Change, Override};
use crate::printable::Printable;

/// An override, or a window of the server file. Times are Unix times in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideShape {
    /// A number; `window-N` for a window. It is not called `id`, because a notice has its own `id`.
    #[serde(rename = "override")]
    pub number: String,
    /// `drain`, `open`, `force-up` or `force-down`.
    pub mode: String,
    /// `dc:fra`, `pool:web/fra`, `endpoint:192.0.2.10` or `name:www.example.com`.
    pub target: String,
    /// When it begins; absent if at once.
    pub from: Option<u64>,
    /// When it ends; absent if it holds until it is lifted.
    pub until: Option<u64>,
    /// Duration of a slow drain in seconds, from its beginning on; absent if at once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub over: Option<u64>,
    /// The reason.
    pub reason: String,
    /// The person or program that asked for it.
    pub who: String,
    /// The event: `placed`, `began`, `ended` or `lifted`; absent in lists of overrides.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub happening: Option<String>,
    /// True if it is in force; absent in lists of events.
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

/// A list of overrides: all of them, or those that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideList {
    /// Windows first, then overrides in the order in which they were placed.
    pub overrides: Vec<OverrideShape>,
    /// After an order: the pools that `failback` held back and that answer again.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub released: Vec<String>,
    /// The time of this list: Unix time in seconds.
    pub time: u64,
    /// After an order: true if it is in the state folder, so that a restart keeps it; false if the disk did not take it
    /// in time. Absent if nothing was ordered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept: Option<bool>,
    /// After an order: whether the fleet has it. Absent if nothing was ordered, and without a fleet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fleet: Option<FleetShare>,
    /// The effect of an order; absent if nothing was ordered, or while no configuration is served.
    #[serde(flatten)]
    pub effect: Option<OrderEffect>,
}

/// A request to place an override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideOrder {
    /// `drain`, `open`, `force-up` or `force-down`.
    pub mode: String,
    /// The target.
    pub target: String,
    /// Duration of the override, such as `2h`, counted from `from` or from now.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub lifetime: Option<String>,
    /// When it begins: Unix time in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<u64>,
    /// Duration of a slow drain, such as `5m`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub over: Option<String>,
    /// The reason.
    #[serde(default)]
    pub reason: String,
    /// The person or program that asks for it.
    #[serde(default)]
    pub who: String,
    /// True to only ask for the effect. Nothing is changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// A request to place an override on the target in its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetOrder {
    /// `drain`, `open`, `force-up` or `force-down`.
    pub mode: String,
    /// The target of the path once more, or nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// Duration of the override, such as `2h`, counted from now.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub lifetime: Option<String>,
    /// Duration of a slow drain, such as `5m`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub over: Option<String>,
    /// The reason.
    #[serde(default)]
    pub reason: String,
    /// The person or program that asks for it.
    #[serde(default)]
    pub who: String,
}

/// A request to lift overrides: one by its number, or all with exactly this target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideSelector {
    /// A number.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none", default)]
    pub number: Option<String>,
    /// A target.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// The person or program that asks for it.
    #[serde(default)]
    pub who: String,
    /// True to only ask for the effect. Nothing is changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl fmt::Display for OverrideList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let released = match self.released.join(", ") {
            pools if pools.is_empty() => None,
            pools => Some(format!("failback no longer holds back {pools}")),
        };
        if self.overrides.is_empty() {
            match (&released, &self.effect) {
                (Some(released), _) => f.write_str(released)?,
                (None, Some(_)) => f.write_str(
                    "there is nothing to open: no override is in force for the target, and failback holds nothing back",
                )?,
                (None, None) => return f.write_str("none"),
            }
            f.write_str(&kept::warning(self.kept, self.fleet.as_ref()))?;
            return self.effect.as_ref().map_or(Ok(()), |effect| write!(f, "\n\n{effect}"));
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
        f.write_str(table.text(false).trim_end())?;
        if let Some(released) = released {
            write!(f, "\n{released}")?;
        }
        f.write_str(&kept::warning(self.kept, self.fleet.as_ref()))?;
        self.effect.as_ref().map_or(Ok(()), |effect| write!(f, "\n\n{effect}"))
    }
}
