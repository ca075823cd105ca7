//! Compression of names in RDATA: each name shares its end with a name that the message already holds (RFC 1035,
//! section 4.1.4).
//!
//! Rendering an RRset finds the end that a name can share: an end of the owner, the zone's apex, or an end of a name in
//! an earlier record. The offset in the message is known only when the RRset is written.

use std::collections::HashMap;

use super::rdata::name_length;
use crate::name::{Name, suffixes};

/// Names at this distance or more, in octets from the TYPE of the first record, are not shared with later records. An
/// RRset begins early enough in a message for compression pointers to reach all names that are nearer.
pub const NEAR: u16 = 0x1000;

/// Length in octets of the label `*`.
const ASTERISK: usize = 2;

/// The position of the end of a name in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The zone's apex.
    Apex,
    /// The end of the owner's name that has this many octets.
    Owner(u8),
    /// A name in an earlier record. The number is its distance in octets from the TYPE of the first record, if owners
    /// are compression pointers.
    Earlier(u16),
}

/// The ends that the names of one RRset can share.
pub(super) struct Ends<'a> {
    /// The owner's name. For a wildcard it is the part that all names that it answers for have in common.
    owner: &'a [u8],
    apex: &'a Name,
    /// The ends of earlier names, in lower case; `None` if there is only one name.
    earlier: Option<HashMap<Box<[u8]>, u16>>,
}

impl<'a> Ends<'a> {
    /// Begins the RRset of an owner; `has_several` is true if its RDATA holds more than one name.
    pub(super) fn new(owner: &'a Name, apex: &'a Name, has_several: bool) -> Self {
        let labels = if owner.is_wildcard() { ASTERISK } else { 0 };
        Self { owner: &owner.as_wire()[labels..], apex, earlier: has_several.then(HashMap::new) }
    }

    /// Returns the longest end of a name that can be shared, as the number of octets before it and its position. `None`
    /// if there is no such end.
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

    /// Remembers a name so that later names can share its ends. The first `written` octets of the name are in the
    /// record, at this distance from the TYPE of the first record.
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

/// Returns the ends of a name without the root, because the root has one octet and a compression pointer has two.
/// Opaque data that is not a name has no ends.
fn ends(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = (name_length(name) == name.len()).then(|| suffixes(name));
    whole.into_iter().flatten().filter(|end| end.len() > 1)
}
