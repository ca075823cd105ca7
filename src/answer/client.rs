//! Where the client of a query is taken to be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::geo::{Bits, Locations, Regions, local};
use crate::snapshot::Ecs;
use crate::wire::{ClientSubnet, Fold};

/// The address that a client is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, or the lowest one of its network; folded to IPv4 if it is an IPv4 address within IPv6.
    pub address: IpAddr,
    /// What Client Subnet said of it, if that is what decides.
    pub subnet: Option<Subnet>,
}

/// A client's network as its resolver told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Bits of the address that are used.
    pub length: u8,
    /// Bits of an address of its family that a scope can have at most.
    pub max_scope: u8,
    /// Bits of the option's own prefix in front of the address that was folded out of it.
    pub offset: u8,
}

impl Client {
    /// The Client Subnet address if the option counts and its source prefix is above 0, else the packet's source: a source
    /// prefix of 0 is the client's wish not to be located (RFC 7871, section 7.1.2).
    pub fn find(ecs: &Ecs, subnet: Option<&ClientSubnet<'_>>, source: IpAddr) -> Self {
        match subnet {
            Some(ClientSubnet { address: Some(address), source, .. }) if ecs.enabled && *source > 0 => {
                Self::of_network(ecs, *address, *source)
            }
            _ => Self::of_host(source),
        }
    }

    /// The client with the address that a packet came from. Every bit of it counts.
    pub fn of_host(source: IpAddr) -> Self {
        Self { address: fold(source, u128::WIDTH).0, subnet: None }
    }

    /// The client with this address and all others that share its first `length` bits.
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

    /// Whether Client Subnet told a network of [local space](local) that neither these locations nor these regions name: the packet's
    /// source decides then.
    pub fn tells_no_place(&self, locations: &Locations, regions: &Regions) -> bool {
        self.subnet.is_some_and(|subnet| local::is_unnamed(self.address, subnet.max_scope, locations, regions))
    }

    /// The scope prefix length for an answer that holds on so many bits around the address.
    pub fn scope(&self, bits: u8) -> u8 {
        self.subnet.map_or(0, |subnet| bits.min(subnet.max_scope) + subnet.offset)
    }

    /// The scope prefix length for an answer that is this network's own.
    pub fn whole_scope(&self) -> u8 {
        self.subnet.map_or(0, |subnet| subnet.length + subnet.offset)
    }
}

/// The address, how many of its bits are known, and how many bits of IPv6 stood before them.
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
