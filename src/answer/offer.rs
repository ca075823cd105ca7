//! What could be handed out once a place is chosen, and which of it is.

use std::sync::Arc;

use super::Worker;
use crate::name::Name;
use crate::snapshot::{Choice, Kind, Lists, MAX_POOLS, Member, Pool, PoolId, Rule, Selection, Verdict};
use crate::steering::{HashKey, Pick, Picks, Set};

/// The pools that answer.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'s> {
    rule: &'s Rule,
    pools: &'s [Arc<Pool>],
    set: Set,
    fallback: Option<PoolId>,
    selection: Selection,
}

impl<'s> Chosen<'s> {
    /// `None` if no pool answers.
    pub(super) fn of(choice: &Choice, rule: &'s Rule, pools: &'s [Arc<Pool>]) -> Option<Self> {
        let (set, fallback, selection) = match choice.verdict {
            Verdict::Pools(set, selection) => (set, None, selection),
            Verdict::Fallback(selection) => (0, rule.fallback, selection),
            Verdict::Nodata | Verdict::Servfail => return None,
        };
        Some(Self { rule, pools, set, fallback, selection })
    }

    fn kinds(&self) -> impl Iterator<Item = &'s Kind> + use<'s> {
        let pools = self.pools;
        self.rule.pools_of(self.set).chain(self.fallback).map(move |id| pools[id as usize].kind())
    }

    /// Whether what answers is a CNAME: pools that answer together are of one kind.
    pub(super) fn is_cname(&self) -> bool {
        matches!(self.kinds().next(), Some(Kind::Cname(_)))
    }

    /// Its IPv4 addresses, for a client with this key.
    pub(super) fn v4(&self, key: Option<HashKey>) -> Offer<'s, [u8; 4]> {
        Offer::new(self, key, self.kinds().filter_map(Kind::v4))
    }

    /// Its IPv6 addresses.
    pub(super) fn v6(&self, key: Option<HashKey>) -> Offer<'s, [u8; 16]> {
        Offer::new(self, key, self.kinds().filter_map(Kind::v6))
    }

    /// Its canonical names, of which one is given at most.
    pub(super) fn cname(&self, key: Option<HashKey>) -> Offer<'s, Name> {
        Offer::new(self, key, self.kinds().filter_map(Kind::cname))
    }
}

/// Everything that could be handed out: the members of the chosen pools, one pool behind the other.
pub(super) struct Offer<'s, T> {
    rule: &'s Rule,
    key: Option<HashKey>,
    first: &'s [Member<T>],
    /// Those of further pools. One alone answers mostly, and room for all of them takes longer to clear than to fill.
    more: Option<[&'s [Member<T>]; MAX_POOLS]>,
    count: usize,
    /// Whether some keep only a share of their clients.
    is_degraded: bool,
}

impl<'s, T: Clone + PartialEq> Offer<'s, T> {
    fn new(chosen: &Chosen<'s>, key: Option<HashKey>, pools: impl Iterator<Item = &'s Lists<T>>) -> Self {
        let (mut count, mut is_degraded) = (0, false);
        let mut lists = pools.map(|pool| {
            let list = pool.select(chosen.selection);
            count += list.len();
            is_degraded |= pool.is_degraded();
            list
        });
        let first = lists.next().unwrap_or_default();
        let more = lists.next().map(|second| {
            let mut more: [&[_]; MAX_POOLS] = [&[]; MAX_POOLS];
            more[0] = second;
            more[1..].iter_mut().zip(&mut lists).for_each(|(to, list)| *to = list);
            more
        });
        Self { rule: chosen.rule, key, first, more, count, is_degraded }
    }

    /// The member in this place.
    pub(super) fn get(&self, place: usize) -> &'s Member<T> {
        if let Some(member) = self.first.get(place) {
            return member;
        }
        let mut place = place - self.first.len();
        let mut lists = self.more.iter().flatten();
        loop {
            let list = lists.next().expect("a place is below the count");
            match list.get(place) {
                Some(member) => return member,
                None => place -= list.len(),
            }
        }
    }

    /// The places of those that are handed out. `turn` is one more for each answer to one asker.
    pub(super) fn pick(&self, worker: &mut Worker, turn: u32) -> Picks {
        let Rule { pick, answers, .. } = *self.rule;
        if let Some(client) = self.key.filter(|_| pick == Pick::Sticky) {
            let candidate = |place| {
                let Member { key, weight, share, .. } = self.get(place);
                (*key, u32::from(*weight) * u32::from(share.thousandths()))
            };
            return Picks::sticky(client, self.count, answers, candidate);
        }
        let weight = |place| self.get(place).weight_for(pick);
        let draw = |below| worker.draw(below);
        if self.is_degraded {
            let share = |place| self.get(place).share.thousandths();
            return Picks::degraded(pick, self.count, answers, turn, weight, share, draw);
        }
        Picks::new(pick, self.count, answers, turn, weight, draw)
    }
}
