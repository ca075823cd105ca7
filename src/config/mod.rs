//! Files to valid types: `truenorth.toml`, `zones/*.toml` and `zones/*.zone` become a [`World`](crate::snapshot::World).

mod fault;
#[allow(dead_code, reason = "called by the zones that are read next")]
mod master;
mod presentation;
#[allow(dead_code, reason = "as above")]
mod records;
mod scanner;

pub use fault::{Fault, Faults, Place, Severity, Source};
