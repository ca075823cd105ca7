//! Random networks of clients, and where a database has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use fastrand::Rng;
use ipnet::{IpNet, Ipv6Net};

/// A unicast network; one of IPv4 has such a length. Few first octets, so that networks lie in one another. IPv6 networks are
/// outside of prefixes that embed IPv4.
pub(crate) fn network(random: &mut Rng, is_v4: bool, lengths: RangeInclusive<u8>) -> IpNet {
    let address = if is_v4 {
        IpAddr::from([random.u8(80..96), random.u8(..), random.u8(..), random.u8(..)])
    } else {
        let bits = u128::from(random.u16(0x2a00..0x2a10)) << 112 | random.u128(..) >> 16;
        IpAddr::from(bits.to_be_bytes())
    };
    let length = if is_v4 { random.u8(lengths) } else { random.u8(20..=52) };
    IpNet::new(address, length).expect("a length that fits").trunc()
}

/// Returns the position of a network in an IPv6 database: IPv4 is under `::/96`.
pub(crate) fn in_ipv6(net: IpNet) -> Ipv6Net {
    match net {
        IpNet::V4(net) => {
            let address = Ipv6Addr::from(u128::from(u32::from(net.network())));
            Ipv6Net::new(address, net.prefix_len() + 96).expect("a length that fits")
        }
        IpNet::V6(net) => net,
    }
}

/// Some address of a network.
pub(crate) fn address_in(random: &mut Rng, net: IpNet) -> IpAddr {
    match net {
        IpNet::V4(net) => {
            IpAddr::V4(Ipv4Addr::from(u32::from(net.network()) | random.u32(..) & u32::from(net.hostmask())))
        }
        IpNet::V6(net) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(net.network()) | random.u128(..) & u128::from(net.hostmask())))
        }
    }
}
