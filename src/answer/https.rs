//! HTTPS records (RFC 9460) of a steered name: where a browser connects, and by which protocols, in one answer.
//!
//! The hints are what A and AAAA would be answered with: one place for both families, drawn once where a draw decides.

use super::Worker;
use super::offer::{Chosen, Offer};
use super::response::{Next, Response, Subject};
use super::steered;
use crate::snapshot::{Family, Plan, Verdict};
use crate::steering::Picks;
use crate::wire::{Rcode, Rtype, Section, SvcParams, Truncated};

/// Answers a question for the HTTPS record of a name that has one.
pub(super) fn answer<'s>(
    response: &mut Response<'_, 's>,
    subject: &Subject<'s>,
    plan: &'s Plan,
    params: &'s SvcParams,
) -> Result<Next, Truncated> {
    let (rule, pools) = (plan.rule(), response.snapshot.pools());
    let (ranking, key) = steered::rank(response, rule, subject);
    // Both families see the same numbers, so that a draw comes to the same place.
    let numbers = response.worker.numbers();
    let choices = [Family::V4, Family::V6].map(|family| {
        let mut numbers = numbers.clone();
        plan.choose(ranking, family, key, |below| numbers.u32(..below))
    });
    for choice in &choices {
        steered::explain(response, rule, choice);
    }
    let ttl = plan.ttl(&choices[0]).min(plan.ttl(&choices[1]));
    let [v4, v6] = choices.each_ref().map(|choice| Chosen::of(choice, rule, pools));
    match v4.or(v6) {
        Some(chosen) if chosen.is_cname() => return steered::cname(response, subject, &chosen, key, ttl),
        Some(_) => {}
        None if choices[0].verdict == Verdict::Servfail => return Ok(Next::Done(Rcode::ServFail)),
        None => return response.negative(subject, Rcode::NoError, ttl),
    }
    let turn = response.turn(subject);
    let v4 = v4.map(|chosen| Hints::new(chosen.v4(key, response.worker), response.worker, turn));
    let v6 = v6.map(|chosen| Hints::new(chosen.v6(key, response.worker), response.worker, turn));
    let counts = (v4.as_ref().map_or(0, Hints::count), v6.as_ref().map_or(0, Hints::count));
    response.message.push_rrset(Section::Answer, |rrset| {
        rrset.fields(subject.owner, Rtype::HTTPS, ttl, params.length(counts.0, counts.1))?;
        params.write(rrset, v4.iter().flat_map(Hints::addresses), v6.iter().flat_map(Hints::addresses))
    })?;
    // RFC 9460, section 4.1: "authoritative DNS servers SHOULD return A, AAAA, and SVCB RRs in the Additional section for
    // any TargetNames that are in the zone". Nothing is lost without them.
    let _ = v4.map_or(Ok(()), |hints| hints.push(response, subject, Rtype::A, ttl));
    let _ = v6.map_or(Ok(()), |hints| hints.push(response, subject, Rtype::AAAA, ttl));
    Ok(Next::Done(Rcode::NoError))
}

/// One family's addresses.
struct Hints<'s, const LENGTH: usize> {
    offer: Offer<'s, [u8; LENGTH]>,
    picks: Picks,
}

impl<'s, const LENGTH: usize> Hints<'s, LENGTH> {
    fn new(offer: Offer<'s, [u8; LENGTH]>, worker: &mut Worker, turn: u32) -> Self {
        let picks = offer.pick(worker, turn);
        Self { offer, picks }
    }

    fn count(&self) -> usize {
        self.picks.iter().count()
    }

    fn addresses(&self) -> impl Iterator<Item = &'s [u8; LENGTH]> + Clone {
        self.picks.iter().map(|place| &self.offer.get(place).value)
    }

    /// The same as records of their own.
    fn push(
        &self,
        response: &mut Response<'_, 's>,
        subject: &Subject<'s>,
        rtype: Rtype,
        ttl: u32,
    ) -> Result<(), Truncated> {
        response.message.push_rrset(Section::Additional, |rrset| {
            self.addresses().try_for_each(|address| rrset.record(subject.owner, rtype, ttl, address))
        })
    }
}
