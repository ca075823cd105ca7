//! Records that external-dns keeps: what it sends, and the part of a zone's file that follows from it.
//!
//! ```text
//!   changes ─► Records::apply ─► Records ─┬─► JSON: kept in a file, and given back as it came
//!                                         └─► render: TOML, read as the end of the zone's own file
//! ```
//!
//! external-dns compares what it reads with what its cluster wants. It reads back exactly what was accepted, so its second
//! plan is empty. A record with a set identifier, or with a property of ours, becomes a pool of a steered name; others
//! become static records.

mod record;
mod records;
mod render;

pub use record::{Property, Record};
pub use records::{Changes, Records, Unfit};
