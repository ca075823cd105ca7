//! Writes responses.
//!
//! A response is written from front to back into a buffer of the size that the asker accepts. Room for the OPT record
//! is reserved first. An RRset is written as a whole or not at all.

use super::pointer::{POINTER, POINTER_TARGET};
use super::{CLASS_IN, ExtendedError, HEADER_LENGTH, Opt, Query, Rcode, Rtype, Tsig, copy};

/// The highest offset that a compression pointer can hold.
const MAX_POINTER: usize = POINTER_TARGET as usize;

/// Length in octets of a record's fields before RDATA, with a compression pointer as its owner.
pub const FIELDS: usize = 12;

const QR: u8 = 0x80;
const AA: u8 = 0x04;
const TC: u8 = 0x02;
const RD: u8 = 0x01;

/// True if RD is a flag in messages of this opcode, and is copied into the response (RFC 1035, section 4.1.1). It is
/// one in QUERY, IQUERY and STATUS, and in NOTIFY, whose response repeats the request (RFC 1996, section 4.7). The bit
/// must be zero in UPDATE (RFC 2136, section 2.2) and in DSO (RFC 8490, section 5.4). In unassigned opcodes its meaning
/// is unknown.
fn has_recursion_desired(opcode: u8) -> bool {
    const STATUS: u8 = 2;
    const NOTIFY: u8 = 4;
    opcode <= STATUS || opcode == NOTIFY
}

/// There is no room for the RRset; nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

/// The section of a record. Sections are written in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 1035, section 4.1, has the words")]
pub enum Section {
    Answer = 6,
    Authority = 8,
    Additional = 10,
}

/// A name in the message, as its offset from the start; a compression pointer can refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameOffset(u16);

impl NameOffset {
    /// The question's name.
    pub const QUESTION: Self = Self(HEADER_LENGTH as u16);

    /// Returns the name at this offset; `None` if it is out of reach of a compression pointer.
    pub fn at(offset: usize) -> Option<Self> {
        (offset <= MAX_POINTER).then_some(Self(offset as u16))
    }

    /// Returns the name that begins this many octets after this one; `None` if it is out of reach of a compression
    /// pointer.
    pub fn behind(self, octets: usize) -> Option<Self> {
        Self::at(usize::from(self.0) + octets)
    }

    /// Returns the compression pointer to the name (RFC 1035, section 4.1.4).
    pub const fn pointer(self) -> [u8; 2] {
        (0xc000 | self.0).to_be_bytes()
    }
}

/// A response under construction.
#[derive(Debug)]
pub struct Message<'a> {
    /// The header, which is written when the message is complete.
    header: [u8; HEADER_LENGTH],
    /// The room for the whole message.
    buffer: &'a mut [u8],
    length: usize,
    /// The end of the room for records, as an offset.
    limit: usize,
    opt: Option<&'a Opt<'a>>,
    scope: u8,
    error: Option<ExtendedError>,
    unknown_key: Option<&'a Tsig<'a>>,
}

impl<'a> Message<'a> {
    /// Begins a response to `query` in `buffer`, which must hold at least [`MAX_PLAIN_UDP`](super::MAX_PLAIN_UDP)
    /// octets. `limit` is the maximum length of the response in octets. The response repeats the question if there is
    /// one. `opt` is the OPT record for an asker that uses EDNS; room for it is reserved.
    #[inline]
    pub fn begin(buffer: &'a mut [u8], limit: usize, query: &Query<'a>, opt: Option<&'a Opt<'a>>) -> Self {
        let limit = limit.min(buffer.len());
        let buffer = &mut buffer[..limit];
        let [high, low] = query.id.to_be_bytes();
        let recursion_desired = query.recursion_desired && has_recursion_desired(query.opcode);
        let flags = QR | query.opcode << 3 | if recursion_desired { RD } else { 0 };
        let questions = u8::from(matches!(query.question, Ok(Some(_))));
        let mut message = Self {
            header: [high, low, flags, 0, 0, questions, 0, 0, 0, 0, 0, 0],
            buffer,
            length: HEADER_LENGTH,
            limit: limit - opt.map_or(0, Opt::length),
            opt,
            scope: 0,
            error: None,
            unknown_key: None,
        };
        if let Ok(Some(question)) = &query.question {
            message.put(question.octets);
        }
        message
    }

    /// Adds an Extended DNS Error if the asker uses EDNS and there is room at the end. If this is called again, the
    /// first error stays.
    pub fn explain(&mut self, error: ExtendedError) {
        self.error.get_or_insert(error);
    }

    /// Adds a TSIG record that says that the query's key is unknown here.
    pub fn disown_key(&mut self, tsig: &'a Tsig<'a>) {
        self.unknown_key = Some(tsig);
    }

    /// Sets the scope prefix length for the Client Subnet option, unless a longer one is set.
    pub fn widen_scope(&mut self, scope: u8) {
        self.scope = self.scope.max(scope);
    }

    /// Sets AA: the answer comes from a zone of this server.
    pub fn set_authoritative(&mut self) {
        self.header[2] |= AA;
    }

    /// Sets TC: there was no room for a part of the response.
    pub fn set_truncated(&mut self) {
        self.header[2] |= TC;
    }

    /// True if TC is set.
    pub fn is_truncated(&self) -> bool {
        self.header[2] & TC != 0
    }

    /// Returns the number of octets that are written so far.
    #[allow(clippy::len_without_is_empty, reason = "a message has a header at least")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns the octets that are written so far.
    pub fn as_octets(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Returns the name that begins at this offset, without a compression pointer at its beginning. `None` if it is out
    /// of reach of a compression pointer.
    pub fn name_at(&self, offset: usize) -> Option<NameOffset> {
        if self.buffer[offset] < POINTER { NameOffset::at(offset) } else { NameOffset::at(self.pointed_to(offset)) }
    }

    /// Returns the number of records in the answer section.
    pub fn answer_count(&self) -> u16 {
        let at = Section::Answer as usize;
        u16::from_be_bytes([self.header[at], self.header[at + 1]])
    }

    /// Returns the ancestor of a name: the name without its first `octets` octets, which must be whole labels.
    #[inline]
    pub fn ancestor(&self, name: NameOffset, octets: usize) -> NameOffset {
        if name == NameOffset::QUESTION {
            // The question's name is not compressed.
            return NameOffset((HEADER_LENGTH + octets) as u16);
        }
        self.compressed_ancestor(name, octets)
    }

    fn compressed_ancestor(&self, name: NameOffset, mut octets: usize) -> NameOffset {
        let mut at = self.label_start(name);
        while octets > 0 {
            let length = 1 + usize::from(self.buffer[at]);
            at = self.label_start(NameOffset((at + length) as u16));
            octets = octets.saturating_sub(length);
        }
        NameOffset(at as u16)
    }

    /// Returns where the message holds the last `octets` octets of a name. They must be whole labels.
    pub fn end_of(&self, name: NameOffset, octets: usize) -> NameOffset {
        let (mut at, mut length) = (name, 1);
        while self.label(at).len() > 1 {
            length += self.label(at).len();
            at = self.ancestor(at, self.label(at).len());
        }
        self.ancestor(name, length - octets)
    }

    /// Returns the first label of a name, with its length octet.
    fn label(&self, name: NameOffset) -> &[u8] {
        let at = self.label_start(name);
        &self.buffer[at..=at + usize::from(self.buffer[at])]
    }

    /// Follows compression pointers. They always point backwards, because the response itself wrote all names in it.
    fn label_start(&self, NameOffset(at): NameOffset) -> usize {
        let mut at = usize::from(at);
        while self.buffer[at] >= POINTER {
            at = self.pointed_to(at);
        }
        at
    }

    /// Returns the offset in the compression pointer at this offset.
    fn pointed_to(&self, at: usize) -> usize {
        usize::from(u16::from_be_bytes([self.buffer[at], self.buffer[at + 1]])) & MAX_POINTER
    }

    /// Writes a whole RRset by calling `write`. If there is no room, nothing of it is written.
    #[inline]
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

    /// Completes the message: writes the response code, the OPT record and, as the last record, TSIG. Returns the
    /// message's length in octets.
    pub fn finish(&mut self, rcode: Rcode) -> usize {
        let code = rcode as u16;
        self.header[3] |= (code & 0x0f) as u8;
        if let Some(opt) = self.opt {
            self.length = opt.write(self.buffer, self.length, code, self.scope, self.error);
            self.count(Section::Additional, 1);
        }
        if let Some(tsig) = self.unknown_key {
            let written = tsig.write_bad_key(&mut self.buffer[self.length..]);
            self.length += written;
            self.count(Section::Additional, u16::from(written > 0));
        }
        self.buffer[..HEADER_LENGTH].copy_from_slice(&self.header);
        self.length
    }

    #[inline]
    fn count(&mut self, section: Section, records: u16) {
        let at = section as usize;
        let before = u16::from_be_bytes([self.header[at], self.header[at + 1]]);
        self.header[at..at + 2].copy_from_slice(&(before + records).to_be_bytes());
    }

    /// Writes octets for which room is reserved.
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        copy(&mut self.buffer[self.length..self.length + octets.len()], octets);
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

    /// Reserves room for this many octets, which the caller must write. Fails if there is less room.
    #[inline]
    fn claim(&mut self, octets: usize) -> Result<&mut [u8], Truncated> {
        let (start, end) = (self.message.length, self.message.length + octets);
        if end > self.message.limit {
            return Err(Truncated);
        }
        self.message.length = end;
        Ok(&mut self.message.buffer[start..end])
    }

    /// Writes octets as they are.
    #[inline]
    pub fn octets(&mut self, octets: &[u8]) -> Result<(), Truncated> {
        copy(self.claim(octets.len())?, octets);
        Ok(())
    }

    /// Writes the first `octets` octets of a name that the message already holds, with the same case. They must be
    /// whole labels.
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

    /// Returns where the message holds the last `octets` octets of a name. They must be whole labels.
    pub fn end_of(&self, name: NameOffset, octets: usize) -> NameOffset {
        self.message.end_of(name, octets)
    }

    /// Returns the ancestor of a name: the name without its first `octets` octets, which must be whole labels.
    #[inline]
    pub fn ancestor(&self, name: NameOffset, octets: usize) -> NameOffset {
        self.message.ancestor(name, octets)
    }

    /// Begins a record whose owner is not in the message yet. Writes the owner as `labels` and a pointer to `rest`,
    /// which the message already holds. Returns where the owner is, for later records; `None` if it is out of reach of
    /// a compression pointer.
    pub fn written_owner(&mut self, labels: &[u8], rest: NameOffset) -> Result<Option<NameOffset>, Truncated> {
        let at = self.here();
        self.count += 1;
        self.octets(labels)?;
        self.pointer(rest)?;
        Ok(at)
    }

    /// Returns the name that begins at the next octet; `None` if it is out of reach of a compression pointer.
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
        self.count += 1;
        self.octets(&fields(owner, rtype, ttl, length))
    }

    /// Writes a record for each address.
    #[inline]
    pub fn addresses<'v, const LENGTH: usize>(
        &mut self,
        (owner, rtype, ttl): (NameOffset, Rtype, u32),
        addresses: impl ExactSizeIterator<Item = &'v [u8; LENGTH]>,
    ) -> Result<(), Truncated> {
        self.count += addresses.len() as u16;
        put_addresses(self.claim(addresses.len() * (FIELDS + LENGTH))?, (owner, rtype, ttl), addresses);
        Ok(())
    }

    /// Writes whole records that are already rendered. `records` is the number of records in `octets`.
    #[inline]
    pub fn block(&mut self, octets: &[u8], records: usize) -> Result<(), Truncated> {
        self.count += records as u16;
        self.octets(octets)
    }

    /// Replaces the two octets at this offset of the message by a pointer to a name that the message holds.
    #[inline]
    pub fn point(&mut self, at: usize, to: NameOffset) {
        self.message.buffer[at..at + 2].copy_from_slice(&to.pointer());
    }

    /// Lowers the TTL at this offset of the message to `most` seconds, if it is higher.
    pub fn lower_ttl(&mut self, at: usize, most: u32) {
        if let Some(ttl) = self.message.buffer[at..].first_chunk_mut() {
            *ttl = u32::from_be_bytes(*ttl).min(most).to_be_bytes();
        }
    }
}

/// Writes a record for each address into `room`, which holds them exactly.
#[inline]
pub fn put_addresses<'v, const LENGTH: usize>(
    room: &mut [u8],
    (owner, rtype, ttl): (NameOffset, Rtype, u32),
    addresses: impl Iterator<Item = &'v [u8; LENGTH]>,
) {
    let fields = fields(owner, rtype, ttl, LENGTH as u16);
    // Arrays, and no adapters that are not inlined: a release build does not optimise across the parts of a crate.
    let mut rest = room;
    for address in addresses {
        let Some((before, behind)) = rest.split_first_chunk_mut() else { return };
        let Some((rdata, behind)) = behind.split_first_chunk_mut() else { return };
        (*before, *rdata, rest) = (fields, *address, behind);
    }
}

/// Returns the octets of a record up to its RDATA of `length` octets.
#[inline]
fn fields(owner: NameOffset, rtype: Rtype, ttl: u32, length: u16) -> [u8; FIELDS] {
    let ([o0, o1], [t0, t1], [c0, c1]) = (owner.pointer(), rtype.0.to_be_bytes(), CLASS_IN.to_be_bytes());
    let ([s0, s1, s2, s3], [l0, l1]) = (ttl.to_be_bytes(), length.to_be_bytes());
    [o0, o1, t0, t1, c0, c1, s0, s1, s2, s3, l0, l1]
}
