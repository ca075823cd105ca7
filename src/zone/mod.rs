//! Zones: records, and the tree of names that answers are looked up in.

mod record;

pub use record::Record;
