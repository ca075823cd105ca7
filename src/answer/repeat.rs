//! The queries that a worker answered lately, and what equal ones can have of their answers.
//!
//! Resolvers ask for few names, and in few forms. So a worker over UDP keeps, for each name and form:
//!
//! ```text
//!   the whole answer                   if nothing but the query and the snapshot decides it
//!   header, question, OPT record       of a steered name: each client gets its own choice, and its addresses between them
//!   which pool answers, how many       of a steered name, for each ranking
//! ```
//!
//! A query is kept when it is asked for the second time. That saves reading and checking the query, finding the name, and
//! writing the answer again. What is kept is valid for one snapshot. The answer is the same, octet by octet, as without it.
//!
//! Some answers are not kept: those with cookies, those that tell of the asker, signed ones, long ones, truncated
//! ones. Neither are those for names that do not exist: a flood of random names would replace all that is worth keeping.

use std::net::{IpAddr, Ipv4Addr};

use super::client::Subnet;
use super::count::{self, Counted};
use super::exchange::Exchange;
use super::frame::{Frame, only_addresses};
use super::plain::{Question, Turns};
use super::resolution::{Hop, Resolution, Step};
use super::{Asker, Client, Reply, Transport, Worker, render};
use crate::counters::{SubnetUse, ZoneAnswer};
use crate::geo::Bits;
use crate::name::{MAX_NAME_LENGTH, is_key, is_same_key, key_of};
use crate::snapshot::Snapshot;
use crate::wire::{ClientSubnet, Form, HEADER_LENGTH, Opt, Outline, Query, Rtype, Section};
use crate::zone::{NameId, PlanId, ZoneId};

/// Number of queries that are kept; a power of two. They take 690 KiB.
const SLOTS: usize = 1024;

/// Number of rankings of which a query keeps what they lead to; a power of two.
const RANKINGS: usize = 8;

/// Not the number of any ranking.
const NO_RANKING: u32 = u32::MAX;

/// Number of octets at the beginning of an answer that are copied at once.
const BLOCK: usize = 64;

/// Number of octets that a slot has for an answer.
const ROOM: usize = 400;

/// Maximum length of the OPT record of an answer that is kept, in octets: with a Client Subnet option of IPv6.
pub(super) const MAX_TAIL: usize = 35;

/// Spreads forms over slots, so that each type of a name has its own: 2^64 divided by the golden ratio, odd.
const FORM_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const FORM_SHIFT: u32 = 40;

const _: () = assert!(SLOTS * (size_of::<Kept>() + size_of::<u64>()) <= 690 << 10, "as the constant says");

/// The queries of one worker.
#[derive(Debug)]
pub(super) struct Repeats {
    /// Each query has the one slot that its name and its form select.
    slots: Box<[Kept; SLOTS]>,
    /// The hash of the last name that each slot was asked for and did not hold. What is asked only once is not kept: it would
    /// cost more than it saves, and replace what is asked more often.
    missed: Box<[u64; SLOTS]>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { slots: boxed(vec![Kept::NOTHING; SLOTS]), missed: boxed(vec![0; SLOTS]) }
    }
}

impl Clone for Repeats {
    fn clone(&self) -> Self {
        Self { slots: boxed(self.slots.to_vec()), missed: boxed(self.missed.to_vec()) }
    }
}

/// Returns the same values as an array, which is never on the stack: it is too large for that.
fn boxed<T>(values: Vec<T>) -> Box<[T; SLOTS]> {
    values.into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("there are as many"))
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
    /// `None` if the query has no Client Subnet option of IPv4 that counts.
    network: Option<Network>,
    zone: ZoneId,
    way: Way,
    /// The answers that rankings lead to, for a steered name. The last bits of a ranking's number select its place.
    turns: [(u32, Option<Turns>); RANKINGS],
    /// The length of the name in octets.
    name: u8,
    /// The length of all that is kept, in octets.
    length: u16,
    octets: [u8; ROOM],
}

/// The form of a Client Subnet option of IPv4: all but the address.
#[derive(Clone, Copy, Debug)]
struct Network {
    /// SOURCE PREFIX-LENGTH.
    source: u8,
    /// The bits of the address that count.
    mask: u32,
    subnet: Subnet,
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
        network: None,
        zone: ZoneId::from_index(0),
        way: Way::Steered { id: (PlanId::from_index(0), NameId::from_index(0)), head: 0, limit: 0 },
        turns: [(NO_RANKING, None); RANKINGS],
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
        let slot = Repeats::slot(hash, &outline);
        let kept = &worker.repeats.as_ref()?.slots[slot];
        let is_equal = kept.snapshot == self.snapshot.identity() && kept.hash == hash && outline.is_of(&kept.form);
        if !is_equal || !is_same_key(kept.name(), key) {
            return None;
        }
        let client = self.client(kept, outline.subnet())?;
        let Way::Whole { reply, kind } = kept.way else {
            return self.steer(&outline, (key, hash), (slot, client), worker, out);
        };
        out.get_mut(..reply.length)?.copy_from_slice(&kept.octets[..reply.length]);
        out[..outline.id.len()].copy_from_slice(&outline.id);
        if kept.subnet.is_some() {
            Opt::put_subnet(&mut out[..reply.length], outline.subnet(), 0);
        }
        count::repeated(worker, kept.counted(self.snapshot), (kept.zone, kind), &reply, client.address);
        Some(reply)
    }

    /// Answers a query for a steered name.
    #[inline(never)]
    fn steer(
        self,
        outline: &Outline<'_>,
        (key, hash): (&[u8], u64),
        (slot, client): (usize, Client),
        worker: &mut Worker,
        out: &mut [u8],
    ) -> Option<Reply> {
        let kept = &worker.repeats.as_ref()?.slots[slot];
        let Way::Steered { id, head, limit } = kept.way else { return None };
        let (head, length) = (usize::from(head), usize::from(kept.length));
        match out.first_chunk_mut::<BLOCK>().filter(|_| head <= BLOCK) {
            Some(block) => *block = *kept.octets.first_chunk()?,
            None => out.get_mut(..head)?.copy_from_slice(&kept.octets[..head]),
        }
        out[..outline.id.len()].copy_from_slice(&outline.id);
        let tail = *kept.octets.get(head..)?.first_chunk()?;
        let subnet = kept.subnet.map(|_| outline.subnet());
        let frame = Frame { head, tail: &tail, tail_length: length - head, subnet, limit: limit.into() };
        let (zone, rtype, source) = (kept.zone, kept.rtype, self.source);
        let (counted, question) = (kept.counted(self.snapshot), Question { zone, id, rtype, hash, client, source });
        let plan = self.snapshot.plan(id.0, id.1);
        if let Some((ranking, scope)) = question.rank(plan) {
            let (number, known) = kept.turns[ranking as usize % RANKINGS];
            let turns = if number == ranking {
                known
            } else {
                let turns = Turns::of((plan, ranking), rtype, (self.snapshot, worker), &frame);
                worker.repeats.as_mut()?.slots[slot].turns[ranking as usize % RANKINGS] = (ranking, turns);
                turns
            };
            if let Some(turns) = turns {
                return question.answer((&turns, scope), (counted, worker), &frame, out);
            }
        }
        self.steer_otherwise((key, &question), counted, &frame, worker, out)
    }

    /// Answers a query for a steered name whatever is chosen. `None` if the name's static records answer.
    #[inline(never)]
    fn steer_otherwise(
        self,
        (key, question): (&[u8], &Question),
        counted: Counted<'_>,
        frame: &Frame<'_>,
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

    /// Returns the client of a query that equals this one, with these octets of its Client Subnet option. `None` if the
    /// option is not valid.
    #[inline]
    fn client(self, kept: &Kept, option: &[u8]) -> Option<Client> {
        match kept.network {
            Some(Network { source, mask, subnet }) => {
                let address = ClientSubnet::v4_of(source, option).ok()?;
                Some(Client { address: IpAddr::V4(Ipv4Addr::from_bits(address & mask)), subnet: Some(subnet) })
            }
            None if kept.subnet.is_none() => Some(Client::of_host(self.source)),
            None => self.other_client(option),
        }
    }

    #[inline(never)]
    fn other_client(self, option: &[u8]) -> Option<Client> {
        let subnet = ClientSubnet::parse(option).ok()?;
        Some(Client::find(&self.snapshot.world().ecs, Some(&subnet), self.source))
    }
}

impl Network {
    /// Returns the form of an option, if its address is one of IPv4 and counts.
    fn of(subnet: &ClientSubnet<'_>, snapshot: &Snapshot) -> Option<Self> {
        let Some(address @ IpAddr::V4(_)) = subnet.address else { return None };
        let subnet_of_client = Client::find(&snapshot.world().ecs, Some(subnet), address).subnet?;
        Some(Self { source: subnet.source, mask: !u32::host_mask(subnet_of_client.length), subnet: subnet_of_client })
    }
}

impl Kept {
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
    // Signatures of files are the same for all.
    let is_signed = exchange.is_dnssec_ok() && resolution.is_signed_here();
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
        let mut network = None;
        if !option.is_empty() {
            // No other option is behind the Client Subnet option.
            let Ok(options) = edns?.options else { return None };
            let subnet = options.client_subnet?.ok().filter(|subnet| subnet.octets.len() == option.len())?;
            network = Network::of(&subnet, exchange.snapshot());
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
            network,
            zone: first.zone_id,
            way,
            turns: [(NO_RANKING, None); RANKINGS],
            name: key.len() as u8,
            length: length as u16,
            octets,
        })
    }
}

#[cfg(test)]
mod tests;
