//! Counters of queries and responses of all zones and names.

use super::shard::{Shard, sum};
use super::{RUNGS, Tally};
use crate::wire::{Rcode, Rtype};

/// Number of transports.
pub const TRANSPORTS: usize = 5;

/// The response codes that answers have.
pub const RCODES: [Rcode; 10] = [
    Rcode::NoError,
    Rcode::FormErr,
    Rcode::ServFail,
    Rcode::NxDomain,
    Rcode::NotImp,
    Rcode::Refused,
    Rcode::YxDomain,
    Rcode::NotAuth,
    Rcode::BadVers,
    Rcode::BadCookie,
];

/// The types that are counted one by one. All others are counted together.
pub const QTYPES: [Rtype; 20] = [
    Rtype::A,
    Rtype::NS,
    Rtype::CNAME,
    Rtype::SOA,
    Rtype::PTR,
    Rtype::MX,
    Rtype::TXT,
    Rtype::AAAA,
    Rtype::SRV,
    NAPTR,
    Rtype::DS,
    Rtype::RRSIG,
    Rtype::DNSKEY,
    TLSA,
    Rtype::SVCB,
    Rtype::HTTPS,
    CAA,
    Rtype::IXFR,
    Rtype::AXFR,
    Rtype::ANY,
];

const NAPTR: Rtype = Rtype(35);
const TLSA: Rtype = Rtype(52);
const CAA: Rtype = Rtype(257);

/// Number of rows for types: [`QTYPES`], other types, and queries without a question.
const TYPE_ROWS: usize = QTYPES.len() + 2;
const OTHER: usize = QTYPES.len();
const NONE: usize = QTYPES.len() + 1;

/// The row of each type below 258.
const ROW_OF_TYPE: [u8; 258] = {
    let mut rows = [OTHER as u8; 258];
    let mut row = 0;
    while row < QTYPES.len() {
        rows[QTYPES[row].0 as usize] = row as u8;
        row += 1;
    }
    rows
};

/// The column of each response code below 24.
const COLUMN_OF_RCODE: [u8; 24] = {
    let mut columns = [0; 24];
    let mut column = 0;
    while column < RCODES.len() {
        columns[RCODES[column] as usize] = column as u8;
        column += 1;
    }
    columns
};

/// The type of a query as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    /// One of [`QTYPES`].
    Known(Rtype),
    /// Another type.
    Other,
    /// The query has no readable question.
    None,
}

/// The use of EDNS Client Subnet by a query. Queries without the option are not counted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubnetUse {
    /// The option names the client's network.
    Network = 0,
    /// Its source prefix length is 0: the client wishes not to be located (RFC 7871, section 7.1.2).
    Private = 1,
    /// The option is malformed.
    Malformed = 2,
}

/// Number of layers of the responses: one for each [`SubnetUse`], and one for queries without the option.
const LAYERS: usize = 4;
const NO_SUBNET: usize = 3;

const OCTETS: usize = LAYERS * TRANSPORTS * TYPE_ROWS * RCODES.len();
const TRUNCATED: usize = OCTETS + TRANSPORTS;
const LADDER: usize = TRUNCATED + 1;
const IGNORED: usize = LADDER + RUNGS;
const PANICS: usize = IGNORED + 1;
const TRANSFERS: usize = PANICS + 1;
const UNLOGGED: usize = TRANSFERS + 1;
const KEPT: usize = UNLOGGED + 1;
const FRESH: usize = KEPT + 1;
const REFUSED: usize = FRESH + 1;
const AHEAD: usize = REFUSED + 1;
const FORESEEN: usize = AHEAD + 1;
const LENGTH: usize = FORESEEN + 1;

/// Counters of queries and responses since the server's start.
#[derive(Debug)]
pub struct Traffic {
    shards: Box<[Shard]>,
}

impl Traffic {
    /// Returns counters for this many UDP workers, and for connections.
    pub fn new(workers: usize) -> Self {
        Self { shards: (0..=workers).map(|_| Shard::new(LENGTH)).collect() }
    }

    /// Returns the number of shards: one for each UDP worker, and one for connections.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Returns the number of the shard that connections share, which is the last one.
    pub(super) fn shared(&self) -> usize {
        self.shards.len() - 1
    }

    pub(super) fn shard(&self, number: usize) -> Shard {
        self.shards[number].clone()
    }

    /// Returns the sums over all workers.
    pub fn sums(&self) -> TrafficSums {
        TrafficSums((0..LENGTH).map(|place| sum(&self.shards, place)).collect())
    }
}

/// The sums of [`Traffic`] over all workers.
#[derive(Clone, Debug)]
pub struct TrafficSums(Box<[u64]>);

/// Returns the cell of a response. The layers of a response are side by side.
fn response(transport: usize, row: usize, column: usize, layer: usize) -> usize {
    ((transport * TYPE_ROWS + row) * RCODES.len() + column) * LAYERS + layer
}

impl Tally {
    /// Counts a response of this length in octets to a query over this transport. `rtype` is `None` if the query has no
    /// readable question. `subnet` is `None` if the query has no Client Subnet option.
    #[inline]
    pub fn response(
        &self,
        transport: usize,
        rtype: Option<Rtype>,
        (rcode, subnet): (Rcode, Option<SubnetUse>),
        length: usize,
    ) {
        let row = rtype.map_or(NONE, |rtype| ROW_OF_TYPE.get(usize::from(rtype.0)).map_or(OTHER, |&row| row.into()));
        let layer = subnet.map_or(NO_SUBNET, |subnet| subnet as usize);
        self.count(response(transport, row, COLUMN_OF_RCODE[rcode as usize].into(), layer), 1);
        self.count(OCTETS + transport, length as u64);
    }

    /// Counts a response over UDP that did not fit and was truncated (TC).
    pub fn truncated(&self) {
        self.count(TRUNCATED, 1);
    }

    /// Counts a choice that steering made on this rung of the ladder.
    #[inline]
    pub fn rung(&self, rung: usize) {
        self.count(LADDER + rung, 1);
    }

    /// Counts a message that got no answer because it is not a query.
    pub fn ignored(&self) {
        self.count(IGNORED, 1);
    }

    /// Counts a query whose answer was lost by a panic.
    pub fn panicked(&self) {
        self.count(PANICS, 1);
    }

    /// Counts a zone transfer that began.
    pub fn transfer(&self) {
        self.count(TRANSFERS, 1);
    }

    /// Counts the signatures of one answer: those that were kept, those that were made, and those that were not made for
    /// want of budget.
    pub fn signatures(&self, kept: u32, fresh: u32, refused: u32) {
        for (place, count) in [(KEPT, kept), (FRESH, fresh), (REFUSED, refused)] {
            if count > 0 {
                self.count(place, count.into());
            }
        }
    }

    /// Counts signatures that were made ahead, before any answer needed them.
    pub fn signed_ahead(&self, count: u32) {
        self.count(AHEAD, count.into());
    }

    /// Counts signatures that were made ahead, and that an answer needed for the first time.
    pub fn foreseen(&self, count: u32) {
        if count > 0 {
            self.count(FORESEEN, count.into());
        }
    }

    /// Counts an answer that is missing in the query log, because its ring was full.
    pub fn unlogged(&self) {
        self.count(UNLOGGED, 1);
    }

    #[inline]
    fn count(&self, place: usize, count: u64) {
        self.traffic.cells(self.is_alone).add(place, count);
    }
}

impl TrafficSums {
    /// Returns the number of responses by transport, type and response code, without those that never occurred.
    pub fn responses(&self) -> impl Iterator<Item = (usize, QueryType, Rcode, u64)> {
        let rows = (0..TRANSPORTS).flat_map(|transport| (0..TYPE_ROWS).map(move |row| (transport, row)));
        let cells = rows.flat_map(|(transport, row)| (0..RCODES.len()).map(move |column| (transport, row, column)));
        cells.filter_map(|(transport, row, column)| {
            let rtype = match row {
                OTHER => QueryType::Other,
                NONE => QueryType::None,
                row => QueryType::Known(QTYPES[row]),
            };
            let count = (0..LAYERS).map(|layer| self.0[response(transport, row, column, layer)]).sum();
            (count > 0).then_some((transport, rtype, RCODES[column], count))
        })
    }

    /// Returns the number of all responses.
    pub fn all_responses(&self) -> u64 {
        self.0[..OCTETS].iter().sum()
    }

    /// Returns the octets of responses over this transport, without headers of lower layers.
    pub fn octets(&self, transport: usize) -> u64 {
        self.0[OCTETS + transport]
    }

    /// Returns the number of responses with TC.
    pub fn truncated(&self) -> u64 {
        self.0[TRUNCATED]
    }

    /// Returns the number of queries with this use of Client Subnet.
    pub fn subnets(&self, subnet: SubnetUse) -> u64 {
        self.0[subnet as usize..OCTETS].iter().step_by(LAYERS).sum()
    }

    /// Returns the number of choices on this rung.
    pub fn rung(&self, rung: usize) -> u64 {
        self.0[LADDER + rung]
    }

    /// Returns the number of messages that are not queries.
    pub fn ignored(&self) -> u64 {
        self.0[IGNORED]
    }

    /// Returns the number of answers that a panic prevented.
    pub fn panics(&self) -> u64 {
        self.0[PANICS]
    }

    /// Returns the number of zone transfers that began.
    pub fn transfers(&self) -> u64 {
        self.0[TRANSFERS]
    }

    /// Returns the numbers of signatures that were kept, made, and refused for want of budget.
    pub fn signatures(&self) -> [u64; 3] {
        [KEPT, FRESH, REFUSED].map(|place| self.0[place])
    }

    /// Returns the numbers of signatures that were made ahead, and of those that an answer needed since.
    pub fn signed_ahead(&self) -> [u64; 2] {
        [AHEAD, FORESEEN].map(|place| self.0[place])
    }

    /// Returns the number of answers that are missing in the query log, because a ring was full.
    pub fn unlogged(&self) -> u64 {
        self.0[UNLOGGED]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_code_has_a_cell_of_its_own() {
        let traffic = Traffic::new(2);
        let tallies = [
            Tally::of_worker(&traffic, 0),
            Tally::of_worker(&traffic, 1),
            Tally::of_worker(&traffic, 2),
            Tally::of_stream(&traffic),
        ];
        assert_eq!(
            tallies.each_ref().map(|tally| (tally.number, tally.is_alone)),
            [(0, true), (1, true), (2, false), (2, false)]
        );
        for (number, tally) in tallies.iter().enumerate() {
            for rtype in QTYPES.iter().copied().map(Some).chain([Some(Rtype(99)), Some(Rtype(65535)), None]) {
                for rcode in RCODES {
                    tally.response(number % TRANSPORTS, rtype, (rcode, None), 100);
                }
            }
        }
        let sums = traffic.sums();
        let cells: Vec<_> = sums.responses().collect();
        assert_eq!(cells.len(), 4 * TYPE_ROWS * RCODES.len());
        for (_, rtype, _, count) in cells {
            assert_eq!(count, if rtype == QueryType::Other { 2 } else { 1 }, "{rtype:?}");
        }
        assert_eq!(sums.all_responses(), 4 * 23 * 10);
        assert_eq!((sums.octets(0), sums.octets(4)), (23_000, 0));
    }

    #[test]
    fn the_other_counters_do_not_touch_each_other() {
        let traffic = Traffic::new(1);
        let tally = Tally::of_worker(&traffic, 0);
        tally.truncated();
        (0..2).for_each(|_| tally.response(0, None, (Rcode::FormErr, Some(SubnetUse::Malformed)), 0));
        (0..3).for_each(|_| tally.rung(RUNGS - 1));
        (0..4).for_each(|_| tally.ignored());
        (0..5).for_each(|_| tally.panicked());
        (0..6).for_each(|_| tally.transfer());
        (0..7).for_each(|_| tally.unlogged());
        let sums = traffic.sums();
        let counted = [
            sums.truncated(),
            sums.subnets(SubnetUse::Malformed),
            sums.rung(RUNGS - 1),
            sums.ignored(),
            sums.panics(),
            sums.transfers(),
            sums.unlogged(),
        ];
        assert_eq!(counted, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((sums.all_responses(), sums.subnets(SubnetUse::Network), sums.rung(0)), (2, 0, 0));
    }
}
