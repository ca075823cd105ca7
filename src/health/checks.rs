//! Settings of the checks of each protocol: the request, and what counts as success.

use std::path::Path;

use super::{BodyMatch, Share, TlsCheck};

/// A TCP connection, with octets to send and to expect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpCheck {
    /// Octets that are sent once the connection is accepted; empty for none.
    pub send: Box<[u8]>,
    /// The match that the first 64 KiB of the reply must contain. Without it, an accepted connection is a success.
    pub expect: Option<BodyMatch>,
}

/// A DNS question and the answer that counts as success.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsCheck {
    /// The name in the question, in wire format.
    pub query: Box<[u8]>,
    /// The type in the question.
    pub qtype: u16,
    /// The transport of the question.
    pub transport: DnsTransport,
    /// True if the endpoint is asked to recurse (RD).
    pub recursion: bool,
    /// Response codes that count as success, 0-15; never empty.
    pub expect_rcode: Vec<u8>,
    /// Records of type `qtype` that must all be in the answer.
    pub expect: Vec<ExpectedRecord>,
}

/// The transport of a DNS question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsTransport {
    /// UDP; then TCP if the answer is truncated and its missing part matters.
    Udp,
    /// TCP alone.
    Tcp,
}

/// The RDATA of a record that the answer must contain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExpectedRecord {
    /// The text that the operator wrote.
    pub text: Box<str>,
    /// Wire format, uncompressed.
    pub rdata: Box<[u8]>,
}

/// A call of a gRPC health service (`grpc.health.v1.Health/Check`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GrpcCheck {
    /// The service whose health is asked for; empty for the whole endpoint.
    pub service: Box<str>,
    /// TLS settings; `None` without TLS.
    pub tls: Option<TlsCheck>,
}

/// A program to run. Exit code 0 is a success, some codes are successes of a degraded endpoint, all others failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecCheck {
    /// The path of the program; it contains a slash.
    pub program: Box<Path>,
    /// The arguments; `{address}`, `{port}` and `{host}` in them are replaced by the target's.
    pub arguments: Vec<Box<str>>,
    /// When the endpoint is degraded.
    pub degraded: ExitCodes,
}

/// The exit codes of a degraded endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExitCodes {
    /// The codes, each above 0.
    pub codes: Box<[u8]>,
    /// The share of its clients that it keeps.
    pub share: Share,
}

/// The warning of Nagios plug-ins, which keeps half of the clients.
impl Default for ExitCodes {
    fn default() -> Self {
        Self { codes: [1].into(), share: Share::from_thousandths(500) }
    }
}
