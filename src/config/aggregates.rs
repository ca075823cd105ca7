//! Monitors made of other monitors: `all`, `any` and `at_least`.
//!
//! A file's monitors are read first, then what they are made of is looked up: in the file itself, else in the server file.
//! A monitor that is part of itself is a fault, and so is one with more probes than an endpoint should have.

use std::collections::{HashMap, HashSet};

use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults};
use super::monitor_tree::{MonitorTree, PlacedMonitor};
use super::scope::{self, Definition, Definitions};
use super::source::Place;

/// Probes of one endpoint at most. Each costs a connection an interval, and a hand's breadth is what people can explain.
const MAX_PARTS: usize = 32;

/// A monitor as it is written.
pub(super) enum Written {
    One(PlacedMonitor),
    Aggregate(Aggregate),
}

/// What an aggregate is made of.
pub(super) struct Aggregate {
    place: Place,
    needed: u8,
    of: Vec<Placed<String>>,
}

/// How many parts must be up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    All,
    Any,
    /// `count` of them.
    Count,
}

/// Reads what an aggregate says besides its type.
pub(super) fn read(mut table: TomlTable<'_>, needed: Needed, faults: &mut Faults) -> Option<Aggregate> {
    let place = table.place();
    let of = table.require("of", faults).map(|value| {
        let names = value.each(faults, Value::string);
        if names.len() < 2 {
            let message = "an aggregate is made of two monitors at least";
            faults.push(Fault::error(&value.place(), message, format!("{}", names.len())).code(Code::Monitor));
        }
        each_once(names, faults)
    });
    let count = match needed {
        Needed::Count => {
            let most = of.as_ref().map_or(MAX_PARTS, Vec::len).clamp(1, MAX_PARTS) as u8;
            Some(table.require("count", faults)?.integer(1..=most, faults)?.value)
        }
        Needed::All | Needed::Any => {
            table.refuse(&["count"], "is for monitors of type at_least", faults);
            None
        }
    };
    let keys: Vec<&'static str> = ["port", "interval", "timeout", "rise", "fall", "hold_down", "deadline"].into();
    table.refuse(&keys, "is for the monitors that an aggregate is made of", faults);
    table.finish(faults);
    let of = of.filter(|of| of.len() >= 2)?;
    let needed = match needed {
        Needed::All => of.len().min(usize::from(u8::MAX)) as u8,
        Needed::Any => 1,
        Needed::Count => count?,
    };
    Some(Aggregate { place, needed, of })
}

fn each_once(names: Vec<Placed<String>>, faults: &mut Faults) -> Vec<Placed<String>> {
    let mut seen: HashMap<String, Place> = HashMap::new();
    let mut list = Vec::new();
    for name in names {
        if let Some(first) = seen.get(&name.value) {
            let fault = Fault::error(&name.place, format!("`{}` stands there twice", name.value), "again")
                .code(Code::Duplicate);
            faults.push(fault.related(first, "first named here"));
        } else {
            seen.insert(name.value.clone(), name.place.clone());
            list.push(name);
        }
    }
    list
}

/// Puts a file's monitors together. `shared` are the server file's, for a zone file.
pub(super) fn resolve(
    written: Vec<(Placed<String>, Option<Written>)>,
    shared: Option<&Definitions<MonitorTree>>,
    faults: &mut Faults,
) -> Definitions<MonitorTree> {
    let by_name = written.iter().enumerate().map(|(at, (name, _))| (name.value.as_str(), at)).collect();
    let states = written.iter().map(|_| State::Unseen).collect();
    let mut resolver = Resolver { written: &written, by_name, shared, states, used: HashSet::new() };
    let trees: Vec<_> = (0..written.len()).map(|at| resolver.tree(at, 0, faults)).collect();
    let used = resolver.used;
    let mut definitions = Definitions::new("monitor");
    for ((name, _), tree) in written.into_iter().zip(trees) {
        definitions.push(name, tree);
    }
    definitions.iter().zip(0..).filter(|(_, at)| used.contains(at)).for_each(|(definition, _)| definition.mark_used());
    definitions
}

/// How far a monitor is put together.
enum State {
    Unseen,
    /// Its parts are being looked at: whoever refers to it is one of them.
    Open,
    /// `None` if it is faulty, which has been told.
    Done(Option<MonitorTree>),
}

struct Resolver<'a> {
    written: &'a [(Placed<String>, Option<Written>)],
    by_name: HashMap<&'a str, usize>,
    shared: Option<&'a Definitions<MonitorTree>>,
    states: Vec<State>,
    /// Those that are part of others.
    used: HashSet<usize>,
}

impl<'a> Resolver<'a> {
    fn tree(&mut self, at: usize, depth: usize, faults: &mut Faults) -> Option<MonitorTree> {
        if let State::Done(tree) = &self.states[at] {
            return tree.clone();
        }
        self.states[at] = State::Open;
        let tree = match &self.written[at].1 {
            None => None,
            Some(Written::One(monitor)) => Some(MonitorTree::One(monitor.clone())),
            Some(Written::Aggregate(aggregate)) => self.aggregate(aggregate, depth, faults),
        };
        self.states[at] = State::Done(tree.clone());
        tree
    }

    fn aggregate(&mut self, aggregate: &'a Aggregate, depth: usize, faults: &mut Faults) -> Option<MonitorTree> {
        let parts: Vec<_> = aggregate.of.iter().map(|name| self.part(name, depth, faults)).collect();
        let parts: Vec<MonitorTree> = parts.into_iter().collect::<Option<_>>()?;
        let probes: usize = parts.iter().map(|part| part.monitors().len()).sum();
        if probes > MAX_PARTS {
            faults.push(too_many(&aggregate.place));
            return None;
        }
        Some(MonitorTree::AtLeast(aggregate.needed, parts))
    }

    fn part(&mut self, name: &'a Placed<String>, depth: usize, faults: &mut Faults) -> Option<MonitorTree> {
        let Some(&at) = self.by_name.get(name.value.as_str()) else {
            let found = self.shared.and_then(|shared| shared.get(&name.value));
            match found {
                Some(definition) => definition.mark_used(),
                None => faults.push(self.missing(name)),
            }
            return found?.value.clone();
        };
        self.used.insert(at);
        if matches!(self.states[at], State::Open) {
            let message = format!("monitor `{}` is part of itself", name.value);
            let fault = Fault::error(&name.place, message, "refers back to it").code(Code::Monitor);
            faults.push(fault.related(&self.written[at].0.place, "this one"));
            return None;
        }
        // Each aggregate in an aggregate adds a probe at least.
        if depth >= MAX_PARTS {
            faults.push(too_many(&name.place));
            return None;
        }
        self.tree(at, depth + 1, faults)
    }

    fn missing(&self, name: &Placed<String>) -> Fault {
        let own = self.written.iter().map(|(name, _)| name.value.as_str());
        let shared = self.shared.into_iter().flat_map(Definitions::iter).map(Definition::text);
        scope::missing("monitor", name, &own.chain(shared).collect::<Vec<_>>())
    }
}

fn too_many(place: &Place) -> Fault {
    Fault::error(place, format!("an endpoint has at most {MAX_PARTS} probes"), "more than that").code(Code::Limit)
}
