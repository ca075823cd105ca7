//! Local space: addresses that anybody may use in their own network, and that therefore have no location.
//!
//! The address of a client in such a network says nothing about its location, unless a region's prefix or a database
//! record gives the network a meaning *here*. Documentation and benchmarking ranges count as ordinary networks, because
//! people test with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::location::Location;
use super::locations::Locations;
use super::region::Regions;
use super::runs::{Bits, Runs, RunsBuilder};

/// An address family with its blocks of local space, in ascending order.
pub trait LocalSpace: Bits {
    /// The first address and the prefix length of each block.
    const BLOCKS: &'static [(Self, u8)];
}

impl LocalSpace for u32 {
    const BLOCKS: &'static [(Self, u8)] = &[
        (Ipv4Addr::UNSPECIFIED.to_bits(), 8),          // "this network", RFC 791 section 3.2
        (Ipv4Addr::new(10, 0, 0, 0).to_bits(), 8),     // private, RFC 1918 section 3
        (Ipv4Addr::new(100, 64, 0, 0).to_bits(), 10),  // shared by carriers, RFC 6598 section 7
        (Ipv4Addr::new(127, 0, 0, 0).to_bits(), 8),    // loopback, RFC 1122 section 3.2.1.3
        (Ipv4Addr::new(169, 254, 0, 0).to_bits(), 16), // link-local, RFC 3927 section 2.1
        (Ipv4Addr::new(172, 16, 0, 0).to_bits(), 12),  // private
        (Ipv4Addr::new(192, 168, 0, 0).to_bits(), 16), // private
    ];
}

impl LocalSpace for u128 {
    const BLOCKS: &'static [(Self, u8)] = &[
        // Unspecified and loopback, RFC 4291 sections 2.5.2 and 2.5.3. The addresses around them are reserved or embed
        // IPv4. The block is wider than both need, so that it also works if fewer address bits count.
        (Ipv6Addr::UNSPECIFIED.to_bits(), 32),
        (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0).to_bits(), 48), // local translation, RFC 8215 section 3
        (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0).to_bits(), 7),     // unique local, RFC 4193 section 3.1
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).to_bits(), 10),    // link-local, RFC 4291 section 2.5.6
    ];
}

/// Value of addresses in local space without a given location.
pub const UNNAMED: u32 = 1;

/// Value of all other addresses.
const NAMED: u32 = 0;

/// Runs with [`UNNAMED`] for networks of `length` bits in local space that have the value `nowhere` in `spots` and are
/// in no region's prefix. A block longer than `length` is left out: its addresses cannot be distinguished from public
/// ones.
pub fn unnamed<B: LocalSpace>(spots: &Runs<B>, nowhere: u32, prefixes: Option<&Runs<B>>, length: u8) -> Runs<B> {
    let mut builder = RunsBuilder::default();
    builder.push(B::ZERO, NAMED);
    for &(first, block) in B::BLOCKS.iter().filter(|(_, block)| *block <= length) {
        let last = first.with(B::host_mask(block));
        for spot in spots.within(first, last) {
            builder.push(spot.first, if spot.value == nowhere { UNNAMED } else { NAMED });
            let prefixes = prefixes.into_iter().flat_map(|prefixes| prefixes.within(spot.first, spot.last));
            for prefix in prefixes.filter(|_| spot.value == nowhere) {
                builder.push(prefix.first, if prefix.value == Regions::NO_PREFIX { UNNAMED } else { NAMED });
            }
        }
        if let Some(behind) = last.next() {
            builder.push(behind, NAMED);
        }
    }
    builder.finish().rounded(length)
}

/// True if the network of `length` bits with this lowest address has no location: it is in local space, in no database,
/// and in no region's prefix.
pub fn is_unnamed(address: IpAddr, length: u8, locations: &Locations, regions: &Regions) -> bool {
    is_local(address, length) && locations.look_up(address) == Location::default() && !regions.has_prefix_for(address)
}

/// True if a region's prefix is in local space, so that networks there have a meaning.
pub fn is_named_by(regions: &Regions) -> bool {
    fn has_name<B: LocalSpace>(prefixes: &Runs<B>) -> bool {
        let mut blocks = B::BLOCKS.iter().map(|&(first, length)| (first, first.with(B::host_mask(length))));
        blocks.any(|(first, last)| prefixes.within(first, last).any(|run| run.value != Regions::NO_PREFIX))
    }
    has_name(regions.prefixes_v4()) || has_name(regions.prefixes_v6())
}

fn is_local(address: IpAddr, length: u8) -> bool {
    fn holds<B: LocalSpace>(address: B, length: u8) -> bool {
        B::BLOCKS.iter().any(|&(first, block)| block <= length && address.common_prefix(first) >= block)
    }
    match address {
        IpAddr::V4(address) => holds(address.to_bits(), length),
        IpAddr::V6(address) => holds(address.to_bits(), length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Prefix, nest};

    /// The number of address bits that count in these tests, for both families.
    const CAP: u8 = 48;

    fn address(text: &str) -> u32 {
        text.parse::<Ipv4Addr>().unwrap().to_bits()
    }

    #[test]
    fn blocks_ascend_and_have_no_host_bits() {
        fn hold<B: LocalSpace>() {
            assert!(B::BLOCKS.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(B::BLOCKS.iter().all(|&(first, length)| first.without(B::host_mask(length)) == first));
        }
        hold::<u32>();
        hold::<u128>();
    }

    #[test]
    fn private_shared_local_and_unspecified_space_is_local_and_what_is_beside_it_is_not() {
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.0.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "64:ff9b:1::1",
        ] {
            assert!(is_local(text.parse().unwrap(), CAP), "{text}");
        }
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "169.255.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.0.1",
            "192.169.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "240.0.0.1",
            "2001:db8::1",
            "3fff::1",
            "fbff::1",
            "fe00::1",
            "fec0::1",
            "ff02::1",
            "1::",
            "64:ff9b::1",
        ] {
            assert!(!is_local(text.parse().unwrap(), CAP), "{text}");
        }
    }

    #[test]
    fn what_a_database_or_a_region_names_is_left_out() {
        let prefix = |text, length, value| Prefix { first: address(text), length, value };
        let spots = nest(vec![prefix("10.1.0.0", 16, 7)], 0);
        let prefixes = nest(vec![prefix("10.2.0.0", 16, 3), prefix("10.3.0.128", 25, 3)], Regions::NO_PREFIX);
        let unnamed = unnamed(&spots, 0, Some(&prefixes), 24);
        let scope = |text| {
            let run = unnamed.look_up(address(text));
            (run.value == UNNAMED, run.scope(address(text)))
        };
        assert_eq!(scope("10.0.0.0"), (true, 16));
        assert_eq!(scope("10.1.0.0"), (false, 16));
        assert_eq!(scope("10.2.0.0"), (false, 16));
        assert_eq!(scope("10.3.0.0"), (true, 16), "no network that can be looked up has this prefix");
        assert_eq!(scope("11.0.0.0"), (false, 8));
        assert_eq!(scope("172.16.0.0"), (true, 12));
        assert_eq!(super::unnamed(&spots, 0, None, 7).len(), 1, "no block is told from its neighbours");
    }
}
