//! Numbers for distinct facts about networks.

use std::collections::HashMap;
use std::hash::Hash;

use crate::geo::{Continent, Coordinates, CountryCode, Location, Runs};

/// The number of the empty facts. It is the first in every table.
pub(super) const UNKNOWN: u32 = 0;

/// The facts about a network, from one file or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    /// Its location.
    pub(super) location: Location,
    /// The country where the holder of the network is registered: often, but not always, the country of the network.
    pub(super) registered: Option<CountryCode>,
    /// The facts from a pseudo-country, which are less than any location gives.
    pub(super) pseudo: Option<Pseudo>,
}

/// The facts from a registry's code that is used like a country but is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pseudo {
    pub(super) region: Region,
    /// A point that the file gives for the code, as for a country.
    pub(super) coordinates: Option<Coordinates>,
}

/// The region that a pseudo-country is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Region {
    /// EU, which ISO 3166-1 reserves for the European Union.
    Europe,
    /// AP, which APNIC uses for networks of Asia and the Pacific.
    AsiaPacific,
}

impl Region {
    /// From a code in either case.
    pub(super) fn parse(code: &str) -> Option<Self> {
        match code.to_ascii_uppercase().as_str() {
            "EU" => Some(Self::Europe),
            "AP" => Some(Self::AsiaPacific),
            _ => None,
        }
    }

    /// The continent of most of the region.
    pub(super) fn continent(self) -> Continent {
        match self {
            Self::Europe => Continent::Europe,
            Self::AsiaPacific => Continent::Asia,
        }
    }

    /// True if a part of the region is on the continent.
    pub(super) fn reaches(self, continent: Continent) -> bool {
        continent == self.continent() || (self == Self::AsiaPacific && continent == Continent::Oceania)
    }
}

/// The facts about the whole address space.
pub(super) struct FactRuns {
    pub(super) v4: Runs<u32>,
    pub(super) v6: Runs<u128>,
    /// The facts, by the numbers in the runs; no two are equal.
    pub(super) table: Box<[Facts]>,
}

impl FactRuns {
    /// Facts that know nothing of any network.
    pub(super) fn empty() -> Self {
        Self { v4: Runs::uniform(UNKNOWN), v6: Runs::uniform(UNKNOWN), table: Box::new([Facts::default()]) }
    }

    /// True if nothing is known of any network.
    pub(super) fn is_empty(&self) -> bool {
        self.table.iter().all(|facts| *facts == Facts::default())
    }
}

/// Distinct values, numbered in the order in which they came.
pub(super) struct LocationTable<T> {
    numbers: HashMap<T, u32, foldhash::fast::RandomState>,
    values: Vec<T>,
}

impl<T: Copy + Default + Eq + Hash> LocationTable<T> {
    /// A table that contains only [`UNKNOWN`].
    pub(super) fn new() -> Self {
        let mut table = Self { numbers: HashMap::default(), values: Vec::new() };
        table.number(T::default());
        table
    }

    /// The number of `value`. A new value gets the next number.
    pub(super) fn number(&mut self, value: T) -> u32 {
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        })
    }

    /// The values, in the order of their numbers.
    pub(super) fn finish(self) -> Box<[T]> {
        self.values.into()
    }
}
