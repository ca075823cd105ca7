//! Counters of the contents of answers, by the ids of one blueprint: zones, names with their pools, endpoints, clients.

use std::sync::Arc;

use super::shard::{Cells, Shard, sum};
use super::{Tally, Traffic};
use crate::geo::{CountryCode, DatacenterId};

/// Counters of a name beside those of its pools: fallback, NODATA and SERVFAIL.
const BESIDE_POOLS: usize = 3;

/// Maximum number of counters for names in a shard: 8 MiB. Names beyond that are counted together.
const MAX_NAME_COUNTERS: usize = 1 << 20;

/// Number of codes of two letters.
const COUNTRIES: usize = 26 * 26;

/// Number of rows for clients: one for each code, and one for clients without a country.
const CLIENT_ROWS: usize = COUNTRIES + 1;

/// The kind of an answer, as it is counted for a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneAnswer {
    /// Records.
    Answer = 0,
    /// The name has no record of the type.
    Nodata = 1,
    /// The name does not exist.
    NxDomain = 2,
    /// The nameservers of a delegated zone.
    Referral = 3,
    /// SERVFAIL or YXDOMAIN.
    Failure = 4,
}

impl ZoneAnswer {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Answer, Self::Nodata, Self::NxDomain, Self::Referral, Self::Failure];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Nodata => "nodata",
            Self::NxDomain => "nxdomain",
            Self::Referral => "referral",
            Self::Failure => "failure",
        }
    }
}

/// The sizes of a blueprint, which decide how many counters there are.
#[derive(Clone, Debug, Default)]
pub struct Dimensions {
    /// For each zone, the number of its regions.
    pub regions: Vec<usize>,
    /// For each steered name, the number of its pools.
    pub pools: Vec<usize>,
    /// The number of endpoints of all pools.
    pub endpoints: usize,
    /// The number of datacenters.
    pub datacenters: usize,
}

/// Counters of what answers gave.
#[derive(Debug)]
pub struct AnswerCounters {
    /// The first counter of each zone's regions.
    regions: Box<[u32]>,
    /// The first counter of each name; names of the overflow have none.
    names: Box<[u32]>,
    /// The first counter of the names beyond [`MAX_NAME_COUNTERS`].
    overflow: usize,
    endpoints: usize,
    clients: usize,
    datacenters: usize,
    shards: Box<[Shard]>,
}

impl AnswerCounters {
    /// Returns counters with as many shards as `traffic` has: each writer of `traffic` also counts answers here.
    pub fn new(dimensions: &Dimensions, traffic: &Traffic) -> Self {
        let shards = traffic.shards();
        let Dimensions { regions: of_zones, pools: of_names, endpoints, datacenters } = dimensions;
        let mut next = of_zones.len() * ZoneAnswer::ALL.len();
        let mut claim = |count: usize| {
            let first = next;
            next += count;
            first
        };
        // One more for clients without a region.
        let regions = of_zones.iter().map(|count| claim(count + 1) as u32).collect();
        let mut left = MAX_NAME_COUNTERS;
        let mut names = Vec::new();
        for pools in of_names {
            let Some(rest) = left.checked_sub(pools + BESIDE_POOLS) else { break };
            left = rest;
            names.push(claim(pools + BESIDE_POOLS) as u32);
        }
        let overflow = claim(1);
        let endpoints = claim(2 * endpoints);
        let clients = claim(CLIENT_ROWS * (datacenters + 1));
        let shards = (0..shards).map(|_| Shard::new(next)).collect();
        Self { regions, names: names.into(), overflow, endpoints, clients, datacenters: *datacenters, shards }
    }

    /// Returns the number of answers of this kind in a zone.
    pub fn zone(&self, zone: usize, kind: ZoneAnswer) -> u64 {
        self.sum(zone * ZoneAnswer::ALL.len() + kind as usize)
    }

    /// Returns the number of located clients of a zone's region; `None` stands for no region.
    pub fn region(&self, zone: usize, region: Option<usize>) -> u64 {
        self.sum(self.region_place(zone, region))
    }

    /// Returns a name's numbers of answers: one for each of its pools, then one each for `fallback`, for answers
    /// without records, and for failures. Returns `None` for a name of the overflow.
    pub fn name(&self, name: usize, pools: usize) -> Option<Vec<u64>> {
        let first = *self.names.get(name)? as usize;
        Some((first..first + pools + BESIDE_POOLS).map(|place| self.sum(place)).collect())
    }

    /// Returns the number of answers at names of the overflow.
    pub fn other_names(&self) -> u64 {
        self.sum(self.overflow)
    }

    /// Returns in how many answers an endpoint was, and in how many it was the first address.
    pub fn endpoint(&self, endpoint: usize) -> (u64, u64) {
        let [other, first] = [false, true].map(|is_first| self.sum(self.endpoint_place(endpoint, is_first)));
        (other + first, first)
    }

    /// Returns the number of clients by their country and by the datacenter that they were sent to. Leaves out
    /// combinations that never occurred. The datacenter is `None` for pools without one, and for answers that no pool
    /// gave.
    pub fn clients(&self) -> impl Iterator<Item = (Option<CountryCode>, Option<usize>, u64)> {
        let columns = move |row| (0..=self.datacenters).map(move |column: usize| (row, column.checked_sub(1)));
        (0..CLIENT_ROWS).flat_map(columns).filter_map(|(row, datacenter)| {
            let count = self.sum(self.client_place(row, datacenter));
            (count > 0).then(|| (country(row), datacenter, count))
        })
    }

    /// Each endpoint has two counters: the answers in which it was another address than the first, and those in which
    /// it was the first.
    fn endpoint_place(&self, endpoint: usize, is_first: bool) -> usize {
        self.endpoints + 2 * endpoint + usize::from(is_first)
    }

    fn region_place(&self, zone: usize, region: Option<usize>) -> usize {
        let first = self.regions[zone] as usize;
        // Clients without a region come first.
        first + region.map_or(0, |region| region + 1)
    }

    fn client_place(&self, country: usize, datacenter: Option<usize>) -> usize {
        self.clients + country * (self.datacenters + 1) + datacenter.map_or(0, |datacenter| datacenter + 1)
    }

    fn sum(&self, place: usize) -> u64 {
        sum(&self.shards, place)
    }
}

/// Returns the row of a country.
fn row(country: Option<CountryCode>) -> usize {
    let Some([first, second]) = country.map(CountryCode::letters) else { return COUNTRIES };
    usize::from(first - b'A') * 26 + usize::from(second - b'A')
}

/// Returns the country of a row.
fn country(row: usize) -> Option<CountryCode> {
    let letter = |number: usize| char::from(b'A' + number as u8);
    if row < COUNTRIES {
        CountryCode::parse(&[letter(row / 26), letter(row % 26)].iter().collect::<String>())
    } else {
        None
    }
}

/// Counts what one answer gave.
#[derive(Clone, Copy, Debug)]
pub struct AnswerTally<'a> {
    counters: &'a AnswerCounters,
    cells: Cells<'a>,
}

impl Tally {
    /// Returns access to the counters of a blueprint.
    #[inline]
    pub fn answer<'a>(&'a self, counters: &'a Arc<AnswerCounters>) -> AnswerTally<'a> {
        AnswerTally { counters, cells: counters.shards[self.number].cells(self.is_alone) }
    }
}

impl AnswerTally<'_> {
    /// Counts an answer of a zone.
    #[inline]
    pub fn zone(&self, zone: usize, kind: ZoneAnswer) {
        self.count(zone * ZoneAnswer::ALL.len() + kind as usize, 1);
    }

    /// Counts an answer that the pool at this position of a name gave.
    #[inline]
    pub fn pool(&self, name: usize, position: usize) {
        match self.counters.names.get(name) {
            Some(&first) => self.count(first as usize + position, 1),
            None => self.count(self.counters.overflow, 1),
        }
    }

    /// Counts an answer that `fallback` gave, of a name with this many pools.
    pub fn fallback(&self, name: usize, pools: usize) {
        self.pool(name, pools);
    }

    /// Counts an answer without records, of a name with this many pools.
    pub fn nodata(&self, name: usize, pools: usize) {
        self.pool(name, pools + 1);
    }

    /// Counts a failure, of a name with this many pools.
    pub fn failure(&self, name: usize, pools: usize) {
        self.pool(name, pools + 2);
    }

    /// Counts an endpoint that is in an answer, and whether it is the first address.
    #[inline]
    pub fn endpoint(&self, endpoint: usize, is_first: bool) {
        self.count(self.counters.endpoint_place(endpoint, is_first), 1);
    }

    /// Counts a client of a zone's region as `weight` clients.
    pub fn region(&self, zone: usize, region: Option<usize>, weight: u64) {
        self.count(self.counters.region_place(zone, region), weight);
    }

    /// Counts a client in this country that was sent to this datacenter, as `weight` clients.
    pub fn client(&self, country: Option<CountryCode>, datacenter: Option<DatacenterId>, weight: u64) {
        self.count(self.counters.client_place(row(country), datacenter.map(DatacenterId::index)), weight);
    }

    /// Returns a counter of a zone, one of a name and one of an endpoint: 0 for what is not given.
    pub fn read(&self, zone: usize, name: Option<usize>, endpoint: Option<u32>) -> [u64; 3] {
        let of_name = name.and_then(|name| self.counters.names.get(name)).map(|&first| first as usize);
        let of_endpoint = endpoint.map(|endpoint| self.counters.endpoint_place(endpoint as usize, true));
        let places = [Some(zone * ZoneAnswer::ALL.len()), of_name, of_endpoint];
        places.map(|place| place.map_or(0, |place| self.cells.get(place)))
    }

    #[inline]
    fn count(&self, place: usize, count: u64) {
        self.cells.add(place, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<CountryCode> {
        CountryCode::parse(text)
    }

    /// Three zones with 0, 2 and 1 regions; three names with 1, 64 and 2 pools; five endpoints; two datacenters.
    fn dimensions() -> Dimensions {
        Dimensions { regions: vec![0, 2, 1], pools: vec![1, 64, 2], endpoints: 5, datacenters: 2 }
    }

    #[test]
    fn everything_has_a_counter_of_its_own() {
        let traffic = Traffic::new(1);
        let counters = Arc::new(AnswerCounters::new(&dimensions(), &traffic));
        let (alone, shared) = (Tally::of_worker(&traffic, 0), Tally::of_stream(&traffic));
        for tally in [&alone, &shared] {
            let answer = tally.answer(&counters);
            for zone in 0..3 {
                for kind in ZoneAnswer::ALL {
                    answer.zone(zone, kind);
                }
            }
            for (zone, regions) in [(0, 0), (1, 2), (2, 1)] {
                answer.region(zone, None, 10);
                (0..regions).for_each(|region| answer.region(zone, Some(region), 1));
            }
            for (name, pools) in [(0, 1), (1, 64), (2, 2)] {
                (0..pools).for_each(|position| answer.pool(name, position));
                answer.fallback(name, pools);
                answer.nodata(name, pools);
                answer.failure(name, pools);
            }
            (0..5).for_each(|endpoint| answer.endpoint(endpoint, endpoint % 2 == 0));
            for country in [None, code("AA"), code("DE"), code("ZZ")] {
                for datacenter in [None, Some(DatacenterId::from_index(0)), Some(DatacenterId::from_index(1))] {
                    answer.client(country, datacenter, 16);
                }
            }
        }
        for zone in 0..3 {
            assert!(ZoneAnswer::ALL.into_iter().all(|kind| counters.zone(zone, kind) == 2));
            assert_eq!(counters.region(zone, None), 20);
        }
        assert_eq!([(1, 0), (1, 1), (2, 0)].map(|(zone, region)| counters.region(zone, Some(region))), [2, 2, 2]);
        for (name, pools) in [(0, 1), (1, 64), (2, 2)] {
            assert_eq!(counters.name(name, pools), Some(vec![2; pools + BESIDE_POOLS]));
        }
        assert_eq!(counters.other_names(), 0);
        assert_eq!([0, 1, 4].map(|endpoint| counters.endpoint(endpoint)), [(2, 2), (2, 0), (2, 2)]);
        let clients: Vec<_> = counters.clients().collect();
        assert_eq!(clients.len(), 12);
        assert!(clients.iter().all(|(.., count)| *count == 32));
        assert_eq!(clients[3], (code("DE"), None, 32));
        assert_eq!(clients[11], (None, Some(1), 32));
    }

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let traffic = Traffic::new(0);
        let each = MAX_NAME_COUNTERS / 2 - BESIDE_POOLS;
        let dimensions = Dimensions { pools: vec![each, each, 1, 1], ..dimensions() };
        let counters = Arc::new(AnswerCounters::new(&dimensions, &traffic));
        let tally = Tally::of_stream(&traffic);
        let answer = tally.answer(&counters);
        answer.pool(1, each - 1);
        answer.pool(2, 0);
        answer.failure(3, 1);
        assert_eq!(counters.name(1, each).unwrap().iter().sum::<u64>(), 1);
        assert_eq!((counters.name(2, 1), counters.other_names()), (None, 2));
    }
}
