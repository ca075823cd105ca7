//! What one probe found.

use std::fmt;
use std::time::Duration;

use super::{Load, Share};

/// The end of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint did what its monitor asks.
    Success(Finding),
    /// It did not.
    Failure(Failure),
}

impl Outcome {
    /// Whether the endpoint did what its monitor asks.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success(_))
    }

    /// The share of its clients that the endpoint asks for, if it did what its monitor asks.
    pub fn share(&self) -> Option<Share> {
        match self {
            Self::Success(finding) => Some(finding.share),
            Self::Failure(_) => None,
        }
    }
}

/// What a probe learnt of an endpoint that did what its monitor asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// From the probe's start to its verdict.
    pub took: Duration,
    /// How long its parts took.
    pub times: Times,
    /// The share of its clients that the endpoint asks for.
    pub share: Share,
    /// What the endpoint says of its load, if it does.
    pub load: Option<Load>,
    /// Until when the certificate is valid that it showed, since the Unix epoch.
    pub certificate_expires: Option<Duration>,
}

impl Finding {
    /// An endpoint that asks for all of its clients, and of which nothing else is known.
    pub const fn full(took: Duration) -> Self {
        Self { took, times: Times::UNKNOWN, share: Share::FULL, load: None, certificate_expires: None }
    }
}

/// How long the parts of a probe took, each on its own; those are absent that it did not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Until the TCP connection stood: a round trip.
    pub connect: Option<Duration>,
    /// From there to the end of the TLS handshake.
    pub handshake: Option<Duration>,
    /// From the request to the head of the response.
    pub first_byte: Option<Duration>,
}

impl Times {
    /// None of them.
    pub const UNKNOWN: Self = Self { connect: None, handshake: None, first_byte: None };
}

/// How far a probe came before its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for the connection.
    Connect,
    /// Waiting for the TLS handshake.
    Handshake,
    /// Waiting for the response's head.
    Response,
    /// Waiting for the part of the body that is looked at.
    Body,
}

/// Why a probe failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The monitor's `timeout` passed.
    TimedOut(Stage),
    /// The endpoint's host refused the connection.
    Refused,
    /// No route leads there, or one on the way says so.
    Unreachable,
    /// This node has no file descriptors or local ports left.
    NoDescriptors,
    /// The peer ended the connection in the middle.
    Reset,
    /// The handshake failed: a certificate that does not hold, an alert, no TLS at all.
    Tls(String),
    /// The status code is not among the expected ones.
    Status(u16),
    /// The body, or its first 64 KiB, does not hold what it should.
    Body,
    /// What came is not what the protocol allows.
    Protocol(String),
    /// Any other error of the operating system.
    Io(String),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Handshake => "in the TLS handshake",
            Self::Response => "waiting for the response",
            Self::Body => "reading the body",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(stage) => write!(f, "timed out {stage}"),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::NoDescriptors => f.write_str("no descriptors or ports left on this node"),
            Self::Reset => f.write_str("connection reset"),
            Self::Tls(why) => write!(f, "TLS: {why}"),
            Self::Status(code) => write!(f, "status {code}"),
            Self::Body => f.write_str("body does not match"),
            Self::Protocol(why) => write!(f, "protocol error: {why}"),
            Self::Io(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success(Finding { took, share, .. }) => {
                write!(f, "ok in {:.1} ms", took.as_secs_f64() * 1000.0)?;
                if share.is_full() { Ok(()) } else { write!(f, ", asks for {share} of its clients") }
            }
            Self::Failure(failure) => failure.fmt(f),
        }
    }
}
