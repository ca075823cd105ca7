//! Ranks a name's pools for a client, chooses among them, and picks endpoints.

mod chain;
mod choice;
mod map;
mod odds;
mod pick;
mod ranking;
mod rendezvous;
mod split;

pub use chain::{AllDown, Pick, Step};
pub use choice::{Draw, SelectionPolicy, Spill, Walk, by_hash, by_weight};
pub use map::{Ground, Map, Numbered, Placement};
pub use odds::{DrawPath, Outcomes, first_outcomes, outcomes};
pub use pick::{MAX_ANSWERS, Picks};
pub use ranking::{Client, CompiledChain, CompiledStep, Ranking, RegionTiers, Set, members};
pub use rendezvous::{HashKey, is_among, winner};
pub use split::Split;
