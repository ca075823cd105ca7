//! Monitors made of other monitors: `all`, `any` and `at_least`.
//!
//! A file's monitors are read first. Then the parts of aggregates are looked up, in the file itself and then in the
//! server file. It is a fault if a monitor is part of itself, or if an endpoint would get too many probes.

use std::collections::{HashMap, HashSet};

use super::code::Code;
use super::decode::{Placed, TomlTable, Value};
use super::fault::{Fault, Faults};
use super::monitor_tree::MonitorTree;
use super::scope::{self, Definition, Definitions};
use super::source::Place;

/// Maximum number of probes of one endpoint. Each costs a connection per interval, and the result of more probes is
/// hard to explain.
const MAX_PARTS: usize = 32;

/// A monitor as it is in the file.
pub(super) enum Written {
    /// A monitor that probes or waits for reports, or its inversion.
    One(MonitorTree),
    Aggregate(Aggregate),
}

/// The parts of an aggregate.
pub(super) struct Aggregate {
    place: Place,
    /// True if it is good when too few of the parts are up.
    is_inverted: bool,
    needed: u8,
    of: Vec<Placed<String>>,
}

/// How many of the parts must be up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    All,
    Any,
    /// The number in `count`.
    Count,
}

/// Reads the keys of an aggregate, without its type.
pub(super) fn read(mut table: TomlTable<'_>, needed: Needed, faults: &mut Faults) -> Option<Aggregate> {
    let place = table.place();
    let of = table.require("of", faults).map(|value| {
        let before = faults.0.len();
        let names = value.each(faults, Value::string);
        if names.len() < 2 && !faults.has_errors_since(before) {
            let message = "an aggregate needs at least two monitors";
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
    let is_inverted = table.take("invert").and_then(|value| value.boolean(faults)).is_some_and(|invert| invert.value);
    let keys = [
        "address",
        "port",
        "interval",
        "timeout",
        "rise",
        "fall",
        "clear",
        "hold_down",
        "quorum",
        "vantages",
        "deadline",
    ];
    table.refuse(&keys, "is for the monitors that an aggregate is made of", faults);
    table.finish(faults);
    let of = of.filter(|of| of.len() >= 2)?;
    let needed = match needed {
        Needed::All => of.len().min(usize::from(u8::MAX)) as u8,
        Needed::Any => 1,
        Needed::Count => count?,
    };
    Some(Aggregate { place, is_inverted, needed, of })
}

fn each_once(names: Vec<Placed<String>>, faults: &mut Faults) -> Vec<Placed<String>> {
    let mut seen: HashMap<String, Place> = HashMap::new();
    let mut list = Vec::new();
    for name in names {
        if let Some(first) = seen.get(&name.value) {
            let fault =
                Fault::error(&name.place, format!("`{}` is given twice", name.value), "again").code(Code::Duplicate);
            faults.push(fault.related(first, "first named here"));
        } else {
            seen.insert(name.value.clone(), name.place.clone());
            list.push(name);
        }
    }
    list
}

/// Resolves the parts of a file's monitors. `shared` holds the server file's monitors, for a zone file.
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
    definitions.mark_each(used);
    definitions
}

/// The progress of resolving a monitor.
enum State {
    Unseen,
    /// Its parts are being resolved. A reference to it now means that it is part of itself.
    Open,
    /// `None` if the monitor is faulty. The fault was reported.
    Done(Option<MonitorTree>),
}

struct Resolver<'a> {
    written: &'a [(Placed<String>, Option<Written>)],
    by_name: HashMap<&'a str, usize>,
    shared: Option<&'a Definitions<MonitorTree>>,
    states: Vec<State>,
    /// Monitors that are part of others.
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
            Some(Written::One(tree)) => Some(tree.clone()),
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
        Some(MonitorTree::AtLeast(aggregate.needed, parts).inverted_if(aggregate.is_inverted))
    }

    fn part(&mut self, name: &'a Placed<String>, depth: usize, faults: &mut Faults) -> Option<MonitorTree> {
        let Some(&at) = self.by_name.get(name.value.as_str()) else {
            let found = self.shared.and_then(|shared| shared.refer(&name.value));
            if found.is_none() {
                faults.push(self.missing(name, faults));
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
        // Each aggregate inside an aggregate adds at least one probe.
        if depth >= MAX_PARTS {
            faults.push(too_many(&name.place));
            return None;
        }
        self.tree(at, depth + 1, faults)
    }

    fn missing(&self, name: &Placed<String>, faults: &Faults) -> Fault {
        let own = self.written.iter().map(|(name, _)| name.value.as_str());
        let shared = self.shared.into_iter().flat_map(Definitions::iter).map(Definition::text);
        scope::missing("monitor", name, &own.chain(shared).collect::<Vec<_>>(), faults)
    }
}

fn too_many(place: &Place) -> Fault {
    Fault::error(place, format!("an endpoint has at most {MAX_PARTS} probes"), "more than that").code(Code::Limit)
}
