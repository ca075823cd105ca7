//! Monitors: how endpoints are probed, and what counts as success.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;
use std::time::Duration;

use super::{DnsCheck, ExecCheck, GrpcCheck, HttpCheck, ProbeAddress, Quorum, TcpCheck, TlsCheck};

/// The time from the start of one probe to the start of the next.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// The time limit of a probe.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// Consecutive successes that bring an endpoint up.
pub const DEFAULT_RISE: NonZeroU8 = NonZeroU8::new(2).unwrap();
/// Consecutive successes that clear the failures before them.
pub const DEFAULT_CLEAR: NonZeroU8 = NonZeroU8::MIN;
/// Consecutive failures that take an endpoint down.
pub const DEFAULT_FALL: NonZeroU8 = NonZeroU8::new(3).unwrap();

/// The settings of the probes of a pool's endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Monitor {
    /// The protocol, and what counts as success.
    pub check: Check,
    /// When it probes, and for how long.
    pub pace: Pace,
    /// Consecutive successes that bring an endpoint up.
    pub rise: NonZeroU8,
    /// Failures that take it down: those since it last had `clear` successes in a row.
    pub fall: NonZeroU8,
    /// Consecutive successes that clear the failures before them. With 1, only failures in a row take an endpoint down.
    pub clear: NonZeroU8,
    /// Minimum time down. It doubles for an endpoint that flaps. 0 disables it.
    pub hold_down: Duration,
    /// How many vantage points of a fleet must see an endpoint down; `None` for the fleet's own.
    pub quorum: Option<Quorum>,
    /// How many nodes of a fleet probe each endpoint; `None` for the fleet's own number.
    pub vantages: Option<NonZeroU16>,
    /// The port to probe, unless the endpoint has a `check_port`; 0 for protocols without ports.
    pub port: u16,
}

impl Monitor {
    /// The longest time from the first failure of an endpoint that only fails to the outcome that confirms it.
    pub fn detection(&self) -> Duration {
        self.pace.interval * u32::from(self.fall.get()) + self.pace.timeout
    }

    /// A check with the defaults for all other fields.
    pub const fn new(check: Check, port: u16) -> Self {
        Self {
            check,
            pace: Pace::DEFAULT,
            rise: DEFAULT_RISE,
            fall: DEFAULT_FALL,
            clear: DEFAULT_CLEAR,
            hold_down: Duration::ZERO,
            quorum: None,
            vantages: None,
            port,
        }
    }
}

/// When a monitor probes, and for how long. Probes of one endpoint never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    interval: Duration,
    timeout: Duration,
}

impl Pace {
    /// [`DEFAULT_INTERVAL`] and [`DEFAULT_TIMEOUT`].
    pub const DEFAULT: Self = Self { interval: DEFAULT_INTERVAL, timeout: DEFAULT_TIMEOUT };

    /// Returns `None` if `timeout` is not below `interval`. A monitor that waits for reports has no timeout: zero.
    pub fn try_new(interval: Duration, timeout: Duration) -> Option<Self> {
        (timeout < interval).then_some(Self { interval, timeout })
    }

    /// The time from the start of one probe to the start of the next. Jitter only shortens it. For a monitor that waits
    /// for reports, the longest time between two of them.
    pub fn interval(self) -> Duration {
        self.interval
    }

    /// The time limit of one whole probe.
    pub fn timeout(self) -> Duration {
        self.timeout
    }
}

/// The protocol of a probe and what it expects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// An accepted connection, and what is sent and expected on it.
    Tcp(TcpCheck),
    /// An HTTP response that matches.
    Http(HttpCheck),
    /// The same over TLS.
    Https(HttpCheck, TlsCheck),
    /// A successful TLS handshake. If there are protocols (ALPN, RFC 7301), the endpoint must agree on one of them.
    Tls(TlsCheck, Vec<Box<str>>),
    /// A DNS response that matches.
    Dns(DnsCheck),
    /// A gRPC health service that says SERVING.
    Grpc(GrpcCheck),
    /// An ICMP echo reply.
    Icmp,
    /// A program that exits with success.
    Exec(ExecCheck),
    /// No probe: the endpoint, or a program that watches it, reports. The monitor's interval is the longest time
    /// between two reports.
    Push,
}

/// One thing to probe. Pools that would ask the same question share one probe: their targets are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The address and port to probe.
    pub address: ProbeAddress,
    /// The `Host` field of HTTP, the authority of gRPC and, without an `sni`, the name for TLS. A host name or an
    /// address, without a port.
    pub host: Box<str>,
    /// The settings of its probes.
    pub monitor: Arc<Monitor>,
}

impl Target {
    /// True if this node probes it, and does not only wait for reports.
    pub fn is_probed(&self) -> bool {
        !matches!(self.monitor.check, Check::Push)
    }

    /// The name that a handshake of TLS asks for; the host without TLS.
    pub fn server_name(&self) -> &str {
        self.monitor.check.tls().and_then(|tls| tls.sni.as_deref()).unwrap_or(&self.host)
    }

    /// The means of this node by which its outcomes come.
    pub fn means(&self) -> Means {
        match self.monitor.check {
            Check::Push => Means::Reports,
            Check::Exec(_) => Means::Programs,
            _ => Means::Network,
        }
    }
}

/// The part of this node that must work for a probe's outcome to say something about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The node's network and its sockets.
    Network,
    /// The node's ability to run programs.
    Programs,
    /// None: others report.
    Reports,
}

/// The address, and the port if there is one.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.port() == 0 { f.write_str(&self.address.host()) } else { self.address.fmt(f) }
    }
}

impl Check {
    /// Its TLS settings, if its probes speak TLS.
    pub fn tls(&self) -> Option<&TlsCheck> {
        match self {
            Self::Https(_, tls) | Self::Tls(tls, _) | Self::Grpc(GrpcCheck { tls: Some(tls), .. }) => Some(tls),
            _ => None,
        }
    }

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
