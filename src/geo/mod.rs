//! Locations of clients, and the address space divided into runs by location.

mod caps;
pub mod countries;
mod edges;
mod ids;
pub mod local;
mod location;
mod locations;
mod region;
mod runs;
mod values;

pub use caps::Caps;
pub use edges::Edges;
pub use ids::{DatacenterId, MAX_DATACENTERS, RegionId};
pub use location::{Continent, Coordinates, CountryCode, Location, Subdivision};
pub use locations::Locations;
pub use region::{ClientMatch, Region, Regions};
pub use runs::{Bits, Prefix, Run, Runs, RunsBuilder, nest};
pub use values::Values;
