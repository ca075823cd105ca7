//! The parts of an answer around the addresses of a steered name. They are the same for each client.

use super::Reply;
use super::repeat::MAX_TAIL;
use super::resolution::{Given, Hop, Resolution, Step};
use crate::snapshot::{Member, Rung};
use crate::wire::{FIELDS, NameOffset, Opt, Rcode, Rtype, Section, put_addresses};

/// A message that lacks its answer section.
pub(super) struct Frame<'f> {
    /// The length in octets of the header and the question, with which the message begins.
    pub(super) head: usize,
    /// The OPT record, which ends the message, and octets that do not count.
    pub(super) tail: &'f [u8; MAX_TAIL],
    /// The length of the OPT record in octets.
    pub(super) tail_length: usize,
    /// The octets of the query's Client Subnet option, if it has one.
    pub(super) subnet: Option<&'f [u8]>,
    /// The maximum length of the message in octets.
    pub(super) limit: usize,
}

impl Frame<'_> {
    /// Returns the length of the message in octets if its answer section has so many.
    #[inline]
    pub(super) fn length(&self, answer: usize) -> usize {
        self.head + answer + self.tail_length
    }

    /// Fills the message with a record for each address, those of one part behind those of the other. `out` begins with its
    /// head. Returns its length in octets, which may be above the limit; `None` if it has no room in `out`.
    #[inline]
    pub(super) fn fill<'v, const LENGTH: usize>(
        &self,
        out: &mut [u8],
        (rtype, ttl, scope): (Rtype, u32, u8),
        [first, second]: [impl ExactSizeIterator<Item = &'v [u8; LENGTH]>; 2],
    ) -> Option<usize> {
        let count = first.len() + second.len();
        let end = self.head + count * (FIELDS + LENGTH);
        // All of the tail is copied, because its length is known to the compiler. What does not count is left behind the end.
        *out.get_mut(end..)?.first_chunk_mut()? = *self.tail;
        let length = end + self.tail_length;
        let (before, behind) = out[self.head..end].split_at_mut(first.len() * (FIELDS + LENGTH));
        put_addresses(before, (NameOffset::QUESTION, rtype, ttl), first);
        put_addresses(behind, (NameOffset::QUESTION, rtype, ttl), second);
        out[Section::Answer as usize..][..size_of::<u16>()].copy_from_slice(&(count as u16).to_be_bytes());
        if let Some(subnet) = self.subnet {
            Opt::put_subnet(&mut out[end..length], subnet, scope);
        }
        Some(length)
    }

    /// Fills the message with the answer of a resolution. `None` if that has other parts, or does not fit.
    pub(super) fn fill_from(&self, resolution: &Resolution<'_>, out: &mut [u8]) -> Option<Reply> {
        let ttl = only_addresses(resolution)?;
        let (v4, v6, scope) = (resolution.v4(), resolution.v6(), resolution.scope());
        let length = if v6.is_empty() {
            self.fill_with((Rtype::A, ttl, scope), v4, out)?
        } else {
            self.fill_with((Rtype::AAAA, ttl, scope), v6, out)?
        };
        let (rcode, class, ttl) = (Rcode::NoError, resolution.class(), resolution.ttl());
        Some(Reply { length, rcode, class, ttl, is_truncated: false })
    }

    fn fill_with<const LENGTH: usize>(
        &self,
        fields: (Rtype, u32, u8),
        picked: &[&Member<[u8; LENGTH]>],
        out: &mut [u8],
    ) -> Option<usize> {
        let none: &[&Member<_>] = &[];
        let addresses = [picked.iter().copied().map(Member::value), none.iter().copied().map(Member::value)];
        let fits = self.length(picked.len() * (FIELDS + LENGTH)) <= self.limit;
        if fits { self.fill(out, fields, addresses) } else { None }
    }
}

/// Returns the TTL of an answer that has the addresses of one steered name and nothing else; `None` for other answers.
pub(super) fn only_addresses(resolution: &Resolution<'_>) -> Option<u32> {
    let [Hop { step: Step::Steered(steered), .. }] = resolution.hops() else { return None };
    // An Extended DNS Error tells that health did not decide the answer.
    let is_plain = matches!(steered.given, Given::Addresses) && steered.choice.rung != Rung::AllDown;
    is_plain.then_some(steered.ttl)
}
