//! One database file: its search tree converted to runs.
//!
//! The tree of an IPv6 file contains IPv4 at ::/96. The same nodes are also below other prefixes, so that a look-up of,
//! for example, a 6to4 address finds the facts of the embedded IPv4 address. Walking such an alias again would only
//! repeat IPv4, so the IPv6 walk leaves them out. Moreover, such addresses belong to tunnels and translators, not to
//! locations.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::panic;
use std::path::Path;
use std::thread;
use std::time::Duration;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};

use super::GeoipFault;
use super::record::Record;
use super::table::{FactRuns, Facts, LocationTable, UNKNOWN};
use crate::disk::Disk;
use crate::geo::{Bits, RunsBuilder};

/// The prefix of IPv4 in an IPv6 tree.
const IPV4_SUBTREE: (Ipv6Addr, u8) = (Ipv6Addr::UNSPECIFIED, 96);

/// Prefixes that embed IPv4 addresses, and that database writers make aliases of the IPv4 subtree.
const EMBEDDED_IPV4: [(Ipv6Addr, u8); 5] = [
    IPV4_SUBTREE,
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96), // IPv4-mapped, RFC 4291 section 2.5.5.2
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96), // NAT64, RFC 6052 section 2.1
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32), // Teredo, RFC 4380 section 2.6
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, RFC 3056 section 2
];

/// Maximum number of networks for each node of a tree. A tree of n nodes has at most n + 1 networks. A few are met more
/// than once, if a walk begins inside them, or below an alias that is not in [`EMBEDDED_IPV4`]. Far more networks mean
/// that nodes share children: even a tiny file can then have 2^128 networks.
const NETWORKS_PER_NODE: usize = 8;

/// Networks that every file may have in addition: walks that begin inside a network meet it again.
const NETWORKS_AT_LEAST: usize = 1024;

/// Octets of stack for reading a file. The decoder follows pointers by recursion, up to 512 of them. A record that
/// points to itself reaches this depth. Without optimization, the recursion then takes more than the 2 MiB that threads
/// have by default.
const STACK_OCTETS: usize = 8 << 20;

/// Reads one database. Returns its facts, and when it was made, as time since the Unix epoch. Fails if the file cannot
/// be read, or is not a valid MMDB file.
pub(super) fn read(disk: &Disk, path: &Path) -> Result<(FactRuns, Duration), GeoipFault> {
    let unreadable = |error| GeoipFault::Unreadable { path: path.into(), error };
    let octets = disk.read(path).map_err(unreadable)?.octets;
    thread::scope(|scope| {
        let reading = thread::Builder::new()
            .name("geoip".into())
            .stack_size(STACK_OCTETS)
            .spawn_scoped(scope, || read_here(path, octets))
            .map_err(unreadable)?;
        reading.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

fn read_here(path: &Path, octets: Vec<u8>) -> Result<(FactRuns, Duration), GeoipFault> {
    let reader = Reader::from_source(octets)
        .map_err(|error| GeoipFault::NotMmdb { path: path.into(), reason: error.to_string() })?;
    let walked = Walk::new(&reader).finish();
    let facts = walked.map_err(|error| GeoipFault::Corrupt { path: path.into(), reason: error.to_string() })?;
    Ok((facts, Duration::from_secs(reader.metadata().build_epoch)))
}

/// A walk over the whole tree of one file.
struct Walk<'r> {
    reader: &'r Reader<Vec<u8>>,
    /// The number of networks that the walk may still meet.
    networks_left: usize,
    /// The fact number of each record that was met, by its offset in the file.
    records: HashMap<usize, u32, foldhash::fast::RandomState>,
    /// The record that was met last and its number: neighbours often share one.
    latest: (usize, u32),
    table: LocationTable<Facts>,
}

impl<'r> Walk<'r> {
    fn new(reader: &'r Reader<Vec<u8>>) -> Self {
        let networks_left =
            (reader.metadata().node_count as usize).saturating_mul(NETWORKS_PER_NODE).saturating_add(NETWORKS_AT_LEAST);
        let (records, table) = (HashMap::default(), LocationTable::new());
        Self { reader, networks_left, records, latest: (usize::MAX, UNKNOWN), table }
    }

    fn finish(mut self) -> Result<FactRuns, MaxMindDbError> {
        let (mut v4, mut v6) = (whole_space_unknown(), whole_space_unknown());
        if self.reader.metadata().ip_version == 4 {
            self.v4(IpNetwork::V4(Ipv4Network::new(Ipv4Addr::UNSPECIFIED, 0)?), &mut v4)?;
        } else {
            let (address, length) = IPV4_SUBTREE;
            self.v4(IpNetwork::V6(Ipv6Network::new(address, length)?), &mut v4)?;
            self.v6_around_embedded_ipv4(0, 0, &mut v6)?;
        }
        Ok(FactRuns { v4: v4.finish(), v6: v6.finish(), table: self.table.finish() })
    }

    fn v4(&mut self, root: IpNetwork, runs: &mut RunsBuilder<u32>) -> Result<(), MaxMindDbError> {
        self.networks(root, runs, |network| match network {
            IpNetwork::V4(network) => (network.network().to_bits(), network.prefix()),
            // A record above the start of the IPv4 subtree is valid for all of IPv4.
            IpNetwork::V6(_) => (0, 0),
        })
    }

    /// Walks the prefix `first`/`length` except for the parts that embed IPv4: halves it until no half contains any of
    /// them.
    fn v6_around_embedded_ipv4(
        &mut self,
        first: u128,
        length: u8,
        runs: &mut RunsBuilder<u128>,
    ) -> Result<(), MaxMindDbError> {
        let overlaps = |other: Ipv6Addr, other_length| first.common_prefix(other.to_bits()) >= length.min(other_length);
        match EMBEDDED_IPV4.iter().find(|&&(other, other_length)| overlaps(other, other_length)) {
            Some(&(_, embedded)) if embedded <= length => Ok(()),
            Some(_) => {
                let upper_half = first.with(u128::host_mask(length).without(u128::host_mask(length + 1)));
                self.v6_around_embedded_ipv4(first, length + 1, runs)?;
                self.v6_around_embedded_ipv4(upper_half, length + 1, runs)
            }
            None => self.v6(first, length, runs),
        }
    }

    fn v6(&mut self, first: u128, length: u8, runs: &mut RunsBuilder<u128>) -> Result<(), MaxMindDbError> {
        let root = IpNetwork::V6(Ipv6Network::new(Ipv6Addr::from_bits(first), length)?);
        self.networks(root, runs, |network| match network {
            IpNetwork::V6(network) if network.prefix() > length => (network.network().to_bits(), network.prefix()),
            // A network that is wider than the prefix is met again next to it.
            _ => (first, length),
        })
    }

    /// Adds everything the file has below `root` to `runs`. `prefix` gives the addresses of a network of the tree. The
    /// reader returns networks in ascending order, as runs need them.
    fn networks<B: Bits>(
        &mut self,
        root: IpNetwork,
        runs: &mut RunsBuilder<B>,
        prefix: impl Fn(IpNetwork) -> (B, u8),
    ) -> Result<(), MaxMindDbError> {
        // The reader must return every leaf, aliases and leaves without a record included, so that each is counted here
        // and looping nodes cannot keep it busy inside. Its own option to leave aliases out would also lose networks
        // that only share the record of ::/96, if that is a record and not a subtree.
        let every_leaf = WithinOptions::default().include_aliased_networks().include_networks_without_data();
        for leaf in self.reader.within(root, every_leaf)? {
            let leaf = leaf?;
            self.networks_left = self.networks_left.checked_sub(1).ok_or_else(too_many_networks)?;
            let Some(offset) = leaf.offset() else { continue };
            let (first, length) = prefix(leaf.network()?);
            runs.push(first, self.facts_number(offset, &leaf)?);
            // Unknown up to the next network with a record. If that network begins here, its value replaces this one.
            if let Some(behind) = first.with(B::host_mask(length)).next() {
                runs.push(behind, UNKNOWN);
            }
        }
        Ok(())
    }

    /// Returns the fact number of the record at `offset`. Decodes the record only once.
    fn facts_number(&mut self, offset: usize, leaf: &LookupResult<'r, Vec<u8>>) -> Result<u32, MaxMindDbError> {
        if self.latest.0 == offset {
            return Ok(self.latest.1);
        }
        let number = if let Some(&number) = self.records.get(&offset) {
            number
        } else {
            let record: Record = leaf.decode()?.unwrap_or_default();
            let number = self.table.number(record.facts());
            self.records.insert(offset, number);
            number
        };
        self.latest = (offset, number);
        Ok(number)
    }
}

fn whole_space_unknown<B: Bits>() -> RunsBuilder<B> {
    let mut runs = RunsBuilder::default();
    runs.push(B::ZERO, UNKNOWN);
    runs
}

fn too_many_networks() -> MaxMindDbError {
    MaxMindDbError::invalid_database("the search tree has more networks than its nodes allow")
}
