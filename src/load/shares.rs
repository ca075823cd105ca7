//! Pools that take one another's clients.

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

    /// Adds the round that ends to the averages of what clients were told.
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

    /// The total headroom that a pool's clients can go to.
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
mod tests {
    use super::super::{BELIEVED_FOR, EndpointLoad, LoadEstimate};
    use super::*;
    use crate::health::Load;
    use std::collections::VecDeque;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    /// The time between two reports, in seconds.
    const INTERVAL: usize = 5;

    /// Datacenters with one endpoint each, and clients whose answers live for a TTL.
    struct Town {
        group: GroupShares,
        /// The load of each pool's own clients.
        demands: Vec<f64>,
        capacities: Vec<f64>,
        alive: Vec<bool>,
        reports: bool,
        estimates: Vec<LoadEstimate>,
        ttl: usize,
        round: usize,
        /// The load that each pool would have if all clients asked now, for each second of the last TTL.
        asked: VecDeque<Vec<f64>>,
        /// The `keep` of each pool after each round, in thousandths.
        keeps: Vec<Vec<u16>>,
        published: usize,
        second: usize,
        noise: Option<fastrand::Rng>,
    }

    impl Town {
        fn new(demands: &[f64], capacities: &[f64], ttl: usize) -> Self {
            let count = demands.len();
            let group = GroupShares::new(vec![Pool::default(); count], &[(0..count).collect()]);
            Self {
                group,
                demands: demands.into(),
                capacities: capacities.into(),
                alive: vec![true; count],
                reports: true,
                estimates: vec![LoadEstimate::default(); count],
                ttl,
                round: ttl + INTERVAL,
                asked: VecDeque::new(),
                keeps: Vec::new(),
                published: 0,
                second: 0,
                noise: None,
            }
        }

        /// Where clients that ask now are sent, by the rule of the step `load`.
        fn answers(&self) -> Vec<f64> {
            let count = self.demands.len();
            let allowance = |pool: usize| self.group.allowance(pool);
            let mut loads = vec![0.0; count];
            for home in 0..count {
                let outlets: Vec<f64> = (0..count)
                    .map(
                        |other| if other != home && self.alive[other] { allowance(other).headroom as f64 } else { 0.0 },
                    )
                    .collect();
                let outlet: f64 = outlets.iter().sum();
                let keep = match (self.alive[home], outlet > 0.0) {
                    (true, true) => f64::from(allowance(home).local_share.thousandths()) / 1000.0,
                    (true, false) => 1.0,
                    (false, _) => 0.0,
                };
                loads[home] += keep * self.demands[home];
                if outlet > 0.0 {
                    for (load, part) in loads.iter_mut().zip(outlets) {
                        *load += (1.0 - keep) * self.demands[home] * part / outlet;
                    }
                } else if keep == 0.0 {
                    // Without the step `load`, all would go to the next pool.
                    let next = (0..count).find(|&other| self.alive[other]).unwrap();
                    loads[next] += self.demands[home];
                }
            }
            loads
        }

        /// Each pool's present load: clients that asked at any time within the last TTL.
        fn loads(&self) -> Vec<f64> {
            let mean = |pool: usize| self.asked.iter().map(|loads| loads[pool]).sum::<f64>() / self.asked.len() as f64;
            (0..self.demands.len()).map(mean).collect()
        }

        fn pass_second(&mut self) {
            self.asked.push_back(self.answers());
            if self.asked.len() > self.ttl {
                self.asked.pop_front();
            }
            let now = SECOND * self.second as u32;
            if self.reports && self.second.is_multiple_of(INTERVAL) {
                for (pool, load) in self.loads().into_iter().enumerate().filter(|(pool, _)| self.alive[*pool]) {
                    let off = self.noise.as_mut().map_or(0.0, |random| random.f64() * 0.1 - 0.05);
                    let load = Load { used: thousandths(load * (1.0 + off)), capacity: None };
                    self.estimates[pool].hear(load, now, SECOND * self.round as u32 / 4, BELIEVED_FOR.max(SECOND * 15));
                }
            }
            self.second += 1;
            if self.second.is_multiple_of(self.round) {
                let since = now.saturating_sub(SECOND * self.round as u32);
                let estimate = |pool: usize| {
                    let endpoint =
                        EndpointLoad { estimate: &self.estimates[pool], capacity: None, is_open: self.alive[pool] };
                    PoolEstimate::new(self.alive[pool], &[endpoint], Some(self.capacities[pool]), now, since)
                };
                let estimates: Vec<PoolEstimate> = (0..self.demands.len()).map(estimate).collect();
                self.published += usize::from(!self.group.round(&estimates).is_empty());
                self.keeps.push(
                    (0..self.demands.len()).map(|it| self.group.allowance(it).local_share.thousandths()).collect(),
                );
            }
        }

        fn pass_rounds(&mut self, rounds: usize) {
            (0..rounds * self.round).for_each(|_| self.pass_second());
        }

        fn keep(&self, pool: usize) -> u16 {
            self.group.allowance(pool).local_share.thousandths()
        }

        /// True if no pool's `keep` changed in the last rounds.
        fn is_still(&self, rounds: usize) -> bool {
            self.keeps[self.keeps.len() - rounds..].windows(2).all(|pair| pair[0] == pair[1])
        }
    }

    fn is_about(value: f64, expected: f64, part: f64) -> bool {
        (value - expected).abs() <= expected * part
    }

    #[test]
    fn an_overload_is_spread_in_proportion_to_room_and_does_not_swing() {
        for ttl in [1, 5, 30, 300] {
            let mut town = Town::new(&[200.0, 40.0, 20.0], &[100.0, 100.0, 200.0], ttl);
            town.pass_rounds(20);
            let loads = town.loads();
            // A load of 100 has to move, to headrooms of 60 and 180.
            assert!(is_about(loads[0], 100.0, 0.05), "{ttl}: {loads:?}");
            assert!(is_about(loads[1], 40.0 + 25.0, 0.05), "{ttl}: {loads:?}");
            assert!(is_about(loads[2], 20.0 + 75.0, 0.05), "{ttl}: {loads:?}");
            town.pass_rounds(80);
            assert!(town.is_still(80), "{ttl}: {:?}", town.keeps);
            // It came down to this value, and hardly went below it.
            let least = town.keeps.iter().map(|keeps| keeps[0]).min().unwrap();
            assert!(town.keep(0) - least <= 50, "{ttl}: {:?}", town.keeps);
        }
    }

    #[test]
    fn what_a_dead_pool_had_is_spread_in_proportion_to_room_and_none_is_over_capacity() {
        let mut town = Town::new(&[90.0, 70.0, 50.0], &[100.0, 100.0, 200.0], 30);
        town.pass_rounds(5);
        let published = town.published;
        town.pass_rounds(5);
        assert_eq!(town.published, published, "nothing changed");
        town.alive[0] = false;
        for _ in 0..100 {
            town.pass_rounds(1);
            let loads = town.loads();
            assert!(loads[1] < 100.0 && loads[2] < 200.0, "{loads:?}");
        }
        // A load of 90 has to move, to headrooms of 30 and 150.
        let loads = town.loads();
        assert!(is_about(loads[1], 70.0 + 15.0, 0.05), "{loads:?}");
        assert!(is_about(loads[2], 50.0 + 75.0, 0.05), "{loads:?}");
        assert_eq!((town.keep(0), town.keep(1), town.keep(2)), (0, 1000, 1000));
        assert!(town.is_still(90), "{:?}", town.keeps);
    }

    #[test]
    fn one_that_comes_back_gets_its_clients_back_a_part_at_a_time() {
        let mut town = Town::new(&[90.0, 70.0, 50.0], &[100.0, 100.0, 200.0], 30);
        town.pass_rounds(5);
        town.alive[0] = false;
        town.pass_rounds(10);
        town.alive[0] = true;
        let before = town.keeps.len();
        town.pass_rounds(10);
        let keeps: Vec<u16> = town.keeps[before..].iter().map(|keeps| keeps[0]).collect();
        assert_eq!(keeps, [250, 500, 750, 1000, 1000, 1000, 1000, 1000, 1000, 1000]);
        assert!(town.is_still(6));
        assert!(is_about(town.loads()[0], 90.0, 0.01), "{:?}", town.loads());
    }

    #[test]
    fn where_there_is_too_little_room_the_others_are_filled_and_not_overfilled() {
        let mut town = Town::new(&[300.0, 80.0, 60.0], &[100.0, 100.0, 100.0], 30);
        town.pass_rounds(30);
        let loads = town.loads();
        assert!(is_about(loads[1], 100.0, 0.05) && is_about(loads[2], 100.0, 0.05), "{loads:?}");
        town.pass_rounds(70);
        assert!(town.is_still(70), "{:?}", town.keeps);
    }

    #[test]
    fn two_dead_pools_are_too_much_and_what_is_left_shares_it_without_a_swing() {
        let mut town = Town::new(&[80.0, 80.0, 60.0, 40.0], &[100.0; 4], 30);
        town.pass_rounds(5);
        (town.alive[0], town.alive[1]) = (false, false);
        town.pass_rounds(100);
        assert!(town.is_still(90), "{:?}", town.keeps);
        assert_eq!((town.keep(2), town.keep(3)), (1000, 1000), "their own clients do not have to move for it");
    }

    #[test]
    fn a_demand_that_grows_is_followed() {
        let mut town = Town::new(&[50.0, 40.0, 20.0], &[100.0, 100.0, 200.0], 30);
        town.pass_rounds(10);
        for demand in [80.0, 120.0, 160.0, 240.0, 180.0, 90.0] {
            town.demands[0] = demand;
            town.pass_rounds(30);
            assert!(is_about(town.loads()[0], demand.min(100.0), 0.05), "{demand}: {:?}", town.loads());
            assert!(town.is_still(10), "{demand}: {:?}", town.keeps);
        }
        assert_eq!(town.keep(0), 1000);
    }

    #[test]
    fn reports_that_are_off_by_a_few_per_cent_publish_little() {
        let mut town = Town::new(&[150.0, 40.0, 20.0], &[100.0, 100.0, 200.0], 30);
        town.noise = Some(fastrand::Rng::with_seed(1));
        town.pass_rounds(20);
        let published = town.published;
        town.pass_rounds(80);
        assert!(is_about(town.loads()[0], 100.0, 0.06), "{:?}", town.loads());
        assert!(town.published - published <= 20, "{} of 80 rounds", town.published - published);
    }

    #[test]
    fn without_reports_all_keep_their_clients_and_none_has_room() {
        let mut town = Town::new(&[500.0, 40.0, 20.0], &[100.0, 100.0, 200.0], 30);
        town.reports = false;
        town.pass_rounds(10);
        town.alive[0] = false;
        town.pass_rounds(10);
        assert!((0..3).all(|pool| town.keep(pool) == 1000 && town.group.allowance(pool).headroom == 0));
    }

    #[test]
    fn what_pools_come_to_can_be_known_beforehand() {
        let estimate = |used, capacity| PoolEstimate {
            is_alive: true,
            used: Some(used),
            capacity: Some(capacity),
            is_fresh: true,
        };
        let demands = [estimate(1500.0, 1000.0), estimate(900.0, 1000.0), estimate(400.0, 1000.0)];
        let names = [vec![0, 1, 2]];
        let told = |down: [bool; 3]| {
            let group = GroupShares::settled(&demands, &names, &down);
            (0..3)
                .map(|pool| (group.allowance(pool).local_share.thousandths(), group.allowance(pool).headroom / 1000))
                .collect::<Vec<_>>()
        };
        assert_eq!(told([false; 3]), [(670, 0), (1000, 100), (1000, 600)]);
        assert_eq!(told([true, false, false]), [(0, 0), (1000, 100), (1000, 600)]);
        // The clients of the dead pool more than fill the last one: no headroom is left for other moves.
        assert_eq!(told([false, false, true]), [(1000, 0), (1000, 100), (0, 0)]);
    }

    #[test]
    fn when_reports_cease_clients_come_back_a_part_at_a_time() {
        let mut town = Town::new(&[1000.0, 40.0, 20.0], &[100.0, 1000.0, 1000.0], 30);
        town.pass_rounds(10);
        assert!(is_about(f64::from(town.keep(0)), 100.0, 0.2), "{}", town.keep(0));
        town.reports = false;
        town.pass_rounds(8);
        let keeps: Vec<u16> = town.keeps[10..].iter().map(|keeps| keeps[0]).collect();
        assert!(keeps.windows(2).all(|pair| pair[1] <= pair[0] + 250), "{keeps:?}");
        assert_eq!(keeps[7], 1000);
    }
}
