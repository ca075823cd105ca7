//! The outcome of one probe.

use std::fmt;
use std::time::Duration;

use super::{Load, Share};
use crate::printable::Printable;

/// The outcome of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint passed the check of its monitor.
    Success(Finding),
    /// The probe failed, for this reason.
    Failure(Failure),
}

impl Outcome {
    /// True if the endpoint passed the check.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success(_))
    }

    /// The share of its clients that the endpoint asks for; `None` for a failure.
    pub fn share(&self) -> Option<Share> {
        match self {
            Self::Success(finding) => Some(finding.share),
            Self::Failure(_) => None,
        }
    }

    /// True if it is a failure that could be this node's own.
    pub fn may_be_ours(&self) -> bool {
        matches!(self, Self::Failure(failure) if failure.may_be_ours())
    }
}

/// The findings of a probe at an endpoint that passed the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// From the start of the probe to its verdict.
    pub took: Duration,
    /// The times of the probe's parts.
    pub times: Times,
    /// The share of its clients that the endpoint asks for.
    pub share: Share,
    /// The load that the endpoint reports, if it does.
    pub load: Option<Load>,
    /// When the certificate that it presented expires, since the Unix epoch.
    pub certificate_expires: Option<Duration>,
}

impl Finding {
    /// A success of this duration. The endpoint asks for all of its clients, and nothing else is known.
    pub const fn full(took: Duration) -> Self {
        Self { took, times: Times::UNKNOWN, share: Share::FULL, load: None, certificate_expires: None }
    }
}

/// The time that each part of a probe took; `None` for parts that the probe did not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Until the TCP connection was established: one round trip.
    pub connect: Option<Duration>,
    /// From there to the end of the TLS handshake.
    pub handshake: Option<Duration>,
    /// From the request to the head of the response.
    pub first_byte: Option<Duration>,
}

impl Times {
    /// No time is known.
    pub const UNKNOWN: Self = Self { connect: None, handshake: None, first_byte: None };
}

/// The stage that a probe had reached when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for the address of the host.
    Resolve,
    /// Waiting for the connection.
    Connect,
    /// Waiting for the TLS handshake.
    Handshake,
    /// Waiting for the response's head.
    Response,
    /// Waiting for the part of the body that is examined.
    Body,
    /// Waiting for the program's end.
    Exit,
}

/// Why a probe failed. Texts of endpoints, programs and reporters are stored unchanged. They are escaped when they are
/// shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The monitor's `timeout` passed.
    TimedOut(Stage),
    /// The address of the host was never found out, for this reason.
    Unresolved(String),
    /// The endpoint's host refused the connection.
    Refused,
    /// There is no route to the host, or a router on the way says so.
    Unreachable,
    /// This node has no file descriptors or local ports left.
    NoDescriptors,
    /// This node's own system refused to send, with this message. The cause is a route, a filter, a device or a lack of
    /// memory.
    Local(String),
    /// The peer reset the connection (RST).
    Reset,
    /// The peer closed the connection in order (FIN), but before its answer was complete.
    Closed,
    /// The endpoint sent more than a probe accepts. The text says what exceeded the limit.
    TooMuch(String),
    /// The handshake failed: an invalid certificate, an alert, or no TLS at all.
    Tls(String),
    /// The status code is not among the expected ones.
    Status(u16),
    /// The body, or its first 64 KiB, does not match.
    Body,
    /// The reply on a connection does not match.
    Reply,
    /// The DNS response code, by its mnemonic, is not among the expected ones.
    Rcode(String),
    /// The DNS answer lacks this record.
    Record(String),
    /// The health service reports this status, not SERVING.
    NotServing(&'static str),
    /// The gRPC call failed with this status.
    Grpc(String),
    /// The program exited with this code, and wrote this first line.
    Exit(i32, String),
    /// This signal ended the program; the probe did not send it.
    Signal(i32),
    /// The program cannot be run on this node.
    Unrunnable(String),
    /// The program did not start in time, because too many other programs were running on this node.
    NoTurn,
    /// The reply violates the protocol.
    Protocol(String),
    /// Any other I/O error.
    Io(String),
    /// No report came within the monitor's deadline.
    Silent,
    /// Somebody reported a failure, perhaps with a reason.
    Reported(Option<Box<str>>),
}

impl Failure {
    /// True if the failure could be this node's own, because no sign of the endpoint or its network came with it. A
    /// refusal, an alert or a status comes from outside.
    pub fn may_be_ours(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Unresolved(_)
            | Self::Unreachable
            | Self::NoDescriptors
            | Self::Local(_)
            | Self::Unrunnable(_)
            | Self::NoTurn => true,
            Self::Refused
            | Self::Reset
            | Self::Closed
            | Self::TooMuch(_)
            | Self::Tls(_)
            | Self::Status(_)
            | Self::Body
            | Self::Reply
            | Self::Rcode(_)
            | Self::Record(_)
            | Self::NotServing(_)
            | Self::Grpc(_)
            | Self::Exit(..)
            | Self::Signal(_)
            | Self::Protocol(_)
            | Self::Io(_)
            | Self::Silent
            | Self::Reported(_) => false,
        }
    }
}

impl Failure {
    /// Returns the kind of the failure as one word, for counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "timeout",
            Self::Unresolved(_) => "unresolved",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::NoDescriptors => "no_descriptors",
            Self::Local(_) => "local",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::TooMuch(_) => "too_much",
            Self::Tls(_) => "tls",
            Self::Status(_) => "status",
            Self::Body => "body",
            Self::Reply => "reply",
            Self::Rcode(_) => "rcode",
            Self::Record(_) => "record",
            Self::NotServing(_) => "not_serving",
            Self::Grpc(_) => "grpc",
            Self::Exit(..) => "exit",
            Self::Signal(_) => "signal",
            Self::Unrunnable(_) => "unrunnable",
            Self::NoTurn => "no_turn",
            Self::Protocol(_) => "protocol",
            Self::Io(_) => "io",
            Self::Silent => "silent",
            Self::Reported(_) => "reported",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the host",
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
            Self::Unresolved(why) => write!(f, "the host cannot be looked up: {}", Printable(why)),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::NoDescriptors => f.write_str("no descriptors or ports left on this node"),
            Self::Local(why) => write!(f, "this node cannot send there: {}", Printable(why)),
            Self::Reset => f.write_str("connection reset"),
            Self::Closed => f.write_str("connection closed before the answer was complete"),
            Self::TooMuch(what) => write!(f, "the endpoint sent too much: {}", Printable(what)),
            Self::Tls(why) => write!(f, "TLS: {}", Printable(why)),
            Self::Status(code) => write!(f, "status {code}"),
            Self::Body => f.write_str("body does not match"),
            Self::Reply => f.write_str("reply does not match"),
            Self::Rcode(code) => write!(f, "answered {}", Printable(code)),
            Self::Record(text) => write!(f, "no record {} in the answer", Printable(text)),
            Self::NotServing(status) => write!(f, "health service says {status}"),
            Self::Grpc(status) => write!(f, "grpc-status {}", Printable(status)),
            Self::Exit(code, said) if said.is_empty() => write!(f, "exit code {code}"),
            Self::Exit(code, said) => write!(f, "exit code {code}: {}", Printable(said)),
            Self::Signal(signal) => write!(f, "program ended by signal {signal}"),
            Self::Unrunnable(why) => write!(f, "cannot run {}", Printable(why)),
            Self::NoTurn => f.write_str("too many programs run on this node"),
            Self::Protocol(why) => write!(f, "protocol error: {}", Printable(why)),
            Self::Io(why) => Printable(why).fmt(f),
            Self::Silent => f.write_str("no report in time"),
            Self::Reported(None) => f.write_str("reported"),
            Self::Reported(Some(why)) => write!(f, "reported: {}", Printable(why)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_does_nothing_to_a_terminal_or_a_log() {
        let evil = "\u{1b}[2Jup\nWARN endpoint is up\r\u{9b}31m\u{202e}";
        for failure in [
            Failure::Local(evil.to_owned()),
            Failure::Unresolved(evil.to_owned()),
            Failure::TooMuch(evil.to_owned()),
            Failure::Tls(evil.to_owned()),
            Failure::Rcode(evil.to_owned()),
            Failure::Record(evil.to_owned()),
            Failure::Grpc(evil.to_owned()),
            Failure::Exit(2, evil.to_owned()),
            Failure::Unrunnable(evil.to_owned()),
            Failure::Protocol(evil.to_owned()),
            Failure::Io(evil.to_owned()),
            Failure::Reported(Some(evil.into())),
        ] {
            let shown = failure.to_string();
            assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'), "{shown:?}");
            assert!(shown.contains(r"\u{1b}[2Jup\nWARN endpoint is up\r"), "{shown}");
        }
    }
}
