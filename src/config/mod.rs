//! Files to valid types: `truenorth.toml`, `zones/*.toml` and `zones/*.zone` become a [`World`](crate::snapshot::World).

mod fault;

pub use fault::{Fault, Faults, Place, Severity, Source};
