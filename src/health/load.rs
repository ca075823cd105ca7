//! The load that an endpoint reports.

use std::fmt;

/// Used and available capacity, in thousandths of the endpoint's own unit: requests, connections, or its whole
/// capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    /// The used capacity.
    pub used: u64,
    /// The whole capacity, above 0; `None` if the endpoint does not report it (the operator may configure it).
    pub capacity: Option<u64>,
}

/// The largest number of units that is accepted. Its thousandths fit into 64 bits with space for sums.
const MAX_UNITS: f64 = 1e12;

impl Load {
    /// Units in thousandths; `None` if the number is negative, not a number, or more than 10^12.
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
