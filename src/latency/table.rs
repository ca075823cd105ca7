//! The latency table: rows by network, and by the areas that contain a network.
//!
//! A sample feeds the row of its client's network and the rows of the areas around it. A network without samples of its
//! own therefore has those of its neighbours. The measurements of this node's own probes feed only one row, that of the
//! clients in the node's country. The most specific row with a settled value is used, for each datacenter separately:
//!
//! ```text
//!   network ─► autonomous system, in the country ─► country ─► own probes ─► continent ─► estimate
//! ```
//!
//! In a fleet the probes of all vantage points count instead of those of this node alone, by the matrix.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::matrix::{Matrix, VantageRtts};
use super::measure::{AREA_MEMORY, Measure, Measured, Minute, NETWORK_MEMORY};
use super::reading::{Area, Clients, Reading, ReadingSource, areas_of, fallback_of, fill};
use super::rows::{Cell, Rows};
use super::rtt::Rtt;
use super::sample::{Sample, Widths};
use crate::geo::{Coordinates, CountryCode, DatacenterId, Location};

/// Maximum number of measures in a table: a million networks and four datacenters. Those of IPv4 take 64 MB, and half
/// as much again while a map is made from them. Those of IPv6 take half as much more.
pub const CAPACITY: usize = 4_000_000;

/// The part of a full table that is removed at once, the measures fed least recently: a sixteenth.
const EVICTED_SHARE: usize = 16;

/// A measure as it is stored on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The clients it is about.
    pub clients: Clients,
    /// The name of the datacenter.
    pub datacenter: Box<str>,
    /// The measurement.
    pub measured: Measured,
}

/// All measures. Cloning is cheap, and later changes do not affect the clone.
#[derive(Clone, Debug)]
pub struct LatencyTable {
    /// The datacenters' names, by id.
    places: Arc<[Box<str>]>,
    widths: Widths,
    v4: Rows<u32>,
    /// The key is the first half of the address.
    v6: Rows<u64>,
    areas: Rows<Area>,
    /// The vantage points of the fleet; `None` for a node alone.
    matrix: Option<Arc<Matrix>>,
    capacity: usize,
    /// Counts the changes of settled values.
    generation: u64,
    now: Minute,
}

impl Default for LatencyTable {
    /// An empty table without datacenters.
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl LatencyTable {
    /// An empty table for this many measures.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            places: Arc::default(),
            widths: Widths::default(),
            v4: Rows::default(),
            v6: Rows::default(),
            areas: Rows::default(),
            matrix: None,
            capacity,
            generation: 0,
            now: Minute::default(),
        }
    }

    /// Takes in the datacenters of a new world, by id, and the widths of networks. Removes the measures of datacenters
    /// that are gone, and those of networks if their width changed.
    pub fn adopt<'a>(&mut self, places: impl IntoIterator<Item = &'a str>, widths: Widths) {
        let places: Arc<[Box<str>]> = places.into_iter().map(Into::into).collect();
        if self.places == places && self.widths == widths {
            return;
        }
        if self.widths != widths {
            (self.v4, self.v6) = (Rows::default(), Rows::default());
        }
        let before = std::mem::replace(&mut self.places, places);
        let number = |place: DatacenterId| self.place(&before[place.index()]);
        let (mut v4, mut v6, mut areas) = (self.v4.clone(), self.v6.clone(), self.areas.clone());
        v4.renumber(number);
        v6.renumber(number);
        areas.renumber(number);
        (self.v4, self.v6, self.areas) = (v4, v6, areas);
        self.widths = widths;
        self.matrix = self.matrix.take().map(|matrix| Arc::new(matrix.with_places(&self.places)));
        self.generation += 1;
    }

    /// Takes in the vantage points of the fleet, this node included, with their names.
    pub fn set_vantage_points(&mut self, told: Vec<(Arc<str>, Arc<VantageRtts>)>) {
        let matrix = Matrix::new(told, &self.places);
        if self.matrix.as_deref() != Some(&matrix) {
            self.matrix = Some(Arc::new(matrix));
            self.generation += 1;
        }
    }

    /// The settled round trip times that this node's own probes measured, by the datacenters' names. `country` is that of
    /// the node.
    pub fn probed(&self, country: Option<CountryCode>) -> impl Iterator<Item = (Box<str>, Rtt)> {
        self.areas
            .row(Area::Probed(country))
            .map(|measure| (self.places[measure.place.index()].clone(), measure.settled()))
    }

    /// Takes in a sample of a client at `location`. A sample for an unknown datacenter is ignored. Clients in more than
    /// one network only feed the areas.
    pub fn feed(&mut self, sample: &Sample, location: &Location, now: Duration) {
        let Some(place) = self.place(sample.datacenter()) else { return };
        if let Some(network) = self.widths.network(sample.client()) {
            self.feed_row(Clients::Network(network), place, sample.ms(), now);
        }
        for area in areas_of(location) {
            self.feed_row(Clients::Area(area), place, sample.ms(), now);
        }
    }

    /// Takes in a round trip time that a probe of this node measured, for the clients in the node's country.
    pub fn feed_probe(&mut self, country: Option<CountryCode>, place: DatacenterId, rtt: Duration, now: Duration) {
        let ms = rtt.as_secs_f32() * 1000.0;
        self.feed_row(Clients::Area(Area::Probed(country)), place, ms, now);
    }

    fn feed_row(&mut self, clients: Clients, place: DatacenterId, ms: f32, now: Duration) {
        self.now = Minute::of(now);
        let minute = self.now;
        let memory = memory_of(clients);
        let new = || Measure::new(place, minute);
        let feed = |measure: &mut Measure| measure.feed(ms, memory, minute);
        let changed = match key(clients) {
            Key::V4(network) => self.v4.update(network, place, new, feed),
            Key::V6(network) => self.v6.update(network, place, new, feed),
            Key::Area(area) => self.areas.update(area, place, new, feed),
        };
        self.generation += u64::from(changed);
        if self.len() > self.capacity {
            self.evict();
        }
    }

    /// Lets measures age: with too few samples that count they are no longer settled, and those that are too old are
    /// removed.
    pub fn fade(&mut self, now: Duration) {
        self.now = Minute::of(now);
        let now = self.now;
        let mut changed = false;
        let mut faded = |measure: &Measure, memory| {
            let after = measure.faded(memory, now);
            changed |= after.map_or(Rtt::UNKNOWN, |after| after.settled()) != measure.settled();
            after
        };
        self.v4.edit(|cell| faded(&cell.measure, NETWORK_MEMORY));
        self.v6.edit(|cell| faded(&cell.measure, NETWORK_MEMORY));
        self.areas.edit(|cell| faded(&cell.measure, AREA_MEMORY));
        self.generation += u64::from(changed);
    }

    /// Removes the oldest measures. Which of those with the same age are removed does not matter.
    fn evict(&mut self) {
        let now = self.now;
        let ages = self.v4.iter().map(|cell| cell.measure.age(now));
        let ages = ages.chain(self.v6.iter().map(|cell| cell.measure.age(now)));
        let mut ages: Vec<u16> = ages.chain(self.areas.iter().map(|cell| cell.measure.age(now))).collect();
        let mut surplus = self.len() - (self.capacity - self.capacity / EVICTED_SHARE);
        let oldest = ages.len() - surplus;
        let (_, &mut limit, _) = ages.select_nth_unstable(oldest);
        // First those older than the limit, then as many of those at the limit as are still too many.
        let mut evict = |is_old: &dyn Fn(u16) -> bool| {
            let mut keep = |measure: &Measure| {
                let goes = surplus > 0 && is_old(measure.age(now));
                surplus -= usize::from(goes);
                (!goes).then_some(*measure)
            };
            self.v4.edit(|cell| keep(&cell.measure));
            self.v6.edit(|cell| keep(&cell.measure));
            self.areas.edit(|cell| keep(&cell.measure));
        };
        evict(&|age| age > limit);
        evict(&|age| age == limit);
        self.generation += 1;
    }

    /// The number of measures.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len() + self.areas.len()
    }

    /// True if there are no measures.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that changes whenever a settled value does.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The round trip times of a client to all datacenters, by id, with their sources. `sites` are the datacenters'
    /// coordinates.
    pub fn readings(&self, client: IpAddr, location: &Location, sites: &[Coordinates]) -> Vec<Reading> {
        self.readings_of(self.widths.network(client.into()), location, sites)
    }

    /// Does the same for clients at a location without a measured network of their own.
    pub fn readings_around(&self, location: &Location, sites: &[Coordinates]) -> Vec<Reading> {
        self.readings_of(None, location, sites)
    }

    fn readings_of(&self, network: Option<IpNet>, location: &Location, sites: &[Coordinates]) -> Vec<Reading> {
        let mut readings = self.around(location, sites);
        if let Some(clients) = network.map(Clients::Network) {
            for measure in self.row(clients).iter().filter(|measure| measure.settled().is_known()) {
                if let Some(reading) = readings.get_mut(measure.place.index()) {
                    *reading = Some(self.reading(clients, measure));
                }
            }
        }
        let mut rtts: Vec<Rtt> =
            readings.iter().map(|reading| reading.as_ref().map_or(Rtt::UNKNOWN, |reading| reading.rtt)).collect();
        fill(&mut rtts);
        let missing = |rtt: Rtt| {
            let source = if rtt.is_known() { ReadingSource::Median } else { ReadingSource::Unknown };
            Reading { rtt, source }
        };
        readings.into_iter().zip(rtts).map(|(reading, rtt)| reading.unwrap_or_else(|| missing(rtt))).collect()
    }

    /// What is known of clients at a location, whatever their network, by datacenter: what was measured in the smallest
    /// area, and else the estimate. `None` without either.
    pub(super) fn around(&self, location: &Location, sites: &[Coordinates]) -> Vec<Option<Reading>> {
        let mut readings = vec![None; sites.len()];
        let vantage_points = self.matrix.as_ref().map(|matrix| matrix.around(location));
        for area in fallback_of(location) {
            if let (Area::Probed(Some(country)), Some(vantage_points)) = (area, &vantage_points) {
                each_missing(&mut readings, |place| {
                    let (rtt, node) = vantage_points.measured(place)?;
                    Some(Reading { rtt, source: ReadingSource::Probed(node.clone(), country) })
                });
                continue;
            }
            for measure in self.areas.row(area).filter(|measure| measure.settled().is_known()) {
                if let Some(reading) = readings.get_mut(measure.place.index()).filter(|reading| reading.is_none()) {
                    *reading = Some(self.reading(Clients::Area(area), measure));
                }
            }
        }
        each_missing(&mut readings, |place| {
            let (client, site) = (location.coordinates?, sites[place.index()]);
            let corrected = vantage_points.as_ref().and_then(|vantage_points| vantage_points.corrected(place, site));
            Some(match corrected {
                Some((rtt, node)) => Reading { rtt, source: ReadingSource::Corrected(node.clone()) },
                None => Reading { rtt: Rtt::estimate(client, site), source: ReadingSource::Estimated },
            })
        });
        readings
    }

    fn row(&self, clients: Clients) -> Vec<Measure> {
        match key(clients) {
            Key::V4(network) => self.v4.row(network).copied().collect(),
            Key::V6(network) => self.v6.row(network).copied().collect(),
            Key::Area(area) => self.areas.row(area).copied().collect(),
        }
    }

    fn reading(&self, clients: Clients, measure: &Measure) -> Reading {
        Reading { rtt: measure.settled(), source: ReadingSource::Measured(clients, measure.told(self.now)) }
    }

    /// All measures for storage, with their ages at `now`.
    pub fn records(&self, now: Duration) -> impl Iterator<Item = Record> {
        let now = Minute::of(now);
        let v4 = self.v4.iter().map(|cell| (Clients::Network(self.network_v4(cell.key)), cell.measure));
        let v6 = self.v6.iter().map(|cell| (Clients::Network(self.network_v6(cell.key)), cell.measure));
        let areas = self.areas.iter().map(|cell| (Clients::Area(cell.key), cell.measure));
        v4.chain(v6).chain(areas).map(move |(clients, measure)| Record {
            clients,
            datacenter: self.places[measure.place.index()].clone(),
            measured: measure.told(now),
        })
    }

    /// Takes in stored measures, with their ages at `now`. Measures that are too old, of another width, or of a
    /// datacenter that is gone are left out.
    pub fn restore(&mut self, records: impl IntoIterator<Item = Record>, now: Duration) {
        self.now = Minute::of(now);
        let now = self.now;
        for Record { clients, datacenter, measured } in records {
            let Some(place) = self.place(&datacenter) else { continue };
            if matches!(clients, Clients::Network(net) if net.prefix_len() != self.widths.of(net.addr())) {
                continue;
            }
            let Some(restored) = Measure::restore(place, &measured, memory_of(clients), now) else { continue };
            let put = |measure: &mut Measure| *measure = restored;
            match key(clients) {
                Key::V4(network) => self.v4.update(network, place, || restored, put),
                Key::V6(network) => self.v6.update(network, place, || restored, put),
                Key::Area(area) => self.areas.update(area, place, || restored, put),
            }
            if self.len() > self.capacity {
                self.evict();
            }
        }
        self.generation += 1;
    }

    fn place(&self, name: &str) -> Option<DatacenterId> {
        self.places.iter().position(|place| **place == *name).map(DatacenterId::from_index)
    }

    pub(super) fn rows_v4(&self) -> impl Iterator<Item = &Cell<u32>> {
        self.v4.iter()
    }

    pub(super) fn rows_v6(&self) -> impl Iterator<Item = &Cell<u64>> {
        self.v6.iter()
    }

    /// The number of address bits that make a network.
    pub fn widths(&self) -> Widths {
        self.widths
    }

    fn network_v4(&self, key: u32) -> IpNet {
        IpNet::new_assert(Ipv4Addr::from_bits(key).into(), self.widths.of(Ipv4Addr::UNSPECIFIED.into()))
    }

    fn network_v6(&self, key: u64) -> IpNet {
        let address = Ipv6Addr::from_bits(u128::from(key) << 64);
        IpNet::new_assert(address.into(), self.widths.of(Ipv6Addr::UNSPECIFIED.into()))
    }
}

/// Sets the readings that are missing, as far as `find` has one.
fn each_missing(readings: &mut [Option<Reading>], find: impl Fn(DatacenterId) -> Option<Reading>) {
    for (place, reading) in readings.iter_mut().enumerate().filter(|(_, reading)| reading.is_none()) {
        *reading = find(DatacenterId::from_index(place));
    }
}

/// The key of a row, which determines the list that it is in.
enum Key {
    V4(u32),
    V6(u64),
    Area(Area),
}

fn key(clients: Clients) -> Key {
    match clients {
        Clients::Network(IpNet::V4(net)) => Key::V4(net.network().to_bits()),
        Clients::Network(IpNet::V6(net)) => Key::V6((net.network().to_bits() >> 64) as u64),
        Clients::Area(area) => Key::Area(area),
    }
}

fn memory_of(clients: Clients) -> u16 {
    match clients {
        Clients::Network(_) => NETWORK_MEMORY,
        Clients::Area(_) => AREA_MEMORY,
    }
}

#[cfg(test)]
mod tests;
