//! What an endpoint says of its load.

use std::fmt;

/// How much is used of how much, in thousandths of whatever the endpoint counts: requests, connections, or its whole self.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    /// What is used.
    pub used: u64,
    /// What there is, above 0; absent if the endpoint does not say, for the operator may.
    pub capacity: Option<u64>,
}

/// The largest number of units that is believed; its thousandths fit into 64 bits with room for sums.
const MAX_UNITS: f64 = 1e12;

impl Load {
    /// A number of units in thousandths; `None` if it is negative, no number, or more than 10^12.
    pub fn thousandths_of(units: f64) -> Option<u64> {
        (0.0..=MAX_UNITS).contains(&units).then(|| (units * 1000.0).round() as u64)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = |thousandths: u64| thousandths as f64 / 1000.0;
        write!(f, "{}", units(self.used))?;
        self.capacity.map_or(Ok(()), |capacity| write!(f, "/{}", units(capacity)))
    }
}
