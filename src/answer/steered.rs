//! Answers that are chosen for the client.

use super::offer::{Chosen, Offer};
use super::response::{Next, Response, Subject};
use super::{Client, https};
use crate::snapshot::{Choice, Plan, Rule, Rung, Verdict};
use crate::steering::{AllDown, HashKey, Ranking};
use crate::wire::{ExtendedError, InfoCode, Rcode, RrsetWriter, Rtype, Section, Truncated};

/// Answers for a steered name. `None` if the asked type is left to the name's static records.
pub(super) fn answer<'s>(
    response: &mut Response<'_, 's>,
    subject: &Subject<'s>,
    plan: &'s Plan,
) -> Result<Option<Next>, Truncated> {
    let (rule, pools) = (plan.rule(), response.snapshot.pools());
    if let Some(params) = rule.https.as_ref().filter(|_| response.rtype == Rtype::HTTPS) {
        return https::answer(response, subject, plan, params).map(Some);
    }
    let Some(&family) = plan.families(response.rtype, pools).first() else { return Ok(None) };
    let (ranking, key) = rank(response, rule, subject);
    let worker = &mut *response.worker;
    let choice = plan.choose(ranking, family, key, |below| worker.draw(below));
    let ttl = plan.ttl(&choice);
    explain(response, rule, &choice);
    let Some(chosen) = Chosen::of(&choice, rule, pools) else {
        // For every type: where a CNAME might stand there are no static records.
        return match choice.verdict {
            Verdict::Servfail => Ok(Some(Next::Done(Rcode::ServFail))),
            _ => response.negative(subject, Rcode::NoError, ttl).map(Some),
        };
    };
    match response.rtype {
        _ if chosen.is_cname() => cname(response, subject, &chosen, key, ttl).map(Some),
        Rtype::A => {
            let offer = chosen.v4(key, response.worker);
            addresses(response, subject, &offer, ttl).map(Some)
        }
        Rtype::AAAA => {
            let offer = chosen.v6(key, response.worker);
            addresses(response, subject, &offer, ttl).map(Some)
        }
        _ => Ok(None),
    }
}

/// The ranking for the client, and its hash if the rule has one; the scope of what is answered for it is told.
pub(super) fn rank<'s>(
    response: &mut Response<'_, 's>,
    rule: &'s Rule,
    subject: &Subject<'s>,
) -> (&'s Ranking, Option<HashKey>) {
    let Client { mut address, subnet } = *response.client;
    if subnet.is_some() {
        let placement = rule.place(address);
        if !rule.is_uniform() {
            response.message.widen_scope(response.client.scope(placement.scope));
        }
        if !placement.is_unnamed {
            return (placement.ranking, rule.client_key(address, subject.key()));
        }
        // A network such as 10.1.2.0/24 tells no place (RFC 7871, section 10), but the resolver that speaks of it stands somewhere.
        address = Client::of_host(response.asker.address).address;
    }
    (rule.map.ranking_of_host(address), rule.client_key(address, subject.key()))
}

/// Tells an operator who wonders about the answer when health was no help.
pub(super) fn explain(response: &mut Response<'_, '_>, rule: &Rule, choice: &Choice) {
    if choice.rung == Rung::AllDown {
        response.message.explain(ExtendedError { code: InfoCode::Other, text: why_all_down(rule.all_down) });
    }
}

fn why_all_down(all_down: AllDown) -> &'static str {
    match all_down {
        AllDown::All => "all down: all",
        AllDown::LastHealthy => "all down: last-healthy",
        AllDown::Nodata => "all down: nodata",
        AllDown::Servfail => "all down: servfail",
    }
}

fn addresses<'s, const LENGTH: usize>(
    response: &mut Response<'_, 's>,
    subject: &Subject<'s>,
    offer: &Offer<'s, [u8; LENGTH]>,
    ttl: u32,
) -> Result<Next, Truncated> {
    let turn = response.turn(subject);
    let picks = offer.pick(response.worker, turn);
    let rtype = response.rtype;
    response.message.push_rrset(Section::Answer, |rrset| {
        picks.iter().try_for_each(|place| rrset.record(subject.owner, rtype, ttl, &offer.get(place).value))
    })?;
    Ok(Next::Done(Rcode::NoError))
}

/// A CNAME record, and on to its target.
pub(super) fn cname<'s>(
    response: &mut Response<'_, 's>,
    subject: &Subject<'s>,
    chosen: &Chosen<'s>,
    key: Option<HashKey>,
    ttl: u32,
) -> Result<Next, Truncated> {
    let offer = chosen.cname(key, response.worker);
    let turn = response.turn(subject);
    // An owner has one canonical name (RFC 2181, section 10.1).
    let Some(place) = offer.pick(response.worker, turn).iter().next() else {
        return response.negative(subject, Rcode::NoError, ttl);
    };
    let target = &offer.get(place).value;
    let no_labels = |_: &mut RrsetWriter<'_, '_>| Ok(());
    let next = response.push_cname(subject, ttl, (0, no_labels), target)?;
    // ANY gets one RRset (RFC 8482, section 4.1), and this is it.
    Ok(if response.rtype == Rtype::ANY { Next::Done(Rcode::NoError) } else { next })
}
