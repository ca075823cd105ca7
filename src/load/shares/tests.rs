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
                .map(|other| if other != home && self.alive[other] { allowance(other).headroom as f64 } else { 0.0 })
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
            self.keeps
                .push((0..self.demands.len()).map(|it| self.group.allowance(it).local_share.thousandths()).collect());
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
    let estimate =
        |used, capacity| PoolEstimate { is_alive: true, used: Some(used), capacity: Some(capacity), is_fresh: true };
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
