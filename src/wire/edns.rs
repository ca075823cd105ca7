//! EDNS (RFC 6891) and its Client Subnet option (RFC 7871).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::query::Malformed;
use super::read_u16;

/// Code of the Client Subnet option.
pub(super) const CLIENT_SUBNET: u16 = 8;

/// Octets of FAMILY and both prefix lengths, which stand before ADDRESS.
pub(super) const CLIENT_SUBNET_FIXED: usize = 4;

const FAMILY_NONE: u16 = 0;
const FAMILY_V4: u16 = 1;
const FAMILY_V6: u16 = 2;

/// What a query's OPT record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'a> {
    /// Octets that the asker can take over UDP.
    pub payload: u16,
    /// 0 is the only version there is.
    pub version: u8,
    /// The Client Subnet option, if there is one; malformed if it or the way the options are strung together is.
    pub client_subnet: Result<Option<ClientSubnet<'a>>, Malformed>,
}

/// A valid Client Subnet option of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSubnet<'a> {
    /// The lowest address of the client's network; `None` where the family is 0, which goes with no address.
    pub address: Option<IpAddr>,
    /// SOURCE PREFIX-LENGTH.
    pub source: u8,
    /// The option's octets as they came, for the response to repeat.
    pub octets: &'a [u8],
}

impl<'a> Edns<'a> {
    /// Reads an OPT record: its CLASS, TTL and RDATA.
    pub(super) fn parse(payload: u16, ttl: u32, rdata: &'a [u8]) -> Self {
        Self { payload, version: (ttl >> 16) as u8, client_subnet: client_subnet(rdata) }
    }
}

/// Finds the Client Subnet option; others are passed over (RFC 6891, section 6.1.2).
fn client_subnet(mut options: &[u8]) -> Result<Option<ClientSubnet<'_>>, Malformed> {
    let mut found = None;
    while !options.is_empty() {
        let code = read_u16(options, 0).ok_or(Malformed)?;
        let length = usize::from(read_u16(options, 2).ok_or(Malformed)?);
        let option = options.get(4..4 + length).ok_or(Malformed)?;
        if code == CLIENT_SUBNET {
            found = Some(ClientSubnet::parse(option)?);
        }
        options = &options[4 + length..];
    }
    Ok(found)
}

impl<'a> ClientSubnet<'a> {
    /// RFC 7871, section 7.2: a malformed option is answered with FORMERR. It is one if the family is none we know, the
    /// prefix is longer than an address, the scope is not 0 (section 6: "it MUST be set to 0 by the client"), ADDRESS has
    /// more or fewer octets than the prefix needs, or bits beyond it are set.
    fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let family = read_u16(octets, 0).ok_or(Malformed)?;
        let [source, scope, ref address @ ..] = octets[2..] else { return Err(Malformed) };
        let width = match family {
            FAMILY_V4 => 32,
            FAMILY_V6 => 128,
            FAMILY_NONE => 0,
            _ => return Err(Malformed),
        };
        if scope != 0 || source > width || address.len() != usize::from(source).div_ceil(8) {
            return Err(Malformed);
        }
        let mut padded = [0; 16];
        padded[..address.len()].copy_from_slice(address);
        let number = u128::from_be_bytes(padded);
        if number & u128::MAX.checked_shr(u32::from(source)).unwrap_or(0) != 0 {
            return Err(Malformed);
        }
        let address = match family {
            FAMILY_V4 => Some(IpAddr::V4(Ipv4Addr::from_bits((number >> 96) as u32))),
            FAMILY_V6 => Some(IpAddr::V6(Ipv6Addr::from_bits(number))),
            _ => None,
        };
        Ok(Self { address, source, octets })
    }
}

/// An IPv4 prefix found inside of an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The embedded address, its unknown bits clear.
    pub address: Ipv4Addr,
    /// How many of its bits are known, 1-32.
    pub length: u8,
    /// Bits of the IPv6 prefix in front of it.
    pub offset: u8,
}

impl Fold {
    /// Finds the IPv4 client behind an IPv6 prefix of `length` bits: IPv4-mapped (RFC 4291, section 2.5.5.2), NAT64's
    /// well-known prefix (RFC 6052, section 2.1), 6to4 (RFC 3056, section 2) and Teredo (RFC 4380, section 4). `None` where the
    /// prefix ends before the embedded bits begin.
    pub fn find(address: Ipv6Addr, length: u8) -> Option<Self> {
        const MAPPED: (u128, u8) = (0xffff << 32, 96);
        const NAT64: (u128, u8) = (0x0064_ff9b << 96, 96);
        const SIX_TO_FOUR: (u128, u8) = (0x2002 << 112, 16);
        const TEREDO: (u128, u8) = (0x2001_0000 << 96, 32);
        let number = address.to_bits();
        let lies_in = |(prefix, length): (u128, u8)| number >> (128 - length) == prefix >> (128 - length);
        let (offset, embedded) = if lies_in(MAPPED) || lies_in(NAT64) {
            (96, number as u32)
        } else if lies_in(SIX_TO_FOUR) {
            (16, (number >> 80) as u32)
        } else if lies_in(TEREDO) {
            // RFC 4380, section 4: "each bit in the address is reversed".
            (96, !(number as u32))
        } else {
            return None;
        };
        let length = length.checked_sub(offset).filter(|&known| known > 0)?.min(32);
        let known = !u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        Some(Self { address: Ipv4Addr::from_bits(embedded & known), length, offset })
    }
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
    fn rfc7871_7_2_malformed_options_are_refused() {
        let malformed: &[&[u8]] = &[
            &[],
            &[0, 1, 24],
            &[0, 3, 0, 0],
            &[0, 1, 33, 0, 1, 2, 3, 4, 5],
            &[0, 1, 24, 1, 203, 0, 113],
            &[0, 1, 24, 0, 203, 0],
            &[0, 1, 24, 0, 203, 0, 113, 0],
            &[0, 1, 23, 0, 203, 0, 113],
            &[0, 0, 8, 0, 1],
        ];
        for octets in malformed {
            assert_eq!(ClientSubnet::parse(octets), Err(Malformed), "{octets:?}");
        }
    }

    #[test]
    fn embedded_addresses_are_found() {
        let fold = |text: &str, length| Fold::find(text.parse().unwrap(), length);
        let found = |address: &str, length, offset| Some(Fold { address: address.parse().unwrap(), length, offset });
        assert_eq!(fold("::ffff:203.0.113.7", 128), found("203.0.113.7", 32, 96));
        assert_eq!(fold("64:ff9b::203.0.113.7", 120), found("203.0.113.0", 24, 96));
        assert_eq!(fold("2002:cb00:7107::", 48), found("203.0.113.7", 32, 16));
        assert_eq!(fold("2002:cb00:7107::", 40), found("203.0.113.0", 24, 16));
        assert_eq!(fold("2001:0:1:2:3:4:34ff:8ef8", 128), found("203.0.113.7", 32, 96));
        assert_eq!(fold("2001:0:1:2::", 64), None);
        assert_eq!(fold("2001:db8::1", 128), None);
    }
}
