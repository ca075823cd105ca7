//! Cuts the addresses of clients.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of a header, and of a record after its name.
const HEADER: usize = 12;
const RECORD: usize = 10;

/// Octets of type and class behind a question's name.
const QUESTION: usize = 4;

/// The type of an OPT record (RFC 6891), and its option Client Subnet (RFC 7871).
const OPT: u16 = 41;
const CLIENT_SUBNET: u16 = 8;

/// How many leading bits of a client's address are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

impl Cut {
    /// Returns the address with all further bits cleared. An IPv4 address that is mapped into IPv6 is an IPv4 address.
    pub(super) fn address(self, address: IpAddr) -> IpAddr {
        self.network(address.to_canonical(), u8::MAX).0
    }

    /// Returns the network with this many leading bits, or with fewer if that is what is logged.
    pub(super) fn network(self, address: IpAddr, length: u8) -> (IpAddr, u8) {
        match address {
            IpAddr::V4(address) => {
                let address = Ipv4Addr::from_bits(address.to_bits() & mask(self.v4, 32) as u32);
                (address.into(), length.min(self.v4))
            }
            IpAddr::V6(address) => {
                let address = Ipv6Addr::from_bits(address.to_bits() & mask(self.v6, 128));
                (address.into(), length.min(self.v6))
            }
        }
    }

    /// True if nothing is cut.
    fn is_whole(self) -> bool {
        self.v4 >= 32 && self.v6 >= 128
    }

    /// Returns the message with all further bits of its Client Subnet option cleared. A message that cannot be read to
    /// its end may hold such an option anywhere, and is left out.
    pub(super) fn message(self, message: &[u8]) -> Cow<'_, [u8]> {
        if self.is_whole() {
            return Cow::Borrowed(message);
        }
        let mut cut = message.to_vec();
        match self.cut_options(&mut cut) {
            Some(()) => Cow::Owned(cut),
            None => Cow::Borrowed(&[]),
        }
    }

    fn cut_options(self, message: &mut [u8]) -> Option<()> {
        let count = |place: usize| u16_at(message, place).map(usize::from);
        let (questions, records) = (count(4)?, count(6)? + count(8)? + count(10)?);
        let mut at = HEADER;
        for _ in 0..questions {
            at = after_name(message, at)? + QUESTION;
        }
        for _ in 0..records {
            let start = after_name(message, at)?;
            let rdata = start + RECORD;
            at = rdata + usize::from(u16_at(message, start + 8)?);
            if u16_at(message, start)? == OPT {
                self.cut_option(message.get_mut(rdata..at)?)?;
            }
        }
        // Octets after the last record are no part of the message.
        (at == message.len()).then_some(())
    }

    fn cut_option(self, mut options: &mut [u8]) -> Option<()> {
        while !options.is_empty() {
            let (code, length) = (u16_at(options, 0)?, usize::from(u16_at(options, 2)?));
            let (option, rest) = options[4..].split_at_mut_checked(length)?;
            if code == CLIENT_SUBNET {
                let bits = if u16_at(option, 0)? == 1 { self.v4 } else { self.v6 };
                for (octet, place) in option.get_mut(4..)?.iter_mut().zip(0..) {
                    *octet &= mask(bits.saturating_sub(place * 8).min(8), 8) as u8;
                }
            }
            options = rest;
        }
        Some(())
    }
}

/// The first `bits` of `width` bits, as the lowest ones of a number.
fn mask(bits: u8, width: u8) -> u128 {
    let all = u128::MAX >> (128 - u32::from(width));
    all & !all.checked_shr(bits.into()).unwrap_or_default()
}

fn u16_at(octets: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_be_bytes(octets.get(place..place + 2)?.try_into().ok()?))
}

/// Where a name ends: at its root, or behind a compression pointer.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..0x40 => at += 1 + usize::from(length),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cut = Cut { v4: 20, v6: 44 };

    #[test]
    fn addresses_lose_their_last_bits() {
        let cut = |text: &str| CUT.address(text.parse().unwrap()).to_string();
        assert_eq!(cut("192.0.47.255"), "192.0.32.0");
        assert_eq!(cut("::ffff:192.0.47.255"), "192.0.32.0");
        assert_eq!(cut("2001:db8:ffff:ffff::1"), "2001:db8:fff0::");
        assert_eq!(Cut { v4: 0, v6: 0 }.address([192, 0, 2, 1].into()).to_string(), "0.0.0.0");
        assert_eq!(Cut { v4: 32, v6: 128 }.address([192, 0, 2, 1].into()).to_string(), "192.0.2.1");
    }

    /// A query for the root with a cookie and this Client Subnet option.
    fn query(subnet: &[u8]) -> Vec<u8> {
        let options = [&[0, 10, 0, 2, 0xff, 0xff, 0, 8, 0, subnet.len() as u8][..], subnet].concat();
        let head = [0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0];
        [&head[..], &[options.len() as u8], &options].concat()
    }

    #[test]
    fn client_subnet_loses_them_too_and_nothing_else_changes() {
        let cut = |subnet: &[u8]| CUT.message(&query(subnet)).into_owned();
        assert_eq!(cut(&[0, 1, 24, 0, 192, 0, 47]), query(&[0, 1, 24, 0, 192, 0, 32]));
        assert_eq!(
            cut(&[0, 2, 56, 24, 0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0xff]),
            query(&[0, 2, 56, 24, 0x20, 1, 0xd, 0xb8, 0xff, 0xf0, 0])
        );
        let whole = query(&[0, 1, 24, 0, 192, 0, 47]);
        assert_eq!(Cut { v4: 32, v6: 128 }.message(&whole), whole);
    }

    #[test]
    fn a_message_that_cannot_be_read_is_left_out() {
        let whole = query(&[0, 1, 24, 0, 192, 0, 47]);
        for end in 0..whole.len() {
            assert!(CUT.message(&whole[..end]).is_empty(), "{end}");
        }
        assert!(CUT.message(&[&whole[..], &[0]].concat()).is_empty());
    }
}
