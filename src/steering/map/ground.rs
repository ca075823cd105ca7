//! The address space divided by the facts that distinguish clients, once for all maps.

use std::sync::Arc;

use crate::geo::{Bits, Caps, Locations, Runs};
use crate::latency::ClientRtts;

/// The facts about clients that rankings can depend on, and the address space divided by them.
///
/// A *spot* is the number of a location, or of a client RTT entry if round trip times are known. Client Subnet gives
/// *networks*, of whose addresses only the first bits count. A packet's source is a *host*, of whose address every bit
/// counts. So there is one division for networks, and the source of both for hosts.
#[derive(Debug)]
pub struct Ground {
    locations: Arc<Locations>,
    client_rtts: Option<Arc<ClientRtts>>,
    caps: Caps,
    v4: Networks<u32>,
    v6: Networks<u128>,
}

/// The spots of the networks of one address family.
#[derive(Debug)]
struct Networks<B> {
    spots: Runs<B>,
    /// Spots that hosts have, and no network.
    of_hosts_only: Box<[u32]>,
}

/// The ground of one address family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'a, B> {
    /// The spot of every network.
    pub(super) networks: &'a Runs<B>,
    /// Spots that hosts have, and no network.
    pub(super) of_hosts_only: &'a [u32],
    /// The spot of every host.
    pub(super) hosts: &'a Runs<B>,
    /// Number of bits of a network's address that count.
    pub(super) cap: u8,
}

impl Ground {
    /// Divides the address space by locations. `caps` are the numbers of bits of a network's address that count.
    pub fn of_locations(locations: Arc<Locations>, caps: Caps) -> Self {
        let spots = locations.table.len();
        let (v4, v6) = (Networks::new(&locations.v4, caps.v4, spots), Networks::new(&locations.v6, caps.v6, spots));
        Self { locations, client_rtts: None, caps, v4, v6 }
    }

    /// Does the same by round trip times, which were made from the same locations.
    pub fn of_client_rtts(locations: Arc<Locations>, client_rtts: Arc<ClientRtts>, caps: Caps) -> Self {
        let spots = client_rtts.len();
        let (v4, v6) =
            (Networks::new(client_rtts.v4(), caps.v4, spots), Networks::new(client_rtts.v6(), caps.v6, spots));
        Self { locations, client_rtts: Some(client_rtts), caps, v4, v6 }
    }

    /// The locations of clients.
    pub fn locations(&self) -> &Arc<Locations> {
        &self.locations
    }

    /// The round trip times of clients; `None` if the spots are locations.
    pub fn client_rtts(&self) -> Option<&Arc<ClientRtts>> {
        self.client_rtts.as_ref()
    }

    /// The numbers of bits of a network's address that count.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    #[inline]
    pub(super) fn v4(&self) -> Side<'_, u32> {
        let hosts = self.client_rtts.as_ref().map_or(&self.locations.v4, |client_rtts| client_rtts.v4());
        self.v4.side(hosts, self.caps.v4)
    }

    #[inline]
    pub(super) fn v6(&self) -> Side<'_, u128> {
        let hosts = self.client_rtts.as_ref().map_or(&self.locations.v6, |client_rtts| client_rtts.v6());
        self.v6.side(hosts, self.caps.v6)
    }

    /// The spot of clients of which nothing is known; `None` if there are no such clients.
    pub(super) fn nowhere(&self) -> Option<u32> {
        self.client_rtts.as_ref().map_or_else(|| self.locations.nowhere(), |client_rtts| client_rtts.nowhere())
    }

    /// The number of spots.
    pub(super) fn spots(&self) -> usize {
        self.client_rtts.as_ref().map_or(self.locations.table.len(), |client_rtts| client_rtts.len())
    }
}

impl<B: Bits> Networks<B> {
    /// Networks of `cap` bits have the spot of their lowest address. `spots` is the number of all spots.
    fn new(hosts: &Runs<B>, cap: u8, spots: usize) -> Self {
        let networks = hosts.rounded(cap);
        let mut is_met = vec![false; spots];
        for spot in networks.values().iter() {
            is_met[spot as usize] = true;
        }
        let is_new = |spot: &u32| !std::mem::replace(&mut is_met[*spot as usize], true);
        let of_hosts_only = hosts.values().iter().filter(is_new).collect();
        Self { spots: networks, of_hosts_only }
    }

    #[inline]
    fn side<'a>(&'a self, hosts: &'a Runs<B>, cap: u8) -> Side<'a, B> {
        Side { networks: &self.spots, of_hosts_only: &self.of_hosts_only, hosts, cap }
    }
}
