//! Finds DNAME records, and SVCB and HTTPS records in AliasMode, that lead back to themselves.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::config::leads::target;
use crate::config::source::Place;
use crate::config::zone::ZoneDraft;
use crate::name::{Name, suffixes};
use crate::wire::Rtype;

/// The targets of all records of one kind, by their owners in lower case.
struct Leads<'a> {
    by_owner: HashMap<Box<[u8]>, (Name, &'a Place), RandomState>,
    /// The owners in the order of the files.
    order: Vec<&'a Name>,
}

/// Warns of each circle once. Returns the owners in lower case of DNAME records that lead back to themselves.
pub(super) fn check(zones: &[ZoneDraft], faults: &mut Faults) -> HashSet<Box<[u8]>, RandomState> {
    let mut told = HashSet::default();
    let dnames = Leads::of(zones, Rtype::DNAME, |_| true);
    // A name below the target is below the nearest DNAME above it.
    let next =
        |target: &Name| suffixes(&target.to_key()).find(|above| dnames.by_owner.contains_key(*above)).map(Into::into);
    for (owner, circle) in dnames.circles(next) {
        // A DNAME that points below itself was reported already.
        if circle.len() > 1 {
            let message = format!("the DNAME at {owner} leads back to itself");
            faults.push(warning(dnames.place(owner), message, &circle).help("resolvers answer SERVFAIL"));
        }
        told.extend(circle.iter().map(Name::to_key));
    }
    for rtype in [Rtype::HTTPS, Rtype::SVCB] {
        let aliases = Leads::of(zones, rtype, |rdata| rdata.starts_with(&[0, 0]));
        let next = |target: &Name| Some(target.to_key()).filter(|key| aliases.by_owner.contains_key(key));
        for (owner, circle) in aliases.circles(next) {
            let message = format!("the {rtype} record in AliasMode at {owner} leads back to itself");
            let fault = warning(aliases.place(owner), message, &circle);
            faults.push(
                fault.help("clients treat the service as unreachable, or ignore the record (RFC 9460, section 3)"),
            );
        }
    }
    told
}

fn warning(place: Option<&Place>, message: String, circle: &[Name]) -> Fault {
    let label: Vec<String> = circle.iter().chain(circle.first()).map(ToString::to_string).collect();
    let label = label.join(" -> ");
    match place {
        Some(place) => Fault::warning(place, message, label),
        None => Fault::without_place(format!("{message}: {label}")),
    }
    .code(Code::DoubtfulName)
}

impl<'a> Leads<'a> {
    fn of(zones: &'a [ZoneDraft], rtype: Rtype, is_meant: impl Fn(&[u8]) -> bool) -> Self {
        let mut leads = Self { by_owner: HashMap::default(), order: Vec::new() };
        for located in zones.iter().flat_map(|zone| &zone.leads) {
            let record = &located.record;
            if record.rtype == rtype
                && is_meant(&record.rdata)
                && let Some(target) = target(rtype, &record.rdata)
            {
                leads.order.push(&record.owner);
                leads.by_owner.insert(record.owner.to_key(), (target, &located.place));
            }
        }
        leads
    }

    fn place(&self, owner: &Name) -> Option<&'a Place> {
        self.by_owner.get(&owner.to_key()).map(|(_, place)| *place)
    }

    /// Returns the owner at which each circle was entered, and the owners in the circle. `next` returns the owner that a
    /// target leads to.
    fn circles(&self, next: impl Fn(&Name) -> Option<Box<[u8]>>) -> Vec<(&'a Name, Vec<Name>)> {
        let mut done: HashSet<Box<[u8]>, RandomState> = HashSet::default();
        let mut circles = Vec::new();
        for &start in &self.order {
            let (mut at, mut path) = (Some(start.to_key()), Vec::<Box<[u8]>>::new());
            let mut on_path: HashSet<Box<[u8]>, RandomState> = HashSet::default();
            while let Some(key) = at.filter(|key| !done.contains(key)) {
                if !on_path.insert(key.clone()) {
                    let begin = path.iter().position(|owner| *owner == key).unwrap_or_default();
                    circles.push((start, path[begin..].iter().map(|owner| Name::from_wire(owner)).collect()));
                    break;
                }
                at = self.by_owner.get(&key).and_then(|(target, _)| next(target));
                path.push(key);
            }
            done.extend(path);
        }
        circles
    }
}
