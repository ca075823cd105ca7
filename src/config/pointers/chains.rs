//! Finds chains of CNAME and DNAME records that have no end: they come back to a name, or every lap makes the name
//! longer (RFC 6672, section 2.2: "DNAMEs and CNAMEs can chain together to form loops").
//!
//! A walk follows the records as answers do. It begins at each CNAME, and at a name below each DNAME: a DNAME replaces
//! the end of a name only, so all names below it go the same way as long as their first labels do not count.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::Contents;
use crate::config::code::Code;
use crate::config::fault::{Fault, Faults};
use crate::config::source::Place;
use crate::name::{MAX_NAME_LENGTH, Name};

/// The label of the name below each DNAME at which a walk begins.
const ANY_LABEL: &[u8] = b"\x01x";

/// Most DNAME records that one walk follows. Resolvers give up much earlier.
const MAX_SUBSTITUTIONS: usize = 64;

/// A record that leads from one name to another.
enum Record {
    Cname(Name),
    /// The owner in lower case, and the number of octets in front of it in the name.
    Dname(Box<[u8]>, usize),
}

/// A chain without an end.
struct Circle {
    /// The names of one lap and the one behind it, and the records between them.
    names: Vec<Name>,
    records: Vec<Record>,
    /// True if each lap makes the name longer.
    grows: bool,
}

/// Warns of each chain without an end once. `told` are the owners of DNAME records, in lower case, of which a warning
/// says already that they lead back to themselves.
pub(super) fn check(contents: &Contents<'_>, mut told: HashSet<Box<[u8]>, RandomState>, faults: &mut Faults) {
    let below = |owner: &&Name| {
        let name = [ANY_LABEL, owner.as_wire()].concat();
        (name.len() <= MAX_NAME_LENGTH).then(|| Name::from_wire(&name))
    };
    let cnames = contents.order.iter().map(|owner| (*owner).clone());
    let starts = cnames.chain(contents.dname_order.iter().filter_map(below));
    let mut done = HashSet::default();
    for start in starts {
        if let Some(circle) = walk(contents, start, &mut done)
            && let Some(fault) = circle.fault(contents, &mut told)
        {
            faults.push(fault);
        }
    }
}

/// Follows the records from a name on, up to names that another walk came to.
fn walk(contents: &Contents<'_>, start: Name, done: &mut HashSet<Name, RandomState>) -> Option<Circle> {
    let (mut names, mut records) = (vec![start], Vec::new());
    // A chain may be as long as there are names, so a hash set finds its names.
    let mut on_path: HashSet<Name, RandomState> = HashSet::default();
    // The steps by DNAME records since the last CNAME, of which no later one changed the labels in front of the owner.
    let mut intact: Vec<usize> = Vec::new();
    let mut substitutions = 0;
    let (begin, grows) = loop {
        let name = names.last()?.clone();
        if done.contains(&name) || substitutions > MAX_SUBSTITUTIONS {
            break (None, false);
        }
        if !on_path.insert(name.clone()) {
            break (names.iter().position(|other| *other == name), false);
        }
        let Some((record, next)) = step(contents, &name) else { break (None, false) };
        match &record {
            Record::Cname(_) => intact.clear(),
            Record::Dname(owner, length) => {
                substitutions += 1;
                let is_longer = |at: &usize| matches!(&records[*at], Record::Dname(_, other) if other > length);
                intact.truncate(intact.iter().position(is_longer).unwrap_or(intact.len()));
                let is_same = |at: &&usize| matches!(&records[**at], Record::Dname(other, _) if other == owner);
                if let Some(&begin) = intact.iter().find(is_same) {
                    break (Some(begin), true);
                }
                intact.push(records.len());
            }
        }
        records.push(record);
        names.push(next);
    };
    done.extend(on_path);
    let begin = begin?;
    Some(Circle { names: names.split_off(begin), records: records.split_off(begin), grows })
}

/// Returns the record that answers for a name with another name, and that other name.
fn step(contents: &Contents<'_>, name: &Name) -> Option<(Record, Name)> {
    let key = name.to_key();
    if let Some(owner) = contents.dname_above(&key) {
        let (target, _) = contents.dnames.get(owner)?;
        let length = key.len() - owner.len();
        let next = [&key[..length], target.as_wire()].concat();
        let record = Record::Dname(owner.into(), length);
        return (next.len() <= MAX_NAME_LENGTH).then(|| (record, Name::from_wire(&next)));
    }
    let (owner, target) = contents.cname_of(name)?;
    Some((Record::Cname(owner), target.clone()))
}

impl Circle {
    /// Returns the warning, at its first CNAME if it has any; `None` if it is told of already.
    fn fault(&self, contents: &Contents<'_>, told: &mut HashSet<Box<[u8]>, RandomState>) -> Option<Fault> {
        let cname = self.records.iter().find_map(|record| match record {
            Record::Cname(owner) => Some(owner),
            Record::Dname(..) => None,
        });
        let (what, place): (String, &Place) = if let Some(owner) = cname {
            (format!("the CNAME at {owner}"), contents.cnames.get(owner)?.place)
        } else {
            let owners: Vec<&[u8]> = self.records.iter().filter_map(Record::dname).collect();
            if owners.iter().any(|owner| told.contains(*owner)) {
                return None;
            }
            told.extend(owners.iter().map(|owner| Box::from(*owner)));
            let first = owners.first()?;
            (format!("the DNAME at {}", Name::from_wire(first)), contents.dnames.get(*first)?.1)
        };
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let (message, help) = if self.grows {
            let help = "the chain ends when the name is too long (YXDOMAIN), or when the resolver gives up";
            (format!("{what} leads back to itself, and each lap makes the name longer"), help)
        } else {
            (format!("{what} leads back to itself"), "resolvers answer SERVFAIL")
        };
        Some(Fault::warning(place, message, names.join(" -> ")).code(Code::DoubtfulName).help(help))
    }
}

impl Record {
    fn dname(&self) -> Option<&[u8]> {
        match self {
            Self::Cname(_) => None,
            Self::Dname(owner, _) => Some(owner),
        }
    }
}
