//! Roll-outs in JSON and as text, and requests to change them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kept::{self, FleetShare};
use super::order_effect::OrderEffect;
use super::table::{TextTable, span};
use super::text::Percent;
use crate::health::Share;
use crate::printable::Printable;
use crate::rollout::{Change, Phase, Signals, View, ViewKind};

/// A name's roll-out. Times are Unix times in seconds, shares are 0-1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutShape {
    /// The steered name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// The kind and the state.
    #[serde(flatten)]
    pub kind: RolloutKind,
}

/// The kind and the state of a roll-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RolloutKind {
    /// A blue-green name.
    Switch {
        /// The pool that answers.
        active: String,
        /// The pool that the file names.
        file: String,
        /// The pool that answered before an operator switched.
        before: Option<String>,
        /// The time of that switch.
        since: Option<u64>,
    },
    /// A canary.
    Canary {
        /// The new pool.
        pool: String,
        /// The share of clients that is sent to it.
        share: f64,
        /// All shares, step by step.
        steps: Vec<f64>,
        /// The present step, counted from 1; absent if the canary is complete or taken back.
        step: Option<usize>,
        /// `running`, `paused`, `complete` or `back`.
        phase: String,
        /// When this phase began.
        since: u64,
        /// When the next step is due, if the canary does well.
        next_at: Option<u64>,
        /// The reason why it was taken back.
        why: Option<String>,
        /// Measurements of the new pool.
        signals: SignalsShape,
    },
}

/// Measurements of a new pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalsShape {
    /// The share of its endpoints that are open; absent if none is in service.
    pub healthy: Option<f64>,
    /// Number of recently reported requests.
    pub requests: u64,
    /// Number of failed ones.
    pub errors: u64,
    /// Mean duration of probes in milliseconds; absent if there were too few recently.
    pub latency_ms: Option<f64>,
    /// The same for the name's other pools.
    pub old_latency_ms: Option<f64>,
}

/// All roll-outs, or the requested one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RolloutList {
    /// Ordered by zone and name.
    pub rollouts: Vec<RolloutShape>,
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

/// A request to change a roll-out: either `active` or `action`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutOrder {
    /// The pool that shall answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub active: Option<String>,
    /// `pause`, `resume`, `advance` or `back`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<String>,
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

/// A change of a roll-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutChange {
    /// The steered name.
    pub name: String,
    /// The canary's pool; absent for a blue-green name.
    pub pool: Option<String>,
    /// `began`, `advanced`, `completed`, `rolled back`, `paused`, `resumed`, `switched` or `ended`.
    pub happening: String,
    /// The earlier destination of clients: a share of them to the new pool, or all to a pool.
    pub from: String,
    /// The present destination.
    pub to: String,
    /// The person or program that made the change.
    pub who: String,
    /// The reason.
    pub reason: String,
}

impl From<&Change> for RolloutChange {
    fn from(Change { id, pool, happening, from, to, who, reason }: &Change) -> Self {
        Self {
            name: id.owner.to_string(),
            pool: pool.as_ref().map(ToString::to_string),
            happening: happening.as_str().to_owned(),
            from: from.to_string(),
            to: to.to_string(),
            who: Printable(who).to_string(),
            reason: Printable(reason).to_string(),
        }
    }
}

impl From<View> for RolloutShape {
    fn from(View { id, exposure, kind }: View) -> Self {
        let kind = match kind {
            ViewKind::Switch { file, chosen } => RolloutKind::Switch {
                active: exposure.to_string(),
                file: file.into(),
                since: chosen.as_ref().map(|chosen| chosen.since.as_secs()),
                before: chosen.map(|chosen| chosen.before.into()),
            },
            ViewKind::Canary { pool, share, steps, phase, signals } => {
                let (step, next_at) = match phase {
                    Phase::Running { step, next_at, .. } => (Some(step + 1), next_at),
                    Phase::Paused { step, .. } => (Some(step + 1), None),
                    Phase::Complete { .. } | Phase::Back { .. } => (None, None),
                };
                RolloutKind::Canary {
                    pool: pool.into(),
                    share: number(share),
                    steps: steps.into_iter().map(number).collect(),
                    step,
                    phase: phase.as_str().to_owned(),
                    since: phase.since().as_secs(),
                    next_at: next_at.map(|at| at.as_secs()),
                    why: if let Phase::Back { why, .. } = phase { Some(why.into()) } else { None },
                    signals: signals.into(),
                }
            }
        };
        Self { name: id.owner.into(), zone: id.zone.into(), kind }
    }
}

impl From<Signals> for SignalsShape {
    fn from(Signals { open, requests, errors, latency, old_latency }: Signals) -> Self {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        Self {
            healthy: open.map(number),
            requests,
            errors,
            latency_ms: latency.map(milliseconds),
            old_latency_ms: old_latency.map(milliseconds),
        }
    }
}

fn number(share: Share) -> f64 {
    f64::from(share.thousandths()) / f64::from(Share::FULL.thousandths())
}

impl fmt::Display for RolloutList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rollouts.is_empty() {
            return f.write_str("none");
        }
        let mut table = TextTable::new(&["NAME", "CLIENTS", "STATE", "FOR", "NEXT", "SEEN"]);
        for RolloutShape { name, kind, .. } in &self.rollouts {
            table.push([vec![name.clone()], self.cells(kind)].concat(), "");
        }
        f.write_str(table.text(false).trim_end())?;
        f.write_str(&kept::warning(self.kept, self.fleet.as_ref()))?;
        self.effect.as_ref().map_or(Ok(()), |effect| write!(f, "\n\n{effect}"))
    }
}

impl RolloutList {
    fn cells(&self, kind: &RolloutKind) -> Vec<String> {
        let ago = |since: u64| span(self.time.saturating_sub(since));
        match kind {
            RolloutKind::Switch { active, file, since, .. } => {
                let by_operator = since.is_some();
                let state =
                    if by_operator { format!("switched, the file says {file}") } else { "as the file says".to_owned() };
                let since = since.map(ago).unwrap_or_default();
                vec![format!("all to {active}"), state, since, String::new(), String::new()]
            }
            RolloutKind::Canary { pool, share, steps, step, phase, since, next_at, why, signals } => {
                let step = step.map(|step| format!(", step {step} of {}", steps.len())).unwrap_or_default();
                let next = next_at.map(|at| match at.saturating_sub(self.time) {
                    0 => "when all is good".to_owned(),
                    left => format!("in {}", span(left)),
                });
                let seen = why.clone().unwrap_or_else(|| signals.to_string());
                let clients = format!("{} to {pool}", Percent(*share));
                vec![clients, format!("{phase}{step}"), ago(*since), next.unwrap_or_default(), seen]
            }
        }
    }
}

impl fmt::Display for SignalsShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { healthy, requests, errors, latency_ms, old_latency_ms } = self;
        let mut told = Vec::new();
        told.extend(healthy.map(|share| format!("{} open", Percent(share))));
        if *requests > 0 {
            told.push(format!("{errors} of {requests} failed"));
        }
        told.extend(latency_ms.map(|took| match old_latency_ms {
            Some(old) => format!("{took:.1} ms, others {old:.1} ms"),
            None => format!("{took:.1} ms"),
        }));
        f.write_str(&told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_table_and_comes_back_from_json() {
        let signals = SignalsShape {
            healthy: Some(1.0),
            requests: 1000,
            errors: 3,
            latency_ms: Some(12.5),
            old_latency_ms: None,
        };
        let canary = RolloutKind::Canary {
            pool: "next".into(),
            share: 0.05,
            steps: vec![0.05, 1.0],
            step: Some(1),
            phase: "running".into(),
            since: 40,
            next_at: Some(640),
            why: None,
            signals,
        };
        let switch = RolloutKind::Switch {
            active: "green".into(),
            file: "blue".into(),
            before: Some("blue".into()),
            since: Some(10),
        };
        let shape = |name: &str, kind| RolloutShape { name: name.into(), zone: "example.com".into(), kind };
        let list = RolloutList {
            rollouts: vec![shape("api.example.com", canary), shape("shop.example.com", switch)],
            time: 100,
            kept: None,
            fleet: None,
            effect: None,
        };
        let expected = "\
NAME              CLIENTS         STATE                         FOR   NEXT      SEEN
api.example.com   5.00 % to next  running, step 1 of 2          1 min  in 9 min  100 % open; 3 of 1000 failed; 12.5 ms
shop.example.com  all to green    switched, the file says blue  1 min";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&list.to_string()), squeezed(expected));
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<RolloutList>(&json).unwrap(), list);
    }
}
