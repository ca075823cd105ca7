//! How a name's pools are ranked for a client, and which endpoints are picked.

mod chain;
mod choice;
mod map;
mod odds;
mod pick;
mod ranking;
mod rendezvous;
mod split;

pub use chain::{AllDown, Pick, Step};
pub use choice::{Course, Draw, Spill, Walk, by_hash, by_weight};
pub use map::{Ground, Map, Placement};
pub use odds::{Lots, Outcomes, outcomes};
pub use pick::{MAX_ANSWERS, Picks};
pub use ranking::{Client, Criteria, Criterion, Ranking, RegionTiers, Set, members};
pub use rendezvous::{HashKey, is_among, winner};
pub use split::Split;
