//! How full a pool is, for explanations and status.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::Percent;
use crate::health::LoadSeen;
use crate::load::{Allowance, LoadFacts};

/// A pool's load, in the operator's unit. What is not known is absent. `demand`, `keep` and `room` are what answers go by, as they
/// were published last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolLoad {
    /// What is used.
    pub used: Option<f64>,
    /// When that was reported last, Unix time in seconds; absent where only what was published is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<u64>,
    /// What would be, if it had all of its own clients and no others.
    pub demand: Option<f64>,
    /// What it can take.
    pub capacity: Option<f64>,
    /// The share of its clients that it keeps, 0-1.
    pub keep: f64,
    /// What it can take of the clients of others.
    pub room: f64,
}

impl PoolLoad {
    /// Of a pool with this allowance.
    pub(super) fn new(allowance: &Allowance) -> Self {
        let units = |thousandths: u64| thousandths as f64 / 1000.0;
        let Allowance { keep, room, told: LoadFacts { used, demand, capacity } } = *allowance;
        Self {
            used: used.map(units),
            since: None,
            demand: demand.map(units),
            capacity: capacity.map(units),
            keep: f64::from(keep.thousandths()) / 1000.0,
            room: units(room),
        }
    }
}

impl PoolLoad {
    /// Of a pool with this allowance, whose endpoints say this now.
    pub(super) fn now(allowance: &Allowance, seen: &LoadSeen) -> Self {
        Self::new(allowance).seen(seen)
    }

    /// With what its endpoints say now.
    pub(super) fn seen(self, seen: &LoadSeen) -> Self {
        let rounded = |units: f64| (units * 1000.0).round() / 1000.0;
        Self {
            used: seen.used.map(rounded),
            since: seen.heard.map(|heard| heard.as_secs()),
            capacity: seen.capacity.map(rounded),
            ..self
        }
    }
}

impl fmt::Display for PoolLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { used, since: _, demand, capacity, keep, room } = self;
        match (used, capacity) {
            (Some(used), Some(capacity)) => write!(f, "{used} of {capacity} used")?,
            (Some(used), None) => write!(f, "{used} used, capacity unknown")?,
            (None, Some(capacity)) => write!(f, "load unknown, of {capacity}")?,
            (None, None) => f.write_str("load unknown")?,
        }
        if let Some(demand) = demand.filter(|demand| Some(*demand) != *used) {
            write!(f, ", demand {demand}")?;
        }
        if *keep < 1.0 {
            write!(f, ", keeps {} of its clients", Percent(*keep))?;
        }
        if *room > 0.0 { write!(f, ", room for {room}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Share;

    #[test]
    fn what_is_known_is_told() {
        let told = |keep, room, used: Option<u64>, demand, capacity| {
            let allowance =
                Allowance { keep: Share::from_thousandths(keep), room, told: LoadFacts { used, demand, capacity } };
            PoolLoad::new(&allowance).to_string()
        };
        assert_eq!(told(1000, 0, None, None, None), "load unknown");
        assert_eq!(told(1000, 40_500, Some(59_500), Some(59_500), Some(100_000)), "59.5 of 100 used, room for 40.5");
        assert_eq!(
            told(660, 0, Some(101_000), Some(150_000), Some(100_000)),
            "101 of 100 used, demand 150, keeps 66.00 % of its clients"
        );
        assert_eq!(told(1000, 0, Some(5000), Some(5000), None), "5 used, capacity unknown");
    }
}
