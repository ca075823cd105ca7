//! How a name's pools are ranked for a client, and which endpoints are picked.

mod chain;

pub use chain::{AllDown, Pick, Step};
