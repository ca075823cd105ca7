//! Zones: records, and the tree of names that answers are looked up in.

mod builder;
mod chain;
mod ids;
mod names;
mod patch;
mod rdata;
mod record;
mod rrset;
mod served;
mod shared;
mod signatures;
mod tree;

pub use builder::Builder;
pub use chain::{Chain, Denied, Hashing, Link, MAX_ITERATIONS, NoChain, Proof, Validity};
pub use ids::{NameId, PlanId, ZoneId};
pub use names::Names;
pub use rdata::{Part, canonical, parts};
pub use record::Record;
pub use rrset::{FIXED_FIELDS, POINTER_LENGTH, Pointer, Rrset, TTL_OFFSET, Target, TooLarge, below};
pub use served::{Dynamic, Found, Node, Steered, Zone};
pub use shared::{NEAR, Shared};
pub use signatures::Signature;
pub use tree::{NodeId, Place, Tree, ZoneError};
