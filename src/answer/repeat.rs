//! The queries that a worker answered lately, and what equal ones can have of their answers.
//!
//! Resolvers ask for few names, and in few forms. So a worker over UDP keeps, for each name and form:
//!
//! ```text
//!   the whole answer                   if nothing but the query and the snapshot decides it
//!   header, question, OPT record       of a steered name: each client gets its own choice, and its addresses between them
//! ```
//!
//! A query is kept when it is asked for the second time. That saves reading and checking the query, finding the name, and
//! writing the answer again. What is kept is valid for one snapshot. The answer is the same, octet by octet, as without it.
//!
//! Some answers are not kept: those with cookies, those that tell of the asker, signed ones, long ones, truncated
//! ones. Neither are those for names that do not exist: a flood of random names would replace all that is worth keeping.

use std::net::IpAddr;

use super::count::{self, Counted};
use super::exchange::Exchange;
use super::frame::{Frame, only_addresses};
use super::plain::Question;
use super::resolution::{Hop, Resolution, Step};
use super::{Asker, Client, Reply, Transport, Worker, render};
use crate::counters::{SubnetUse, ZoneAnswer};
use crate::name::{MAX_NAME_LENGTH, is_key, is_same_key, key_of};
use crate::snapshot::Snapshot;
use crate::wire::{BadSubnet, ClientSubnet, Form, HEADER_LENGTH, Opt, Outline, Query, Rtype, Section};
use crate::zone::{NameId, PlanId, ZoneId};

/// Number of queries that are kept; a power of two. They take 520 KiB.
const SLOTS: usize = 1024;

/// Number of octets that a slot has for an answer.
const ROOM: usize = 400;

/// Maximum length of the OPT record of an answer that is kept, in octets: with a Client Subnet option of IPv6.
const MAX_TAIL: usize = 35;

/// Spreads forms over slots, so that each type of a name has its own: 2^64 divided by the golden ratio, odd.
const FORM_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const FORM_SHIFT: u32 = 40;

/// The queries of one worker.
#[derive(Clone, Debug)]
pub(super) struct Repeats {
    /// Each query has the one slot that its name and its form select.
    slots: Box<[Kept]>,
    /// The hash of the last name that each slot was asked for and did not hold. What is asked only once is not kept: it would
    /// cost more than it saves, and replace what is asked more often.
    missed: Box<[u64]>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { slots: vec![Kept::NOTHING; SLOTS].into(), missed: vec![0; SLOTS].into() }
    }
}

/// A query, and what is kept of its answer.
#[derive(Clone, Debug)]
struct Kept {
    /// The identity of the snapshot that answered; 0 for a free slot.
    snapshot: u64,
    /// The hash of the name.
    hash: u64,
    form: Form,
    rtype: Rtype,
    subnet: Option<SubnetUse>,
    /// SOURCE PREFIX-LENGTH of a Client Subnet option of IPv4.
    v4_source: Option<u8>,
    zone: ZoneId,
    way: Way,
    /// The length of the name in octets.
    name: u8,
    /// The length of all that is kept, in octets.
    length: u16,
    octets: [u8; ROOM],
}

/// How a query is answered again.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// With all octets.
    Whole { reply: Reply, kind: ZoneAnswer },
    /// With header and question, which are `head` octets, the addresses that steering picks, and the OPT record. The answer
    /// has at most `limit` octets.
    Steered { id: (PlanId, NameId), head: u16, limit: u16 },
}

impl Kept {
    const NOTHING: Self = Self {
        snapshot: 0,
        hash: 0,
        form: Form::NONE,
        rtype: Rtype::A,
        subnet: None,
        v4_source: None,
        zone: ZoneId::from_index(0),
        way: Way::Steered { id: (PlanId::from_index(0), NameId::from_index(0)), head: 0, limit: 0 },
        name: 0,
        length: 0,
        octets: [0; ROOM],
    };

    /// Returns the name of the query in lower case.
    #[inline]
    fn name(&self) -> &[u8] {
        &self.octets[HEADER_LENGTH..HEADER_LENGTH + usize::from(self.name)]
    }
}

impl Repeats {
    #[inline]
    fn slot(hash: u64, outline: &Outline<'_>) -> usize {
        // The upper bits of a product depend on all bits of both factors.
        (hash ^ outline.number().wrapping_mul(FORM_FACTOR) >> FORM_SHIFT) as usize % SLOTS
    }
}

/// A datagram that may have been answered before, and the snapshot to answer it from.
#[derive(Clone, Copy)]
pub(super) struct Datagram<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) octets: &'s [u8],
    /// The address that it came from.
    pub(super) source: IpAddr,
    /// The time in Unix seconds.
    pub(super) now: u64,
}

impl Datagram<'_> {
    /// Answers the query if the worker keeps what it needs for that, and counts the answer. If it does not, returns the hash of
    /// the query's name, or `None` for a query of which nothing is kept.
    #[inline]
    pub(super) fn repeat(self, worker: &mut Worker, out: &mut [u8]) -> Result<Reply, Option<u64>> {
        // A log needs what decided the answer.
        if worker.repeats.is_none() || self.snapshot.world().protocol.query_log.is_some() {
            return Err(None);
        }
        let outline = Outline::of(self.octets).ok_or(None)?;
        if !is_key(outline.name) {
            return self.repeat_lower(outline, worker, out);
        }
        let hash = worker.hash(outline.name);
        self.recall(outline, (outline.name, hash), worker, out).ok_or(Some(hash))
    }

    /// The same for a name with upper-case letters.
    #[inline(never)]
    fn repeat_lower(self, outline: Outline<'_>, worker: &mut Worker, out: &mut [u8]) -> Result<Reply, Option<u64>> {
        let mut key = [0; MAX_NAME_LENGTH];
        let key = key_of(outline.name, &mut key);
        let hash = worker.hash(key);
        let reply = self.recall(outline, (key, hash), worker, out).ok_or(Some(hash))?;
        out[HEADER_LENGTH..HEADER_LENGTH + outline.name.len()].copy_from_slice(outline.name);
        Ok(reply)
    }

    #[inline]
    fn recall(
        self,
        outline: Outline<'_>,
        (key, hash): (&[u8], u64),
        worker: &mut Worker,
        out: &mut [u8],
    ) -> Option<Reply> {
        let kept = &worker.repeats.as_ref()?.slots[Repeats::slot(hash, &outline)];
        let is_equal = kept.snapshot == self.snapshot.identity() && kept.hash == hash && outline.is_of(&kept.form);
        if !is_equal || !is_same_key(kept.name(), key) {
            return None;
        }
        let Way::Whole { reply, kind } = kept.way else {
            return self.steer(&outline, (key, hash), worker, out);
        };
        let subnet = kept.subnet(&outline).ok()?;
        out.get_mut(..reply.length)?.copy_from_slice(&kept.octets[..reply.length]);
        out[..outline.id.len()].copy_from_slice(&outline.id);
        if subnet.is_some() {
            Opt::put_subnet(&mut out[..reply.length], outline.subnet(), 0);
        }
        let client = || self.client(subnet.as_ref()).address;
        count::repeated(worker, kept.counted(self.snapshot), (kept.zone, kind), &reply, client);
        Some(reply)
    }

    /// Answers a query for a steered name.
    #[inline(never)]
    fn steer(
        self,
        outline: &Outline<'_>,
        (key, hash): (&[u8], u64),
        worker: &mut Worker,
        out: &mut [u8],
    ) -> Option<Reply> {
        let kept = &worker.repeats.as_ref()?.slots[Repeats::slot(hash, outline)];
        let (Way::Steered { id, head, limit }, length) = (kept.way, usize::from(kept.length)) else { return None };
        let (head, limit) = (usize::from(head), usize::from(limit));
        out.get_mut(..head)?.copy_from_slice(&kept.octets[..head]);
        out[..outline.id.len()].copy_from_slice(&outline.id);
        let mut tail = *kept.octets[head..].first_chunk::<MAX_TAIL>()?;
        let (counted, subnet) = (kept.counted(self.snapshot), kept.subnet(outline).ok()?);
        let client = self.client(subnet.as_ref());
        let (zone, rtype, source) = (kept.zone, kept.rtype, self.source);
        let subnet = subnet.map(|subnet| subnet.octets);
        let mut frame = Frame { head, tail: &mut tail[..length - head], subnet, limit };
        let question = Question { zone, id, rtype, hash, client, source };
        let plain = question.answer((self.snapshot, worker), counted, &mut frame, out);
        plain.or_else(|| self.steer_otherwise((key, &question), counted, &mut frame, worker, out))
    }

    /// Answers a query for a steered name whatever is chosen. `None` if the name's static records answer.
    #[inline(never)]
    fn steer_otherwise(
        self,
        (key, question): (&[u8], &Question),
        counted: Counted<'_>,
        frame: &mut Frame<'_>,
        worker: &mut Worker,
        out: &mut [u8],
    ) -> Option<Reply> {
        let mut resolution = Resolution::new((key, question.rtype), question.client, self.source);
        if !resolution.steer((self.snapshot, worker), question.hash, question.zone, question.id) {
            return None;
        }
        let reply = match frame.fill_from(&resolution, out) {
            Some(reply) => reply,
            None => self.write_anew(&resolution, worker, out)?,
        };
        count::resolved(worker, counted, Some(&resolution), &reply);
        Some(reply)
    }

    /// Writes the answer of a resolution as that of a query of which nothing is kept.
    #[cold]
    fn write_anew(self, resolution: &Resolution<'_>, worker: &mut Worker, out: &mut [u8]) -> Option<Reply> {
        let query = Query::parse(self.octets)?;
        let asker = Asker { address: self.source, transport: Transport::Udp, idle: None };
        Some(render(&Exchange::new(self.snapshot, &query, asker, self.now), resolution, worker, out))
    }

    #[inline]
    fn client(self, subnet: Option<&ClientSubnet<'_>>) -> Client {
        Client::find(&self.snapshot.world().ecs, subnet, self.source)
    }
}

impl Kept {
    /// Returns the Client Subnet option of an equal query, if it has one that counts. Fails if the option's address is not
    /// valid.
    #[inline]
    fn subnet<'q>(&self, outline: &Outline<'q>) -> Result<Option<ClientSubnet<'q>>, BadSubnet> {
        match (self.subnet, self.v4_source) {
            (None, _) => Ok(None),
            (Some(_), Some(source)) => ClientSubnet::of_v4(source, outline.subnet()).map(Some),
            (Some(_), None) => ClientSubnet::parse(outline.subnet()).map(Some),
        }
    }

    #[inline]
    fn counted<'s>(&self, snapshot: &'s Snapshot) -> Counted<'s> {
        Counted { snapshot, transport: Transport::Udp, rtype: Some(self.rtype), subnet: self.subnet }
    }
}

/// Keeps what an equal query can have of an answer to the query in these octets, whose name has this hash, in the place of
/// what its slot held. `out` begins with the answer.
#[inline]
pub(super) fn keep(
    (worker, (octets, hash)): (&mut Worker, (&[u8], u64)),
    exchange: &Exchange<'_>,
    resolution: &Resolution<'_>,
    reply: &Reply,
    out: &[u8],
) {
    if is_worth_keeping(exchange, resolution, reply) {
        keep_worthy(worker, (octets, hash), exchange, resolution, &out[..reply.length], reply);
    }
}

#[inline(never)]
fn keep_worthy(
    worker: &mut Worker,
    (octets, hash): (&[u8], u64),
    exchange: &Exchange<'_>,
    resolution: &Resolution<'_>,
    answer: &[u8],
    reply: &Reply,
) {
    let Some(outline) = Outline::of(octets) else { return };
    let mut key = [0; MAX_NAME_LENGTH];
    let key = key_of(outline.name, &mut key);
    let Some(repeats) = &mut worker.repeats else { return };
    let slot = Repeats::slot(hash, &outline);
    if std::mem::replace(&mut repeats.missed[slot], hash) != hash {
        return;
    }
    if let Some(kept) = Kept::of((&outline, key, hash), exchange, resolution, reply, answer) {
        repeats.slots[slot] = kept;
    }
}

/// True if an equal query may have something of this answer. The most common reasons against it are tested first.
#[inline]
fn is_worth_keeping(exchange: &Exchange<'_>, resolution: &Resolution<'_>, reply: &Reply) -> bool {
    let hops = resolution.hops();
    let Some(first) = hops.first().filter(|first| first.encloser == resolution.question.len()) else { return false };
    if reply.is_truncated || reply.length > ROOM - MAX_TAIL {
        return false;
    }
    let is_same_for_all = |hop: &Hop<'_>| !matches!(hop.step, Step::Steered(_) | Step::Reflect(_));
    if !hops.iter().all(is_same_for_all) && only_addresses(resolution).is_none() {
        return false;
    }
    let is_signed = exchange.is_dnssec_ok() && resolution.is_signed();
    !is_signed && !matches!(first.step, Step::NxDomain)
}

impl Kept {
    /// Returns what is kept of an answer; `None` if it is not to be kept.
    #[inline]
    fn of(
        (outline, key, hash): (&Outline<'_>, &[u8], u64),
        exchange: &Exchange<'_>,
        resolution: &Resolution<'_>,
        reply: &Reply,
        answer: &[u8],
    ) -> Option<Self> {
        let (first, edns, option) = (resolution.hops().first()?, exchange.query().edns, outline.subnet());
        let mut v4_source = None;
        if !option.is_empty() {
            // No other option is behind the Client Subnet option.
            let Ok(options) = edns?.options else { return None };
            let subnet = options.client_subnet?.ok().filter(|subnet| subnet.octets.len() == option.len())?;
            v4_source = subnet.address.filter(IpAddr::is_ipv4).map(|_| subnet.source);
        }
        let subnet = exchange.subnet_use();
        // An OPT record with an Extended DNS Error is not plain.
        let tail = match edns {
            Some(_) => Opt::plain_at_end(answer, subnet.map(|_| option.len()))?,
            None => &[],
        };
        let head = HEADER_LENGTH + exchange.question()?.octets.len();
        let mut octets = [0; ROOM];
        let (way, length) = if only_addresses(resolution).is_some() {
            let length = head + tail.len();
            octets[..head].copy_from_slice(answer.get(..head)?);
            octets[Section::Answer as usize..][..size_of::<u16>()].fill(0);
            octets[head..length].copy_from_slice(tail);
            let (id, limit) = (first.steered()?.id, exchange.limit() as u16);
            (Way::Steered { id, head: head as u16, limit }, length)
        } else {
            octets[..answer.len()].copy_from_slice(answer);
            (Way::Whole { reply: *reply, kind: count::kind(resolution, reply) }, answer.len())
        };
        octets[HEADER_LENGTH..HEADER_LENGTH + key.len()].copy_from_slice(key);
        Some(Self {
            snapshot: exchange.snapshot().identity(),
            hash,
            form: outline.form(),
            rtype: resolution.rtype,
            subnet,
            v4_source,
            zone: first.zone_id,
            way,
            name: key.len() as u8,
            length: length as u16,
            octets,
        })
    }
}

#[cfg(test)]
mod tests;
