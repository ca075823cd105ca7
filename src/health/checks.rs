//! What probes of each protocol ask, and what they take for success.

use std::path::Path;

use super::{BodyMatch, TlsCheck};

/// A connection, and what is said on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpCheck {
    /// What is sent once the connection is accepted; nothing if empty.
    pub send: Box<[u8]>,
    /// What the first 64 KiB that come must hold; without it a connection that is accepted is enough.
    pub expect: Option<BodyMatch>,
}

/// A DNS question and the answer that counts as success.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsCheck {
    /// The name that is asked for, in wire format.
    pub query: Box<[u8]>,
    /// The type that is asked for.
    pub qtype: u16,
    /// How the question travels.
    pub transport: DnsTransport,
    /// Whether the endpoint is asked to ask others (RD).
    pub recursion: bool,
    /// Response codes that count as success, 0-15; never empty.
    pub expect_rcode: Vec<u8>,
    /// Records of type `qtype` that all have to be in the answer.
    pub expect: Vec<ExpectedRecord>,
}

/// How a DNS question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsTransport {
    /// Over UDP; over TCP as well if the answer is cut and what it lacks matters.
    Udp,
    /// Over TCP alone.
    Tcp,
}

/// The data of a record that an answer has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExpectedRecord {
    /// As the operator wrote it.
    pub text: Box<str>,
    /// In wire format, uncompressed.
    pub rdata: Box<[u8]>,
}

/// A question to a gRPC health service (`grpc.health.v1.Health/Check`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GrpcCheck {
    /// The service whose health is asked for; all of the endpoint's if empty.
    pub service: Box<str>,
    /// How TLS is spoken, if it is.
    pub tls: Option<TlsCheck>,
}

/// A program that is run, with the exit codes of Nagios' plug-ins: 0 is good, 1 a warning, all others are failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecCheck {
    /// Where the program is; with a slash in it.
    pub program: Box<Path>,
    /// What it is given, in which `{address}`, `{port}` and `{host}` stand for the target's.
    pub arguments: Vec<Box<str>>,
}
