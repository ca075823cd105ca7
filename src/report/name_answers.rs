//! The answers of a steered name by pool, with the shares that its weights ask for.

use serde::{Deserialize, Serialize};

use super::NameTotals;
use crate::snapshot::{PoolId, PoolUse, SteeredName};
use crate::steering::Step;

/// The answers of a steered name since the node's start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NameAnswers {
    /// By the pools that gave them, in the order of the configuration.
    pub pools: Vec<PoolAnswers>,
    /// Answers that `fallback` gave.
    pub fallback: u64,
    /// Answers without records.
    pub nodata: u64,
    /// SERVFAIL.
    pub failures: u64,
}

/// The answers that a pool gave for a steered name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolAnswers {
    /// The pool.
    pub pool: String,
    /// Number of answers. Pools that answer together count each.
    pub count: u64,
    /// Its share of the counts of all pools of the name, 0-1; absent without any answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
    /// The share that its weight asks for, 0-1; absent unless `weight` is the first step of the name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub configured: Option<f64>,
}

impl NameAnswers {
    /// Returns the answers of a name with these counts. `spelt` returns the name of a pool.
    pub(super) fn new(name: &SteeredName, totals: &NameTotals, spelt: &dyn Fn(PoolId) -> String) -> Self {
        let NameTotals { pools, fallback, nodata, failures } = totals;
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let all = pools.iter().sum();
        let is_weighted = name.steering.steer.first() == Some(&Step::Weight);
        let weights: u64 = name.steering.pools.iter().map(|used| u64::from(used.weight)).sum();
        let pool = |(used, &count): (&PoolUse, &u64)| PoolAnswers {
            pool: spelt(used.pool),
            count,
            share: share(count, all),
            configured: share(used.weight.into(), weights).filter(|_| is_weighted),
        };
        let pools = name.steering.pools.iter().zip(pools).map(pool).collect();
        Self { pools, fallback: *fallback, nodata: *nodata, failures: *failures }
    }
}
