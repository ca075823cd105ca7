//! IPv4 clients that are embedded in IPv6 addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An IPv4 prefix that is embedded in an IPv6 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The embedded address, with its unknown bits cleared.
    pub address: Ipv4Addr,
    /// Number of its known bits, 1-32.
    pub length: u8,
    /// Number of bits of the IPv6 prefix before the embedded address.
    pub offset: u8,
}

impl Fold {
    /// Finds the IPv4 client in an IPv6 prefix of `length` bits: IPv4-mapped (RFC 4291, section 2.5.5.2), NAT64's
    /// well-known prefix (RFC 6052, section 2.1), 6to4 (RFC 3056, section 2) and Teredo (RFC 4380, section 4). Returns
    /// `None` if there is none, or if the prefix ends before the embedded bits begin.
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
            // RFC 4380, section 4: all bits of the address are inverted.
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
