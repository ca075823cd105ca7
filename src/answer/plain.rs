//! The most common answer at a steered name: addresses of one pool, in turn.
//!
//! As long as a snapshot lasts, the pool follows from the client's ranking, and so does everything else but the turn. A worker
//! therefore keeps it for each ranking of a question, as [`Turns`]. It is found by the functions of [`steered`](super::steered).

use std::net::IpAddr;

use super::candidates::{Candidates, Chosen, rotated};
use super::count::{self, Counted};
use super::frame::Frame;
use super::{Client, Reply, ResponseClass, Worker};
use crate::snapshot::{Family, Kind, Lists, Member, Plan, PoolId, Selection, Snapshot, Verdict};
use crate::steering::Numbered;
use crate::wire::{FIELDS, Rcode, Rtype};
use crate::zone::{NameId, PlanId, ZoneId};

/// A question for the addresses of a steered name.
pub(super) struct Question {
    pub(super) zone: ZoneId,
    pub(super) id: (PlanId, NameId),
    pub(super) rtype: Rtype,
    /// The [hash](Worker::hash) of the name.
    pub(super) hash: u64,
    pub(super) client: Client,
    pub(super) source: IpAddr,
}

/// The answers to a question of all clients with one ranking: addresses of one pool, and nothing but the turn decides which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    pub(super) pool: PoolId,
    /// The position of the pool among those of the name.
    pub(super) position: u8,
    /// The number of addresses in an answer.
    wanted: u8,
    ttl: u32,
}

impl Turns {
    /// Returns the answers to a question of this type for the ranking with this number. `None` if something else decides too, or
    /// if not all addresses fit in the frame.
    pub(super) fn of(
        (plan, ranking): (&Plan, u32),
        rtype: Rtype,
        (snapshot, worker): (&Snapshot, &mut Worker),
        frame: &Frame<'_>,
    ) -> Option<Self> {
        let ranking = plan.rule().map.rankings().get(ranking as usize)?;
        let family = if rtype == Rtype::A { Family::V4 } else { Family::V6 };
        let choice = plan.first_usable(ranking, family)?;
        let Verdict::Pools(set, Selection::Open) = choice.verdict else { return None };
        if !set.is_power_of_two() {
            return None;
        }
        let chosen = Chosen::of(&choice, plan, snapshot.pools())?;
        let (wanted, length) = match rtype {
            Rtype::A => (Self::wanted(&chosen.v4(None, worker))?, size_of::<[u8; 4]>()),
            Rtype::AAAA => (Self::wanted(&chosen.v6(None, worker))?, size_of::<[u8; 16]>()),
            _ => return None,
        };
        let position = set.trailing_zeros();
        let pool = plan.rule().pools[position as usize];
        let fits = frame.length(wanted * (FIELDS + length)) <= frame.limit;
        fits.then(|| Self { pool, position: position as u8, wanted: wanted as u8, ttl: plan.ttl(&choice) })
    }

    fn wanted<T: Clone + PartialEq>(candidates: &Candidates<'_, T>) -> Option<usize> {
        candidates.rotates().then(|| candidates.wanted())
    }
}

impl Question {
    /// Returns the number of the client's ranking and the scope of the answer; `None` if the client is hashed, or if its
    /// resolver is ranked instead.
    #[inline]
    pub(super) fn rank(&self, plan: &Plan) -> Option<(u32, u8)> {
        let rule = plan.rule();
        if rule.sticky.is_some() {
            return None;
        }
        if self.client.subnet.is_none() {
            return Some((rule.map.number_of_host(self.client.address), 0));
        }
        let Numbered { number, scope, is_unnamed } = rule.map.number(self.client.address);
        if rule.map.is_uniform() {
            return Some((number, 0));
        }
        (!is_unnamed).then(|| (number, self.client.scope(scope)))
    }

    /// Answers the question with these turns, and counts the answer. The first octets of `out` are already written. `None` if
    /// `out` is too small.
    #[inline]
    pub(super) fn answer(
        &self,
        (turns, scope): (&Turns, u8),
        (counted, worker): (Counted<'_>, &mut Worker),
        frame: &Frame<'_>,
        out: &mut [u8],
    ) -> Option<Reply> {
        let pool = counted.snapshot.pools()[turns.pool.index()].kind();
        match pool {
            Kind::Addresses(v4, _) if self.rtype == Rtype::A => {
                self.give(v4, (turns, scope), counted, worker, frame, out)
            }
            Kind::Addresses(_, v6) => self.give(v6, (turns, scope), counted, worker, frame, out),
            Kind::Cname(_) => None,
        }
    }

    #[inline]
    fn give<const LENGTH: usize>(
        &self,
        lists: &Lists<[u8; LENGTH]>,
        (turns, scope): (&Turns, u8),
        counted: Counted<'_>,
        worker: &mut Worker,
        frame: &Frame<'_>,
        out: &mut [u8],
    ) -> Option<Reply> {
        let turn = worker.turn(self.source, self.hash, self.rtype);
        let [from, before] = rotated(lists.select(Selection::Open), turns.wanted.into(), turn);
        let addresses = [from.iter().map(Member::value), before.iter().map(Member::value)];
        let length = frame.fill(out, (self.rtype, turns.ttl, scope), addresses)?;
        let (rcode, class) = (Rcode::NoError, ResponseClass::Answer);
        let reply = Reply { length, rcode, class, ttl: Some(turns.ttl), is_truncated: false };
        count::plain(worker, counted, &reply, (self, turns), [from, before]);
        Some(reply)
    }
}
