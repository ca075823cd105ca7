//! Merges the facts of several files, and completes them.

use std::collections::HashMap;

use super::table::{FactRuns, Facts, LocationTable};
use crate::geo::{Continent, CountryCode, Location, Locations, countries};

/// Fills the gaps of `earlier` with facts of `later`.
pub(super) fn fill_in(earlier: &FactRuns, later: &FactRuns) -> FactRuns {
    let mut table = LocationTable::new();
    let mut pairs: HashMap<(u32, u32), u32, foldhash::fast::RandomState> = HashMap::default();
    let mut number = |here: u32, there: u32| {
        *pairs
            .entry((here, there))
            .or_insert_with(|| table.number(filled_in(earlier.table[here as usize], later.table[there as usize])))
    };
    let v4 = earlier.v4.join(&later.v4, &mut number);
    let v6 = earlier.v6.join(&later.v6, &mut number);
    FactRuns { v4, v6, table: table.finish() }
}

/// Completes the facts of all files: adds the continent and the point of each country, and uses the country in which a
/// network is registered if nothing better is known.
pub(super) fn complete(facts: FactRuns) -> Locations {
    let mut table = LocationTable::new();
    let numbers: Vec<u32> = facts.table.iter().map(|&facts| table.number(completed(facts))).collect();
    // Two entries may have become equal. Then runs have to be joined, and numbers have to close the gap.
    let renumbered = numbers.iter().zip(0..).any(|(&number, before)| number != before);
    let table = table.finish();
    if !renumbered {
        return Locations { v4: facts.v4, v6: facts.v6, table };
    }
    let number = |before: u32| numbers[before as usize];
    Locations { v4: facts.v4.map(number), v6: facts.v6.map(number), table }
}

fn completed(facts: Facts) -> Location {
    let location = facts.location;
    if let Some(country) = location.country.and_then(countries::country) {
        return Location {
            continent: location.continent.or(Some(country.continent)),
            coordinates: location.coordinates.or(Some(country.point)),
            ..location
        };
    }
    // A real location in any file is better than a pseudo-country.
    let pseudo = facts.pseudo.filter(|_| location.continent.is_none());
    // The holder's country is a guess, which a different continent disproves. Its point would be a guess based on a
    // guess.
    let registered = facts.registered.filter(|&code| match (pseudo, continent_of(code)) {
        (Some(pseudo), Some(continent)) => pseudo.region.reaches(continent),
        (_, continent) => continent == location.continent,
    });
    let of_pseudo = pseudo.map(|pseudo| registered.and_then(continent_of).unwrap_or(pseudo.region.continent()));
    Location {
        continent: location.continent.or(of_pseudo),
        country: registered,
        coordinates: location.coordinates.or(pseudo.and_then(|pseudo| pseudo.coordinates)),
        ..location
    }
}

fn continent_of(code: CountryCode) -> Option<Continent> {
    countries::country(code).map(|country| country.continent)
}

/// Merges field by field. If the two name different places, the later one's continent, subdivisions and point do not
/// apply to the place of the earlier one.
fn filled_in(earlier: Facts, later: Facts) -> Facts {
    let (one, other) = (earlier.location, later.location);
    let mut location = one;
    location.asn = one.asn.or(other.asn);
    if same_place(&one, &other) {
        location.continent = one.continent.or(other.continent);
        location.country = one.country.or(other.country);
        location.coordinates = one.coordinates.or(other.coordinates);
        if one.subdivisions == [None; 2] {
            location.subdivisions = other.subdivisions;
        }
    }
    Facts { location, registered: earlier.registered.or(later.registered), pseudo: earlier.pseudo.or(later.pseudo) }
}

/// True if two locations can be the same place, as far as is known.
fn same_place(one: &Location, other: &Location) -> bool {
    match (one.country, other.country) {
        (Some(one), Some(other)) => one == other,
        _ => match (continent(one), continent(other)) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        },
    }
}

fn continent(location: &Location) -> Option<Continent> {
    location.continent.or_else(|| location.country.and_then(continent_of))
}
