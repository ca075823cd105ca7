//! How many of many clients get which answer: the choice that a query makes, with every draw taken every way.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::{Choice, Plan, Rung, Verdict};
use super::pool::{Family, Pool};
use super::world::PoolId;
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
}

impl Plan {
    /// What clients with this ranking can be answered, and how probable each answer is. They ask for the families one after
    /// the other until one has something to give, and draws go the same way for all of them. What a hash decides is a draw
    /// too, for many clients.
    pub fn odds(&self, ranking: &Ranking, families: &[Family]) -> Outcomes<(Family, Choice)> {
        outcomes(|lots| {
            let lots = RefCell::new(lots);
            let draw = |pools: Set, weights: &[u32]| lots.borrow_mut().draw(pools, weights);
            ask_in_turn(families, |family| {
                lots.borrow_mut().again();
                self.spill_by(ranking, draw, |spill| self.choose_by(ranking, family, spill, draw))
            })
        })
    }

    /// The same for the one client with this key: nothing is left to chance but what queries leave to it.
    pub fn odds_for(
        &self,
        ranking: &Ranking,
        families: &[Family],
        client: Option<HashKey>,
    ) -> Outcomes<(Family, Choice)> {
        let rule = self.rule();
        outcomes(|lots| {
            ask_in_turn(families, |family| {
                lots.again();
                self.spill(client, |spill| match (&rule.course.draw, client) {
                    (Some(Draw::Sticky(_)), Some(_)) => self.choose(ranking, family, client, |_| 0),
                    _ => self.choose_by(ranking, family, spill, |pools, weights| lots.draw(pools, weights)),
                })
            })
        })
    }

    /// Where clients with this ranking are sent; `families` as for [`odds`](Self::odds). Where pools answer together, a client
    /// goes to the endpoint that stands first.
    pub fn shares(&self, pools: &[Arc<Pool>], ranking: &Ranking, families: &[Family]) -> Shares {
        let outcomes = self.odds(ranking, families);
        let mut by_pool = BTreeMap::new();
        let mut stranded = 0.0;
        for ((family, choice), probability) in outcomes.ways {
            if choice.rung == Rung::AllDown && matches!(choice.verdict, Verdict::Pools(..)) {
                stranded += probability;
            }
            for (pool, part) in self.split(pools, family, choice.verdict) {
                *by_pool.entry(pool).or_default() += probability * part;
            }
        }
        Shares { by_pool, stranded, are_exact: outcomes.are_exact }
    }

    /// The parts of one outcome's clients that its pools get.
    fn split(&self, pools: &[Arc<Pool>], family: Family, verdict: Verdict) -> Vec<(Option<PoolId>, f64)> {
        let rule = self.rule();
        let (ids, selection): (Vec<PoolId>, _) = match verdict {
            Verdict::Pools(set, selection) => (rule.pools_of(set).collect(), selection),
            Verdict::Fallback(selection) => (rule.fallback.into_iter().collect(), selection),
            Verdict::Nodata | Verdict::Servfail => return vec![(None, 1.0)],
        };
        let endpoints = ids.iter().flat_map(|&id| {
            let weights = pools[id as usize].weights(family, selection, rule.pick);
            weights.into_iter().map(move |weight| (id, weight))
        });
        let (owners, weights): (Vec<PoolId>, Vec<_>) = endpoints.unzip();
        let stakes = rule.pick.stakes(&weights);
        let sum: u64 = stakes.iter().sum();
        let mut parts: BTreeMap<PoolId, u64> = BTreeMap::new();
        for (id, stake) in owners.into_iter().zip(stakes).filter(|(_, stake)| *stake > 0) {
            *parts.entry(id).or_default() += stake;
        }
        parts.into_iter().map(|(id, part)| (Some(id), part as f64 / sum as f64)).collect()
    }
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
