//! The outcome of a probe in detail.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::health::{Failure, Outcome};

/// The outcome of a probe. Times are in milliseconds. Times that were not measured are absent; a failed probe has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// `ok`, or the kind of failure: `timeout`, `refused`, `tls`, `status` and so on; `elsewhere` if other nodes probe.
    pub outcome: String,
    /// The status code, if it is the reason for the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error in words; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From the start of the probe to its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
    /// Until the TCP connection was established.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<f64>,
    /// From there to the end of the TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake_ms: Option<f64>,
    /// From the request to the head of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<f64>,
}

impl Seen {
    /// Other nodes of the fleet probe in this node's stead.
    pub(super) fn elsewhere() -> Self {
        Self { outcome: "elsewhere".to_owned(), ..Self::default() }
    }
}

impl From<&Outcome> for Seen {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Success(finding) => Self {
                outcome: "ok".to_owned(),
                took_ms: Some(milliseconds(finding.took)),
                connect_ms: finding.times.connect.map(milliseconds),
                handshake_ms: finding.times.handshake.map(milliseconds),
                first_byte_ms: finding.times.first_byte.map(milliseconds),
                ..Self::default()
            },
            Outcome::Failure(failure) => Self {
                outcome: kind(failure).to_owned(),
                status: if let Failure::Status(code) = failure { Some(*code) } else { None },
                error: Some(failure.to_string()),
                ..Self::default()
            },
        }
    }
}

/// Rounds to a microsecond; further digits are noise.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::TimedOut(_) => "timeout",
        Failure::Unresolved(_) => "unresolved",
        Failure::Refused => "refused",
        Failure::Unreachable => "unreachable",
        Failure::NoDescriptors | Failure::NoTurn => "exhausted",
        Failure::Local(_) => "local",
        Failure::Reset => "reset",
        Failure::Closed => "closed",
        Failure::TooMuch(_) => "too-much",
        Failure::Tls(_) => "tls",
        Failure::Status(_) => "status",
        Failure::Body => "body",
        Failure::Reply => "reply",
        Failure::Rcode(_) => "rcode",
        Failure::Record(_) => "record",
        Failure::NotServing(_) => "not-serving",
        Failure::Grpc(_) => "grpc",
        Failure::Exit(..) => "exit",
        Failure::Signal(_) => "signal",
        Failure::Unrunnable(_) => "unrunnable",
        Failure::Protocol(_) => "protocol",
        Failure::Io(_) => "io",
        Failure::Silent => "silent",
        Failure::Reported(_) => "reported",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Finding, Times};

    #[test]
    fn parts_are_told_as_far_as_they_are_known() {
        let times = Times { connect: Some(Duration::from_micros(1234)), ..Times::UNKNOWN };
        let finding = Finding { times, ..Finding::full(Duration::from_millis(7)) };
        let seen = serde_json::to_value(Seen::from(&Outcome::Success(finding))).unwrap();
        assert_eq!(seen, serde_json::json!({"outcome": "ok", "took_ms": 7.0, "connect_ms": 1.234}));
        let seen = serde_json::to_value(Seen::from(&Outcome::Failure(Failure::Status(503)))).unwrap();
        assert_eq!(seen, serde_json::json!({"outcome": "status", "status": 503, "error": "status 503"}));
    }
}
