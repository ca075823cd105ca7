//! The Client Subnet option (RFC 7871).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Length of the fields before the address in octets.
const FIXED: usize = 4;

const FAMILY_NONE: u16 = 0;
const FAMILY_V4: u16 = 1;
const FAMILY_V6: u16 = 2;

/// A valid Client Subnet option of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSubnet<'a> {
    /// The lowest address of the client's network; `None` if FAMILY is 0, which has no address.
    pub address: Option<IpAddr>,
    /// SOURCE PREFIX-LENGTH.
    pub source: u8,
    /// The option's octets as received, to be repeated in the response.
    pub octets: &'a [u8],
}

/// The fault of a malformed Client Subnet option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSubnet {
    /// It ends within its fixed fields.
    Short,
    /// FAMILY is unknown.
    Family,
    /// SOURCE PREFIX-LENGTH is longer than an address.
    Source,
    /// SCOPE PREFIX-LENGTH is not 0.
    Scope,
    /// ADDRESS has more or fewer octets than the prefix needs.
    AddressLength,
    /// ADDRESS has bits set beyond the prefix.
    AddressBits,
}

impl BadSubnet {
    /// Returns the fault as text for the author of the query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "client subnet: option too short",
            Self::Family => "client subnet: unknown family",
            Self::Source => "client subnet: source prefix longer than an address",
            Self::Scope => "client subnet: scope prefix not 0",
            Self::AddressLength => "client subnet: address length does not match source prefix",
            Self::AddressBits => "client subnet: address bits set beyond source prefix",
        }
    }
}

impl<'a> ClientSubnet<'a> {
    /// Reads an option. RFC 7871, section 7.2.1: "A query with a wrongly formatted option (e.g., an unknown FAMILY)
    /// MUST be rejected and a FORMERR response MUST be returned to the sender". Section 6 has the other rules.
    pub fn parse(octets: &'a [u8]) -> Result<Self, BadSubnet> {
        let &[high, low, source, scope, ref address @ ..] = octets else { return Err(BadSubnet::Short) };
        let family = u16::from_be_bytes([high, low]);
        let width = match family {
            FAMILY_V4 => u32::BITS,
            FAMILY_V6 => u128::BITS,
            FAMILY_NONE => 0,
            _ => return Err(BadSubnet::Family),
        };
        if u32::from(source) > width {
            return Err(BadSubnet::Source);
        }
        if scope != 0 {
            return Err(BadSubnet::Scope);
        }
        if address.len() != usize::from(source).div_ceil(8) {
            return Err(BadSubnet::AddressLength);
        }
        let (address, is_cut) = match family {
            FAMILY_V4 => {
                let number = v4(address);
                let host = u32::MAX.checked_shr(source.into()).unwrap_or(0);
                (Some(IpAddr::V4(Ipv4Addr::from_bits(number))), number & host == 0)
            }
            FAMILY_V6 => {
                let number = v6(address);
                let host = u128::MAX.checked_shr(source.into()).unwrap_or(0);
                (Some(IpAddr::V6(Ipv6Addr::from_bits(number))), number & host == 0)
            }
            _ => (None, true),
        };
        if is_cut { Ok(Self { address, source, octets }) } else { Err(BadSubnet::AddressBits) }
    }

    /// Reads the address of an IPv4 option with this SOURCE PREFIX-LENGTH, of which all else is known to be valid.
    #[inline]
    pub fn v4_of(source: u8, octets: &[u8]) -> Result<u32, BadSubnet> {
        let number = v4(octets.get(FIXED..).ok_or(BadSubnet::Short)?);
        let is_cut = number & u32::MAX.checked_shr(source.into()).unwrap_or(0) == 0;
        if is_cut { Ok(number) } else { Err(BadSubnet::AddressBits) }
    }
}

/// Returns the IPv4 address that begins with these octets, at most four, and goes on with zeros.
#[inline]
fn v4(octets: &[u8]) -> u32 {
    u32::from_be_bytes(match *octets {
        [a, b, c] => [a, b, c, 0],
        [a, b, c, d] => [a, b, c, d],
        [a, b] => [a, b, 0, 0],
        [a] => [a, 0, 0, 0],
        _ => [0; 4],
    })
}

/// Returns the IPv6 address that begins with these octets, at most sixteen, and goes on with zeros.
fn v6(octets: &[u8]) -> u128 {
    let number = octets.iter().fold(0, |number: u128, &octet| number << 8 | u128::from(octet));
    number.checked_shl(u128::BITS - 8 * octets.len() as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7871_6_valid_options_are_read() {
        let subnet = ClientSubnet::parse(&[0, 1, 24, 0, 203, 0, 113]).unwrap();
        assert_eq!((subnet.address, subnet.source), (Some("203.0.113.0".parse().unwrap()), 24));
        let subnet = ClientSubnet::parse(&[0, 2, 33, 0, 0x20, 1, 0x0d, 0xb8, 0x80]).unwrap();
        assert_eq!((subnet.address, subnet.source), (Some("2001:db8:8000::".parse().unwrap()), 33));
        assert_eq!(ClientSubnet::parse(&[0, 0, 0, 0]).unwrap().address, None);
        assert_eq!(ClientSubnet::parse(&[0, 1, 0, 0]).unwrap().source, 0);
    }

    #[test]
    fn rfc7871_7_2_1_malformed_options_are_refused() {
        let malformed: &[(&[u8], BadSubnet)] = &[
            (&[], BadSubnet::Short),
            (&[0, 1, 24], BadSubnet::Short),
            (&[0, 3, 0, 0], BadSubnet::Family),
            (&[0, 1, 33, 0, 1, 2, 3, 4, 5], BadSubnet::Source),
            (&[0, 2, 129, 0], BadSubnet::Source),
            (&[0, 0, 8, 0, 1], BadSubnet::Source),
            (&[0, 1, 24, 1, 203, 0, 113], BadSubnet::Scope),
            (&[0, 1, 24, 0, 203, 0], BadSubnet::AddressLength),
            (&[0, 1, 24, 0, 203, 0, 113, 0], BadSubnet::AddressLength),
            (&[0, 1, 23, 0, 203, 0, 113], BadSubnet::AddressBits),
        ];
        for (octets, fault) in malformed {
            assert_eq!(ClientSubnet::parse(octets), Err(*fault), "{octets:?}");
        }
    }
}
