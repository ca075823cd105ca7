//! Several files' tales into one, and what follows from it.

use std::collections::HashMap;

use super::table::{LocationTable, Tale, Told};
use crate::geo::{Continent, CountryCode, Location, Locations, countries};

/// Fills in from `later` what `earlier` lacks.
pub(super) fn fill_in(earlier: &Tale, later: &Tale) -> Tale {
    let mut table = LocationTable::new();
    let mut pairs: HashMap<(u32, u32), u32, foldhash::fast::RandomState> = HashMap::default();
    let mut number = |here: u32, there: u32| {
        *pairs
            .entry((here, there))
            .or_insert_with(|| table.number(filled_in(earlier.table[here as usize], later.table[there as usize])))
    };
    let v4 = earlier.v4.join(&later.v4, &mut number);
    let v6 = earlier.v6.join(&later.v6, &mut number);
    Tale { v4, v6, table: table.finish() }
}

/// Adds what follows from what all files tell: the continent and the point of a country, and the country that a network is registered in
/// where none tells more.
pub(super) fn complete(tale: Tale) -> Locations {
    let mut table = LocationTable::new();
    let numbers: Vec<u32> = tale.table.iter().map(|&told| table.number(completed(told))).collect();
    // Two may have become one, for which runs must be joined and numbers close the gap.
    let renumbered = numbers.iter().zip(0..).any(|(&number, before)| number != before);
    let table = table.finish();
    if !renumbered {
        return Locations { v4: tale.v4, v6: tale.v6, table };
    }
    let number = |before: u32| numbers[before as usize];
    Locations { v4: tale.v4.map(number), v6: tale.v6.map(number), table }
}

fn completed(told: Told) -> Location {
    let location = told.location;
    if let Some(country) = location.country.and_then(countries::country) {
        return Location {
            continent: location.continent.or(Some(country.continent)),
            coordinates: location.coordinates.or(Some(country.point)),
            ..location
        };
    }
    // A place that any file knows is more than a pseudo-country.
    let pseudo = told.pseudo.filter(|_| location.continent.is_none());
    // A holder's country is a guess, which another continent disproves. Its point would be a guess at a guess.
    let registered = told.registered.filter(|&code| match (pseudo, continent_of(code)) {
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

/// Field by field. Where the two name different places, though, the later one's continent, subdivisions and point are of
/// no use for the place the earlier one names.
fn filled_in(earlier: Told, later: Told) -> Told {
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
    Told { location, registered: earlier.registered.or(later.registered), pseudo: earlier.pseudo.or(later.pseudo) }
}

/// Whether two locations can be of one place, as far as they tell.
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
