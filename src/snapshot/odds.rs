//! Computes which share of many clients gets which answer. To do that, it makes the choice of a query once for every
//! possible result of its draws.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::family::Family;
use super::ids::PoolId;
use super::plan::{Choice, Plan, Rung, Verdict};
use super::pool::Pool;
use crate::health::Share;
use crate::steering::{Draw, DrawPath, HashKey, Outcomes, Ranking, Set, first_outcomes, outcomes};

/// The shares of clients that pools get.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// By pool, `fallback` included; `None` for clients that get no endpoint. Each share is above 0, and the sum is 1.
    pub by_pool: BTreeMap<Option<PoolId>, f64>,
    /// The share of clients that gets endpoints that are down, because no others are left.
    pub stranded: f64,
    /// True if all results of draws were computed; false if the shares come from a random sample.
    pub are_exact: bool,
    /// Number of different results of draws that were computed.
    pub ways: usize,
}

impl Plan {
    /// Returns all answers that clients with this ranking can get, with their probabilities. A client asks for the
    /// families one after the other until one has an endpoint, with the same draws for all families. Decisions by a
    /// hash count as draws here, because they differ between clients.
    ///
    /// With the `key` of one client, its part of a roll-out is known and not drawn.
    pub fn odds(&self, ranking: &Ranking, families: &[Family], key: Option<HashKey>) -> Outcomes<(Family, Choice)> {
        outcomes(|lots| ask_in_turn(families, |family| self.drawn(ranking, family, key, lots)))
    }

    /// Returns the choices for these families that clients with this ranking can get: all of them, if there are at most `most`.
    /// Each time, all families have the same draws.
    pub fn choices<const N: usize>(&self, ranking: &Ranking, families: [Family; N], most: usize) -> Vec<[Choice; N]> {
        first_outcomes(most, |lots| families.map(|family| self.drawn(ranking, family, None, lots)))
    }

    /// Returns the choice for one family that follows from these draws, beginning with the first one.
    fn drawn(&self, ranking: &Ranking, family: Family, key: Option<HashKey>, lots: &mut DrawPath) -> Choice {
        lots.again();
        let lots = RefCell::new(lots);
        let draw = |pools: Set, weights: &[u32]| lots.borrow_mut().draw(pools, weights);
        let part = self.part(key, draw);
        let eligible = self.eligible(ranking, part, |_, share| draw(BOTH, &shares(share)) == 0);
        self.spill_by(ranking, part, draw, |spill| self.choose_by(ranking, family, eligible, spill, draw))
    }

    /// Returns all answers that the client with this key can get, with their probabilities. Its hashes are known, so
    /// only the draws that are made for each query are left to chance.
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

    /// Returns the shares of clients with this ranking that go to each pool. The clients ask for the families one after
    /// the other, as for [`odds`](Self::odds). If several pools answer together, a client goes to the first endpoint of
    /// the answer.
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

    /// Returns the pools of the client's part of a roll-out, by its key or by a draw.
    fn part(&self, key: Option<HashKey>, draw: impl Fn(Set, &[u32]) -> usize) -> Set {
        let Some(split) = self.split() else { return Set::MAX };
        if key.is_some() || split.is_whole() {
            return split.pools(key, |_| 0);
        }
        split.side(draw(BOTH, &shares(split.share.thousandths())) == 0)
    }

    /// Returns the share of clients that each pool gets, if all of them get this verdict.
    fn parts(&self, pools: &[Arc<Pool>], family: Family, verdict: Verdict) -> Vec<(Option<PoolId>, f64)> {
        let rule = self.rule();
        let (ids, selection): (Vec<PoolId>, _) = match verdict {
            Verdict::Pools(set, selection) => (rule.pools_of(set).collect(), selection),
            Verdict::Fallback(selection) => (rule.fallback.into_iter().collect(), selection),
            Verdict::Nodata | Verdict::Servfail => return vec![(None, 1.0)],
        };
        // If one pool answers, or the operator set a pick, one pick applies to all endpoints. Otherwise each pool picks
        // for itself, and the results rotate.
        let is_one = rule.pick.is_some() || ids.len() == 1;
        let weighs = |id: PoolId| pools[id.index()].weighs(family);
        let (pick, _) = rule.pick(is_one && ids.iter().copied().any(weighs));
        let mut seen = HashSet::new();
        let (mut owners, mut endpoints) = (Vec::new(), Vec::new());
        for id in ids {
            if !is_one && weighs(id) {
                owners.push(id);
                endpoints.push((1, Share::FULL));
                continue;
            }
            for (key, endpoint) in pools[id.index()].weights(family, selection, pick) {
                // An address in several pools is answered once, as that of the first pool.
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

/// The set for a draw between two outcomes, numbered 0 and 1 as if they were pools.
const BOTH: Set = 0b11;

/// Returns the weights of two outcomes, of which the first has this probability, in thousandths.
fn shares(first: u16) -> [u32; 2] {
    [first, Share::FULL.thousandths() - first].map(u32::from)
}

/// Asks for one family after the other until one has an endpoint to give. Returns that family and its choice.
fn ask_in_turn(families: &[Family], mut ask: impl FnMut(Family) -> Choice) -> (Family, Choice) {
    let mut last = (families[0], ask(families[0]));
    for &family in &families[1..] {
        if last.1.verdict == Verdict::Nodata {
            last = (family, ask(family));
        }
    }
    last
}
