//! Counts the addresses of each country by their rankings in two maps.
//!
//! Maps and databases divide the address space into runs. One sweep over the runs of both maps and the database covers
//! every address, so the counts are exact. An address counts as a part of its network: only the bits that are used of
//! Client Subnet matter.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::geo::{Bits, Caps, CountryCode, Location, Locations, Runs};
use crate::steering::Map;

/// The location by which addresses are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Domicile {
    Country(CountryCode),
    /// The database has an entry for the address, but without a country.
    Stateless,
    /// The database does not know the address.
    Unlocated,
}

/// A number of addresses, for each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) v4: u64,
    /// The number of IPv6 addresses. For the whole address space it is one less, because 2^128 does not fit.
    pub(super) v6: u128,
}

/// Addresses with equal properties.
#[derive(Debug)]
pub(super) struct Cell {
    /// The number of their ranking in the first map.
    pub(super) before: u32,
    /// The number of their ranking in the second map.
    pub(super) after: u32,
    pub(super) domicile: Domicile,
    pub(super) count: Count,
}

/// The address space by country.
pub(super) struct AddressCounts {
    domiciles: Numbers<Domicile>,
    v4: Runs<u32>,
    v6: Runs<u128>,
}

impl AddressCounts {
    pub(super) fn new(locations: &Locations, caps: Caps) -> Self {
        let mut domiciles = Numbers::default();
        let numbers: Vec<u32> =
            locations.table.iter().map(|location| domiciles.number(Domicile::of(location))).collect();
        let number = |location: u32| numbers[location as usize];
        Self { v4: locations.v4.map(number).rounded(caps.v4), v6: locations.v6.map(number).rounded(caps.v6), domiciles }
    }

    /// Returns the number of addresses with each location.
    pub(super) fn totals(&self) -> BTreeMap<Domicile, Count> {
        let mut counts = vec![Count::default(); self.domiciles.values.len()];
        tally(&mut counts, &self.v4, &self.v6);
        self.domiciles.values.iter().copied().zip(counts).collect()
    }

    /// Returns all addresses, grouped by their rankings in both maps and by location.
    pub(super) fn cells(&self, before: &Map, after: &Map) -> Vec<Cell> {
        let mut pairs = Numbers::default();
        let mut pair = |before: u32, after: u32| pairs.number((before, after));
        let (v4, v6) = (before.v4().join(&after.v4(), &mut pair), before.v6().join(&after.v6(), &mut pair));
        let mut keys = Numbers::default();
        let mut key = |pair: u32, domicile: u32| keys.number((pair, domicile));
        let (v4, v6) = (v4.join(&self.v4, &mut key), v6.join(&self.v6, &mut key));
        let mut counts = vec![Count::default(); keys.values.len()];
        tally(&mut counts, &v4, &v6);
        let cells = keys.values.iter().zip(counts).map(|(&(pair, domicile), count)| {
            let (before, after) = pairs.values[pair as usize];
            Cell { before, after, domicile: self.domiciles.values[domicile as usize], count }
        });
        cells.collect()
    }
}

impl Domicile {
    fn of(location: &Location) -> Self {
        match location.country {
            Some(country) => Self::Country(country),
            None if *location == Location::default() => Self::Unlocated,
            None => Self::Stateless,
        }
    }
}

impl Count {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { v4: self.v4 + other.v4, v6: self.v6.saturating_add(other.v6) }
    }
}

/// Adds the number of addresses of each run to a count. The value of the run is the index of the count.
fn tally(counts: &mut [Count], v4: &Runs<u32>, v6: &Runs<u128>) {
    fn runs<B: Bits>(runs: &Runs<B>) -> impl Iterator<Item = (usize, B, B)> {
        runs.iter().map(|run| (run.value as usize, run.first, run.last))
    }
    for (number, first, last) in runs(v4) {
        counts[number].v4 += u64::from(last - first) + 1;
    }
    for (number, first, last) in runs(v6) {
        counts[number].v6 = counts[number].v6.saturating_add((last - first).saturating_add(1));
    }
}

/// Values, numbered in the order of their first use.
#[derive(Debug)]
struct Numbers<T> {
    numbers: HashMap<T, u32, foldhash::fast::FixedState>,
    values: Vec<T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), values: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> Numbers<T> {
    fn number(&mut self, value: T) -> u32 {
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geo::RunsBuilder;
    use crate::steering::{CompiledChain, CompiledStep, Ground};

    fn runs<B: Bits>(starts: &[(B, u32)]) -> Runs<B> {
        let mut builder = RunsBuilder::default();
        for &(start, value) in starts {
            builder.push(start, value);
        }
        builder.finish()
    }

    /// 10.0.0.0/8 and 2001:db8::/32 are in Germany; of 11.0.0.0 only the continent is known.
    fn locations() -> Locations {
        let germany = Location { country: CountryCode::parse("DE"), ..Location::default() };
        let asia = Location { continent: crate::geo::Continent::parse("AS"), ..Location::default() };
        Locations {
            v4: runs(&[(0, 0), (10 << 24, 1), (11 << 24, 2), ((11 << 24) + 1, 0)]),
            v6: runs(&[(0, 0), (0x2001_0db8 << 96, 1), (0x2001_0db9 << 96, 0)]),
            table: [Location::default(), germany, asia].into(),
        }
    }

    #[test]
    fn every_address_is_counted_once() {
        let germany = Domicile::Country(CountryCode::parse("DE").unwrap());
        let totals = AddressCounts::new(&locations(), Caps::NONE).totals();
        assert_eq!(totals[&germany], Count { v4: 1 << 24, v6: 1 << 96 });
        assert_eq!(totals[&Domicile::Stateless], Count { v4: 1, v6: 0 });
        let rest = Count { v4: (1 << 32) - (1 << 24) - 1, v6: u128::MAX - (1 << 96) + 1 };
        assert_eq!(totals[&Domicile::Unlocated], rest);
    }

    #[test]
    fn cells_add_up_to_the_totals() {
        let locations = locations();
        let address_counts = AddressCounts::new(&locations, Caps::NONE);
        let ground = Arc::new(Ground::of_locations(Arc::new(locations), Caps::NONE));
        let map = Map::build(CompiledChain::new(2, vec![CompiledStep::Failover([0b01, 0b10].into())]), None, &ground);
        let cells = address_counts.cells(&map, &map);
        let alike = |cell: &Cell| map.rankings()[cell.before as usize] == map.rankings()[cell.after as usize];
        assert!(cells.iter().all(alike), "{cells:?}");
        let mut told: BTreeMap<Domicile, Count> = BTreeMap::new();
        for cell in &cells {
            let count = told.entry(cell.domicile).or_default();
            *count = count.plus(cell.count);
        }
        assert_eq!(told, address_counts.totals());
    }
}
