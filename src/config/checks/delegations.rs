//! Checks of NS records: the addresses of nameservers, and the records below zone cuts.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::{ZoneCheck, is_address, targets};
use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::config::master::Located;
use crate::config::names::{Owner, OwnerKind};
use crate::config::source::Place;
use crate::config::spelling;
use crate::name::{Name, suffixes};
use crate::wire::Rtype;
use crate::zone::NodeId;

/// NS records below the apex, by their owners.
pub(super) type Cuts<'a> = HashMap<NodeId, &'a Located, RandomState>;

impl<'a> ZoneCheck<'a> {
    /// Returns the NS records below the apex by their owners, one for each owner: the last.
    pub(super) fn cuts(&self) -> Cuts<'a> {
        let delegations = self.records.iter().filter(|l| l.record.rtype == Rtype::NS && l.record.owner != *self.origin);
        delegations.filter_map(|located| Some((self.names.find(&located.record.owner)?, located))).collect()
    }

    /// Returns the highest zone cut at or above `name`.
    fn cut_above(&self, name: &Name, cuts: &Cuts<'a>) -> Option<&'a Located> {
        if cuts.is_empty() {
            return None;
        }
        let key = name.to_key();
        let above = suffixes(&key).take_while(|above| above.len() >= self.origin.as_wire().len());
        above.filter_map(|above| cuts.get(&self.names.find_key(above)?)).last().copied()
    }

    /// Warns of records at or below a zone cut that are not glue: the zone answers with a referral instead.
    pub(super) fn warn_occluded(&self, cuts: &Cuts<'a>, faults: &mut Faults) {
        if cuts.is_empty() {
            return;
        }
        let nameservers: HashSet<Name, RandomState> =
            targets(self.records).filter(|t| t.2 == Rtype::NS).map(|t| t.0).collect();
        let mut reported: HashSet<Name, RandomState> = HashSet::default();
        let mut warn = |owner: &Name, place: &Place, cut: &Located| {
            if reported.insert(owner.clone()) {
                let message = format!("{owner} is never answered: {} is delegated", cut.record.owner);
                let fault = Fault::warning(place, message, "below a delegation").code(Code::Delegation);
                faults.push(fault.related(&cut.place, "delegated here"));
            }
        };
        for located in self.records {
            let record = &located.record;
            let Some(cut) = self.cut_above(&record.owner, cuts) else { continue };
            // A DNAME at the cut was already reported as a fault.
            let beside = matches!(record.rtype, Rtype::NS | Rtype::DS | Rtype::DNAME | Rtype(46 | 47));
            let of_cut = beside && record.owner == cut.record.owner;
            let glue = is_address(located) && nameservers.contains(&record.owner);
            if !of_cut && !glue {
                warn(&record.owner, &located.place, cut);
            }
        }
        for owner in self.owners {
            if let Some(cut) = self.cut_above(&owner.name, cuts) {
                warn(&owner.name, &owner.place, cut);
            }
        }
    }

    /// Checks that every nameserver inside the zone has an address here. Otherwise resolvers could not reach it.
    pub(super) fn check_addresses(&self, cuts: &Cuts<'_>, faults: &mut Faults) {
        let steered: HashSet<&Name, RandomState> =
            self.owners.iter().filter(|owner| owner.is_addresses()).map(|o| &o.name).collect();
        let mut reported: HashSet<Name, RandomState> = HashSet::default();
        for located in self.records.iter().filter(|located| located.record.rtype == Rtype::NS) {
            let nameserver = Name::from_wire(&located.record.rdata);
            let has = |name: &Name| self.at(name).any(is_address) || steered.contains(name);
            // Another cut contains the name, so the nameservers of that child zone are responsible for it.
            let cut = self.cut_above(&nameserver, cuts);
            let elsewhere = cut.is_some_and(|cut| cut.record.owner != located.record.owner);
            // Below a cut, this zone's wildcards do not apply.
            let is_glue = cut.is_some();
            let is_here = nameserver.is_at_or_below(self.origin);
            let without_dot =
                nameserver.relative_to(self.origin).filter(|name| !is_here && self.names.find(name).is_some());
            if let Some(meant) = without_dot.filter(|_| reported.insert(nameserver.clone())) {
                let message = format!("NS points at {nameserver}, a name outside of the zone {}", self.origin);
                let label = format!("did you mean `{meant}`, without the final dot?");
                faults.push(Fault::warning(&located.place, message, label).code(Code::DoubtfulName));
            }
            let has_address =
                || has(&nameserver) || !is_glue && self.wildcard_for(&nameserver).is_some_and(|w| has(&w));
            if is_here && !elsewhere && !has_address() && reported.insert(nameserver.clone()) {
                let message = format!("nameserver {nameserver} is in the zone but has no address");
                // A delegation that fails harms the child zone only.
                let of_apex = located.record.owner == *self.origin;
                let fault = if of_apex { Fault::error } else { Fault::warning };
                let alias = self.at(&nameserver).find(|other| other.record.rtype == Rtype::CNAME);
                let label = if alias.is_some() {
                    "a CNAME, which is not allowed for a nameserver (RFC 2181, section 10.3)"
                } else {
                    "no address"
                };
                let fault = fault(&located.place, message, label).code(Code::Delegation);
                faults.push(match self.meant_nameserver(&nameserver) {
                    Some(help) => fault.help(help),
                    None => fault,
                });
            }
        }
    }

    /// The wildcard that would answer for a name of the zone: the one below the name's closest encloser (RFC 4592,
    /// section 3.3.1). `None` for a name that exists.
    fn wildcard_for(&self, name: &Name) -> Option<Name> {
        let exists = |name: &Name| self.names.find(name).is_some();
        let encloser = suffixes(name.as_wire()).map(Name::from_wire).find(exists)?;
        encloser.wildcard().filter(|_| encloser != *name)
    }

    /// Suggests a name in place of a nameserver that the zone does not hold.
    fn meant_nameserver(&self, nameserver: &Name) -> Option<String> {
        if let Some(address) = spelling::address(nameserver, self.origin) {
            return Some(format!("`{address}` is an address: a nameserver has a name, as in ns1 = [\"{address}\"]"));
        }
        let relative = spelling::relative(nameserver, self.origin).filter(|relative| relative.label_count() > 1)?;
        // A name below another name of the zone is probably meant to be in this zone.
        let mut above =
            suffixes(nameserver.as_wire()).skip(1).map(Name::from_wire).take_while(|above| above != self.origin);
        let is_below = above.any(|above| self.at(&above).next().is_some());
        (!is_below).then(|| format!("did you mean `{relative}`, with a final dot?"))
    }
}

impl Owner {
    fn is_addresses(&self) -> bool {
        matches!(self.kind, OwnerKind::Steered { cname: false, .. })
    }
}
