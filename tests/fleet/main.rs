//! Nodes of a fleet: real processes, and Debian's nats-server with TLS, accounts and permissions between them.
//!
//! Where a path is to be lost, each node, the NATS server and each datacenter has a network namespace of its own.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../harness/mod.rs"]
mod harness;

mod agreement;
mod demo;
mod fleet;
mod hostile;
mod latency;
mod nats;
mod orders;
mod probe;
mod restart;
mod sharing;
mod streets;
mod trio;
mod view;
mod way;
mod zones;

use std::thread;
use std::time::{Duration, Instant};

/// Maximum time that a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}
