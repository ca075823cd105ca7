//! The ladder: the order in which pools are tried when few or none of a steered name's pools are left.
//!
//! ```text
//!   usable             pools with min_healthy of their endpoints open
//!   below the minimum  pools with any endpoint open
//!   ready              usable pools of another part of a roll-out
//!   held back          pools with any endpoint up that failback holds back
//!   draining           pools with any endpoint that is up but drained
//!   fallback           the pool that `fallback` names
//!   all down           all | last-healthy | nodata | servfail
//! ```
//!
//! One choice of pools is made for A and AAAA: on each rung the walk looks for pools that can answer in *any* family.
//! If the chosen pools have endpoints of the asked family, but none of them is available, there is a second walk for
//! that family alone. If the configuration has no endpoint of that family in these pools, the answer is empty. The
//! answer is empty, too, if the second walk finds nothing while the other family answers from a usable pool: neither
//! `fallback` nor `all_down` answers for one family of a healthy name.
//!
//! A pool that comes back or leaves slowly is eligible for only a part of the queries, by a draw for each query. The
//! other queries ignore the pool, as long as another pool is usable.
//!
//! A roll-out splits the pools, and each client belongs to one part: on the rungs above `ready` only the pools of its
//! part count. While clients are sent to both parts, `below the minimum` comes after `ready`.
//!
//! An override of a name changes its ladder: a drained name begins with `fallback`; a name that is forced down has only
//! that rung; for a name that is forced up, probes are ignored on every rung. A pool that is drained for a name is only
//! on its rung `draining`. No rung contains an endpoint that is forced down, or a pool that is forced down for the
//! name.

use super::Plan;
use crate::counters::RUNGS;
use crate::overrides::Mode;
use crate::snapshot::{Family, PerFamily, Selection};
use crate::steering::{AllDown, Ranking, Set, Spill, Walk, members};

/// The rung of the ladder that a choice was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// A pool is usable.
    Usable,
    /// A pool has an endpoint open, but fewer than `min_healthy` asks for.
    BelowMinimum,
    /// A pool of another part of a roll-out is usable.
    Ready,
    /// A pool has an endpoint that is up, but `failback` holds the pool back.
    Held,
    /// A pool has an endpoint that is up, but drained.
    Draining,
    /// `fallback` answers.
    Fallback,
    /// `all_down` decides.
    AllDown,
    /// The name is forced down, and `fallback` cannot answer.
    ForcedDown,
}

impl Rung {
    /// All rungs, in the order of their numbers.
    pub const ALL: [Self; RUNGS] = [
        Self::Usable,
        Self::BelowMinimum,
        Self::Ready,
        Self::Held,
        Self::Draining,
        Self::Fallback,
        Self::AllDown,
        Self::ForcedDown,
    ];

    /// Returns its name, for counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::BelowMinimum => "below_minimum",
            Self::Ready => "ready",
            Self::Held => "held",
            Self::Draining => "draining",
            Self::Fallback => "fallback",
            Self::AllDown => "all_down",
            Self::ForcedDown => "forced_down",
        }
    }
}

/// The outcome of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Members of these pools of the rule, together.
    Pools(Set, Selection),
    /// Members of the fallback pool.
    Fallback(Selection),
    /// No records: the chosen pools have no address of this family, or `all_down` says so.
    Nodata,
    /// SERVFAIL.
    Servfail,
}

/// A verdict, with the facts that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The outcome.
    pub verdict: Verdict,
    /// The rung on which it was found.
    pub rung: Rung,
    /// True if the pools chosen for both families had endpoints of this family, but none available, so that this choice
    /// was made for this family alone.
    pub alone: bool,
    /// All pools of the tiers that were looked at.
    pub reached: Set,
    /// True if the answer may soon change: a pool that was looked at is unconfirmed, drained or ramping, or a roll-out
    /// moves clients now. Then the TTL is `ttl_min`.
    pub restless: bool,
}

/// Number of steps of the ladder on which the name's own pools answer. Some share a rung.
const STEPS: usize = 7;

/// The pools that a query may be sent to.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Eligible {
    /// The client's part of a roll-out; all pools if there is none.
    part: Set,
    /// The usable pools of that part that take this query.
    usable: PerFamily<Set>,
}

impl Plan {
    /// Returns the answer for a client with this ranking. `eligible` are the [eligible](Self::eligible) pools, `spill`
    /// is the order that loads make of the ranking, and `draw` draws one of a set of pools in proportion to weights.
    #[inline]
    pub(in super::super) fn choose_by(
        &self,
        ranking: &Ranking,
        family: Family,
        eligible: Eligible,
        spill: &Spill<'_>,
        mut draw: impl FnMut(Set, &[u32]) -> usize,
    ) -> Choice {
        let spill = Spill { part: eligible.part, ..*spill };
        let mut seen = Seen { plan: self, ranking, family, eligible, spill, reached: 0, fallback: false };
        let is_kept_away = matches!(self.orders.mode, Some(Mode::Drain | Mode::ForceDown));
        // Most queries are answered on the first step, so this part is short.
        if !is_kept_away && let Some(choice) = seen.choose_at(0, &mut draw) {
            return choice;
        }
        self.choose_below(&mut seen, usize::from(!is_kept_away), draw)
    }

    /// Returns the answer from this step on.
    #[inline(never)]
    fn choose_below(
        &self,
        seen: &mut Seen<'_, '_>,
        first: usize,
        mut draw: impl FnMut(Set, &[u32]) -> usize,
    ) -> Choice {
        if let Some(Mode::Drain | Mode::ForceDown) = self.orders.mode {
            if let Some(choice) = self.fall_back(seen) {
                return choice;
            }
            if self.orders.mode == Some(Mode::ForceDown) {
                return seen.choice(Verdict::Nodata, Rung::ForcedDown, false);
            }
        }
        if let Some(choice) = (first..STEPS).find_map(|step| seen.choose_at(step, &mut draw)) {
            return choice;
        }
        if let Some(choice) = self.fall_back(seen) {
            return choice;
        }
        let Some((last, selection)) = self.all_down(seen.eligible.part) else {
            let fails = self.rule.all_down == AllDown::Servfail;
            return seen.choice(if fails { Verdict::Servfail } else { Verdict::Nodata }, Rung::AllDown, false);
        };
        for available in last {
            match seen.place(available, &mut draw) {
                WalkEnd::None => {}
                WalkEnd::Chosen(pools) => return seen.choice(Verdict::Pools(pools, selection), Rung::AllDown, false),
                WalkEnd::WithoutFamily => return seen.choice(Verdict::Nodata, Rung::AllDown, false),
                WalkEnd::FamilyDown => return self.choose_alone(seen, Rung::AllDown, draw),
            }
        }
        seen.choice(Verdict::Nodata, Rung::AllDown, false)
    }

    /// Returns the sets of pools that `all_down` chooses from for a client of this part, and which of their members
    /// answer. The sets are tried in this order. `None` if `all_down` lets no pool answer.
    fn all_down(&self, part: Set) -> Option<([PerFamily<Set>; 3], Selection)> {
        match self.rule.all_down {
            AllDown::All => Some(([within(self.in_service, part), self.in_service, self.left], Selection::All)),
            AllDown::LastHealthy => Some(([within(self.recent, part), self.recent, self.recent], Selection::Recent)),
            AllDown::Nodata | AllDown::Servfail => None,
        }
    }

    /// Returns one of the [`STEPS`]: its rung, the pools that may answer a query there, and which of their members
    /// answer. Most queries need the first one only.
    #[inline]
    fn step(&self, step: usize, eligible: Eligible) -> (Rung, PerFamily<Set>, Selection) {
        match step {
            0 => (Rung::Usable, eligible.usable, Selection::Open),
            1 => (Rung::BelowMinimum, self.below_minimum(eligible.part), Selection::Open),
            2 => (Rung::Ready, self.usable, Selection::Open),
            3 => (Rung::BelowMinimum, self.open, Selection::Open),
            4 => (Rung::Held, self.held, Selection::Held),
            5 => (Rung::Draining, self.drained_here, Selection::Open),
            _ => (Rung::Draining, self.draining, Selection::Draining),
        }
    }

    /// Returns the open pools of a part that answer before the usable ones of another part. If all clients are sent to
    /// one part, the other part answers only when the first is down. If both parts have clients, each answers for the
    /// other as soon as that is not usable.
    fn below_minimum(&self, part: Set) -> PerFamily<Set> {
        let both_work = self.split.is_some_and(|split| !split.is_whole());
        if both_work { [0; 2] } else { within(self.open, part) }
    }

    /// Returns which members answer on a rung with this selection: for a name that is forced up, all.
    fn selection(&self, of_rung: Selection) -> Selection {
        if self.orders.mode == Some(Mode::ForceUp) { Selection::All } else { of_rung }
    }

    /// Returns the usable pools of a part, without the ramping pools that do not take this query. If no other pool of
    /// the ranking is left, a ramping pool takes every query. `takes` decides for a pool and the share of queries that
    /// it takes, in thousandths.
    #[inline]
    pub(in super::super) fn eligible(
        &self,
        ranking: &Ranking,
        part: Set,
        mut takes: impl FnMut(usize, u16) -> bool,
    ) -> Eligible {
        let usable = within(self.usable, part);
        let all = Eligible { part, usable };
        let Some(ramps) = &self.ramps else { return all };
        let [v4, v6] = usable;
        let ranked = (v4 | v6) & self.rule.policy.pools_in(ranking);
        if ranked.count_ones() <= 1 {
            return all;
        }
        let leaves = |&pool: &usize| !ramps[pool].is_full() && !takes(pool, ramps[pool].thousandths());
        let left = members(ranked).filter(leaves).fold(!0, |left: Set, pool| left & !(1 << pool));
        let stays = |usable: Set| if usable & ranked & left == 0 { usable } else { usable & left };
        Eligible { part, usable: usable.map(stays) }
    }

    /// Returns the choice of `fallback`; `None` if it cannot answer in any family.
    fn fall_back(&self, seen: &mut Seen<'_, '_>) -> Option<Choice> {
        let (fallback, family) = (self.fallback?, seen.family);
        seen.fallback = true;
        if let Some(selection) = fallback.answers[family as usize] {
            return Some(seen.choice(Verdict::Fallback(selection), Rung::Fallback, false));
        }
        let is_other = fallback.answers.iter().any(Option::is_some);
        is_other.then(|| seen.choice(Verdict::Nodata, Rung::Fallback, fallback.given[family as usize]))
    }

    /// Returns the choice for one family alone. The pools that were chosen for both families, on the rung `place`, have
    /// endpoints of this family, but none available. So the next pools with available endpoints answer for this family.
    ///
    /// While the pools of the other family are usable, neither `fallback` nor `all_down` answers: the site is healthy,
    /// and clients reach it by the other family. A CNAME is no answer here, because it would replace the other family
    /// too. The name is not down, so SERVFAIL is no answer either.
    #[inline(never)]
    fn choose_alone(&self, seen: &mut Seen<'_, '_>, place: Rung, mut draw: impl FnMut(Set, &[u32]) -> usize) -> Choice {
        let family = seen.family;
        let of_family = |sets: PerFamily<Set>| sets[family as usize];
        for step in 0..STEPS {
            let (rung, available, selection) = self.step(step, seen.eligible);
            seen.come_to(rung);
            let chosen = seen.walk(of_family(available), &mut draw);
            if chosen != 0 {
                return seen.choice(Verdict::Pools(chosen, self.selection(selection)), rung, true);
            }
        }
        if matches!(place, Rung::Usable | Rung::Ready) {
            return seen.choice(Verdict::Nodata, place, true);
        }
        if let Some(fallback) = self.fallback.filter(|fallback| !fallback.is_cname) {
            seen.fallback = true;
            if let Some(selection) = fallback.answers[family as usize] {
                return seen.choice(Verdict::Fallback(selection), Rung::Fallback, true);
            }
        }
        let Some((last, selection)) = self.all_down(seen.eligible.part) else {
            return seen.choice(Verdict::Nodata, Rung::AllDown, true);
        };
        for available in last {
            let chosen = seen.walk(of_family(available), &mut draw);
            if chosen != 0 {
                return seen.choice(Verdict::Pools(chosen, selection), Rung::AllDown, true);
            }
        }
        seen.choice(Verdict::Nodata, Rung::AllDown, true)
    }
}

/// Restricts the sets to this part.
fn within(sets: PerFamily<Set>, part: Set) -> PerFamily<Set> {
    sets.map(|set| set & part)
}

/// The result of a walk for both families, for one of them.
enum WalkEnd {
    /// No pool of the ranking is available in any family.
    None,
    /// These pools answer.
    Chosen(Set),
    /// The configuration has no endpoint of this family in the chosen pools.
    WithoutFamily,
    /// The chosen pools have endpoints of this family, but none available.
    FamilyDown,
}

/// A choice in progress: what it is made from, and the pools that its walks have looked at.
struct Seen<'a, 's> {
    plan: &'a Plan,
    ranking: &'a Ranking,
    family: Family,
    eligible: Eligible,
    /// Its part is that of the client at first, and later all pools.
    spill: Spill<'s>,
    reached: Set,
    fallback: bool,
}

impl Seen<'_, '_> {
    /// Returns the choice on one of the [`STEPS`]; `None` if no pool of the ranking is available there.
    #[inline]
    fn choose_at(&mut self, step: usize, mut draw: impl FnMut(Set, &[u32]) -> usize) -> Option<Choice> {
        let (rung, available, selection) = self.plan.step(step, self.eligible);
        self.come_to(rung);
        match self.place(available, &mut draw) {
            WalkEnd::None => None,
            WalkEnd::Chosen(pools) => {
                Some(self.choice(Verdict::Pools(pools, self.plan.selection(selection)), rung, false))
            }
            WalkEnd::WithoutFamily => Some(self.choice(Verdict::Nodata, rung, false)),
            WalkEnd::FamilyDown => Some(self.plan.choose_alone(self, rung, draw)),
        }
    }

    /// Allows the pools of the other part of a roll-out from the rung `ready` on.
    fn come_to(&mut self, rung: Rung) {
        if rung == Rung::Ready {
            self.spill.part = Set::MAX;
        }
    }

    /// Walks down the ranking to the first available pools. Returns them; none if there are none.
    #[inline]
    fn walk(&mut self, available: Set, draw: impl FnMut(Set, &[u32]) -> usize) -> Set {
        let Self { plan, ranking, spill, .. } = self;
        let weights = plan.weights.as_deref().unwrap_or_default();
        let Walk { chosen, reached } = plan.rule.policy.walk(ranking, available, spill, weights, draw);
        self.reached |= reached & spill.part;
        chosen
    }

    /// Walks down the ranking to the first pools that are available in any family, and returns what that means for this
    /// one.
    #[inline]
    fn place(&mut self, available: PerFamily<Set>, draw: impl FnMut(Set, &[u32]) -> usize) -> WalkEnd {
        let [v4, v6] = available;
        let place = self.walk(v4 | v6, draw);
        let family = self.family as usize;
        let of_family = place & available[family];
        if place == 0 {
            WalkEnd::None
        } else if of_family != 0 {
            WalkEnd::Chosen(of_family)
        } else if place & self.plan.given[family] == 0 {
            WalkEnd::WithoutFamily
        } else {
            WalkEnd::FamilyDown
        }
    }

    #[inline]
    fn choice(&self, verdict: Verdict, rung: Rung, alone: bool) -> Choice {
        let fallback_restless = self.fallback && self.plan.fallback.is_some_and(|fallback| fallback.is_restless);
        let drains = self.plan.orders.mode == Some(Mode::Drain);
        let ramps = self.plan.split.is_some_and(|split| split.is_ramping);
        let restless = self.reached & self.plan.restless != 0 || fallback_restless || drains || ramps;
        Choice { verdict, rung, alone, reached: self.reached, restless }
    }
}
