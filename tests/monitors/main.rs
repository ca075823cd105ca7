//! Probes of each type beside HTTP, against real endpoints on loopback.

#[path = "../endpoint/mod.rs"]
mod endpoint;

mod dns;
mod exec;
mod grpc;
mod icmp;
mod tcp;

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};

use endpoint::Endpoint;
use truenorth::health::{BodyMatch, Check, Failure, Monitor, Outcome, Pattern, Target};
use truenorth::monitor::Prober;

/// What a probe may take where it is expected to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a probe may take where it is expected to time out.
const IMPATIENCE: Duration = Duration::from_millis(300);

fn target(address: SocketAddr, check: Check, timeout: Duration) -> Target {
    let once = NonZeroU8::MIN;
    let monitor =
        Monitor { interval: timeout * 2, timeout, rise: once, fall: once, ..Monitor::new(check, address.port()) };
    Target { address, host: "www.example.com".into(), monitor: Arc::new(monitor) }
}

async fn probe(address: SocketAddr, check: Check, timeout: Duration) -> Outcome {
    Prober::with_roots([]).probe(&target(address, check, timeout)).await
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failure(failure) => failure,
        Outcome::Success(_) => panic!("a failure was expected"),
    }
}

fn substring(text: &str) -> BodyMatch {
    BodyMatch::Substring(text.into())
}

fn pattern(text: &str) -> BodyMatch {
    BodyMatch::Pattern(Pattern(regex::bytes::Regex::new(text).unwrap()))
}

/// The endpoint notices that a probe is gone only when it reads or writes.
fn assert_left_alone(endpoint: &Endpoint) {
    let deadline = Instant::now() + PATIENCE;
    while endpoint.open_connections() > 0 {
        assert!(Instant::now() < deadline, "the probe's connection is still open");
        std::thread::sleep(Duration::from_millis(1));
    }
}
