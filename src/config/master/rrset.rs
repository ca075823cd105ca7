//! Makes RRsets of records (RFC 2181, section 5): one TTL, and no record twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use super::Located;
use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::wire::Rtype;
use crate::zone::{Builder, canonical};

/// Gives the records of each RRset their lowest TTL, removes duplicates, and warns of both. `names` holds their owners.
/// The returned flag is true if no record was removed, so that `names` is still valid.
pub(in crate::config) fn settle(
    mut records: Vec<Located>,
    names: &Builder,
    faults: &mut Faults,
) -> (Vec<Located>, bool) {
    // Most owners have one record, which is an RRset alone.
    let shared = (0..records.len()).filter(|&number| names.records_of(names.of_record(number)).len() > 1);
    let rrsets = Rrsets::of(&records, shared.map(|number| number as u32).collect(), names);
    rrsets.warn_of_ttls(&records, faults);
    let left_out = rrsets.twice(&records, faults);
    for (&number, &id) in rrsets.numbers.iter().zip(&rrsets.of_record) {
        records[number as usize].record.ttl = rrsets.list[id as usize].lowest;
    }
    if left_out.is_empty() {
        return (records, true);
    }
    let mut number = 0;
    let mut left_out = left_out.into_iter().peekable();
    records.retain(|_| {
        number += 1;
        left_out.next_if_eq(&(number - 1)).is_none()
    });
    (records, false)
}

/// Groups records into RRsets.
struct Rrsets {
    list: Vec<RrsetTtl>,
    /// The numbers of the records.
    numbers: Vec<u32>,
    /// The RRset of each record, as an index into the list.
    of_record: Vec<u32>,
}

struct RrsetTtl {
    first: u32,
    lowest: u32,
    /// The first record whose TTL differs from the first one's.
    differing: Option<u32>,
    /// The number of records.
    count: u32,
}

impl Rrsets {
    fn of(records: &[Located], numbers: Vec<u32>, names: &Builder) -> Self {
        let mut list: Vec<RrsetTtl> = Vec::new();
        let mut by_key: HashMap<_, u32, RandomState> = HashMap::default();
        let mut of_record = Vec::with_capacity(numbers.len());
        for &index in &numbers {
            let record = &records[index as usize].record;
            // "The TTL value of an RRSIG RR MUST match the TTL value of the RRset it covers" (RFC 4034, section 3), so the
            // type covered tells them apart.
            let covered = record.rdata.first_chunk().filter(|_| record.rtype == Rtype::RRSIG).copied();
            let covered = covered.map_or(0, u16::from_be_bytes);
            let id = *by_key.entry((names.of_record(index as usize), record.rtype, covered)).or_insert_with(|| {
                list.push(RrsetTtl { first: index, lowest: record.ttl, differing: None, count: 0 });
                list.len() as u32 - 1
            });
            of_record.push(id);
            let rrset = &mut list[id as usize];
            rrset.count += 1;
            if record.ttl != records[rrset.first as usize].record.ttl {
                rrset.differing.get_or_insert(index);
                rrset.lowest = rrset.lowest.min(record.ttl);
            }
        }
        Self { list, numbers, of_record }
    }

    /// "Consequently the use of differing TTLs in an RRSet is hereby deprecated" (RFC 2181, section 5.2).
    fn warn_of_ttls(&self, records: &[Located], faults: &mut Faults) {
        for RrsetTtl { first, lowest, differing, .. } in &self.list {
            if let Some(differing) = differing {
                let message = "the records of an RRset must have the same TTL (RFC 2181, section 5.2)".to_owned();
                let (at, first) = (&records[*differing as usize], &records[*first as usize]);
                faults.push(Fault {
                    help: Some(format!("all of them are served with the lowest, {lowest}")),
                    ..warning(at, message, first, "this one has another TTL")
                });
            }
        }
    }

    /// The numbers of duplicate records, in ascending order. "It is meaningless for two records to ever have label,
    /// class, type and data all equal - servers should suppress such duplicates if encountered" (RFC 2181, section 5).
    fn twice(&self, records: &[Located], faults: &mut Faults) -> Vec<u32> {
        let mut first: HashMap<_, &Located, RandomState> = HashMap::default();
        let mut twice = Vec::new();
        for (&number, &id) in self.numbers.iter().zip(&self.of_record) {
            // An RRset of one record has no duplicates.
            if self.list[id as usize].count == 1 {
                continue;
            }
            let located = &records[number as usize];
            match first.entry((id, canonical(located.record.rtype, &located.record.rdata))) {
                Entry::Vacant(vacant) => {
                    vacant.insert(located);
                }
                Entry::Occupied(occupied) => {
                    let message = "this record is given twice".to_owned();
                    let fault = warning(located, message, occupied.get(), "first given here");
                    faults.push(fault.code(Code::Duplicate));
                    twice.push(number);
                }
            }
        }
        twice
    }
}

fn warning(at: &Located, message: String, other: &Located, other_label: &str) -> Fault {
    Fault::warning(&at.place, message, "").code(Code::Ttl).related(&other.place, other_label)
}
