//! Names in RDATA that end as a name does which the message holds by then (RFC 1035, section 4.1.4).
//!
//! What such a name can share is found when an RRset is rendered: the end of its owner, the zone's apex, or the end of a name in
//! a record before it. Where the message holds these is known when it is written.

use std::collections::HashMap;

use super::rdata::name_length;
use crate::name::{Name, suffixes};

/// How far behind the first record's TYPE a name may stand that later ones share. An RRset begins early enough in a message for
/// pointers to reach that far.
pub const NEAR: u16 = 0x1000;

/// Octets of the label `*`.
const ASTERISK: usize = 2;

/// Where a message holds the end of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// It is the zone's apex.
    Apex,
    /// It is the last octets of the owner's name: so many.
    Owner(u8),
    /// It stands in an RRset's records, so far behind the TYPE of the first one if pointers are their owners.
    Earlier(u16),
}

/// What the names of one RRset can share.
pub(super) struct Ends<'a> {
    /// The owner's name, or what all names end with that a wildcard stands for.
    owner: &'a [u8],
    apex: &'a Name,
    /// The ends of names before, in lower case. Absent where no second name comes.
    earlier: Option<HashMap<Box<[u8]>, u16>>,
}

impl<'a> Ends<'a> {
    /// Begins the RRset of an owner; `has_several` if its RDATA holds more than one name.
    pub(super) fn new(owner: &'a Name, apex: &'a Name, has_several: bool) -> Self {
        let labels = if owner.is_wildcard() { ASTERISK } else { 0 };
        Self { owner: &owner.as_wire()[labels..], apex, earlier: has_several.then(HashMap::new) }
    }

    /// The longest end of a name that it shares, as how many octets stand before it, and where it is.
    pub(super) fn of(&self, name: &[u8]) -> Option<(usize, Shared)> {
        ends(name).map(|end| (name.len() - end.len(), end)).find_map(|(labels, end)| Some((labels, self.find(end)?)))
    }

    fn find(&self, end: &[u8]) -> Option<Shared> {
        if end.eq_ignore_ascii_case(self.apex.as_wire()) {
            return Some(Shared::Apex);
        }
        if suffixes(self.owner).any(|suffix| suffix.eq_ignore_ascii_case(end)) {
            return u8::try_from(end.len()).ok().map(Shared::Owner);
        }
        let earlier = self.earlier.as_ref()?;
        earlier.get(&*end.to_ascii_lowercase()).copied().map(Shared::Earlier)
    }

    /// Remembers a name of which so many octets are written out, so far behind the TYPE of the first record.
    pub(super) fn remember(&mut self, name: &[u8], written: usize, distance: usize) {
        let Some(earlier) = &mut self.earlier else { return };
        for end in ends(name) {
            let labels = name.len() - end.len();
            let Ok(distance) = u16::try_from(distance + labels) else { return };
            if labels >= written || distance >= NEAR {
                return;
            }
            earlier.entry(end.to_ascii_lowercase().into()).or_insert(distance);
        }
    }
}

/// The ends of a name that are worth a pointer: the root needs one octet, a pointer two. None of opaque data that is no name.
fn ends(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = (name_length(name) == name.len()).then(|| suffixes(name));
    whole.into_iter().flatten().filter(|end| end.len() > 1)
}
