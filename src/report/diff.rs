//! The effect of a configuration change: for every steered name, the share of the address space that moves from one
//! destination to another.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::comparison::{Comparison, CountryMove, Move, Moves};
use super::owners::Owners;
use super::text::{Families, Few};
use crate::name::Name;
use crate::snapshot::{Plan, Snapshot};

/// Maximum number of lines with countries for a move; `--json` has all.
const LINES: usize = 8;

/// The clients that move between two configurations.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// Steered names that are only in the new configuration.
    added: Vec<String>,
    /// Steered names that are only in the old configuration.
    removed: Vec<String>,
    /// Names in both for which clients move, the largest share first. Names with equal moves share an entry.
    moved: Vec<Moved>,
    /// Names in both for which no client moves.
    unmoved: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Moved {
    names: Vec<String>,
    #[serde(flatten)]
    moves: Moves,
}

impl Diff {
    /// Compares all steered names, or only this one. Fails if it is steered in neither configuration.
    pub fn new(old: &Snapshot, new: &Snapshot, name: Option<&Name>) -> Result<Self, String> {
        let (olds, kind) = (plans(old, name), plans(new, name));
        if let Some(name) = name.filter(|_| olds.is_empty() && kind.is_empty()) {
            return Err(format!("{name} is a steered name in neither configuration"));
        }
        let alone = |these: &Named<'_>, those: &Named<'_>| -> Vec<String> {
            let those: HashSet<_> = those.iter().map(|(key, ..)| key).collect();
            these.iter().filter(|(key, ..)| !those.contains(key)).map(|(_, name, _)| name.clone()).collect()
        };
        let (added, removed) = (alone(&kind, &olds), alone(&olds, &kind));
        let mut comparison = Comparison::new(old, new);
        let new_plans: HashMap<_, _> = kind.into_iter().map(|(key, name, plan)| (key, (name, plan))).collect();
        let (mut moved, mut unmoved): (Vec<Moved>, _) = (Vec::new(), Vec::new());
        for (key, _, old_plan) in olds {
            let Some((name, new_plan)) = new_plans.get(&key) else { continue };
            let moves = comparison.moves(old_plan, new_plan);
            if moves.list.is_empty() {
                unmoved.push(name.clone());
            } else if let Some(equal) = moved.iter_mut().find(|other| other.moves == *moves) {
                equal.names.push(name.clone());
            } else {
                moved.push(Moved { names: vec![name.clone()], moves: moves.clone() });
            }
        }
        moved.sort_by(|a, b| b.moves.ipv4.total_cmp(&a.moves.ipv4));
        Ok(Self { added, removed, moved, unmoved })
    }
}

/// Steered names, each with its key, its text and its plan.
type Named<'a> = Vec<(Box<[u8]>, String, &'a Plan)>;

fn plans<'a>(snapshot: &'a Snapshot, only: Option<&Name>) -> Named<'a> {
    let owners = Owners::new(snapshot);
    let named = |name: &Name, place| (name.to_key(), name.to_string(), owners.plan(place));
    match only {
        Some(name) => owners.find(name).map(|place| named(name, place)).into_iter().collect(),
        None => (0..).zip(&owners.list).map(|(place, owner)| named(owner.name, place)).collect(),
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, names) in [("added", &self.added), ("removed", &self.removed)] {
            if !names.is_empty() {
                writeln!(f, "{what}: {}", Few(names))?;
            }
        }
        if self.moved.is_empty() {
            return f.write_str("nothing moves");
        }
        f.write_str("shares are of all IPv4 addresses, and of the IPv6 /48s that the new database locates")?;
        self.moved.iter().try_for_each(|moved| write!(f, "\n\n{moved}"))?;
        match self.unmoved.as_slice() {
            [] => Ok(()),
            names => write!(f, "\n\nnothing moves for {}", Few(names)),
        }
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moves { ipv4, ipv6, exact, list } = &self.moves;
        let about = if *exact { "" } else { "about " };
        write!(f, "{}\n  {about}{} moves", Few(&self.names), Families(Some(*ipv4), *ipv6))?;
        for Move { from, to, ipv4, ipv6, countries } in list {
            write!(f, "\n  {from} -> {to}: {}", Families(Some(*ipv4), *ipv6))?;
            let lines = countries_of(countries);
            lines.iter().take(LINES).try_for_each(|line| write!(f, "\n    {line}"))?;
            if let Some(more @ 1..) = lines.len().checked_sub(LINES) {
                write!(f, "\n    and {more} smaller shares")?;
            }
        }
        Ok(())
    }
}

/// Returns one line for each different share: the countries in which this share of the clients moves. The line with the
/// largest country comes first.
fn countries_of(countries: &[CountryMove]) -> Vec<String> {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for CountryMove { country, ipv4, ipv6 } in countries {
        let shares = Families(*ipv4, *ipv6).to_string();
        match lines.iter_mut().find(|(other, _)| *other == shares) {
            Some((_, countries)) => countries.push(country.clone()),
            None => lines.push((shares, vec![country.clone()])),
        }
    }
    lines.into_iter().map(|(shares, countries)| format!("{}: {shares}", Few(&countries))).collect()
}
