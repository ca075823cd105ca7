//! One pushed measurement.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// The longest sample in milliseconds. A longer one is from a client that was suspended.
pub const MAX_SAMPLE_MS: f64 = 6000.0;

/// The round trip time that a client measured to a datacenter, or that a datacenter measured to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    client: IpNet,
    datacenter: Box<str>,
    /// Microseconds, above 0.
    us: u32,
}

/// Why a measurement is invalid. The sender is at fault.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleError {
    /// No round trip takes this long, or this short.
    OutOfRange(f64),
}

impl Sample {
    /// Returns a sample. `client` is an address or a prefix. Fails unless `ms` is above 0 and at most
    /// [`MAX_SAMPLE_MS`]. Rounds to microseconds.
    pub fn try_new(client: IpNet, datacenter: impl Into<Box<str>>, ms: f64) -> Result<Self, SampleError> {
        if !(ms > 0.0 && ms <= MAX_SAMPLE_MS) {
            return Err(SampleError::OutOfRange(ms));
        }
        Ok(Self { client, datacenter: datacenter.into(), us: ((ms * 1000.0).round() as u32).max(1) })
    }

    /// The address or prefix of the client.
    pub fn client(&self) -> IpNet {
        self.client
    }

    /// The name of the datacenter.
    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// In milliseconds.
    pub fn ms(&self) -> f32 {
        (f64::from(self.us) / 1000.0) as f32
    }

    /// In microseconds.
    pub fn us(&self) -> u32 {
        self.us
    }

    /// The sample as the nodes of a fleet hear it: of the client's network.
    #[must_use]
    pub fn told(&self, widths: Widths) -> Self {
        Self { client: widths.network(self.client).unwrap_or(self.client.trunc()), ..self.clone() }
    }
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(ms) => write!(f, "{ms} ms is not above 0 and at most {MAX_SAMPLE_MS} ms"),
        }
    }
}

impl std::error::Error for SampleError {}

/// The number of address bits that make a client's network. Measurements of longer prefixes count for the whole
/// network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    v4: u8,
    v6: u8,
}

/// RFC 7871, section 11.1, recommends that resolvers send at most this many bits of IPv4 addresses: longer prefixes
/// would never be looked up.
const MAX_WIDTH_V4: u8 = 24;

/// The smallest assignment for a site (RFC 6177, section 2, names /48 as the usual size).
const MAX_WIDTH_V6: u8 = 48;

impl Widths {
    /// The widths for this configuration of source prefix lengths: never longer than /24 and /48.
    pub fn new(max_source_v4: u8, max_source_v6: u8) -> Self {
        Self { v4: max_source_v4.min(MAX_WIDTH_V4), v6: max_source_v6.min(MAX_WIDTH_V6) }
    }

    /// The length of the network of an address.
    pub fn of(self, address: IpAddr) -> u8 {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// The network of these clients; `None` if they are in more than one.
    pub fn network(self, client: IpNet) -> Option<IpNet> {
        let width = self.of(client.addr());
        (client.prefix_len() >= width).then(|| IpNet::new_assert(client.addr(), width).trunc())
    }
}

impl Default for Widths {
    fn default() -> Self {
        Self::new(MAX_WIDTH_V4, MAX_WIDTH_V6)
    }
}
