//! A plan: how a steered name is answered now.
//!
//! A [`rule`] is the part that health does not change. The [`ladder`] decides which pools answer when some are down.
//! [`shedding`] reorders the pools for the clients that a full pool does not keep: the step `load`.

mod ladder;
mod rule;
mod shedding;

pub use ladder::{Choice, Rung, Verdict};
pub use rule::{LoadKeys, Rule};
use shedding::Loads;

use std::num::NonZeroU8;
use std::sync::Arc;

use super::family::{Family, PerFamily};
use super::members::Selection;
use super::name_overrides::NameOrders;
use super::pool::{Kind, Pool};
use super::world::share_addresses;
use crate::health::Share;
use crate::overrides::Mode;
use crate::steering::{Draw, HashKey, Ranking, Set, Spill, Split, by_hash, by_weight, is_among};
use crate::wire::Rtype;

/// A rule with the state of its pools.
#[derive(Clone, Debug)]
pub struct Plan {
    rule: Arc<Rule>,
    /// The orders of operators for the name.
    orders: NameOrders,
    /// The split of its pools, if there is one.
    split: Option<Split>,
    /// The weights with which pools are drawn: configured weights, or weights times shares if a pool keeps only a share
    /// of its clients. `None` if nothing is drawn.
    weights: Option<Arc<[u32]>>,
    /// The loads of the pools; `None` if the chain lacks the step `load`.
    loads: Option<Arc<Loads>>,
    /// The ramp of each pool; `None` if no pool comes back or leaves slowly.
    ramps: Option<Arc<[Share]>>,
    /// True if an address is in several of the pools.
    shares_addresses: bool,
    /// Pools that have endpoints of a family in the configuration.
    given: PerFamily<Set>,
    usable: PerFamily<Set>,
    open: PerFamily<Set>,
    held: PerFamily<Set>,
    draining: PerFamily<Set>,
    /// Pools with open endpoints that are drained for the name only.
    drained_here: PerFamily<Set>,
    /// Pools with endpoints in service, up or down.
    in_service: PerFamily<Set>,
    /// Pools with endpoints that are not forced down, up or down.
    left: PerFamily<Set>,
    /// The pools that were open last, all at the same time.
    recent: PerFamily<Set>,
    restless: Set,
    /// The endpoints that `fallback` can give now.
    fallback: Option<Fallback>,
    /// True if every client's choice begins with the usable pools in the order of its ranking: no split, load, ramp or
    /// override of the name changes either, and the pools of one datacenter answer.
    is_plain: bool,
}

#[derive(Clone, Copy, Debug)]
struct Fallback {
    is_cname: bool,
    given: PerFamily<bool>,
    /// Which of its members answer; `None` if none can.
    answers: PerFamily<Option<Selection>>,
    is_restless: bool,
}

/// A full share, in thousandths.
const FULL: u16 = Share::FULL.thousandths();

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Plan {
    /// Makes the plan of a rule from the present states of all pools, with the orders and the split of its names.
    pub fn new(rule: Arc<Rule>, pools: &[Arc<Pool>], orders: NameOrders, split: Option<Split>) -> Self {
        let is_forced_up = orders.mode == Some(Mode::ForceUp);
        let pool = |place: usize| &pools[rule.pools[place].index()];
        let set = |holds: &dyn Fn(&Pool) -> bool| {
            (0..rule.pools.len()).filter(|&place| holds(pool(place))).fold(0, |set, place| set | 1 << place)
        };
        let sets = |holds: &dyn Fn(&Pool, Family) -> bool| FAMILIES.map(|family| set(&|pool| holds(pool, family)));
        let recent = FAMILIES.map(|family| {
            // Monitors find the endpoints of one outage down at different times. So pools that were up within the time
            // that it takes to confirm an outage count as up before it.
            let left = || rule.pools.iter().map(|&id| &pools[id.index()]).filter(|pool| pool.is_left(family));
            let outage = left().map(|pool| pool.outage()).max().unwrap_or_default();
            let latest = left().map(|pool| pool.last_up(family)).max().unwrap_or_default();
            set(&|pool| pool.is_left(family) && pool.last_up(family) >= latest.saturating_sub(outage))
        });
        let (in_service, left) = (sets(&Pool::is_in_service), sets(&Pool::is_left));
        let (usable, open, draining) = if is_forced_up {
            (in_service, in_service, left)
        } else {
            (sets(&Pool::is_usable), sets(&Pool::is_open), sets(&Pool::is_draining))
        };
        let restless = if is_forced_up { set(&Pool::has_draining) } else { set(&Pool::is_restless) };
        let not_avoided = |sets: PerFamily<Set>| sets.map(|set| set & !orders.avoided());
        let not_forced_down = |sets: PerFamily<Set>| sets.map(|set| set & !orders.forced_down);
        let ramps: Vec<Share> = rule.pools.iter().map(|&id| pools[id.index()].ramp()).collect();
        let ramp = !is_forced_up && ramps.iter().any(|ramp| !ramp.is_full());
        let is_alone = rule.policy.take == NonZeroU8::MIN && !rule.policy.spare;
        let is_plain = is_alone && orders.mode.is_none() && split.is_none() && rule.load.is_none() && !ramp;
        Self {
            orders,
            split,
            weights: rule.policy.draws().then(|| drawn_weights(&rule, pools)),
            loads: rule.load.is_some().then(|| Loads::new(&rule, pools)),
            ramps: ramp.then(|| ramps.into()),
            shares_addresses: rule.shares_addresses || share_registered(&rule, pools),
            given: sets(&Pool::is_given),
            usable: not_avoided(usable),
            open: not_avoided(open),
            held: not_avoided(sets(&Pool::is_held)),
            draining: not_forced_down(draining),
            drained_here: not_forced_down(open).map(|set| set & orders.drained),
            in_service: not_avoided(in_service),
            left: not_forced_down(left),
            recent: not_forced_down(recent),
            restless: restless | orders.drained,
            fallback: rule.fallback.filter(|_| !orders.no_fallback).map(|id| Fallback::new(&pools[id.index()])),
            is_plain,
            rule,
        }
    }

    /// True if an address is in several of its pools.
    #[inline]
    pub fn shares_addresses(&self) -> bool {
        self.shares_addresses
    }

    /// Returns the split of its pools.
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// Returns the part that health does not change.
    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Returns the families whose endpoints answer a question for this type; none if the name's static records answer
    /// it.
    #[inline]
    pub fn families(&self, rtype: Rtype, pools: &[Arc<Pool>]) -> &'static [Family] {
        match rtype {
            Rtype::A => &FAMILIES[..1],
            Rtype::AAAA => &FAMILIES[1..],
            Rtype::HTTPS if self.rule.https.is_some() => &FAMILIES,
            // Signatures and proofs stand beside a CNAME (RFC 4035, section 2.5).
            Rtype::RRSIG | Rtype::NSEC => &[],
            // A CNAME answers every other type. A pool with a CNAME has it in both families.
            _ if self.may_be_cname(pools) => &FAMILIES[..1],
            _ => &[],
        }
    }

    /// Returns the types that the name has beside its static ones and CNAME, whichever endpoints are up.
    pub fn types(&self, pools: &[Arc<Pool>]) -> impl Iterator<Item = Rtype> {
        let of_name = || self.rule.pools.iter().chain(&self.rule.fallback).map(|pool| &pools[pool.index()]);
        let is_given =
            |family| of_name().any(|pool| matches!(pool.kind(), Kind::Addresses(..)) && pool.is_given(family));
        let https = self.rule.https.is_some().then_some(Rtype::HTTPS);
        let v4 = is_given(Family::V4).then_some(Rtype::A);
        let v6 = is_given(Family::V6).then_some(Rtype::AAAA);
        [v4, v6, https].into_iter().flatten()
    }

    /// True if an answer may be a CNAME.
    pub fn may_be_cname(&self, pools: &[Arc<Pool>]) -> bool {
        let first = &pools[self.rule.pools[0].index()];
        matches!(first.kind(), Kind::Cname(_)) || self.fallback.is_some_and(|fallback| fallback.is_cname)
    }

    /// True if clients are sent to a usable pool of the name: one is usable in any family, and no override of the name
    /// keeps clients away.
    pub fn has_usable_pool(&self) -> bool {
        !matches!(self.orders.mode, Some(Mode::Drain | Mode::ForceDown)) && self.usable != [0; 2]
    }

    /// Returns the best rung that can answer any client at all.
    pub fn best_rung(&self) -> Rung {
        let falls_back = self.fallback.is_some_and(|fallback| fallback.answers.iter().any(Option::is_some));
        let is_any = |sets: &PerFamily<Set>| *sets != [0; 2];
        match self.orders.mode {
            Some(Mode::Drain | Mode::ForceDown) if falls_back => Rung::Fallback,
            Some(Mode::ForceDown) => Rung::ForcedDown,
            _ if is_any(&self.usable) => Rung::Usable,
            _ if is_any(&self.open) => Rung::BelowMinimum,
            _ if is_any(&self.held) => Rung::Held,
            _ if is_any(&self.draining) || is_any(&self.drained_here) => Rung::Draining,
            _ if falls_back => Rung::Fallback,
            _ => Rung::AllDown,
        }
    }

    /// Returns the orders of operators for the name.
    pub fn orders(&self) -> &NameOrders {
        &self.orders
    }

    /// Returns the TTL of an answer by this choice, in seconds.
    #[inline]
    pub fn ttl(&self, choice: &Choice) -> u32 {
        if choice.restless { self.rule.ttls.unconfirmed() } else { self.rule.ttls.calm() }
    }

    /// Returns the choice for a client with this ranking. `key` is the client's, if the rule [uses
    /// one](Rule::client_key); `number` returns a uniform random number below its argument.
    #[inline]
    pub fn choose(
        &self,
        ranking: &Ranking,
        family: Family,
        key: Option<HashKey>,
        number: impl FnMut(u32) -> u32,
    ) -> Choice {
        let Some(choice) = self.first_usable(ranking, family) else {
            return self.choose_on_ladder(ranking, family, key, number);
        };
        debug_assert_eq!(choice, self.choose_on_ladder(ranking, family, key, |_| 0), "both ways lead to one choice");
        choice
    }

    /// Returns the choice for a client with this ranking if nothing but the ranking and the usable pools decides it, as for
    /// most queries: then it is the one of [`choose_by`](Self::choose_by). `None` if a pool must be drawn, or if the
    /// ladder decides.
    #[inline]
    pub fn first_usable(&self, ranking: &Ranking, family: Family) -> Option<Choice> {
        if !self.is_plain {
            return None;
        }
        let ([v4, v6], policy) = (self.usable, &self.rule.policy);
        let mut reached = 0;
        let best = ranking.tiers().iter().find_map(|&tier| {
            let pools = policy.pools_of(tier);
            reached |= pools;
            Some(pools & (v4 | v6)).filter(|&best| best != 0)
        })?;
        let chosen = best & self.usable[family as usize];
        if chosen == 0 || (policy.draw.is_some() && !best.is_power_of_two()) {
            return None;
        }
        let (verdict, restless) = (Verdict::Pools(chosen, Selection::Open), reached & self.restless != 0);
        Some(Choice { verdict, rung: Rung::Usable, alone: false, reached, restless })
    }

    /// Returns the choice for a client, whatever has happened to the pools.
    #[inline(never)]
    fn choose_on_ladder(
        &self,
        ranking: &Ranking,
        family: Family,
        key: Option<HashKey>,
        mut number: impl FnMut(u32) -> u32,
    ) -> Choice {
        let part = self.split.map_or(Set::MAX, |split| split.pools(key, &mut number));
        self.spill(key, |spill| {
            if let (Some(Draw::Sticky(pools)), Some(client)) = (&self.rule.policy.draw, key) {
                return self.choose_by_hash(ranking, family, (client, pools), part, spill);
            }
            let eligible = self.eligible(ranking, part, |_, share| number(u32::from(FULL)) < u32::from(share));
            self.choose_by(ranking, family, eligible, spill, by_weight(number))
        })
    }

    /// Returns the choice for a client whose hash draws the pools, by their keys.
    #[inline(never)]
    fn choose_by_hash(
        &self,
        ranking: &Ranking,
        family: Family,
        (client, pools): (HashKey, &[HashKey]),
        part: Set,
        spill: &Spill<'_>,
    ) -> Choice {
        let eligible = self.eligible(ranking, part, |pool, share| is_among(client, pools[pool], share));
        self.choose_by(ranking, family, eligible, spill, by_hash(client, pools))
    }
}

impl Fallback {
    fn new(pool: &Pool) -> Self {
        let answers = |family| {
            let rungs = [
                (Selection::Open, pool.is_open(family)),
                (Selection::Held, pool.is_held(family)),
                (Selection::Draining, pool.is_draining(family)),
            ];
            rungs.into_iter().find(|(_, has_any)| *has_any).map(|(selection, _)| selection)
        };
        Self {
            is_cname: matches!(pool.kind(), Kind::Cname(_)),
            given: FAMILIES.map(|family| pool.is_given(family)),
            answers: FAMILIES.map(answers),
            is_restless: pool.is_restless(),
        }
    }
}

/// True if a pool that takes registered endpoints has an address in common with another pool. What the files list is
/// compared when they are compiled.
fn share_registered(rule: &Rule, pools: &[Arc<Pool>]) -> bool {
    let specs = || rule.pools.iter().map(|&id| pools[id.index()].spec());
    let takes_registered = rule.pools.len() > 1 && specs().any(|spec| spec.registration.is_some());
    takes_registered && share_addresses(specs().map(|spec| &spec.members))
}

/// Returns the weights with which pools are drawn. A pool that keeps only a share of its clients is drawn less often:
/// its weight is multiplied by the share in thousandths. If all pools keep a full share, these are the configured
/// weights.
fn drawn_weights(rule: &Rule, pools: &[Arc<Pool>]) -> Arc<[u32]> {
    let shares: Vec<Share> = rule.pools.iter().map(|&id| pools[id.index()].share()).collect();
    let are_full = shares.iter().all(|share| share.is_full());
    let drawn =
        |(&weight, share): (&u16, Share)| u32::from(weight) * if are_full { 1 } else { u32::from(share.thousandths()) };
    rule.policy.weights.iter().zip(shares).map(drawn).collect()
}
