//! Metrics about roll-outs: how far each has come.

use super::Metrics;
use super::exposition::{Exposition, Kind};
use crate::report::{RolloutKind, SignalsShape};
use crate::rollout::Phase;

impl Metrics<'_> {
    pub(super) fn rollout_families(&self, out: &mut Exposition) {
        let help = "The share of a name's clients that a canary's pool gets.";
        out.family("truenorth_rollout_share_ratio", Kind::Gauge, help, |samples| {
            self.each_canary(|name, pool, share, _, _| samples.push(&[("name", name), ("pool", pool)], share));
        });
        let help = "1 for the present state of a canary, 0 for the others.";
        out.family("truenorth_rollout_state", Kind::Gauge, help, |samples| {
            self.each_canary(|name, pool, _, phase, _| {
                for state in Phase::WORDS {
                    let labels = [("name", name), ("pool", pool), ("state", state)];
                    samples.push(&labels, f64::from(u8::from(state == phase)));
                }
            });
        });
        let help = "The share of a canary's endpoints that are open. Absent if none is in service.";
        out.family("truenorth_rollout_open_ratio", Kind::Gauge, help, |samples| {
            self.each_canary(|name, pool, _, _, signals| {
                if let Some(healthy) = signals.healthy {
                    samples.push(&[("name", name), ("pool", pool)], healthy);
                }
            });
        });
        let help = "Requests to a canary that were reported recently, by result.";
        out.family("truenorth_rollout_recent_requests", Kind::Gauge, help, |samples| {
            self.each_canary(|name, pool, _, _, signals| {
                let failed = signals.errors.min(signals.requests);
                for (result, count) in [("success", signals.requests - failed), ("failure", failed)] {
                    samples.push(&[("name", name), ("pool", pool), ("result", result)], count as f64);
                }
            });
        });
        let help = "1 for the pool that answers for a blue-green name. By an operator, or by the file.";
        out.family("truenorth_rollout_active", Kind::Gauge, help, |samples| {
            for rollout in self.rollouts {
                if let RolloutKind::Switch { active, since, .. } = &rollout.kind {
                    let by = if since.is_some() { "operator" } else { "file" };
                    samples.push(&[("name", &absolute(&rollout.name)), ("pool", active), ("by", by)], 1.0);
                }
            }
        });
    }

    /// Calls `call` with the name, the pool, the share, the state and the measurements of each canary.
    fn each_canary(&self, mut call: impl FnMut(&str, &str, f64, &str, &SignalsShape)) {
        for rollout in self.rollouts {
            if let RolloutKind::Canary { pool, share, phase, signals, .. } = &rollout.kind {
                call(&absolute(&rollout.name), pool, *share, phase, signals);
            }
        }
    }
}

/// Returns a name with its final dot, as the other families write names.
fn absolute(name: &str) -> String {
    format!("{name}.")
}
