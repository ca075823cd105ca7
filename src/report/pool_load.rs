//! The load of a pool, for `explain` and `status`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::Percent;
use crate::health::LoadSeen;
use crate::load::{Allowance, LoadFacts};

/// A pool's load, in the operator's unit. Unknown values are absent. `demand`, `keep` and `room` are the values that
/// answers use: they change only with a new snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolLoad {
    /// The used load.
    pub used: Option<f64>,
    /// When it was last reported, Unix time in seconds; absent if only the published values are known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<u64>,
    /// The load that all of its own clients, and no others, would cause.
    pub demand: Option<f64>,
    /// The maximum load.
    pub capacity: Option<f64>,
    /// The share of its clients that it keeps, 0-1.
    pub keep: f64,
    /// The load that it can take from clients of other pools.
    pub room: f64,
}

impl PoolLoad {
    /// Returns the load of a pool with this allowance.
    pub(super) fn new(allowance: &Allowance) -> Self {
        let units = |thousandths: u64| thousandths as f64 / 1000.0;
        let Allowance { local_share: keep, headroom: room, told: LoadFacts { used, demand, capacity } } = *allowance;
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
    /// Returns the load of a pool with this allowance, with the present reports of its endpoints.
    pub(super) fn now(allowance: &Allowance, seen: &LoadSeen) -> Self {
        Self::new(allowance).seen(seen)
    }

    /// Replaces the used load by the present reports of its endpoints.
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
            let allowance = Allowance {
                local_share: Share::from_thousandths(keep),
                headroom: room,
                told: LoadFacts { used, demand, capacity },
            };
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
