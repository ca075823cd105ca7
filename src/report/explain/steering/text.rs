//! The explanation of a choice as text.

use std::fmt;
use std::time::Duration;

use super::{AbsentShape, OutcomeShape, SteeringShape, StepShape};
use crate::report::text::Percent;
use crate::timestamp::rfc3339;

/// Maximum number of outcomes in the text; `--json` has all.
const OUTCOMES: usize = 12;

/// Maximum number of absent endpoints of a pool in the text.
const ABSENT: usize = 8;

impl fmt::Display for SteeringShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for StepShape { step, tiers, latency } in &self.steps {
            let tiers: Vec<String> = tiers.iter().map(|tier| tier.join(" = ")).collect();
            writeln!(
                f,
                "  step      {step}: {}",
                if tiers.is_empty() { "none".to_owned() } else { tiers.join(" > ") }
            )?;
            latency.iter().try_for_each(|round_trip| writeln!(f, "            {round_trip}"))?;
        }
        for pool in &self.pools {
            write!(f, "  pool      {}: ", pool.pool)?;
            let counts = [("A", pool.open_v4, pool.given_v4), ("AAAA", pool.open_v6, pool.given_v6)];
            let counts = counts.iter().filter(|(.., given)| *given > 0);
            let counts: Vec<String> =
                counts.map(|(family, open, given)| format!("{open} of {given} {family} open")).collect();
            write!(f, "{}", counts.join(", "))?;
            if let Some(weight) = pool.weight {
                write!(f, ", weight {weight}")?;
            }
            if pool.held_back {
                write!(f, ", held back by failback")?;
            }
            if let Some(order) = &pool.order {
                write!(f, ", {order}")?;
            }
            match pool.ramp {
                Some(1.0) => write!(f, ", an endpoint ramps")?,
                Some(part) => write!(f, ", takes {} while it ramps", Percent(part))?,
                None => {}
            }
            if let Some(load) = &pool.load {
                write!(f, "; {load}")?;
            }
            match pool.load.as_ref().and_then(|load| load.since) {
                Some(since) => writeln!(f, ", reported at {}", rfc3339(Duration::from_secs(since)))?,
                None => writeln!(f)?,
            }
            for AbsentShape { endpoint, why } in pool.absent.iter().take(ABSENT) {
                writeln!(f, "            {endpoint}: {why}")?;
            }
            if let Some(more @ 1..) = pool.absent.len().checked_sub(ABSENT) {
                writeln!(f, "            and {more} more")?;
            }
        }
        if let Some(rollout) = &self.rollout {
            writeln!(f, "  rollout   {rollout}")?;
        }
        if let Some(network) = &self.sticky {
            writeln!(f, "  sticky    by the hash of {network} and the name")?;
        }
        let alone = if self.for_this_family_alone { ", for this family alone" } else { "" };
        match self.outcomes.as_slice() {
            [] => writeln!(f, "  chosen    {} ({}{alone})", told(&self.chosen), self.rung)?,
            outcomes => {
                let about = if self.exact { "" } else { ", about" };
                if self.hashed {
                    writeln!(
                        f,
                        "  chosen    {} ({}{alone}{about}), by hash; of many clients:",
                        told(&self.chosen),
                        self.rung
                    )?;
                } else {
                    writeln!(f, "  chosen    by a draw ({}{alone}{about})", self.rung)?;
                }
                for OutcomeShape { chosen, probability } in outcomes.iter().take(OUTCOMES) {
                    writeln!(f, "    {:>8}  {}", Percent(*probability), told(chosen))?;
                }
                if let Some(more @ 1..) = outcomes.len().checked_sub(OUTCOMES) {
                    writeln!(f, "    and {more} less probable results")?;
                }
            }
        }
        writeln!(f, "  ttl       {}", self.why_ttl)?;
        writeln!(f, "  scope     {}", self.why_scope)
    }
}

/// Joins the names of pools that answer together.
fn told(chosen: &[String]) -> String {
    if chosen.is_empty() { "none".to_owned() } else { chosen.join(" and ") }
}
