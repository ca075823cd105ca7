//! The destinations of the clients of each steered name, by region: those of a snapshot, and the usual ones.
//!
//! ```text
//!   names ─► those of one plan together ─► its clients by region or continent ─► their rankings, each once
//!   ranking ─► where the plan sends it now
//!          └─► where it would if every endpoint were up and no order were in force
//! ```
//!
//! The decisions change only with the snapshot, so they are computed once for all readers of a snapshot. The cost is
//! limited: names beyond the limit are only counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::client_groups::Group;
use super::destinations::{EITHER, placed};
use super::owners::{self, Owners};
use crate::geo::CountryCode;
use crate::load::Allowance;
use crate::name::Name;
use crate::overrides::EffectiveOverrides;
use crate::snapshot::{Dirty, EndpointState, Plan, Shares, Snapshot};
use crate::steering::Ranking;

/// Maximum number of groups of names with decisions.
const MAX_GROUPS: usize = 256;

/// Maximum number of names that a group lists. It counts the others.
const MAX_NAMES: usize = 8;

/// Maximum number of clients and draws that are computed for one snapshot. They take less than a second of one
/// processor.
const BUDGET: usize = 1 << 18;

/// Shares that differ by less than this are equal.
const ROUNDING: f64 = 1e-9;

/// The decisions of a snapshot.
#[derive(Debug, Default)]
pub struct Decisions {
    /// The generation of the snapshot.
    pub generation: u64,
    /// Names with equal decisions, in the order of the configuration.
    pub groups: Vec<NameGroup>,
    /// Number of names that were not looked at, because there are too many or too many draws.
    pub more: usize,
    /// The group of each plan, by the plan's memory address in this snapshot; `None` for plans that were not looked at.
    by_plan: HashMap<usize, Option<usize>>,
}

/// Names that send every client to the same destinations.
#[derive(Clone, Debug, Serialize)]
pub struct NameGroup {
    /// The first of these names.
    pub names: Vec<String>,
    /// Number of further names.
    pub more: usize,
    /// The steps of their chain.
    pub steer: Vec<&'static str>,
    /// `drain`, `force-up` or `force-down`, if an order for the name is in force.
    pub mode: Option<String>,
    /// The decision for each group of clients.
    pub decisions: Vec<Decision>,
}

/// The decision for some clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// A region, a continent or `everybody`.
    pub clients: String,
    /// The part of these clients that is meant: some of its countries, or addresses of networks. Empty if all are
    /// meant.
    pub part: Vec<String>,
    /// Number of further countries or networks of this part.
    pub more: usize,
    /// The countries that the decision is for, as far as they are known. Only in the answer for one name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// The present destinations of these clients, with their shares.
    pub to: Vec<Destined>,
    /// The usual destinations: with every endpoint up and no order in force. Absent if they are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usually: Option<Vec<Destined>>,
    /// The share of clients that get endpoints that are down, because no others are left.
    pub stranded: f64,
}

/// A destination and a share of clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Destined {
    /// A datacenter, `pool:NAME` for a pool without one, or `nowhere`.
    pub place: String,
    /// 0-1.
    pub share: f64,
}

/// Maximum number of countries or networks that are named for a part of a group.
const MAX_PARTS: usize = 4;

/// The present and the usual destinations of clients with one ranking, and the share of them that gets endpoints that
/// are down.
type Outcome = (Vec<Destined>, Option<Vec<Destined>>, f64);

impl Decisions {
    /// Computes the decisions of a snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        let usual = undisturbed(snapshot);
        let owners = Owners::new(snapshot);
        let mut decisions = Self { generation: snapshot.generation(), ..Self::default() };
        let mut by_plan: HashMap<usize, Option<usize>> = HashMap::new();
        let mut budget = BUDGET;
        let mut specs = snapshot.world().zones.iter().flat_map(|zone| zone.names.iter());
        for owner in &owners.list {
            // Both lists are in the order of the configuration.
            let Some(spec) = specs.find(|spec| spec.owner == *owner.name) else { break };
            let (plan, name) = owner.steered;
            let (now, usually) = (snapshot.plan(plan, name), usual.plan(plan, name));
            let group = *by_plan.entry(place_of(now)).or_insert_with(|| {
                if decisions.groups.len() == MAX_GROUPS {
                    return None;
                }
                let found = decide((snapshot, now), (&usual, usually), &mut budget)?;
                let steer = spec.steering.steer.iter().map(|step| step.as_str()).collect();
                let mode = now.orders().mode.map(|mode| mode.to_string());
                decisions.groups.push(NameGroup { names: Vec::new(), more: 0, steer, mode, decisions: found });
                Some(decisions.groups.len() - 1)
            });
            let Some(group) = group else {
                decisions.more += 1;
                continue;
            };
            let NameGroup { names, more, .. } = &mut decisions.groups[group];
            if names.len() < MAX_NAMES { names.push(owner.name.to_string()) } else { *more += 1 }
        }
        Self { by_plan, ..decisions }
    }

    /// Returns the decisions for a name; `None` if there are none. `snapshot` is the one that they were computed from.
    pub fn of_name(&self, snapshot: &Snapshot, name: &Name) -> Option<NameGroup> {
        let (plan, id) = owners::find(snapshot, name)?;
        let group = &self.groups[(*self.by_plan.get(&place_of(snapshot.plan(plan, id)))?)?];
        Some(
            group
                .told(|decision| Decision { countries: decision.countries.clone(), ..decision.short(&HashMap::new()) }),
        )
    }

    /// Returns the groups without the countries of each decision. A part of the clients lists the countries with the
    /// lowest numbers in `order` first.
    pub(super) fn short(&self, order: &HashMap<&str, usize>) -> Vec<NameGroup> {
        self.groups.iter().map(|group| group.told(|decision| decision.short(order))).collect()
    }
}

impl NameGroup {
    fn told(&self, tell: impl Fn(&Decision) -> Decision) -> Self {
        let Self { names, more, steer, mode, decisions } = self;
        let decisions = decisions.iter().map(tell).collect();
        Self { names: names.clone(), more: *more, steer: steer.clone(), mode: mode.clone(), decisions }
    }
}

impl Decision {
    fn short(&self, order: &HashMap<&str, usize>) -> Self {
        let mut part: Vec<&String> = self.part.iter().collect();
        part.sort_by_key(|part| order.get(part.as_str()).copied().unwrap_or(usize::MAX));
        Self {
            clients: self.clients.clone(),
            part: part.iter().take(MAX_PARTS).copied().cloned().collect(),
            more: part.len().saturating_sub(MAX_PARTS),
            countries: Vec::new(),
            to: self.to.clone(),
            usually: self.usually.clone(),
            stranded: self.stranded,
        }
    }
}

/// Returns the memory address of a plan, which identifies it in its snapshot.
fn place_of(plan: &Plan) -> usize {
    std::ptr::from_ref(plan).addr()
}

/// Returns the snapshot of the same world and roll-outs in which every endpoint is up, no load is known and no order is
/// in force.
fn undisturbed(snapshot: &Snapshot) -> Snapshot {
    let mut state = snapshot.state().clone();
    for id in snapshot.world().pool_ids() {
        state.set_endpoint_states(id, |_| EndpointState::CALM);
        state.set_allowance(id, Allowance::UNKNOWN);
    }
    state.set_name_orders(snapshot.blueprint(), &EffectiveOverrides::default());
    let dirty = Dirty { pools: snapshot.world().pool_ids().collect(), names: true, maps: false };
    snapshot.next(state, &dirty)
}

/// Returns the decisions of a plan, and reduces the budget by their cost. Returns `None` if the budget is too small.
fn decide(
    (snapshot, now): (&Snapshot, &Plan),
    (usual, usually): (&Snapshot, &Plan),
    budget: &mut usize,
) -> Option<Vec<Decision>> {
    let map = &now.rule().map;
    // If networks differ by measured round trips, all of them are visited.
    let networks = if map.compiled_chain().measures_latency() { map.len_v4_at_most() / 16 } else { 0 };
    *budget = budget.checked_sub(networks)?;
    let mut outcomes: HashMap<Ranking, Outcome> = HashMap::new();
    let mut decisions = Vec::new();
    for group in Group::all(map, snapshot.locations()) {
        let mut parts: Vec<(Outcome, Vec<String>)> = Vec::new();
        for (part, ranking) in group.clients {
            *budget = budget.checked_sub(1)?;
            let outcome = if let Some(outcome) = outcomes.get(&ranking) {
                outcome.clone()
            } else {
                let before = usually.shares(usual.pools(), &ranking, EITHER);
                let after = now.shares(snapshot.pools(), &ranking, EITHER);
                *budget = budget.checked_sub(before.ways + after.ways)?;
                let (was, is) = (destined(usual, &before), destined(snapshot, &after));
                let was = (!are_equal(&was, &is)).then_some(was);
                let outcome: Outcome = (is, was, after.stranded);
                outcomes.insert(ranking, outcome.clone());
                outcome
            };
            match parts.iter_mut().find(|(other, _)| *other == outcome) {
                Some((_, parts)) if parts.contains(&part) => {}
                Some((_, parts)) => parts.push(part),
                None => parts.push((outcome, vec![part])),
            }
        }
        let is_whole = parts.len() == 1;
        for ((to, usually, stranded), parts) in parts {
            let countries = parts.iter().filter(|part| CountryCode::parse(part).is_some()).cloned().collect();
            let part = if is_whole { Vec::new() } else { parts };
            let clients = group.name.clone();
            decisions.push(Decision { clients, part, more: 0, countries, to, usually, stranded });
        }
    }
    Some(decisions)
}

/// Returns the destinations, the largest share first.
fn destined(snapshot: &Snapshot, shares: &Shares) -> Vec<Destined> {
    let mut places: Vec<Destined> = placed(snapshot, shares)
        .into_iter()
        .map(|(place, share)| Destined { place: place.to_string(), share })
        .filter(|destined| destined.share > ROUNDING)
        .collect();
    places.sort_by(|one, other| other.share.total_cmp(&one.share));
    places
}

fn are_equal(one: &[Destined], other: &[Destined]) -> bool {
    let by_place = |list: &[Destined]| -> BTreeMap<String, f64> {
        list.iter().map(|destined| (destined.place.clone(), destined.share)).collect()
    };
    let (one, other) = (by_place(one), by_place(other));
    one.len() == other.len()
        && one.iter().all(|(place, share)| other.get(place).is_some_and(|there| (there - share).abs() < ROUNDING))
}

/// The decisions of the snapshot that somebody asked about last.
#[derive(Debug, Default)]
pub struct LastDecisions(Mutex<Arc<Decisions>>);

impl LastDecisions {
    /// Returns the decisions of this snapshot. They are computed unless the last reader asked about the same one.
    pub fn of(&self, snapshot: &Snapshot) -> Arc<Decisions> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The first snapshot has generation 1.
        if last.generation != snapshot.generation() {
            *last = Arc::new(Decisions::new(snapshot));
        }
        last.clone()
    }
}
