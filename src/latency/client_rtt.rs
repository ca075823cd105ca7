//! The address space divided by known round trip times. Maps are made from it if a chain has the step `latency`.
//!
//! ```text
//!   locations   DE              DE              FR
//!   rows               .--/24--.
//!   numbers     1      2        1               3        each with its location and a round trip time for each datacenter
//! ```
//!
//! It is made from settled measures only, so it is valid until one of those changes. It is a pure function of table,
//! locations and sites.

use std::net::IpAddr;

use super::reading::{Reading, fill};
use super::rows::Cell;
use super::rtt::Rtt;
use super::table::LatencyTable;
use crate::geo::{Bits, Coordinates, Location, Locations, Runs, RunsBuilder};

/// No row: only the location is known.
const NO_ROW: u32 = u32::MAX;

/// The round trip times of every address, as far as they are known.
#[derive(Debug)]
pub struct ClientRtts {
    v4: Runs<u32>,
    v6: Runs<u128>,
    /// The location number of each entry.
    locations: Box<[u32]>,
    /// The entry of clients without a known location and without a row; `None` if there are no such clients.
    nowhere: Option<u32>,
    /// For each entry a round trip time to each datacenter, by id.
    rtts: Box<[Rtt]>,
    sites: Box<[Coordinates]>,
    /// The table it was made from.
    table: LatencyTable,
}

/// The position of clients in the network: their location and their round trip times.
#[derive(Clone, Copy, Debug)]
pub struct ClientRtt<'a> {
    /// The number of their location.
    pub location: u32,
    /// Round trip times to each datacenter, by id.
    pub rtts: &'a [Rtt],
}

impl ClientRtts {
    /// Combines a table and the locations of clients in one sweep. `sites` are the coordinates of the table's
    /// datacenters, by id.
    pub fn new(table: LatencyTable, sites: Box<[Coordinates]>, locations: &Locations) -> Self {
        let mut sweep = Sweep::new(&table, &sites, locations);
        let width = |address: IpAddr| table.widths().of(address);
        let v4_width = width(std::net::Ipv4Addr::UNSPECIFIED.into());
        let v6_width = width(std::net::Ipv6Addr::UNSPECIFIED.into());
        let v4 = sweep.over(&locations.v4, table.rows_v4(), |key| key, v4_width);
        let v6 = sweep.over(&locations.v6, table.rows_v6(), |key| u128::from(key) << 64, v6_width);
        let nowhere = locations.nowhere().and_then(|number| sweep.by_location[number as usize]);
        let Sweep { locations, rtts, .. } = sweep;
        Self { v4, v6, locations: locations.into(), nowhere, rtts: rtts.into(), sites, table }
    }

    /// The entry number for every IPv4 address.
    pub fn v4(&self) -> &Runs<u32> {
        &self.v4
    }

    /// The entry number for every IPv6 address.
    pub fn v6(&self) -> &Runs<u128> {
        &self.v6
    }

    /// The number of entries.
    #[allow(clippy::len_without_is_empty, reason = "the whole space is always covered")]
    pub fn len(&self) -> usize {
        self.locations.len()
    }

    /// The entry number of clients of which nothing is known, if there are any.
    pub fn nowhere(&self) -> Option<u32> {
        self.nowhere
    }

    /// The entry with this number.
    pub fn get(&self, number: u32) -> ClientRtt<'_> {
        let (number, places) = (number as usize, self.sites.len());
        ClientRtt { location: self.locations[number], rtts: &self.rtts[number * places..][..places] }
    }

    /// Round trip times of an address to each datacenter, by id.
    pub fn look_up(&self, client: IpAddr) -> &[Rtt] {
        let number = match client {
            IpAddr::V4(address) => self.v4.value(address.to_bits()),
            IpAddr::V6(address) => self.v6.value(address.to_bits()),
        };
        self.get(number).rtts
    }

    /// The round trip times of a client at `location` and their sources, by datacenter.
    pub fn readings(&self, client: IpAddr, location: &Location) -> Vec<Reading> {
        self.table.readings(client, location, &self.sites)
    }

    /// The table it was made from.
    pub fn table(&self) -> &LatencyTable {
        &self.table
    }

    /// The coordinates of the datacenters, by id.
    pub fn sites(&self) -> &[Coordinates] {
        &self.sites
    }
}

struct Sweep<'a> {
    table: &'a LatencyTable,
    sites: &'a [Coordinates],
    places: &'a [Location],
    /// The entry for each location without a row, once it was created.
    by_location: Vec<Option<u32>>,
    /// What is known of each location, whatever the network, once it was looked up.
    around: Vec<Option<Box<[Rtt]>>>,
    locations: Vec<u32>,
    rtts: Vec<Rtt>,
}

impl<'a> Sweep<'a> {
    fn new(table: &'a LatencyTable, sites: &'a [Coordinates], locations: &'a Locations) -> Self {
        let places = &locations.table;
        let (by_location, around) = (vec![None; places.len()], vec![None; places.len()]);
        Self { table, sites, places, by_location, around, locations: Vec::new(), rtts: Vec::new() }
    }

    /// The entries of one address family. `first` gives the lowest address of a key.
    fn over<'c, B: Bits, K: Copy + Eq + 'c>(
        &mut self,
        locations: &Runs<B>,
        cells: impl Iterator<Item = &'c Cell<K>>,
        first: impl Fn(K) -> B,
        width: u8,
    ) -> Runs<B> {
        let settled: Vec<Cell<K>> = cells.filter(|cell| cell.measure.settled().is_known()).copied().collect();
        let rows: Vec<&[Cell<K>]> = settled.chunk_by(|one, next| one.key == next.key).collect();
        let mut builder = RunsBuilder::default();
        builder.push(B::ZERO, NO_ROW);
        for (number, row) in (0..).zip(&rows) {
            let start = first(row[0].key);
            builder.push(start, number);
            if let Some(behind) = start.with(B::host_mask(width)).next() {
                builder.push(behind, NO_ROW);
            }
        }
        locations.join(&builder.finish(), |location, row| match rows.get(row as usize) {
            Some(row) => self.client_rtt(location, row),
            None => self.entry_without_row(location),
        })
    }

    fn entry_without_row(&mut self, location: u32) -> u32 {
        if let Some(number) = self.by_location[location as usize] {
            return number;
        }
        let number = self.client_rtt::<u32>(location, &[]);
        self.by_location[location as usize] = Some(number);
        number
    }

    fn client_rtt<K>(&mut self, location: u32, row: &[Cell<K>]) -> u32 {
        let number = self.locations.len();
        self.locations.push(location);
        self.rtts.resize((number + 1) * self.sites.len(), Rtt::UNKNOWN);
        let rtts = &mut self.rtts[number * self.sites.len()..];
        let around = self.around[location as usize].get_or_insert_with(|| {
            let readings = self.table.around(&self.places[location as usize], self.sites);
            readings.into_iter().map(|reading| reading.map_or(Rtt::UNKNOWN, |reading| reading.rtt)).collect()
        });
        rtts.copy_from_slice(around);
        for Cell { measure, .. } in row {
            rtts[measure.place.index()] = measure.settled();
        }
        fill(rtts);
        number as u32
    }
}
