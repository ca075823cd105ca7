//! Zone transfers: a whole zone in as many messages as it takes (RFC 5936).
//!
//! ```text
//!   first message: question, SOA, records ... OPT    next ones: question, records ... OPT    last one: ..., SOA, OPT
//! ```
//!
//! A [`Transfer`] borrows the snapshot that it began with and keeps its place among the zone's RRsets, so it takes up no
//! memory that grows with the zone, and what is published meanwhile does not reach it: the copy is of one version. Records
//! come in no order (section 2.2: only the SOA's places count).
//!
//! Whoever asks for the changes alone (IXFR) gets the whole zone too, as RFC 1995, section 4, allows, or only the SOA if there
//! are none. Steered and reflecting names have no contents that could be copied, so zones with such names are refused.

use std::iter;

use super::exchange::Exchange;
use super::response::Places;
use super::{Asker, Transport};
use crate::name::Name;
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{
    CLASS_IN, ExtendedError, InfoCode, MAX_PLAIN_UDP, Message, Owner, Query, Question, Rcode, Rtype, Section, Truncated,
};
use crate::zone::{NEAR, Rrset, below};

/// Octets from which on a message takes no further record: so that pointers reach its owner and whatever its names share (RFC 1035,
/// section 4.1.4), and a reader is given something often. One record may go beyond, and an RRset whose records point at each other,
/// up to the longest message.
const FULL: usize = 0x4000 - NEAR as usize;

/// What is copied, in order: owners in lower case and their RRsets.
type Rrsets<'s> = Box<dyn Iterator<Item = (&'s [u8], &'s Rrset)> + Send + 's>;

/// A copy of a zone in the making.
#[allow(missing_debug_implementations, reason = "it is the rest of an iterator")]
pub struct Transfer<'s> {
    /// Begins every message, with an OPT record for askers who speak EDNS: each is a response, so it MUST have one (RFC 6891,
    /// section 6.1.1).
    exchange: Exchange<'s>,
    apex: &'s Name,
    rrsets: iter::Peekable<Rrsets<'s>>,
    /// How many records of the next RRset are written already.
    written: usize,
}

/// Why there is no copy.
pub(super) struct Refusal {
    pub(super) rcode: Rcode,
    pub(super) why: ExtendedError,
}

impl Refusal {
    /// HTTPS carries a single message for each query (RFC 8484, section 4.1), and QUIC is served as if it did.
    pub(super) const TRANSPORT: Self = Self::new(Rcode::Refused, InfoCode::NotSupported, "zone transfer");
    const PROHIBITED: Self = Self::new(Rcode::Refused, InfoCode::Prohibited, "zone transfer");
    /// RFC 5936, section 2.2.1: "If the server is not authoritative for the queried zone, the server SHOULD set the value to
    /// NotAuth(9)."
    const NO_APEX: Self = Self::new(Rcode::NotAuth, InfoCode::NotAuthoritative, "no zone here has this name");
    const STEERED: Self = Self::new(
        Rcode::Refused,
        InfoCode::NotSupported,
        "the zone has steered or reflecting names, which no copy can hold",
    );
    const NO_SERIAL: Self = Self::new(Rcode::FormErr, InfoCode::Other, "IXFR without an SOA in the authority section");

    const fn new(rcode: Rcode, code: InfoCode, text: &'static str) -> Self {
        Self { rcode, why: ExtendedError { code, text } }
    }
}

/// The zone that an AXFR or IXFR query asks for, if this asker may have it.
pub(super) fn find_zone<'s>(
    snapshot: &'s Snapshot,
    query: &Query<'_>,
    question: &Question<'_>,
    asker: Asker,
) -> Result<&'s ServedZone, Refusal> {
    if !matches!(asker.transport, Transport::Tcp | Transport::Tls) {
        return Err(Refusal::TRANSPORT);
    }
    // Before all else: strangers learn nothing.
    if !snapshot.world().protocol.transfers.allows(asker.address) {
        return Err(Refusal::PROHIBITED);
    }
    let served = snapshot.zone_at(question.key()).ok_or(Refusal::NO_APEX)?;
    if !served.zone.is_static() {
        return Err(Refusal::STEERED);
    }
    if question.rtype == Rtype::IXFR && query.serial.is_none() {
        return Err(Refusal::NO_SERIAL);
    }
    Ok(served)
}

impl<'s> Transfer<'s> {
    /// The transfer that a query asks for, if it is granted. All else, refusals included, is for
    /// [`answer`](super::answer()) to tell.
    pub fn find(snapshot: &'s Snapshot, query: &'s Query<'s>, asker: Asker, now: u64) -> Option<Self> {
        let asked = query.question.as_ref().ok()?.as_ref()?;
        if !query.asks_for_transfer() || asked.class != CLASS_IN {
            return None;
        }
        let exchange = Exchange::new(snapshot, query, asker, now);
        let question = exchange.admit_message(&mut exchange.reply(&mut [0; MAX_PLAIN_UDP])).ok()?;
        let zone = &find_zone(snapshot, query, question, asker).ok()?.zone;
        let apex = zone.apex();
        let soa = zone.apex_node().rrset(Rtype::SOA)?;
        let rest = zone.rrsets().filter(move |(_, rrset)| !std::ptr::eq(*rrset, soa));
        let rest = rest.chain(iter::once((apex.as_wire(), soa)));
        // RFC 1995, section 2: a client with "the same or newer version number" is replied to "with a single SOA record".
        let is_current = query.serial.is_some_and(|serial| question.rtype == Rtype::IXFR && is_current(serial, soa));
        let rest = rest.filter(move |_| !is_current);
        let rrsets: Rrsets<'s> = Box::new(iter::once((apex.as_wire(), soa)).chain(rest));
        Some(Self { exchange, apex, rrsets: rrsets.peekable(), written: 0 })
    }

    /// Writes the next message into `out`, which holds [`MAX_MESSAGE`](crate::wire::MAX_MESSAGE) octets, and gives its length; `None` behind the last
    /// one.
    pub fn next(&mut self, out: &mut [u8]) -> Option<usize> {
        self.rrsets.peek()?;
        let mut message = self.exchange.reply(out);
        message.set_authoritative();
        while let Some(&(owner, rrset)) = self.rrsets.peek() {
            if message.len() >= FULL || self.push(&mut message, owner, rrset).is_err() {
                break;
            }
            self.rrsets.next();
            self.written = 0;
        }
        // An RRset fits a message that it has for itself: the zone was built so. If it did not, there would be no end.
        (message.answer_count() > 0).then(|| message.finish(Rcode::NoError))
    }

    /// Writes what is left of an RRset, or as much of it as there is room for.
    fn push(&mut self, message: &mut Message<'_>, owner: &[u8], rrset: &Rrset) -> Result<(), Truncated> {
        let labels = below(owner, self.apex).unwrap_or_default();
        let known = labels.is_empty().then_some(Owner::QUESTION);
        let mut places = Places { apex: Owner::QUESTION, owner: known, first: None };
        if rrset.is_tied() {
            return message.push_rrset(Section::Answer, |writer| {
                rrset.records().try_for_each(|record| places.push_record(writer, labels, record))
            });
        }
        for record in rrset.records().skip(self.written) {
            if message.len() >= FULL {
                return Err(Truncated);
            }
            message.push_rrset(Section::Answer, |writer| places.push_record(writer, labels, record))?;
            self.written += 1;
        }
        Ok(())
    }
}

/// Whether who has this serial misses nothing (serial number arithmetic, RFC 1982, section 3.2).
fn is_current(serial: u32, soa: &Rrset) -> bool {
    const HALF: u32 = 1 << 31;
    soa.soa_serial().is_some_and(|ours| serial.wrapping_sub(ours) < HALF)
}
