//! What a zone's records and steered names have to be to each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::name::{Name, suffixes};
use crate::wire::{MAX_MESSAGE, Rtype};
use crate::zone::{FIXED_FIELDS, POINTER_LENGTH};

use super::code::Code;
use super::fault::{Fault, Faults};
use super::master::Located;
use super::names::{Owner, OwnerKind};
use super::records;
use super::source::Place;
use super::spelling;

/// Octets of an MX record's preference, before its exchange (RFC 1035, section 3.3.9).
const MX_PREFERENCE: usize = 2;

/// Types that signing adds to a zone: RRSIG, NSEC, NSEC3 and NSEC3PARAM (RFC 4034; RFC 5155).
const DNSSEC: [Rtype; 4] = [Rtype(46), Rtype(47), Rtype(50), Rtype(51)];

/// Octets of a record besides its RDATA, where a pointer stands for its owner.
const RECORD_HEAD: usize = POINTER_LENGTH + FIXED_FIELDS;

/// Octets of an RRset at most, with room for header, question and EDNS around it.
const MAX_RRSET: usize = MAX_MESSAGE - 512;

/// Types whose data gets shorter in messages (RFC 3597, section 4): how long they are is known when the zone is built.
const COMPRESSED: [Rtype; 5] = [Rtype::NS, Rtype::CNAME, Rtype::SOA, Rtype::PTR, Rtype::MX];

/// A zone with its records by owner.
pub(super) struct ZoneCheck<'a> {
    origin: &'a Name,
    records: &'a [Located],
    owners: &'a [Owner],
    /// The records, those of one owner together.
    by_owner: Vec<&'a Located>,
    /// Where in `by_owner` an owner's records begin, and where they end.
    bounds: HashMap<&'a Name, (u32, u32), RandomState>,
}

impl<'a> ZoneCheck<'a> {
    pub(super) fn new(origin: &'a Name, records: &'a [Located], owners: &'a [Owner]) -> Self {
        let mut bounds: HashMap<&Name, (u32, u32), RandomState> = HashMap::default();
        for located in records {
            bounds.entry(&located.record.owner).or_default().1 += 1;
        }
        let mut start = 0;
        for (begin, end) in bounds.values_mut() {
            let count = *end;
            (*begin, *end) = (start, start);
            start += count;
        }
        let mut by_owner: Vec<Option<&Located>> = vec![None; records.len()];
        for located in records {
            if let Some((_, end)) = bounds.get_mut(&located.record.owner) {
                by_owner[*end as usize] = Some(located);
                *end += 1;
            }
        }
        Self { origin, records, owners, by_owner: by_owner.into_iter().flatten().collect(), bounds }
    }

    /// All checks inside the zone. `complete` says that no record was left out as faulty: what is missing may have been it.
    pub(super) fn run(&self, complete: bool, faults: &mut Faults) {
        for located in self.records {
            self.check_record(located, faults);
        }
        for &(begin, end) in self.bounds.values() {
            let records = &self.by_owner[begin as usize..end as usize];
            check_alone(records, faults);
            check_size(records, faults);
        }
        for owner in self.owners {
            self.check_owner(owner, faults);
        }
        if complete {
            self.check_addresses(faults);
        }
        self.check_below_dnames(faults);
        self.check_dnames_at_cuts(faults);
        self.warn_signed(faults);
        self.warn_unspecified_wildcards(faults);
        self.warn_occluded(faults);
    }

    fn at(&self, owner: &Name) -> &[&'a Located] {
        self.bounds.get(owner).map_or(&[], |&(begin, end)| &self.by_owner[begin as usize..end as usize])
    }

    fn check_record(&self, located: &Located, faults: &mut Faults) {
        let Located { record, place } = located;
        if record.rtype == Rtype::SOA && record.owner != *self.origin {
            let message = format!("an SOA record stands at the apex, not at {}", record.owner);
            faults.push(Fault::error(place, message, "not the apex").code(Code::Apex));
        }
        if let Some(doubt) = records::doubt(record.rtype, &record.rdata) {
            faults.push(
                Fault::warning(place, format!("doubtful {} data: {doubt}", record.rtype), "").code(Code::DoubtfulData),
            );
        }
    }

    /// Warns once of a zone that was signed: nothing here serves its signatures (RFC 4035, section 3.1).
    fn warn_signed(&self, faults: &mut Faults) {
        let mut of_signing = self.records.iter().filter(|located| DNSSEC.contains(&located.record.rtype));
        if let Some(first) = of_signing.next() {
            let message = format!("the zone {} is signed, but its answers carry no signatures", self.origin);
            let label = format!("{} is not served with answers", first.record.rtype);
            let help = "validating resolvers take such answers for forged while the parent zone holds a DS record: \
                        let it hold none, and write the zone unsigned";
            faults.push(Fault::warning(&first.place, message, label).code(Code::Signed).help(help));
        }
    }

    /// A steered owner may hold other static types, but not those it answers itself.
    fn check_owner(&self, owner: &Owner, faults: &mut Faults) {
        let beside = self.at(&owner.name);
        let conflict = |types: &[Rtype]| beside.iter().find(|located| types.contains(&located.record.rtype));
        match &owner.kind {
            OwnerKind::Steered { cname: true, .. } => {
                if owner.name == *self.origin {
                    let message = format!("the apex {} cannot be a CNAME", owner.name);
                    let fault =
                        Fault::error(&owner.place, message, "its pools or its fallback hold one").code(Code::Alias);
                    faults.push(fault.help("SOA and NS stand beside it: give it pools of addresses"));
                } else if let Some(other) = beside.first() {
                    let message = format!("{} may become a CNAME, which stands alone", owner.name);
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

    /// Every nameserver in the zone has an address here: without it nobody could ask it.
    fn check_addresses(&self, faults: &mut Faults) {
        let steered: HashSet<&Name> =
            self.owners.iter().filter(|owner| owner.is_addresses()).map(|o| &o.name).collect();
        let cuts = self.cuts();
        let mut told = HashSet::new();
        for located in self.records.iter().filter(|located| located.record.rtype == Rtype::NS) {
            let nameserver = Name::from_wire(&located.record.rdata);
            let has = |name: &Name| self.at(name).iter().any(|other| is_address(other)) || steered.contains(name);
            // A name below another cut is for that zone's own nameservers to know.
            let elsewhere = self.cut_above(&nameserver, &cuts).is_some_and(|cut| cut != located.record.owner);
            // Below its own cut no wildcard of this zone counts.
            let is_glue = self.cut_above(&nameserver, &cuts).is_some();
            let is_here = nameserver.is_at_or_below(self.origin);
            let has_address =
                || has(&nameserver) || !is_glue && self.wildcard_for(&nameserver).is_some_and(|w| has(&w));
            if is_here && !elsewhere && !has_address() && told.insert(nameserver.clone()) {
                let message = format!("nameserver {nameserver} is in the zone but has no address");
                let alias = self.at(&nameserver).iter().find(|other| other.record.rtype == Rtype::CNAME);
                let label = if alias.is_some() {
                    "a CNAME, which a nameserver may not be (RFC 2181, section 10.3)"
                } else {
                    "no address"
                };
                let fault = Fault::error(&located.place, message, label).code(Code::Delegation);
                faults.push(match self.meant_nameserver(&nameserver) {
                    Some(help) => fault.help(help),
                    None => fault,
                });
            }
        }
    }

    /// The wildcard that answers for a name of the zone, should it exist: the one below the name's closest encloser (RFC 4592,
    /// section 3.3.1). None answers for a name that exists.
    fn wildcard_for(&self, name: &Name) -> Option<Name> {
        let records = self.records.iter().map(|located| &located.record.owner);
        let existing = || records.clone().chain(self.owners.iter().map(|owner| &owner.name));
        let exists = |name: &Name| existing().any(|owner| owner.is_at_or_below(name));
        let encloser = suffixes(name.as_wire()).map(Name::from_wire).find(exists)?;
        encloser.wildcard().filter(|_| encloser != *name)
    }

    /// Suggests the name that was meant by a nameserver that the zone does not hold.
    fn meant_nameserver(&self, nameserver: &Name) -> Option<String> {
        if let Some(address) = spelling::address(nameserver, self.origin) {
            return Some(format!("`{address}` is an address: a nameserver has a name, as in ns1 = [\"{address}\"]"));
        }
        let relative = spelling::relative(nameserver, self.origin).filter(|relative| relative.label_count() > 1)?;
        // Whoever names something below a name of the zone means this zone.
        let mut above =
            suffixes(nameserver.as_wire()).skip(1).map(Name::from_wire).take_while(|above| above != self.origin);
        let is_below = above.any(|above| !self.at(&above).is_empty());
        (!is_below).then(|| format!("did you mean `{relative}`, with a final dot?"))
    }

    /// "Resource records MUST NOT exist at any subdomain of the owner of a DNAME RR" (RFC 6672, section 2.4).
    fn check_below_dnames(&self, faults: &mut Faults) {
        let dnames = self.records.iter().filter(|located| located.record.rtype == Rtype::DNAME);
        let dnames: HashMap<&Name, &Place> = dnames.map(|located| (&located.record.owner, &located.place)).collect();
        if dnames.is_empty() {
            return;
        }
        let of_records = self.records.iter().map(|located| (&located.record.owner, &located.place));
        let of_names = self.owners.iter().map(|owner| (&owner.name, &owner.place));
        let mut told = HashSet::new();
        for (owner, place) in of_records.chain(of_names) {
            let above = suffixes(owner.as_wire()).skip(1).map(Name::from_wire).find(|above| dnames.contains_key(above));
            if let Some(above) = above.filter(|_| told.insert(owner)) {
                let fault = Fault::error(place, format!("{owner} stands below a DNAME"), "nothing may stand there")
                    .code(Code::Alias);
                faults.push(fault.related(dnames[&above], "the DNAME"));
            }
        }
    }

    /// "DNAME RRs MUST NOT appear at the same owner name as an NS RR unless the owner name is the zone apex" (RFC 6672,
    /// section 2.3).
    fn check_dnames_at_cuts(&self, faults: &mut Faults) {
        let cuts = self.cuts();
        for Located { record, place } in self.records.iter().filter(|located| located.record.rtype == Rtype::DNAME) {
            if let Some(cut) = cuts.get(&record.owner) {
                let message = format!("{} is delegated and has a DNAME", record.owner);
                let fault = Fault::error(place, message, "belongs into the child zone").code(Code::Alias);
                faults.push(fault.related(cut, "delegated here"));
            }
        }
    }

    /// Warns of what RFC 4592, section 4.2, and RFC 6672, section 3.3, leave undefined.
    fn warn_unspecified_wildcards(&self, faults: &mut Faults) {
        for Located { record, place } in self.records {
            let is_unspecified = matches!(record.rtype, Rtype::NS | Rtype::DNAME);
            if is_unspecified && record.owner.is_wildcard() && record.owner != *self.origin {
                let message = format!("what {} means at the wildcard {} is not specified", record.rtype, record.owner);
                faults.push(Fault::warning(place, message, "every server answers differently").code(Code::Wildcard));
            }
        }
    }

    /// Owners of NS records below the apex.
    fn cuts(&self) -> HashMap<&'a Name, &'a Place> {
        let delegations = self.records.iter().filter(|l| l.record.rtype == Rtype::NS && l.record.owner != *self.origin);
        delegations.map(|located| (&located.record.owner, &located.place)).collect()
    }

    /// The highest zone cut at or above `name`.
    fn cut_above(&self, name: &Name, cuts: &HashMap<&Name, &Place>) -> Option<Name> {
        if cuts.is_empty() {
            return None;
        }
        let above = suffixes(name.as_wire()).map(Name::from_wire).take_while(|above| above.is_at_or_below(self.origin));
        above.filter(|above| cuts.contains_key(above)).last()
    }

    /// Warns of what stands at or below a zone cut and is no glue: a referral is answered in its stead.
    fn warn_occluded(&self, faults: &mut Faults) {
        let cuts = self.cuts();
        let nameservers: HashSet<Name> = targets(self.records).filter(|t| t.2 == Rtype::NS).map(|t| t.0).collect();
        let mut told = HashSet::new();
        let mut warn = |owner: &Name, place: &Place, cut: &Name| {
            if told.insert(owner.clone()) {
                let message = format!("{owner} is never answered: {cut} is delegated");
                let fault = Fault::warning(place, message, "below a delegation").code(Code::Delegation);
                faults.push(fault.related(cuts[cut], "delegated here"));
            }
        };
        for located in self.records {
            let record = &located.record;
            let Some(cut) = self.cut_above(&record.owner, &cuts) else { continue };
            // A DNAME beside the cut's NS has been told as a fault.
            let beside = matches!(record.rtype, Rtype::NS | Rtype::DS | Rtype::DNAME | Rtype(46 | 47));
            let of_cut = record.owner == cut && beside;
            let glue = is_address(located) && nameservers.contains(&record.owner);
            if !of_cut && !glue {
                warn(&record.owner, &located.place, &cut);
            }
        }
        for owner in self.owners {
            if let Some(cut) = self.cut_above(&owner.name, &cuts) {
                warn(&owner.name, &owner.place, &cut);
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

/// Tells of RRsets that fit no message: nobody could ask for them.
fn check_size(records: &[&Located], faults: &mut Faults) {
    let octets = |located: &Located| RECORD_HEAD + located.record.rdata.len();
    if records.iter().map(|located| octets(located)).sum::<usize>() <= MAX_RRSET {
        return;
    }
    let mut rrsets: BTreeMap<Rtype, (usize, usize, &Located)> = BTreeMap::new();
    for located in records.iter().filter(|located| !COMPRESSED.contains(&located.record.rtype)) {
        let (count, sum, _) = rrsets.entry(located.record.rtype).or_insert((0, 0, located));
        (*count, *sum) = (*count + 1, *sum + octets(located));
    }
    for (rtype, (count, _, first)) in rrsets.into_iter().filter(|(_, (_, sum, _))| *sum > MAX_RRSET) {
        let message = format!("the {count} {rtype} records of {} fit no message", first.record.owner);
        let fault = Fault::error(&first.place, message, "the first of them").code(Code::Limit);
        faults.push(fault.help(format!("a message has {MAX_MESSAGE} octets at most: spread them over several names")));
    }
}

fn is_address(located: &Located) -> bool {
    matches!(located.record.rtype, Rtype::A | Rtype::AAAA)
}

/// The names that NS and MX records point at, with the record's place and type.
pub(super) fn targets(records: &[Located]) -> impl Iterator<Item = (Name, &Place, Rtype)> {
    records.iter().filter_map(|Located { record, place }| match record.rtype {
        Rtype::NS => Some((Name::from_wire(&record.rdata), place, Rtype::NS)),
        Rtype::MX => Some((Name::from_wire(record.rdata.get(MX_PREFERENCE..)?), place, Rtype::MX)),
        _ => None,
    })
}

/// NS and MX records of all zones point at no name that may become a CNAME (RFC 2181, section 10.3).
pub(super) fn check_targets<'a>(
    zones: impl Iterator<Item = (&'a [Located], &'a [Owner])> + Clone,
    faults: &mut Faults,
) {
    let owners: HashMap<&Name, &Owner> = zones
        .clone()
        .flat_map(|(_, owners)| owners)
        .filter(|owner| matches!(owner.kind, OwnerKind::Steered { cname: true, .. }))
        .map(|owner| (&owner.name, owner))
        .collect();
    for (name, place, rtype) in zones.flat_map(|(records, _)| targets(records)) {
        if let Some(owner) = owners.get(&name) {
            let message = format!("{rtype} points at {name}, which may become a CNAME");
            let related = "its pools or its fallback hold a CNAME";
            faults.push(Fault::error(place, message, "not allowed").code(Code::Alias).related(&owner.place, related));
        }
    }
}

impl Owner {
    fn is_addresses(&self) -> bool {
        matches!(self.kind, OwnerKind::Steered { cname: false, .. })
    }
}
