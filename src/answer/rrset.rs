//! Writes static RRsets: copies their rendered records, and inserts compression pointers for owners and for names that
//! records share.

use crate::snapshot::ServedZone;
use crate::wire::{Message, NameOffset, RrsetWriter, Section, Truncated};
use crate::zone::{POINTER_LENGTH, Pointer, Rrset, Shared, TTL_OFFSET};

/// Where the message holds the names that a hop's records refer to.
#[derive(Clone, Copy)]
pub(super) struct HopNames<'s> {
    pub(super) zone: &'s ServedZone,
    /// The name of the hop.
    pub(super) owner: NameOffset,
    /// Length of that name in octets.
    pub(super) length: usize,
    /// The zone's apex.
    pub(super) apex: NameOffset,
}

/// Writes a static RRset of a hop. `owner` is the hop's name or an ancestor of it. `most` is the maximum TTL in
/// seconds. Returns the offset of the first record in the message. Fails if there is no room.
#[inline(never)]
pub(super) fn push(
    message: &mut Message<'_>,
    section: Section,
    place: HopNames<'_>,
    owner: NameOffset,
    rrset: &Rrset,
    most: u32,
) -> Result<usize, Truncated> {
    let start = message.len();
    message.push_rrset(section, |writer| {
        writer.block(rrset.block(), rrset.len())?;
        if owner != NameOffset::QUESTION {
            rrset.starts().iter().for_each(|&record| writer.point(start + usize::from(record), owner));
        }
        for &(at, to) in rrset.pointers() {
            let to = match to {
                Shared::Apex => place.apex,
                Shared::Owner(octets) => writer.ancestor(place.owner, place.length - usize::from(octets)),
                // A compression pointer can always reach shared names: see `zone::NEAR`.
                Shared::Earlier(distance) => {
                    NameOffset::at(start + POINTER_LENGTH + usize::from(distance)).ok_or(Truncated)?
                }
            };
            writer.point(start + usize::from(at), to);
        }
        if most < u32::MAX {
            let ttl = |record: u16| start + usize::from(record) + POINTER_LENGTH + TTL_OFFSET;
            rrset.starts().iter().for_each(|&record| writer.lower_ttl(ttl(record), most));
        }
        Ok(())
    })?;
    Ok(start)
}

/// The positions in a message of the names that the records of an RRset share.
#[derive(Clone, Copy)]
pub(super) struct SharedNames {
    /// The zone's apex.
    pub(super) apex: NameOffset,
    /// The owner; `None` if it is not written yet, or is out of reach of a compression pointer.
    pub(super) owner: Option<NameOffset>,
    /// The TYPE of the first record, once its owner is written.
    pub(super) first: Option<NameOffset>,
}

impl SharedNames {
    /// Begins a record. If no pointer reaches the owner, the owner is written as `labels` and a pointer to the apex.
    fn push_owner(&mut self, writer: &mut RrsetWriter<'_, '_>, labels: &[u8]) -> Result<(), Truncated> {
        match self.owner {
            Some(owner) => writer.owner(owner)?,
            None => self.owner = writer.written_owner(labels, self.apex)?,
        }
        self.first = self.first.or(writer.here());
        Ok(())
    }

    /// Writes a whole record, with its compression pointers inserted, and with the owner as in
    /// [`push_owner`](Self::push_owner).
    pub(super) fn push_record(
        &mut self,
        writer: &mut RrsetWriter<'_, '_>,
        labels: &[u8],
        (record, pointers): (&[u8], impl Iterator<Item = Pointer>),
    ) -> Result<(), Truncated> {
        self.push_owner(writer, labels)?;
        let mut written = 0;
        for Pointer { at, to } in pointers {
            writer.octets(&record[written..at])?;
            // A compression pointer can always reach shared names: see `zone::NEAR`.
            writer.pointer(self.find(writer, to).ok_or(Truncated)?)?;
            written = at + POINTER_LENGTH;
        }
        writer.octets(&record[written..])
    }

    fn find(&self, writer: &RrsetWriter<'_, '_>, shared: Shared) -> Option<NameOffset> {
        match shared {
            Shared::Apex => Some(self.apex),
            Shared::Owner(octets) => self.owner.map(|owner| writer.end_of(owner, usize::from(octets))),
            Shared::Earlier(distance) => self.first?.behind(usize::from(distance)),
        }
    }
}
