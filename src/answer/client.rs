//! Finds the address by which the client of a query is looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::geo::{Bits, Locations, Regions, local};
use crate::snapshot::Ecs;
use crate::wire::{ClientSubnet, Fold};

/// The address that a client is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's address, or the lowest address of its network. An IPv4 address that is embedded in IPv6 is an IPv4
    /// address here.
    pub address: IpAddr,
    /// The network from the Client Subnet option; `None` if the packet's source decides.
    pub subnet: Option<Subnet>,
}

/// A client's network, from a Client Subnet option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Number of leading bits of the address that are used: at most 32 for IPv4, and 128 for IPv6.
    pub length: u8,
    /// Maximum scope prefix length in bits for an address of its family.
    pub max_scope: u8,
    /// Number of IPv6 bits in front of an embedded IPv4 address; 0 if there is none.
    pub offset: u8,
}

impl Client {
    /// Returns the Client Subnet address if the option is enabled and its source prefix length is above 0, else the
    /// packet's source. With a source prefix length of 0 the client asks not to be located (RFC 7871, section 7.1.2).
    #[inline]
    pub fn find(ecs: &Ecs, subnet: Option<&ClientSubnet<'_>>, source: IpAddr) -> Self {
        match subnet {
            Some(ClientSubnet { address: Some(address), source, .. }) if ecs.enabled && *source > 0 => {
                Self::of_network(ecs, *address, *source)
            }
            _ => Self::of_host(source),
        }
    }

    /// Returns the client with the address that a packet came from. All bits of the address count.
    #[inline]
    pub fn of_host(source: IpAddr) -> Self {
        Self { address: fold(source, u128::WIDTH).0, subnet: None }
    }

    /// Returns the client whose network has the first `length` bits of this address. A prefix that is longer than the
    /// configured maximum is cut to the maximum. An embedded IPv4 network becomes an IPv4 network.
    #[inline]
    pub fn of_network(ecs: &Ecs, address: IpAddr, length: u8) -> Self {
        let (address, length, offset) = fold(address, length);
        let (max_scope, width) = match address {
            IpAddr::V4(_) => (ecs.max_source_v4, u32::WIDTH),
            IpAddr::V6(_) => (ecs.max_source_v6, u128::WIDTH),
        };
        let length = length.min(max_scope).min(width);
        let address = match address {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits().without(u32::host_mask(length)))),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits().without(u128::host_mask(length)))),
        };
        Self { address, subnet: Some(Subnet { length, max_scope, offset }) }
    }

    /// True if the Client Subnet option holds a network of [local space](local) that neither these locations nor these
    /// regions name. Then the packet's source decides.
    pub fn tells_no_place(&self, locations: &Locations, regions: &Regions) -> bool {
        self.subnet.is_some_and(|subnet| local::is_unnamed(self.address, subnet.max_scope, locations, regions))
    }

    /// Returns the scope prefix length for an answer that is valid for all addresses that share their first `bits` bits
    /// with the client's. 0 without a Client Subnet option.
    #[inline]
    pub fn scope(&self, bits: u8) -> u8 {
        self.subnet.map_or(0, |subnet| bits.min(subnet.max_scope) + subnet.offset)
    }

    /// Returns the scope prefix length for an answer that is valid only for this network. 0 without a Client Subnet
    /// option.
    pub fn whole_scope(&self) -> u8 {
        self.subnet.map_or(0, |subnet| subnet.length + subnet.offset)
    }
}

/// Returns the address, or the IPv4 address that is embedded in it; the number of its known bits; and the number of
/// IPv6 bits before an embedded address.
#[inline]
fn fold(address: IpAddr, length: u8) -> (IpAddr, u8, u8) {
    let embedded = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Fold::find(address, length),
    };
    match embedded {
        Some(fold) => (IpAddr::V4(fold.address), fold.length, fold.offset),
        None => (address, length, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, length: u8) -> Client {
        Client::of_network(&Ecs::default(), text.parse().unwrap(), length)
    }

    #[test]
    fn what_is_longer_than_the_maximum_is_cut() {
        let client = of("203.0.113.77", 32);
        assert_eq!((client.address, client.scope(30)), ("203.0.113.0".parse().unwrap(), 24));
        let client = of("2001:db8:1:2:3::", 80);
        assert_eq!((client.address, client.scope(60)), ("2001:db8:1::".parse().unwrap(), 56));
    }

    #[test]
    fn a_folded_client_is_cut_as_ipv4_and_its_scope_counts_from_the_front() {
        let client = of("2002:cb00:714d::", 48);
        assert_eq!((client.address, client.scope(20)), ("203.0.113.0".parse().unwrap(), 36));
        assert_eq!(client.scope(32), 40);
    }

    #[test]
    fn without_an_option_the_source_decides_and_there_is_no_scope() {
        let source = "::ffff:192.0.2.1".parse().unwrap();
        let client = Client::find(&Ecs::default(), None, source);
        assert_eq!((client.address, client.scope(24)), ("192.0.2.1".parse().unwrap(), 0));
    }
}
