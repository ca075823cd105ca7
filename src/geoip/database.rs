//! One database file: its search tree converted to runs.
//!
//! The tree of an IPv6 file contains IPv4 at ::/96. The same nodes are also below other prefixes, so that a look-up of,
//! for example, a 6to4 address finds the facts of the embedded IPv4 address. Walking such an alias again would only
//! repeat IPv4, so the IPv6 walk leaves them out. Moreover, such addresses belong to tunnels and translators, not to
//! locations.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic;
use std::path::Path;
use std::thread;
use std::time::Duration;

use maxminddb::{MaxMindDbError, Reader};

use super::GeoipFault;
use super::record::Record;
use super::table::{FactRuns, Facts, LocationTable, UNKNOWN};
use super::tree::{Child, Leaf, Tangled, Tree};
use crate::disk::Disk;
use crate::geo::{Bits, RunsBuilder};

/// The length of the prefix of IPv4 in an IPv6 tree, ::/96.
const IPV4_SUBTREE: u8 = 96;

/// Prefixes that embed IPv4 addresses, and that database writers make aliases of the IPv4 subtree.
const EMBEDDED_IPV4: [(Ipv6Addr, u8); 5] = [
    (Ipv6Addr::UNSPECIFIED, IPV4_SUBTREE),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96), // IPv4-mapped, RFC 4291 section 2.5.5.2
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96), // NAT64, RFC 6052 section 2.1
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32), // Teredo, RFC 4380 section 2.6
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, RFC 3056 section 2
];

/// Maximum number of networks for each node of a tree. A tree of n nodes has n + 1 networks. A few are met more than
/// once, if they contain parts that embed IPv4, or below an alias that is not in [`EMBEDDED_IPV4`]. Far more networks
/// mean that nodes share children: even a tiny file can then have 2^128 networks.
const NETWORKS_PER_NODE: usize = 8;

/// Networks that every file may have in addition: those that contain parts that embed IPv4.
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
            .spawn_scoped(scope, || read_here(path, &octets))
            .map_err(unreadable)?;
        reading.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

fn read_here(path: &Path, octets: &[u8]) -> Result<(FactRuns, Duration), GeoipFault> {
    let reader = Reader::from_source(octets)
        .map_err(|error| GeoipFault::NotMmdb { path: path.into(), reason: error.to_string() })?;
    let walked = Walk::new(octets, &reader).and_then(Walk::finish);
    let facts = walked.map_err(|error| GeoipFault::Corrupt { path: path.into(), reason: error.to_string() })?;
    Ok((facts, Duration::from_secs(reader.metadata().build_epoch)))
}

/// A walk over the whole tree of one file.
struct Walk<'r> {
    tree: Tree<'r>,
    records: Records<'r>,
    /// The number of networks that the walk may still meet.
    networks_left: usize,
}

impl<'r> Walk<'r> {
    fn new(octets: &'r [u8], reader: &'r Reader<&'r [u8]>) -> Result<Self, MaxMindDbError> {
        let metadata = reader.metadata();
        let networks_left =
            (metadata.node_count as usize).saturating_mul(NETWORKS_PER_NODE).saturating_add(NETWORKS_AT_LEAST);
        let tree = Tree::new(octets, metadata.node_count, metadata.record_size);
        let tree =
            tree.ok_or_else(|| MaxMindDbError::invalid_database("the search tree does not fit into the file"))?;
        Ok(Self { tree, records: Records::new(reader), networks_left })
    }

    fn finish(mut self) -> Result<FactRuns, MaxMindDbError> {
        let (mut v4, mut v6) = (RunsBuilder::default(), RunsBuilder::default());
        if self.records.reader.metadata().ip_version == 4 {
            self.networks((Tree::root(), u32::ZERO, 0), &mut v4)?;
            v6.push(u128::ZERO, UNKNOWN);
        } else {
            self.networks((self.ipv4_subtree(), u32::ZERO, 0), &mut v4)?;
            self.around_embedded_ipv4((Tree::root(), u128::ZERO, 0), &mut v6)?;
        }
        Ok(FactRuns { v4: v4.finish(), v6: v6.finish(), table: self.records.table.finish() })
    }

    /// Returns the place where IPv4 begins. A leaf above it is valid for all of IPv4.
    fn ipv4_subtree(&self) -> Child {
        (0..IPV4_SUBTREE).fold(Tree::root(), |place, _| self.tree.children(place).map_or(place, |[zero, _]| zero))
    }

    /// Walks the prefix `first`/`length` except for the parts that embed IPv4: halves it until no half contains any of
    /// them.
    fn around_embedded_ipv4(
        &mut self,
        (place, first, length): (Child, u128, u8),
        runs: &mut RunsBuilder<u128>,
    ) -> Result<(), MaxMindDbError> {
        let overlaps = |other: Ipv6Addr, other_length| first.common_prefix(other.to_bits()) >= length.min(other_length);
        match EMBEDDED_IPV4.iter().find(|&&(other, other_length)| overlaps(other, other_length)) {
            Some(&(_, embedded)) if embedded <= length => runs.push(first, UNKNOWN),
            Some(_) => {
                // A leaf is valid for both halves.
                let [zero, one] = self.tree.children(place).unwrap_or([place; 2]);
                self.around_embedded_ipv4((zero, first, length + 1), runs)?;
                self.around_embedded_ipv4((one, first.with(u128::bit(length)), length + 1), runs)?;
            }
            None => self.networks((place, first, length), runs)?,
        }
        Ok(())
    }

    /// Adds everything the file has below a place to `runs`.
    fn networks<B: Family>(&mut self, place: (Child, B, u8), runs: &mut RunsBuilder<B>) -> Result<(), MaxMindDbError> {
        let Self { tree, records, networks_left } = self;
        tree.walk(place, networks_left, |first, leaf| {
            let number = match leaf {
                Leaf::Empty => UNKNOWN,
                Leaf::Record(pointer) => records.number(pointer, || first.to_address())?,
            };
            runs.push(first, number);
            Ok(())
        })
    }
}

/// An address family.
trait Family: Bits {
    fn to_address(self) -> IpAddr;
}

impl Family for u32 {
    fn to_address(self) -> IpAddr {
        Ipv4Addr::from_bits(self).into()
    }
}

impl Family for u128 {
    fn to_address(self) -> IpAddr {
        Ipv6Addr::from_bits(self).into()
    }
}

/// The facts in the records of a file.
struct Records<'r> {
    reader: &'r Reader<&'r [u8]>,
    /// The fact number of each record that was met, by the pointer to it in the tree.
    numbers: HashMap<u32, u32, foldhash::fast::RandomState>,
    /// The record that was met last and its number: neighbours often share one. No record is at 0.
    latest: (u32, u32),
    table: LocationTable<Facts>,
}

impl<'r> Records<'r> {
    fn new(reader: &'r Reader<&'r [u8]>) -> Self {
        Self { reader, numbers: HashMap::default(), latest: (0, UNKNOWN), table: LocationTable::new() }
    }

    /// Returns the fact number of a record, which the reader finds by an address. Decodes each record only once.
    fn number(&mut self, pointer: u32, address: impl Fn() -> IpAddr) -> Result<u32, MaxMindDbError> {
        if self.latest.0 == pointer {
            return Ok(self.latest.1);
        }
        let number = if let Some(&number) = self.numbers.get(&pointer) {
            number
        } else {
            let record: Record = self.reader.lookup(address())?.decode()?.unwrap_or_default();
            let number = self.table.number(record.facts());
            self.numbers.insert(pointer, number);
            number
        };
        self.latest = (pointer, number);
        Ok(number)
    }
}

impl From<Tangled> for MaxMindDbError {
    fn from(tangled: Tangled) -> Self {
        Self::invalid_database(match tangled {
            Tangled::TooDeep => "the search tree has more levels than addresses have bits",
            Tangled::TooManyLeaves => "the search tree has more networks than its nodes allow",
        })
    }
}
