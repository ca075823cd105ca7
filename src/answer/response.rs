//! The answer in the making, and the records that every part of it writes.
//!
//! The message itself is the memory of a chain: a name that is looked up is one that the message holds, be it the
//! question's or the target of the CNAME record before.

use super::{Asker, Client, Worker};
use crate::name::{MAX_NAME_LENGTH, Name};
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{Message, Owner, Rcode, RrsetWriter, Rtype, Section, Truncated};
use crate::zone::{FIXED_FIELDS, POINTER_LENGTH, Pointer, Rrset, Shared, TTL_OFFSET, below};

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
        self.push(Section::Authority, subject.apex, subject.apex, soa, ttl)?;
        Ok(Next::Done(rcode))
    }

    /// The static addresses of the names that an RRset leads on to, as far as they are in the subject's zone, in the additional
    /// section. The message holds the RRset from `start` on. Nothing is lost without them.
    pub(super) fn push_additional(&mut self, subject: &Subject<'s>, rrset: &'s Rrset, start: usize) {
        for target in rrset.targets() {
            let _ = self.push_addresses(subject, target.name.as_wire(), Owner::at(start + rrset.target_offset(target)));
        }
    }

    /// The static addresses of a name in wire format and lower case, if it is in the subject's zone, in the additional
    /// section. The message holds the name there.
    pub(super) fn push_addresses(
        &mut self,
        subject: &Subject<'s>,
        name: &[u8],
        owner: Option<Owner>,
    ) -> Result<(), Truncated> {
        let Some(node) = subject.zone.zone.node_or_wildcard(name) else { return Ok(()) };
        for rtype in [Rtype::A, Rtype::AAAA] {
            let Some(addresses) = node.rrset(rtype) else { continue };
            self.push_additional_rrset(subject, name, owner, addresses)?;
        }
        Ok(())
    }

    /// An RRset in the additional section, whose owner's place in the message is known unless it lies too far behind.
    pub(super) fn push_additional_rrset(
        &mut self,
        subject: &Subject<'s>,
        name: &[u8],
        owner: Option<Owner>,
        rrset: &Rrset,
    ) -> Result<(), Truncated> {
        let Some(labels) = below(name, subject.zone.zone.apex()) else { return Ok(()) };
        self.message.push_rrset(Section::Additional, |writer| {
            let mut places = Places { apex: subject.apex, owner, first: None };
            rrset.records().try_for_each(|record| places.push_record(writer, labels, record))
        })
    }

    /// A static RRset with this owner in a message that holds the zone's apex there; no record lives longer than `most`
    /// seconds. Gives where it starts, and where the RDATA of the last record stands.
    pub(super) fn push(
        &mut self,
        section: Section,
        owner: Owner,
        apex: Owner,
        rrset: &Rrset,
        most: u32,
    ) -> Result<Pushed, Truncated> {
        let mut pushed = Pushed { start: self.message.len(), rdata: None };
        let mut places = Places { apex, owner: Some(owner), first: None };
        self.message.push_rrset(section, |writer| {
            for (record, pointers) in rrset.records() {
                let (fixed, ttl) = record[..FIXED_FIELDS].split_at(TTL_OFFSET);
                let (ttl, length) = ttl.split_at(size_of::<u32>());
                let ttl = ttl.first_chunk().map_or(0, |ttl| u32::from_be_bytes(*ttl));
                places.push_owner(writer, &[])?;
                writer.octets(fixed)?;
                writer.octets(&ttl.min(most).to_be_bytes())?;
                writer.octets(length)?;
                pushed.rdata = writer.here();
                places.push_rdata(writer, record, pointers)?;
            }
            Ok(())
        })?;
        Ok(pushed)
    }
}

/// Where a message holds an RRset.
pub(super) struct Pushed {
    /// Octets before its first record.
    pub(super) start: usize,
    /// The RDATA of its last record, unless it lies too far behind.
    pub(super) rdata: Option<Owner>,
}

/// Where a message holds what the names of an RRset share.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) apex: Owner,
    /// Unless it was not written yet, or lies too far behind for pointers.
    pub(super) owner: Option<Owner>,
    /// The TYPE of the first record, once its owner is written.
    pub(super) first: Option<Owner>,
}

impl Places {
    /// Begins a record: its owner, of which `labels` stand below the apex, is written out where no pointer reaches it.
    fn push_owner(&mut self, writer: &mut RrsetWriter<'_, '_>, labels: &[u8]) -> Result<(), Truncated> {
        match self.owner {
            Some(owner) => writer.owner(owner)?,
            None => self.owner = writer.written_owner(labels, self.apex)?,
        }
        self.first = self.first.or(writer.here());
        Ok(())
    }

    /// Writes a whole record, its owner as [`push_owner`](Self::push_owner) does.
    pub(super) fn push_record(
        &mut self,
        writer: &mut RrsetWriter<'_, '_>,
        labels: &[u8],
        (record, pointers): (&[u8], impl Iterator<Item = Pointer>),
    ) -> Result<(), Truncated> {
        self.push_owner(writer, labels)?;
        writer.octets(&record[..FIXED_FIELDS])?;
        self.push_rdata(writer, record, pointers)
    }

    /// Writes RDATA with its pointers put in where they belong.
    fn push_rdata(
        &self,
        writer: &mut RrsetWriter<'_, '_>,
        record: &[u8],
        pointers: impl Iterator<Item = Pointer>,
    ) -> Result<(), Truncated> {
        let mut written = FIXED_FIELDS;
        for Pointer { at, to } in pointers {
            writer.octets(&record[written..at])?;
            // Whatever is shared lies near: see `zone::NEAR`.
            writer.pointer(self.find(writer, to).ok_or(Truncated)?)?;
            written = at + POINTER_LENGTH;
        }
        writer.octets(&record[written..])
    }

    fn find(&self, writer: &RrsetWriter<'_, '_>, shared: Shared) -> Option<Owner> {
        match shared {
            Shared::Apex => Some(self.apex),
            Shared::Owner(octets) => self.owner.map(|owner| writer.end_of(owner, usize::from(octets))),
            Shared::Earlier(distance) => self.first?.behind(usize::from(distance)),
        }
    }
}
