//! Addresses that no client can reach, or that cannot belong to a host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The reason why an address cannot be used.
#[derive(Clone, Copy, Debug)]
pub struct UnfitAddress {
    /// The reason, which follows the address in a sentence.
    pub why: &'static str,
    /// The IPv4 address that was probably meant.
    pub meant: Option<Ipv4Addr>,
    /// True if no client can use the address; false if hosts on its link may reach it.
    pub is_error: bool,
}

impl UnfitAddress {
    /// Returns why an address cannot be handed out, or should not be; `None` if it can.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => unfit_v4(address),
            IpAddr::V6(address) => unfit_v6(address),
        }
    }
}

fn unfit_v4(address: Ipv4Addr) -> Option<UnfitAddress> {
    let (why, is_error) = match address.octets() {
        // RFC 1122, section 3.2.1.3: "MUST NOT be sent, except as a source address".
        [0, ..] => ("means \"this host\" and is no address to connect to", true),
        [224..=239, ..] => ("is a multicast address", true),
        [255, 255, 255, 255] => ("is the broadcast address", true),
        // RFC 1112, section 4.
        [240..=255, ..] => ("is reserved", true),
        // RFC 3927, section 2.7.
        [169, 254, ..] => ("is link-local: no router forwards to it", false),
        _ => return None,
    };
    Some(UnfitAddress { why, meant: None, is_error })
}

fn unfit_v6(address: Ipv6Addr) -> Option<UnfitAddress> {
    let unfit = |why, is_error| Some(UnfitAddress { why, meant: None, is_error });
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => unfit("is the unspecified address", true),
        [0, 0, 0, 0, 0, 0, 0, 1] => None,
        // RFC 4291, section 2.5.5.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => {
            let meant = Some(Ipv4Addr::from_bits(address.to_bits() as u32));
            Some(UnfitAddress {
                why: "embeds an IPv4 address, which belongs in a pool as itself",
                meant,
                is_error: true,
            })
        }
        [0xff00..=0xffff, ..] => unfit("is a multicast address", true),
        [0xfe80..=0xfebf, ..] => unfit("is link-local: no router forwards to it", false),
        // RFC 3879.
        [0xfec0..=0xfeff, ..] => unfit("is site-local, which is deprecated", false),
        _ => None,
    }
}
