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

use super::exchange::{Admission, Exchange};
use super::rrset::SharedNames;
use crate::name::Name;
use crate::wire::{Message, NameOffset, Rcode, Rtype, Section, Truncated};
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
    exchange: &'s Exchange<'s>,
    apex: &'s Name,
    rrsets: iter::Peekable<Rrsets<'s>>,
    /// How many records of the next RRset are written already.
    written: usize,
}

impl<'s> Transfer<'s> {
    /// The transfer that a query asks for, if it is granted. All else, refusals included, is for
    /// [`answer`](super::answer()) to tell.
    pub fn new(exchange: &'s Exchange<'s>) -> Option<Self> {
        let Admission::Transfer(question, served) = exchange.admission() else { return None };
        let zone = &served.zone;
        let apex = zone.apex();
        let soa = zone.apex_node().rrset(Rtype::SOA)?;
        let rest = zone.rrsets().filter(move |(_, rrset)| !std::ptr::eq(*rrset, soa));
        let rest = rest.chain(iter::once((apex.as_wire(), soa)));
        // RFC 1995, section 2: a client with "the same or newer version number" is replied to "with a single SOA record".
        let is_current =
            exchange.query().serial.is_some_and(|serial| question.rtype == Rtype::IXFR && is_current(serial, soa));
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
        let known = labels.is_empty().then_some(NameOffset::QUESTION);
        let mut names = SharedNames { apex: NameOffset::QUESTION, owner: known, first: None };
        if rrset.is_tied() {
            return message.push_rrset(Section::Answer, |writer| {
                rrset.records().try_for_each(|record| names.push_record(writer, labels, record))
            });
        }
        for record in rrset.records().skip(self.written) {
            if message.len() >= FULL {
                return Err(Truncated);
            }
            message.push_rrset(Section::Answer, |writer| names.push_record(writer, labels, record))?;
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
