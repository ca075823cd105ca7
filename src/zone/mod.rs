//! Zones: records, and the tree of names that answers are looked up in.

mod rdata;
mod record;
mod rrset;
mod tree;

pub use rdata::canonical;
pub use record::Record;
pub use rrset::{FIXED_FIELDS, POINTER_LENGTH, Rrset, TTL_OFFSET, Target, TooLarge, below};
pub use tree::{Found, NameId, Node, NodeId, PlanId, Special, Zone, ZoneError};
