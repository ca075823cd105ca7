//! From a ranking and the available pools to a choice.
//!
//! ```text
//!   ranking tiers   {fra}      {iad, sin}      {gru}
//!   available          -        -    sin         gru      an intersection of sets
//!   chosen                           sin                  the first tier in which a pool is left
//! ```
//!
//! The same walk serves every rung of the ladder. Only the set of available pools differs.
//!
//! The step `load` changes the order of the ranking for each client: see [`Spill`].
//!
//! With a spare, the last datacenter is drawn from all others in the ranking, instead of being the next best one. If
//! something breaks that the best pools share, clients still have an address elsewhere.

use std::num::NonZeroU8;

use super::ranking::{Ranking, Set, members};
use super::rendezvous::{HashKey, winner};
use crate::geo::DatacenterId;

/// The selection policy of a name: the part of its configuration that a walk down a ranking needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SelectionPolicy {
    /// The pools of each candidate class, as a set of the name's pools.
    pub classes: Box<[Set]>,
    /// The datacenter of each pool.
    pub datacenters: Box<[Option<DatacenterId>]>,
    /// The configured weight of each pool.
    pub weights: Box<[u16]>,
    /// The way in which the chain draws one pool of a tie; `None` if tied pools answer together.
    pub draw: Option<Draw>,
    /// The number of datacenters whose best pools answer.
    pub take: NonZeroU8,
    /// True if the last of several datacenters is drawn from all other ones in the ranking.
    pub spare: bool,
}

/// Pools that are equally good for a client, and all pools that were looked at to find them.
struct Tier {
    pools: Set,
    looked_at: Set,
}

/// A draw of one of several pools in proportion to weight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Draw {
    /// By chance, for each query (the step `weight`).
    Chance,
    /// By rendezvous hash (the step `sticky`), with the keys of the pools.
    Sticky(Box<[HashKey]>),
}

/// The effect of the step `load` on a ranking, for one client.
///
/// ```text
///   home tiers that keep it > others with headroom, by hash in proportion to it > home tiers that do not > the rest
/// ```
///
/// A pool with enough capacity keeps every client. Without loads the order is therefore that of the ranking.
#[derive(Clone, Copy)]
pub struct Spill<'a> {
    /// Pools that this client may be sent to, if the name is split.
    pub part: Set,
    /// Pools that keep this client if it is one of their own.
    pub keep: Set,
    /// Pools that have headroom for clients of others.
    pub roomy: Set,
    /// Selects one of the given pools for this client.
    pub next: &'a dyn Fn(Set) -> usize,
}

impl Spill<'static> {
    /// All pools keep their clients.
    pub const NONE: Self =
        Self { part: Set::MAX, keep: Set::MAX, roomy: 0, next: &|pools| pools.trailing_zeros() as usize };
}

/// The result of a walk down a ranking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// The pools that answer together; empty if none was available.
    pub chosen: Set,
    /// All pools of the tiers that the walk looked at.
    pub reached: Set,
}

impl SelectionPolicy {
    /// True if anything is drawn in proportion to weight.
    pub fn draws(&self) -> bool {
        self.draw.is_some() || self.spare
    }

    /// The home pools among `part` of clients with this ranking: those that the steps before `load` select.
    pub fn home(&self, ranking: &Ranking, part: Set) -> Set {
        self.by_home(ranking, part).0.iter().fold(0, |pools, &tier| pools | self.pools_of(tier))
    }

    /// Walks down the tiers until pools of `take` datacenters are chosen. Tied pools are chosen together, unless the
    /// chain draws one of them.
    ///
    /// `spill` is the effect of loads on the ranking. `weights` has a number for each pool, which may differ from the
    /// configured weight; it may be empty if nothing is drawn. `draw` selects one of these pools in proportion to these
    /// weights.
    #[inline]
    pub fn walk(
        &self,
        ranking: &Ranking,
        available: Set,
        spill: &Spill<'_>,
        weights: &[u32],
        mut draw: impl FnMut(Set, &[u32]) -> usize,
    ) -> Walk {
        let ranked = if self.spare { self.take.get() - 1 } else { self.take.get() };
        let mut walk = Walk::default();
        let is_complete = match self.by_home(ranking, spill.part) {
            // Most chains have no step `load`, and their order is that of the ranking.
            ([], tiers) => tiers.iter().any(|&tier| {
                let pools = self.pools_of(tier);
                self.take_from(Tier { pools, looked_at: pools }, available, ranked, &mut walk, weights, &mut draw)
            }),
            by_home => self.walk_home(by_home, available, spill, ranked, &mut walk, (weights, &mut draw)),
        };
        if is_complete && self.spare {
            self.add_spare(&mut walk, ranking, available, weights, draw);
        }
        walk
    }

    /// Walks down home tiers, and then the tiers after them. Returns true if pools of enough datacenters are chosen.
    #[inline(never)]
    fn walk_home(
        &self,
        by_home: (&[Set], &[Set]),
        available: Set,
        spill: &Spill<'_>,
        ranked: u8,
        walk: &mut Walk,
        (weights, draw): (&[u32], &mut impl FnMut(Set, &[u32]) -> usize),
    ) -> bool {
        self.tiers(by_home, available, spill).any(|tier| self.take_from(tier, available, ranked, walk, weights, draw))
    }

    /// Chooses available pools of a tier. Returns true if pools of `ranked` datacenters are chosen.
    #[inline]
    fn take_from(
        &self,
        Tier { pools, looked_at }: Tier,
        available: Set,
        ranked: u8,
        walk: &mut Walk,
        weights: &[u32],
        draw: &mut impl FnMut(Set, &[u32]) -> usize,
    ) -> bool {
        walk.reached |= looked_at;
        let mut left = pools & available;
        while left != 0 {
            let best = if self.draw.is_some() { 1 << draw(left, weights) } else { left };
            walk.chosen |= best;
            if self.is_enough(walk.chosen, ranked) {
                return true;
            }
            left &= !self.beside(best);
        }
        false
    }

    /// The order of pools for one client with these home tiers, and tiers after them. Pools that take clients of others
    /// come one at a time, and only if they are available.
    fn tiers<'a>(
        &'a self,
        (home, rest): (&'a [Set], &'a [Set]),
        available: Set,
        spill: &'a Spill<'_>,
    ) -> impl Iterator<Item = Tier> + 'a {
        let Spill { keep, roomy, next, .. } = *spill;
        let of = |tiers: &'a [Set], among: Set| {
            let tiers = tiers.iter().map(|&tier| self.pools_of(tier));
            tiers.map(move |pools| Tier { pools: pools & among, looked_at: pools })
        };
        let others = rest.iter().fold(0, |pools, &tier| pools | self.pools_of(tier));
        let roomy = if home.is_empty() { 0 } else { others & roomy };
        let mut left = roomy & available;
        let moved = std::iter::from_fn(move || {
            let pool = (left != 0).then(|| 1 << next(left))?;
            left &= !pool;
            Some(Tier { pools: pool, looked_at: roomy })
        });
        of(home, keep).chain(moved).chain(of(home, !keep)).chain(of(rest, !roomy))
    }

    /// The tiers whose pools these clients belong to, and the tiers after them.
    #[inline]
    fn by_home<'a>(&self, ranking: &'a Ranking, part: Set) -> (&'a [Set], &'a [Set]) {
        ranking.by_home(|tier| self.pools_of(tier) & part != 0)
    }

    /// The order of pools for a client with this spill, if all pools are available. No set is empty.
    pub fn order(&self, ranking: &Ranking, spill: &Spill<'_>) -> Vec<Set> {
        let tiers = self.tiers(self.by_home(ranking, spill.part), Set::MAX, spill).map(|tier| tier.pools & spill.part);
        tiers.filter(|&pools| pools != 0).collect()
    }

    /// All pools in a ranking.
    pub fn pools_in(&self, ranking: &Ranking) -> Set {
        ranking.tiers().iter().fold(0, |pools, &tier| pools | self.pools_of(tier))
    }

    /// Draws one more datacenter and adds its best pools. The weight of a datacenter is that of its best pools.
    #[inline(never)]
    fn add_spare(
        &self,
        walk: &mut Walk,
        ranking: &Ranking,
        available: Set,
        weights: &[u32],
        mut draw: impl FnMut(Set, &[u32]) -> usize,
    ) {
        let (mut best, mut taken) = (0, self.beside(walk.chosen));
        for &tier in ranking.tiers() {
            let pools = self.pools_of(tier);
            walk.reached |= pools;
            let here = pools & available & !taken;
            best |= here;
            taken |= self.beside(here);
        }
        if best != 0 {
            let drawn = 1 << draw(best, weights);
            walk.chosen |= if self.draw.is_some() { drawn } else { best & self.beside(drawn) };
        }
    }

    /// The pools of a set of candidate classes.
    #[inline]
    fn pools_of(&self, classes: Set) -> Set {
        members(classes).fold(0, |pools, class| pools | self.classes[class])
    }

    /// True if the pools are in at least this many datacenters. Pools without a datacenter count as one.
    #[inline]
    fn is_enough(&self, pools: Set, datacenters: u8) -> bool {
        if datacenters <= 1 {
            return true;
        }
        self.datacenters_of(pools) >= usize::from(datacenters)
    }

    /// Returns the number of datacenters in which these pools are. Pools without a datacenter count as one.
    #[inline(never)]
    fn datacenters_of(&self, pools: Set) -> usize {
        let first_of_its_kind = |&pool: &usize| {
            !members(pools).take_while(|&other| other < pool).any(|other| self.are_together(pool, other))
        };
        members(pools).filter(first_of_its_kind).count()
    }

    /// All pools in the same datacenters as these.
    #[inline(never)]
    fn beside(&self, pools: Set) -> Set {
        let stands_beside = |&other: &usize| members(pools).any(|pool| self.are_together(pool, other));
        (0..self.datacenters.len()).filter(stands_beside).fold(0, |set, pool| set | 1 << pool)
    }

    fn are_together(&self, pool: usize, other: usize) -> bool {
        self.datacenters[pool] == self.datacenters[other]
    }
}

/// Returns a function that draws one pool of a set in proportion to weights, by random numbers. `number` returns a
/// uniform random number below its argument.
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

/// Returns a function that draws by hashes of a client and of all pools: the same pool each time, as long as the set
/// contains that pool.
pub fn by_hash(client: HashKey, keys: &[HashKey]) -> impl FnMut(Set, &[u32]) -> usize {
    move |pools, weights| {
        let place = winner(client, members(pools).map(|pool| (keys[pool], weights[pool])));
        place.and_then(|place| members(pools).nth(place)).unwrap_or(pools.trailing_zeros() as usize)
    }
}

/// Returns the weight with which each of `pools` is drawn. Pools of weight 0 are drawn only if all have weight 0, and
/// then evenly.
pub(super) fn stakes(pools: Set, weights: &[u32]) -> impl Fn(usize) -> u32 {
    let is_even = members(pools).all(|pool| weights[pool] == 0);
    move |pool| if is_even { 1 } else { weights[pool] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::{Client, CompiledChain, CompiledStep};

    const FRA: Option<DatacenterId> = Some(DatacenterId::from_index(0));
    const IAD: Option<DatacenterId> = Some(DatacenterId::from_index(1));
    const SIN: Option<DatacenterId> = Some(DatacenterId::from_index(2));
    const GRU: Option<DatacenterId> = Some(DatacenterId::from_index(3));
    const SYD: Option<DatacenterId> = Some(DatacenterId::from_index(4));

    fn take(count: u8) -> NonZeroU8 {
        NonZeroU8::new(count).unwrap()
    }

    fn policy(datacenters: &[Option<DatacenterId>]) -> SelectionPolicy {
        let classes = (0..datacenters.len()).map(|pool| 1 << pool).collect();
        let weights = vec![1; datacenters.len()].into();
        SelectionPolicy { classes, datacenters: datacenters.into(), weights, draw: None, take: take(1), spare: false }
    }

    fn nothing_to_draw(pools: Set, weights: &[u32]) -> usize {
        unreachable!("{pools:b} of {weights:?} are drawn from")
    }

    fn ranking(tiers: &[Set]) -> Ranking {
        let classes = tiers.iter().map(|tier| tier.count_ones() as u8).sum();
        let client = Client { region: crate::geo::RegionId::NOWHERE, coordinates: None, rtts: &[] };
        CompiledChain::new(classes, vec![CompiledStep::Failover(tiers.into())]).rank(&client)
    }

    #[test]
    fn the_first_tier_with_something_available_answers() {
        let policy = policy(&[FRA, IAD, SIN]);
        let ranking = ranking(&[0b001, 0b110]);
        assert_eq!(
            policy.walk(&ranking, 0b111, &Spill::NONE, &[], nothing_to_draw),
            Walk { chosen: 0b001, reached: 0b001 }
        );
        assert_eq!(
            policy.walk(&ranking, 0b110, &Spill::NONE, &[], nothing_to_draw),
            Walk { chosen: 0b110, reached: 0b111 }
        );
        assert_eq!(policy.walk(&ranking, 0, &Spill::NONE, &[], nothing_to_draw), Walk { chosen: 0, reached: 0b111 });
    }

    #[test]
    fn take_goes_on_until_enough_datacenters_answer() {
        let policy = SelectionPolicy { take: take(2), ..policy(&[FRA, FRA, IAD, SIN]) };
        let ranking = ranking(&[0b0001, 0b0010, 0b0100, 0b1000]);
        assert_eq!(policy.walk(&ranking, 0b1111, &Spill::NONE, &[], nothing_to_draw).chosen, 0b0111);
        assert_eq!(policy.walk(&ranking, 0b1001, &Spill::NONE, &[], nothing_to_draw).chosen, 0b1001);
    }

    #[test]
    fn weights_draw_one_pool_of_a_tie() {
        let policy = SelectionPolicy { draw: Some(Draw::Chance), ..policy(&[FRA, FRA, IAD]) };
        let weights = &[90, 10, 0];
        let ranking = ranking(&[0b111]);
        let drawn = |number: u32| {
            let number = |sum| {
                assert_eq!(sum, 100);
                number
            };
            policy.walk(&ranking, 0b111, &Spill::NONE, weights, by_weight(number))
        };
        assert_eq!(drawn(89).chosen, 0b001);
        assert_eq!(drawn(90).chosen, 0b010);
        assert_eq!(policy.walk(&ranking, 0b100, &Spill::NONE, weights, by_weight(|_| 0)).chosen, 0b100);
    }

    #[test]
    fn a_draw_for_two_datacenters_draws_again_without_the_first() {
        let policy = SelectionPolicy { take: take(2), draw: Some(Draw::Chance), ..policy(&[FRA, FRA, IAD]) };
        let mut numbers = [1, 0].into_iter();
        let draw = by_weight(|_| numbers.next().unwrap());
        assert_eq!(policy.walk(&ranking(&[0b111]), 0b111, &Spill::NONE, &[1; 3], draw).chosen, 0b110);
    }

    #[test]
    fn a_spare_is_one_of_all_others_by_the_weights_of_its_best_pools() {
        // fra, fra | iad | sin, fra | sin, gru, gru
        let datacenters = [FRA, FRA, IAD, SIN, FRA, SIN, GRU, GRU];
        let policy = SelectionPolicy { take: take(2), spare: true, ..policy(&datacenters) };
        let ranking = ranking(&[0b0000_0011, 0b0000_0100, 0b0001_1000, 0b1110_0000]);
        let weights = [9, 9, 1, 2, 9, 9, 3, 4];
        let drawn = |number: u32| {
            let number = |sum| {
                assert_eq!(sum, 1 + 2 + 3 + 4);
                number
            };
            policy.walk(&ranking, 0b1111_1111, &Spill::NONE, &weights, by_weight(number))
        };
        assert_eq!(drawn(0), Walk { chosen: 0b0000_0111, reached: 0b1111_1111 });
        assert_eq!([drawn(1), drawn(2)].map(|walk| walk.chosen), [0b0000_1011; 2]);
        assert_eq!([drawn(3), drawn(9)].map(|walk| walk.chosen), [0b1100_0011; 2], "tied pools of one place together");
        let nobody = policy.walk(&ranking, 0b0001_0011, &Spill::NONE, &weights, nothing_to_draw);
        assert_eq!(nobody.chosen, 0b0000_0011, "there is no other place");
        let one_pool = SelectionPolicy { draw: Some(Draw::Chance), ..policy };
        let mut numbers = [10, 9].into_iter();
        let draw = by_weight(|_| numbers.next().unwrap());
        assert_eq!(one_pool.walk(&ranking, 0b1111_1111, &Spill::NONE, &weights, draw).chosen, 0b1000_0010);
    }

    #[test]
    fn three_places_are_the_two_best_and_a_spare() {
        let policy = SelectionPolicy { take: take(3), spare: true, ..policy(&[FRA, IAD, SIN, GRU, SYD]) };
        let (ranked, tied) = (ranking(&[0b1, 0b10, 0b100, 0b1000, 0b1_0000]), ranking(&[0b111, 0b1_1000]));
        for (number, spare) in [(0, 0b100), (1, 0b1000), (2, 0b1_0000)] {
            assert_eq!(
                policy.walk(&ranked, 0b1_1111, &Spill::NONE, &[1; 5], by_weight(|_| number)).chosen,
                0b11 | spare
            );
        }
        for (number, spare) in [(0, 0b1000), (1, 0b1_0000)] {
            let walk = policy.walk(&tied, 0b1_1111, &Spill::NONE, &[1; 5], by_weight(|_| number));
            assert_eq!(walk.chosen, 0b111 | spare, "a tie answers whole, the spare is one place");
        }
    }

    /// A ranking whose first tiers, `home`, are home by the steps before `load`.
    fn at_home(home: &[Set], rest: &[Set]) -> Ranking {
        let all: Set = home.iter().chain(rest).fold(0, |all, tier| all | tier);
        let home_first = [home.iter().fold(0, |all, tier| all | tier)].into_iter().chain(rest.iter().copied());
        let fine = home.iter().chain(rest).copied().collect();
        let client = Client { region: crate::geo::RegionId::NOWHERE, coordinates: None, rtts: &[] };
        let steps =
            vec![CompiledStep::Failover(home_first.collect()), CompiledStep::Load, CompiledStep::Failover(fine)];
        CompiledChain::new(all.count_ones() as u8, steps).rank(&client)
    }

    #[test]
    fn who_is_not_kept_goes_where_there_is_room_then_stays_then_goes_on() {
        let policy = policy(&[FRA, IAD, SIN, GRU]);
        let ranking = at_home(&[0b0001], &[0b0010, 0b1100]);
        let walk = |available, keep, roomy| {
            let next = |pools: Set| 63 - pools.leading_zeros() as usize;
            policy.walk(&ranking, available, &Spill { part: !0, keep, roomy, next: &next }, &[], nothing_to_draw)
        };
        assert_eq!(walk(0b1111, !0, 0b0110), Walk { chosen: 0b0001, reached: 0b0001 }, "its pool keeps it");
        assert_eq!(walk(0b1111, !1, 0b0110), Walk { chosen: 0b0100, reached: 0b0111 });
        assert_eq!(walk(0b1011, !1, 0b0110).chosen, 0b0010, "the next available pool with headroom");
        assert_eq!(walk(0b1110, !0, 0b0110).chosen, 0b0100, "home is dead");
        assert_eq!(walk(0b1111, !1, 0).chosen, 0b0001, "no pool has headroom");
        assert_eq!(walk(0b1001, !1, 0b0110).chosen, 0b0001, "no available pool has headroom");
        assert_eq!(walk(0b1110, !1, 0).chosen, 0b0010, "home is dead and no pool has headroom: the usual next tier");
        assert_eq!(walk(0b1000, !1, 0b0110).chosen, 0b1000);
    }

    #[test]
    fn tied_pools_are_home_together_and_those_that_keep_a_client_answer_it() {
        let policy = policy(&[FRA, IAD, SIN]);
        let tied = at_home(&[0b011], &[0b100]);
        let next = |_| 2;
        let walk = |ranking: &Ranking, keep| {
            policy
                .walk(ranking, 0b111, &Spill { part: !0, keep, roomy: 0b100, next: &next }, &[], nothing_to_draw)
                .chosen
        };
        assert_eq!([walk(&tied, !0), walk(&tied, !1), walk(&tied, !2), walk(&tied, !3)], [0b011, 0b010, 0b001, 0b100]);
        // Later steps rank the pools that keep the client.
        let ranked = at_home(&[0b001, 0b010], &[0b100]);
        assert_eq!([walk(&ranked, !0), walk(&ranked, !1), walk(&ranked, !3)], [0b001, 0b010, 0b100]);
        // If `load` is the first step there is no other pool to go to.
        let all = at_home(&[0b111], &[]);
        assert_eq!([walk(&all, !0), walk(&all, !5), walk(&all, !7)], [0b111, 0b010, 0b111]);
    }

    #[test]
    fn a_second_place_has_room_too() {
        let policy = SelectionPolicy { take: take(2), ..policy(&[FRA, IAD, SIN, GRU]) };
        let ranking = at_home(&[0b0001], &[0b0010, 0b0100, 0b1000]);
        let next = |pools: Set| 63 - pools.leading_zeros() as usize;
        let walk = |keep| {
            policy
                .walk(&ranking, 0b1111, &Spill { part: !0, keep, roomy: 0b0110, next: &next }, &[], nothing_to_draw)
                .chosen
        };
        assert_eq!([walk(!0), walk(!1)], [0b0101, 0b0110]);
        let order = policy.order(&ranking, &Spill { part: !0, keep: !1, roomy: 0b0110, next: &next });
        assert_eq!(order, [0b0100, 0b0010, 0b0001, 0b1000]);
    }

    #[test]
    fn a_hash_draws_the_same_pool_as_long_as_it_is_there() {
        let keys: Box<[HashKey]> = [b"a", b"b", b"c"].map(|name| HashKey::of_candidate(name)).into();
        let policy =
            SelectionPolicy { draw: Some(Draw::Sticky(keys.clone())), take: take(2), ..policy(&[FRA, IAD, SIN]) };
        let mut seen = 0;
        for number in 0..50_u8 {
            let client = HashKey::of_client([10, 0, number, 0].into(), 24, b"\0");
            let choose = |available| {
                policy.walk(&ranking(&[0b111]), available, &Spill::NONE, &[1; 3], by_hash(client, &keys)).chosen
            };
            let first = 1 << by_hash(client, &keys)(0b111, &[1; 3]);
            let second = 1 << by_hash(client, &keys)(0b111 & !first, &[1; 3]);
            assert_eq!(choose(0b111), first | second);
            assert_eq!(choose(first | second), first | second, "the third is not missed");
            assert_eq!(choose(0b111 & !first), 0b111 & !first);
            seen |= first;
        }
        assert_eq!(seen, 0b111);
    }
}
