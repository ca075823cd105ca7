//! Client address to ranking, for all addresses there are.
//!
//! A map is made by one sweep over what tells clients apart: runs of locations, or of vantages where round trips count, and
//! the prefixes of regions. It is looked up by every query and never changes; a changed world makes a new one.

use std::collections::HashMap;
use std::net::IpAddr;

use super::ranking::{Client, Criteria, Ranking, Set};
use crate::geo::{Bits, Locations, RegionId, Regions, Runs};
use crate::latency::Vantages;

/// For every address the ranking of a name's slots.
#[derive(Debug)]
pub struct Map {
    criteria: Criteria,
    rankings: Box<[Ranking]>,
    v4: Runs<u32>,
    v6: Runs<u128>,
}

/// What a map says of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement<'a> {
    /// The ranking of the slots.
    pub ranking: &'a Ranking,
    /// Length of the shortest prefix around the client on which the ranking is the same.
    pub scope: u8,
}

impl Map {
    /// Sweeps over the address space. Costs milliseconds for a million networks. `vantages` were made of the same locations;
    /// without them nothing is known of round trips.
    pub fn build(criteria: Criteria, locations: &Locations, vantages: Option<&Vantages>) -> Self {
        let vantages = vantages.filter(|_| criteria.measures_latency());
        let mut sweep = Sweep::new(&criteria, locations, vantages);
        let (v4, v6) = match vantages {
            Some(vantages) => (vantages.v4(), vantages.v6()),
            None => (&locations.v4, &locations.v6),
        };
        let (v4, v6) = match criteria.regions() {
            Some(regions) => (
                regions.overlay_v4(v4, |region, spot| sweep.ranking(region, spot)),
                regions.overlay_v6(v6, |region, spot| sweep.ranking(region, spot)),
            ),
            None => (v4.map(|spot| sweep.ranking(None, spot)), v6.map(|spot| sweep.ranking(None, spot))),
        };
        let rankings = sweep.rankings.into();
        Self { criteria, rankings, v4, v6 }
    }

    /// What the rankings depend on; maps with equal criteria over the same locations and vantages are equal.
    pub fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// Whether all clients have the same ranking.
    pub fn is_uniform(&self) -> bool {
        self.v4.len() == 1 && self.v6.len() == 1 && self.v4.value(0) == self.v6.value(0)
    }

    /// All rankings there are, by the numbers that runs have for values.
    pub fn rankings(&self) -> &[Ranking] {
        &self.rankings
    }

    /// The number of a ranking for every IPv4 address.
    pub fn v4(&self) -> &Runs<u32> {
        &self.v4
    }

    /// The number of a ranking for every IPv6 address.
    pub fn v6(&self) -> &Runs<u128> {
        &self.v6
    }

    /// The ranking for a client and the scope on which it holds.
    pub fn look_up(&self, client: IpAddr) -> Placement<'_> {
        match client {
            IpAddr::V4(address) => self.place(&self.v4, address.to_bits()),
            IpAddr::V6(address) => self.place(&self.v6, address.to_bits()),
        }
    }

    fn place<B: Bits>(&self, runs: &Runs<B>, address: B) -> Placement<'_> {
        let run = runs.look_up(address);
        Placement { ranking: &self.rankings[run.value as usize], scope: run.scope(address) }
    }
}

/// The rankings met so far, each once. A *spot* is where clients stand: a location, or a vantage.
struct Sweep<'a> {
    criteria: &'a Criteria,
    vantages: Option<&'a Vantages>,
    /// Clients at each location that no prefix names, without their round trips.
    clients: Vec<Client<'a>>,
    /// Numbers of rankings at each spot; [`UNRANKED`] for those not met yet.
    by_spot: Vec<u32>,
    by_client: HashMap<Client<'a>, u32, foldhash::fast::FixedState>,
    numbers: HashMap<Ranking, u32, foldhash::fast::FixedState>,
    rankings: Vec<Ranking>,
    tiers: Vec<Set>,
    spare: Vec<Set>,
}

const UNRANKED: u32 = u32::MAX;

impl<'a> Sweep<'a> {
    fn new(criteria: &'a Criteria, locations: &Locations, vantages: Option<&'a Vantages>) -> Self {
        let regions = criteria.regions();
        let clients = locations.table.iter().map(|location| Client {
            region: regions.map_or(Regions::NOWHERE, |regions| regions.of_location(location)),
            coordinates: location.coordinates.filter(|_| criteria.measures_distance()),
            rtts: &[],
        });
        Self {
            criteria,
            vantages,
            clients: clients.collect(),
            by_spot: vec![UNRANKED; vantages.map_or(locations.table.len(), Vantages::len)],
            by_client: HashMap::default(),
            numbers: HashMap::default(),
            rankings: Vec::new(),
            tiers: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Number of the ranking for clients at `spot`, in `region` if a prefix says so.
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
        let Some(vantages) = self.vantages else { return self.clients[spot as usize] };
        let vantage = vantages.get(spot);
        Client { rtts: vantage.rtts, ..self.clients[vantage.location as usize] }
    }

    fn ranking_of(&mut self, client: Client<'a>) -> u32 {
        // Many locations have clients that are equal; hardly two vantages have.
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
        self.criteria.rank_into(client, &mut self.tiers, &mut self.spare);
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
