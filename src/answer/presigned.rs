//! Answers of zones that their files have signed (RFC 4035, section 3.1, and RFC 5155, section 7.2).
//!
//! ```text
//!   records          RRSIG as in the file; from a wildcard also the proof that the name itself does not exist
//!   a referral       DS and RRSIG, or the proof that there is none
//!   NODATA, NXDOMAIN SOA and RRSIG, and the proof
//! ```
//!
//! Proofs belong to the authority section, but records of a chain in the answer section may still follow. So they are
//! gathered, each once, and written when the answer section is complete.

use arrayvec::ArrayVec;

use super::resolution::{Hop, Resolution, Step};
use super::rrset::{HopNames, SharedNames, push};
use super::seal::push_soa;
use crate::snapshot::ServedZone;
use crate::wire::{Message, NameOffset, RrsetWriter, Rtype, Section, Truncated};
use crate::zone::{Denied, Found, Link, POINTER_LENGTH, Rrset, TTL_OFFSET, below};

/// Maximum number of records that prove something in an answer: one for each wildcard of the longest chain, and those of its
/// last name.
const MAX_LINKS: usize = 24;

/// The proofs of an answer that are not written yet.
#[derive(Default)]
pub(super) struct Proofs<'s> {
    links: ArrayVec<(HopNames<'s>, Link<'s>), MAX_LINKS>,
}

impl<'s> Proofs<'s> {
    /// Signs an RRset of the answer section. It begins at `start` and ends at the end of the message.
    pub(super) fn answer(
        &mut self,
        message: &mut Message<'_>,
        resolution: &Resolution<'s>,
        hop: &Hop<'s>,
        place: HopNames<'s>,
        start: usize,
    ) -> Result<(), Truncated> {
        let (name, zone) = (resolution.name(hop), &hop.zone.zone);
        let (owner, rtype) = match &hop.step {
            // The CNAME record that a DNAME yields is not signed (RFC 6672, section 5.3.1).
            Step::Dname { dname, owner, .. } => (&name[name.len() - owner..], dname.rtype()),
            Step::Cname(rrset) | Step::Static(rrset) | Step::Any(Some(rrset)) => (name, rrset.rtype()),
            _ => return Ok(()),
        };
        let node = match zone.look_up(owner, rtype) {
            Found::Node { node, .. } => Some(node),
            Found::Cut { .. } | Found::Dname { .. } | Found::Nothing { .. } => None,
        };
        if let Some(signatures) = node.and_then(|node| node.rrset(Rtype::RRSIG)) {
            let owner = message.name_at(start).ok_or(Truncated)?;
            copy(message, (Section::Answer, owner), signatures, rtype, u32::MAX)?;
        }
        if hop.is_from_wildcard(name.len()) {
            self.prove(place, name, Denied::Expanded { encloser: hop.encloser });
        }
        Ok(())
    }

    /// Signs an RRset of the additional section with this owner, which begins at `start`, if there is room.
    pub(super) fn additional(
        message: &mut Message<'_>,
        zone: &ServedZone,
        (owner, rtype, start): (&[u8], Rtype, usize),
    ) -> Result<(), Truncated> {
        // Records at and below a cut are glue, which is not signed (RFC 4035, section 2.2).
        let Found::Node { node, .. } = zone.zone.look_up(owner, rtype) else { return Ok(()) };
        let Some(signatures) = node.rrset(Rtype::RRSIG) else { return Ok(()) };
        let owner = message.name_at(start).ok_or(Truncated)?;
        copy(message, (Section::Additional, owner), signatures, rtype, u32::MAX)
    }

    /// Writes the DS records of a cut, or gathers the proof that there are none. The cut is given as its place in the message,
    /// and as a name in wire format and lower case.
    pub(super) fn referral(
        &mut self,
        message: &mut Message<'_>,
        place: HopNames<'s>,
        (owner, cut): (NameOffset, &[u8]),
    ) -> Result<(), Truncated> {
        let Some(node) = place.zone.zone.node(cut) else { return Ok(()) };
        let Some(ds) = node.rrset(Rtype::DS) else {
            self.prove(place, cut, Denied::Type);
            return Ok(());
        };
        push(message, Section::Authority, place, owner, ds, u32::MAX)?;
        let signatures = node.rrset(Rtype::RRSIG);
        signatures
            .map_or(Ok(()), |signatures| copy(message, (Section::Authority, owner), signatures, Rtype::DS, u32::MAX))
    }

    /// Writes the SOA of a negative answer, whose TTL is at most `ttl` seconds, and gathers the proof.
    pub(super) fn negative(
        &mut self,
        message: &mut Message<'_>,
        resolution: &Resolution<'s>,
        hop: &Hop<'s>,
        place: HopNames<'s>,
        ttl: u32,
    ) -> Result<(), Truncated> {
        let (name, zone) = (resolution.name(hop), &place.zone.zone);
        if let Some(cname) = alias(hop, name, resolution.rtype) {
            let start = push(message, Section::Answer, place, place.owner, cname, u32::MAX)?;
            let Found::Node { node, .. } = zone.look_up(name, Rtype::CNAME) else { return Ok(()) };
            let signatures = node.rrset(Rtype::RRSIG).map_or(Ok(()), |signatures| {
                let owner = message.name_at(start).ok_or(Truncated)?;
                copy(message, (Section::Answer, owner), signatures, Rtype::CNAME, u32::MAX)
            });
            if hop.is_from_wildcard(name.len()) {
                self.prove(place, name, Denied::Expanded { encloser: hop.encloser });
            }
            return signatures;
        }
        push_soa(message, place, ttl)?;
        if let Some(signatures) = zone.apex_node().rrset(Rtype::RRSIG) {
            let most = zone.negative_soa().ttl().min(ttl);
            copy(message, (Section::Authority, place.apex), signatures, Rtype::SOA, most)?;
        }
        let (encloser, is_from_wildcard) = (hop.encloser, hop.is_from_wildcard(name.len()));
        let denied = match hop.step {
            Step::NxDomain => Denied::Name { encloser },
            _ if is_from_wildcard => Denied::TypeOfWildcard { encloser },
            _ => Denied::Type,
        };
        self.prove(place, name, denied);
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn write(&mut self, message: &mut Message<'_>) -> Result<(), Truncated> {
        self.links.drain(..).try_for_each(|(place, link)| write_link(message, place, link))
    }

    /// Gathers the records that prove this about a name. RFC 4035, section 3.1.3.2: "a single NSEC RR may prove both of these
    /// points. If it does, the name server SHOULD only include the NSEC RR and its RRSIG RR(s) once".
    fn prove(&mut self, place: HopNames<'s>, name: &[u8], denied: Denied) {
        for link in place.zone.zone.tree().prove(name, denied) {
            let is_known = self.links.iter().any(|(_, known)| std::ptr::eq(known.record, link.record));
            if !is_known && !self.links.is_full() {
                self.links.push((place, link));
            }
        }
    }
}

/// Returns the CNAME of an alias that lacks records of a type which may stand beside it. No proof of their absence is valid at
/// an alias (RFC 6840, section 4.3), so the alias answers.
fn alias<'s>(hop: &Hop<'s>, name: &[u8], asked: Rtype) -> Option<&'s Rrset> {
    match hop.zone.zone.look_up(name, asked) {
        Found::Node { node, .. } if !matches!(asked, Rtype::NSEC | Rtype::RRSIG) => node.rrset(Rtype::CNAME),
        _ => None,
    }
}

/// Copies the signatures that cover a type, with an owner that the message holds and with a TTL of at most `most` seconds.
fn copy(
    message: &mut Message<'_>,
    (section, owner): (Section, NameOffset),
    signatures: &Rrset,
    rtype: Rtype,
    most: u32,
) -> Result<(), Truncated> {
    let mut at = message.len();
    message.push_rrset(section, |writer| {
        signatures.covering(rtype).try_for_each(|record| {
            writer.owner(owner)?;
            writer.octets(record)?;
            writer.lower_ttl(at + POINTER_LENGTH + TTL_OFFSET, most);
            at += POINTER_LENGTH + record.len();
            Ok(())
        })
    })
}

/// Writes a record of a chain, and its signatures.
fn write_link(message: &mut Message<'_>, place: HopNames<'_>, link: Link<'_>) -> Result<(), Truncated> {
    let labels = below(link.owner, place.zone.zone.apex()).unwrap_or_default();
    let owner = labels.is_empty().then_some(place.apex);
    let mut names = SharedNames { apex: place.apex, owner, first: None };
    message.push_rrset(Section::Authority, |writer: &mut RrsetWriter<'_, '_>| {
        link.record.records().try_for_each(|record| names.push_record(writer, labels, record))
    })?;
    let Some(signatures) = link.signatures else { return Ok(()) };
    message.push_rrset(Section::Authority, |writer| {
        let mut covering = signatures.covering(link.record.rtype());
        covering.try_for_each(|record| names.push_record(writer, labels, (record, std::iter::empty())))
    })
}
