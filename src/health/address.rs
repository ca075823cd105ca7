//! The address of a probe: an IP address, or a host name that is looked up again and again.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The destination of a probe. A host name is part of the identity of the probe, its addresses are not: the probe keeps
/// its state when they change, and nodes that look up different addresses share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProbeAddress {
    /// This address and port; port 0 for protocols without ports.
    Ip(SocketAddr),
    /// An address of this host, in lower case and without a final dot, and this port.
    Name(Box<str>, u16),
}

impl ProbeAddress {
    /// The same host with a port.
    pub fn new(host: &ProbeHost, port: u16) -> Self {
        match host {
            ProbeHost::Ip(address) => Self::Ip(SocketAddr::new(*address, port)),
            ProbeHost::Name(name) => Self::Name(name.clone(), port),
        }
    }

    /// The IP address; `None` if it has to be looked up.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Name(..) => None,
        }
    }

    /// The port; 0 for protocols without ports.
    pub fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// The IP address or the host name as text, without the port.
    pub fn host(&self) -> String {
        match self {
            Self::Ip(address) => address.ip().to_string(),
            Self::Name(name, _) => name.to_string(),
        }
    }
}

impl From<SocketAddr> for ProbeAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for ProbeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// The host of a probe, without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProbeHost {
    /// This address.
    Ip(IpAddr),
    /// An address of this host, in lower case and without a final dot.
    Name(Box<str>),
}

impl From<IpAddr> for ProbeHost {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for ProbeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}
