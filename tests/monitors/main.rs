//! Probes of each type beside HTTP, against real endpoints on loopback.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../skip/mod.rs"]
mod skip;

mod dns;
mod exec;
mod grpc;
mod icmp;
mod tcp;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use endpoint::Endpoint;
use endpoint::probing::{IMPATIENCE, PATIENCE, failure, target};
use truenorth::health::{BodyMatch, Check, Outcome, Pattern};
use truenorth::monitor::Prober;

async fn probe(address: SocketAddr, check: Check, timeout: Duration) -> Outcome {
    Prober::with_roots([]).probe(&target(address, check, timeout)).await
}

fn substring(text: &str) -> BodyMatch {
    BodyMatch::Substring(text.into())
}

fn pattern(text: &str) -> BodyMatch {
    BodyMatch::Pattern(Pattern(regex::bytes::Regex::new(text).unwrap()))
}

/// Asserts that the probe has closed its connection. The endpoint notices this only when it reads or writes.
fn assert_left_alone(endpoint: &Endpoint) {
    let deadline = Instant::now() + PATIENCE;
    while endpoint.open_connections() > 0 {
        assert!(Instant::now() < deadline, "the probe's connection is still open");
        std::thread::sleep(Duration::from_millis(1));
    }
}
