//! The possible results of draws.
//!
//! A decision that draws is made once for every combination of results. The odds therefore come from the very code that
//! answers queries, and no rule is implemented twice.
//!
//! ```text
//!   a run          its draws                                         its probability
//!   first          {fra 9, iad 1, sin 0} -> fra, {iad 1, sin 0} -> iad     0.9 * 1
//!   second         {fra 9, iad 1, sin 0} -> iad, {fra 9, sin 0} -> fra     0.1 * 1
//! ```
//!
//! Each run repeats the draws of the run before, up to the last draw that has a result left to try.

use super::choice::stakes;
use super::ranking::{Set, members};

/// Maximum number of combinations that are computed. Drawing 3 of 64 pools has 249,984; drawing 2 of 64, or 5 of 10,
/// has fewer than this. If there are more, this many random ones represent all: their shares are then right to about
/// 0.2 %.
const MAX_WAYS: usize = 1 << 16;

/// The seed of random combinations, so that the same question has the same answer.
const SEED: u64 = 0;

/// The possible outcomes of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes<T> {
    /// Each combination of draws: its outcome and its probability. Several may have equal outcomes.
    pub ways: Vec<(T, f64)>,
    /// True if these are all combinations, false if they are a random sample.
    pub are_exact: bool,
}

/// The draws of one run.
#[derive(Debug, Default)]
pub struct DrawPath {
    forks: Vec<Fork>,
    /// The number of forks that this run has reached.
    met: usize,
    /// The random numbers for random combinations.
    chance: Option<fastrand::Rng>,
}

/// One draw: the pools that can be drawn, and the one that is drawn.
#[derive(Debug)]
struct Fork {
    pools: Vec<(usize, f64)>,
    taken: usize,
}

/// All possible outcomes of `decide`, which must draw by [`DrawPath::draw`] only.
pub fn outcomes<T>(mut decide: impl FnMut(&mut DrawPath) -> T) -> Outcomes<T> {
    every_way(&mut decide).unwrap_or_else(|| random_ways(&mut decide))
}

/// The outcomes of `decide`, which must draw by [`DrawPath::draw`] only, for the first combinations of draws: for all of them
/// if there are at most `most`.
pub fn first_outcomes<T>(most: usize, mut decide: impl FnMut(&mut DrawPath) -> T) -> Vec<T> {
    let mut path = DrawPath::default();
    let mut outcomes = Vec::new();
    while outcomes.len() < most {
        outcomes.push(decide(&mut path));
        if !path.turn() {
            break;
        }
    }
    outcomes
}

/// Decides once for every combination of draws. Returns `None` if there are more than [`MAX_WAYS`].
fn every_way<T>(decide: &mut impl FnMut(&mut DrawPath) -> T) -> Option<Outcomes<T>> {
    let ways = first_outcomes(MAX_WAYS + 1, |path| {
        let outcome = decide(path);
        (outcome, path.probability())
    });
    (ways.len() <= MAX_WAYS).then_some(Outcomes { ways, are_exact: true })
}

fn random_ways<T>(decide: &mut impl FnMut(&mut DrawPath) -> T) -> Outcomes<T> {
    let mut path = DrawPath { chance: Some(fastrand::Rng::with_seed(SEED)), ..DrawPath::default() };
    let way = |_| {
        path.forks.clear();
        path.again();
        (decide(&mut path), 1.0 / MAX_WAYS as f64)
    };
    Outcomes { ways: (0..MAX_WAYS).map(way).collect(), are_exact: false }
}

impl DrawPath {
    /// Draws one of `pools`, which must not be empty, in proportion to `weights`.
    pub fn draw(&mut self, pools: Set, weights: &[u32]) -> usize {
        if self.met == self.forks.len() {
            self.forks.push(Fork::new(pools, weights, self.chance.as_mut()));
        }
        let fork = &self.forks[self.met];
        self.met += 1;
        fork.pools[fork.taken].0
    }

    /// Repeats the draws of this run from the first one: for a decision that asks twice and must get the same results.
    pub fn again(&mut self) {
        self.met = 0;
    }

    fn probability(&self) -> f64 {
        self.forks.iter().map(|fork| fork.pools[fork.taken].1).product()
    }

    /// Goes to the next combination. Returns false if this was the last.
    fn turn(&mut self) -> bool {
        self.again();
        while let Some(last) = self.forks.last_mut() {
            last.taken += 1;
            if last.taken < last.pools.len() {
                return true;
            }
            self.forks.pop();
        }
        false
    }
}

impl Fork {
    fn new(pools: Set, weights: &[u32], chance: Option<&mut fastrand::Rng>) -> Self {
        let stake = stakes(pools, weights);
        let sum: u32 = members(pools).map(&stake).sum();
        let drawn = members(pools).filter(|&pool| stake(pool) > 0);
        let pools: Vec<_> = drawn.map(|pool| (pool, f64::from(stake(pool)) / f64::from(sum))).collect();
        let taken = chance.map_or(0, |chance| {
            let mut left = chance.f64();
            let found = pools.iter().position(|&(_, probability)| {
                left -= probability;
                left < 0.0
            });
            found.unwrap_or(pools.len() - 1)
        });
        Self { pools, taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The probability of each set of pools that `count` draws without replacement give.
    fn drawn(weights: &[u32], count: u32) -> (Vec<(Set, f64)>, bool) {
        let all = (1 << weights.len()) - 1;
        let outcomes = outcomes(|path| (0..count).fold(0, |set: Set, _| set | 1 << path.draw(all & !set, weights)));
        let mut sets: std::collections::BTreeMap<Set, f64> = std::collections::BTreeMap::new();
        for (set, probability) in outcomes.ways {
            *sets.entry(set).or_default() += probability;
        }
        (sets.into_iter().collect(), outcomes.are_exact)
    }

    #[test]
    fn what_does_not_draw_has_one_outcome() {
        assert_eq!(outcomes(|_| "fra"), Outcomes { ways: vec![("fra", 1.0)], are_exact: true });
    }

    #[test]
    fn a_draw_is_in_proportion_to_weight_and_takes_weight_zero_only_when_nothing_else_is_left() {
        assert_eq!(drawn(&[90, 10, 0], 1).0, [(0b001, 0.9), (0b010, 0.1)]);
        assert_eq!(drawn(&[0, 0], 1).0, [(0b01, 0.5), (0b10, 0.5)]);
        assert_eq!(drawn(&[90, 10, 0], 3).0, [(0b111, 1.0)]);
    }

    #[test]
    fn a_second_draw_depends_on_the_first() {
        // 1/2 * 2/3 + 1/3 * 3/4, 1/2 * 1/3 + 1/6 * 3/5, 1/3 * 1/4 + 1/6 * 2/5
        let expected = [(0b011, 7.0 / 12.0), (0b101, 4.0 / 15.0), (0b110, 3.0 / 20.0)];
        for ((set, probability), (expected_set, expected)) in drawn(&[3, 2, 1], 2).0.into_iter().zip(expected) {
            assert_eq!(set, expected_set);
            assert!((probability - expected).abs() < 1e-12, "{set:b}: {probability}");
        }
    }

    #[test]
    fn the_same_draws_can_be_had_again() {
        let both = outcomes(|path| {
            let first = path.draw(0b11, &[1, 3]);
            path.again();
            (first, path.draw(0b11, &[1, 3]))
        });
        assert_eq!(both.ways, [((0, 0), 0.25), ((1, 1), 0.75)]);
    }

    #[test]
    fn too_many_ways_are_sampled_and_that_is_told() {
        assert!(drawn(&[1; 40], 2).1);
        let (sets, are_exact) = drawn(&[1; 40], 4);
        assert!(!are_exact);
        let with_first: f64 = sets.iter().filter(|(set, _)| set & 1 != 0).map(|(_, probability)| probability).sum();
        assert!((with_first - 0.1).abs() < 0.01, "{with_first}");
    }
}
