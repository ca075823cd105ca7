//! A client as an address or a network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address with an optional prefix length: `192.0.2.7` or `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address, with host bits if the text has some.
    pub address: IpAddr,
    /// The prefix length, at least 1; `None` for a single address.
    pub prefix: Option<u8>,
}

impl Network {
    /// Returns the prefix length; for a single address, the number of its bits.
    pub fn length(&self) -> u8 {
        self.prefix.unwrap_or(width(self.address))
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is not an IP address"))?;
        let width = width(address);
        let length = |text: &str| text.parse().ok().filter(|length| (1..=width).contains(length));
        let no_length = |text: &str| format!("`{text}` is not a prefix length from 1 to {width}");
        let prefix = prefix.map(|text| length(text).ok_or_else(|| no_length(text))).transpose()?;
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    /// Writes the text form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            Some(length) => write!(f, "{}/{length}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
