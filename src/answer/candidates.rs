//! Lists the endpoints of the chosen pools, and picks those that are in the answer.

mod every;

use std::iter;
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::Worker;
use crate::health::Share;
use crate::name::Name;
use crate::snapshot::{Choice, Kind, Lists, MAX_POOLS, Member, Plan, Pool, PoolId, Rule, Selection, Verdict};
use crate::steering::{HashKey, MAX_ANSWERS, Pick, Picks, Set, members};

/// The pools that were chosen to answer.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'s> {
    rule: &'s Rule,
    pools: &'s [Arc<Pool>],
    first: PoolId,
    /// The other pools, which answer together with the first one.
    more: Set,
    selection: Selection,
    /// True if an address may be in several of the pools.
    shares_addresses: bool,
}

impl<'s> Chosen<'s> {
    /// Returns the chosen pools, or `None` if no pool answers.
    #[inline]
    pub(super) fn of(choice: &Choice, plan: &'s Plan, pools: &'s [Arc<Pool>]) -> Option<Self> {
        let rule = &**plan.rule();
        let (first, more, selection) = match choice.verdict {
            Verdict::Pools(set, selection) => {
                let first = members(set).next()?;
                (rule.pools[first], set & !(1 << first), selection)
            }
            Verdict::Fallback(selection) => (rule.fallback?, 0, selection),
            Verdict::Nodata | Verdict::Servfail => return None,
        };
        Some(Self { rule, pools, first, more, selection, shares_addresses: plan.shares_addresses() })
    }

    #[inline]
    fn kind(&self, id: PoolId) -> &'s Kind {
        self.pools[id.index()].kind()
    }

    /// True if the pools hold CNAME targets. Pools that answer together hold the same kind.
    #[inline]
    pub(super) fn is_cname(&self) -> bool {
        matches!(self.kind(self.first), Kind::Cname(_))
    }

    /// Returns the pools' IPv4 addresses as candidates for the client with this key.
    #[inline]
    pub(super) fn v4(&self, key: Option<HashKey>, worker: &mut Worker) -> Candidates<'s, [u8; 4]> {
        Candidates::new(self, key, Kind::v4, worker)
    }

    /// Returns the pools' IPv6 addresses as candidates for the client with this key.
    #[inline]
    pub(super) fn v6(&self, key: Option<HashKey>, worker: &mut Worker) -> Candidates<'s, [u8; 16]> {
        Candidates::new(self, key, Kind::v6, worker)
    }

    /// Returns the pools' CNAME targets as candidates for the client with this key. An answer contains at most one.
    #[inline]
    pub(super) fn cname(&self, key: Option<HashKey>, worker: &mut Worker) -> Candidates<'s, Name> {
        Candidates::new(self, key, Kind::cname, worker)
    }
}

/// Consecutive members of one pool.
struct Run<'s, T> {
    members: &'s [Member<T>],
    /// True if some members keep only a share of their clients, and that share is not yet applied.
    is_degraded: bool,
}

/// All candidates: the members of the chosen pools, pool after pool, without duplicate values (RFC 2181, section 5).
///
/// If the name has no `pick` and several pools answer together, each pool picks for itself: a pool with different
/// weights gives one member, drawn by weight; the others give all their members. Then these members rotate.
pub(super) struct Candidates<'s, T> {
    key: Option<HashKey>,
    pick: Pick,
    answers: u16,
    first: Run<'s, T>,
    /// The runs of the other pools; empty if one pool answers alone.
    more: ArrayVec<Run<'s, T>, MAX_RUNS>,
    count: usize,
}

/// Maximum number of runs: one for each pool, and as many again for pools that are cut into several runs, because
/// another pool holds some of their members too. Members beyond that are left out: the runs before them already hold
/// more members than an answer can.
const MAX_RUNS: usize = 2 * MAX_POOLS;

impl<T> Clone for Run<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Run<'_, T> {}

impl<'s, T: Clone + PartialEq> Run<'s, T> {
    #[inline]
    fn of(pool: &'s Lists<T>, selection: Selection) -> Self {
        Self { members: pool.select(selection), is_degraded: pool.is_degraded() }
    }
}

impl<T> Run<'_, T> {
    const EMPTY: Self = Self { members: &[], is_degraded: false };

    fn share(&self, place: usize) -> u16 {
        if self.is_degraded { self.members[place].share.thousandths() } else { Share::FULL.thousandths() }
    }

    /// Picks only among the members of this run.
    #[inline]
    fn pick(&self, pick: Pick, answers: u16, turn: u32, worker: &mut Worker) -> Picks {
        let weight = |place: usize| self.members[place].weight_for(pick);
        let draw = |below| worker.draw(below);
        if self.is_degraded {
            return Picks::degraded(pick, self.members.len(), answers, turn, weight, |place| self.share(place), draw);
        }
        Picks::new(pick, self.members.len(), answers, turn, weight, draw)
    }

    /// Returns a run of one member, drawn by weight. A pool with different weights contributes this run when several
    /// pools answer together.
    fn drawn(&self, worker: &mut Worker) -> Self {
        let picks = self.pick(Pick::Weighted, 1, 0, worker);
        let members = picks.iter().next().map_or(&[][..], |place| &self.members[place..=place]);
        // The draw has already applied the member's share.
        Self { members, is_degraded: false }
    }
}

impl<'s, T: Clone + PartialEq> Candidates<'s, T> {
    #[inline]
    fn new(
        chosen: &Chosen<'s>,
        key: Option<HashKey>,
        lists: impl Fn(&'s Kind) -> Option<&'s Lists<T>>,
        worker: &mut Worker,
    ) -> Self {
        if chosen.more != 0 {
            return Self::of_several(chosen, key, lists, worker);
        }
        Self::of_one(chosen, key, lists)
    }

    /// Lists the candidates of one pool.
    #[inline]
    fn of_one(chosen: &Chosen<'s>, key: Option<HashKey>, lists: impl Fn(&'s Kind) -> Option<&'s Lists<T>>) -> Self {
        let first = lists(chosen.kind(chosen.first));
        let (pick, answers) = chosen.rule.pick(first.is_some_and(Lists::weighs));
        let first = first.map_or(Run::EMPTY, |pool| Run::of(pool, chosen.selection));
        Self { key, pick, answers, first, more: ArrayVec::new(), count: first.members.len() }
    }

    #[inline(never)]
    fn of_several(
        chosen: &Chosen<'s>,
        key: Option<HashKey>,
        lists: impl Fn(&'s Kind) -> Option<&'s Lists<T>>,
        worker: &mut Worker,
    ) -> Self {
        Self::gather(chosen, key, lists, |run| run.drawn(worker))
    }

    /// Lists the candidates of several pools. `draw` reduces the run of a pool that gives one member to that member.
    #[inline]
    fn gather(
        chosen: &Chosen<'s>,
        key: Option<HashKey>,
        lists: impl Fn(&'s Kind) -> Option<&'s Lists<T>>,
        mut draw: impl FnMut(Run<'s, T>) -> Run<'s, T>,
    ) -> Self {
        let mut given = |id: PoolId| {
            let pool = lists(chosen.kind(id))?;
            let (run, draws) = (Run::of(pool, chosen.selection), chosen.rule.pick.is_none() && pool.weighs());
            Some(if draws { draw(run) } else { run })
        };
        let (pick, answers) = chosen.rule.pick(false);
        let first = given(chosen.first).unwrap_or(Run::EMPTY);
        let mut candidates = Self { key, pick, answers, first, more: ArrayVec::new(), count: first.members.len() };
        for run in chosen.rule.pools_of(chosen.more).filter_map(given) {
            if chosen.shares_addresses {
                candidates.add_new(run);
            } else if candidates.more.try_push(run).is_ok() {
                candidates.count += run.members.len();
            }
        }
        candidates
    }

    /// Adds those members of a run whose values are new, in as many runs as needed.
    fn add_new(&mut self, run: Run<'s, T>) {
        let known = self.more.len();
        let is_new = |member: &Member<T>, more: &[Run<'s, T>]| {
            let mut known = iter::once(&self.first).chain(more).flat_map(|run| run.members);
            !known.any(|other| other.value == member.value)
        };
        // Each piece holds consecutive members that are all new, or all known.
        let mut start = 0;
        while let Some(member) = run.members.get(start) {
            let is_first_new = is_new(member, &self.more[..known]);
            let rest = &run.members[start..];
            let length = rest.iter().take_while(|other| is_new(other, &self.more[..known]) == is_first_new).count();
            if is_first_new && self.more.try_push(Run { members: &rest[..length], ..run }).is_ok() {
                self.count += length;
            }
            start += length;
        }
    }

    /// True if the members of one pool rotate, and nothing else decides.
    #[inline]
    pub(super) fn rotates(&self) -> bool {
        let Run { members, is_degraded } = self.first;
        self.pick == Pick::Rotate && !is_degraded && self.more.is_empty() && !members.is_empty()
    }

    /// Returns the members that are in the answer if they [rotate](Self::rotates), in their order. `None` if the answer is
    /// made in another way.
    #[inline]
    pub(super) fn rotated(&self, turn: u32) -> Option<[&'s [Member<T>]; 2]> {
        self.rotates().then(|| rotated(self.first.members, self.wanted(), turn))
    }

    /// Returns the number of members in the answer if they [rotate](Self::rotates).
    #[inline]
    pub(super) fn wanted(&self) -> usize {
        usize::from(self.answers).min(MAX_ANSWERS).min(self.first.members.len())
    }

    /// Returns the members at these positions, counted over all runs.
    #[inline]
    pub(super) fn members(&self, picks: &Picks) -> impl Iterator<Item = &'s Member<T>> {
        // Most answers come from one pool.
        let is_alone = self.more.is_empty();
        picks.iter().map(move |place| if is_alone { &self.first.members[place] } else { self.get(place) })
    }

    fn get(&self, place: usize) -> &'s Member<T> {
        let (run, place) = self.run(place);
        &run.members[place]
    }

    /// Returns the run that holds the member at this position, and the member's position in that run.
    #[inline]
    fn run(&self, mut place: usize) -> (&Run<'s, T>, usize) {
        let (mut run, mut more) = (&self.first, self.more.iter());
        while let Some(behind) = place.checked_sub(run.members.len()) {
            (run, place) = (more.next().expect("a place is below the count"), behind);
        }
        (run, place)
    }

    /// Returns the positions of the members that are in the answer, in order. `turn` grows by one with each answer to
    /// the same asker.
    #[inline]
    pub(super) fn pick(&self, worker: &mut Worker, turn: u32) -> Picks {
        let Self { pick, answers, .. } = *self;
        let share = |place| {
            let (run, place) = self.run(place);
            run.share(place)
        };
        if let Some(client) = self.key.filter(|_| pick == Pick::Sticky) {
            let candidate = |place| {
                let Member { key, weight, .. } = self.get(place);
                (*key, u32::from(*weight) * u32::from(share(place)))
            };
            return Picks::sticky(client, self.count, answers, candidate);
        }
        if self.more.is_empty() {
            return self.first.pick(pick, answers, turn, worker);
        }
        let weight = |place| self.get(place).weight_for(pick);
        let draw = |below| worker.draw(below);
        if self.first.is_degraded || self.more.iter().any(|run| run.is_degraded) {
            return Picks::degraded(pick, self.count, answers, turn, weight, share, draw);
        }
        Picks::new(pick, self.count, answers, turn, weight, draw)
    }
}

/// Returns `wanted` of these members, of which there are as many at least: from the one whose turn it is, and then those
/// before it.
#[inline]
pub(super) fn rotated<T>(members: &[Member<T>], wanted: usize, turn: u32) -> [&[Member<T>]; 2] {
    let (before, from) = members.split_at((turn % members.len() as u32) as usize);
    let from = &from[..from.len().min(wanted)];
    [from, &before[..wanted - from.len()]]
}
