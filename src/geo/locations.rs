//! The location of every address, read from databases once.

use std::net::IpAddr;

use super::location::Location;
use super::runs::Runs;

/// The locations of the whole address space: runs of equal locations, and the table that they refer to.
#[derive(Clone, Debug)]
pub struct Locations {
    /// The number of the location for every IPv4 address.
    pub v4: Runs<u32>,
    /// The number of the location for every IPv6 address.
    pub v6: Runs<u128>,
    /// The locations, by the numbers in the runs; no two are equal.
    pub table: Box<[Location]>,
}

impl Locations {
    /// Locations that know nothing of any address.
    pub fn unknown() -> Self {
        Self { v4: Runs::uniform(0), v6: Runs::uniform(0), table: Box::new([Location::default()]) }
    }

    /// The number of the empty location, if any address has it.
    pub fn nowhere(&self) -> Option<u32> {
        self.table.iter().position(|location| *location == Location::default()).map(|number| number as u32)
    }

    /// The location of one address.
    pub fn look_up(&self, address: IpAddr) -> Location {
        let number = match address {
            IpAddr::V4(address) => self.v4.value(address.to_bits()),
            IpAddr::V6(address) => self.v6.value(address.to_bits()),
        };
        self.table[number as usize]
    }
}
