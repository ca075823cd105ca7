//! Zones: records, and the tree of names that answers are looked up in.

mod rdata;
mod record;
mod rrset;
mod shared;
mod tree;

pub use rdata::canonical;
pub use record::Record;
pub use rrset::{FIXED_FIELDS, POINTER_LENGTH, Pointer, Rrset, TTL_OFFSET, Target, TooLarge, below};
pub use shared::{NEAR, Shared};
pub use tree::{Found, NameId, Node, NodeId, PlanId, Special, Zone, ZoneError};
