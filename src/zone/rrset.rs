//! Rendered RRsets.
//!
//! An RRset is rendered once, when its zone is built. What a response decides remains open: whose records they are (a
//! wildcard's owner is the question's), the TTL, and where the message already holds the zone's apex, the owner and the records
//! before, whose ends names in RDATA share where RFC 3597, section 4, allows compression.

use super::rdata::{Part, parts, split};
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

/// All records of one owner and type.
#[derive(Clone, Debug)]
pub struct Rrset {
    rtype: Rtype,
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
        let mut records = Vec::new();
        let mut bounds = Vec::new();
        let mut pointers = Vec::new();
        let has_several = contents.len() > 1 || rtype == Rtype::SOA;
        let mut ends = may_be_compressed(rtype).then(|| Ends::new(owner, apex, has_several));
        let mut targets: Vec<Target> = Vec::new();
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
                    if targets.iter().all(|target| target.name != name) {
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
        Ok(Self {
            rtype,
            ttl: contents.iter().map(|&(ttl, _)| ttl).min().unwrap_or(0),
            records: records.into(),
            bounds: bounds.into(),
            pointers: pointers.into(),
            targets: targets.into(),
        })
    }

    /// The type of all records.
    pub fn rtype(&self) -> Rtype {
        self.rtype
    }

    /// Seconds; of signatures, which live as long as what they cover, the least.
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// How many records there are; at least one.
    #[allow(clippy::len_without_is_empty, reason = "an RRset is never empty")]
    pub fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Each record from TYPE on, and the pointers that are to be written in it.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = Pointer>)> {
        let mut pointers = &*self.pointers;
        self.bounds.windows(2).map(move |bounds| {
            let (start, end) = (bounds[0], bounds[1]);
            let (here, behind) = pointers.split_at(pointers.iter().take_while(|(at, _)| *at < end).count());
            pointers = behind;
            let here = here.iter().map(move |&(at, to)| Pointer { at: usize::from(at - start), to });
            (&self.records[usize::from(start)..usize::from(end)], here)
        })
    }

    /// Whether records point at records before them, so that no message may hold these without those.
    pub fn is_tied(&self) -> bool {
        self.pointers.iter().any(|(_, to)| matches!(to, Shared::Earlier(_)))
    }

    /// The names that the records point to (NS, MX, SVCB, ...), each once, in the records' order.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// How far behind the start of the RRset's first record a message holds this name, where it holds the RRset's records
    /// with pointers as owners.
    pub fn target_offset(&self, target: &Target) -> usize {
        usize::from(self.bounds[target.record]) + (target.record + 1) * POINTER_LENGTH + target.at
    }

    /// The serial, if these records are an SOA: the first of the five numbers at its end (RFC 1035, section 3.3.13).
    pub fn soa_serial(&self) -> Option<u32> {
        let numbers: &[u8; 5 * size_of::<u32>()] = self.records.last_chunk().filter(|_| self.rtype == Rtype::SOA)?;
        numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
    }

    /// The same records with another TTL.
    pub fn with_ttl(&self, ttl: u32) -> Self {
        let mut other = self.clone();
        other.ttl = ttl;
        for &start in &self.bounds[..self.len()] {
            let at = usize::from(start) + TTL_OFFSET;
            other.records[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
        other
    }
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
            rrset.pointers[0]
        };
        assert_eq!(rrset("*.sub.example.com.", "x.*.sub.example.com."), (14, Shared::Owner(17)));
        assert_eq!(rrset("*.example.com.", "x.*.example.com."), (14, Shared::Apex));
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
