//! How many of many clients get which answer: the choice that a query makes, with every draw taken every way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::{Choice, Plan, Rung, Verdict};
use super::pool::{Family, Pool};
use super::world::PoolId;
use crate::health::Share;
use crate::steering::{HashKey, Lots, Outcomes, Ranking, Set, outcomes};

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
    /// the other until one has something to give, and draws go the same way for all of them.
    ///
    /// `key` is that of one client: which part of a roll-out it belongs to is then no draw.
    pub fn odds(&self, ranking: &Ranking, families: &[Family], key: Option<HashKey>) -> Outcomes<(Family, Choice)> {
        outcomes(|lots| {
            let mut ask = |family| {
                lots.again();
                let part = self.part(key, lots);
                let shares = |share: u16| [u32::from(share), u32::from(Share::FULL.thousandths() - share)];
                let takers = self.takers(ranking, part, |_, share| lots.draw(0b11, &shares(share)) == 0);
                (family, self.choose_by(ranking, family, takers, |pools, weights| lots.draw(pools, weights)))
            };
            let mut last = ask(families[0]);
            for &family in &families[1..] {
                if last.1.verdict == Verdict::Nodata {
                    last = ask(family);
                }
            }
            last
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
    fn part(&self, key: Option<HashKey>, lots: &mut Lots) -> Set {
        /// The two parts, as if they were pools.
        const BOTH: Set = 0b11;
        let Some(split) = self.split() else { return Set::MAX };
        if key.is_some() || split.is_whole() {
            return split.pools(key, |_| 0);
        }
        let first = split.share.thousandths();
        let weights = [first, Share::FULL.thousandths() - first].map(u32::from);
        split.side(lots.draw(BOTH, &weights) == 0)
    }

    /// The parts of one outcome's clients that its pools get.
    fn parts(&self, pools: &[Arc<Pool>], family: Family, verdict: Verdict) -> Vec<(Option<PoolId>, f64)> {
        let rule = self.rule();
        let (ids, selection): (Vec<PoolId>, _) = match verdict {
            Verdict::Pools(set, selection) => (rule.pools_of(set).collect(), selection),
            Verdict::Fallback(selection) => (rule.fallback.into_iter().collect(), selection),
            Verdict::Nodata | Verdict::Servfail => return vec![(None, 1.0)],
        };
        let endpoints = ids.iter().flat_map(|&id| {
            let weights = pools[id as usize].weights(family, selection);
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
