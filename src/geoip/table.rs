//! Numbers for distinct locations.

use std::collections::HashMap;

use crate::geo::Location;

/// The number of the location of which nothing is known. It is the first in every table.
pub(super) const UNKNOWN: u32 = 0;

/// Distinct locations, numbered in the order they came.
pub(super) struct Table {
    numbers: HashMap<Location, u32, foldhash::fast::RandomState>,
    locations: Vec<Location>,
}

impl Table {
    /// A table that holds [`UNKNOWN`] alone.
    pub(super) fn new() -> Self {
        let mut table = Self { numbers: HashMap::default(), locations: Vec::new() };
        table.number(Location::default());
        table
    }

    /// The number of `location`, a new one if it was not seen before.
    pub(super) fn number(&mut self, location: Location) -> u32 {
        *self.numbers.entry(location).or_insert_with(|| {
            self.locations.push(location);
            self.locations.len() as u32 - 1
        })
    }

    /// The locations in the order of their numbers.
    pub(super) fn finish(self) -> Box<[Location]> {
        self.locations.into()
    }
}
