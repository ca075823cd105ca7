//! Probes real endpoints on loopback: checks the requests, the responses that count as success, and the failures.

#[path = "../endpoint/mod.rs"]
mod endpoint;

mod body;
mod floods;
mod http_2;
mod leniency;
mod load;
mod misbehaviour;
mod request;
mod reuse;
mod share;
mod status;
mod times;
mod what_came_before_a_reset;

use std::time::{Duration, Instant};

use endpoint::probing::{IMPATIENCE, PATIENCE, failure, finding, target};
use endpoint::{ANY_PORT, Endpoint, Script, Step};
use truenorth::health::{
    BodyMatch, Check, Degraded, Failure, Finding, GrpcCheck, HttpCheck, HttpVersion, Load, Outcome, Pattern, Share,
    Stage, StatusRange, TcpCheck, Times, TlsCheck,
};
use truenorth::monitor::Prober;

fn get() -> HttpCheck {
    HttpCheck { path: "/healthz".into(), ..HttpCheck::default() }
}

fn expecting(text: &str) -> HttpCheck {
    HttpCheck { expect_body: Some(BodyMatch::Substring(text.into())), ..get() }
}

fn matching(pattern: &str) -> HttpCheck {
    let pattern = Pattern(regex::bytes::Regex::new(pattern).unwrap());
    HttpCheck { expect_body: Some(BodyMatch::Pattern(pattern)), ..get() }
}

async fn probe(endpoint: &Endpoint, check: HttpCheck, timeout: Duration) -> Outcome {
    Prober::with_roots([]).probe(&target(endpoint.address(), Check::Http(check), timeout)).await
}

/// Asserts that the probe has closed its connection. The endpoint notices this only when it reads or writes.
fn assert_left_alone(endpoint: &Endpoint) {
    let deadline = Instant::now() + PATIENCE;
    while endpoint.open_connections() > 0 {
        assert!(Instant::now() < deadline, "the probe's connection is still open");
        std::thread::sleep(Duration::from_millis(1));
    }
}
