//! How many of many clients get which answer: the choice that a query makes, with every draw taken every way.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::family::Family;
use super::plan::{Choice, Plan, Rung, Verdict};
use super::pool::Pool;
use super::world::PoolId;
use crate::health::Share;
use crate::steering::{Draw, HashKey, Outcomes, Ranking, Set, outcomes};

/// Which share of clients is sent to which pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// By pool, fallback too; `None` for clients that are given no endpoint. Above 0, together 1.
    pub by_pool: BTreeMap<Option<PoolId>, f64>,
    /// The share that is sent to endpoints that are down, for want of others.
    pub stranded: f64,
    /// Whether they are computed from all draws there are; otherwise from a random sample of them.
    pub are_exact: bool,
    /// How many ways of draws were looked at.
    pub ways: usize,
}

impl Plan {
    /// What clients with this ranking can be answered, and how probable each answer is. They ask for the families one after
    /// the other until one has something to give, and draws go the same way for all of them. What a hash decides is a draw
    /// too, for many clients.
    ///
    /// `key` is that of one client: which part of a roll-out it belongs to is then no draw.
    pub fn odds(&self, ranking: &Ranking, families: &[Family], key: Option<HashKey>) -> Outcomes<(Family, Choice)> {
        outcomes(|lots| {
            let lots = RefCell::new(lots);
            let draw = |pools: Set, weights: &[u32]| lots.borrow_mut().draw(pools, weights);
            ask_in_turn(families, |family| {
                lots.borrow_mut().again();
                let part = self.part(key, draw);
                let eligible = self.eligible(ranking, part, |_, share| draw(BOTH, &shares(share)) == 0);
                self.spill_by(ranking, part, draw, |spill| self.choose_by(ranking, family, eligible, spill, draw))
            })
        })
    }

    /// The same for the one client with this key: nothing is left to chance but what queries leave to it.
    pub fn odds_for(&self, ranking: &Ranking, families: &[Family], key: Option<HashKey>) -> Outcomes<(Family, Choice)> {
        outcomes(|lots| {
            let lots = RefCell::new(lots);
            let draw = |pools: Set, weights: &[u32]| lots.borrow_mut().draw(pools, weights);
            ask_in_turn(families, |family| {
                lots.borrow_mut().again();
                if matches!(self.rule().policy.draw, Some(Draw::Sticky(_))) && key.is_some() {
                    return self.choose(ranking, family, key, |_| 0);
                }
                let eligible = self.eligible(ranking, self.part(key, draw), |_, share| draw(BOTH, &shares(share)) == 0);
                self.spill(key, |spill| self.choose_by(ranking, family, eligible, spill, draw))
            })
        })
    }

    /// Where clients with this ranking are sent; `families` as for [`odds`](Self::odds). Where pools answer together, a client
    /// goes to the endpoint that stands first.
    pub fn shares(&self, pools: &[Arc<Pool>], ranking: &Ranking, families: &[Family]) -> Shares {
        let outcomes = self.odds(ranking, families, None);
        let ways = outcomes.ways.len();
        let mut by_pool = BTreeMap::new();
        let mut stranded = 0.0;
        for ((family, choice), probability) in outcomes.ways {
            if choice.rung == Rung::AllDown && matches!(choice.verdict, Verdict::Pools(..)) {
                stranded += probability;
            }
            for (pool, part) in self.parts(pools, family, choice.verdict) {
                *by_pool.entry(pool).or_default() += probability * part;
            }
        }
        Shares { by_pool, stranded, are_exact: outcomes.are_exact, ways }
    }

    /// The pools that a client belongs to, by its key or by a draw.
    fn part(&self, key: Option<HashKey>, draw: impl Fn(Set, &[u32]) -> usize) -> Set {
        let Some(split) = self.split() else { return Set::MAX };
        if key.is_some() || split.is_whole() {
            return split.pools(key, |_| 0);
        }
        split.side(draw(BOTH, &shares(split.share.thousandths())) == 0)
    }

    /// The parts of one outcome's clients that its pools get.
    fn parts(&self, pools: &[Arc<Pool>], family: Family, verdict: Verdict) -> Vec<(Option<PoolId>, f64)> {
        let rule = self.rule();
        let (ids, selection): (Vec<PoolId>, _) = match verdict {
            Verdict::Pools(set, selection) => (rule.pools_of(set).collect(), selection),
            Verdict::Fallback(selection) => (rule.fallback.into_iter().collect(), selection),
            Verdict::Nodata | Verdict::Servfail => return vec![(None, 1.0)],
        };
        // One pool alone, or one pick for all of them; otherwise each picks for itself, and what they give takes turns.
        let is_one = rule.pick.is_some() || ids.len() == 1;
        let weighs = |id: PoolId| pools[id as usize].weighs(family);
        let (pick, _) = rule.pick(is_one && ids.iter().copied().any(weighs));
        let mut seen = HashSet::new();
        let (mut owners, mut endpoints) = (Vec::new(), Vec::new());
        for id in ids {
            if !is_one && weighs(id) {
                owners.push(id);
                endpoints.push((1, Share::FULL));
                continue;
            }
            for (key, endpoint) in pools[id as usize].weights(family, selection, pick) {
                // What another pool holds as well is answered once, as that one's.
                if seen.insert(key) {
                    owners.push(id);
                    endpoints.push(endpoint);
                }
            }
        }
        let stakes = pick.stakes(&endpoints);
        let sum: u64 = stakes.iter().sum();
        let mut parts: BTreeMap<PoolId, u64> = BTreeMap::new();
        for (id, stake) in owners.into_iter().zip(stakes).filter(|(_, stake)| *stake > 0) {
            *parts.entry(id).or_default() += stake;
        }
        parts.into_iter().map(|(id, part)| (Some(id), part as f64 / sum as f64)).collect()
    }
}

/// Two ways, as if they were pools.
const BOTH: Set = 0b11;

/// What is drawn for one of them with this probability, in thousandths.
fn shares(first: u16) -> [u32; 2] {
    [first, Share::FULL.thousandths() - first].map(u32::from)
}

/// What comes of asking for one family after the other until one has something to give.
fn ask_in_turn(families: &[Family], mut ask: impl FnMut(Family) -> Choice) -> (Family, Choice) {
    let mut last = (families[0], ask(families[0]));
    for &family in &families[1..] {
        if last.1.verdict == Verdict::Nodata {
            last = (family, ask(family));
        }
    }
    last
}
