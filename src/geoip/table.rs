//! Numbers for distinct things that files tell of networks.

use std::collections::HashMap;
use std::hash::Hash;

use crate::geo::{Continent, Coordinates, CountryCode, Location, Runs};

/// The number of what is told of a network of which nothing is. It is the first in every table.
pub(super) const UNKNOWN: u32 = 0;

/// What one file, or several together, tell of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Told {
    /// Where it is.
    pub(super) location: Location,
    /// Where its holder is registered, which is often but not always where it is.
    pub(super) registered: Option<CountryCode>,
    /// What a pseudo-country says of it, which is less than any place does.
    pub(super) pseudo: Option<Pseudo>,
}

/// What a registry tells of a network by a code that stands for a country and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pseudo {
    pub(super) region: Region,
    /// A point that the file gives, as if it were a country's.
    pub(super) coordinates: Option<Coordinates>,
}

/// What such a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Region {
    /// EU, which ISO 3166-1 reserves for the European Union.
    Europe,
    /// AP, which APNIC gives to networks of Asia and the Pacific.
    AsiaPacific,
}

impl Region {
    /// From a code of either case.
    pub(super) fn parse(code: &str) -> Option<Self> {
        match code.to_ascii_uppercase().as_str() {
            "EU" => Some(Self::Europe),
            "AP" => Some(Self::AsiaPacific),
            _ => None,
        }
    }

    /// The continent of most of it.
    pub(super) fn continent(self) -> Continent {
        match self {
            Self::Europe => Continent::Europe,
            Self::AsiaPacific => Continent::Asia,
        }
    }

    /// Whether some of it lies on a continent.
    pub(super) fn reaches(self, continent: Continent) -> bool {
        continent == self.continent() || (self == Self::AsiaPacific && continent == Continent::Oceania)
    }
}

/// What files tell of the whole address space.
pub(super) struct Tale {
    pub(super) v4: Runs<u32>,
    pub(super) v6: Runs<u128>,
    /// What the runs' values number; no two are equal.
    pub(super) table: Box<[Told]>,
}

impl Tale {
    /// Nothing is told of any network.
    pub(super) fn empty() -> Self {
        Self { v4: Runs::uniform(UNKNOWN), v6: Runs::uniform(UNKNOWN), table: Box::new([Told::default()]) }
    }

    /// Whether nothing is told of any network.
    pub(super) fn is_empty(&self) -> bool {
        self.table.iter().all(|told| *told == Told::default())
    }
}

/// Distinct values, numbered in the order they came.
pub(super) struct LocationTable<T> {
    numbers: HashMap<T, u32, foldhash::fast::RandomState>,
    values: Vec<T>,
}

impl<T: Copy + Default + Eq + Hash> LocationTable<T> {
    /// A table that holds [`UNKNOWN`] alone.
    pub(super) fn new() -> Self {
        let mut table = Self { numbers: HashMap::default(), values: Vec::new() };
        table.number(T::default());
        table
    }

    /// The number of `value`, a new one if it was not seen before.
    pub(super) fn number(&mut self, value: T) -> u32 {
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            self.values.len() as u32 - 1
        })
    }

    /// The values in the order of their numbers.
    pub(super) fn finish(self) -> Box<[T]> {
        self.values.into()
    }
}
