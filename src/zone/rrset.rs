//! Rendered RRsets.
//!
//! An RRset is rendered once, when its zone is built: as a block of whole records whose owner is a compression pointer
//! to the question's name. Most answers copy the block as it is. Some details are decided for each response: another
//! owner, a lower TTL, and where the message already holds the zone's apex, the owner and earlier records. Names in
//! RDATA share their ends with these where RFC 3597, section 4, allows compression.

use std::collections::{HashMap, HashSet};

use super::rdata::{Part, canonical, parts, split};
use super::record::Record;
use super::shared::{Ends, Shared};
use crate::name::{Name, suffixes};
use crate::wire::{CLASS_IN, MAX_MESSAGE, NameOffset, Rtype};

/// Length in octets of TYPE, CLASS, TTL and RDLENGTH, the fields before RDATA.
pub const FIXED_FIELDS: usize = 10;

/// Offset of the TTL in these fields.
pub const TTL_OFFSET: usize = 4;

/// Length of a compression pointer in octets.
pub const POINTER_LENGTH: usize = 2;

/// Maximum length in octets of the rest of a message: header, question, a whole owner and the OPT record with its
/// options.
const ENVELOPE: usize = 1024;

/// Maximum length in octets of a single record that is stored in the RRset value itself. It is the length of an AAAA
/// record, because most records of a zone hold an address.
const FEW: usize = RECORD_FIELDS + 16;

/// Length in octets of a record in a block without its RDATA.
const RECORD_FIELDS: usize = POINTER_LENGTH + FIXED_FIELDS;

/// The owner of every record in a block.
const OWNER: [u8; POINTER_LENGTH] = NameOffset::QUESTION.pointer();

/// All records of one owner and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrset(Rendered);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rendered {
    /// A single record without a name in its RDATA.
    Few {
        /// Length of the record in octets.
        length: u8,
        octets: [u8; FEW],
    },
    /// The type is stored outside of the box, so that a search by type does not need to follow the pointer.
    Many(Rtype, Box<Many>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Many {
    /// The lowest TTL of its records, in seconds.
    ttl: u32,
    /// All records in a row.
    block: Box<[u8]>,
    /// The offset of each record in `block`.
    starts: Box<[u16]>,
    /// The positions in `block` for compression pointers, in ascending order, with their targets.
    pointers: Box<[(u16, Shared)]>,
    /// The names that the records of NS, MX, SVCB and similar types point to, without duplicates.
    targets: Box<[Target]>,
}

/// A compression pointer, to be written in place of two octets of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Its offset in the record, counted from TYPE.
    pub at: usize,
    /// Its target.
    pub to: Shared,
}

impl Rendered {
    /// Returns the short form for a single record, if it is short and has no name in its RDATA.
    fn few(rtype: Rtype, ttl: u32, rdata: &[u8]) -> Option<Self> {
        let length = RECORD_FIELDS + rdata.len();
        if length > FEW || !parts(rtype).is_empty() {
            return None;
        }
        let mut octets = [0; FEW];
        let fields: [&[u8]; 6] = [
            &OWNER,
            &rtype.0.to_be_bytes(),
            &CLASS_IN.to_be_bytes(),
            &ttl.to_be_bytes(),
            &(rdata.len() as u16).to_be_bytes(),
            rdata,
        ];
        let mut at = 0;
        for field in fields {
            octets[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
        Some(Self::Few { length: length as u8, octets })
    }
}

/// A name that records point to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in lower case.
    pub name: Name,
    /// The index of the first record that points to it.
    pub record: usize,
    /// The offset of the name in that record, counted from TYPE.
    pub at: usize,
}

/// The RRset does not fit in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Rrset {
    /// Renders records of one owner and type for a zone with this apex. `contents` holds the TTL in seconds and the
    /// RDATA, with uncompressed names, of each record. Fails with [`TooLarge`] if the RRset does not fit in the longest
    /// message.
    pub fn render(rtype: Rtype, contents: &[(u32, &[u8])], owner: &Name, apex: &Name) -> Result<Self, TooLarge> {
        if let [(ttl, rdata)] = contents
            && let Some(rendered) = Rendered::few(rtype, *ttl, rdata)
        {
            return Ok(Self(rendered));
        }
        let mut block = Vec::new();
        let mut starts = Vec::new();
        let mut pointers = Vec::new();
        let has_several = contents.len() > 1 || rtype == Rtype::SOA;
        let mut ends = may_be_compressed(rtype).then(|| Ends::new(owner, apex, has_several));
        let mut targets: Vec<Target> = Vec::new();
        let mut known: HashSet<Name> = HashSet::new();
        for (number, &(ttl, rdata)) in contents.iter().enumerate() {
            starts.push(u16::try_from(block.len()).map_err(|_| TooLarge)?);
            block.extend_from_slice(&OWNER);
            let start = block.len();
            block.extend_from_slice(&rtype.0.to_be_bytes());
            block.extend_from_slice(&CLASS_IN.to_be_bytes());
            block.extend_from_slice(&ttl.to_be_bytes());
            let length_at = block.len();
            block.extend_from_slice(&[0; 2]);
            let mut rest = rdata;
            for &part in parts(rtype) {
                let (field, behind) = split(part, rest);
                if matches!(part, Part::Name) && leads_on(rtype) {
                    let name = Name::from_wire(&field.to_ascii_lowercase());
                    if known.insert(name.clone()) {
                        targets.push(Target { name, record: number, at: block.len() - start });
                    }
                }
                match &mut ends {
                    Some(ends) if matches!(part, Part::Name) => {
                        let distance = block.len() - POINTER_LENGTH;
                        let shared = ends.of(field);
                        let labels = shared.map_or(field.len(), |(labels, _)| labels);
                        ends.remember(field, labels, distance);
                        block.extend_from_slice(&field[..labels]);
                        if let Some((_, to)) = shared {
                            // If the block is longer than 16 bits can say, this function fails at its end.
                            pointers.push((block.len() as u16, to));
                            block.extend_from_slice(&[0; POINTER_LENGTH]);
                        }
                    }
                    _ => block.extend_from_slice(field),
                }
                rest = behind;
            }
            block.extend_from_slice(rest);
            let length = u16::try_from(block.len() - length_at - 2).map_err(|_| TooLarge)?;
            block[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        }
        if block.len() + ENVELOPE > MAX_MESSAGE {
            return Err(TooLarge);
        }
        Ok(Self(Rendered::Many(
            rtype,
            Box::new(Many {
                ttl: contents.iter().map(|&(ttl, _)| ttl).min().unwrap_or(0),
                block: block.into(),
                starts: starts.into(),
                pointers: pointers.into(),
                targets: targets.into(),
            }),
        )))
    }

    /// Returns all records in a row, each with a compression pointer to the question's name as its owner.
    #[inline]
    pub fn block(&self) -> &[u8] {
        match &self.0 {
            Rendered::Few { length, octets } => &octets[..usize::from(*length)],
            Rendered::Many(_, many) => &many.block,
        }
    }

    fn block_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Rendered::Few { length, octets } => &mut octets[..usize::from(*length)],
            Rendered::Many(_, many) => &mut many.block,
        }
    }

    /// Returns the offset of each record in the [block](Self::block).
    #[inline]
    pub fn starts(&self) -> &[u16] {
        match &self.0 {
            Rendered::Few { .. } => &[0],
            Rendered::Many(_, many) => &many.starts,
        }
    }

    /// Returns the positions in the [block](Self::block) for compression pointers, in ascending order, with their
    /// targets.
    #[inline]
    pub fn pointers(&self) -> &[(u16, Shared)] {
        match &self.0 {
            Rendered::Few { .. } => &[],
            Rendered::Many(_, many) => &many.pointers,
        }
    }

    /// Returns the type of the records.
    #[inline]
    pub fn rtype(&self) -> Rtype {
        match &self.0 {
            Rendered::Few { octets, .. } => Rtype(u16::from_be_bytes([octets[2], octets[3]])),
            Rendered::Many(rtype, _) => *rtype,
        }
    }

    /// Returns the TTL in seconds. Signatures have the TTLs of the RRsets that they cover; for them this is the lowest
    /// one.
    pub fn ttl(&self) -> u32 {
        match &self.0 {
            Rendered::Few { octets, .. } => {
                octets[POINTER_LENGTH + TTL_OFFSET..].first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
            }
            Rendered::Many(_, many) => many.ttl,
        }
    }

    /// Returns the number of records, at least one.
    #[allow(clippy::len_without_is_empty, reason = "an RRset is never empty")]
    pub fn len(&self) -> usize {
        self.starts().len()
    }

    /// Returns each record from TYPE on, with the compression pointers to be written in it.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = Pointer>)> {
        let (block, mut pointers) = (self.block(), self.pointers());
        let ends = self.starts()[1..].iter().map(|&end| usize::from(end)).chain([block.len()]);
        self.starts().iter().zip(ends).map(move |(&start, end)| {
            let start = usize::from(start) + POINTER_LENGTH;
            let (here, behind) =
                pointers.split_at(pointers.iter().take_while(|(at, _)| usize::from(*at) < end).count());
            pointers = behind;
            (&block[start..end], here.iter().map(move |&(at, to)| Pointer { at: usize::from(at) - start, to }))
        })
    }

    /// True if records contain pointers to earlier records of the RRset, so that a message must hold all of them.
    pub fn is_tied(&self) -> bool {
        self.pointers().iter().any(|(_, to)| matches!(to, Shared::Earlier(_)))
    }

    /// Returns the names that the records point to (NS, MX, SVCB, ...), without duplicates, in the order of the
    /// records.
    pub fn targets(&self) -> &[Target] {
        match &self.0 {
            Rendered::Few { .. } => &[],
            Rendered::Many(_, many) => &many.targets,
        }
    }

    /// Returns the offset of this name in the [block](Self::block).
    pub fn target_offset(&self, target: &Target) -> usize {
        usize::from(self.starts()[target.record]) + POINTER_LENGTH + target.at
    }

    /// Returns the serial if the record is an SOA: the first of the five numbers at its end (RFC 1035, section 3.3.13).
    /// `None` for other types.
    pub fn soa_serial(&self) -> Option<u32> {
        let numbers: &[u8; 5 * size_of::<u32>()] = self.block().last_chunk().filter(|_| self.rtype() == Rtype::SOA)?;
        numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
    }

    /// Returns the same SOA with another serial.
    pub(super) fn with_serial(&self, serial: u32) -> Self {
        let mut other = self.clone();
        if let Some(numbers) = other.block_mut().last_chunk_mut::<{ 5 * size_of::<u32>() }>() {
            numbers[..size_of::<u32>()].copy_from_slice(&serial.to_be_bytes());
        }
        other
    }

    /// Returns the same records with another TTL.
    pub(super) fn with_ttl(&self, ttl: u32) -> Self {
        let mut other = self.clone();
        for &start in self.starts() {
            let at = usize::from(start) + POINTER_LENGTH + TTL_OFFSET;
            other.block_mut()[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
        if let Rendered::Many(_, many) = &mut other.0 {
            many.ttl = ttl;
        }
        other
    }

    /// Returns the records that the RRset was rendered from, with this owner. If a name shares its end with another
    /// name, the end has the case of that other name.
    pub fn contents(&self, owner: &Name, apex: &Name) -> Vec<Record> {
        (0..self.len()).filter_map(|place| self.content(place, owner, apex)).collect()
    }

    /// Returns the record with this index.
    pub(super) fn content(&self, place: usize, owner: &Name, apex: &Name) -> Option<Record> {
        let (octets, pointers) = self.records().nth(place)?;
        let (mut rdata, mut from) = (Vec::new(), FIXED_FIELDS);
        for Pointer { at, to } in pointers {
            rdata.extend_from_slice(&octets[from..at]);
            self.restore_end(to, owner, apex, &mut rdata);
            from = at + POINTER_LENGTH;
        }
        rdata.extend_from_slice(&octets[from..]);
        let ttl = octets[TTL_OFFSET..].first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
        Some(Record { owner: owner.clone(), rtype: self.rtype(), ttl, rdata: rdata.into() })
    }

    /// Appends the end of a name in full.
    fn restore_end(&self, shared: Shared, owner: &Name, apex: &Name, name: &mut Vec<u8>) {
        match shared {
            Shared::Apex => name.extend_from_slice(apex.as_wire()),
            Shared::Owner(octets) => {
                let owner = owner.as_wire();
                name.extend_from_slice(&owner[owner.len() - usize::from(octets)..]);
            }
            Shared::Earlier(distance) => {
                let mut at = usize::from(distance) + POINTER_LENGTH;
                loop {
                    if let Some(&(_, to)) = self.pointers().iter().find(|(place, _)| usize::from(*place) == at) {
                        return self.restore_end(to, owner, apex, name);
                    }
                    let length = usize::from(self.block()[at]);
                    name.extend_from_slice(&self.block()[at..=at + length]);
                    if length == 0 {
                        return;
                    }
                    at += 1 + length;
                }
            }
        }
    }
}

/// Returns TTL and RDATA of the records, without duplicates, which RFC 2181, section 5, forbids. All TTLs of an RRset
/// must be equal (section 5.2), so each record gets the lowest TTL, which is the safe one. Signatures are the
/// exception: each has the TTL of the RRset that it covers (RFC 4034, section 3).
pub(super) fn distinct<'r>(rtype: Rtype, records: &[&'r Record]) -> Vec<(u32, &'r [u8])> {
    /// Length in octets of the type covered, with which the RDATA of a signature begins.
    const COVERED: usize = size_of::<u16>();
    let covered = |record: &'r Record| record.rdata.get(..COVERED).filter(|_| rtype == Rtype::RRSIG);
    let mut lowest: HashMap<Option<&[u8]>, u32> = HashMap::new();
    for record in records {
        let ttl = lowest.entry(covered(record)).or_insert(record.ttl);
        *ttl = record.ttl.min(*ttl);
    }
    let mut seen = HashSet::with_capacity(records.len());
    let first = records.iter().filter(|record| seen.insert(canonical(rtype, &record.rdata)));
    first.map(|record| (lowest[&covered(record)], &*record.rdata)).collect()
}

/// True if names in RDATA of this type may be compressed. RFC 3597, section 4, allows it only for types of RFC 1035.
fn may_be_compressed(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::NS | Rtype::CNAME | Rtype::PTR | Rtype::SOA | Rtype::MX)
}

/// True if resolvers that ask for this type look up the names in its records next.
fn leads_on(rtype: Rtype) -> bool {
    rtype.has_additional() || matches!(rtype, Rtype::CNAME | Rtype::DNAME)
}

/// Returns the labels of `name` before `apex`, in wire format without a root label; `None` if `name` is not at or below
/// the apex.
pub fn below<'a>(name: &'a [u8], apex: &Name) -> Option<&'a [u8]> {
    let apex = apex.as_wire();
    let at = name.len().checked_sub(apex.len())?;
    let on_boundary = suffixes(name).any(|suffix| suffix.len() == apex.len());
    (on_boundary && name[at..].eq_ignore_ascii_case(apex)).then(|| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, &Name::root()).unwrap()
    }

    #[test]
    fn names_at_or_below_the_apex_end_with_room_for_a_pointer() {
        let apex = name("example.com.");
        let rdata = [&[0, 10], name("Mail.example.com.").as_wire()].concat();
        let rrset = Rrset::render(Rtype::MX, &[(300, &rdata)], &name("example.com."), &apex).unwrap();
        let (record, pointers) = rrset.records().next().unwrap();
        assert_eq!(record, b"\x00\x0f\x00\x01\x00\x00\x01\x2c\x00\x09\x00\x0a\x04Mail\x00\x00");
        assert_eq!(pointers.collect::<Vec<_>>(), [Pointer { at: 17, to: Shared::Apex }]);
        assert_eq!(rrset.targets(), [Target { name: name("mail.example.com."), record: 0, at: 12 }]);
        assert_eq!(rrset.target_offset(&rrset.targets()[0]), 14);
    }

    #[test]
    fn other_names_and_other_types_stay_whole() {
        let apex = name("example.com.");
        let outside = name("badexample.com.");
        let rrset = Rrset::render(Rtype::NS, &[(1, outside.as_wire())], &name("sub.example.com."), &apex).unwrap();
        let (record, pointers) = rrset.records().next().unwrap();
        assert_eq!(&record[FIXED_FIELDS..], b"\x0abadexample\0\0", "its last label is the owner's, too");
        assert_eq!(pointers.collect::<Vec<_>>(), [Pointer { at: 21, to: Shared::Owner(5) }]);
        let srv = [&[0; 6], name("a.example.com.").as_wire()].concat();
        let rrset = Rrset::render(Rtype::SRV, &[(1, &srv)], &apex, &apex).unwrap();
        assert_eq!(&rrset.records().next().unwrap().0[FIXED_FIELDS..], srv);
    }

    #[test]
    fn names_share_the_ends_of_their_owner_and_of_names_before() {
        let (apex, owner) = (name("example.com."), name("Sub.example.com."));
        let targets = ["ns1.sub.example.com.", "sub.example.com.", "a.x.net.", "b.X.net.", "a.x.net.example.com."];
        let targets = targets.map(name);
        let contents: Vec<(u32, &[u8])> = targets.iter().map(|target| (1, target.as_wire())).collect();
        let shared = |owner: &Name| -> Vec<Option<(usize, Shared)>> {
            let rrset = Rrset::render(Rtype::NS, &contents, owner, &apex).unwrap();
            let pointer = |mut pointers: &mut dyn Iterator<Item = Pointer>| {
                (&mut pointers).next().map(|pointer| (pointer.at - FIXED_FIELDS, pointer.to))
            };
            rrset.records().map(|(_, mut pointers)| pointer(&mut pointers)).collect()
        };
        let (sub, outside) = (Some((0, Shared::Owner(17))), Some((2, Shared::Earlier(44))));
        let labels = Some((8, Shared::Apex));
        assert_eq!(shared(&owner), [Some((4, Shared::Owner(17))), sub, None, outside, labels]);
        // The owner of an answer differs from the wildcard's name; only the part after the asterisk is the same.
        let rrset = |owner: &str, target: &str| {
            let rrset = Rrset::render(Rtype::CNAME, &[(1, name(target).as_wire())], &name(owner), &apex).unwrap();
            rrset.pointers()[0]
        };
        assert_eq!(rrset("*.sub.example.com.", "x.*.sub.example.com."), (16, Shared::Owner(17)));
        assert_eq!(rrset("*.example.com.", "x.*.example.com."), (16, Shared::Apex));
    }

    #[test]
    fn records_are_restored_whole() {
        let (apex, owner) = (name("example.com."), name("sub.example.com."));
        let targets =
            ["ns1.sub.example.com.", "sub.example.com.", "a.x.net.", "b.x.net.", "c.b.x.net.", "c.example.com."];
        let targets = targets.map(name);
        let contents: Vec<(u32, &[u8])> = targets.iter().map(|target| (1, target.as_wire())).collect();
        let rrset = Rrset::render(Rtype::NS, &contents, &owner, &apex).unwrap();
        let restored = rrset.contents(&owner, &apex);
        assert!(restored.iter().map(|record| &*record.rdata).eq(contents.iter().map(|(_, rdata)| *rdata)));
        assert_eq!(rrset.content(4, &owner, &apex).unwrap().rdata.as_ref(), targets[4].as_wire());
    }

    #[test]
    fn an_address_takes_no_room_beside_its_rrset() {
        assert_eq!(size_of::<Rrset>(), 32);
        for rdata in [&[192, 0, 2, 1][..], &[7; 16]] {
            let rrset = Rrset::render(Rtype(28), &[(300, rdata)], &Name::root(), &Name::root()).unwrap();
            assert!(matches!(rrset.0, Rendered::Few { .. }));
            assert_eq!((rrset.rtype(), rrset.ttl(), rrset.len()), (Rtype(28), 300, 1));
            assert_eq!(&rrset.records().next().unwrap().0[FIXED_FIELDS..], rdata);
            assert_eq!(rrset.with_ttl(60).ttl(), 60);
        }
    }

    #[test]
    fn what_fits_no_message_is_refused() {
        let rdata = vec![0; 60_000];
        assert_eq!(
            Rrset::render(Rtype::TXT, &[(1, &rdata), (1, &rdata)], &Name::root(), &Name::root()).err(),
            Some(TooLarge)
        );
    }
}
