//! Rendered RRsets.
//!
//! An RRset is rendered once, when its zone is built. What a response decides remains open: whose records they are (a
//! wildcard's owner is the question's), the TTL, and where the message already holds the zone's apex, the owner and the records
//! before, whose ends names in RDATA share where RFC 3597, section 4, allows compression.

use std::collections::{HashMap, HashSet};

use super::rdata::{Part, canonical, parts, split};
use super::record::Record;
use super::shared::{Ends, Shared};
use crate::name::{Name, suffixes};
use crate::wire::{MAX_MESSAGE, Rtype};

/// Octets of TYPE, CLASS, TTL and RDLENGTH, which stand before RDATA.
pub const FIXED_FIELDS: usize = 10;

/// Where the TTL stands among them.
pub const TTL_OFFSET: usize = 4;

/// Octets of a compression pointer.
pub const POINTER_LENGTH: usize = 2;

/// Octets that a message may need around an RRset: header, question, a whole owner and the OPT record with its options.
const ENVELOPE: usize = 1024;

const CLASS_IN: u16 = 1;

/// Octets of a lone record that stand in the RRset itself: most of a zone's records hold an address.
const FEW: usize = FIXED_FIELDS + 16;

/// All records of one owner and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrset(Rendered);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rendered {
    /// One record without a name in it.
    Few {
        /// 0, and how many octets it has.
        bounds: [u16; 2],
        octets: [u8; FEW],
    },
    /// The type stands outside, so that RRsets of other types are passed over at a glance.
    Many(Rtype, Box<Many>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Many {
    /// The lowest of its records.
    ttl: u32,
    /// TYPE to RDATA of one record behind the other, without owners.
    records: Box<[u8]>,
    /// Where each record begins in `records`; the end of the last one behind them.
    bounds: Box<[u16]>,
    /// Where in `records` pointers are to be written, in ascending order, and what to.
    pointers: Box<[(u16, Shared)]>,
    /// For NS, MX, SVCB and the like: the names that the records point to, each once.
    targets: Box<[Target]>,
}

/// A compression pointer that is to be written in place of two octets of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Its place in the record, counted from TYPE.
    pub at: usize,
    /// Where it leads.
    pub to: Shared,
}

impl Rendered {
    /// A lone record, if it is short and has no name in it.
    fn few(rtype: Rtype, ttl: u32, rdata: &[u8]) -> Option<Self> {
        let length = FIXED_FIELDS + rdata.len();
        if length > FEW || !parts(rtype).is_empty() {
            return None;
        }
        let mut octets = [0; FEW];
        octets[..2].copy_from_slice(&rtype.0.to_be_bytes());
        octets[2..4].copy_from_slice(&CLASS_IN.to_be_bytes());
        octets[TTL_OFFSET..TTL_OFFSET + 4].copy_from_slice(&ttl.to_be_bytes());
        octets[FIXED_FIELDS - 2..FIXED_FIELDS].copy_from_slice(&(rdata.len() as u16).to_be_bytes());
        octets[FIXED_FIELDS..length].copy_from_slice(rdata);
        Some(Self::Few { bounds: [0, length as u16], octets })
    }
}

/// A name that records point to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in lower case.
    pub name: Name,
    /// The first record that points to it, by its place in the RRset.
    pub record: usize,
    /// Where the name stands in that record, counted from TYPE.
    pub at: usize,
}

/// Why an RRset is not rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Rrset {
    /// Renders records of one owner and type, TTL and RDATA each, names uncompressed, for a zone with this apex. [`TooLarge`] if
    /// the whole does not fit the longest message.
    pub fn render(rtype: Rtype, contents: &[(u32, &[u8])], owner: &Name, apex: &Name) -> Result<Self, TooLarge> {
        if let [(ttl, rdata)] = contents
            && let Some(rendered) = Rendered::few(rtype, *ttl, rdata)
        {
            return Ok(Self(rendered));
        }
        let mut records = Vec::new();
        let mut bounds = Vec::new();
        let mut pointers = Vec::new();
        let has_several = contents.len() > 1 || rtype == Rtype::SOA;
        let mut ends = may_be_compressed(rtype).then(|| Ends::new(owner, apex, has_several));
        let mut targets: Vec<Target> = Vec::new();
        let mut known: HashSet<Name> = HashSet::new();
        for (number, &(ttl, rdata)) in contents.iter().enumerate() {
            let start = records.len();
            bounds.push(u16::try_from(start).map_err(|_| TooLarge)?);
            records.extend_from_slice(&rtype.0.to_be_bytes());
            records.extend_from_slice(&CLASS_IN.to_be_bytes());
            records.extend_from_slice(&ttl.to_be_bytes());
            let length_at = records.len();
            records.extend_from_slice(&[0; 2]);
            let mut rest = rdata;
            for &part in parts(rtype) {
                let (field, behind) = split(part, rest);
                if matches!(part, Part::Name) && leads_on(rtype) {
                    let name = Name::from_wire(&field.to_ascii_lowercase());
                    if known.insert(name.clone()) {
                        targets.push(Target { name, record: number, at: records.len() - start });
                    }
                }
                match &mut ends {
                    Some(ends) if matches!(part, Part::Name) => {
                        // Pointers are the records' owners, this one's and those of the records after the first.
                        let distance = records.len() + number * POINTER_LENGTH;
                        let shared = ends.of(field);
                        let labels = shared.map_or(field.len(), |(labels, _)| labels);
                        ends.remember(field, labels, distance);
                        records.extend_from_slice(&field[..labels]);
                        if let Some((_, to)) = shared {
                            // An RRset whose records outgrow this is refused when its bounds are pushed.
                            pointers.push((records.len() as u16, to));
                            records.extend_from_slice(&[0; POINTER_LENGTH]);
                        }
                    }
                    _ => records.extend_from_slice(field),
                }
                rest = behind;
            }
            records.extend_from_slice(rest);
            let length = u16::try_from(records.len() - length_at - 2).map_err(|_| TooLarge)?;
            records[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        }
        if records.len() + contents.len() * POINTER_LENGTH + ENVELOPE > MAX_MESSAGE {
            return Err(TooLarge);
        }
        bounds.push(records.len() as u16);
        Ok(Self(Rendered::Many(
            rtype,
            Box::new(Many {
                ttl: contents.iter().map(|&(ttl, _)| ttl).min().unwrap_or(0),
                records: records.into(),
                bounds: bounds.into(),
                pointers: pointers.into(),
                targets: targets.into(),
            }),
        )))
    }

    /// TYPE to RDATA of one record behind the other.
    fn octets(&self) -> &[u8] {
        match &self.0 {
            Rendered::Few { bounds, octets } => &octets[..usize::from(bounds[1])],
            Rendered::Many(_, many) => &many.records,
        }
    }

    fn octets_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Rendered::Few { bounds, octets } => &mut octets[..usize::from(bounds[1])],
            Rendered::Many(_, many) => &mut many.records,
        }
    }

    fn bounds(&self) -> &[u16] {
        match &self.0 {
            Rendered::Few { bounds, .. } => bounds,
            Rendered::Many(_, many) => &many.bounds,
        }
    }

    /// Where pointers are to be written, counted from the first record's TYPE, and what to.
    fn pointers(&self) -> &[(u16, Shared)] {
        match &self.0 {
            Rendered::Few { .. } => &[],
            Rendered::Many(_, many) => &many.pointers,
        }
    }

    /// The type of all records.
    pub fn rtype(&self) -> Rtype {
        match &self.0 {
            Rendered::Few { octets, .. } => Rtype(u16::from_be_bytes([octets[0], octets[1]])),
            Rendered::Many(rtype, _) => *rtype,
        }
    }

    /// Seconds; of signatures, which live as long as what they cover, the least.
    pub fn ttl(&self) -> u32 {
        match &self.0 {
            Rendered::Few { octets, .. } => {
                octets[TTL_OFFSET..].first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
            }
            Rendered::Many(_, many) => many.ttl,
        }
    }

    /// How many records there are; at least one.
    #[allow(clippy::len_without_is_empty, reason = "an RRset is never empty")]
    pub fn len(&self) -> usize {
        self.bounds().len() - 1
    }

    /// Each record from TYPE on, and the pointers that are to be written in it.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = Pointer>)> {
        let (octets, mut pointers) = (self.octets(), self.pointers());
        self.bounds().windows(2).map(move |bounds| {
            let (start, end) = (bounds[0], bounds[1]);
            let (here, behind) = pointers.split_at(pointers.iter().take_while(|(at, _)| *at < end).count());
            pointers = behind;
            let here = here.iter().map(move |&(at, to)| Pointer { at: usize::from(at - start), to });
            (&octets[usize::from(start)..usize::from(end)], here)
        })
    }

    /// Whether records point at records before them, so that no message may hold these without those.
    pub fn is_tied(&self) -> bool {
        self.pointers().iter().any(|(_, to)| matches!(to, Shared::Earlier(_)))
    }

    /// The names that the records point to (NS, MX, SVCB, ...), each once, in the records' order.
    pub fn targets(&self) -> &[Target] {
        match &self.0 {
            Rendered::Few { .. } => &[],
            Rendered::Many(_, many) => &many.targets,
        }
    }

    /// How far behind the start of the RRset's first record a message holds this name, where it holds the RRset's records
    /// with pointers as owners.
    pub fn target_offset(&self, target: &Target) -> usize {
        usize::from(self.bounds()[target.record]) + (target.record + 1) * POINTER_LENGTH + target.at
    }

    /// The serial, if these records are an SOA: the first of the five numbers at its end (RFC 1035, section 3.3.13).
    pub fn soa_serial(&self) -> Option<u32> {
        let numbers: &[u8; 5 * size_of::<u32>()] = self.octets().last_chunk().filter(|_| self.rtype() == Rtype::SOA)?;
        numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
    }

    /// The same SOA with another serial.
    pub(super) fn with_serial(&self, serial: u32) -> Self {
        let mut other = self.clone();
        if let Some(numbers) = other.octets_mut().last_chunk_mut::<{ 5 * size_of::<u32>() }>() {
            numbers[..size_of::<u32>()].copy_from_slice(&serial.to_be_bytes());
        }
        other
    }

    /// The same records with another TTL.
    pub(super) fn with_ttl(&self, ttl: u32) -> Self {
        let mut other = self.clone();
        for &start in &self.bounds()[..self.len()] {
            let at = usize::from(start) + TTL_OFFSET;
            other.octets_mut()[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
        if let Rendered::Many(_, many) = &mut other.0 {
            many.ttl = ttl;
        }
        other
    }

    /// The records that it was rendered from, for an owner. A name that shares its end with the owner, the apex or a name before
    /// it ends as that is written.
    pub(super) fn contents(&self, owner: &Name, apex: &Name) -> Vec<Record> {
        (0..self.len()).filter_map(|place| self.content(place, owner, apex)).collect()
    }

    /// The one of them in this place.
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

    /// Writes the end of a name in full.
    fn restore_end(&self, shared: Shared, owner: &Name, apex: &Name, name: &mut Vec<u8>) {
        match shared {
            Shared::Apex => name.extend_from_slice(apex.as_wire()),
            Shared::Owner(octets) => {
                let owner = owner.as_wire();
                name.extend_from_slice(&owner[owner.len() - usize::from(octets)..]);
            }
            Shared::Earlier(distance) => {
                // Pointers stand for owners in a message, and are not there in the records.
                let distance = usize::from(distance);
                let starts = self.bounds().iter().enumerate();
                let record =
                    starts.filter(|(number, start)| usize::from(**start) + number * POINTER_LENGTH <= distance);
                let mut at = distance - POINTER_LENGTH * (record.count() - 1);
                loop {
                    if let Some(&(_, to)) = self.pointers().iter().find(|(place, _)| usize::from(*place) == at) {
                        return self.restore_end(to, owner, apex, name);
                    }
                    let length = usize::from(self.octets()[at]);
                    name.extend_from_slice(&self.octets()[at..=at + length]);
                    if length == 0 {
                        return;
                    }
                    at += 1 + length;
                }
            }
        }
    }
}

/// What an RRset is rendered from: TTL and RDATA of its records, each once. RFC 2181, section 5: duplicates are suppressed; 5.2:
/// the TTLs of an RRset are the same, and the lowest is the safe one. Only signatures each live as long as what they cover
/// (RFC 4034, section 3).
pub(super) fn distinct<'r>(rtype: Rtype, records: &[&'r Record]) -> Vec<(u32, &'r [u8])> {
    /// Octets of the type covered, with which the RDATA of a signature begins.
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

/// Whether names in RDATA of this type may be compressed: those of RFC 1035's types only (RFC 3597, section 4).
fn may_be_compressed(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::NS | Rtype::CNAME | Rtype::PTR | Rtype::SOA | Rtype::MX)
}

/// Whether somebody who asks for records of this type goes on to the names in them.
fn leads_on(rtype: Rtype) -> bool {
    rtype.has_additional() || matches!(rtype, Rtype::CNAME | Rtype::DNAME)
}

/// The labels of `name` in front of `apex`, without an end; `None` if it is not at or below it.
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
        // Of a wildcard's owner, only what stands behind the asterisk is in every answer.
        let rrset = |owner: &str, target: &str| {
            let rrset = Rrset::render(Rtype::CNAME, &[(1, name(target).as_wire())], &name(owner), &apex).unwrap();
            rrset.pointers()[0]
        };
        assert_eq!(rrset("*.sub.example.com.", "x.*.sub.example.com."), (14, Shared::Owner(17)));
        assert_eq!(rrset("*.example.com.", "x.*.example.com."), (14, Shared::Apex));
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
