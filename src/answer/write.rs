//! Renders a resolution: answer, authority and additional sections.
//!
//! The message itself serves as the table of names. An owner is a compression pointer to the place where the message
//! already holds the name: in the question, or in the CNAME record before.
//!
//! Each RRset that is written is passed to a [`Seal`], which signs it for askers that want that, and proves what does not
//! exist.

use super::additional;
use super::reflect;
use super::resolution::{Given, HINFO_TTL, Hop, Resolution, Steered, Step, Synthesis};
use super::rrset::{HopNames, push};
use super::seal::Seal;
use crate::name::Name;
use crate::snapshot::{Choice, Member, Rung, World};
use crate::wire::{ExtendedError, InfoCode, Message, NameOffset, RrsetWriter, Rtype, Section, SvcParams, Truncated};
use crate::zone::{FIXED_FIELDS, POINTER_LENGTH, Rrset, below};

/// RDATA of the record that answers ANY at names without static RRsets (RFC 8482, section 4.2).
const HINFO_RFC8482: &[u8] = b"\x07RFC8482\x00";

/// Writes a resolution. Sets TC if there is no room for a part of the answer.
#[inline]
pub(super) fn write<'s>(
    resolution: &Resolution<'s>,
    world: &World,
    seal: &mut impl Seal<'s>,
    message: &mut Message<'_>,
) {
    if resolution.hops().is_empty() {
        let text = "no zone here holds this name";
        return message.explain(ExtendedError { code: InfoCode::NotAuthoritative, text });
    }
    if resolution.is_authoritative() {
        message.set_authoritative();
    }
    message.widen_scope(resolution.scope());
    let mut writer = Writer { resolution, world, seal, message };
    if writer.hops().is_err() {
        writer.message.set_truncated();
    }
}

struct Writer<'w, 's, 'm, S> {
    resolution: &'w Resolution<'s>,
    world: &'w World,
    seal: &'w mut S,
    message: &'w mut Message<'m>,
}

impl<'s, S: Seal<'s>> Writer<'_, 's, '_, S> {
    #[inline]
    fn hops(&mut self) -> Result<(), Truncated> {
        let hops = self.resolution.hops();
        let mut owner = NameOffset::QUESTION;
        for (number, hop) in hops.iter().enumerate() {
            let name = self.resolution.name(hop);
            let above = name.len() - hop.zone.zone.apex().as_wire().len();
            let place = HopNames {
                zone: hop.zone,
                owner: self.message.ancestor(owner, 0),
                length: name.len(),
                apex: self.message.ancestor(owner, above),
            };
            let target = self.hop(hop, name, place)?;
            if number + 1 < hops.len() {
                // Chains are short enough for compression pointers, because no other records come between the records
                // of a chain.
                owner = target.ok_or(Truncated)?;
            }
        }
        self.seal.proofs(self.message)
    }

    /// Writes a hop's records. Returns where the message holds the name that the hop leads to.
    #[inline]
    fn hop(&mut self, hop: &Hop<'s>, name: &[u8], place: HopNames<'s>) -> Result<Option<NameOffset>, Truncated> {
        match &hop.step {
            Step::Referral { nameservers, cut } => {
                let owner = self.message.ancestor(place.owner, name.len() - cut);
                let start = push(self.message, Section::Authority, place, owner, nameservers, u32::MAX)?;
                self.seal.referral(self.message, place, (owner, &name[name.len() - cut..]))?;
                self.seal.proofs(self.message)?;
                additional::push_glue(self.message, place, &name[name.len() - cut..], nameservers, start)?;
            }
            Step::Dname { dname, owner, is_repeated, synthesis } => {
                let (prefix, dname) = (name.len() - owner, *dname);
                if !is_repeated {
                    let owner = self.message.ancestor(place.owner, prefix);
                    let start = push(self.message, Section::Answer, place, owner, dname, u32::MAX)?;
                    self.seal.answer(self.message, hop, place, start)?;
                }
                if let Synthesis::Cname = synthesis {
                    return self.synthesized(place, prefix, dname);
                }
            }
            Step::Cname(cname) => {
                let start = push(self.message, Section::Answer, place, place.owner, cname, u32::MAX)?;
                self.seal.answer(self.message, hop, place, start)?;
                return Ok(NameOffset::at(start + POINTER_LENGTH + FIXED_FIELDS));
            }
            Step::Static(rrset) => {
                let start = push(self.message, Section::Answer, place, place.owner, rrset, u32::MAX)?;
                self.seal.answer(self.message, hop, place, start)?;
                self.seal.proofs(self.message)?;
                let end = self.message.len();
                additional::push_targets(self.message, place, name, rrset, start);
                self.seal.additional(self.message, hop, end);
            }
            Step::Any(Some(rrset)) => {
                let start = push(self.message, Section::Answer, place, place.owner, rrset, u32::MAX)?;
                self.seal.answer(self.message, hop, place, start)?;
            }
            Step::Any(None) => {
                let start = self.message.len();
                self.message.push_rrset(Section::Answer, |rrset| {
                    rrset.record(place.owner, Rtype::HINFO, HINFO_TTL, HINFO_RFC8482)
                })?;
                self.seal.answer(self.message, hop, place, start)?;
            }
            Step::Steered(steered) => return self.steered(hop, place, steered),
            Step::Reflect(reflection) => {
                let start = self.message.len();
                reflect::write(reflection, self.resolution, self.world, place, self.message)?;
                self.seal.answer(self.message, hop, place, start)?;
            }
            Step::Nodata | Step::NxDomain => self.seal.negative(self.message, hop, place, u32::MAX)?,
        }
        Ok(None)
    }

    /// Writes the CNAME record that a DNAME record yields. RFC 6672, section 3.1: "A CNAME RR with Time to Live (TTL)
    /// equal to the corresponding DNAME RR is synthesized". The first `prefix` octets of the owner stay.
    #[inline(never)]
    fn synthesized(
        &mut self,
        place: HopNames<'s>,
        prefix: usize,
        dname: &Rrset,
    ) -> Result<Option<NameOffset>, Truncated> {
        let Some(target) = dname.targets().first() else { return Ok(None) };
        let labels = |rrset: &mut RrsetWriter<'_, '_>| rrset.labels(place.owner, prefix);
        self.cname(place, dname.ttl(), (prefix, labels), &target.name)
    }

    #[inline(never)]
    fn steered(
        &mut self,
        hop: &Hop<'s>,
        place: HopNames<'s>,
        steered: &Steered<'s>,
    ) -> Result<Option<NameOffset>, Truncated> {
        let (resolution, ttl) = (self.resolution, steered.ttl);
        let is_all_down = |choice: &Choice| choice.rung == Rung::AllDown;
        if is_all_down(&steered.choice) || steered.second.as_ref().is_some_and(is_all_down) {
            // An operator may wonder about the answer. This text says that health did not decide it.
            let text = steered.plan.rule().all_down.reason();
            self.message.explain(ExtendedError { code: InfoCode::Other, text });
        }
        let start = self.message.len();
        match steered.given {
            // Only the asked family has picks.
            Given::Addresses if resolution.v6().is_empty() => {
                addresses(self.message, Section::Answer, place.owner, (Rtype::A, ttl), resolution.v4())?;
            }
            Given::Addresses => {
                addresses(self.message, Section::Answer, place.owner, (Rtype::AAAA, ttl), resolution.v6())?;
            }
            Given::Https(params) => return self.https(hop, place, ttl, params).map(|()| None),
            Given::Cname(target) => {
                let no_labels = |_: &mut RrsetWriter<'_, '_>| Ok(());
                let target = self.cname(place, ttl, (0, no_labels), target)?;
                self.seal.answer(self.message, hop, place, start)?;
                return Ok(target);
            }
            Given::Nodata => return self.seal.negative(self.message, hop, place, ttl).map(|()| None),
            Given::Servfail => return Ok(None),
        }
        self.seal.answer(self.message, hop, place, start)?;
        Ok(None)
    }

    #[inline(never)]
    fn https(&mut self, hop: &Hop<'s>, place: HopNames<'s>, ttl: u32, params: &SvcParams) -> Result<(), Truncated> {
        let (owner, start) = (place.owner, self.message.len());
        let (v4, v6) = (self.resolution.v4(), self.resolution.v6());
        self.message.push_rrset(Section::Answer, |rrset| {
            rrset.fields(owner, Rtype::HTTPS, ttl, params.length(v4.len(), v6.len()))?;
            params.write(rrset, v4.iter().map(|member| &member.value), v6.iter().map(|member| &member.value))
        })?;
        self.seal.answer(self.message, hop, place, start)?;
        self.seal.proofs(self.message)?;
        let end = self.message.len();
        // RFC 9460, section 4.1: "authoritative DNS servers SHOULD return A, AAAA, and SVCB RRs in the Additional
        // section for any TargetNames that are in the zone". The answer is complete without them.
        let _ = addresses(self.message, Section::Additional, owner, (Rtype::A, ttl), v4);
        let _ = addresses(self.message, Section::Additional, owner, (Rtype::AAAA, ttl), v6);
        self.seal.additional(self.message, hop, end);
        Ok(())
    }

    /// Writes a CNAME record. `labels` writes the first `prefix` octets of its target, and `target` follows. Returns
    /// where the message holds the target.
    fn cname(
        &mut self,
        place: HopNames<'s>,
        ttl: u32,
        (prefix, labels): (usize, impl Fn(&mut RrsetWriter<'_, '_>) -> Result<(), Truncated>),
        target: &Name,
    ) -> Result<Option<NameOffset>, Truncated> {
        let (rest, pointer) = match below(target.as_wire(), place.zone.zone.apex()) {
            Some(labels) => (labels, Some(place.apex)),
            None => (target.as_wire(), None),
        };
        let length = prefix + rest.len() + pointer.map_or(0, |_| POINTER_LENGTH);
        let mut target_at = None;
        self.message.push_rrset(Section::Answer, |rrset| {
            rrset.fields(place.owner, Rtype::CNAME, ttl, length)?;
            target_at = rrset.here();
            labels(rrset)?;
            rrset.octets(rest)?;
            pointer.map_or(Ok(()), |apex| rrset.pointer(apex))
        })?;
        Ok(target_at)
    }
}

#[inline]
fn addresses<const LENGTH: usize>(
    message: &mut Message<'_>,
    section: Section,
    owner: NameOffset,
    (rtype, ttl): (Rtype, u32),
    members: &[&Member<[u8; LENGTH]>],
) -> Result<(), Truncated> {
    message
        .push_rrset(section, |rrset| rrset.addresses((owner, rtype, ttl), members.iter().map(|member| &member.value)))
}
