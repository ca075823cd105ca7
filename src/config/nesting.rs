//! Zones within zones: checks that the outer zone delegates the inner one.

use std::collections::{BTreeMap, HashMap};

use crate::name::{Name, suffixes};
use crate::wire::Rtype;

use super::code::Code;
use super::fault::{Fault, Faults};
use super::source::Place;
use super::zone::ZoneDraft;

/// The names at which a zone's authority ends: its cuts and its DNAME owners.
struct Ends<'a> {
    cuts: HashMap<&'a Name, &'a Place>,
    dnames: HashMap<&'a Name, &'a Place>,
}

impl<'a> Ends<'a> {
    fn of(zone: &'a ZoneDraft) -> Self {
        let owners = |rtype| {
            let records = zone.leads.iter().filter(move |located| located.record.rtype == rtype);
            records.map(|located| (&located.record.owner, &located.place))
        };
        let cuts = owners(Rtype::NS).filter(|(owner, _)| **owner != zone.origin).collect();
        Self { cuts, dnames: owners(Rtype::DNAME).collect() }
    }
}

/// Checks every zone against the zone that contains it, if that is served too.
pub(super) fn check(zones: &[ZoneDraft], faults: &mut Faults) {
    let by_origin: HashMap<&Name, usize> = zones.iter().zip(0..).map(|(zone, id)| (&zone.origin, id)).collect();
    let mut inner: BTreeMap<usize, Vec<&ZoneDraft>> = BTreeMap::new();
    for zone in zones {
        let above = suffixes(zone.origin.as_wire()).skip(1).map(Name::from_wire);
        if let Some(&outer) = above.into_iter().find_map(|above| by_origin.get(&above)) {
            inner.entry(outer).or_default().push(zone);
        }
    }
    for (outer, inner) in inner {
        let ends = Ends::of(&zones[outer]);
        for zone in inner {
            check_inner(zone, &zones[outer], &ends, faults);
        }
    }
}

fn check_inner(zone: &ZoneDraft, outer: &ZoneDraft, ends: &Ends<'_>, faults: &mut Faults) {
    let names: Vec<Name> = suffixes(zone.origin.as_wire())
        .map(Name::from_wire)
        .take_while(|name| name.is_at_or_below(&outer.origin))
        .collect();
    // "A server ought to refuse to load a zone subordinate to the owner of a DNAME record in the ancestor zone" (RFC 6672,
    // section 2.4).
    if let Some(place) = names.iter().skip(1).find_map(|name| ends.dnames.get(name)) {
        let message = format!("the zone {} is below a DNAME of {}", zone.origin, outer.origin);
        faults.push(Fault::error(&zone.place, message, "").code(Code::Alias).related(place, "the DNAME"));
    } else if !names.iter().any(|name| ends.cuts.contains_key(name)) {
        let message = format!("the zone {} is not delegated by {}, which contains it", zone.origin, outer.origin);
        let fault =
            Fault::warning(&zone.place, message, "resolvers may find that it does not exist").code(Code::Delegation);
        faults.push(fault.help(format!("give {} an NS record for it", outer.origin)));
    }
}
