//! The location of every address, as read from databases once.

use std::net::IpAddr;

use super::location::Location;
use super::runs::Runs;

/// What the databases say of the whole address space: runs of equal locations, and the locations they number.
#[derive(Clone, Debug)]
pub struct Locations {
    /// Number of a location for every IPv4 address.
    pub v4: Runs<u32>,
    /// Number of a location for every IPv6 address.
    pub v6: Runs<u128>,
    /// The locations that the runs' values number; no two are equal.
    pub table: Box<[Location]>,
}

impl Locations {
    /// Nothing is known of any address.
    pub fn unknown() -> Self {
        Self { v4: Runs::uniform(0), v6: Runs::uniform(0), table: Box::new([Location::default()]) }
    }

    /// The number of the location of which nothing is known, if any address has it.
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
