//! A plan: how a steered name is answered, and the ladder that is climbed down when little or nothing is left.
//!
//! ```text
//!   usable             pools with min_healthy of their endpoints open
//!   below the minimum  pools with any endpoint open
//!   fallback           the pool named by it
//!   all down           all | last-healthy | nodata | servfail
//! ```
//!
//! The place is one for A and AAAA: on each rung the walk looks for pools that can answer in *any* family. If the chosen
//! ones have endpoints of the asked family but none to give, the walk is made once more for that family alone; if they
//! were never given any, the answer is empty.

use std::sync::Arc;

use super::pool::{Family, Kind, PerFamily, Pool, Selection};
use super::world::PoolId;
use crate::steering::{AllDown, Course, Map, Pick, Ranking, Set, Walk, members};

/// What of a steered name does not depend on health. Names with equal rules share it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name's pools; sets of them are [`Set`]s of places in this list.
    pub pools: Box<[PoolId]>,
    /// The ranking of slots for every client.
    pub map: Arc<Map>,
    /// From slots to pools.
    pub course: Course,
    /// Which endpoints.
    pub pick: Pick,
    /// How many at most.
    pub answers: u16,
    /// What answers when no pool can.
    pub fallback: Option<PoolId>,
    /// What is answered when that cannot either.
    pub all_down: AllDown,
    /// Seconds, while all is calm.
    pub ttl: u32,
    /// Seconds, while something is unconfirmed.
    pub ttl_min: u32,
}

/// A rule with the state of its pools.
#[derive(Clone, Debug)]
pub struct Plan {
    rule: Arc<Rule>,
    /// Pools with endpoints of a family, whatever their health.
    given: PerFamily<Set>,
    usable: PerFamily<Set>,
    open: PerFamily<Set>,
    /// Pools that were open last, all of them at the same time.
    recent: PerFamily<Set>,
    restless: Set,
    /// What fallback can answer now.
    fallback: Option<Fallback>,
}

#[derive(Clone, Copy, Debug)]
struct Fallback {
    is_cname: bool,
    given: PerFamily<bool>,
    open: PerFamily<bool>,
    is_restless: bool,
}

/// The rung of the ladder that a choice was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// A pool is usable.
    Usable,
    /// A pool has an endpoint open, but fewer than `min_healthy` asks for.
    BelowMinimum,
    /// `fallback` answers.
    Fallback,
    /// `all_down` decides.
    AllDown,
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Members of these pools of the rule, together.
    Pools(Set, Selection),
    /// Members of the fallback pool that are open.
    Fallback,
    /// Nothing: the place has no address of this family, or `all_down` says so.
    Nodata,
    /// SERVFAIL.
    Servfail,
}

/// A verdict, and how it came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What to answer.
    pub verdict: Verdict,
    /// Where on the ladder.
    pub rung: Rung,
    /// Whether the place of the other family had nothing to give in this one, so that it was chosen for this family alone.
    pub alone: bool,
    /// All pools of the tiers that were looked at.
    pub reached: Set,
    /// Whether something that was looked at is unconfirmed.
    pub restless: bool,
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Plan {
    /// The rule over pools in their present state.
    pub fn new(rule: Arc<Rule>, pools: &[Arc<Pool>]) -> Self {
        let pool = |place: usize| &pools[rule.pools[place] as usize];
        let set = |holds: &dyn Fn(&Pool) -> bool| {
            (0..rule.pools.len()).filter(|&place| holds(pool(place))).fold(0, |set, place| set | 1 << place)
        };
        let recent = FAMILIES.map(|family| {
            let latest = rule.pools.iter().map(|&id| &pools[id as usize]).filter(|pool| pool.is_given(family));
            let latest = latest.map(|pool| pool.last_open(family)).max();
            set(&|pool| pool.is_given(family) && Some(pool.last_open(family)) == latest)
        });
        let fallback = rule.fallback.map(|id| &pools[id as usize]).map(|pool| Fallback {
            is_cname: matches!(pool.kind(), Kind::Cname(_)),
            given: FAMILIES.map(|family| pool.is_given(family)),
            open: FAMILIES.map(|family| pool.is_open(family)),
            is_restless: pool.is_restless(),
        });
        Self {
            given: FAMILIES.map(|family| set(&|pool| pool.is_given(family))),
            usable: FAMILIES.map(|family| set(&|pool| pool.is_usable(family))),
            open: FAMILIES.map(|family| set(&|pool| pool.is_open(family))),
            recent,
            restless: set(&Pool::is_restless),
            fallback,
            rule,
        }
    }

    /// What does not depend on health.
    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Whether answers to types other than A and AAAA depend on steering: a CNAME stands for every type.
    pub fn may_be_cname(&self, pools: &[Arc<Pool>]) -> bool {
        let first = &pools[self.rule.pools[0] as usize];
        matches!(first.kind(), Kind::Cname(_)) || self.fallback.is_some_and(|fallback| fallback.is_cname)
    }

    /// The pools that could have been chosen on the rung that this choice was made on.
    pub fn available(&self, choice: &Choice) -> Set {
        let [v4, v6] = match (choice.rung, self.rule.all_down) {
            (Rung::Usable, _) => self.usable,
            (Rung::BelowMinimum, _) => self.open,
            (Rung::AllDown, AllDown::All) => self.given,
            (Rung::AllDown, AllDown::LastHealthy) => self.recent,
            (Rung::AllDown, AllDown::Nodata | AllDown::Servfail) | (Rung::Fallback, _) => [0, 0],
        };
        v4 | v6
    }

    /// Seconds for an answer that came about so.
    pub fn ttl(&self, choice: &Choice) -> u32 {
        if choice.restless { self.rule.ttl_min } else { self.rule.ttl }
    }

    /// What a client with this ranking is answered. `draw` gives a uniform random number below its argument.
    pub fn choose(&self, ranking: &Ranking, family: Family, mut draw: impl FnMut(u32) -> u32) -> Choice {
        let mut seen = Seen { plan: self, reached: 0, fallback: false };
        let rungs = [(Rung::Usable, self.usable), (Rung::BelowMinimum, self.open)];
        for (rung, available) in rungs {
            match seen.place(ranking, available, family, &mut draw) {
                Place::None => {}
                Place::Chosen(pools) => return seen.choice(Verdict::Pools(pools, Selection::Open), rung, false),
                Place::WithoutFamily => return seen.choice(Verdict::Nodata, rung, false),
                Place::FamilyDown => return self.choose_alone(seen, ranking, family, draw),
            }
        }
        if let Some(fallback) = self.fallback {
            seen.fallback = true;
            if fallback.open[family as usize] {
                return seen.choice(Verdict::Fallback, Rung::Fallback, false);
            }
            if fallback.open.contains(&true) && !fallback.given[family as usize] {
                return seen.choice(Verdict::Nodata, Rung::Fallback, false);
            }
        }
        let (available, selection) = match self.rule.all_down {
            AllDown::All => (self.given, Selection::All),
            AllDown::LastHealthy => (self.recent, Selection::Recent),
            AllDown::Nodata => return seen.choice(Verdict::Nodata, Rung::AllDown, false),
            AllDown::Servfail => return seen.choice(Verdict::Servfail, Rung::AllDown, false),
        };
        let verdict = match seen.place(ranking, available, family, &mut draw) {
            Place::Chosen(pools) => Verdict::Pools(pools, selection),
            Place::None | Place::WithoutFamily => Verdict::Nodata,
            Place::FamilyDown => return self.choose_alone(seen, ranking, family, draw),
        };
        seen.choice(verdict, Rung::AllDown, false)
    }

    /// The other family has a place that is alive, this one has endpoints there but none open: the next pools that have
    /// answer for this family. A CNAME can't, for it would stand for the other family too; nor is the name down, so it
    /// does not fail.
    fn choose_alone(
        &self,
        mut seen: Seen<'_>,
        ranking: &Ranking,
        family: Family,
        mut draw: impl FnMut(u32) -> u32,
    ) -> Choice {
        let of_family = |sets: PerFamily<Set>| sets[family as usize];
        for (rung, available) in [(Rung::Usable, of_family(self.usable)), (Rung::BelowMinimum, of_family(self.open))] {
            let chosen = seen.walk(ranking, available, &mut draw);
            if chosen != 0 {
                return seen.choice(Verdict::Pools(chosen, Selection::Open), rung, true);
            }
        }
        if let Some(fallback) = self.fallback.filter(|fallback| !fallback.is_cname) {
            seen.fallback = true;
            if fallback.open[family as usize] {
                return seen.choice(Verdict::Fallback, Rung::Fallback, true);
            }
        }
        let (available, selection) = match self.rule.all_down {
            AllDown::All => (of_family(self.given), Selection::All),
            AllDown::LastHealthy => (of_family(self.recent), Selection::Recent),
            AllDown::Nodata | AllDown::Servfail => return seen.choice(Verdict::Nodata, Rung::AllDown, true),
        };
        let chosen = seen.walk(ranking, available, &mut draw);
        let verdict = if chosen == 0 { Verdict::Nodata } else { Verdict::Pools(chosen, selection) };
        seen.choice(verdict, Rung::AllDown, true)
    }
}

/// Where a walk for both families ended, seen from one of them.
enum Place {
    /// No pool of the ranking is available in any family.
    None,
    /// These pools answer.
    Chosen(Set),
    /// The place was never given an endpoint of this family.
    WithoutFamily,
    /// The place has endpoints of this family, but none available.
    FamilyDown,
}

/// What walks have looked at so far.
struct Seen<'a> {
    plan: &'a Plan,
    reached: Set,
    fallback: bool,
}

impl Seen<'_> {
    fn walk(&mut self, ranking: &Ranking, available: Set, draw: impl FnMut(u32) -> u32) -> Set {
        let Walk { chosen, reached } = self.plan.rule.course.walk(ranking, available, draw);
        self.reached |= reached;
        chosen
    }

    fn place(
        &mut self,
        ranking: &Ranking,
        available: PerFamily<Set>,
        family: Family,
        draw: impl FnMut(u32) -> u32,
    ) -> Place {
        let [v4, v6] = available;
        let place = self.walk(ranking, v4 | v6, draw);
        let of_family = place & available[family as usize];
        if place == 0 {
            Place::None
        } else if of_family != 0 {
            Place::Chosen(of_family)
        } else if place & self.plan.given[family as usize] == 0 {
            Place::WithoutFamily
        } else {
            Place::FamilyDown
        }
    }

    fn choice(&self, verdict: Verdict, rung: Rung, alone: bool) -> Choice {
        let fallback_restless = self.fallback && self.plan.fallback.is_some_and(|fallback| fallback.is_restless);
        let restless = self.reached & self.plan.restless != 0 || fallback_restless;
        Choice { verdict, rung, alone, reached: self.reached, restless }
    }
}

impl Rule {
    /// The pools of a set.
    pub fn pools_of(&self, set: Set) -> impl Iterator<Item = PoolId> + Clone {
        members(set).map(|place| self.pools[place])
    }
}
