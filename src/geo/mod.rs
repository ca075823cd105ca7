//! Locations of clients, and the address space divided into runs by location.

mod caps;
pub mod countries;
pub mod local;
mod location;
mod locations;
mod region;
mod runs;

pub use caps::Caps;
pub use location::{Continent, Coordinates, CountryCode, Location, Subdivision};
pub use locations::Locations;
pub use region::{ClientMatch, DatacenterId, MAX_DATACENTERS, Region, RegionId, Regions};
pub use runs::{Bits, Prefix, Run, Runs, RunsBuilder, nest};
