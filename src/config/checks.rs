//! Checks how a zone's records and steered names fit together.

mod delegations;

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::name::{Name, suffixes};
use crate::wire::{MAX_MESSAGE, Rtype};
use crate::zone::{Builder, FIXED_FIELDS, NodeId, POINTER_LENGTH, Rrset};

use self::delegations::Cuts;
use super::code::Code;
use super::fault::{Fault, Faults};
use super::master::Located;
use super::names::{Owner, OwnerKind};
use super::records;
use super::source::Place;

/// Octets of an MX record's preference, before its exchange (RFC 1035, section 3.3.9).
const MX_PREFERENCE: usize = 2;

/// Types that signing adds to a zone: RRSIG, NSEC, NSEC3 and NSEC3PARAM (RFC 4034; RFC 5155).
const DNSSEC: [Rtype; 4] = [Rtype(46), Rtype(47), Rtype(50), Rtype(51)];

/// Octets of a record without its RDATA, with a compression pointer as its owner.
const RECORD_HEAD: usize = POINTER_LENGTH + FIXED_FIELDS;

/// Largest size of an RRset in octets. It leaves room for the header, the question and EDNS.
const MAX_RRSET: usize = MAX_MESSAGE - 512;

/// A zone with its records grouped by owner.
pub(super) struct ZoneCheck<'a> {
    pub(super) origin: &'a Name,
    pub(super) records: &'a [Located],
    pub(super) owners: &'a [Owner],
    /// The owners of the records and of the steered names.
    pub(super) names: &'a Builder,
}

impl<'a> ZoneCheck<'a> {
    /// Runs all checks inside the zone. `complete` is false if faulty records were left out: then a missing record is
    /// not reported.
    pub(super) fn run(&self, complete: bool, faults: &mut Faults) {
        for located in self.records {
            self.check_record(located, faults);
        }
        for node in (0..self.names.node_count()).map(NodeId::from_index) {
            match self.names.records_of(node) {
                [] => {}
                [only] if self.records[*only as usize].record.rdata.len() <= MAX_RRSET - RECORD_HEAD => {}
                several => {
                    let records: Vec<&Located> = several.iter().map(|&number| &self.records[number as usize]).collect();
                    check_alone(&records, faults);
                    self.check_size(&records, faults);
                }
            }
        }
        for owner in self.owners {
            self.check_owner(owner, faults);
        }
        let cuts = self.cuts();
        if complete {
            self.check_addresses(&cuts, faults);
        }
        self.check_below_dnames(faults);
        self.check_dnames_at_cuts(&cuts, faults);
        self.warn_unspecified_wildcards(faults);
        self.warn_occluded(&cuts, faults);
    }

    fn at(&self, owner: &Name) -> impl Iterator<Item = &'a Located> {
        let numbers = self.names.find(owner).map_or(&[][..], |node| self.names.records_of(node));
        numbers.iter().map(|&number| &self.records[number as usize])
    }

    fn check_record(&self, located: &Located, faults: &mut Faults) {
        let Located { record, place } = located;
        if record.rtype == Rtype::SOA && record.owner != *self.origin {
            let message = format!("an SOA record belongs at the apex, not at {}", record.owner);
            faults.push(Fault::error(place, message, "not the apex").code(Code::Apex));
        }
        if let Some(doubt) = records::doubt(record.rtype, &record.rdata) {
            faults.push(
                Fault::warning(place, format!("doubtful {} data: {doubt}", record.rtype), "").code(Code::DoubtfulData),
            );
        }
    }

    /// Warns once if a zone holds records of signing and is not signed as a whole: its answers carry no signatures.
    pub(super) fn warn_half_signed(&self, faults: &mut Faults) {
        let mut of_signing = self.records.iter().filter(|located| DNSSEC.contains(&located.record.rtype));
        if let Some(first) = of_signing.next() {
            let message = format!("the SOA record of {} has no signature, so that answers carry none", self.origin);
            let label = format!("{} is not served with answers", first.record.rtype);
            let help = "sign the whole zone, or write it unsigned: validating resolvers reject such answers while the parent \
                        zone holds a DS record";
            faults.push(Fault::warning(&first.place, message, label).code(Code::Signed).help(help));
        }
    }

    /// Checks the static records at a steered owner: it must not hold types that steering answers itself.
    fn check_owner(&self, owner: &Owner, faults: &mut Faults) {
        let conflict = |types: &[Rtype]| self.at(&owner.name).find(|located| types.contains(&located.record.rtype));
        match &owner.kind {
            OwnerKind::Steered { cname: true, .. } => {
                if owner.name == *self.origin {
                    let message = format!("the apex {} cannot be a CNAME", owner.name);
                    let fault =
                        Fault::error(&owner.place, message, "its pools or its fallback hold one").code(Code::Alias);
                    faults.push(
                        fault.help("a CNAME excludes the SOA and NS records of an apex: give it pools of addresses"),
                    );
                } else if let Some(other) = self.at(&owner.name).next() {
                    let message = format!("{} may become a CNAME, which excludes other records", owner.name);
                    let label = format!("{} beside it", other.record.rtype);
                    let related = "its pools or its fallback hold a CNAME";
                    faults.push(
                        Fault::error(&other.place, message, label).code(Code::Alias).related(&owner.place, related),
                    );
                }
            }
            OwnerKind::Steered { cname: false, name } => {
                let https = name.steering.https.as_ref().map(|_| Rtype::HTTPS);
                let answered: Vec<Rtype> = [Rtype::A, Rtype::AAAA, Rtype::CNAME].into_iter().chain(https).collect();
                if let Some(other) = conflict(&answered) {
                    let message = format!("{} is steered and has a static {} record", owner.name, other.record.rtype);
                    faults.push(
                        Fault::error(&other.place, message, "static")
                            .code(Code::Conflict)
                            .related(&owner.place, "steered here"),
                    );
                }
            }
            OwnerKind::Reflect => {
                if let Some(other) = conflict(&[Rtype::TXT, Rtype::CNAME]) {
                    let message = format!("{} reflects and has a static {} record", owner.name, other.record.rtype);
                    faults.push(
                        Fault::error(&other.place, message, "static")
                            .code(Code::Conflict)
                            .related(&owner.place, "reflects here"),
                    );
                }
            }
        }
    }

    /// "Resource records MUST NOT exist at any subdomain of the owner of a DNAME RR" (RFC 6672, section 2.4).
    fn check_below_dnames(&self, faults: &mut Faults) {
        let dnames = self.records.iter().filter(|located| located.record.rtype == Rtype::DNAME);
        let dnames: HashMap<&Name, &Place, RandomState> =
            dnames.map(|located| (&located.record.owner, &located.place)).collect();
        if dnames.is_empty() {
            return;
        }
        let of_records = self.records.iter().map(|located| (&located.record.owner, &located.place));
        let of_names = self.owners.iter().map(|owner| (&owner.name, &owner.place));
        let mut reported: HashSet<&Name, RandomState> = HashSet::default();
        for (owner, place) in of_records.chain(of_names) {
            let above = suffixes(owner.as_wire()).skip(1).map(Name::from_wire).find(|above| dnames.contains_key(above));
            if let Some(above) = above.filter(|_| reported.insert(owner)) {
                let fault = Fault::error(place, format!("{owner} is below a DNAME"), "no records are allowed there")
                    .code(Code::Alias);
                faults.push(fault.related(dnames[&above], "the DNAME"));
            }
        }
    }

    /// "DNAME RRs MUST NOT appear at the same owner name as an NS RR unless the owner name is the zone apex" (RFC 6672,
    /// section 2.3).
    fn check_dnames_at_cuts(&self, cuts: &Cuts<'_>, faults: &mut Faults) {
        for Located { record, place } in self.records.iter().filter(|located| located.record.rtype == Rtype::DNAME) {
            let cut = self.names.find(&record.owner).and_then(|node| cuts.get(&node));
            if let Some(cut) = cut {
                let message = format!("{} is delegated and has a DNAME", record.owner);
                let fault = Fault::error(place, message, "belongs in the child zone").code(Code::Alias);
                faults.push(fault.related(&cut.place, "delegated here"));
            }
        }
    }

    /// Warns of records whose meaning RFC 4592, section 4.2, and RFC 6672, section 3.3, leave undefined.
    fn warn_unspecified_wildcards(&self, faults: &mut Faults) {
        for Located { record, place } in self.records {
            let is_unspecified = matches!(record.rtype, Rtype::NS | Rtype::DNAME);
            if is_unspecified && record.owner.is_wildcard() && record.owner != *self.origin {
                let message =
                    format!("the meaning of {} at the wildcard {} is not specified", record.rtype, record.owner);
                faults.push(Fault::warning(place, message, "servers answer differently").code(Code::Wildcard));
            }
        }
    }

    /// Reports RRsets that do not fit into a message: no query could get them.
    fn check_size(&self, records: &[&Located], faults: &mut Faults) {
        let octets = |located: &Located| RECORD_HEAD + located.record.rdata.len();
        if records.iter().map(|located| octets(located)).sum::<usize>() <= MAX_RRSET {
            return;
        }
        let mut rrsets: BTreeMap<Rtype, Vec<&Located>> = BTreeMap::new();
        for located in records {
            rrsets.entry(located.record.rtype).or_default().push(located);
        }
        for (rtype, rrset) in rrsets {
            // Compression only makes names in the data shorter, so the message is built only if the upper bound is too
            // long.
            let is_too_long = rrset.iter().map(|located| octets(located)).sum::<usize>() > MAX_RRSET && {
                let contents: Vec<_> = rrset.iter().map(|l| (l.record.ttl, &*l.record.rdata)).collect();
                Rrset::render(rtype, &contents, &rrset[0].record.owner, self.origin).is_err()
            };
            if is_too_long {
                let (first, count) = (rrset[0], rrset.len());
                let message =
                    format!("the {count} {rtype} records of {} do not fit into a message", first.record.owner);
                let fault = Fault::error(&first.place, message, "the first of them").code(Code::Limit);
                let help = format!("a message has {MAX_MESSAGE} octets at most: spread them over several names");
                faults.push(fault.help(help));
            }
        }
    }
}

/// A CNAME is the only record of its owner (RFC 2181, section 10.1); there is one DNAME at most (RFC 6672, section 2.4), and
/// one SOA (RFC 1035, section 5.2).
fn check_alone(records: &[&Located], faults: &mut Faults) {
    for rtype in [Rtype::CNAME, Rtype::DNAME, Rtype::SOA] {
        let Some(first) = records.iter().find(|located| located.record.rtype == rtype) else { continue };
        let other = records.iter().find(|other| {
            let same = other.record.rtype == rtype;
            let conflicts = if rtype == Rtype::CNAME { !other.record.rtype.stands_beside_cname() } else { same };
            conflicts && other.place != first.place
        });
        if let Some(other) = other {
            let owner = &first.record.owner;
            let (message, label) = if other.record.rtype == rtype {
                (format!("{owner} has two {rtype} records"), "another one".to_owned())
            } else {
                (format!("{owner} has other records beside its {rtype}"), format!("{} beside it", other.record.rtype))
            };
            faults.push(
                Fault::error(&other.place, message, label)
                    .code(Code::Alias)
                    .related(&first.place, format!("the {rtype}")),
            );
        }
    }
}

fn is_address(located: &Located) -> bool {
    matches!(located.record.rtype, Rtype::A | Rtype::AAAA)
}

/// The names that NS and MX records point at, each with the place and type of its record.
pub(super) fn targets(records: &[Located]) -> impl Iterator<Item = (Name, &Place, Rtype)> {
    records.iter().filter_map(|Located { record, place }| match record.rtype {
        Rtype::NS => Some((Name::from_wire(&record.rdata), place, Rtype::NS)),
        Rtype::MX => Some((Name::from_wire(record.rdata.get(MX_PREFERENCE..)?), place, Rtype::MX)),
        _ => None,
    })
}

/// Checks that no NS or MX record of any zone points at a name that may become a CNAME (RFC 2181, section 10.3).
pub(super) fn check_targets<'a>(
    zones: impl Iterator<Item = (&'a [Located], &'a [Owner])> + Clone,
    faults: &mut Faults,
) {
    let owners: HashMap<&Name, &Owner, RandomState> = zones
        .clone()
        .flat_map(|(_, owners)| owners)
        .filter(|owner| matches!(owner.kind, OwnerKind::Steered { cname: true, .. }))
        .map(|owner| (&owner.name, owner))
        .collect();
    if owners.is_empty() {
        return;
    }
    for (name, place, rtype) in zones.flat_map(|(records, _)| targets(records)) {
        if let Some(owner) = owners.get(&name) {
            let message = format!("{rtype} points at {name}, which may become a CNAME");
            let related = "its pools or its fallback hold a CNAME";
            faults.push(Fault::error(place, message, "not allowed").code(Code::Alias).related(&owner.place, related));
        }
    }
}
