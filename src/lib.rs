//! An authoritative DNS server that does global server load balancing.

pub mod geo;
pub mod geoip;
pub mod health;
pub mod name;
