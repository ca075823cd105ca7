//! An authoritative DNS server that does global server load balancing.

pub mod geo;
pub mod health;
pub mod monitor;
pub mod name;
