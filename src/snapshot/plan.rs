//! A plan: how a steered name is answered, and the ladder that is climbed down when little or nothing is left.
//!
//! ```text
//!   usable             pools with min_healthy of their endpoints open
//!   below the minimum  pools with any endpoint open
//!   ready              usable pools of another part of a roll-out
//!   held back          pools with any endpoint up that failback holds back
//!   draining           pools with any endpoint that is up but draining
//!   fallback           the pool named by it
//!   all down           all | last-healthy | nodata | servfail
//! ```
//!
//! The place is one for A and AAAA: on each rung the walk looks for pools that can answer in *any* family. If the chosen
//! ones have endpoints of the asked family but none to give, the walk is made once more for that family alone; if they
//! were never given any, the answer is empty. It is empty as well where that walk finds nothing while the other family answers
//! from a usable pool: neither `fallback` nor `all_down` answers for half of a healthy name.
//!
//! A pool that comes back slowly, or leaves slowly, takes a part of the queries that it would get as a usable one, by a draw for
//! each query; for the others it is not there, as long as another usable pool is.
//!
//! A roll-out divides the pools, and each client belongs to one part: on the rungs above `ready` the others do not count. While
//! clients are sent to both parts, below the minimum comes behind `ready`.
//!
//! What the operator says of a name changes its ladder: a drained name begins with `fallback`, one forced down has no other
//! rung, and for one forced up probes are ignored from the first rung on. On no rung stands an endpoint that is forced down.

use std::net::IpAddr;
use std::sync::Arc;

use super::family::{Family, PerFamily};
use super::pool::{Kind, Pool, Selection};
use super::world::PoolId;
use crate::health::Share;
use crate::load::Allowance;
use crate::overrides::Mode;
use crate::steering::{
    AllDown, Draw, HashKey, Map, Pick, Placement, Ranking, SelectionPolicy, Set, Spill, Split, Walk, by_hash,
    by_weight, is_among, members,
};
use crate::wire::{Rtype, SvcParams};

/// What of a steered name does not depend on health. Names with equal rules share it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name's pools; sets of them are [`Set`]s of places in this list.
    pub pools: Box<[PoolId]>,
    /// The ranking of slots for every client.
    pub map: Arc<Map>,
    /// From slots to pools.
    pub policy: SelectionPolicy,
    /// Which endpoints; `None` leaves it to each pool: where its weights differ, one is drawn by weight, else all take turns.
    pub pick: Option<Pick>,
    /// How many at most; `None` leaves it to what picks.
    pub answers: Option<u16>,
    /// Whether some address stands in several of the pools.
    pub shares_addresses: bool,
    /// Bits of a client's address of each family that its hash goes by, if pools or endpoints are chosen by hash.
    pub sticky: Option<PerFamily<u8>>,
    /// What its pools are hashed by for the step `load`, if the chain has it.
    pub load: Option<LoadKeys>,
    /// What answers when no pool can.
    pub fallback: Option<PoolId>,
    /// What is answered when that cannot either.
    pub all_down: AllDown,
    /// Seconds, while all is calm.
    pub ttl: u32,
    /// Seconds, while something is unconfirmed.
    pub ttl_min: u32,
    /// What its HTTPS record says besides addresses, if it has one.
    pub https: Option<SvcParams>,
    /// How its pools are divided as long as nobody says otherwise, if they are.
    pub split: Option<Split>,
}

/// What a rule's pools are hashed by for the step `load`. The two differ, so that who has to go goes to each of the others.
#[derive(Clone, Debug)]
pub struct LoadKeys {
    /// For whether a client stays.
    pub stay: Box<[HashKey]>,
    /// For where it goes otherwise.
    pub go: Box<[HashKey]>,
}

/// A rule with the state of its pools.
#[derive(Clone, Debug)]
pub struct Plan {
    rule: Arc<Rule>,
    /// What the operator says of the name.
    mode: Option<Mode>,
    /// How its pools are divided, if they are.
    split: Option<Split>,
    /// What pools are drawn by, if any are: weights, or weights times shares where a pool keeps only a share of its clients.
    weights: Option<Arc<[u32]>>,
    /// What the step `load` goes by, if the chain has it.
    loads: Option<Arc<Loads>>,
    /// How far each pool has come, if one is on its way back or out.
    ramps: Option<Arc<[Share]>>,
    /// Pools with endpoints of a family, as the operator wrote them.
    given: PerFamily<Set>,
    usable: PerFamily<Set>,
    open: PerFamily<Set>,
    held: PerFamily<Set>,
    draining: PerFamily<Set>,
    /// Pools with endpoints on duty, whatever probes say.
    in_service: PerFamily<Set>,
    /// Pools with endpoints that are not forced down, whatever probes say.
    left: PerFamily<Set>,
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
    /// Which of its members answer, if any can.
    answers: PerFamily<Option<Selection>>,
    is_restless: bool,
}

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
    /// A pool has an endpoint that is up, but draining.
    Draining,
    /// `fallback` answers.
    Fallback,
    /// `all_down` decides.
    AllDown,
    /// The name is forced down, and `fallback` cannot answer.
    ForcedDown,
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Members of these pools of the rule, together.
    Pools(Set, Selection),
    /// Members of the fallback pool.
    Fallback(Selection),
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
    /// Whether the place of the other family had endpoints of this one but none to give, so that this was chosen for this family
    /// alone.
    pub alone: bool,
    /// All pools of the tiers that were looked at.
    pub reached: Set,
    /// Whether something that was looked at is unconfirmed, draining or ramping, or clients are on the move.
    pub restless: bool,
}

/// Rungs on which the name's own pools answer, and the pools that stand on each.
type Rungs = [(Rung, PerFamily<Set>); 6];

/// The pools that a query may be sent to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Eligible {
    /// The part of a roll-out that it belongs to; all pools where there is none.
    part: Set,
    /// The usable pools of that part that take it.
    usable: PerFamily<Set>,
}

/// All of a share, in thousandths.
const FULL: u16 = Share::FULL.thousandths();

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Plan {
    /// The rule over pools in their present state, for names of which the operator says this and whose pools are divided so.
    pub fn new(rule: Arc<Rule>, pools: &[Arc<Pool>], mode: Option<Mode>, split: Option<Split>) -> Self {
        let pool = |place: usize| &pools[rule.pools[place] as usize];
        let set = |holds: &dyn Fn(&Pool) -> bool| {
            (0..rule.pools.len()).filter(|&place| holds(pool(place))).fold(0, |set, place| set | 1 << place)
        };
        let sets = |holds: &dyn Fn(&Pool, Family) -> bool| FAMILIES.map(|family| set(&|pool| holds(pool, family)));
        let recent = FAMILIES.map(|family| {
            // As it was before the outage began: whatever fell within the time that it takes to confirm one.
            let left = || rule.pools.iter().map(|&id| &pools[id as usize]).filter(|pool| pool.is_left(family));
            let outage = left().map(|pool| pool.outage()).max().unwrap_or_default();
            let latest = left().map(|pool| pool.last_up(family)).max().unwrap_or_default();
            set(&|pool| pool.is_left(family) && pool.last_up(family) >= latest.saturating_sub(outage))
        });
        let (in_service, left) = (sets(&Pool::is_in_service), sets(&Pool::is_left));
        let (usable, open, draining) = match mode {
            Some(Mode::ForceUp) => (in_service, in_service, left),
            _ => (sets(&Pool::is_usable), sets(&Pool::is_open), sets(&Pool::is_draining)),
        };
        let restless = match mode {
            Some(Mode::ForceUp) => set(&Pool::has_draining),
            _ => set(&Pool::is_restless),
        };
        let ramps: Vec<Share> = rule.pools.iter().map(|&id| pools[id as usize].ramp()).collect();
        let ramp = mode != Some(Mode::ForceUp) && ramps.iter().any(|ramp| !ramp.is_full());
        Self {
            mode,
            split,
            weights: rule.policy.draws().then(|| drawn_weights(&rule, pools)),
            loads: rule.load.is_some().then(|| Loads::new(&rule, pools)),
            ramps: ramp.then(|| ramps.into()),
            given: sets(&Pool::is_given),
            usable,
            open,
            held: sets(&Pool::is_held),
            draining,
            in_service,
            left,
            recent,
            restless,
            fallback: rule.fallback.map(|id| Fallback::new(&pools[id as usize])),
            rule,
        }
    }

    /// How its pools are divided, if they are.
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// What does not depend on health.
    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// The families whose endpoints answer a question for this type; none if it is left to the name's static records.
    pub fn families(&self, rtype: Rtype, pools: &[Arc<Pool>]) -> &'static [Family] {
        match rtype {
            Rtype::A => &FAMILIES[..1],
            Rtype::AAAA => &FAMILIES[1..],
            Rtype::HTTPS if self.rule.https.is_some() => &FAMILIES,
            // A CNAME stands for every type. A pool with one has it in both families.
            _ if self.may_be_cname(pools) => &FAMILIES[..1],
            _ => &[],
        }
    }

    /// Whether any answer of it is a CNAME.
    fn may_be_cname(&self, pools: &[Arc<Pool>]) -> bool {
        let first = &pools[self.rule.pools[0] as usize];
        matches!(first.kind(), Kind::Cname(_)) || self.fallback.is_some_and(|fallback| fallback.is_cname)
    }

    /// What the operator says of the name.
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// Seconds for an answer that came about so.
    pub fn ttl(&self, choice: &Choice) -> u32 {
        if choice.restless { self.rule.ttl_min } else { self.rule.ttl }
    }

    /// What a client with this ranking is answered. `key` is that of the client, if the rule [has one](Rule::client_key);
    /// `number` gives a uniform random number below its argument.
    pub fn choose(
        &self,
        ranking: &Ranking,
        family: Family,
        key: Option<HashKey>,
        mut number: impl FnMut(u32) -> u32,
    ) -> Choice {
        let part = self.split.map_or(Set::MAX, |split| split.pools(key, &mut number));
        self.spill(key, |spill| {
            if let (Some(Draw::Sticky(pools)), Some(client)) = (&self.rule.policy.draw, key) {
                let eligible = self.eligible(ranking, part, |pool, share| is_among(client, pools[pool], share));
                return self.choose_by(ranking, family, eligible, spill, by_hash(client, pools));
            }
            let eligible = self.eligible(ranking, part, |_, share| number(u32::from(FULL)) < u32::from(share));
            self.choose_by(ranking, family, eligible, spill, by_weight(number))
        })
    }

    /// Tells `choose` what loads make of rankings for the client with this key.
    pub fn spill<T>(&self, key: Option<HashKey>, choose: impl FnOnce(&Spill<'_>) -> T) -> T {
        let (Some(loads), Some(keys), Some(client)) = (&self.loads, &self.rule.load, key) else {
            return choose(&Spill::NONE);
        };
        let stays = |&pool: &usize| is_among(client, keys.stay[pool], loads.keep[pool].thousandths());
        let keep = members(loads.shedding).filter(stays).fold(!loads.shedding, |keep, pool| keep | 1 << pool);
        let next = |pools| by_hash(client, &keys.go)(pools, &loads.rooms);
        choose(&Spill { keep, roomy: loads.roomy, next: &next, ..Spill::NONE })
    }

    /// The same for many clients who belong to this part, where `draw` decides.
    pub(super) fn spill_by<T>(
        &self,
        ranking: &Ranking,
        part: Set,
        draw: impl Fn(Set, &[u32]) -> usize,
        choose: impl FnOnce(&Spill<'_>) -> T,
    ) -> T {
        let Some(loads) = &self.loads else { return choose(&Spill::NONE) };
        let stays = |&pool: &usize| {
            let share = u32::from(loads.keep[pool].thousandths());
            share > 0 && draw(0b11, &[share, u32::from(FULL) - share]) == 0
        };
        let asked = members(loads.shedding & self.rule.policy.home(ranking, part));
        let keep = asked.filter(stays).fold(!loads.shedding, |keep, pool| keep | 1 << pool);
        choose(&Spill { keep, roomy: loads.roomy, next: &|pools| draw(pools, &loads.rooms), ..Spill::NONE })
    }

    /// What a client with this ranking is answered; `eligible` are the pools that [take](Self::takers) this query, `spill` is what
    /// loads make of the ranking, and `draw` gives one of these pools in proportion to these weights.
    pub(super) fn choose_by(
        &self,
        ranking: &Ranking,
        family: Family,
        eligible: Eligible,
        spill: &Spill<'_>,
        mut draw: impl FnMut(Set, &[u32]) -> usize,
    ) -> Choice {
        let part = eligible.part;
        let mut seen = Seen { plan: self, spill, part, among: part, reached: 0, fallback: false };
        if let Some(Mode::Drain | Mode::ForceDown) = self.mode {
            if let Some(choice) = self.fall_back(&mut seen, family) {
                return choice;
            }
            if self.mode == Some(Mode::ForceDown) {
                return seen.choice(Verdict::Nodata, Rung::ForcedDown, false);
            }
        }
        let rungs = self.rungs(eligible);
        for (rung, available) in rungs {
            seen.come_to(rung);
            match seen.place(ranking, available, family, &mut draw) {
                WalkEnd::None => {}
                WalkEnd::Chosen(pools) => return seen.choice(Verdict::Pools(pools, self.selection(rung)), rung, false),
                WalkEnd::WithoutFamily => return seen.choice(Verdict::Nodata, rung, false),
                WalkEnd::FamilyDown => return self.choose_alone(seen, (rung, &rungs), ranking, family, draw),
            }
        }
        if let Some(choice) = self.fall_back(&mut seen, family) {
            return choice;
        }
        let (last, selection) = match self.rule.all_down {
            AllDown::All => ([within(self.in_service, part), self.in_service, self.left], Selection::All),
            AllDown::LastHealthy => ([within(self.recent, part), self.recent, self.recent], Selection::Recent),
            AllDown::Nodata => return seen.choice(Verdict::Nodata, Rung::AllDown, false),
            AllDown::Servfail => return seen.choice(Verdict::Servfail, Rung::AllDown, false),
        };
        for available in last {
            match seen.place(ranking, available, family, &mut draw) {
                WalkEnd::None => {}
                WalkEnd::Chosen(pools) => return seen.choice(Verdict::Pools(pools, selection), Rung::AllDown, false),
                WalkEnd::WithoutFamily => return seen.choice(Verdict::Nodata, Rung::AllDown, false),
                WalkEnd::FamilyDown => return self.choose_alone(seen, (Rung::AllDown, &rungs), ranking, family, draw),
            }
        }
        seen.choice(Verdict::Nodata, Rung::AllDown, false)
    }

    /// The rungs on which the name's own pools answer a query by what probes say.
    fn rungs(&self, eligible: Eligible) -> Rungs {
        // Where everybody is sent to one part, the other is what is left when that is down. Where both are at work, each stands
        // in for the other as soon as that is not usable.
        let both_work = self.split.is_some_and(|split| !split.is_whole());
        let below_minimum = if both_work { [0; 2] } else { within(self.open, eligible.part) };
        [
            (Rung::Usable, eligible.usable),
            (Rung::BelowMinimum, below_minimum),
            (Rung::Ready, self.usable),
            (Rung::BelowMinimum, self.open),
            (Rung::Held, self.held),
            (Rung::Draining, self.draining),
        ]
    }

    /// The usable pools of a part, without those that leave this query to others because they ramp. None does where no other
    /// is left. `takes` says whether a pool is to take this one, when it takes such a share of them, in thousandths.
    pub(super) fn eligible(&self, ranking: &Ranking, part: Set, mut takes: impl FnMut(usize, u16) -> bool) -> Eligible {
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

    /// Which members answer on one of these rungs.
    fn selection(&self, rung: Rung) -> Selection {
        match (rung, self.mode) {
            (_, Some(Mode::ForceUp)) => Selection::All,
            (Rung::Held, _) => Selection::Held,
            (Rung::Draining, _) => Selection::Draining,
            _ => Selection::Open,
        }
    }

    /// What `fallback` makes of it, if it can answer in any family.
    fn fall_back(&self, seen: &mut Seen<'_, '_>, family: Family) -> Option<Choice> {
        let fallback = self.fallback?;
        seen.fallback = true;
        if let Some(selection) = fallback.answers[family as usize] {
            return Some(seen.choice(Verdict::Fallback(selection), Rung::Fallback, false));
        }
        let is_other = fallback.answers.iter().any(Option::is_some);
        is_other.then(|| seen.choice(Verdict::Nodata, Rung::Fallback, fallback.given[family as usize]))
    }

    /// The other family has a place on this rung, this one has endpoints there but none open: the next pools that have answer
    /// for this family. As long as the other family's pool is usable, nothing else does: the site is well, and clients reach
    /// it by the other family. Otherwise the ladder goes on. A CNAME is no answer, for it would stand for the other family
    /// too; nor is the name down, so it does not fail.
    fn choose_alone(
        &self,
        mut seen: Seen<'_, '_>,
        (place, rungs): (Rung, &Rungs),
        ranking: &Ranking,
        family: Family,
        mut draw: impl FnMut(Set, &[u32]) -> usize,
    ) -> Choice {
        let of_family = |sets: PerFamily<Set>| sets[family as usize];
        for &(rung, available) in rungs {
            seen.come_to(rung);
            let chosen = seen.walk(ranking, of_family(available), &mut draw);
            if chosen != 0 {
                return seen.choice(Verdict::Pools(chosen, self.selection(rung)), rung, true);
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
        let (last, selection) = match self.rule.all_down {
            AllDown::All => ([within(self.in_service, seen.part), self.in_service, self.left], Selection::All),
            AllDown::LastHealthy => ([within(self.recent, seen.part), self.recent, self.recent], Selection::Recent),
            AllDown::Nodata | AllDown::Servfail => return seen.choice(Verdict::Nodata, Rung::AllDown, true),
        };
        for available in last {
            let chosen = seen.walk(ranking, of_family(available), &mut draw);
            if chosen != 0 {
                return seen.choice(Verdict::Pools(chosen, selection), Rung::AllDown, true);
            }
        }
        seen.choice(Verdict::Nodata, Rung::AllDown, true)
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

/// A pool that keeps a share of its clients is drawn that much less often. As long as all keep all of them the shares cancel
/// out, and weights are drawn by as they are.
fn drawn_weights(rule: &Rule, pools: &[Arc<Pool>]) -> Arc<[u32]> {
    let shares: Vec<Share> = rule.pools.iter().map(|&id| pools[id as usize].share()).collect();
    let are_full = shares.iter().all(|share| share.is_full());
    let drawn =
        |(&weight, share): (&u16, Share)| u32::from(weight) * if are_full { 1 } else { u32::from(share.thousandths()) };
    rule.policy.weights.iter().zip(shares).map(drawn).collect()
}

/// What is known of the loads of a rule's pools.
#[derive(Debug)]
struct Loads {
    /// The share of its clients that each keeps.
    keep: Box<[Share]>,
    /// Pools that do not keep all.
    shedding: Set,
    /// What each can take of others, in a unit in which all of it together fits 32 bits.
    rooms: Box<[u32]>,
    /// Pools that can take anything.
    roomy: Set,
}

impl Loads {
    fn new(rule: &Rule, pools: &[Arc<Pool>]) -> Arc<Self> {
        let allowances = || rule.pools.iter().map(|&id| pools[id as usize].allowance());
        let set = |holds: fn(&Allowance) -> bool| {
            let held = allowances().enumerate().filter(|(_, allowance)| holds(allowance));
            held.fold(0, |set: Set, (place, _)| set | 1 << place)
        };
        let total = allowances().fold(0_u64, |sum, allowance| sum.saturating_add(allowance.room));
        // One bit to spare, as what is left of a room never becomes nothing.
        let surplus = (u64::BITS - total.leading_zeros()).saturating_sub(u32::BITS - 1);
        let room = |allowance: &Allowance| ((allowance.room >> surplus) as u32).max(u32::from(allowance.room > 0));
        Arc::new(Self {
            keep: allowances().map(|allowance| allowance.keep).collect(),
            shedding: set(|allowance| !allowance.keep.is_full()),
            rooms: allowances().map(room).collect(),
            roomy: set(|allowance| allowance.room > 0),
        })
    }
}

/// Those of these pools that are of this part.
fn within(sets: PerFamily<Set>, part: Set) -> PerFamily<Set> {
    sets.map(|set| set & part)
}

/// Where a walk for both families ended, seen from one of them.
enum WalkEnd {
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
struct Seen<'a, 's> {
    plan: &'a Plan,
    spill: &'a Spill<'s>,
    /// The pools that the client belongs to.
    part: Set,
    /// Those that are looked at now: these, and then all.
    among: Set,
    reached: Set,
    fallback: bool,
}

impl Seen<'_, '_> {
    fn come_to(&mut self, rung: Rung) {
        if rung == Rung::Ready {
            self.among = Set::MAX;
        }
    }

    fn walk(&mut self, ranking: &Ranking, available: Set, draw: impl FnMut(Set, &[u32]) -> usize) -> Set {
        let weights = self.plan.weights.as_deref().unwrap_or_default();
        let spill = Spill { part: self.among, ..*self.spill };
        let Walk { chosen, reached } = self.plan.rule.policy.walk(ranking, available, &spill, weights, draw);
        self.reached |= reached & self.among;
        chosen
    }

    fn place(
        &mut self,
        ranking: &Ranking,
        available: PerFamily<Set>,
        family: Family,
        draw: impl FnMut(Set, &[u32]) -> usize,
    ) -> WalkEnd {
        let [v4, v6] = available;
        let place = self.walk(ranking, v4 | v6, draw);
        let of_family = place & available[family as usize];
        if place == 0 {
            WalkEnd::None
        } else if of_family != 0 {
            WalkEnd::Chosen(of_family)
        } else if place & self.plan.given[family as usize] == 0 {
            WalkEnd::WithoutFamily
        } else {
            WalkEnd::FamilyDown
        }
    }

    fn choice(&self, verdict: Verdict, rung: Rung, alone: bool) -> Choice {
        let fallback_restless = self.fallback && self.plan.fallback.is_some_and(|fallback| fallback.is_restless);
        let drains = self.plan.mode == Some(Mode::Drain);
        let ramps = self.plan.split.is_some_and(|split| split.is_ramping);
        let restless = self.reached & self.plan.restless != 0 || fallback_restless || drains || ramps;
        Choice { verdict, rung, alone, reached: self.reached, restless }
    }
}

impl Rule {
    /// What picks where a single pool answers, or where the operator chose for all, and how many at most. `weighs` says whether
    /// that pool's weights differ.
    pub fn pick(&self, weighs: bool) -> (Pick, u16) {
        let pick = self.pick.unwrap_or(if weighs { Pick::Weighted } else { Pick::Rotate });
        (pick, self.answers.unwrap_or(pick.default_answers()))
    }

    /// The ranking for a client in the network whose lowest address this is, and the length of the shortest prefix around it on which
    /// that and the client's hash are the same, whatever the health.
    pub fn place(&self, client: IpAddr) -> Placement<'_> {
        let placement = self.map.look_up(client);
        match self.sticky_length(client).unwrap_or(0) {
            // Nothing that is known of a network makes a difference.
            0 if self.map.is_uniform() => Placement { scope: 0, is_unnamed: false, ..placement },
            // Who tells no place is hashed by the packet's source instead.
            _ if placement.is_unnamed => placement,
            hashed => Placement { scope: placement.scope.max(hashed), ..placement },
        }
    }

    /// Whether all clients are placed alike.
    pub fn is_uniform(&self) -> bool {
        self.sticky.is_none() && self.map.is_uniform()
    }

    /// Bits of this address that its client's hash goes by, if there is one.
    pub fn sticky_length(&self, client: IpAddr) -> Option<u8> {
        let family = if client.is_ipv4() { Family::V4 } else { Family::V6 };
        self.sticky.map(|lengths| lengths[family as usize])
    }

    /// What a client is hashed by for a name in wire format and lower case, if pools or endpoints are chosen by hash.
    pub fn client_key(&self, client: IpAddr, name: &[u8]) -> Option<HashKey> {
        self.sticky_length(client).map(|length| HashKey::of_client(client, length, name))
    }

    /// The pools of a set.
    pub fn pools_of(&self, set: Set) -> impl Iterator<Item = PoolId> + Clone {
        members(set).map(|place| self.pools[place])
    }
}
