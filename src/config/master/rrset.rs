//! What makes records an RRset (RFC 2181, section 5): one TTL, and no record twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use super::Located;
use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::wire::Rtype;
use crate::zone::canonical;

/// Gives the records of each RRset their lowest TTL, leaves out those that stand there already, and warns of both.
pub(in crate::config) fn settle(mut records: Vec<Located>, faults: &mut Faults) -> Vec<Located> {
    let rrsets = Rrsets::of(&records);
    rrsets.warn_of_ttls(&records, faults);
    let kept = rrsets.distinct(&records, faults);
    for (located, &id) in records.iter_mut().zip(&rrsets.of_record) {
        located.record.ttl = rrsets.list[id as usize].lowest;
    }
    if let Some(kept) = kept {
        let mut kept = kept.into_iter();
        records.retain(|_| kept.next().unwrap_or(true));
    }
    records
}

/// The RRsets that records belong to.
struct Rrsets {
    list: Vec<RrsetTtl>,
    /// The RRset of each record, by its place in the list.
    of_record: Vec<u32>,
}

struct RrsetTtl {
    first: u32,
    lowest: u32,
    /// The first record with another TTL than the first.
    differing: Option<u32>,
    /// How many records there are.
    count: u32,
}

impl Rrsets {
    fn of(records: &[Located]) -> Self {
        let mut list: Vec<RrsetTtl> = Vec::new();
        let mut by_key: HashMap<_, u32, RandomState> =
            HashMap::with_capacity_and_hasher(records.len(), RandomState::default());
        let mut of_record = Vec::with_capacity(records.len());
        for (index, Located { record, .. }) in (0..).zip(records) {
            // "The TTL value of an RRSIG RR MUST match the TTL value of the RRset it covers" (RFC 4034, section 3), so the
            // type covered tells them apart.
            let covered = record.rdata.first_chunk().filter(|_| record.rtype == Rtype::RRSIG).copied();
            let covered = covered.map_or(0, u16::from_be_bytes);
            let id = *by_key.entry((&record.owner, record.rtype, covered)).or_insert_with(|| {
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
        Self { list, of_record }
    }

    /// "Consequently the use of differing TTLs in an RRSet is hereby deprecated" (RFC 2181, section 5.2).
    fn warn_of_ttls(&self, records: &[Located], faults: &mut Faults) {
        for RrsetTtl { first, lowest, differing, .. } in &self.list {
            if let Some(differing) = differing {
                let message = "the records of an RRset have one TTL (RFC 2181, section 5.2)".to_owned();
                let (at, first) = (&records[*differing as usize], &records[*first as usize]);
                faults.push(Fault {
                    help: Some(format!("all of them are served with the lowest, {lowest}")),
                    ..warning(at, message, first, "this one has another TTL")
                });
            }
        }
    }

    /// Which records to keep; `None` for all. "It is meaningless for two records to ever have label, class, type and data all
    /// equal - servers should suppress such duplicates if encountered" (RFC 2181, section 5).
    fn distinct(&self, records: &[Located], faults: &mut Faults) -> Option<Vec<bool>> {
        // Most RRsets are one record, which has nothing to be equal to.
        let alike = self.of_record.iter().filter(|&&id| self.list[id as usize].count > 1).count();
        let mut first: HashMap<_, &Located, RandomState> =
            HashMap::with_capacity_and_hasher(alike, RandomState::default());
        let mut kept: Option<Vec<bool>> = None;
        for (index, (located, &id)) in records.iter().zip(&self.of_record).enumerate() {
            if self.list[id as usize].count == 1 {
                continue;
            }
            match first.entry((id, canonical(located.record.rtype, &located.record.rdata))) {
                Entry::Vacant(vacant) => {
                    vacant.insert(located);
                }
                Entry::Occupied(occupied) => {
                    let message = "this record stands here twice".to_owned();
                    let fault = warning(located, message, occupied.get(), "here for the first time");
                    faults.push(fault.code(Code::Duplicate));
                    kept.get_or_insert_with(|| vec![true; records.len()])[index] = false;
                }
            }
        }
        kept
    }
}

fn warning(at: &Located, message: String, other: &Located, other_label: &str) -> Fault {
    Fault::warning(&at.place, message, "").code(Code::Ttl).related(&other.place, other_label)
}
