//! The round trips from the clients of each region to each datacenter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::client_groups::words;
use crate::geo::countries::{Country, countries};
use crate::geo::{Continent, Coordinates, Location, RegionId, Regions};
use crate::latency::{Reading, ReadingSource, Rtt};
use crate::snapshot::Snapshot;

/// Maximum number of rows.
const MAX_ROWS: usize = 128;

/// Maximum number of vantage points in a cell.
const MAX_NAMES: usize = 8;

/// A row for each region, or for each continent if there are no regions.
#[derive(Debug, Serialize)]
pub struct LatencyMatrix {
    /// The columns.
    pub datacenters: Vec<String>,
    /// The rows.
    pub rows: Vec<LatencyRow>,
    /// Number of further regions.
    pub more: usize,
    /// True if a name steers by round trips. If not, all are estimates.
    pub used: bool,
}

/// The round trips of some clients.
#[derive(Debug, Serialize)]
pub struct LatencyRow {
    /// The region or the continent.
    pub clients: String,
    /// The zone of the region; absent for continents.
    pub zone: Option<String>,
    /// Number of countries that the values are for.
    pub countries: usize,
    /// A cell for each datacenter.
    pub cells: Vec<LatencyCell>,
}

/// The round trips from these clients to a datacenter, by country.
#[derive(Debug, Default, Serialize)]
pub struct LatencyCell {
    /// The median, in milliseconds; absent if none is known.
    pub median_ms: Option<f64>,
    /// The lowest.
    pub lowest_ms: Option<f64>,
    /// The highest.
    pub highest_ms: Option<f64>,
    /// Number of countries for which clients or probes measured it. The others are estimated from the distance.
    pub measured: usize,
    /// Number of countries whose value the probes of a vantage point of the fleet measured, or corrected.
    pub by_vantage_points: usize,
    /// The names of these vantage points, up to 8.
    pub vantage_points: Vec<String>,
}

impl LatencyMatrix {
    /// Returns the round trips that rankings use for clients whose network has no measurements.
    pub fn new(snapshot: &Snapshot) -> Self {
        let world = snapshot.world();
        let sites: Vec<Coordinates> = world.datacenters.iter().map(|datacenter| datacenter.coordinates).collect();
        let readings = |country: &Country| match snapshot.client_rtts() {
            Some(client_rtts) => client_rtts.table().readings_around(&location(country), &sites),
            None => sites
                .iter()
                .map(|&site| Reading { rtt: Rtt::estimate(country.point, site), source: ReadingSource::Estimated })
                .collect(),
        };
        let by_country: Vec<(Country, Vec<Reading>)> =
            countries().map(|country| (country, readings(&country))).collect();
        let mut seen: Vec<&Arc<Regions>> = Vec::new();
        let mut rows = Vec::new();
        for zone in world.zones.iter().filter(|zone| !zone.names.is_empty() && !zone.regions.list().is_empty()) {
            if seen.iter().any(|regions| Arc::ptr_eq(regions, &zone.regions)) {
                continue;
            }
            seen.push(&zone.regions);
            let mut of_region: BTreeMap<RegionId, Vec<&[Reading]>> = BTreeMap::new();
            for (country, readings) in &by_country {
                of_region.entry(zone.regions.of_location(&location(country))).or_default().push(readings);
            }
            for (id, readings) in of_region {
                let Some(region) = zone.regions.get(id) else { continue };
                let (clients, zone) = (region.name.to_string(), Some(zone.origin.to_string()));
                rows.push(LatencyRow { clients, zone, ..LatencyRow::new(&readings, sites.len()) });
            }
        }
        if rows.is_empty() {
            for (_, continent) in Continent::ALL {
                let of_continent = by_country.iter().filter(|(country, _)| country.continent == continent);
                let readings: Vec<&[Reading]> = of_continent.map(|(_, readings)| &readings[..]).collect();
                let clients = words(continent).to_owned();
                rows.push(LatencyRow { clients, ..LatencyRow::new(&readings, sites.len()) });
            }
        }
        let more = rows.len().saturating_sub(MAX_ROWS);
        rows.truncate(MAX_ROWS);
        let datacenters = world.datacenters.iter().map(|datacenter| datacenter.name.to_string()).collect();
        Self { datacenters, rows, more, used: snapshot.client_rtts().is_some() }
    }
}

fn location(country: &Country) -> Location {
    let (continent, coordinates) = (Some(country.continent), Some(country.point));
    Location { continent, country: Some(country.code), coordinates, ..Location::default() }
}

impl LatencyRow {
    fn new(countries: &[&[Reading]], datacenters: usize) -> Self {
        let cells = (0..datacenters).map(|place| {
            let known = || countries.iter().map(|readings| &readings[place]).filter(|reading| reading.rtt.is_known());
            let mut rtts: Vec<Rtt> = known().map(|reading| reading.rtt).collect();
            rtts.sort_unstable();
            let ms = |rtt: Option<&Rtt>| rtt.map(|rtt| rtt.ms());
            let is_measured =
                |reading: &&Reading| matches!(reading.source, ReadingSource::Measured(..) | ReadingSource::Probed(..));
            let by_vantage_points = known().filter_map(|reading| match &reading.source {
                ReadingSource::Probed(node, _) | ReadingSource::Corrected(node) => Some(&**node),
                _ => None,
            });
            let names: BTreeSet<&str> = by_vantage_points.clone().collect();
            LatencyCell {
                median_ms: (!rtts.is_empty()).then(|| Rtt::median(&rtts).ms()),
                lowest_ms: ms(rtts.first()),
                highest_ms: ms(rtts.last()),
                measured: known().filter(is_measured).count(),
                by_vantage_points: by_vantage_points.count(),
                vantage_points: names.into_iter().take(MAX_NAMES).map(str::to_owned).collect(),
            }
        });
        Self { clients: String::new(), zone: None, countries: countries.len(), cells: cells.collect() }
    }
}
