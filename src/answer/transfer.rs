//! Zone transfers: a whole zone in as many messages as are needed (RFC 5936).
//!
//! ```text
//!   first message: question, SOA, records ... OPT    next ones: question, records ... OPT    last one: ..., SOA, OPT
//! ```
//!
//! A [`Transfer`] borrows the snapshot that it began with, and remembers its position among the zone's RRsets. So its
//! memory does not grow with the zone. Snapshots that are published meanwhile do not affect it: the copy is of one
//! version. Records come in any order (section 2.2: only the SOA records have fixed positions).
//!
//! An asker that wants only the changes (IXFR) gets the whole zone too, as RFC 1995, section 4, allows, or only the SOA
//! if nothing changed. Answers of steered and reflecting names cannot be copied, so zones with such names are refused.

use std::iter;

use super::exchange::{Admission, Exchange};
use super::rrset::SharedNames;
use super::{Worker, count, note};
use crate::name::Name;
use crate::serial::is_later;
use crate::wire::{Message, NameOffset, Rcode, Rtype, Section, Truncated};
use crate::zone::{NEAR, Rrset, below};

/// Length in octets from which on a message takes no further record. So every record begins where compression pointers
/// can reach its owner and the names that its records share (RFC 1035, section 4.1.4), and the reader gets data often.
/// One record may exceed this length, and so may an RRset whose records point at each other, up to the maximum message
/// length.
const FULL: usize = 0x4000 - NEAR as usize;

/// The contents of the copy, in order: owners in lower case and their RRsets.
type Rrsets<'s> = Box<dyn Iterator<Item = (&'s [u8], &'s Rrset)> + Send + 's>;

/// A zone transfer in progress.
#[allow(missing_debug_implementations, reason = "it is the rest of an iterator")]
pub struct Transfer<'s> {
    /// Begins every message. If the asker uses EDNS, each message has an OPT record, because each is a response (RFC
    /// 6891, section 6.1.1).
    exchange: &'s Exchange<'s>,
    apex: &'s Name,
    rrsets: iter::Peekable<Rrsets<'s>>,
    /// Number of records of the next RRset that are written already.
    written: usize,
}

impl<'s> Transfer<'s> {
    /// Returns the transfer that a query asks for, or `None` if it asks for none or may not have it. Then
    /// [`answer`](super::answer()) answers or refuses the query.
    pub fn new(exchange: &'s Exchange<'s>, worker: &mut Worker) -> Option<Self> {
        let Admission::Transfer(question, served) = exchange.admission() else { return None };
        count::transfer(worker, exchange);
        note::transfer(worker, exchange, question);
        let zone = &served.zone;
        let apex = zone.apex();
        let soa = zone.apex_node().rrset(Rtype::SOA)?;
        let rest = zone.rrsets().filter(move |(_, rrset)| !std::ptr::eq(*rrset, soa));
        let rest = rest.chain(iter::once((apex.as_wire(), soa)));
        // RFC 1995, section 2: a client with "the same or newer version number" is replied to "with a single SOA
        // record".
        let is_current =
            exchange.query().serial.is_some_and(|serial| question.rtype == Rtype::IXFR && is_current(serial, soa));
        let rest = rest.filter(move |_| !is_current);
        let rrsets: Rrsets<'s> = Box::new(iter::once((apex.as_wire(), soa)).chain(rest));
        Some(Self { exchange, apex, rrsets: rrsets.peekable(), written: 0 })
    }

    /// Writes the next message into `out`, which must hold [`MAX_MESSAGE`](crate::wire::MAX_MESSAGE) octets, and
    /// returns its length. Returns `None` after the last message.
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
        // Every RRset fits in an empty message: the zone's builder checks that. If one did not fit, the transfer would
        // end here, and not repeat an empty message forever.
        (message.answer_count() > 0).then(|| message.finish(Rcode::NoError))
    }

    /// Writes the rest of an RRset. If there is no room for all of it, writes as much as fits, and fails.
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

/// True if an asker with this serial has the current version or a newer one.
fn is_current(serial: u32, soa: &Rrset) -> bool {
    soa.soa_serial().is_some_and(|ours| serial == ours || is_later(serial, ours))
}
