//! Finds records of all zones that point at the wrong name: a loop, a missing name, an address, or a name without its
//! final dot.

mod chains;
mod circles;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::name::{Name, suffixes};
use crate::wire::Rtype;
use crate::zone::Tree;

use super::code::Code;
use super::fault::{Fault, Faults};
use super::leads::target;
use super::names::OwnerKind;
use super::pools::{DraftMembers, PoolDraft};
use super::source::Place;
use super::spelling::{self, Odd};
use super::suggest::{did_you_mean, is_worth_comparing};
use super::zone::ZoneDraft;

/// Maximum number of owners that a missing name is compared with. More would take longer than the suggestion is worth.
const MAX_COMPARED: usize = 2000;

/// A reference to a name.
struct Pointer<'a> {
    /// The zone whose file holds it; the root for the server file.
    zone: &'a Name,
    owner: Option<&'a Name>,
    rtype: Rtype,
    target: Name,
    place: &'a Place,
}

/// Warns of references that lead nowhere.
pub(super) fn check(zones: &[ZoneDraft], pools: &[Arc<PoolDraft>], faults: &mut Faults) {
    let contents = Contents::of(zones, pools);
    for zone in zones {
        let of_zone = zone.leads.iter().filter_map(|located| {
            let target = target(located.record.rtype, &located.record.rdata)?;
            let record = &located.record;
            Some(Pointer {
                zone: &zone.origin,
                owner: Some(&record.owner),
                rtype: record.rtype,
                target,
                place: &located.place,
            })
        });
        of_zone.for_each(|pointer| contents.check(&pointer, faults));
    }
    let root = Name::root();
    for pool in pools.iter().filter(|pool| !pool.users.is_empty()) {
        if let DraftMembers::Cname(endpoint) = &pool.members {
            let (zone, target) = (pool.zone.as_ref().unwrap_or(&root), endpoint.value.clone());
            contents.check(&Pointer { zone, owner: None, rtype: Rtype::CNAME, target, place: &endpoint.place }, faults);
        }
    }
    let told = circles::check(zones, faults);
    chains::check(&contents, told, faults);
}

/// All names of the zones.
struct Contents<'a> {
    /// The zones by their origins in lower case.
    zones: HashMap<Box<[u8]>, Zone<'a>, RandomState>,
    /// The targets of CNAME records and of steered names, in the order of the files.
    cnames: HashMap<&'a Name, Lead<'a>, RandomState>,
    order: Vec<&'a Name>,
    /// The targets of DNAME records, by their owners in lower case, and the owners in the order of the files.
    dnames: HashMap<Box<[u8]>, (Name, &'a Place), RandomState>,
    dname_order: Vec<&'a Name>,
}

/// The target of a CNAME.
struct Lead<'a> {
    target: Name,
    place: &'a Place,
    /// True if a steered name answers with it; false for a record.
    is_steered: bool,
}

struct Zone<'a> {
    origin: &'a Name,
    tree: &'a Tree,
}

/// The location of a name in the configuration's zones.
enum Known<'a> {
    /// The name is in none of the zones.
    Elsewhere,
    /// The name exists, or a wildcard covers it. The field is the owner whose records answer.
    There(Name),
    /// The name is in this zone but does not exist.
    Nowhere(&'a Name),
}

impl<'a> Contents<'a> {
    fn of(zones: &'a [ZoneDraft], pools: &'a [Arc<PoolDraft>]) -> Self {
        let mut by_origin = HashMap::default();
        for zone in zones {
            if let Some(tree) = &zone.tree {
                by_origin.insert(zone.origin.to_key(), Zone { origin: &zone.origin, tree });
            }
        }
        let mut contents = Self {
            zones: by_origin,
            cnames: HashMap::default(),
            order: Vec::new(),
            dnames: HashMap::default(),
            dname_order: Vec::new(),
        };
        for zone in zones {
            for located in &zone.leads {
                let record = &located.record;
                let Some(target) = target(record.rtype, &record.rdata) else { continue };
                if record.rtype == Rtype::CNAME {
                    contents.order.push(&record.owner);
                    contents.cnames.insert(&record.owner, Lead { target, place: &located.place, is_steered: false });
                } else if record.rtype == Rtype::DNAME {
                    contents.dname_order.push(&record.owner);
                    contents.dnames.insert(record.owner.to_key(), (target, &located.place));
                }
            }
            for owner in &zone.owners {
                let OwnerKind::Steered { name, cname: true } = &owner.kind else { continue };
                let mut used = name.steering.pools.iter().map(|used| used.pool).chain(name.steering.fallback);
                let target = used.find_map(|pool| match &pools.get(pool.index())?.members {
                    DraftMembers::Cname(endpoint) => Some(endpoint.value.clone()),
                    DraftMembers::Addresses(_) => None,
                });
                if let Some(target) = target {
                    contents.order.push(&owner.name);
                    contents.cnames.insert(&owner.name, Lead { target, place: &owner.place, is_steered: true });
                }
            }
        }
        contents
    }

    fn find(&self, name: &Name) -> Known<'a> {
        let key = name.to_key();
        let Some(&Zone { origin, tree }) = suffixes(&key).find_map(|above| self.zones.get(above)) else {
            return Known::Elsewhere;
        };
        // Names below zone cuts and DNAMEs are outside of this server's knowledge.
        if tree.is_ended(&key) {
            return Known::Elsewhere;
        }
        if tree.contains(&key) {
            return Known::There(name.clone());
        }
        // The closest encloser (RFC 4592, section 3.3.1) is the apex or a name below it.
        let encloser = suffixes(&key).skip(1).find(|above| tree.contains(above));
        let wildcard = encloser.and_then(|encloser| Name::from_wire(encloser).wildcard());
        match wildcard.filter(|wildcard| tree.is_owner(wildcard.as_wire())) {
            Some(wildcard) => Known::There(wildcard),
            None => Known::Nowhere(origin),
        }
    }

    fn check(&self, pointer: &Pointer<'_>, faults: &mut Faults) {
        let Pointer { zone, owner, rtype, target, place } = pointer;
        // The check of the nameservers' addresses reports those in their own zone.
        if *rtype == Rtype::NS && target.is_at_or_below(zone) {
            return;
        }
        let warn = |message: String, label: String| Fault::warning(place, message, label).code(Code::DoubtfulName);
        if let Some(address) = spelling::address(target, zone) {
            let message = format!("{rtype} must point at a name, but `{address}` is an address");
            faults.push(warn(message, "resolvers cannot find a host there".to_owned()));
            return;
        }
        if *rtype != Rtype::PTR
            && let Some(Odd { what, label }) = spelling::oddity(target)
        {
            faults.push(warn(format!("{target} {what}"), label));
            return;
        }
        if *rtype == Rtype::DNAME && owner.is_some_and(|owner| target.is_at_or_below(owner)) {
            let label = "every name below it grows without end".to_owned();
            faults.push(warn(format!("the DNAME points at {target}, at or below itself"), label));
            return;
        }
        match self.find(target) {
            Known::Nowhere(origin) => {
                let message = format!("{rtype} points at {target}, which the zone {origin} does not have");
                let label = self.meant(target, origin, place, faults);
                let label = label.map_or("not there".to_owned(), |meant| format!("did you mean `{meant}`?"));
                faults.push(warn(message, label));
            }
            // "The domain name used as ... part of the value of a MX resource record must not be an alias" (RFC 2181, section
            // 10.3), nor may that of an NS record; "the name MUST NOT be an alias" (RFC 2782).
            Known::There(answers) if matches!(*rtype, Rtype::MX | Rtype::NS | Rtype::SRV) => {
                // Steered names that may become a CNAME were reported elsewhere.
                if let Some(lead) = self.cnames.get(&answers).filter(|lead| !lead.is_steered) {
                    let message = format!("{rtype} points at {target}, which is a CNAME (RFC 2181, section 10.3)");
                    let label = format!("did you mean `{}`?", lead.target);
                    faults.push(warn(message, label).related(lead.place, "the CNAME"));
                }
            }
            // Nameservers were checked for that too.
            Known::Elsewhere if *rtype != Rtype::NS => {
                if let Some(meant) = self.without_dot(target, zone) {
                    let message = format!("{rtype} points at {target}, a name outside of the zone {zone}");
                    let label = format!("did you mean `{meant}`, without the final dot?");
                    faults.push(warn(message, label));
                }
            }
            Known::Elsewhere | Known::There(_) => {}
        }
    }

    /// The name of `zone` that a target was without its final dot; `None` if the zone does not have it.
    fn without_dot(&self, target: &Name, zone: &Name) -> Option<Name> {
        let name = target.relative_to(zone)?;
        self.zones.get(&zone.to_key())?.tree.contains(&name.to_key()).then_some(name)
    }

    /// Returns the name that was probably meant in place of a missing one: the name without the origin, if a final dot
    /// may be missing, or a similar owner.
    fn meant(&self, target: &Name, origin: &Name, place: &Place, faults: &Faults) -> Option<String> {
        let written = place.source.text().get(place.span.clone()).unwrap_or_default().to_ascii_lowercase();
        let is_whole = written.contains(target.to_string().trim_end_matches('.').to_ascii_lowercase().as_str());
        let relative = spelling::relative(target, origin)?;
        // A name below another name of the zone is probably meant to be in this zone.
        let tree = self.zones.get(&origin.to_key())?.tree;
        let key = target.to_key();
        let mut above = suffixes(&key).skip(1).take_while(|above| above.len() > origin.as_wire().len());
        if !is_whole && relative.label_count() > 1 && !above.any(|above| tree.contains(above)) {
            return Some(relative.to_string());
        }
        if !is_worth_comparing(faults, MAX_COMPARED) {
            return None;
        }
        let owners = tree.owners().take(MAX_COMPARED).map(Name::from_wire);
        let texts: Vec<String> = owners.map(|owner| owner.to_string()).collect();
        let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        texts.sort_unstable();
        let text = target.to_string();
        // Compares the parts in front of the origin: whole names with a long origin would always be similar.
        let short = |text: &'_ str| text.len().saturating_sub(origin.to_string().len() + 1);
        let near = did_you_mean(&text[..short(&text)], texts.iter().map(|owner| &owner[..short(owner)]))?;
        (!near.is_empty()).then(|| near.to_owned())
    }

    /// Returns the owner of the DNAME record above a name in lower case, in lower case.
    fn dname_above<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        let zone = suffixes(key).find_map(|above| self.zones.get(above))?;
        zone.tree.dname_above(key)
    }

    /// Returns the owner and the target of the CNAME that answers for `name`, if there is one.
    fn cname_of(&self, name: &Name) -> Option<(Name, &Name)> {
        let Known::There(answers) = self.find(name) else { return None };
        let target = &self.cnames.get(&answers)?.target;
        Some((answers, target))
    }
}
