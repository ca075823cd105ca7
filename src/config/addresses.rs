//! Addresses that no client can reach, or that cannot belong to a host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::code::Code;
use super::fault::{Fault, Faults};
use super::source::Place;

/// The reason why an address cannot be used.
struct Unfit {
    why: &'static str,
    /// The IPv4 address that was probably meant.
    meant: Option<Ipv4Addr>,
    /// True if no client can use the address; false if hosts on its link may reach it.
    is_error: bool,
}

/// Reports an address that clients cannot connect to. Returns false if no client can use it; true also after a warning.
pub(super) fn check(address: IpAddr, place: &Place, faults: &mut Faults) -> bool {
    let unfit = match address {
        IpAddr::V4(address) => unfit_v4(address),
        IpAddr::V6(address) => unfit_v6(address),
    };
    let Some(Unfit { why, meant, is_error }) = unfit else { return true };
    let message = format!("{address} {why}");
    let label =
        meant.map_or_else(|| "not the address of a host".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
    let fault = if is_error { Fault::error(place, message, label) } else { Fault::warning(place, message, label) };
    faults.push(fault.code(Code::DoubtfulAddress));
    !is_error
}

fn unfit_v4(address: Ipv4Addr) -> Option<Unfit> {
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
    Some(Unfit { why, meant: None, is_error })
}

fn unfit_v6(address: Ipv6Addr) -> Option<Unfit> {
    let unfit = |why, is_error| Some(Unfit { why, meant: None, is_error });
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => unfit("is the unspecified address", true),
        [0, 0, 0, 0, 0, 0, 0, 1] => None,
        // RFC 4291, section 2.5.5.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => {
            let meant = Some(Ipv4Addr::from_bits(address.to_bits() as u32));
            Some(Unfit { why: "embeds an IPv4 address, which belongs in a pool as itself", meant, is_error: true })
        }
        [0xff00..=0xffff, ..] => unfit("is a multicast address", true),
        [0xfe80..=0xfebf, ..] => unfit("is link-local: no router forwards to it", false),
        // RFC 3879.
        [0xfec0..=0xfeff, ..] => unfit("is site-local, which is deprecated", false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;

    #[test]
    fn hosts_have_addresses_that_others_reach() {
        let place = Place { source: std::sync::Arc::new(Source::new("a", "a")), span: 0..1 };
        let told = |address: &str| {
            let mut faults = Faults::default();
            let fit = check(address.parse().unwrap(), &place, &mut faults);
            (fit, faults.0.len())
        };
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "ff02::1",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
        ] {
            assert_eq!(told(address), (false, 1), "{address}");
        }
        for address in ["169.254.1.1", "fe80::1", "fec0::1"] {
            assert_eq!(told(address), (true, 1), "{address}");
        }
        for address in
            ["192.0.2.1", "10.0.0.1", "127.0.0.1", "100.64.0.1", "2001:db8::1", "::1", "fd00::1", "64:ff9b::1"]
        {
            assert_eq!(told(address), (true, 0), "{address}");
        }
    }
}
