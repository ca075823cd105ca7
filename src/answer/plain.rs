//! The most common answer at a steered name: addresses of one pool, in turn.
//!
//! The choice is that of [`steered`](super::steered), by the same functions. What other answers need is left out: hops,
//! draws, several pools, the ladder. `None` means that the answer is another one; then nothing is drawn or counted yet.

use std::net::IpAddr;

use super::candidates::{Candidates, Chosen};
use super::count::{self, Counted};
use super::frame::Frame;
use super::{Client, Reply, ResponseClass, Worker};
use crate::snapshot::{Choice, Family, Plan, Snapshot, Verdict};
use crate::steering::{MAX_ANSWERS, Ranking};
use crate::wire::{Rcode, Rtype};
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

impl Question {
    /// Answers the question, and counts the answer. The first octets of `out` are already written.
    #[inline]
    pub(super) fn answer(
        &self,
        (snapshot, worker): (&Snapshot, &mut Worker),
        counted: Counted<'_>,
        frame: &mut Frame<'_>,
        out: &mut [u8],
    ) -> Option<Reply> {
        let plan = snapshot.plan(self.id.0, self.id.1);
        let (ranking, scope) = self.rank(plan)?;
        let family = if self.rtype == Rtype::A { Family::V4 } else { Family::V6 };
        let choice = plan.first_usable(ranking, family)?;
        let Verdict::Pools(set, _) = choice.verdict else { return None };
        if !set.is_power_of_two() {
            return None;
        }
        let chosen = Chosen::of(&choice, plan, snapshot.pools())?;
        let given = (plan, &choice, scope);
        match self.rtype {
            Rtype::A => self.give(given, (&chosen.v4(None, worker), worker), counted, frame, out),
            Rtype::AAAA => self.give(given, (&chosen.v6(None, worker), worker), counted, frame, out),
            _ => None,
        }
    }

    /// Returns the client's ranking and the scope of the answer; `None` if the client is hashed, or if its resolver is
    /// ranked instead.
    #[inline]
    fn rank<'s>(&self, plan: &'s Plan) -> Option<(&'s Ranking, u8)> {
        let rule = plan.rule();
        if rule.sticky.is_some() {
            return None;
        }
        if self.client.subnet.is_none() {
            return Some((rule.map.ranking_of_host(self.client.address), 0));
        }
        let placed = rule.place(self.client.address);
        let scope = if rule.is_uniform() { 0 } else { self.client.scope(placed.scope) };
        (!placed.is_unnamed).then_some((placed.ranking, scope))
    }

    #[inline]
    fn give<const LENGTH: usize>(
        &self,
        (plan, choice, scope): (&Plan, &Choice, u8),
        (candidates, worker): (&Candidates<'_, [u8; LENGTH]>, &mut Worker),
        counted: Counted<'_>,
        frame: &mut Frame<'_>,
        out: &mut [u8],
    ) -> Option<Reply> {
        if !frame.has_room(MAX_ANSWERS.min(candidates.count()), LENGTH, out) || !candidates.rotates() {
            return None;
        }
        let [from, before] = candidates.rotated(worker.turn(self.source, self.hash, self.rtype))?;
        let (ttl, count) = (plan.ttl(choice), from.len() + before.len());
        let members = || from.iter().chain(before);
        let addresses = members().map(|member| &member.value);
        let length = frame.fill(out, (self.rtype, ttl, scope), (count, addresses));
        let class = ResponseClass::Answer;
        let reply = Reply { length, rcode: Rcode::NoError, class, ttl: Some(ttl), is_truncated: false };
        let numbers = members().map(|member| member.number);
        let place = (self.zone, self.id.1, self.client.address);
        count::plain(worker, counted, &reply, place, (plan, choice), numbers);
        Some(reply)
    }
}
