//! The canonical form of an RRset (RFC 4034, section 6), read from the message that holds it.
//!
//! Signatures are made of the records that the message holds. So every kind of answer is signed in the same way: static and steered records,
//! synthesized ones and proofs. Rotation changes the order of records in the message, but not their canonical form.

use std::ops::Range;

use crate::wire::{CLASS_IN, Rtype};
use crate::zone::{FIXED_FIELDS, Part, parts};

/// The two highest bits of a compression pointer's first octet (RFC 1035, section 4.1.4).
const POINTER: u8 = 0xc0;

/// An RRset of a message in canonical form. The buffers are used again for the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Canonical {
    owner: Vec<u8>,
    rtype: u16,
    ttl: u32,
    /// The RDATA of all records, in the order of the message.
    rdata: Vec<u8>,
    /// The range of each record in `rdata`, in canonical order without duplicates.
    order: Vec<Range<usize>>,
}

impl Canonical {
    /// Reads the records of `message` that begin at `start` and end at the end, at most up to the next owner or type.
    /// Returns the end of what was read; `None` if there is no whole record.
    pub(super) fn read(&mut self, message: &[u8], start: usize) -> Option<usize> {
        self.owner.clear();
        self.rdata.clear();
        self.order.clear();
        let mut end = start;
        let mut owner = [0; 255];
        let mut length = 0;
        while end < message.len() {
            // Mostly all owners are the same compression pointer.
            let is_repeated = message[end] >= POINTER && message.get(end..end + 2) == message.get(start..start + 2);
            let fields = if is_repeated && end > start {
                end + 2
            } else {
                let mut name = Octets { room: &mut owner, length: 0 };
                let fields = expand(message, end, true, &mut name)?;
                length = name.length;
                fields
            };
            let fixed: &[u8; FIXED_FIELDS] = message.get(fields..)?.first_chunk()?;
            let [t0, t1, _, _, a, b, c, d, l0, l1] = *fixed;
            let (rtype, ttl) = (u16::from_be_bytes([t0, t1]), u32::from_be_bytes([a, b, c, d]));
            if self.order.is_empty() {
                self.owner.extend_from_slice(&owner[..length]);
                (self.rtype, self.ttl) = (rtype, ttl);
            } else if rtype != self.rtype || owner[..length] != self.owner[..] {
                break;
            }
            let rdata = fields + FIXED_FIELDS;
            let rdata_end = rdata + usize::from(u16::from_be_bytes([l0, l1]));
            self.add(message.get(..rdata_end)?, rdata)?;
            end = rdata_end;
        }
        let rdata = &self.rdata;
        // RFC 4034, section 6.3: RRs are sorted "by treating the RDATA portion of the canonical form of each RR as a
        // left-justified unsigned octet sequence in which the absence of an octet sorts before a zero octet".
        self.order.sort_unstable_by(|a, b| rdata[a.clone()].cmp(&rdata[b.clone()]));
        // "If the DNS sees two identical RRs, it MUST treat them as one" when it signs.
        self.order.dedup_by(|a, b| rdata[a.clone()] == rdata[b.clone()]);
        (!self.order.is_empty()).then_some(end)
    }

    /// Takes an RRset of one record. `owner` is in lower case, and `rdata` holds no name that is folded.
    pub(super) fn set(&mut self, owner: &[u8], rtype: Rtype, ttl: u32, rdata: &[u8]) {
        self.owner.clear();
        self.owner.extend_from_slice(owner);
        self.rdata.clear();
        self.rdata.extend_from_slice(rdata);
        self.order.clear();
        self.order.push(0..rdata.len());
        (self.rtype, self.ttl) = (rtype.0, ttl);
    }

    /// Returns the owner in lower case, in wire format.
    pub(super) fn owner(&self) -> &[u8] {
        &self.owner
    }

    pub(super) fn rtype(&self) -> Rtype {
        Rtype(self.rtype)
    }

    /// Returns the TTL of the first record in seconds.
    pub(super) fn ttl(&self) -> u32 {
        self.ttl
    }

    /// Returns the number of labels of the owner, without the root and without the asterisk of a wildcard (RFC 4034,
    /// section 3.1.3).
    pub(super) fn labels(&self) -> u8 {
        let labels = crate::name::suffixes(&self.owner).count() - 1;
        (labels - usize::from(self.owner.starts_with(b"\x01*"))) as u8
    }

    /// Appends all records in canonical form with this original TTL (RFC 4034, section 3.1.8.1).
    pub(super) fn append(&self, original_ttl: u32, octets: &mut Vec<u8>) {
        for range in &self.order {
            octets.extend_from_slice(&self.owner);
            octets.extend_from_slice(&self.rtype.to_be_bytes());
            octets.extend_from_slice(&CLASS_IN.to_be_bytes());
            octets.extend_from_slice(&original_ttl.to_be_bytes());
            octets.extend_from_slice(&((range.end - range.start) as u16).to_be_bytes());
            octets.extend_from_slice(&self.rdata[range.clone()]);
        }
    }

    /// Adds a record whose RDATA is the end of `message` from `at` on.
    fn add(&mut self, message: &[u8], mut at: usize) -> Option<()> {
        let start = self.rdata.len();
        if has_folded_names(self.rtype) {
            for part in parts(Rtype(self.rtype)) {
                match part {
                    Part::Name => at = expand(message, at, true, &mut self.rdata)?,
                    Part::Octets(count) => {
                        let end = message.len().min(at + count);
                        self.rdata.extend_from_slice(message.get(at..end)?);
                        at = end;
                    }
                    Part::Text => {
                        let end = message.len().min(at + 1 + usize::from(*message.get(at)?));
                        self.rdata.extend_from_slice(message.get(at..end)?);
                        at = end;
                    }
                }
            }
        }
        self.rdata.extend_from_slice(message.get(at..)?);
        self.order.push(start..self.rdata.len());
        Some(())
    }
}

/// True if names in RDATA of this type are in lower case in the canonical form: the list of RFC 4034, section 6.2, item
/// 3, without NSEC (RFC 6840, section 5.1). RFC 3597, section 7, closes the list. Only these types can have compressed
/// names.
fn has_folded_names(rtype: u16) -> bool {
    // NS, MD, MF, CNAME, SOA, MB, MG, MR, PTR, MINFO, MX, RP, AFSDB, RT, SIG, PX, NXT, SRV, NAPTR, KX, DNAME, RRSIG.
    matches!(rtype, 2..=9 | 12 | 14 | 15 | 17 | 18 | 21 | 24 | 26 | 30 | 33 | 35 | 36 | 39 | 46)
}

/// Something that octets are appended to.
trait Append {
    fn append(&mut self, octets: &[u8], folded: bool) -> Option<()>;
}

/// A name under construction.
struct Octets<'b> {
    room: &'b mut [u8; 255],
    length: usize,
}

impl Append for Octets<'_> {
    fn append(&mut self, octets: &[u8], folded: bool) -> Option<()> {
        let room = self.room.get_mut(self.length..self.length + octets.len())?;
        room.copy_from_slice(octets);
        if folded {
            room.make_ascii_lowercase();
        }
        self.length += octets.len();
        Some(())
    }
}

impl Append for Vec<u8> {
    fn append(&mut self, octets: &[u8], folded: bool) -> Option<()> {
        let start = self.len();
        self.extend_from_slice(octets);
        if folded {
            self[start..].make_ascii_lowercase();
        }
        Some(())
    }
}

/// Appends the name at `at` in full. Returns the offset of what follows the name in the message; `None` if it is no
/// name. Compression pointers must point backwards.
fn expand(message: &[u8], mut at: usize, folded: bool, name: &mut impl Append) -> Option<usize> {
    let mut end = None;
    loop {
        let length = *message.get(at)?;
        if length >= POINTER {
            let to = usize::from(u16::from_be_bytes([length & !POINTER, *message.get(at + 1)?]));
            end = end.or(Some(at + 2));
            at = Some(to).filter(|&to| to < at)?;
            continue;
        }
        let next = at + 1 + usize::from(length);
        name.append(message.get(at..next)?, folded)?;
        at = next;
        if length == 0 {
            return end.or(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with the name `Www.Example.` at offset 12.
    fn message(records: &[u8]) -> Vec<u8> {
        [&[0; 12][..], b"\x03Www\x07Example\x00", records].concat()
    }

    const START: usize = 12 + 13;

    fn read(records: &[u8]) -> (Canonical, usize) {
        let mut canonical = Canonical::default();
        let end = canonical.read(&message(records), START).unwrap();
        (canonical, end - START)
    }

    fn record(rtype: u8, rdata: &[u8]) -> Vec<u8> {
        [&[0xc0, 12, 0, rtype, 0, 1, 0, 0, 0, 30, 0, rdata.len() as u8][..], rdata].concat()
    }

    fn appended(canonical: &Canonical) -> Vec<u8> {
        let mut octets = Vec::new();
        canonical.append(60, &mut octets);
        octets
    }

    #[test]
    fn records_are_sorted_and_duplicates_removed() {
        let addresses = [[192, 0, 2, 2], [192, 0, 2, 1], [192, 0, 2, 2]].map(|address| record(1, &address)).concat();
        let (canonical, end) = read(&addresses);
        assert_eq!(end, addresses.len());
        assert_eq!((canonical.owner(), canonical.labels(), canonical.ttl()), (&b"\x03www\x07example\x00"[..], 2, 30));
        let one = |last: u8| [b"\x03www\x07example\x00\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02", &[last][..]].concat();
        assert_eq!(appended(&canonical), [one(1), one(2)].concat());
    }

    #[test]
    fn names_are_expanded_and_folded_where_the_rfc_says_so() {
        let (mx, _) = read(&record(15, b"\x41\x42\x04Mail\xc0\x10"));
        assert!(appended(&mx).ends_with(b"\x41\x42\x04mail\x07example\x00"));
        let (https, _) = read(&record(65, b"\x00\x01\x01T\x00"));
        assert!(appended(&https).ends_with(b"\x00\x01\x01T\x00"), "RFC 3597, section 7: unknown then, unchanged now");
        let (nsec, _) = read(&record(47, b"\x01A\x00\x00\x01\x40"));
        assert!(appended(&nsec).ends_with(b"\x01A\x00\x00\x01\x40"), "RFC 6840, section 5.1");
        let (naptr, _) = read(&record(35, b"ABCD\x01U\x03E2U\x02!A\x01R\x00"));
        assert!(appended(&naptr).ends_with(b"ABCD\x01U\x03E2U\x02!A\x01r\x00"));
    }

    #[test]
    fn an_rrset_ends_at_the_next_type_or_owner() {
        let first = record(1, &[192, 0, 2, 1]);
        let mut other_owner = record(1, &[192, 0, 2, 1]);
        other_owner[1] = 16;
        for next in [record(28, &[0; 16]), other_owner] {
            let (canonical, end) = read(&[first.clone(), next].concat());
            assert_eq!(end, first.len());
            assert_eq!(canonical.rtype(), Rtype::A);
        }
    }

    #[test]
    fn an_asterisk_is_no_label_of_a_signature() {
        let mut message = message(&[]);
        message.extend_from_slice(b"\x01*\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x01\x02\x03\x04");
        let mut canonical = Canonical::default();
        canonical.read(&message, START).unwrap();
        assert_eq!(canonical.labels(), 2);
    }

    #[test]
    fn what_is_cut_short_is_no_rrset() {
        let whole = message(&record(15, b"\x41\x42\x04Mail\xc0\x10"));
        for length in START..whole.len() {
            assert_eq!(Canonical::default().read(&whole[..length], START), None, "{length}");
        }
    }
}
