//! When the signatures of a zone's file are valid.

use crate::serial::{is_later, later};
use crate::wire::Rtype;
use crate::zone::rrset::Rrset;
use crate::zone::signatures::Signature;
use crate::zone::tree::Tree;

/// When the signatures of a zone are valid, in Unix seconds modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first one ends then.
    end: u32,
    /// The last one begins then.
    begin: u32,
    /// The tag of the key that made the signature which ends first.
    tag: u16,
}

impl Validity {
    /// Returns the tag of the key that made the signature which ends first.
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// Returns the seconds from `now`, in Unix seconds, to the end; negative if it is over. Times are compared as serial
    /// numbers (RFC 4034, section 3.1.5).
    pub fn left(&self, now: u64) -> i64 {
        self.end.wrapping_sub(now as u32).cast_signed().into()
    }

    /// Returns the end in Unix seconds, as the time nearest to `now`.
    pub fn end_at(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.left(now))
    }

    /// True if a signature is not valid yet.
    pub fn is_early(&self, now: u64) -> bool {
        is_later(self.begin, now as u32)
    }

    /// Looks at all signatures of a zone, of which `hashed` are not in its tree. `None` if there is none.
    pub(super) fn of<'r>(tree: &Tree, hashed: impl Iterator<Item = &'r [u8]>) -> Option<Self> {
        let rrsets = tree.nodes().flat_map(|(_, _, rrsets)| rrsets);
        let of_names = rrsets.filter(|rrset| rrset.rtype() == Rtype::RRSIG).flat_map(Rrset::signatures);
        let of_hashes = hashed.filter_map(Signature::read);
        let one = |Signature { expiration: end, inception: begin, tag, .. }: Signature<'_>| Self { end, begin, tag };
        let each = of_names.map(one).chain(of_hashes.map(one));
        each.reduce(|one, other| {
            let first = if is_later(one.end, other.end) { other } else { one };
            Self { begin: later(one.begin, other.begin), ..first }
        })
    }
}
