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

/// The selection policy of a name: the part of its configuration that a walk down a ranking needs. It is a part of a
/// [`Rule`](crate::snapshot::Rule), which says why its fields are public.
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

    /// Returns the pools of a set of candidate classes.
    #[inline]
    pub fn pools_of(&self, classes: Set) -> Set {
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
mod tests;
