//! From client address to ranking, for all addresses.
//!
//! A map is made in one sweep over everything that distinguishes clients: runs of locations (or of client RTTs if round
//! trip times count), and the prefixes of regions. Every query looks it up, and it never changes. A changed world makes
//! a new map.
//!
//! Thousands of maps may stand on one [`Ground`], which is the address space divided by a database. A map holds only
//! what is its own: the number of the ranking of each spot of the ground, one bit for each run of the ground that says
//! whether the number changes there, and the runs of its prefixes. A look-up joins them to the run that contains the
//! client, so the scope is as exact as if each map had all of its runs.

mod ground;
mod sweep;
mod table;

use std::net::IpAddr;
use std::ptr;
use std::sync::Arc;

use self::ground::Side;
use self::sweep::Sweep;
use self::table::{SHARED, Table};
use super::ranking::{CompiledChain, Ranking};
use crate::geo::local::{self, UNNAMED};
use crate::geo::{Bits, Regions, Run, Runs, RunsBuilder, Values};

pub use self::ground::Ground;

/// The ranking of a name's candidate classes for every address.
///
/// Client Subnet gives *networks*, of whose addresses only the first bits count. A packet's source is a *host*, of
/// whose address every bit counts. They are looked up apart.
#[derive(Debug)]
pub struct Map {
    compiled_chain: CompiledChain,
    naming: Option<Arc<Regions>>,
    ground: Arc<Ground>,
    rankings: Box<[Ranking]>,
    /// The number of the ranking of each spot, outside all prefixes.
    numbers: Values,
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
    networks: Table<B>,
    /// The same as [`Table::own`] for hosts; `None` if it is the same for them.
    own_of_hosts: Option<Runs<B>>,
}

/// Not the number of any ranking.
const NO_RANKING: u32 = u32::MAX - 1;

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

/// The result of a look-up in a map, with the number of the ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The [number](Map::rankings) of the ranking.
    pub number: u32,
    /// As in [`Placement`].
    pub scope: u8,
    /// As in [`Placement`].
    pub is_unnamed: bool,
}

impl Map {
    /// Makes a map in one sweep over the ground; this takes milliseconds for a million networks. A chain with the step
    /// `latency` takes round trip times for unknown if the ground has none. `naming` are regions whose prefixes give
    /// networks in local space a location if the chain does not use regions.
    pub fn build(compiled_chain: CompiledChain, naming: Option<Arc<Regions>>, ground: &Arc<Ground>) -> Self {
        let regions = compiled_chain.regions().map(|regions| &**regions);
        let (v4, v6) = (ground.v4(), ground.v6());
        let mut sweep = Sweep::new(&compiled_chain, ground);
        let swept_v4 = sweep.over(v4, regions.map(Regions::prefixes_v4));
        let swept_v6 = sweep.over(v6, regions.map(Regions::prefixes_v6));
        let nowhere = ground.nowhere();
        let unnamed = nowhere.map_or(NO_RANKING, |nowhere| sweep.second_copy(nowhere));
        let (numbers, rankings) = sweep.finish();
        let tables = (MapTable::new(swept_v4, v4, &numbers), MapTable::new(swept_v6, v6, &numbers));
        let uniform = tables.0.uniform_number(v4, &numbers);
        let is_uniform = uniform.is_some() && uniform == tables.1.uniform_number(v6, &numbers);
        let prefixes = regions.or(naming.as_deref());
        let nowhere = nowhere.unwrap_or(NO_RANKING);
        let local_v4 = local::unnamed(v4.hosts, nowhere, prefixes.map(Regions::prefixes_v4), v4.cap);
        let local_v6 = local::unnamed(v6.hosts, nowhere, prefixes.map(Regions::prefixes_v6), v6.cap);
        let v4 = tables.0.marked(&local_v4, unnamed, v4, &numbers);
        let v6 = tables.1.marked(&local_v6, unnamed, v6, &numbers);
        Self { compiled_chain, naming, rankings, numbers, v4, v6, unnamed, is_uniform, ground: ground.clone() }
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

    /// The facts that it was made from.
    pub fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    /// True if all clients have the same ranking.
    pub fn is_uniform(&self) -> bool {
        self.is_uniform
    }

    /// All rankings, by their numbers, which are the values of the runs.
    pub fn rankings(&self) -> &[Ranking] {
        &self.rankings
    }

    /// Writes out the number of the ranking for every IPv4 network.
    pub fn v4(&self) -> Runs<u32> {
        written_out(self.runs_v4())
    }

    /// Writes out the number of the ranking for every IPv6 network.
    pub fn v6(&self) -> Runs<u128> {
        written_out(self.v6.networks.iter(self.ground.v6(), &self.numbers))
    }

    /// The runs of IPv4 networks with the same ranking number, in ascending order.
    pub fn runs_v4(&self) -> impl Iterator<Item = Run<u32>> {
        self.v4.networks.iter(self.ground.v4(), &self.numbers)
    }

    /// The number of runs of IPv4 networks, or a few more.
    pub fn len_v4_at_most(&self) -> usize {
        self.v4.networks.len_at_most()
    }

    /// The ranking for the network with this lowest address, and the scope on which it is valid.
    pub fn look_up(&self, network: IpAddr) -> Placement<'_> {
        let Numbered { number, scope, is_unnamed } = self.number(network);
        Placement { ranking: &self.rankings[number as usize], scope, is_unnamed }
    }

    /// The same with the number of the ranking.
    #[inline]
    pub fn number(&self, network: IpAddr) -> Numbered {
        match network {
            IpAddr::V4(address) => self.place(&self.v4, self.ground.v4(), address.to_bits()),
            IpAddr::V6(address) => self.place(&self.v6, self.ground.v6(), address.to_bits()),
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
        &self.rankings[self.number_of_host(host) as usize]
    }

    /// The number of the ranking for the host with this address.
    #[inline]
    pub fn number_of_host(&self, host: IpAddr) -> u32 {
        match host {
            IpAddr::V4(address) => self.host(&self.v4, self.ground.v4(), address.to_bits()),
            IpAddr::V6(address) => self.host(&self.v6, self.ground.v6(), address.to_bits()),
        }
    }

    #[inline]
    fn place<B: Bits>(&self, table: &MapTable<B>, side: Side<'_, B>, address: B) -> Numbered {
        let run = table.networks.look_up(side, &self.numbers, address);
        Numbered { number: run.value, scope: run.scope(address), is_unnamed: run.value == self.unnamed }
    }

    #[inline]
    fn host<B: Bits>(&self, table: &MapTable<B>, side: Side<'_, B>, address: B) -> u32 {
        match table.own_of_hosts().value(address) {
            SHARED => self.numbers.get(side.hosts.value(address) as usize),
            // A host in such a network may have a location.
            number if number == self.unnamed => self.numbers.get(side.hosts.value(address) as usize),
            number => number,
        }
    }
}

impl<B: Bits> MapTable<B> {
    fn new(swept: sweep::Swept<B>, side: Side<'_, B>, numbers: &Values) -> Self {
        Self { networks: Table::new(swept.edges, swept.own, side, numbers), own_of_hosts: swept.own_of_hosts }
    }

    fn own_of_hosts(&self) -> &Runs<B> {
        self.own_of_hosts.as_ref().unwrap_or(self.networks.own())
    }

    /// The number that all networks and all hosts have; `None` if they have several.
    fn uniform_number(&self, side: Side<'_, B>, numbers: &Values) -> Option<u32> {
        let all = self.networks.look_up(side, numbers, B::ZERO);
        let number = |spot, own| if own == SHARED { numbers.get(spot as usize) } else { own };
        let are_equal = all.last == B::MAX && {
            let hosts = side.hosts.join(self.own_of_hosts(), number);
            hosts.len() == 1 && hosts.value(B::ZERO) == all.value
        };
        are_equal.then_some(all.value)
    }

    /// Assigns this number to networks in local space that have no location.
    fn marked(self, local: &Runs<B>, number: u32, side: Side<'_, B>, numbers: &Values) -> Self {
        if local.len() == 1 && local.value(B::ZERO) != UNNAMED {
            return self;
        }
        let own = self.networks.own().join(local, |own, mark| if mark == UNNAMED { number } else { own });
        Self { networks: self.networks.with_own(own, side, numbers), ..self }
    }
}

fn written_out<B: Bits>(runs: impl Iterator<Item = Run<B>>) -> Runs<B> {
    let mut builder = RunsBuilder::default();
    for run in runs {
        builder.push(run.first, run.value);
    }
    builder.finish()
}
