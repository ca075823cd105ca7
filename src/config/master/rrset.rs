//! What makes records an RRset (RFC 2181, section 5): one TTL, and no record twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Located;
use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::wire::Rtype;
use crate::zone::canonical;

/// Gives the records of each RRset their lowest TTL, leaves out those that stand there already, and warns of both.
pub(in crate::config) fn settle(mut records: Vec<Located>, faults: &mut Faults) -> Vec<Located> {
    level_ttls(&mut records, faults);
    drop_duplicates(records, faults)
}

struct RrsetTtl {
    first: usize,
    lowest: u32,
    /// The first record with another TTL than the first.
    differing: Option<usize>,
}

/// "Consequently the use of differing TTLs in an RRSet is hereby deprecated" (RFC 2181, section 5.2).
fn level_ttls(records: &mut [Located], faults: &mut Faults) {
    let mut rrsets: Vec<RrsetTtl> = Vec::new();
    let mut by_key = HashMap::with_capacity(records.len());
    let mut membership = Vec::with_capacity(records.len());
    for (index, Located { record, .. }) in records.iter().enumerate() {
        // "The TTL value of an RRSIG RR MUST match the TTL value of the RRset it covers" (RFC 4034, section 3), so the
        // type covered tells them apart.
        let covered = record.rdata.get(..2).filter(|_| record.rtype == Rtype::RRSIG);
        let rrset = *by_key.entry((&record.owner, record.rtype, covered)).or_insert_with(|| {
            rrsets.push(RrsetTtl { first: index, lowest: record.ttl, differing: None });
            rrsets.len() - 1
        });
        membership.push(rrset);
        let rrset = &mut rrsets[rrset];
        if record.ttl != records[rrset.first].record.ttl {
            rrset.differing.get_or_insert(index);
            rrset.lowest = rrset.lowest.min(record.ttl);
        }
    }
    for RrsetTtl { first, lowest, differing } in &rrsets {
        if let Some(differing) = differing {
            let message = "the records of an RRset have one TTL (RFC 2181, section 5.2)".to_owned();
            faults.0.push(Fault {
                help: Some(format!("all of them are served with the lowest, {lowest}")),
                ..warning(&records[*differing], message, &records[*first], "this one has another TTL")
            });
        }
    }
    for (located, rrset) in records.iter_mut().zip(membership) {
        located.record.ttl = rrsets[rrset].lowest;
    }
}

/// "It is meaningless for two records to ever have label, class, type and data all equal - servers should suppress such
/// duplicates if encountered" (RFC 2181, section 5).
fn drop_duplicates(mut records: Vec<Located>, faults: &mut Faults) -> Vec<Located> {
    let mut first = HashMap::with_capacity(records.len());
    let mut kept = Vec::with_capacity(records.len());
    for located in &records {
        let record = &located.record;
        match first.entry((&record.owner, record.rtype, canonical(record.rtype, &record.rdata))) {
            Entry::Vacant(vacant) => {
                vacant.insert(located);
                kept.push(true);
            }
            Entry::Occupied(occupied) => {
                let message = "this record stands here twice".to_owned();
                let fault = warning(located, message, occupied.get(), "here for the first time");
                faults.push(fault.code(Code::Duplicate));
                kept.push(false);
            }
        }
    }
    let mut kept = kept.into_iter();
    records.retain(|_| kept.next().unwrap_or(true));
    records
}

fn warning(at: &Located, message: String, other: &Located, other_label: &str) -> Fault {
    Fault::warning(&at.place, message, "").related(&other.place, other_label)
}
