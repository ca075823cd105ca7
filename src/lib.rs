//! An authoritative DNS server that does global server load balancing.

pub mod admin;
pub mod answer;
pub mod cli;
pub mod config;
pub mod control;
pub mod geo;
pub mod geoip;
pub mod health;
pub mod latency;
pub mod load;
pub mod monitor;
pub mod name;
pub mod overrides;
pub mod printable;
pub mod report;
pub mod rollout;
pub mod seats;
pub mod server;
pub mod snapshot;
pub mod steering;
pub mod store;
pub mod suggest;
pub mod watch;
pub mod webhook;
pub mod wire;
pub mod zone;
