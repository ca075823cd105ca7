//! Decides how pools take clients from one another.

use super::estimate::PoolEstimate;
use crate::health::Share;

/// The part of the difference by which demand is corrected in a round.
const GAIN: f64 = 0.5;

/// The weight of the last round in the average of the rounds that clients' answers are from.
const LAST_ROUND: f64 = 0.75;

/// If a pool keeps less than this, its load is mostly not from its own clients. Its demand is then corrected as slowly
/// as if it kept this much.
const LEAST_KEPT: f64 = 0.25;

/// `keep` rises by at most this in a round, so that a pool that comes back does not get all of its clients at once.
const MAX_RISE: f64 = 0.25;

/// The least change of `keep` that is published, in thousandths. A change to all or nothing is always published.
const KEEP_BAND: u16 = 20;

/// The least change of `room` that is published, as a part of the capacity. A change to 0 is always published.
const ROOM_BAND: f64 = 0.05;

/// The decision for a pool, for the step `load`: how many of its clients it keeps, and how many of others it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The share of its clients that it keeps.
    pub local_share: Share,
    /// Its headroom for clients of other pools, in thousandths of the operator's unit; 0 if it is unknown.
    pub headroom: u64,
    /// The loads that the decision is based on, for display.
    pub told: LoadFacts,
}

impl Allowance {
    /// A pool with unknown load: it keeps all of its clients, and takes none of others.
    pub const UNKNOWN: Self =
        Self { local_share: Share::FULL, headroom: 0, told: LoadFacts { used: None, demand: None, capacity: None } };
}

/// The load, demand and capacity of a pool, in thousandths of the operator's unit; `None` if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadFacts {
    /// Its load when the allowance was published.
    pub used: Option<u64>,
    /// The load it would have with all of its own clients, and no others.
    pub demand: Option<u64>,
    /// Its capacity.
    pub capacity: Option<u64>,
}

/// The shares of a load group: pools that have names with the step `load` in common.
#[derive(Clone, Debug)]
pub struct GroupShares {
    pools: Vec<Pool>,
    /// For each pool, the pools that take its clients.
    others: Vec<Vec<usize>>,
}

/// The state of one pool in its group, in the operator's units.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    is_alive: bool,
    used: Option<f64>,
    capacity: Option<f64>,
    demand: Option<f64>,
    /// The averages over the answers that present clients hold: the share of its own clients that the pool kept,
    kept: f64,
    /// and the load that others sent it.
    received: f64,
    /// The share that it keeps, before it is rounded for publication.
    keep: f64,
    allowance: Allowance,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            is_alive: true,
            used: None,
            capacity: None,
            demand: None,
            kept: 1.0,
            received: 0.0,
            keep: 1.0,
            allowance: Allowance::UNKNOWN,
        }
    }
}

impl GroupShares {
    /// A group of these pools. `names` lists the pools of each name, as positions in `pools`.
    pub fn new(pools: Vec<Pool>, names: &[Vec<usize>]) -> Self {
        let others = (0..pools.len()).map(|pool| {
            let together = names.iter().filter(|name| name.contains(&pool)).flatten().copied();
            let mut others: Vec<usize> = together.filter(|&other| other != pool).collect();
            others.sort_unstable();
            others.dedup();
            others
        });
        Self { others: others.collect(), pools }
    }

    /// The final state of pools whose own clients cause these loads; `down` says which of them are then dead.
    pub fn settled(demands: &[PoolEstimate], names: &[Vec<usize>], down: &[bool]) -> Self {
        /// `keep` rises from nothing to all in fewer rounds.
        const ROUNDS: usize = 8;
        let mut group = Self::new(vec![Pool::default(); demands.len()], names);
        let alive: Vec<PoolEstimate> =
            demands.iter().map(|estimate| PoolEstimate { is_alive: true, ..*estimate }).collect();
        group.round(&alive);
        let later = demands.iter().zip(down);
        // The loads in that state are unknown, and not needed: demands stay the same.
        let later: Vec<PoolEstimate> =
            later.map(|(estimate, down)| PoolEstimate { is_alive: !down, is_fresh: false, ..*estimate }).collect();
        for _ in 0..ROUNDS {
            group.round(&later);
        }
        group
    }

    /// The state of a pool, for a group that replaces this one.
    pub fn pool(&self, place: usize) -> Pool {
        self.pools[place]
    }

    /// The allowance of a pool.
    pub fn allowance(&self, place: usize) -> Allowance {
        self.pools[place].allowance
    }

    /// Holds a round with an estimate of each pool. Returns the positions of the pools whose allowance changed.
    pub fn round(&mut self, estimates: &[PoolEstimate]) -> Vec<usize> {
        for (pool, estimate) in self.pools.iter_mut().zip(estimates) {
            pool.is_alive = estimate.is_alive;
        }
        self.remember_answers();
        for (pool, estimate) in self.pools.iter_mut().zip(estimates) {
            pool.observe(estimate);
        }
        let moved = self.moved_part();
        (0..self.pools.len()).filter(|&place| self.pools[place].decide(moved)).collect()
    }

    /// Adds the decisions of the round that ends to the averages over the answers that clients hold.
    fn remember_answers(&mut self) {
        let outlets: Vec<u64> = (0..self.pools.len()).map(|place| self.outlet(place)).collect();
        let mut received = vec![0.0; self.pools.len()];
        for (place, pool) in self.pools.iter().enumerate().filter(|(place, _)| outlets[*place] > 0) {
            let moved = (1.0 - pool.kept_now(outlets[place])) * pool.demand.unwrap_or(0.0);
            for &other in &self.others[place] {
                received[other] += moved * self.pools[other].open_room() as f64 / outlets[place] as f64;
            }
        }
        for ((pool, outlet), received) in self.pools.iter_mut().zip(outlets).zip(received) {
            pool.kept += LAST_ROUND * (pool.kept_now(outlet) - pool.kept);
            pool.received += LAST_ROUND * (received - pool.received);
        }
    }

    /// The total headroom of the pools that can take this pool's clients.
    fn outlet(&self, place: usize) -> u64 {
        self.others[place].iter().map(|&other| self.pools[other].open_room()).sum()
    }

    /// The part of the excess of live pools for which there is headroom, after the clients of dead pools.
    fn moved_part(&self) -> f64 {
        let room: f64 = self.pools.iter().map(Pool::room).sum();
        let of_dead: f64 = self.pools.iter().filter(|pool| !pool.is_alive).filter_map(|pool| pool.demand).sum();
        let excess: f64 = self.pools.iter().map(Pool::excess).sum();
        if excess > 0.0 { ((room - of_dead) / excess).clamp(0.0, 1.0) } else { 1.0 }
    }
}

impl Pool {
    /// Its headroom as answers see it.
    fn open_room(&self) -> u64 {
        if self.is_alive { self.allowance.headroom } else { 0 }
    }

    /// The share of its clients that answers leave it, given the total headroom elsewhere.
    fn kept_now(&self, outlet: u64) -> f64 {
        match (self.is_alive, outlet) {
            (false, _) => 0.0,
            (true, 0) => 1.0,
            (true, _) => f64::from(self.allowance.local_share.thousandths()) / f64::from(Share::FULL.thousandths()),
        }
    }

    /// Corrects its demand by the measured load. A dead pool keeps its demand.
    fn observe(&mut self, estimate: &PoolEstimate) {
        if !self.is_alive {
            return;
        }
        self.used = estimate.used;
        self.capacity = estimate.capacity;
        let Some(used) = estimate.used else {
            self.demand = None;
            return;
        };
        let kept = self.kept.max(LEAST_KEPT);
        let demand = match self.demand {
            None => (used - self.received) / kept,
            Some(demand) if estimate.is_fresh => {
                let expected = self.kept * demand + self.received;
                demand + GAIN * (used - expected) / kept
            }
            Some(demand) => demand,
        };
        self.demand = Some(demand.max(0.0));
    }

    /// Demand and capacity, if the pool is alive and both are known.
    fn known(&self) -> Option<(f64, f64)> {
        self.demand.zip(self.capacity).filter(|_| self.is_alive)
    }

    fn room(&self) -> f64 {
        self.known().map_or(0.0, |(demand, capacity)| (capacity - demand).max(0.0))
    }

    fn excess(&self) -> f64 {
        self.known().map_or(0.0, |(demand, capacity)| (demand - capacity).max(0.0))
    }

    /// Decides its allowance. Returns true if it changed. `moved` is the part of its excess that others can take.
    fn decide(&mut self, moved: f64) -> bool {
        let aim = match (self.is_alive, self.demand) {
            (false, Some(_)) => 0.0,
            (true, Some(demand)) if demand > 0.0 => 1.0 - moved * self.excess() / demand,
            _ => 1.0,
        };
        self.keep = if self.is_alive || aim > 0.0 { aim.min(self.keep + MAX_RISE) } else { aim };
        let (before, keep, room) = (self.allowance, self.keep_to_publish(), self.room_to_publish());
        let is_first = before.told.capacity.is_some() != self.capacity.is_some();
        if (keep, room) == (before.local_share, before.headroom) && !is_first {
            return false;
        }
        let told = LoadFacts {
            used: self.used.map(thousandths),
            demand: self.demand.map(thousandths),
            capacity: self.capacity.map(thousandths),
        };
        self.allowance = Allowance { local_share: keep, headroom: room, told };
        true
    }

    fn keep_to_publish(&self) -> Share {
        /// `keep` is rounded to whole per cent: this many thousandths.
        const STEP: f64 = 10.0;
        let percent = (self.keep * f64::from(Share::FULL.thousandths()) / STEP).round();
        let keep = Share::from_thousandths((percent * STEP) as u16);
        let before = self.allowance.local_share;
        let is_within_band = keep.thousandths().abs_diff(before.thousandths()) < KEEP_BAND;
        let is_extreme = keep.is_full() || !keep.is_some();
        if is_within_band && !is_extreme { before } else { keep }
    }

    fn room_to_publish(&self) -> u64 {
        let (room, before) = (thousandths(self.room()), self.allowance.headroom);
        let band = thousandths(self.capacity.unwrap_or(0.0) * ROOM_BAND);
        if room.abs_diff(before) <= band && room > 0 { before } else { room }
    }
}

fn thousandths(units: f64) -> u64 {
    (units * 1000.0).round() as u64
}

#[cfg(test)]
mod tests;
