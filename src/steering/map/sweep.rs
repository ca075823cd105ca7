//! Ranks the clients at each spot of the ground, and finds where neighbours differ.

use std::collections::HashMap;
use std::sync::Arc;

use super::ground::{Ground, Side};
use super::table::SHARED;
use crate::geo::{Bits, Edges, RegionId, Regions, Runs, RunsBuilder, Values};
use crate::latency::ClientRtts;
use crate::steering::ranking::{Client, CompiledChain, Ranking, Set};

/// The distinct rankings found so far.
pub(super) struct Sweep<'a> {
    compiled_chain: &'a CompiledChain,
    client_rtts: Option<&'a Arc<ClientRtts>>,
    /// True if clients of the same region may have different rankings.
    are_spots_ranked: bool,
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

/// One address family: where the number of the ranking changes.
pub(super) struct Swept<B> {
    /// The edges among the networks of the ground.
    pub(super) edges: Edges,
    /// The number of the ranking of networks in regions' prefixes, [`SHARED`] outside of them.
    pub(super) own: Runs<B>,
    /// The same for hosts; `None` if it is the same.
    pub(super) own_of_hosts: Option<Runs<B>>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(compiled_chain: &'a CompiledChain, ground: &'a Ground) -> Self {
        let regions = compiled_chain.regions();
        let clients = ground.locations().table.iter().map(|location| Client {
            region: regions.map_or(RegionId::NOWHERE, |regions| regions.of_location(location)),
            coordinates: location.coordinates.filter(|_| compiled_chain.measures_distance()),
            rtts: &[],
        });
        Self {
            compiled_chain,
            client_rtts: ground.client_rtts(),
            are_spots_ranked: compiled_chain.measures_distance() || compiled_chain.measures_latency(),
            clients: clients.collect(),
            by_spot: vec![UNRANKED; ground.spots()],
            by_client: HashMap::default(),
            numbers: HashMap::default(),
            rankings: Vec::new(),
            tiers: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Ranks all clients of a family. `prefixes` are those of the chain's regions.
    pub(super) fn over<B: Bits>(&mut self, side: Side<'_, B>, prefixes: Option<&Runs<B>>) -> Swept<B> {
        let edges = Edges::between(side.networks.values(), |spot| self.ranking_at(spot));
        for &spot in side.of_hosts_only {
            self.ranking_at(spot);
        }
        let Some(prefixes) = prefixes else { return Swept { edges, own: Runs::uniform(SHARED), own_of_hosts: None } };
        let own = self.within(&prefixes.rounded(side.cap), side.networks);
        let own_of_hosts = self.within(prefixes, side.hosts);
        let own_of_hosts = (own_of_hosts != own).then_some(own_of_hosts);
        Swept { edges, own, own_of_hosts }
    }

    /// The numbers of the rankings in regions' prefixes.
    fn within<B: Bits>(&mut self, prefixes: &Runs<B>, spots: &Runs<B>) -> Runs<B> {
        let mut own = RunsBuilder::default();
        for prefix in prefixes.iter() {
            match Regions::of_run(prefix.value) {
                None => own.push(prefix.first, SHARED),
                Some(region) if self.are_spots_ranked => {
                    for spot in spots.within(prefix.first, prefix.last) {
                        own.push(spot.first, self.ranking_in(region, spot.value));
                    }
                }
                Some(region) => own.push(prefix.first, self.ranking_in(region, 0)),
            }
        }
        own.finish()
    }

    /// A second number for the ranking of clients at `spot`.
    pub(super) fn second_copy(&mut self, spot: u32) -> u32 {
        let first = self.ranking_at(spot);
        self.rankings.push(self.rankings[first as usize].clone());
        self.rankings.len() as u32 - 1
    }

    /// The number of the ranking of each spot, and the rankings by their numbers.
    pub(super) fn finish(self) -> (Values, Box<[Ranking]>) {
        // A spot that no address has is never looked up.
        let number = |number| if number == UNRANKED { 0 } else { number };
        let numbers: Vec<u32> = self.by_spot.into_iter().map(number).collect();
        (numbers.into(), self.rankings.into())
    }

    /// The number of the ranking for clients at `spot` in no region's prefix.
    #[inline]
    fn ranking_at(&mut self, spot: u32) -> u32 {
        match self.by_spot[spot as usize] {
            UNRANKED => {
                let number = self.ranking_of(self.client(spot));
                self.by_spot[spot as usize] = number;
                number
            }
            number => number,
        }
    }

    /// The number of the ranking for clients at `spot` in a prefix of this region.
    fn ranking_in(&mut self, region: RegionId, spot: u32) -> u32 {
        let client = self.client(spot);
        self.ranking_of(Client { region, ..client })
    }

    fn client(&self, spot: u32) -> Client<'a> {
        let Some(client_rtts) = self.client_rtts else { return self.clients[spot as usize] };
        let client_rtt = client_rtts.get(spot);
        let client = self.clients[client_rtt.location as usize];
        if self.compiled_chain.measures_latency() { Client { rtts: client_rtt.rtts, ..client } } else { client }
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
