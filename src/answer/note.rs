//! Notes for the query log what decided an answer. This module reads the resolution and decides nothing.

use super::count;
use super::exchange::Exchange;
use super::resolution::{Given, Hop, Resolution, Steered};
use super::{Reply, ResponseClass, Worker};
use crate::counters::ZoneAnswer;
use crate::name::{MAX_NAME_LENGTH, key_of};
use crate::snapshot::{LogClass, LogRule, PoolId};
use crate::tap::{Note, Notes};
use crate::wire::{Question, Rcode};

/// Notes an answer if the query log is to contain it. `resolution` is `None` if no zone was asked.
#[inline]
pub(super) fn response(
    worker: &mut Worker,
    exchange: &Exchange<'_>,
    resolution: Option<&Resolution<'_>>,
    reply: &Reply,
) {
    if let Some(rule) = &exchange.snapshot().world().protocol.query_log {
        note(worker, exchange, rule, resolution, reply);
    }
}

/// Notes the start of a zone transfer, if the query log is to contain it.
pub(super) fn transfer(worker: &mut Worker, exchange: &Exchange<'_>, question: &Question<'_>) {
    let snapshot = exchange.snapshot();
    let Some(rule) = &snapshot.world().protocol.query_log else { return };
    let mut key = [0; MAX_NAME_LENGTH];
    let key = key_of(question.name, &mut key);
    let Some((id, served)) = snapshot.authority(key, question.rtype) else { return };
    if rule.admits(LogClass::Success, Some(id)) && worker.is_sampled(rule.every) {
        let notes = worker.begin_notes();
        notes.add(Note::Rcode(Rcode::NoError.as_str()));
        notes.add(Note::Zone(served.zone.apex().as_wire()));
    }
}

#[inline(never)]
fn note(
    worker: &mut Worker,
    exchange: &Exchange<'_>,
    rule: &LogRule,
    resolution: Option<&Resolution<'_>>,
    reply: &Reply,
) {
    // If a panic followed the last answer, its notes may still be here.
    worker.drop_notes();
    let first = resolution.and_then(|resolution| resolution.hops().first());
    if !rule.admits(class(resolution, reply), first.map(|hop| hop.zone_id)) || !worker.is_sampled(rule.every) {
        return;
    }
    let notes = worker.begin_notes();
    notes.add(Note::Rcode(reply.rcode.as_str()));
    if let Some((address, source)) = exchange.subnet_prefix() {
        notes.add(Note::Subnet(address, source, resolution.map_or(0, Resolution::scope)));
    }
    if let Some(ttl) = reply.ttl {
        notes.add(Note::Ttl(ttl));
    }
    if let Some(hop) = first {
        notes.add(Note::Zone(hop.zone.zone.apex().as_wire()));
    }
    let Some(resolution) = resolution else { return };
    for hop in resolution.hops() {
        if let Some(steered) = hop.steered() {
            self::steered(notes, exchange, resolution, hop, steered);
        }
    }
    resolution.v4().iter().for_each(|member| notes.add(Note::Address(member.value.into())));
    resolution.v6().iter().for_each(|member| notes.add(Note::Address(member.value.into())));
}

fn class(resolution: Option<&Resolution<'_>>, reply: &Reply) -> LogClass {
    match (resolution.map(|resolution| count::kind(resolution, reply)), reply.class) {
        (Some(ZoneAnswer::Referral | ZoneAnswer::Answer), ResponseClass::Empty) | (_, ResponseClass::Answer) => {
            LogClass::Success
        }
        (_, ResponseClass::Empty | ResponseClass::NxDomain) => LogClass::Denial,
        (_, ResponseClass::Error) => LogClass::Error,
    }
}

fn steered(
    notes: &mut Notes,
    exchange: &Exchange<'_>,
    resolution: &Resolution<'_>,
    hop: &Hop<'_>,
    steered: &Steered<'_>,
) {
    let (snapshot, rule) = (exchange.snapshot(), steered.plan.rule());
    notes.add(Note::Name(resolution.name(hop)));
    let (location, region) = count::located(snapshot, hop, steered);
    if let Some(country) = location.country {
        notes.add(Note::Country(country.as_str()));
    }
    if let Some(region) = hop.zone.regions.get(region) {
        notes.add(Note::Region(&region.name));
    }
    notes.add(Note::Rung(steered.choice.rung.as_str()));
    if matches!(steered.given, Given::Nodata | Given::Servfail) {
        return;
    }
    let mut pool = |id: PoolId| notes.add(Note::Pool(&snapshot.world().pools[id.index()].name));
    match count::pools_of(steered) {
        0 => rule.fallback.into_iter().for_each(&mut pool),
        set => rule.pools_of(set).for_each(&mut pool),
    }
    if let Some(datacenter) = count::datacenter(steered, snapshot) {
        notes.add(Note::Datacenter(&snapshot.world().datacenters[datacenter.index()].name));
    }
}
