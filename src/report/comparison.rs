//! Compares two snapshots over the whole address space, with the maps and plans of both.
//!
//! ```text
//!   steered name ─► plan of the old one, plan of the new one
//!   address ─► ranking in the old map, ranking in the new one, country      counted exactly
//!   ranking ─► the shares of clients that a plan sends to each destination
//!   two such distributions ─► moves from destination to destination
//! ```
//!
//! Names with equal plans are compared once, and names with equal maps share the address counts.
//!
//! A resolution answers one client, and the IPv4 address space alone has 2^32 of them. So clients are counted by
//! ranking. The rest is the walk down the ladder that a resolution makes too: `Plan::choose_by`, once for every way in
//! which its draws can go.

use std::collections::{BTreeMap, HashMap};
use std::ptr;
use std::sync::Arc;

use serde::Serialize;

use super::address_counts::{AddressCounts, Cell, Count, Domicile};
use super::destinations::{Destination, EITHER, Placed, flows, placed};
use crate::snapshot::{Plan, Snapshot};
use crate::steering::Map;

/// Number of all IPv4 addresses.
const IPV4_SPACE: f64 = 4_294_967_296.0;

/// Two snapshots, and the results so far.
pub(super) struct Comparison<'a> {
    old: &'a Snapshot,
    new: &'a Snapshot,
    address_counts: AddressCounts,
    totals: BTreeMap<Domicile, Count>,
    /// By the memory addresses of two maps.
    cells: HashMap<(*const Map, *const Map), Vec<Cell>>,
    /// By the memory addresses of two plans.
    moves: HashMap<(*const Plan, *const Plan), Moves>,
}

/// The clients of one name that move.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Moves {
    /// The moving share of all IPv4 addresses.
    pub(super) ipv4: f64,
    /// The moving share of the IPv6 /48 networks that the new database locates; `None` if it locates none. A part of a
    /// /48 counts as a whole one.
    pub(super) ipv6: Option<f64>,
    /// True if all draws were computed; false if shares are estimates.
    pub(super) exact: bool,
    /// The moves, the largest first.
    #[serde(rename = "moves")]
    pub(super) list: Vec<Move>,
}

/// Clients that move from one destination to another, as shares of the same totals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) ipv4: f64,
    pub(super) ipv6: Option<f64>,
    /// The countries, the one with the most IPv4 addresses first.
    pub(super) countries: Vec<CountryMove>,
}

/// The share of a country's addresses that moves; `None` if the country has none of the family.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CountryMove {
    pub(super) country: String,
    pub(super) ipv4: Option<f64>,
    pub(super) ipv6: Option<f64>,
}

/// Clients that move between two destinations: numbers of addresses, by location and by the share of their clients that
/// moves. They are integers, so the order of addition does not change the sum.
type Flowing = BTreeMap<(Domicile, u64), Count>;

impl<'a> Comparison<'a> {
    /// Begins a comparison. Countries are those of the new snapshot's database.
    pub(super) fn new(old: &'a Snapshot, new: &'a Snapshot) -> Self {
        let address_counts = AddressCounts::new(new.locations(), new.world().ecs.caps());
        let totals = address_counts.totals();
        Self { old, new, address_counts, totals, cells: HashMap::new(), moves: HashMap::new() }
    }

    /// Returns the moves of a name with these plans.
    pub(super) fn moves(&mut self, old: &'a Plan, new: &'a Plan) -> &Moves {
        let key = (ptr::from_ref(old), ptr::from_ref(new));
        if !self.moves.contains_key(&key) {
            let moves = self.compare(old, new);
            self.moves.insert(key, moves);
        }
        &self.moves[&key]
    }

    fn compare(&mut self, old: &Plan, new: &Plan) -> Moves {
        let (before, after) = (&old.rule().map, &new.rule().map);
        let key = (Arc::as_ptr(before), Arc::as_ptr(after));
        let cells = self.cells.entry(key).or_insert_with(|| self.address_counts.cells(before, after));
        let (before, old_is_exact) = by_ranking(self.old, old);
        let (after, new_is_exact) = by_ranking(self.new, new);
        let mut flowing: BTreeMap<(Destination<'_>, Destination<'_>), Flowing> = BTreeMap::new();
        for Cell { before: here, after: there, domicile, count } in cells.iter() {
            for flow in flows(&before[*here as usize], &after[*there as usize]) {
                let flowing = flowing.entry((flow.from, flow.to)).or_default();
                let sum = flowing.entry((*domicile, flow.share.to_bits())).or_default();
                *sum = sum.plus(*count);
            }
        }
        let mut moves: Vec<Move> = flowing.iter().map(|(way, flowing)| self.a_move(*way, flowing)).collect();
        moves.sort_by(|a, b| b.ipv4.total_cmp(&a.ipv4));
        Moves {
            ipv4: moves.iter().fold(0.0, |sum, one| sum + one.ipv4),
            ipv6: moves.iter().map(|one| one.ipv6).try_fold(0.0, |sum, share| Some(sum + share?)),
            exact: old_is_exact && new_is_exact,
            list: moves,
        }
    }

    fn a_move(&self, (from, to): (Destination<'_>, Destination<'_>), flowing: &Flowing) -> Move {
        let (v4, _) = amount(flowing, |_| true);
        let (_, v6) = amount(flowing, is_located);
        let located = self.totals.iter().filter(|(domicile, _)| is_located(**domicile));
        let located = located.fold(Count::default(), |sum, (_, count)| sum.plus(*count));
        Move {
            from: from.to_string(),
            to: to.to_string(),
            ipv4: v4 / IPV4_SPACE,
            ipv6: share(v6, located.v6 as f64),
            countries: self.countries(flowing),
        }
    }

    fn countries(&self, flowing: &Flowing) -> Vec<CountryMove> {
        let mut countries: Vec<(f64, CountryMove)> = Vec::new();
        for (domicile, total) in &self.totals {
            let Domicile::Country(code) = domicile else { continue };
            let (v4, v6) = amount(flowing, |other| other == *domicile);
            let (ipv4, ipv6) = (share(v4, total.v4 as f64), share(v6, total.v6 as f64));
            if v4 + v6 > 0.0 {
                countries.push((v4, CountryMove { country: code.to_string(), ipv4, ipv6 }));
            }
        }
        countries.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        countries.into_iter().map(|(_, country)| country).collect()
    }
}

/// Returns the destinations of the clients of each ranking of a plan's map, and true if the shares are exact.
fn by_ranking<'a>(snapshot: &'a Snapshot, plan: &Plan) -> (Vec<Placed<'a>>, bool) {
    let rankings = plan.rule().map.rankings().iter();
    let shares: Vec<_> = rankings.map(|ranking| plan.shares(snapshot.pools(), ranking, EITHER)).collect();
    let are_exact = shares.iter().all(|shares| shares.are_exact);
    (shares.iter().map(|shares| placed(snapshot, shares)).collect(), are_exact)
}

/// Returns the number of moving clients, IPv4 and IPv6.
fn amount(flowing: &Flowing, counts: impl Fn(Domicile) -> bool) -> (f64, f64) {
    let counted = flowing.iter().filter(|((domicile, _), _)| counts(*domicile));
    counted.fold((0.0, 0.0), |(v4, v6), ((_, share), count)| {
        let share = f64::from_bits(*share);
        (v4 + share * count.v4 as f64, v6 + share * count.v6 as f64)
    })
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn is_located(domicile: Domicile) -> bool {
    domicile != Domicile::Unlocated
}
