//! The groups in which reports name clients: regions, or continents.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::geo::countries::countries;
use crate::geo::{Continent, CountryCode, Location, Locations, RegionId, Regions};
use crate::steering::{Client, Map, Ranking};

/// Maximum number of countries that are named for a group of which only a part moves.
const FEW_COUNTRIES: usize = 4;

/// Number of networks with the same country and ranking that are looked at, if networks differ by measured round trips.
/// It is more than one, because networks of one country may be in several regions.
const SAMPLES: usize = 4;

/// The name of the only group if all clients have one ranking.
pub(super) const EVERYBODY: &str = "everybody";

/// Clients that an operator thinks of as one group.
pub(super) struct Group {
    pub(super) name: String,
    /// Some of its clients, each with a distinguishing name, and their ranking.
    pub(super) clients: Vec<(String, Ranking)>,
}

impl Group {
    /// Returns the groups of all clients of a map: regions if it uses them, else continents.
    pub(super) fn all(map: &Map, locations: &Locations) -> Vec<Self> {
        if map.is_uniform() {
            let ranking = map.look_up(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).ranking.clone();
            return vec![Self { name: EVERYBODY.to_owned(), clients: vec![(String::new(), ranking)] }];
        }
        let compiled_chain = map.compiled_chain();
        if compiled_chain.measures_latency() {
            return Self::networks(map, locations);
        }
        let Some(regions) = compiled_chain.regions() else { return Self::continents(map) };
        let mut groups: Vec<(RegionId, Self)> = Vec::new();
        let mut add = |region: RegionId, part: &str, client: Client| {
            let client = (part.to_owned(), compiled_chain.rank(&client));
            match groups.iter_mut().find(|(other, _)| *other == region) {
                Some((_, group)) => group.clients.push(client),
                None => groups.push((region, Self { name: name_of(regions, region), clients: vec![client] })),
            }
        };
        for country in countries() {
            let (continent, coordinates) = (Some(country.continent), Some(country.point));
            let location = Location { continent, country: Some(country.code), coordinates, ..Location::default() };
            let region = regions.of_location(&location);
            let coordinates = coordinates.filter(|_| compiled_chain.measures_distance());
            add(region, country.code.as_str(), Client { region, coordinates, rtts: &[] });
        }
        // Regions that consist only of prefixes, networks or subdivisions have no country in this list.
        let found: HashSet<RegionId> = groups.iter().map(|(region, _)| *region).collect();
        for region in regions.ids().filter(|region| !found.contains(region)) {
            let client =
                ("elsewhere".to_owned(), compiled_chain.rank(&Client { region, coordinates: None, rtts: &[] }));
            groups.push((region, Self { name: name_of(regions, region), clients: vec![client] }));
        }
        groups.sort_by_key(|(region, _)| *region);
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Returns the groups from samples of addresses. Only the map knows the measured round trips of networks.
    fn networks(map: &Map, locations: &Locations) -> Vec<Self> {
        let mut groups: BTreeMap<String, Self> = BTreeMap::new();
        let mut seen: HashMap<(Option<CountryCode>, u32), usize> = HashMap::new();
        for run in map.runs_v4() {
            let address = IpAddr::V4(run.first.into());
            let location = locations.look_up(address);
            let samples = seen.entry((location.country, run.value)).or_default();
            if *samples == SAMPLES {
                continue;
            }
            *samples += 1;
            let name = match (map.compiled_chain().regions(), location.continent) {
                (Some(regions), _) => name_of(regions, regions.of(address, &location)),
                (None, Some(continent)) => words(continent).to_owned(),
                (None, None) => "networks of no known place".to_owned(),
            };
            let part = location.country.map_or_else(|| address.to_string(), |country| country.to_string());
            let client = (part, map.rankings()[run.value as usize].clone());
            let group = groups.entry(name.clone()).or_insert_with(|| Self { name, clients: Vec::new() });
            group.clients.push(client);
        }
        groups.into_values().collect()
    }

    fn continents(map: &Map) -> Vec<Self> {
        let group = |continent: Continent| {
            let client = |coordinates| Client { region: RegionId::NOWHERE, coordinates, rtts: &[] };
            let there = countries().filter(|country| country.continent == continent);
            let clients = there
                .map(|country| (country.code.to_string(), map.compiled_chain().rank(&client(Some(country.point)))));
            Self { name: words(continent).to_owned(), clients: clients.collect() }
        };
        Continent::ALL.iter().map(|&(_, continent)| group(continent)).collect()
    }
}

/// Returns the name of a region in words.
fn name_of(regions: &Regions, region: RegionId) -> String {
    regions.get(region).map_or_else(|| "clients of no region".to_owned(), |region| region.name.to_string())
}

/// Returns the name of a continent.
pub(super) fn words(continent: Continent) -> &'static str {
    match continent {
        Continent::Africa => "Africa",
        Continent::Antarctica => "Antarctica",
        Continent::Asia => "Asia",
        Continent::Europe => "Europe",
        Continent::NorthAmerica => "North America",
        Continent::Oceania => "Oceania",
        Continent::SouthAmerica => "South America",
    }
}

/// Returns the name of a group with the part of it that is meant: `europe (DE, FR and 9 more)`.
pub(super) fn partly(group: &str, parts: &[&str]) -> String {
    let told = parts[..parts.len().min(FEW_COUNTRIES)].join(", ");
    match parts.len().saturating_sub(FEW_COUNTRIES) {
        0 => format!("{group} ({told})"),
        more => format!("{group} ({told} and {more} more)"),
    }
}
