//! The parts of an answer around the addresses of a steered name. They are the same for each client.

use super::Reply;
use super::resolution::{Given, Hop, Resolution, Step};
use crate::snapshot::{Member, Rung};
use crate::wire::{FIELDS, NameOffset, Opt, Rcode, Rtype, Section, put_addresses};

/// A message that lacks its answer section.
pub(super) struct Frame<'f> {
    /// The length in octets of the header and the question, with which the message begins.
    pub(super) head: usize,
    /// The OPT record, which ends the message.
    pub(super) tail: &'f mut [u8],
    /// The octets of the query's Client Subnet option, if it has one.
    pub(super) subnet: Option<&'f [u8]>,
    /// The maximum length of the message in octets.
    pub(super) limit: usize,
}

impl Frame<'_> {
    /// True if this many addresses, each of so many octets, fit in the message and in `out`.
    #[inline]
    pub(super) fn has_room(&self, addresses: usize, length: usize, out: &[u8]) -> bool {
        self.head + addresses * (FIELDS + length) + self.tail.len() <= self.limit.min(out.len())
    }

    /// Fills the message with a record for each address. `out` begins with its head. Returns its length in octets.
    #[inline]
    pub(super) fn fill<'v, const LENGTH: usize>(
        &mut self,
        out: &mut [u8],
        (rtype, ttl, scope): (Rtype, u32, u8),
        (count, addresses): (usize, impl Iterator<Item = &'v [u8; LENGTH]>),
    ) -> usize {
        let end = self.head + count * (FIELDS + LENGTH);
        put_addresses(&mut out[self.head..end], (NameOffset::QUESTION, rtype, ttl), addresses);
        out[Section::Answer as usize..][..size_of::<u16>()].copy_from_slice(&(count as u16).to_be_bytes());
        if let Some(subnet) = self.subnet {
            Opt::put_subnet(self.tail, subnet, scope);
        }
        let length = end + self.tail.len();
        out[end..length].copy_from_slice(self.tail);
        length
    }

    /// Fills the message with the answer of a resolution. `None` if that has other parts, or does not fit.
    pub(super) fn fill_from(&mut self, resolution: &Resolution<'_>, out: &mut [u8]) -> Option<Reply> {
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
        &mut self,
        fields: (Rtype, u32, u8),
        picked: &[&Member<[u8; LENGTH]>],
        out: &mut [u8],
    ) -> Option<usize> {
        let addresses = picked.iter().map(|member| &member.value);
        self.has_room(picked.len(), LENGTH, out).then(|| self.fill(out, fields, (picked.len(), addresses)))
    }
}

/// Returns the TTL of an answer that has the addresses of one steered name and nothing else; `None` for other answers.
pub(super) fn only_addresses(resolution: &Resolution<'_>) -> Option<u32> {
    let [Hop { step: Step::Steered(steered), .. }] = resolution.hops() else { return None };
    // An Extended DNS Error tells that health did not decide the answer.
    let is_plain = matches!(steered.given, Given::Addresses) && steered.choice.rung != Rung::AllDown;
    is_plain.then_some(steered.ttl)
}
