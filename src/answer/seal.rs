//! The part of the writer that depends on whether the asker wants signatures.

use super::resolution::Hop;
use super::rrset::{HopNames, push};
use crate::wire::{Message, NameOffset, Section, Truncated};

/// Signs the RRsets of an answer, and proves what does not exist.
pub(super) trait Seal<'s> {
    /// Signs an RRset of the answer section. It begins at `start` and ends at the end of the message.
    fn answer(
        &mut self,
        message: &mut Message<'_>,
        hop: &Hop<'s>,
        place: HopNames<'s>,
        start: usize,
    ) -> Result<(), Truncated>;

    /// Signs the RRsets of the additional section from `start` on, as far as there is room.
    fn additional(&mut self, message: &mut Message<'_>, hop: &Hop<'s>, start: usize);

    /// Says whether the zone below a cut is signed. The cut is given as its place in the message, and as a name in wire
    /// format and lower case.
    fn referral(
        &mut self,
        message: &mut Message<'_>,
        place: HopNames<'s>,
        cut: (NameOffset, &[u8]),
    ) -> Result<(), Truncated>;

    /// Writes the records of a negative answer. Their TTL is at most `ttl` seconds.
    fn negative(
        &mut self,
        message: &mut Message<'_>,
        hop: &Hop<'s>,
        place: HopNames<'s>,
        ttl: u32,
    ) -> Result<(), Truncated>;

    /// Writes proofs that belong to the answer section to the authority section. No record of these two sections follows.
    fn proofs(&mut self, message: &mut Message<'_>) -> Result<(), Truncated>;
}

/// Seals nothing.
pub(super) struct Plain;

impl<'s> Seal<'s> for Plain {
    #[inline]
    fn answer(&mut self, _: &mut Message<'_>, _: &Hop<'s>, _: HopNames<'s>, _: usize) -> Result<(), Truncated> {
        Ok(())
    }

    #[inline]
    fn additional(&mut self, _: &mut Message<'_>, _: &Hop<'s>, _: usize) {}

    #[inline]
    fn referral(&mut self, _: &mut Message<'_>, _: HopNames<'s>, _: (NameOffset, &[u8])) -> Result<(), Truncated> {
        Ok(())
    }

    #[inline(never)]
    fn negative(
        &mut self,
        message: &mut Message<'_>,
        _: &Hop<'s>,
        place: HopNames<'s>,
        ttl: u32,
    ) -> Result<(), Truncated> {
        push_soa(message, place, ttl).map(|_| ())
    }

    #[inline]
    fn proofs(&mut self, _: &mut Message<'_>) -> Result<(), Truncated> {
        Ok(())
    }
}

/// Writes the SOA, which says how long the negative answer may be cached (RFC 2308, section 3). Its TTL is at most `ttl`
/// seconds. Returns its offset in the message.
#[inline]
pub(super) fn push_soa(message: &mut Message<'_>, place: HopNames<'_>, ttl: u32) -> Result<usize, Truncated> {
    push(message, Section::Authority, place, place.apex, place.zone.zone.negative_soa(), ttl)
}
