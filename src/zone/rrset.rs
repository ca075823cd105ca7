//! Rendered RRsets.
//!
//! An RRset is rendered once, when its zone is built. What a response decides remains open: whose records they are (a
//! wildcard's owner is the question's), the TTL, and where the message already holds the zone's apex, which names in
//! RDATA end with where RFC 3597, section 4, allows compression.

use crate::name::{Name, suffixes};
use crate::wire::{MAX_MESSAGE, Rtype};

/// Octets of TYPE, CLASS, TTL and RDLENGTH, which stand before RDATA.
pub const FIXED_FIELDS: usize = 10;

/// Where the TTL stands among them.
pub const TTL_OFFSET: usize = 4;

/// Octets of a compression pointer.
pub const POINTER_LENGTH: usize = 2;

/// Octets that a message may need around an RRset: header, question and the OPT record with its options.
const ENVELOPE: usize = 512;

const CLASS_IN: u16 = 1;

/// All records of one owner and type.
#[derive(Clone, Debug)]
pub struct Rrset {
    rtype: Rtype,
    ttl: u32,
    /// TYPE to RDATA of one record behind the other, without owners.
    records: Box<[u8]>,
    /// Where each record begins in `records`; the end of the last one behind them.
    bounds: Box<[u16]>,
    /// Where in `records` a pointer to the zone's apex is to be written, in ascending order.
    apex_pointers: Box<[u16]>,
    /// For NS, MX, CNAME and the like: the names that the records point to, in lower case, each once.
    targets: Box<[Name]>,
}

/// Why an RRset is not rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Rrset {
    /// Renders RDATA of one type, names uncompressed, for a zone with this apex. [`TooLarge`] if the whole does not fit the
    /// longest message.
    pub fn render(rtype: Rtype, ttl: u32, rdatas: &[&[u8]], apex: &Name) -> Result<Self, TooLarge> {
        let mut records = Vec::new();
        let mut bounds = Vec::new();
        let mut apex_pointers = Vec::new();
        let mut targets = Vec::new();
        for rdata in rdatas {
            bounds.push(u16::try_from(records.len()).map_err(|_| TooLarge)?);
            records.extend_from_slice(&rtype.0.to_be_bytes());
            records.extend_from_slice(&CLASS_IN.to_be_bytes());
            records.extend_from_slice(&ttl.to_be_bytes());
            let length_at = records.len();
            records.extend_from_slice(&[0; 2]);
            let mut rest = *rdata;
            for part in Layout::of(rtype).parts {
                match part {
                    Part::Octets(count) => {
                        let (octets, behind) = rest.split_at((*count).min(rest.len()));
                        records.extend_from_slice(octets);
                        rest = behind;
                    }
                    Part::Name => {
                        let (name, behind) = split_name(rest);
                        push_compressible(&mut records, &mut apex_pointers, name, apex);
                        push_target(&mut targets, name);
                        rest = behind;
                    }
                    Part::WholeName => {
                        let (name, behind) = split_name(rest);
                        records.extend_from_slice(name);
                        push_target(&mut targets, name);
                        rest = behind;
                    }
                }
            }
            records.extend_from_slice(rest);
            let length = u16::try_from(records.len() - length_at - 2).map_err(|_| TooLarge)?;
            records[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        }
        if records.len() + rdatas.len() * POINTER_LENGTH + ENVELOPE > MAX_MESSAGE {
            return Err(TooLarge);
        }
        bounds.push(records.len() as u16);
        Ok(Self {
            rtype,
            ttl,
            records: records.into(),
            bounds: bounds.into(),
            apex_pointers: apex_pointers.into(),
            targets: targets.into(),
        })
    }

    /// The type of all records.
    pub fn rtype(&self) -> Rtype {
        self.rtype
    }

    /// Seconds.
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// How many records there are; at least one.
    #[allow(clippy::len_without_is_empty, reason = "an RRset is never empty")]
    pub fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Each record from TYPE on, and where in it pointers to the apex are to be written.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = usize>)> {
        self.bounds.windows(2).map(|bounds| {
            let (start, end) = (bounds[0], bounds[1]);
            let pointers = self.apex_pointers.iter().filter(move |&&at| start <= at && at < end);
            (&self.records[usize::from(start)..usize::from(end)], pointers.map(move |&at| usize::from(at - start)))
        })
    }

    /// The names that the records point to (NS, MX, CNAME, ...), in lower case, each once, in the records' order.
    pub fn targets(&self) -> &[Name] {
        &self.targets
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

/// How RDATA begins, as far as names in it may be compressed or lead somewhere.
struct Layout {
    parts: &'static [Part],
}

enum Part {
    Octets(usize),
    /// A name that may be compressed: those of RFC 1035's types only (RFC 3597, section 4).
    Name,
    /// One that may not.
    WholeName,
}

impl Layout {
    const fn of(rtype: Rtype) -> Self {
        let parts: &[Part] = match rtype {
            Rtype::NS | Rtype::CNAME | Rtype::PTR => &[Part::Name],
            Rtype::SOA => &[Part::Name, Part::Name],
            Rtype::MX => &[Part::Octets(2), Part::Name],
            Rtype::SRV => &[Part::Octets(6), Part::WholeName],
            // RFC 6672, section 2.5: "The DNAME RDATA target name MUST NOT be sent out in compressed form".
            Rtype::DNAME => &[Part::WholeName],
            _ => &[],
        };
        Self { parts }
    }
}

fn push_target(targets: &mut Vec<Name>, name: &[u8]) {
    let target = Name::from_wire(&name.to_ascii_lowercase());
    if !targets.contains(&target) {
        targets.push(target);
    }
}

fn split_name(octets: &[u8]) -> (&[u8], &[u8]) {
    let length = suffixes(octets).map(|suffix| if suffix[0] == 0 { 1 } else { 1 + usize::from(suffix[0]) }).sum();
    octets.split_at(length)
}

/// Writes a name whole, or its labels below the apex and room for a pointer to the apex.
fn push_compressible(records: &mut Vec<u8>, pointers: &mut Vec<u16>, name: &[u8], apex: &Name) {
    match below(name, apex) {
        // The root needs one octet, a pointer two.
        Some(labels) if apex.as_wire().len() > 1 => {
            records.extend_from_slice(labels);
            // An RRset whose records outgrow this is refused when its bounds are pushed.
            pointers.push(records.len() as u16);
            records.extend_from_slice(&[0; POINTER_LENGTH]);
        }
        _ => records.extend_from_slice(name),
    }
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
        let rrset = Rrset::render(Rtype::MX, 300, &[&rdata], &apex).unwrap();
        let (record, pointers) = rrset.records().next().unwrap();
        assert_eq!(record, b"\x00\x0f\x00\x01\x00\x00\x01\x2c\x00\x09\x00\x0a\x04Mail\x00\x00");
        assert_eq!(pointers.collect::<Vec<_>>(), [17]);
        assert_eq!(rrset.targets(), [name("mail.example.com.")]);
    }

    #[test]
    fn other_names_and_other_types_stay_whole() {
        let apex = name("example.com.");
        let outside = name("badexample.com.");
        let rrset = Rrset::render(Rtype::NS, 1, &[outside.as_wire()], &apex).unwrap();
        assert_eq!(rrset.records().next().unwrap().1.count(), 0);
        let srv = [&[0; 6], name("a.example.com.").as_wire()].concat();
        let rrset = Rrset::render(Rtype::SRV, 1, &[&srv], &apex).unwrap();
        assert_eq!(&rrset.records().next().unwrap().0[FIXED_FIELDS..], srv);
    }

    #[test]
    fn what_fits_no_message_is_refused() {
        let rdata = vec![0; 60_000];
        assert_eq!(Rrset::render(Rtype::TXT, 1, &[&rdata, &rdata], &Name::root()).err(), Some(TooLarge));
    }
}
