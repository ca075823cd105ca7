//! Writing responses.
//!
//! A response is written from front to back into a buffer that is as long as the asker takes. Room for the OPT record is
//! set aside first; an RRset is written whole or not at all.

use super::pointer::{POINTER, POINTER_TARGET};
use super::{CLASS_IN, ExtendedError, HEADER_LENGTH, Opt, Query, Rcode, Rtype, Tsig};

/// The farthest octet that a pointer leads to.
const MAX_POINTER: usize = POINTER_TARGET as usize;

const QR: u8 = 0x80;
const AA: u8 = 0x04;
const TC: u8 = 0x02;
const RD: u8 = 0x01;

/// Whether RD is a flag in messages of this opcode, to be copied into the response (RFC 1035, section 4.1.1): in QUERY, IQUERY
/// and STATUS, and in NOTIFY, whose response repeats the request (RFC 1996, section 4.7). In UPDATE the bit must be zero (RFC
/// 2136, section 2.2), in DSO too (RFC 8490, section 5.4), and of unassigned opcodes nobody knows what it means.
fn has_recursion_desired(opcode: u8) -> bool {
    const STATUS: u8 = 2;
    const NOTIFY: u8 = 4;
    opcode <= STATUS || opcode == NOTIFY
}

/// There is no room left for the RRset; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

/// Where records go. Sections are filled in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 1035, section 4.1, has the words")]
pub enum Section {
    Answer = 6,
    Authority = 8,
    Additional = 10,
}

/// A name that the message already holds, by its offset from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameOffset(u16);

impl NameOffset {
    /// The question's name.
    pub const QUESTION: Self = Self(HEADER_LENGTH as u16);

    /// The name at this offset; `None` if it is too far behind for pointers.
    pub fn at(offset: usize) -> Option<Self> {
        (offset <= MAX_POINTER).then_some(Self(offset as u16))
    }

    /// The name so many octets behind this one; `None` if it is too far behind for pointers.
    pub fn behind(self, octets: usize) -> Option<Self> {
        Self::at(usize::from(self.0) + octets)
    }

    fn pointer(self) -> [u8; 2] {
        (0xc000 | self.0).to_be_bytes()
    }
}

/// A response in the making.
#[derive(Debug)]
pub struct Message<'a> {
    buffer: &'a mut [u8],
    length: usize,
    /// Where records must end.
    limit: usize,
    /// Where all of it must end.
    end: usize,
    opt: Option<Opt<'a>>,
    scope: u8,
    error: Option<ExtendedError>,
    unknown_key: Option<Tsig<'a>>,
}

impl<'a> Message<'a> {
    /// Begins a response to `query` that takes up at most `limit` octets of `buffer`, which holds at least
    /// [`MAX_PLAIN_UDP`](super::MAX_PLAIN_UDP). The question is repeated if there is one.
    pub fn begin(buffer: &'a mut [u8], limit: usize, query: &Query<'a>) -> Self {
        let limit = limit.min(buffer.len());
        buffer[..2].copy_from_slice(&query.id.to_be_bytes());
        let recursion_desired = query.recursion_desired && has_recursion_desired(query.opcode);
        buffer[2] = QR | query.opcode << 3 | if recursion_desired { RD } else { 0 };
        buffer[3..HEADER_LENGTH].fill(0);
        let mut message = Self {
            buffer,
            length: HEADER_LENGTH,
            limit,
            end: limit,
            opt: None,
            scope: 0,
            error: None,
            unknown_key: None,
        };
        if let Ok(Some(question)) = &query.question {
            message.buffer[5] = 1;
            message.put(question.octets);
        }
        message
    }

    /// Answers an asker that speaks EDNS with an OPT record, for which room is set aside.
    pub fn speak_edns(&mut self, opt: Opt<'a>) {
        self.limit -= opt.length();
        self.opt = Some(opt);
    }

    /// Tells the asker more than the response code does, if it speaks EDNS and there is room at the end. What is told first
    /// counts.
    pub fn explain(&mut self, error: ExtendedError) {
        self.error.get_or_insert(error);
    }

    /// Says that the key of the query's TSIG record is not known here.
    pub fn disown_key(&mut self, tsig: Tsig<'a>) {
        self.unknown_key = Some(tsig);
    }

    /// The scope prefix length for the Client Subnet option; the longest one told counts.
    pub fn widen_scope(&mut self, scope: u8) {
        self.scope = self.scope.max(scope);
    }

    /// Sets AA: the answer comes from our own zone.
    pub fn set_authoritative(&mut self) {
        self.buffer[2] |= AA;
    }

    /// Sets TC: something that belongs here had no room.
    pub fn set_truncated(&mut self) {
        self.buffer[2] |= TC;
    }

    /// Octets that are written so far.
    #[allow(clippy::len_without_is_empty, reason = "a message has a header at least")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// How many records the answer section holds.
    pub fn answer_count(&self) -> u16 {
        let at = Section::Answer as usize;
        u16::from_be_bytes([self.buffer[at], self.buffer[at + 1]])
    }

    /// Where the message holds the ancestor whose name is `octets` shorter than this one's: a whole number of its labels.
    pub fn ancestor(&self, name: NameOffset, mut octets: usize) -> NameOffset {
        let mut at = self.label_start(name);
        while octets > 0 {
            let length = 1 + usize::from(self.buffer[at]);
            at = self.label_start(NameOffset((at + length) as u16));
            octets = octets.saturating_sub(length);
        }
        NameOffset(at as u16)
    }

    /// Where the message holds the end of this name that is `octets` long: a whole number of its labels.
    pub fn end_of(&self, name: NameOffset, octets: usize) -> NameOffset {
        let (mut at, mut length) = (name, 1);
        while self.label(at).len() > 1 {
            length += self.label(at).len();
            at = self.ancestor(at, self.label(at).len());
        }
        self.ancestor(name, length - octets)
    }

    /// The first label of a name, with its length octet.
    fn label(&self, name: NameOffset) -> &[u8] {
        let at = self.label_start(name);
        &self.buffer[at..=at + usize::from(self.buffer[at])]
    }

    /// Follows pointers, which lead towards the front: all names that a response holds were written by it.
    fn label_start(&self, NameOffset(at): NameOffset) -> usize {
        let mut at = usize::from(at);
        while self.buffer[at] >= POINTER {
            at = usize::from(u16::from_be_bytes([self.buffer[at], self.buffer[at + 1]])) & MAX_POINTER;
        }
        at
    }

    /// Writes a whole RRset through `write`, or nothing of it.
    pub fn push_rrset(
        &mut self,
        section: Section,
        write: impl FnOnce(&mut RrsetWriter<'_, 'a>) -> Result<(), Truncated>,
    ) -> Result<(), Truncated> {
        let start = self.length;
        let mut writer = RrsetWriter { message: self, count: 0 };
        match write(&mut writer) {
            Ok(()) => {
                let count = writer.count;
                self.count(section, count);
                Ok(())
            }
            Err(truncated) => {
                self.length = start;
                Err(truncated)
            }
        }
    }

    /// Ends the message: writes the response code, the OPT record and, behind all others, TSIG. Gives the message's length.
    pub fn finish(mut self, rcode: Rcode) -> usize {
        let code = rcode as u16;
        self.buffer[3] |= (code & 0x0f) as u8;
        if let Some(opt) = self.opt {
            self.length = opt.write(&mut self.buffer[..self.end], self.length, code, self.scope, self.error);
            self.count(Section::Additional, 1);
        }
        if let Some(tsig) = self.unknown_key {
            let written = tsig.write_bad_key(&mut self.buffer[self.length..self.end]);
            self.length += written;
            self.count(Section::Additional, u16::from(written > 0));
        }
        self.length
    }

    fn count(&mut self, section: Section, records: u16) {
        let at = section as usize;
        let before = u16::from_be_bytes([self.buffer[at], self.buffer[at + 1]]);
        self.buffer[at..at + 2].copy_from_slice(&(before + records).to_be_bytes());
    }

    /// Writes octets for which there is room.
    fn put(&mut self, octets: &[u8]) {
        self.buffer[self.length..self.length + octets.len()].copy_from_slice(octets);
        self.length += octets.len();
    }
}

/// Writes the records of one RRset.
#[derive(Debug)]
pub struct RrsetWriter<'m, 'a> {
    message: &'m mut Message<'a>,
    count: u16,
}

impl RrsetWriter<'_, '_> {
    /// Begins a record whose owner the message already holds.
    pub fn owner(&mut self, owner: NameOffset) -> Result<(), Truncated> {
        self.count += 1;
        self.octets(&owner.pointer())
    }

    /// Writes octets as they are.
    pub fn octets(&mut self, octets: &[u8]) -> Result<(), Truncated> {
        if self.message.length + octets.len() > self.message.limit {
            return Err(Truncated);
        }
        self.message.put(octets);
        Ok(())
    }

    /// Writes the first labels of a name that the message already holds, in the case it holds them in: so many octets.
    pub fn labels(&mut self, name: NameOffset, octets: usize) -> Result<(), Truncated> {
        let (mut at, mut written) = (name, 0);
        while written < octets {
            let start = self.message.label_start(at);
            let end = start + 1 + usize::from(self.message.buffer[start]);
            if self.message.length + end - start > self.message.limit {
                return Err(Truncated);
            }
            self.message.buffer.copy_within(start..end, self.message.length);
            self.message.length += end - start;
            written += end - start;
            at = NameOffset(end as u16);
        }
        Ok(())
    }

    /// Writes a pointer to a name that the message already holds.
    pub fn pointer(&mut self, to: NameOffset) -> Result<(), Truncated> {
        self.octets(&to.pointer())
    }

    /// Where the message holds the end of this name that is `octets` long: a whole number of its labels.
    pub fn end_of(&self, name: NameOffset, octets: usize) -> NameOffset {
        self.message.end_of(name, octets)
    }

    /// Begins a record whose owner is written out: `labels` and then `rest`, which the message already holds. Gives where it
    /// stands, for the records after it.
    pub fn written_owner(&mut self, labels: &[u8], rest: NameOffset) -> Result<Option<NameOffset>, Truncated> {
        let at = self.here();
        self.count += 1;
        self.octets(labels)?;
        self.pointer(rest)?;
        Ok(at)
    }

    /// The next octet's place as a name's; `None` if it is too far behind for pointers.
    pub fn here(&self) -> Option<NameOffset> {
        NameOffset::at(self.message.length)
    }

    /// Writes a whole record with an owner that the message already holds.
    pub fn record(&mut self, owner: NameOffset, rtype: Rtype, ttl: u32, rdata: &[u8]) -> Result<(), Truncated> {
        self.fields(owner, rtype, ttl, rdata.len())?;
        self.octets(rdata)
    }

    /// Writes a record up to its RDATA of `length` octets.
    pub fn fields(&mut self, owner: NameOffset, rtype: Rtype, ttl: u32, length: usize) -> Result<(), Truncated> {
        let length = u16::try_from(length).map_err(|_| Truncated)?;
        let mut fields = [0; 12];
        fields[..2].copy_from_slice(&owner.pointer());
        fields[2..4].copy_from_slice(&rtype.0.to_be_bytes());
        fields[4..6].copy_from_slice(&CLASS_IN.to_be_bytes());
        fields[6..10].copy_from_slice(&ttl.to_be_bytes());
        fields[10..].copy_from_slice(&length.to_be_bytes());
        self.count += 1;
        self.octets(&fields)
    }
}
