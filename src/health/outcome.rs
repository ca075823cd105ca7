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

    /// Whether it is a failure that could be this node's own.
    pub fn may_be_ours(&self) -> bool {
        matches!(self, Self::Failure(failure) if failure.may_be_ours())
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
    /// Waiting for the program's end.
    Exit,
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
    /// What came on a connection does not hold what it should.
    Reply,
    /// The DNS response code, by its mnemonic, is not among the expected ones.
    Rcode(String),
    /// The DNS answer lacks this record.
    Record(String),
    /// The health service says something else than SERVING: this.
    NotServing(&'static str),
    /// The gRPC call failed with this status.
    Grpc(String),
    /// The program ended with this code, and said this in its first line.
    Exit(i32, String),
    /// The program was ended by this signal, and not by the probe.
    Signal(i32),
    /// The program cannot be run on this node.
    Unrunnable(String),
    /// Too many programs were running already on this node, until it was too late.
    NoTurn,
    /// What came is not what the protocol allows.
    Protocol(String),
    /// Any other error of the operating system.
    Io(String),
    /// Nothing was heard of it for as long as its monitor waits.
    Silent,
    /// Somebody reported it, and maybe said why.
    Reported(Option<Box<str>>),
}

impl Failure {
    /// Whether it could be this node's own: what no sign of the endpoint or its network came with. A refusal, an alert or a
    /// status comes from somewhere else.
    pub fn may_be_ours(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Unreachable | Self::NoDescriptors | Self::Unrunnable(_) | Self::NoTurn)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Handshake => "in the TLS handshake",
            Self::Response => "waiting for the response",
            Self::Body => "reading the body",
            Self::Exit => "waiting for the program",
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
            Self::Reply => f.write_str("reply does not match"),
            Self::Rcode(code) => write!(f, "answered {code}"),
            Self::Record(text) => write!(f, "no record {text} in the answer"),
            Self::NotServing(status) => write!(f, "health service says {status}"),
            Self::Grpc(status) => write!(f, "grpc-status {status}"),
            Self::Exit(code, said) if said.is_empty() => write!(f, "exit code {code}"),
            Self::Exit(code, said) => write!(f, "exit code {code}: {said}"),
            Self::Signal(signal) => write!(f, "program ended by signal {signal}"),
            Self::Unrunnable(why) => write!(f, "cannot run {why}"),
            Self::NoTurn => f.write_str("too many programs run on this node"),
            Self::Protocol(why) => write!(f, "protocol error: {why}"),
            Self::Io(why) => f.write_str(why),
            Self::Silent => f.write_str("no report in time"),
            Self::Reported(None) => f.write_str("reported"),
            Self::Reported(Some(why)) => write!(f, "reported: {why}"),
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
