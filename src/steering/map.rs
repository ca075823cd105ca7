//! From client address to ranking, for all addresses.
//!
//! A map is made in one sweep over everything that distinguishes clients: runs of locations (or of client RTTs if round
//! trip times count), and the prefixes of regions. Every query looks it up, and it never changes. A changed world makes
//! a new map.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ptr;
use std::sync::Arc;

use super::ranking::{Client, CompiledChain, Ranking, Set};
use crate::geo::local::{LocalSpace, UNNAMED, unnamed};
use crate::geo::{Bits, Caps, Locations, RegionId, Regions, Runs};
use crate::latency::ClientRtts;

/// The facts about clients that rankings can depend on.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The locations of clients.
    pub locations: &'a Locations,
    /// The round trip times to the datacenters, made from the same locations; `None` if round trip times are unknown.
    pub client_rtts: Option<&'a ClientRtts>,
    /// The number of bits of a network's address that count.
    pub caps: Caps,
}

/// The ranking of a name's candidate classes for every address.
///
/// Client Subnet gives *networks*, of whose addresses only the first bits count. A packet's source is a *host*, of
/// whose address every bit counts. Few networks contain hosts whose ranking differs from that of the network's lowest
/// address. So there is one table for both, and a second one for those hosts.
#[derive(Debug)]
pub struct Map {
    compiled_chain: CompiledChain,
    naming: Option<Arc<Regions>>,
    rankings: Box<[Ranking]>,
    v4: MapTable<u32>,
    v6: MapTable<u128>,
    /// The number of the ranking for networks in local space that have no location. It is a second copy of the ranking
    /// for clients of which nothing is known. [`NO_RANKING`] if there are no such networks.
    unnamed: u32,
    is_uniform: bool,
}

/// The tables of one address family.
#[derive(Debug)]
struct MapTable<B> {
    /// The number of the ranking for every network.
    networks: Runs<B>,
    /// The number of the ranking for hosts whose ranking differs from their network's, [`LIKE_NETWORK`] for the others;
    /// `None` if there are no such hosts.
    hosts: Option<Runs<B>>,
}

const LIKE_NETWORK: u32 = u32::MAX;

/// Not the number of any ranking.
const NO_RANKING: u32 = u32::MAX;

/// The result of a look-up in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement<'a> {
    /// The ranking of the candidate classes.
    pub ranking: &'a Ranking,
    /// The length of the shortest prefix around the client on which the ranking is the same.
    pub scope: u8,
    /// True if the client's network says nothing about its location, because it is in [local space](crate::geo::local)
    /// and neither a region's prefix nor a database contains it.
    pub is_unnamed: bool,
}

impl Map {
    /// Makes a map in one sweep over the address space; this takes milliseconds for a million networks. `naming` are
    /// regions whose prefixes give networks in local space a location if the chain does not use regions.
    pub fn build(compiled_chain: CompiledChain, naming: Option<Arc<Regions>>, ground: Ground<'_>) -> Self {
        let Ground { locations, client_rtts, caps } = ground;
        let client_rtts = client_rtts.filter(|_| compiled_chain.measures_latency());
        let (spots_v4, spots_v6, nowhere) = match client_rtts {
            Some(client_rtts) => (client_rtts.v4(), client_rtts.v6(), client_rtts.nowhere()),
            None => (&locations.v4, &locations.v6, locations.nowhere()),
        };
        let regions = compiled_chain.regions().map(|regions| &**regions);
        let prefixes = regions.or(naming.as_deref());
        let mut sweep = Sweep::new(&compiled_chain, locations, client_rtts);
        let v4 = sweep.over(spots_v4, regions.map(Regions::prefixes_v4));
        let v6 = sweep.over(spots_v6, regions.map(Regions::prefixes_v6));
        let networks = (v4.rounded(caps.v4), v6.rounded(caps.v6));
        let hosts = (hosts(&v4, &networks.0), hosts(&v6, &networks.1));
        let is_uniform = networks.0.len() == 1
            && networks.1.len() == 1
            && networks.0.value(0) == networks.1.value(0)
            && hosts.0.is_none()
            && hosts.1.is_none();
        let unnamed = nowhere.map_or(NO_RANKING, |nowhere| sweep.second_copy(nowhere));
        let nowhere = nowhere.unwrap_or(NO_RANKING);
        let v4 = mark(networks.0, spots_v4, nowhere, prefixes.map(Regions::prefixes_v4), caps.v4, unnamed);
        let v6 = mark(networks.1, spots_v6, nowhere, prefixes.map(Regions::prefixes_v6), caps.v6, unnamed);
        let rankings = sweep.rankings.into();
        let (v4, v6) = (MapTable { networks: v4, hosts: hosts.0 }, MapTable { networks: v6, hosts: hosts.1 });
        Self { compiled_chain, naming, rankings, v4, v6, unnamed, is_uniform }
    }

    /// The compiled chain that the rankings depend on. Maps with equal chains and equal [naming](Self::naming) over the
    /// same facts are equal.
    pub fn compiled_chain(&self) -> &CompiledChain {
        &self.compiled_chain
    }

    /// The regions that give networks in local space a location if the chain does not use regions.
    pub fn naming(&self) -> Option<&Arc<Regions>> {
        self.naming.as_ref()
    }

    /// True if all clients have the same ranking.
    pub fn is_uniform(&self) -> bool {
        self.is_uniform
    }

    /// All rankings, by their numbers, which are the values of the runs.
    pub fn rankings(&self) -> &[Ranking] {
        &self.rankings
    }

    /// The number of the ranking for every IPv4 network.
    pub fn v4(&self) -> &Runs<u32> {
        &self.v4.networks
    }

    /// The number of the ranking for every IPv6 network.
    pub fn v6(&self) -> &Runs<u128> {
        &self.v6.networks
    }

    /// The ranking for the network with this lowest address, and the scope on which it is valid.
    pub fn look_up(&self, network: IpAddr) -> Placement<'_> {
        match network {
            IpAddr::V4(address) => self.place(&self.v4, address.to_bits()),
            IpAddr::V6(address) => self.place(&self.v6, address.to_bits()),
        }
    }

    /// The number of one of this map's rankings; `None` for a ranking of another map.
    pub fn number_of(&self, ranking: &Ranking) -> Option<u32> {
        let octets = ptr::from_ref(ranking).addr().checked_sub(self.rankings.as_ptr().addr())?;
        let number = octets / size_of::<Ranking>();
        (number < self.rankings.len()).then_some(number as u32)
    }

    /// The ranking for the host with this address.
    pub fn ranking_of_host(&self, host: IpAddr) -> &Ranking {
        let number = match host {
            IpAddr::V4(address) => self.v4.host(address.to_bits()),
            IpAddr::V6(address) => self.v6.host(address.to_bits()),
        };
        &self.rankings[number as usize]
    }

    fn place<B: Bits>(&self, table: &MapTable<B>, address: B) -> Placement<'_> {
        let run = table.networks.look_up(address);
        let is_unnamed = run.value == self.unnamed;
        Placement { ranking: &self.rankings[run.value as usize], scope: run.scope(address), is_unnamed }
    }
}

impl<B: Bits> MapTable<B> {
    fn host(&self, address: B) -> u32 {
        match self.hosts.as_ref().map_or(LIKE_NETWORK, |hosts| hosts.value(address)) {
            LIKE_NETWORK => self.networks.value(address),
            number => number,
        }
    }
}

/// The numbers of hosts whose number differs from their network's.
fn hosts<B: Bits>(all: &Runs<B>, networks: &Runs<B>) -> Option<Runs<B>> {
    let hosts = all.join(networks, |host, network| if host == network { LIKE_NETWORK } else { host });
    (hosts.len() > 1).then_some(hosts)
}

/// Assigns this number to networks in local space that have no location.
fn mark<B: LocalSpace>(
    networks: Runs<B>,
    spots: &Runs<B>,
    nowhere: u32,
    prefixes: Option<&Runs<B>>,
    cap: u8,
    number: u32,
) -> Runs<B> {
    let unnamed = unnamed(spots, nowhere, prefixes, cap);
    if unnamed.len() == 1 && unnamed.value(B::ZERO) != UNNAMED {
        return networks;
    }
    networks.join(&unnamed, |ranking, mark| if mark == UNNAMED { number } else { ranking })
}

/// The distinct rankings found so far. A *spot* is the number of a location, or of a client RTT entry.
struct Sweep<'a> {
    compiled_chain: &'a CompiledChain,
    client_rtts: Option<&'a ClientRtts>,
    /// The clients at each location without a region's prefix, without their round trip times.
    clients: Vec<Client<'a>>,
    /// The ranking number of each spot; [`UNRANKED`] if it was not met yet.
    by_spot: Vec<u32>,
    by_client: HashMap<Client<'a>, u32, foldhash::fast::FixedState>,
    numbers: HashMap<Ranking, u32, foldhash::fast::FixedState>,
    rankings: Vec<Ranking>,
    tiers: Vec<Set>,
    spare: Vec<Set>,
}

const UNRANKED: u32 = u32::MAX;

impl<'a> Sweep<'a> {
    fn new(compiled_chain: &'a CompiledChain, locations: &Locations, client_rtts: Option<&'a ClientRtts>) -> Self {
        let regions = compiled_chain.regions();
        let clients = locations.table.iter().map(|location| Client {
            region: regions.map_or(RegionId::NOWHERE, |regions| regions.of_location(location)),
            coordinates: location.coordinates.filter(|_| compiled_chain.measures_distance()),
            rtts: &[],
        });
        Self {
            compiled_chain,
            client_rtts,
            clients: clients.collect(),
            by_spot: vec![UNRANKED; client_rtts.map_or(locations.table.len(), ClientRtts::len)],
            by_client: HashMap::default(),
            numbers: HashMap::default(),
            rankings: Vec::new(),
            tiers: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The ranking numbers for all addresses of a family.
    fn over<B: Bits>(&mut self, spots: &Runs<B>, prefixes: Option<&Runs<B>>) -> Runs<B> {
        match prefixes {
            Some(prefixes) => spots.join(prefixes, |spot, region| self.ranking(Regions::of_run(region), spot)),
            None => spots.map(|spot| self.ranking(None, spot)),
        }
    }

    /// A second number for the ranking of clients at `spot`.
    fn second_copy(&mut self, spot: u32) -> u32 {
        let first = self.ranking(None, spot);
        self.rankings.push(self.rankings[first as usize].clone());
        self.rankings.len() as u32 - 1
    }

    /// The number of the ranking for clients at `spot`. `region` is the region whose prefix contains them, if there is
    /// one.
    fn ranking(&mut self, region: Option<RegionId>, spot: u32) -> u32 {
        if let Some(region) = region {
            let client = self.client(spot);
            return self.ranking_of(Client { region, ..client });
        }
        if self.by_spot[spot as usize] == UNRANKED {
            self.by_spot[spot as usize] = self.ranking_of(self.client(spot));
        }
        self.by_spot[spot as usize]
    }

    fn client(&self, spot: u32) -> Client<'a> {
        let Some(client_rtts) = self.client_rtts else { return self.clients[spot as usize] };
        let client_rtt = client_rtts.get(spot);
        Client { rtts: client_rtt.rtts, ..self.clients[client_rtt.location as usize] }
    }

    fn ranking_of(&mut self, client: Client<'a>) -> u32 {
        // Many locations have equal clients; client RTT entries hardly ever have.
        if !client.rtts.is_empty() {
            return self.rank(&client);
        }
        if let Some(&number) = self.by_client.get(&client) {
            return number;
        }
        let number = self.rank(&client);
        self.by_client.insert(client, number);
        number
    }

    fn rank(&mut self, client: &Client<'a>) -> u32 {
        self.compiled_chain.rank_into(client, &mut self.tiers, &mut self.spare);
        if let Some(&number) = self.numbers.get(&*self.tiers) {
            return number;
        }
        let ranking = Ranking::of(&self.tiers);
        let number = self.rankings.len() as u32;
        self.rankings.push(ranking.clone());
        self.numbers.insert(ranking, number);
        number
    }
}
