//! Fills the additional section. It contains the static addresses of the names that an answer or a referral points to,
//! if these names are in the same zone (RFC 1034, section 4.3.2, step 6).
//!
//! The writer looks these addresses up; the resolution does not hold them, because they depend on the room that is left
//! in the message. A client loses nothing if one is missing. No decision is made twice: the resolution says which
//! RRsets answer, and this module only follows the names in them. No other reader of the resolution needs the
//! additional records.

use super::rrset::{HopNames, SharedNames};
use crate::name::suffixes;
use crate::wire::{Message, NameOffset, Rtype, Section, Truncated};
use crate::zone::{FIXED_FIELDS, Rrset, Target, below};

/// The name of the root in wire format.
const ROOT: &[u8] = &[0];

/// Writes the addresses of the nameservers of a zone cut. `cut` is the cut's name, in wire format and lower case. The
/// message holds the NS RRset from `start` on. If in-domain glue does not fit, TC must be set (RFC 9471, section 3.1).
/// So in-domain glue comes first, and the function fails only if there is no room for it.
#[inline(never)]
pub(super) fn push_glue(
    message: &mut Message<'_>,
    place: HopNames<'_>,
    cut: &[u8],
    nameservers: &Rrset,
    start: usize,
) -> Result<(), Truncated> {
    let is_in_domain = |target: &&Target| suffixes(target.name.as_wire()).any(|suffix| suffix == cut);
    let written = |target: &Target| NameOffset::at(start + nameservers.target_offset(target));
    for target in nameservers.targets().iter().filter(is_in_domain) {
        push_addresses(message, place, target.name.as_wire(), written(target))?;
    }
    for target in nameservers.targets().iter().filter(|target| !is_in_domain(target)) {
        let _ = push_addresses(message, place, target.name.as_wire(), written(target));
    }
    Ok(())
}

/// Writes the additional records for the names in an RRset of the answer. The message holds the RRset, whose owner is
/// `name`, from `start` on. The answer is complete without them, so lack of room is ignored.
#[inline]
pub(super) fn push_targets(message: &mut Message<'_>, place: HopNames<'_>, name: &[u8], rrset: &Rrset, start: usize) {
    if rrset.rtype().is_service_binding() {
        push_service_targets(message, place, name, rrset, start);
    } else if rrset.rtype().has_additional() {
        push_target_addresses(message, place, rrset, start);
    }
}

#[inline(never)]
fn push_target_addresses(message: &mut Message<'_>, place: HopNames<'_>, rrset: &Rrset, start: usize) {
    for target in rrset.targets() {
        let written = NameOffset::at(start + rrset.target_offset(target));
        let _ = push_addresses(message, place, target.name.as_wire(), written);
    }
}

/// RFC 9460, section 4.1: "authoritative DNS servers SHOULD return A, AAAA, and SVCB RRs in the Additional section for
/// any TargetNames that are in the zone."
#[inline(never)]
fn push_service_targets(message: &mut Message<'_>, place: HopNames<'_>, owner: &[u8], rrset: &Rrset, start: usize) {
    for target in rrset.targets() {
        // In ServiceMode, a TargetName of "." means the owner (section 2.5.2). In AliasMode it means that there is no
        // service (section 2.5.1).
        if target.name.as_wire() == ROOT {
            if rrset.records().nth(target.record).is_some_and(|(record, _)| !is_alias(record)) {
                let _ = push_addresses(message, place, owner, Some(place.owner));
            }
            continue;
        }
        let name = target.name.as_wire();
        let written = NameOffset::at(start + rrset.target_offset(target));
        let node = place.zone.zone.node_or_wildcard(name).filter(|_| name != owner);
        if let Some(further) = node.and_then(|node| node.rrset(rrset.rtype())) {
            let _ = push_rrset(message, place, name, written, further);
        }
        let _ = push_addresses(message, place, name, written);
    }
}

/// True if a rendered SVCB record is in AliasMode: its SvcPriority is 0 (RFC 9460, section 2.4.1).
fn is_alias(record: &[u8]) -> bool {
    record[FIXED_FIELDS..].starts_with(&[0; 2])
}

/// Writes the static addresses of a name, if the name is at or below the apex of the hop's zone. `name` is in wire
/// format and lower case. `written` is where the message holds the name; `None` if that is out of reach of a
/// compression pointer.
fn push_addresses(
    message: &mut Message<'_>,
    place: HopNames<'_>,
    name: &[u8],
    written: Option<NameOffset>,
) -> Result<(), Truncated> {
    let Some(node) = place.zone.zone.node_or_wildcard(name) else { return Ok(()) };
    for rtype in [Rtype::A, Rtype::AAAA] {
        let Some(addresses) = node.rrset(rtype) else { continue };
        push_rrset(message, place, name, written, addresses)?;
    }
    Ok(())
}

fn push_rrset(
    message: &mut Message<'_>,
    place: HopNames<'_>,
    name: &[u8],
    written: Option<NameOffset>,
    rrset: &Rrset,
) -> Result<(), Truncated> {
    let Some(labels) = below(name, place.zone.zone.apex()) else { return Ok(()) };
    message.push_rrset(Section::Additional, |writer| {
        let mut names = SharedNames { apex: place.apex, owner: written, first: None };
        rrset.records().try_for_each(|record| names.push_record(writer, labels, record))
    })
}
