//! Client address to ranking, for all addresses there are.
//!
//! A map is made by one sweep over what tells clients apart: runs of locations and the prefixes of regions. It is looked
//! up by every query and never changes; a changed world makes a new one.

use std::collections::HashMap;
use std::net::IpAddr;

use super::ranking::{Client, Criteria, Ranking};
use crate::geo::{Bits, Locations, RegionId, Regions, Runs};

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
    /// Sweeps over the address space. Costs milliseconds for a million networks.
    pub fn build(criteria: Criteria, locations: &Locations) -> Self {
        let mut sweep = Sweep::new(&criteria, locations);
        let (v4, v6) = match criteria.regions() {
            Some(regions) => (
                regions.overlay_v4(&locations.v4, |region, location| sweep.ranking(region, location)),
                regions.overlay_v6(&locations.v6, |region, location| sweep.ranking(region, location)),
            ),
            None => (
                locations.v4.map(|location| sweep.ranking(None, location)),
                locations.v6.map(|location| sweep.ranking(None, location)),
            ),
        };
        let rankings = sweep.rankings.into();
        Self { criteria, rankings, v4, v6 }
    }

    /// What the rankings depend on; maps with equal criteria over the same locations are equal.
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

/// The rankings met so far, each once.
struct Sweep<'a> {
    criteria: &'a Criteria,
    /// Clients at each location that no prefix names.
    clients: Vec<Client>,
    /// Numbers of their rankings; [`UNRANKED`] for those not met yet.
    by_location: Vec<u32>,
    by_client: HashMap<Client, u32, foldhash::fast::FixedState>,
    numbers: HashMap<Ranking, u32>,
    rankings: Vec<Ranking>,
}

const UNRANKED: u32 = u32::MAX;

impl<'a> Sweep<'a> {
    fn new(criteria: &'a Criteria, locations: &Locations) -> Self {
        let regions = criteria.regions();
        let clients = locations.table.iter().map(|location| Client {
            region: regions.map_or(Regions::NOWHERE, |regions| regions.of_location(location)),
            coordinates: location.coordinates.filter(|_| criteria.measures_distance()),
        });
        Self {
            criteria,
            clients: clients.collect(),
            by_location: vec![UNRANKED; locations.table.len()],
            by_client: HashMap::default(),
            numbers: HashMap::new(),
            rankings: Vec::new(),
        }
    }

    /// Number of the ranking for clients at `location`, in `region` if a prefix says so.
    fn ranking(&mut self, region: Option<RegionId>, location: u32) -> u32 {
        let client = self.clients[location as usize];
        if let Some(region) = region {
            return self.ranking_of(Client { region, ..client });
        }
        if self.by_location[location as usize] == UNRANKED {
            self.by_location[location as usize] = self.ranking_of(client);
        }
        self.by_location[location as usize]
    }

    fn ranking_of(&mut self, client: Client) -> u32 {
        if let Some(&number) = self.by_client.get(&client) {
            return number;
        }
        let ranking = self.criteria.rank(&client);
        let next = self.rankings.len() as u32;
        let number = *self.numbers.entry(ranking).or_insert_with_key(|ranking| {
            self.rankings.push(ranking.clone());
            next
        });
        self.by_client.insert(client, number);
        number
    }
}
