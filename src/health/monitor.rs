//! Monitors: how endpoints are probed, and what counts as success.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use super::{DnsCheck, ExecCheck, GrpcCheck, HttpCheck, TcpCheck, TlsCheck};

/// From the start of one probe to the start of the next.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// What a probe may take.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// Successes in a row that bring an endpoint up.
pub const DEFAULT_RISE: NonZeroU8 = NonZeroU8::new(2).unwrap();
/// Failures in a row that take an endpoint down.
pub const DEFAULT_FALL: NonZeroU8 = NonZeroU8::new(3).unwrap();

/// How a pool's endpoints are probed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Monitor {
    /// What is asked.
    pub check: Check,
    /// From start to start; jitter only shortens it.
    pub interval: Duration,
    /// What one probe may take in all; below `interval`.
    pub timeout: Duration,
    /// Successes in a row that bring an endpoint up.
    pub rise: NonZeroU8,
    /// Failures in a row that take it down.
    pub fall: NonZeroU8,
    /// What fell stays down for so long at least; longer each time it falls soon after it rose. 0 for as short as it may be.
    pub hold_down: Duration,
    /// Where it listens, unless the endpoint has a `check_port`; 0 where there are no ports.
    pub port: u16,
}

impl Monitor {
    /// A check with the defaults of everything else.
    pub const fn new(check: Check, port: u16) -> Self {
        Self {
            check,
            interval: DEFAULT_INTERVAL,
            timeout: DEFAULT_TIMEOUT,
            rise: DEFAULT_RISE,
            fall: DEFAULT_FALL,
            hold_down: Duration::ZERO,
            port,
        }
    }
}

/// The protocol of a probe and what it expects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// A connection that is accepted, and what is said on it.
    Tcp(TcpCheck),
    /// An HTTP response that is as expected.
    Http(HttpCheck),
    /// The same inside of TLS.
    Https(HttpCheck, TlsCheck),
    /// A TLS handshake that ends well, and in which the endpoint agrees on one of these protocols of ALPN (RFC 7301),
    /// if there are any.
    Tls(TlsCheck, Vec<Box<str>>),
    /// A DNS answer that is as expected.
    Dns(DnsCheck),
    /// A gRPC health service that says SERVING.
    Grpc(GrpcCheck),
    /// An ICMP echo that comes back.
    Icmp,
    /// A program that finds the endpoint well.
    Exec(ExecCheck),
    /// Nothing: the endpoint, or whoever watches it, reports. A monitor's `interval` is how long it may be silent.
    Push,
}

/// One thing to probe. Pools that would ask the same share one probe: targets are equal then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where the connection goes.
    pub address: SocketAddr,
    /// The `Host` field of HTTP, the authority of gRPC and, without an `sni`, the name for TLS. A host name or an address, without a port.
    pub host: Box<str>,
    /// How it is probed.
    pub monitor: Arc<Monitor>,
}

impl Target {
    /// Whether this node sends probes to it, rather than waiting for reports.
    pub fn is_probed(&self) -> bool {
        !matches!(self.monitor.check, Check::Push)
    }

    /// By which means of this node outcomes of it come.
    pub fn means(&self) -> Means {
        match self.monitor.check {
            Check::Push => Means::Reports,
            Check::Exec(_) => Means::Programs,
            _ => Means::Network,
        }
    }
}

/// What of this node has to work for the outcome of a probe to tell of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Its network, and its sockets.
    Network,
    /// What it takes to run programs.
    Programs,
    /// Nothing: somebody else reports.
    Reports,
}

/// Where the connection goes.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.port() == 0 { self.address.ip().fmt(f) } else { self.address.fmt(f) }
    }
}

impl Check {
    /// Its name in a zone file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Http(_) => "http",
            Self::Https(..) => "https",
            Self::Tls(..) => "tls",
            Self::Dns(_) => "dns",
            Self::Grpc(_) => "grpc",
            Self::Icmp => "icmp",
            Self::Exec(_) => "exec",
            Self::Push => "push",
        }
    }
}
