//! The answer in the making, and the records that every part of it writes.
//!
//! The message itself is the memory of a chain: a name that is looked up is one that the message holds, be it the
//! question's or the target of the CNAME record before.

use super::{Asker, Client, Worker};
use crate::name::{MAX_NAME_LENGTH, Name};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{Message, Owner, Rcode, RrsetWriter, Rtype, Section, Truncated};
use crate::zone::{FIXED_FIELDS, POINTER_LENGTH, Rrset, TTL_OFFSET, below};

/// An answer in the making.
pub(super) struct Response<'a, 's> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) worker: &'a mut Worker,
    pub(super) message: Message<'a>,
    pub(super) rtype: Rtype,
    pub(super) client: &'a Client,
    pub(super) asker: Asker,
}

/// The name that is looked up now: the question's, or the target of the last CNAME record.
pub(super) struct Subject<'s> {
    /// The zone that answers for it.
    pub(super) zone: &'s ServedZone,
    /// Where the message holds the name.
    pub(super) owner: Owner,
    /// Where the message holds the zone's apex.
    pub(super) apex: Owner,
    key: [u8; MAX_NAME_LENGTH],
    length: usize,
}

impl Subject<'_> {
    /// The name in wire format and lower case.
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.length]
    }
}

/// What a look-up led to.
pub(super) enum Next {
    /// The answer is complete.
    Done(Rcode),
    /// It goes on with the target of a CNAME record, which the message holds there.
    Follow(Owner),
}

impl<'s> Response<'_, 's> {
    /// A name that the message holds, if it is for one of our zones to answer.
    pub(super) fn subject(
        &self,
        owner: Owner,
        zone: impl FnOnce(&[u8]) -> Option<&'s ServedZone>,
    ) -> Option<Subject<'s>> {
        let mut key = [0; MAX_NAME_LENGTH];
        let length = self.message.read_name(owner, &mut key);
        let zone = zone(&key[..length])?;
        let apex = self.message.ancestor(owner, length - zone.zone.apex().as_wire().len());
        Some(Subject { zone, owner: self.message.ancestor(owner, 0), apex, key, length })
    }

    /// The turn of this asker for this question: one more than at its last answer.
    pub(super) fn turn(&mut self, subject: &Subject<'s>) -> u32 {
        self.worker.turn(self.asker.address, subject.key(), self.rtype)
    }

    /// A CNAME record to a name of so many octets of labels and what follows them, and on to it.
    pub(super) fn push_cname(
        &mut self,
        subject: &Subject<'s>,
        ttl: u32,
        (prefix, labels): (usize, impl Fn(&mut RrsetWriter<'_, '_>) -> Result<(), Truncated>),
        target: &Name,
    ) -> Result<Next, Truncated> {
        let (rest, pointer) = match below(target.as_wire(), subject.zone.zone.apex()) {
            Some(labels) => (labels, Some(subject.apex)),
            None => (target.as_wire(), None),
        };
        let length = prefix + rest.len() + pointer.map_or(0, |_| POINTER_LENGTH);
        let mut target_at = None;
        self.message.push_rrset(Section::Answer, |rrset| {
            rrset.fields(subject.owner, Rtype::CNAME, ttl, length)?;
            target_at = rrset.here();
            labels(rrset)?;
            rrset.octets(rest)?;
            pointer.map_or(Ok(()), |apex| rrset.pointer(apex))
        })?;
        // Who asks for CNAME has the answer.
        let target = target_at.filter(|_| self.rtype != Rtype::CNAME);
        Ok(target.map_or(Next::Done(Rcode::NoError), Next::Follow))
    }

    /// NXDOMAIN, or an empty answer: the SOA tells for how long (RFC 2308, section 3), but not longer than `ttl`.
    pub(super) fn negative(&mut self, subject: &Subject<'s>, rcode: Rcode, ttl: u32) -> Result<Next, Truncated> {
        let soa = subject.zone.zone.negative_soa();
        self.push(Section::Authority, subject.apex, subject.apex, soa, soa.ttl().min(ttl))?;
        Ok(Next::Done(rcode))
    }

    /// The static addresses of a name in the subject's zone, in the additional section.
    pub(super) fn push_addresses(&mut self, subject: &Subject<'s>, name: &Name) -> Result<(), Truncated> {
        let Some(node) = subject.zone.zone.node(name.as_wire()) else { return Ok(()) };
        let Some(labels) = below(name.as_wire(), subject.zone.zone.apex()) else { return Ok(()) };
        for rtype in [Rtype::A, Rtype::AAAA] {
            let Some(addresses) = node.rrset(rtype) else { continue };
            self.message.push_rrset(Section::Additional, |rrset| {
                let mut owner = None;
                addresses.records().try_for_each(|(record, _)| {
                    match owner {
                        Some(owner) => rrset.owner(owner)?,
                        None => owner = rrset.written_owner(labels, subject.apex)?,
                    }
                    rrset.octets(record)
                })
            })?;
        }
        Ok(())
    }

    /// A static RRset with this owner and TTL, in a message that holds the zone's apex there. Gives where the RDATA of the
    /// last record stands.
    pub(super) fn push(
        &mut self,
        section: Section,
        owner: Owner,
        apex: Owner,
        rrset: &Rrset,
        ttl: u32,
    ) -> Result<Option<Owner>, Truncated> {
        let mut rdata = None;
        self.message.push_rrset(section, |writer| {
            for (record, pointers) in rrset.records() {
                writer.owner(owner)?;
                writer.octets(&record[..TTL_OFFSET])?;
                writer.octets(&ttl.to_be_bytes())?;
                writer.octets(&record[TTL_OFFSET + size_of::<u32>()..FIXED_FIELDS])?;
                rdata = writer.here();
                push_rdata(writer, record, pointers, apex)?;
            }
            Ok(())
        })?;
        Ok(rdata)
    }
}

/// Writes RDATA with pointers to the apex put in where they belong.
pub(super) fn push_rdata(
    writer: &mut RrsetWriter<'_, '_>,
    record: &[u8],
    pointers: impl Iterator<Item = usize>,
    apex: Owner,
) -> Result<(), Truncated> {
    let mut written = FIXED_FIELDS;
    for at in pointers {
        writer.octets(&record[written..at])?;
        writer.pointer(apex)?;
        written = at + POINTER_LENGTH;
    }
    writer.octets(&record[written..])
}
