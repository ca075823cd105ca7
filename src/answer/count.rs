//! Counts answers. This module reads the resolution and decides nothing.

use super::exchange::{Admission, Exchange};
use super::resolution::{End, Given, Hop, Resolution, Steered};
use super::{Reply, ResponseClass, Worker};
use crate::counters::{AnswerTally, Tally, ZoneAnswer};
use crate::geo::{DatacenterId, Location, RegionId};
use crate::snapshot::{Choice, Snapshot, Verdict};
use crate::steering::{Set, members};
use crate::wire::{Rcode, Rtype};

/// Counts a response. `resolution` is `None` if no zone was asked.
pub(super) fn response(
    worker: &mut Worker,
    exchange: &Exchange<'_>,
    resolution: Option<&Resolution<'_>>,
    reply: &Reply,
) {
    let weight = worker.weight();
    let Some(tally) = worker.tally() else { return };
    let asker = exchange.asker();
    let rtype = resolution.map_or_else(|| qtype(exchange), |resolution| Some(resolution.rtype));
    tally.response(asker.transport as usize, rtype, (reply.rcode, exchange.subnet_use()), reply.length);
    if reply.is_truncated {
        // The client asks again over a stream. The counters of the zones count only that answer.
        return tally.truncated();
    }
    let Some(resolution) = resolution else { return };
    let Some(counters) = exchange.snapshot().counters() else { return };
    zones(tally, tally.answer(counters), exchange.snapshot(), (resolution, reply), weight);
}

/// Counts the start of a zone transfer.
pub(super) fn transfer(worker: &Worker, exchange: &Exchange<'_>) {
    if let Some(tally) = worker.tally() {
        tally.response(exchange.asker().transport as usize, qtype(exchange), (Rcode::NoError, None), 0);
        tally.transfer();
    }
}

/// Returns the type of the question, if it is readable.
#[inline(never)]
fn qtype(exchange: &Exchange<'_>) -> Option<Rtype> {
    match exchange.admission() {
        Admission::Question(question) | Admission::Identity(question) | Admission::Transfer(question, _) => {
            Some(question.rtype)
        }
        Admission::Rejection(..) => exchange.query().question.as_ref().ok()?.as_ref().map(|question| question.rtype),
    }
}

#[inline]
fn zones(
    tally: &Tally,
    answer: AnswerTally<'_>,
    snapshot: &Snapshot,
    (resolution, reply): (&Resolution<'_>, &Reply),
    weight: Option<u64>,
) {
    let Some(first) = resolution.hops().first() else { return };
    answer.zone(first.zone_id.index(), kind(resolution, reply));
    for steered in resolution.hops().iter().filter_map(Hop::steered) {
        self::steered(tally, answer, resolution, steered);
    }
    if let Some(weight) = weight {
        client(answer, snapshot, resolution, weight);
    }
}

/// Counts the client as `weight` clients, by its location and by the datacenter that it is sent to.
#[inline(never)]
fn client(answer: AnswerTally<'_>, snapshot: &Snapshot, resolution: &Resolution<'_>, weight: u64) {
    let mut sent = None;
    for hop in resolution.hops() {
        let Some(steered) = hop.steered() else { continue };
        let (location, region) = located(snapshot, hop, steered);
        let region = region.index();
        answer.region(hop.zone_id.index(), (region < hop.zone.regions.list().len()).then_some(region), weight);
        sent = Some((location.country, datacenter(steered, snapshot)));
    }
    let unsteered = || (snapshot.locations().look_up(resolution.client().address).country, None);
    let (country, datacenter) = sent.unwrap_or_else(unsteered);
    answer.client(country, datacenter, weight);
}

/// Returns the kind of answer.
#[inline]
pub(super) fn kind(resolution: &Resolution<'_>, reply: &Reply) -> ZoneAnswer {
    match resolution.end {
        // An answer that could not be signed fails, whatever the name has.
        _ if reply.class == ResponseClass::Error => ZoneAnswer::Failure,
        Some(End::Nodata) => ZoneAnswer::Nodata,
        Some(End::Referral) => ZoneAnswer::Referral,
        Some(End::NxDomain) => ZoneAnswer::NxDomain,
        Some(End::Records) => ZoneAnswer::Answer,
        Some(End::TooLong | End::Failure) | None => ZoneAnswer::Failure,
    }
}

/// Returns the location and the region of the client that a steered name was ranked for.
pub(super) fn located(snapshot: &Snapshot, hop: &Hop<'_>, steered: &Steered<'_>) -> (Location, RegionId) {
    let location = snapshot.locations().look_up(steered.ranked_by);
    let region = hop.zone.regions.of(steered.ranked_by, &location);
    (location, region)
}

/// Counts what a steered name gave. Only the last name of a chain can give addresses, so the resolution's addresses are
/// those of that name.
#[inline(never)]
fn steered(tally: &Tally, answer: AnswerTally<'_>, resolution: &Resolution<'_>, steered: &Steered<'_>) {
    if matches!(steered.given, Given::Addresses | Given::Https(_)) {
        let v4 = resolution.v4().iter().map(|member| member.number);
        let v6 = resolution.v6().iter().map(|member| member.number);
        v4.enumerate().for_each(|(place, number)| answer.endpoint(number as usize, place == 0));
        v6.enumerate().for_each(|(place, number)| answer.endpoint(number as usize, place == 0));
    }
    tally.rung(steered.choice.rung as usize);
    let (name, pools) = (steered.id.1.index(), steered.plan.rule().pools.len());
    match steered.given {
        Given::Servfail => return answer.failure(name, pools),
        Given::Nodata => return answer.nodata(name, pools),
        Given::Addresses | Given::Https(_) | Given::Cname(_) => {}
    }
    match pools_of(steered) {
        0 => answer.fallback(name, pools),
        set => members(set).for_each(|position| answer.pool(name, position)),
    }
}

/// Returns the pools that gave the answer, in either family; none if `fallback` gave it, or nothing did.
pub(super) fn pools_of(steered: &Steered<'_>) -> Set {
    let set = |choice: &Choice| match choice.verdict {
        Verdict::Pools(set, _) => set,
        Verdict::Fallback(_) | Verdict::Nodata | Verdict::Servfail => 0,
    };
    set(&steered.choice) | steered.second.as_ref().map_or(0, set)
}

/// Returns the datacenter of the first pool that gave the answer; `None` if no pool did, or the pool has no datacenter.
pub(super) fn datacenter(steered: &Steered<'_>, snapshot: &Snapshot) -> Option<DatacenterId> {
    if matches!(steered.given, Given::Nodata | Given::Servfail) {
        return None;
    }
    let rule = steered.plan.rule();
    let pool = match pools_of(steered) {
        0 => rule.fallback?,
        set => rule.pools_of(set).next()?,
    };
    snapshot.world().pools[pool.index()].datacenter
}
