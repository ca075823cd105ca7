//! Writes static RRsets: copies their rendered records, and inserts compression pointers for owners and for names that
//! records share.

use crate::snapshot::ServedZone;
use crate::wire::{Message, NameOffset, RrsetWriter, Section, Truncated};
use crate::zone::{FIXED_FIELDS, POINTER_LENGTH, Pointer, Rrset, Shared, TTL_OFFSET};

/// Where the message holds the names that a hop's records refer to.
#[derive(Clone, Copy)]
pub(super) struct HopNames<'s> {
    pub(super) zone: &'s ServedZone,
    /// The name of the hop.
    pub(super) owner: NameOffset,
    /// The zone's apex.
    pub(super) apex: NameOffset,
}

/// The position of an RRset in a message.
pub(super) struct Pushed {
    /// Offset of its first record.
    pub(super) start: usize,
    /// The RDATA of its last record; `None` if that is out of reach of a compression pointer.
    pub(super) rdata: Option<NameOffset>,
}

/// Writes a static RRset with this owner. `apex` is where the message holds the zone's apex. `most` is the maximum TTL
/// in seconds. Fails if there is no room.
pub(super) fn push(
    message: &mut Message<'_>,
    section: Section,
    owner: NameOffset,
    apex: NameOffset,
    rrset: &Rrset,
    most: u32,
) -> Result<Pushed, Truncated> {
    let mut pushed = Pushed { start: message.len(), rdata: None };
    let mut names = SharedNames { apex, owner: Some(owner), first: None };
    message.push_rrset(section, |writer| {
        for (record, pointers) in rrset.records() {
            let (fixed, ttl) = record[..FIXED_FIELDS].split_at(TTL_OFFSET);
            let (ttl, length) = ttl.split_at(size_of::<u32>());
            let ttl = ttl.first_chunk().map_or(0, |ttl| u32::from_be_bytes(*ttl));
            names.push_owner(writer, &[])?;
            writer.octets(fixed)?;
            writer.octets(&ttl.min(most).to_be_bytes())?;
            writer.octets(length)?;
            pushed.rdata = writer.here();
            names.push_rdata(writer, record, pointers)?;
        }
        Ok(())
    })?;
    Ok(pushed)
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
    /// Begins a record. If no pointer reaches the owner, the owner is written out: `labels` below the apex.
    fn push_owner(&mut self, writer: &mut RrsetWriter<'_, '_>, labels: &[u8]) -> Result<(), Truncated> {
        match self.owner {
            Some(owner) => writer.owner(owner)?,
            None => self.owner = writer.written_owner(labels, self.apex)?,
        }
        self.first = self.first.or(writer.here());
        Ok(())
    }

    /// Writes a whole record, with the owner as in [`push_owner`](Self::push_owner).
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

    /// Writes RDATA, with its compression pointers inserted.
    fn push_rdata(
        &self,
        writer: &mut RrsetWriter<'_, '_>,
        record: &[u8],
        pointers: impl Iterator<Item = Pointer>,
    ) -> Result<(), Truncated> {
        let mut written = FIXED_FIELDS;
        for Pointer { at, to } in pointers {
            writer.octets(&record[written..at])?;
            // Shared names are always near enough: see `zone::NEAR`.
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
