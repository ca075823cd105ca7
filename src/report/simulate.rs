//! The destinations of clients, without and with a failure.
//!
//! Two snapshots of one world answer the same clients; in one of them some endpoints are down. The rankings are the
//! same, because they do not depend on health. The choices differ. All possible draws are computed, so the shares are
//! expected values.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::destinations::{Destination, Flow, flows, placed};
use super::query_mix::{Asking, QueryMix, Source};
use super::text::{Few, Percent};
use crate::overrides::TargetPattern;
use crate::snapshot::{PoolId, Snapshot};

/// The destinations of clients.
#[derive(Debug, Serialize)]
pub struct Simulation {
    /// The unit of clients: `queries` of a log, or `ipv4-addresses` that the database has in a country.
    clients: &'static str,
    /// Number of queries of the log for names or types that are not steered here, or were not asked about.
    left_out: Option<u64>,
    down: Vec<String>,
    /// The names with clients. Without a log, names with equal shares share an entry.
    names: Vec<Simulated>,
    /// All queries of a log together.
    all: Option<Shift>,
}

#[derive(Debug, Serialize)]
struct Simulated {
    names: Vec<String>,
    #[serde(flatten)]
    shift: Shift,
}

/// Shares of clients, before and after the failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Shift {
    clients: u64,
    /// The share of clients that would get endpoints that are down, because no others are left.
    stranded: f64,
    /// True if all draws were computed; false if shares are estimates.
    exact: bool,
    places: Vec<PlaceShift>,
    /// The moves, as shares of all clients, the largest first.
    moves: Vec<Move>,
}

/// A datacenter, a pool without a datacenter, or `nowhere`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct PlaceShift {
    place: String,
    before: f64,
    after: f64,
    pools: Vec<PoolShift>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct PoolShift {
    pool: String,
    before: f64,
    after: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Move {
    from: String,
    to: String,
    share: f64,
}

impl Simulation {
    /// Compares `up` and `failing`, snapshots of one world, for this query mix; `down` lists the difference.
    pub fn new(up: &Snapshot, failing: &Snapshot, query_mix: &QueryMix<'_>, down: &[TargetPattern]) -> Self {
        let mut tallies: BTreeMap<usize, Tally<'_>> = BTreeMap::new();
        let mut all = Tally::new(up);
        for (asking, &clients) in &query_mix.clients {
            let answered = Answered::new(up, failing, query_mix, asking);
            tallies.entry(asking.owner).or_insert_with(|| Tally::new(up)).add(&answered, clients);
            all.add(&answered, clients);
        }
        let by_log = matches!(query_mix.source, Source::Log { .. });
        let mut names: Vec<Simulated> = Vec::new();
        for (owner, tally) in tallies {
            let (name, shift) = (query_mix.owners.list[owner].name.to_string(), tally.shift());
            match names.iter_mut().find(|other| !by_log && other.shift == shift) {
                Some(equal) => equal.names.push(name),
                None => names.push(Simulated { names: vec![name], shift }),
            }
        }
        let (clients, left_out) = match query_mix.source {
            Source::Addresses => ("ipv4-addresses", None),
            Source::Log { left_out } => ("queries", Some(left_out)),
        };
        let down = down.iter().map(TargetPattern::to_string).collect();
        Self { clients, left_out, down, names, all: by_log.then(|| all.shift()) }
    }
}

/// Shares of clients: before and after the failure.
type Pair = (f64, f64);

/// The answers of clients with equal properties.
struct Answered<'a> {
    pools: BTreeMap<Option<PoolId>, Pair>,
    flows: Vec<Flow<'a>>,
    stranded: f64,
    are_exact: bool,
}

impl<'a> Answered<'a> {
    fn new(up: &'a Snapshot, failing: &'a Snapshot, query_mix: &QueryMix<'_>, asking: &Asking) -> Self {
        let (plan, name) = query_mix.owners.list[asking.owner].steered;
        let shares = |snapshot: &Snapshot| {
            let plan = snapshot.plan(plan, name);
            let ranking = &plan.rule().map.rankings()[asking.ranking as usize];
            plan.shares(snapshot.pools(), ranking, asking.families)
        };
        let (before, after) = (shares(up), shares(failing));
        let mut pools: BTreeMap<_, Pair> = BTreeMap::new();
        for (&pool, &share) in &before.by_pool {
            pools.entry(pool).or_default().0 = share;
        }
        for (&pool, &share) in &after.by_pool {
            pools.entry(pool).or_default().1 = share;
        }
        let flows = flows(&placed(up, &before), &placed(failing, &after));
        Self { pools, flows, stranded: after.stranded, are_exact: before.are_exact && after.are_exact }
    }
}

/// Sums over clients.
struct Tally<'a> {
    snapshot: &'a Snapshot,
    clients: u64,
    stranded: f64,
    are_exact: bool,
    pools: BTreeMap<Option<PoolId>, Pair>,
    flows: BTreeMap<(Destination<'a>, Destination<'a>), f64>,
}

impl<'a> Tally<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, clients: 0, stranded: 0.0, are_exact: true, pools: BTreeMap::new(), flows: BTreeMap::new() }
    }

    fn add(&mut self, answered: &Answered<'a>, clients: u64) {
        self.clients += clients;
        self.are_exact &= answered.are_exact;
        let clients = clients as f64;
        self.stranded += answered.stranded * clients;
        for (&pool, &(before, after)) in &answered.pools {
            let sum = self.pools.entry(pool).or_default();
            *sum = (sum.0 + before * clients, sum.1 + after * clients);
        }
        for Flow { from, to, share } in &answered.flows {
            *self.flows.entry((*from, *to)).or_default() += share * clients;
        }
    }

    fn shift(self) -> Shift {
        let clients = self.clients as f64;
        let mut places: BTreeMap<Destination<'_>, PlaceShift> = BTreeMap::new();
        for (&pool, &(before, after)) in &self.pools {
            let (before, after) = (before / clients, after / clients);
            let place = Destination::of(self.snapshot, pool);
            let empty = || PlaceShift { place: place.to_string(), before: 0.0, after: 0.0, pools: Vec::new() };
            let sum = places.entry(place).or_insert_with(empty);
            (sum.before, sum.after) = (sum.before + before, sum.after + after);
            if let Some(id) = pool {
                let pool = self.snapshot.world().pools[id.index()].name.to_string();
                sum.pools.push(PoolShift { pool, before, after });
            }
        }
        let moves = self.flows.iter();
        let moves =
            moves.map(|((from, to), flow)| Move { from: from.to_string(), to: to.to_string(), share: flow / clients });
        let mut moves: Vec<Move> = moves.collect();
        moves.sort_by(|a, b| b.share.total_cmp(&a.share));
        Shift {
            clients: self.clients,
            stranded: self.stranded / clients,
            exact: self.are_exact,
            places: places.into_values().collect(),
            moves,
        }
    }
}

impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.left_out {
            None => "each IPv4 address that the database has in a country counts as one client",
            Some(_) => "each query of the log counts as one client",
        })?;
        if let Some(left_out @ 1..) = self.left_out {
            write!(f, "; {left_out} queries for other names or types are left out")?;
        }
        if !self.down.is_empty() {
            write!(f, "\ndown: {}", self.down.join(", "))?;
        }
        if self.names.is_empty() {
            write!(f, "\nno clients")?;
        }
        for Simulated { names, shift } in &self.names {
            write!(f, "\n\n{}, {} {}", Few(names), shift.clients, self.unit())?;
            self.draw(shift, f)?;
        }
        match self.all.as_ref().filter(|_| self.names.len() > 1) {
            Some(all) => {
                write!(f, "\n\nall names, {} {}", all.clients, self.unit())?;
                self.draw(all, f)
            }
            None => Ok(()),
        }
    }
}

impl Simulation {
    /// Returns the unit of clients as text.
    fn unit(&self) -> &'static str {
        if self.left_out.is_some() { "queries" } else { "IPv4 addresses" }
    }

    fn draw(&self, shift: &Shift, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, before: f64, after: f64| {
            write!(f, "\n  {name:<20}{:>10}", Percent(before))?;
            if self.down.is_empty() { Ok(()) } else { write!(f, "  -> {:>8}", Percent(after)) }
        };
        for PlaceShift { place, before, after, pools } in &shift.places {
            line(place, *before, *after)?;
            for PoolShift { pool, before, after } in pools.iter().filter(|pool| format!("pool:{}", pool.pool) != *place)
            {
                line(&format!("  {pool}"), *before, *after)?;
            }
        }
        if !shift.exact {
            write!(f, "\n  estimates: the draws have too many possible results to compute them all")?;
        }
        if shift.stranded > 0.0 {
            write!(f, "\n  {} would be sent to endpoints that are down", Percent(shift.stranded))?;
        }
        for Move { from, to, share } in &shift.moves {
            write!(f, "\n  {} moves from {from} to {to}", Percent(*share))?;
        }
        Ok(())
    }
}
