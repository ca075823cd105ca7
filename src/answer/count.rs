//! Counts answers. This module reads the resolution and decides nothing.

use std::net::IpAddr;

use super::exchange::{Admission, Exchange};
use super::plain::{Question, Turns};
use super::resolution::{End, Given, Hop, Resolution, Steered};
use super::{Reply, ResponseClass, Transport, Worker};
use crate::counters::{AnswerTally, SubnetUse, Tally, ZoneAnswer};
use crate::geo::{DatacenterId, Location, RegionId};
use crate::snapshot::{Choice, Member, Plan, Rung, ServedZone, Snapshot, Verdict};
use crate::steering::{Set, members};
use crate::wire::{Rcode, Rtype};
use crate::zone::ZoneId;

/// A query, as far as counters tell queries apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) transport: Transport,
    /// `None` if the question cannot be read.
    pub(super) rtype: Option<Rtype>,
    pub(super) subnet: Option<SubnetUse>,
}

/// Counts a response. `resolution` is `None` if no zone was asked.
pub(super) fn response(
    worker: &mut Worker,
    exchange: &Exchange<'_>,
    resolution: Option<&Resolution<'_>>,
    reply: &Reply,
) {
    let rtype = resolution.map_or_else(|| qtype(exchange), |resolution| Some(resolution.rtype));
    let (snapshot, transport, subnet) = (exchange.snapshot(), exchange.asker().transport, exchange.subnet_use());
    resolved(worker, Counted { snapshot, transport, rtype, subnet }, resolution, reply);
}

/// Counts the response to a query.
#[inline]
pub(super) fn resolved(worker: &mut Worker, counted: Counted<'_>, resolution: Option<&Resolution<'_>>, reply: &Reply) {
    let weight = worker.weight();
    let Some(tally) = worker.tally() else { return };
    tally.response(counted.transport as usize, counted.rtype, (reply.rcode, counted.subnet), reply.length);
    if reply.is_truncated {
        // The client asks again over a stream. The counters of the zones count only that answer.
        return tally.truncated();
    }
    let Some(resolution) = resolution else { return };
    let Some(counters) = counted.snapshot.counters() else { return };
    zones(tally, tally.answer(counters), counted.snapshot, (resolution, reply), weight);
}

/// Counts a whole answer that was kept. `place` is the zone of the question's name and the kind of answer, and `client` the
/// address by which the client is located.
#[inline]
pub(super) fn repeated(
    worker: &mut Worker,
    counted: Counted<'_>,
    (zone, kind): (ZoneId, ZoneAnswer),
    reply: &Reply,
    client: IpAddr,
) {
    let weight = worker.weight();
    let Some(tally) = worker.tally() else { return };
    tally.response(counted.transport as usize, counted.rtype, (reply.rcode, counted.subnet), reply.length);
    let Some(counters) = counted.snapshot.counters() else { return };
    let answer = tally.answer(counters);
    answer.zone(zone.index(), kind);
    if let Some(weight) = weight {
        answer.client(counted.snapshot.locations().look_up(client).country, None, weight);
    }
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

/// Counts an answer with addresses of one pool at a steered name: those of `from`, and behind them those of `before`.
#[inline]
pub(super) fn plain<T>(
    worker: &mut Worker,
    counted: Counted<'_>,
    reply: &Reply,
    (question, turns): (&Question, &Turns),
    [from, before]: [&[Member<T>]; 2],
) {
    let weight = worker.weight();
    let Some(tally) = worker.tally() else { return };
    tally.response(counted.transport as usize, counted.rtype, (reply.rcode, counted.subnet), reply.length);
    let Some(counters) = counted.snapshot.counters() else { return };
    tally.rung(Rung::Usable as usize);
    let answer = tally.answer(counters);
    answer.zone(question.zone.index(), ZoneAnswer::Answer);
    answer.pool(question.id.1.index(), turns.position.into());
    for (place, member) in from.iter().enumerate() {
        answer.endpoint(member.number as usize, place == 0);
    }
    for member in before {
        answer.endpoint(member.number as usize, false);
    }
    if let Some(weight) = weight {
        plain_client(answer, counted.snapshot, (question, turns), weight);
    }
}

/// Counts the client of such an answer as `weight` clients.
#[inline(never)]
fn plain_client(answer: AnswerTally<'_>, snapshot: &Snapshot, (question, turns): (&Question, &Turns), weight: u64) {
    let served = &snapshot.zones()[question.zone.index()];
    let plan = snapshot.plan(question.id.0, question.id.1);
    let location = region(answer, snapshot, (question.zone, served, plan, question.client.address), weight);
    let datacenter = snapshot.world().pools[turns.pool.index()].datacenter;
    answer.client(location.country, datacenter, weight);
}

/// Counts the region of a client that a steered name was ranked for. Returns its location.
fn region(
    answer: AnswerTally<'_>,
    snapshot: &Snapshot,
    (zone, served, plan, ranked_by): (ZoneId, &ServedZone, &Plan, IpAddr),
    weight: u64,
) -> Location {
    let location = snapshot.locations().look_up(ranked_by);
    let region = plan.rule().regions(&served.regions).of(ranked_by, &location).index();
    answer.region(zone.index(), (region < served.regions.list().len()).then_some(region), weight);
    location
}

/// Counts endpoints in an answer, the first of which is its first address.
#[inline]
fn endpoints(answer: AnswerTally<'_>, numbers: impl Iterator<Item = u32>) {
    numbers.enumerate().for_each(|(place, number)| answer.endpoint(number as usize, place == 0));
}

/// Counts the client as `weight` clients, by its location and by the datacenter that it is sent to.
#[inline(never)]
fn client(answer: AnswerTally<'_>, snapshot: &Snapshot, resolution: &Resolution<'_>, weight: u64) {
    let mut sent = None;
    for hop in resolution.hops() {
        let Some(steered) = hop.steered() else { continue };
        let location = region(answer, snapshot, (hop.zone_id, hop.zone, steered.plan, steered.ranked_by), weight);
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
    let region = steered.plan.rule().regions(&hop.zone.regions).of(steered.ranked_by, &location);
    (location, region)
}

/// Counts what a steered name gave. Only the last name of a chain can give addresses, so the resolution's addresses are
/// those of that name.
#[inline(never)]
fn steered(tally: &Tally, answer: AnswerTally<'_>, resolution: &Resolution<'_>, steered: &Steered<'_>) {
    if matches!(steered.given, Given::Addresses | Given::Https(_)) {
        endpoints(answer, resolution.v4().iter().map(|member| member.number));
        endpoints(answer, resolution.v6().iter().map(|member| member.number));
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
    pools_of_choice(&steered.choice) | steered.second.as_ref().map_or(0, pools_of_choice)
}

fn pools_of_choice(choice: &Choice) -> Set {
    match choice.verdict {
        Verdict::Pools(set, _) => set,
        Verdict::Fallback(_) | Verdict::Nodata | Verdict::Servfail => 0,
    }
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
