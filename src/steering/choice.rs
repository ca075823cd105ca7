//! From a ranking and what is usable to a choice.
//!
//! ```text
//!   ranking tiers   {fra}      {iad, sin}      {gru}
//!   available          -        -    sin         gru      an intersection of sets
//!   chosen                           sin                  the first tier in which something is left
//! ```
//!
//! The same walk serves every rung of the ladder; only what counts as available differs from one to the next.

use super::ranking::{Ranking, Set, members};
use crate::geo::DatacenterId;

/// How a name's pools are walked: what of a rule the walk needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Course {
    /// The pools of each slot, as a set of the name's pools.
    pub slots: Box<[Set]>,
    /// Where each pool stands.
    pub datacenters: Box<[Option<DatacenterId>]>,
    /// Each pool's weight as the operator wrote it, if the chain draws one pool of a tie (the step `weight`).
    pub weights: Option<Box<[u16]>>,
    /// From the best pools of how many datacenters; at least 1.
    pub take: u8,
}

/// What a walk down a ranking came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// The pools that answer, together; empty if none was available.
    pub chosen: Set,
    /// All pools of the tiers that were looked at.
    pub reached: Set,
}

impl Course {
    /// Walks down the tiers until pools of `take` datacenters are chosen. Tied pools are chosen together, unless weights
    /// draw one of them: a number for each pool, which need not be those that the operator wrote. `draw` gives one of these
    /// pools in proportion to these weights.
    pub fn walk(
        &self,
        ranking: &Ranking,
        available: Set,
        weights: Option<&[u32]>,
        mut draw: impl FnMut(Set, &[u32]) -> usize,
    ) -> Walk {
        let mut walk = Walk::default();
        for &tier in ranking.tiers() {
            let pools = members(tier).fold(0, |pools, slot| pools | self.slots[slot]);
            walk.reached |= pools;
            let mut left = pools & available;
            while left != 0 {
                let best = match weights {
                    Some(weights) => 1 << draw(left, weights),
                    None => left,
                };
                walk.chosen |= best;
                if self.is_enough(walk.chosen) {
                    return walk;
                }
                left &= !self.beside(best);
            }
        }
        walk
    }

    /// All pools that a ranking holds.
    pub fn pools_in(&self, ranking: &Ranking) -> Set {
        ranking.tiers().iter().flat_map(|&tier| members(tier)).fold(0, |pools, slot| pools | self.slots[slot])
    }

    /// Whether the pools stand in `take` datacenters. Those without one count as one.
    fn is_enough(&self, pools: Set) -> bool {
        if self.take <= 1 {
            return true;
        }
        let first_of_its_kind = |&pool: &usize| {
            !members(pools).take_while(|&other| other < pool).any(|other| self.are_together(pool, other))
        };
        members(pools).filter(first_of_its_kind).count() >= usize::from(self.take)
    }

    /// All pools that stand in the same datacenters as these.
    fn beside(&self, pools: Set) -> Set {
        let stands_beside = |&other: &usize| members(pools).any(|pool| self.are_together(pool, other));
        (0..self.datacenters.len()).filter(stands_beside).fold(0, |set, pool| set | 1 << pool)
    }

    fn are_together(&self, pool: usize, other: usize) -> bool {
        self.datacenters[pool] == self.datacenters[other]
    }
}

/// A draw from random numbers: one of some pools in proportion to some weights. `number` gives a uniform random number below
/// its argument.
pub fn by_weight(mut number: impl FnMut(u32) -> u32) -> impl FnMut(Set, &[u32]) -> usize {
    move |pools, weights| {
        let stake = stakes(pools, weights);
        let mut drawn = number(members(pools).map(&stake).sum());
        members(pools)
            .find(|&pool| {
                let here = drawn < stake(pool);
                drawn = drawn.saturating_sub(stake(pool));
                here
            })
            .unwrap_or(pools.trailing_zeros() as usize)
    }
}

/// What each of `pools` is drawn in proportion to: its weight; those of weight 0 only when there is no other, evenly then.
pub(super) fn stakes(pools: Set, weights: &[u32]) -> impl Fn(usize) -> u32 {
    let is_even = members(pools).all(|pool| weights[pool] == 0);
    move |pool| if is_even { 1 } else { weights[pool] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::{Client, Criteria, Criterion};

    const FRA: Option<DatacenterId> = Some(0);
    const IAD: Option<DatacenterId> = Some(1);
    const SIN: Option<DatacenterId> = Some(2);

    fn course(datacenters: &[Option<DatacenterId>]) -> Course {
        let slots = (0..datacenters.len()).map(|pool| 1 << pool).collect();
        Course { slots, datacenters: datacenters.into(), weights: None, take: 1 }
    }

    fn nothing_to_draw(pools: Set, weights: &[u32]) -> usize {
        unreachable!("{pools:b} of {weights:?} are drawn from")
    }

    fn ranking(tiers: &[Set]) -> Ranking {
        let slots = tiers.iter().map(|tier| tier.count_ones() as u8).sum();
        let client = Client { region: crate::geo::Regions::NOWHERE, coordinates: None };
        Criteria::new(slots, vec![Criterion::Failover(tiers.into())]).rank(&client)
    }

    #[test]
    fn the_first_tier_with_something_available_answers() {
        let course = course(&[FRA, IAD, SIN]);
        let ranking = ranking(&[0b001, 0b110]);
        assert_eq!(course.walk(&ranking, 0b111, None, nothing_to_draw), Walk { chosen: 0b001, reached: 0b001 });
        assert_eq!(course.walk(&ranking, 0b110, None, nothing_to_draw), Walk { chosen: 0b110, reached: 0b111 });
        assert_eq!(course.walk(&ranking, 0, None, nothing_to_draw), Walk { chosen: 0, reached: 0b111 });
    }

    #[test]
    fn take_goes_on_until_enough_datacenters_answer() {
        let course = Course { take: 2, ..course(&[FRA, FRA, IAD, SIN]) };
        let ranking = ranking(&[0b0001, 0b0010, 0b0100, 0b1000]);
        assert_eq!(course.walk(&ranking, 0b1111, None, nothing_to_draw).chosen, 0b0111);
        assert_eq!(course.walk(&ranking, 0b1001, None, nothing_to_draw).chosen, 0b1001);
    }

    #[test]
    fn weights_draw_one_pool_of_a_tie() {
        let (course, weights) = (course(&[FRA, FRA, IAD]), Some(&[90, 10, 0][..]));
        let ranking = ranking(&[0b111]);
        let drawn = |number: u32| {
            let number = |sum| {
                assert_eq!(sum, 100);
                number
            };
            course.walk(&ranking, 0b111, weights, by_weight(number))
        };
        assert_eq!(drawn(89).chosen, 0b001);
        assert_eq!(drawn(90).chosen, 0b010);
        assert_eq!(course.walk(&ranking, 0b100, weights, by_weight(|_| 0)).chosen, 0b100);
    }

    #[test]
    fn a_draw_for_two_datacenters_draws_again_without_the_first() {
        let course = Course { take: 2, ..course(&[FRA, FRA, IAD]) };
        let mut numbers = [1, 0].into_iter();
        let draw = by_weight(|_| numbers.next().unwrap());
        assert_eq!(course.walk(&ranking(&[0b111]), 0b111, Some(&[1; 3]), draw).chosen, 0b110);
    }
}
