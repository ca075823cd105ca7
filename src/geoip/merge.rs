//! Several files' locations into one.

use std::collections::HashMap;

use super::table::Table;
use crate::geo::{Location, Locations, countries};

/// Fills in from `later` what `earlier` lacks.
pub(super) fn fill_in(earlier: &Locations, later: &Locations) -> Locations {
    let mut table = Table::new();
    let mut pairs: HashMap<(u32, u32), u32, foldhash::fast::RandomState> = HashMap::default();
    let mut number = |here: u32, there: u32| {
        *pairs
            .entry((here, there))
            .or_insert_with(|| table.number(filled_in(earlier.table[here as usize], later.table[there as usize])))
    };
    let v4 = earlier.v4.join(&later.v4, &mut number);
    let v6 = earlier.v6.join(&later.v6, &mut number);
    Locations { v4, v6, table: table.finish() }
}

/// Adds what a country alone tells: its continent and its centroid.
pub(super) fn complete(locations: Locations) -> Locations {
    let mut table = Table::new();
    let numbers: Vec<u32> = locations.table.iter().map(|&location| table.number(completed(location))).collect();
    // Two locations may have become one, for which runs must be joined and numbers close the gap.
    let renumbered = numbers.iter().zip(0..).any(|(&number, before)| number != before);
    let table = table.finish();
    if !renumbered {
        return Locations { table, ..locations };
    }
    let number = |before: u32| numbers[before as usize];
    Locations { v4: locations.v4.map(number), v6: locations.v6.map(number), table }
}

fn completed(location: Location) -> Location {
    let Some(country) = location.country.and_then(countries::country) else { return location };
    Location {
        continent: location.continent.or(Some(country.continent)),
        coordinates: location.coordinates.or(Some(country.centroid)),
        ..location
    }
}

/// Field by field. Where the two name different places, though, the later one's continent, subdivisions and point are of
/// no use for the place the earlier one names.
fn filled_in(earlier: Location, later: Location) -> Location {
    let mut location = earlier;
    location.asn = earlier.asn.or(later.asn);
    if same_place(&earlier, &later) {
        location.continent = earlier.continent.or(later.continent);
        location.country = earlier.country.or(later.country);
        location.coordinates = earlier.coordinates.or(later.coordinates);
        if earlier.subdivisions == [None; 2] {
            location.subdivisions = later.subdivisions;
        }
    }
    location
}

/// Whether two locations can be of one place, as far as they tell.
fn same_place(one: &Location, other: &Location) -> bool {
    match (one.country, other.country) {
        (Some(one), Some(other)) => one == other,
        _ => match (completed(*one).continent, completed(*other).continent) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        },
    }
}
