//! Answers that are chosen for the client.

use std::sync::Arc;

use super::response::{Next, Response, Subject};
use crate::name::Name;
use crate::snapshot::{Kind, Lists, MAX_POOLS, Member, Plan, Pool, PoolId, Rule, Rung, Selection, Verdict};
use crate::steering::{AllDown, Picks, Placement};
use crate::wire::{ExtendedError, InfoCode, Rcode, RrsetWriter, Rtype, Section, Truncated};

/// Answers for a steered name. `None` if the asked type is left to the name's static records.
pub(super) fn answer<'s>(
    response: &mut Response<'_, 's>,
    subject: &Subject<'s>,
    plan: &'s Plan,
) -> Result<Option<Next>, Truncated> {
    let pools = response.snapshot.pools();
    let Some(family) = plan.family(response.rtype, pools) else { return Ok(None) };
    let rule = plan.rule();
    let Placement { ranking, scope } = rule.map.look_up(response.client.address);
    if !rule.map.is_uniform() {
        response.message.widen_scope(response.client.scope(scope));
    }
    let worker = &mut *response.worker;
    let choice = plan.choose(ranking, family, |below| worker.draw(below));
    let ttl = plan.ttl(&choice);
    if choice.rung == Rung::AllDown {
        response.message.explain(ExtendedError { code: InfoCode::Other, text: why_all_down(rule.all_down) });
    }
    let (chosen, selection) = match choice.verdict {
        Verdict::Pools(set, selection) => (set, selection),
        Verdict::Fallback(selection) => (0, selection),
        // For every type: where a CNAME might stand there are no static records.
        Verdict::Nodata => return response.negative(subject, Rcode::NoError, ttl).map(Some),
        Verdict::Servfail => return Ok(Some(Next::Done(Rcode::ServFail))),
    };
    let fallback = rule.fallback.filter(|_| matches!(choice.verdict, Verdict::Fallback(_)));
    let ids = rule.pools_of(chosen).chain(fallback);
    match (kind(pools, ids.clone()), response.rtype) {
        (Some(Kind::Cname(_)), _) => {
            let offer = Offer::new(pools, ids, selection, |kind| match kind {
                Kind::Cname(name) => Some(name),
                Kind::Addresses(..) => None,
            });
            cname(response, subject, rule, &offer, ttl).map(Some)
        }
        (Some(Kind::Addresses(..)), Rtype::A) => {
            let offer = Offer::new(pools, ids, selection, |kind| match kind {
                Kind::Addresses(v4, _) => Some(v4),
                Kind::Cname(_) => None,
            });
            addresses(response, subject, rule, &offer, ttl).map(Some)
        }
        (Some(Kind::Addresses(..)), Rtype::AAAA) => {
            let offer = Offer::new(pools, ids, selection, |kind| match kind {
                Kind::Addresses(_, v6) => Some(v6),
                Kind::Cname(_) => None,
            });
            addresses(response, subject, rule, &offer, ttl).map(Some)
        }
        _ => Ok(None),
    }
}

/// What an operator who wonders about an answer is told.
fn why_all_down(all_down: AllDown) -> &'static str {
    match all_down {
        AllDown::All => "all down: all",
        AllDown::LastHealthy => "all down: last-healthy",
        AllDown::Nodata => "all down: nodata",
        AllDown::Servfail => "all down: servfail",
    }
}

fn kind(pools: &[Arc<Pool>], mut ids: impl Iterator<Item = PoolId>) -> Option<&Kind> {
    ids.next().map(|id| pools[id as usize].kind())
}

/// Everything that could be handed out: the members of the chosen pools, one pool behind the other.
struct Offer<'s, T> {
    lists: [&'s [Member<T>]; MAX_POOLS],
    count: usize,
    /// Whether some keep only a share of their clients.
    is_degraded: bool,
}

impl<'s, T: Clone + PartialEq> Offer<'s, T> {
    fn new(
        pools: &'s [Arc<Pool>],
        ids: impl Iterator<Item = PoolId>,
        selection: Selection,
        of_kind: impl Fn(&'s Kind) -> Option<&'s Lists<T>>,
    ) -> Self {
        let mut offer = Self { lists: [&[]; MAX_POOLS], count: 0, is_degraded: false };
        for (list, id) in offer.lists.iter_mut().zip(ids) {
            let Some(lists) = of_kind(pools[id as usize].kind()) else { continue };
            *list = lists.select(selection);
            offer.count += list.len();
            offer.is_degraded |= lists.is_degraded();
        }
        offer
    }

    fn get(&self, mut place: usize) -> &'s Member<T> {
        let mut lists = self.lists.iter();
        loop {
            let list = lists.next().expect("a place is below the count");
            match list.get(place) {
                Some(member) => return member,
                None => place -= list.len(),
            }
        }
    }

    fn pick(&self, response: &mut Response<'_, '_>, subject: &Subject<'_>, rule: &Rule, answers: u16) -> Picks {
        let worker = &mut *response.worker;
        let turn = worker.turn(response.asker.address, subject.key(), response.rtype);
        let weight = |place| self.get(place).weight;
        let draw = |below| worker.draw(below);
        if self.is_degraded {
            let share = |place| self.get(place).share.thousandths();
            return Picks::degraded(rule.pick, self.count, answers, turn, weight, share, draw);
        }
        Picks::new(rule.pick, self.count, answers, turn, weight, draw)
    }
}

fn addresses<'s, const LENGTH: usize>(
    response: &mut Response<'_, 's>,
    subject: &Subject<'s>,
    rule: &Rule,
    offer: &Offer<'s, [u8; LENGTH]>,
    ttl: u32,
) -> Result<Next, Truncated> {
    let picks = offer.pick(response, subject, rule, rule.answers);
    let rtype = response.rtype;
    response.message.push_rrset(Section::Answer, |rrset| {
        picks.iter().try_for_each(|place| rrset.record(subject.owner, rtype, ttl, &offer.get(place).value))
    })?;
    Ok(Next::Done(Rcode::NoError))
}

fn cname<'s>(
    response: &mut Response<'_, 's>,
    subject: &Subject<'s>,
    rule: &Rule,
    offer: &Offer<'s, Name>,
    ttl: u32,
) -> Result<Next, Truncated> {
    /// An owner has one canonical name (RFC 2181, section 10.1).
    const ONE: u16 = 1;
    let Some(place) = offer.pick(response, subject, rule, ONE).iter().next() else {
        return response.negative(subject, Rcode::NoError, ttl);
    };
    let target = &offer.get(place).value;
    let no_labels = |_: &mut RrsetWriter<'_, '_>| Ok(());
    let next = response.push_cname(subject, ttl, (0, no_labels), target)?;
    // ANY gets one RRset (RFC 8482, section 4.1), and this is it.
    Ok(if response.rtype == Rtype::ANY { Next::Done(Rcode::NoError) } else { next })
}
