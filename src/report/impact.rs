//! The effect of a change of health or of an override: the clients of each name that move from one destination to
//! another.
//!
//! ```text
//!   pools that changed ─► names that use them ─► each different configuration (way), once
//!   its map            ─► clients, a few of each region or continent ─► their rankings, each once
//!   ranking            ─► where the plan before and the plan after send it ─► moves
//! ```
//!
//! The impact is computed before the change is reported, so its cost is limited: names beyond the limit are only
//! counted.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::ptr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::client_groups::{EVERYBODY, Group, partly};
use super::destinations::{EITHER, flows, placed};
use super::owners::Owners;
use crate::health::Target;
use crate::name::Name;
use crate::snapshot::{NameOrders, Plan, PoolId, Snapshot};
use crate::steering::{AllDown, Map, Pick, Ranking, SelectionPolicy, Set};

/// Maximum number of names in a move; further ones are counted.
const MAX_NAMES: usize = 8;

/// Maximum number of moves; the names of further ones are counted.
const MAX_MOVES: usize = 16;

/// Maximum number of client groups in a move.
const MAX_CLIENTS: usize = 12;

/// Maximum number of clients and draws that are computed for one change, before and after it together. They take less
/// than a second of one processor.
const BUDGET: usize = 1 << 18;

/// The clients that a change moves; empty if no client gets another destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    /// The moves, in the order of the configuration.
    #[serde(rename = "impact")]
    pub moves: Vec<Shift>,
    /// Number of further names whose clients may move too. There were too many names to list or to compute.
    #[serde(rename = "impact_more", default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// Clients of some names that move in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// The first of these names.
    pub names: Vec<String>,
    /// Number of further names.
    pub more: usize,
    /// The destinations that they leave: datacenters, `pool:sorry` for a pool without a datacenter, or `nowhere`.
    pub from: Vec<String>,
    /// The destinations that they move to.
    pub to: Vec<String>,
    /// The clients: regions or continents, or `everybody`. If only a part of a region moves, the part is in brackets.
    pub clients: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(super) fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Two snapshots of one world, and the results so far.
pub struct Changes<'a> {
    before: &'a Snapshot,
    after: &'a Snapshot,
    owners: Owners<'a>,
    changed: HashSet<PoolId>,
    /// The changed pools that use each target.
    holders: HashMap<&'a Target, BTreeSet<PoolId>>,
    /// The moves of each way; `None` if they cost too much to compute.
    known: HashMap<Way<'a>, Option<Arc<[Movement]>>>,
    told: HashMap<Option<BTreeSet<PoolId>>, Impact>,
    budget: usize,
}

/// Everything except health that decides where clients go. Names with equal ways move in the same way.
#[derive(PartialEq, Eq, Hash)]
struct Way<'a> {
    map: *const Map,
    policy: &'a SelectionPolicy,
    pools: &'a [PoolId],
    fallback: Option<PoolId>,
    all_down: AllDown,
    pick: Option<Pick>,
    orders: [NameOrders; 2],
    splits: [Option<(Set, u16)>; 2],
}

/// Clients that move in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Movement {
    from: Vec<String>,
    to: Vec<String>,
    clients: Vec<String>,
}

/// The destinations that lose clients, and those that gain them.
type Turnover = (Vec<String>, Vec<String>);

impl<'a> Changes<'a> {
    /// Compares two snapshots. Returns `None` if they have different worlds.
    pub fn new(before: &'a Snapshot, after: &'a Snapshot) -> Option<Self> {
        if !before.shares_world(after) {
            return None;
        }
        let pools = before.world().pool_ids().zip(before.pools().iter().zip(after.pools()));
        let changed: HashSet<PoolId> =
            pools.filter(|(_, (one, other))| !Arc::ptr_eq(one, other)).map(|(id, _)| id).collect();
        let mut holders: HashMap<&Target, BTreeSet<PoolId>> = HashMap::new();
        for &id in &changed {
            for target in after.world().pools[id.index()].members.targets() {
                holders.entry(target).or_default().insert(id);
            }
        }
        let owners = Owners::new(after);
        let (known, told) = (HashMap::new(), HashMap::new());
        Some(Self { before, after, owners, changed, holders, known, told, budget: BUDGET })
    }

    /// Returns the impact of all changes.
    pub fn impact(&mut self) -> Impact {
        self.impact_of(None)
    }

    /// Returns the names that have a usable pool before and none after, in the order of the configuration.
    pub fn emptied(&self) -> impl Iterator<Item = &'a Name> {
        (0..self.owners.list.len()).filter_map(|place| {
            let (before, after) = self.plans(place);
            (before.has_usable_pool() && !after.has_usable_pool()).then(|| self.owners.list[place].name)
        })
    }

    /// Returns the impact on the names whose pools use this target.
    pub fn impact_of_target(&mut self, target: &Target) -> Impact {
        let pools = self.holders.get(target).cloned().unwrap_or_default();
        self.impact_of(Some(pools))
    }

    /// Returns the impact on the names that use one of these pools.
    pub fn impact_of_pools(&mut self, pools: &[PoolId]) -> Impact {
        self.impact_of(Some(pools.iter().copied().collect()))
    }

    /// Returns the impact on the names that use one of these pools, or, with `None`, on all names that changed.
    fn impact_of(&mut self, pools: Option<BTreeSet<PoolId>>) -> Impact {
        if let Some(told) = self.told.get(&pools) {
            return told.clone();
        }
        let mut impact = Impact::default();
        let mut shifts: HashMap<Movement, usize> = HashMap::new();
        for place in 0..self.owners.list.len() {
            let name = self.owners.list[place].name;
            let (before, after) = self.plans(place);
            let uses = |id: &PoolId| pools.as_ref().map_or(self.changed.contains(id), |pools| pools.contains(id));
            let is_ruled_anew =
                pools.is_none() && (before.orders() != after.orders() || division(before) != division(after));
            let rule = after.rule();
            if !is_ruled_anew && !rule.pools.iter().chain(&rule.fallback).any(uses) {
                continue;
            }
            match self.movements(before, after) {
                Some(movements) => movements.iter().for_each(|movement| impact.add(movement, name, &mut shifts)),
                None => impact.more += 1,
            }
        }
        self.told.insert(pools, impact.clone());
        impact
    }

    fn plans(&self, place: usize) -> (&'a Plan, &'a Plan) {
        let (plan, name) = self.owners.list[place].steered;
        (self.before.plan(plan, name), self.after.plan(plan, name))
    }

    /// Returns the moves from one plan to the other; `None` if they cost too much to compute.
    fn movements(&mut self, before: &'a Plan, after: &'a Plan) -> Option<Arc<[Movement]>> {
        let rule = after.rule();
        let way = Way {
            map: ptr::from_ref(&*rule.map),
            policy: &rule.policy,
            pools: &rule.pools,
            fallback: rule.fallback,
            all_down: rule.all_down,
            pick: rule.pick,
            orders: [*before.orders(), *after.orders()],
            splits: [before, after].map(division),
        };
        if !self.known.contains_key(&way) {
            let found = self.find(before, after).map(Arc::from);
            self.known.insert(way, found.clone());
            return found;
        }
        self.known[&way].clone()
    }

    /// Computes the moves from one plan to the other. Returns `None` if the budget is used up.
    fn find(&mut self, before: &Plan, after: &Plan) -> Option<Vec<Movement>> {
        let map = &after.rule().map;
        // If networks differ by measured round trips, all of them are visited.
        self.budget = self.budget.checked_sub(if map.compiled_chain().measures_latency() {
            map.len_v4_at_most() / 16
        } else {
            0
        })?;
        let groups = Group::all(map, self.after.locations());
        let mut turnovers: HashMap<&Ranking, Turnover> = HashMap::new();
        let mut movements: Vec<(Turnover, Vec<String>, usize)> = Vec::new();
        for group in &groups {
            let mut parts: Vec<(Turnover, Vec<&str>)> = Vec::new();
            for (part, ranking) in &group.clients {
                self.budget = self.budget.checked_sub(1)?;
                if !turnovers.contains_key(ranking) {
                    let turnover = self.turnover(before, after, ranking)?;
                    turnovers.insert(ranking, turnover);
                }
                let turnover = &turnovers[ranking];
                match parts.iter_mut().find(|(other, _)| other == turnover) {
                    Some((_, parts)) if parts.contains(&part.as_str()) => {}
                    Some((_, parts)) => parts.push(part),
                    None => parts.push((turnover.clone(), vec![part])),
                }
            }
            let is_whole = parts.len() == 1;
            for (turnover, parts) in parts.into_iter().filter(|((from, _), _)| !from.is_empty()) {
                let label = if is_whole { group.name.clone() } else { partly(&group.name, &parts) };
                match movements.iter_mut().find(|(other, ..)| *other == turnover) {
                    Some((_, clients, whole)) => {
                        clients.push(label);
                        *whole += usize::from(is_whole);
                    }
                    None => movements.push((turnover, vec![label], usize::from(is_whole))),
                }
            }
        }
        let movement = |((from, to), mut clients, whole): (Turnover, Vec<String>, usize)| {
            if whole == groups.len() {
                clients = vec![EVERYBODY.to_owned()];
            } else if let Some(more @ 1..) = clients.len().checked_sub(MAX_CLIENTS) {
                clients.truncate(MAX_CLIENTS);
                clients.push(format!("{more} more"));
            }
            Movement { from, to, clients }
        };
        Some(movements.into_iter().map(movement).collect())
    }

    /// Returns the destinations that lose and gain clients with this ranking; `None` if the budget is used up.
    fn turnover(&mut self, before: &Plan, after: &Plan, ranking: &Ranking) -> Option<Turnover> {
        let before = before.shares(self.before.pools(), ranking, EITHER);
        let after = after.shares(self.after.pools(), ranking, EITHER);
        self.budget = self.budget.checked_sub(before.ways + after.ways)?;
        let flows = flows(&placed(self.after, &before), &placed(self.after, &after));
        let from: BTreeSet<_> = flows.iter().map(|flow| flow.from).collect();
        let to: BTreeSet<_> = flows.iter().map(|flow| flow.to).collect();
        let told =
            |places: BTreeSet<super::destinations::Destination<'_>>| places.iter().map(ToString::to_string).collect();
        Some((told(from), told(to)))
    }
}

/// Returns the first part of the pools, and how many thousandths of the clients belong to it.
fn division(plan: &Plan) -> Option<(Set, u16)> {
    plan.split().map(|split| (split.part, split.share.thousandths()))
}

impl Impact {
    fn add(&mut self, movement: &Movement, name: &impl fmt::Display, shifts: &mut HashMap<Movement, usize>) {
        if let Some(&place) = shifts.get(movement) {
            let shift = &mut self.moves[place];
            if shift.names.len() < MAX_NAMES { shift.names.push(name.to_string()) } else { shift.more += 1 }
        } else if self.moves.len() < MAX_MOVES {
            shifts.insert(movement.clone(), self.moves.len());
            let Movement { from, to, clients } = movement.clone();
            self.moves.push(Shift { names: vec![name.to_string()], more: 0, from, to, clients });
        } else {
            self.more += 1;
        }
    }
}

/// Displays `names www.example.com., api.example.com.: fra -> iad for europe`.
impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.moves.is_empty() && self.more == 0 {
            return f.write_str("no client is sent elsewhere");
        }
        let mut gap = "";
        for shift in &self.moves {
            write!(f, "{gap}{shift}")?;
            gap = "; ";
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "{gap}{more} more names were not looked at"),
        }
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, more, from, to, clients } = self;
        f.write_str(if names.len() + more == 1 { "name " } else { "names " })?;
        f.write_str(&names.join(", "))?;
        if *more > 0 {
            write!(f, " and {more} more")?;
        }
        write!(f, ": {} -> {}", from.join(", "), to.join(", "))?;
        write!(f, " for {}", clients.join(", "))
    }
}

#[cfg(test)]
mod tests;
