//! Targets for tests, and the outcomes of their probes.

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use truenorth::health::{Check, Failure, Finding, Monitor, Outcome, Pace, Target};

/// Maximum time of a probe that should end by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Timeout of a probe that should time out, long enough to reach the expected stage on a busy machine.
pub(crate) const IMPATIENCE: Duration = Duration::from_secs(1);

/// A target that asks for www.example.com.
pub(crate) fn target(address: SocketAddr, check: Check, timeout: Duration) -> Target {
    let once = NonZeroU8::MIN;
    let monitor = Monitor {
        pace: Pace::try_new(timeout * 2, timeout).unwrap(),
        rise: once,
        fall: once,
        ..Monitor::new(check, address.port())
    };
    Target { address: address.into(), host: "www.example.com".into(), monitor: Arc::new(monitor) }
}

#[track_caller]
pub(crate) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failure(failure) => failure,
        Outcome::Success(_) => panic!("a failure was expected"),
    }
}

#[track_caller]
pub(crate) fn finding(outcome: Outcome) -> Finding {
    match outcome {
        Outcome::Success(finding) => finding,
        Outcome::Failure(failure) => panic!("a success was expected, not: {failure}"),
    }
}

#[track_caller]
pub(crate) fn tls_failure(outcome: Outcome) -> String {
    match failure(outcome) {
        Failure::Tls(why) => why,
        other => panic!("a failure of TLS was expected, not {other}"),
    }
}
