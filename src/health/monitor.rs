//! Monitors: how endpoints are probed, and what counts as success.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

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
    /// Where it listens, unless the endpoint has a `check_port`.
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
    /// A connection that is accepted.
    Tcp,
    /// An HTTP/1.1 response that is as expected.
    Http(HttpCheck),
    /// The same inside of TLS.
    Https(HttpCheck, TlsCheck),
    /// Nothing: the endpoint, or whoever watches it, reports. A monitor's `interval` is how long it may be silent.
    Push,
}

/// An HTTP request and the response that counts as success. Redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpCheck {
    /// `GET`, `HEAD`, ...: a valid token.
    pub method: Box<str>,
    /// Path and query, beginning with a slash.
    pub path: Box<str>,
    /// Further header fields, valid for the wire, `Host` not among them.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Status codes that count as success; never empty.
    pub expect_status: Vec<StatusRange>,
    /// What the first 64 KiB of the body must hold.
    pub expect_body: Option<BodyMatch>,
}

/// Status codes from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusRange {
    /// 100-599, not above `last`.
    pub first: u16,
    /// 100-599.
    pub last: u16,
}

/// What a body must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BodyMatch {
    /// These octets, anywhere.
    Substring(Box<str>),
    /// A match of this pattern, anywhere.
    Pattern(Pattern),
}

/// A compiled regular expression; equal if its text is.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::bytes::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

/// How the endpoint's certificate is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsCheck {
    /// The name for SNI and for the certificate; the target's host if absent.
    pub sni: Option<Box<str>>,
    /// Whether the certificate must hold: chain, name and dates.
    pub verify: bool,
}

/// One thing to probe. Pools that would ask the same share one probe: targets are equal then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where the connection goes.
    pub address: SocketAddr,
    /// The `Host` field of HTTP and, without an `sni`, the name for TLS. A host name or an address, without a port.
    pub host: Box<str>,
    /// How it is probed.
    pub monitor: Arc<Monitor>,
}

impl Target {
    /// Whether this node sends probes to it, rather than waiting for reports. Only then its failures may be this node's own.
    pub fn is_probed(&self) -> bool {
        !matches!(self.monitor.check, Check::Push)
    }
}
