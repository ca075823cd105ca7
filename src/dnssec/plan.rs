//! Roll-overs: which keys of a zone are published, and what each of them signs at a time. The times of key files alone
//! decide.
//!
//! Nodes that hold the same files make the same plan, without talking to each other, and after a restart too. A plan is
//! found by living through all times from the first one on. The times of the files are the earliest ones: each step also
//! waits until no cache can hold what contradicts it, so times that are too short harm nobody.
//!
//! The states have the names of RFC 7583:
//!
//! ```text
//!   ZSK, pre-publish (RFC 6781, section 4.1.1.1)
//!
//!   generated ──► published ──► ready ──► active ────► retired ──► dead ──► removed
//!           Publish         K          Activate     Inactive     Z      Delete
//!                                    the one before retires
//!
//!   KSK and CSK, double signature (RFC 6781, section 4.1.2)
//!
//!   generated ──► published ──► ready ───────────────► active ──► retired ──► dead ──► removed
//!           Publish         K     │ CDS asks for its DS  ▲          │      D     Delete
//!           signs DNSKEY          └── DS seen ───────────┘          │
//!                                 the one before is retired, until its DS has left all caches
//!
//!   a new algorithm (RFC 6781, section 4.1.4)                       the old one
//!
//!   generated ──► generated ──────► published ─► ready ─► active    active ─► retired ──► removed ──► removed
//!         Activate        Z, Publish         K                                      D            K
//!         signs all records        DNSKEY too                       its DNSKEY goes, then its signatures
//! ```
//!
//! K, Z and D are the TTLs of DNSKEY records, of the other records, and of the parent's DS records, each with the time
//! that nodes need to agree. A CSK signs records as a ZSK does, from `ready` on: a record has one signature for each
//! algorithm, and only the DNSKEY RRset has two during a roll-over.
//!
//! A key whose time is over goes on until its successor is there: a zone is never without signatures by a time that
//! passes.

use super::Algorithm;
use super::history::History;
use super::time::{Delays, Timing};

/// A key, as far as plans need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// True for a key that the parent's DS record may refer to (KSK, CSK).
    pub is_entry: bool,
    /// Its times.
    pub timing: Timing,
}

/// The state of a key (RFC 7583, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its DNSKEY record is not published yet. If its algorithm is new, it may sign already.
    Generated,
    /// Its DNSKEY record is published; caches may hold a DNSKEY RRset without it.
    Published,
    /// All caches know it. It waits for its time, or for its DS record at the parent.
    Ready,
    /// It is in use.
    Active,
    /// Another key has taken its place; caches may still need it.
    Retired,
    /// No cache needs it any more.
    Dead,
    /// Its DNSKEY record is not published any more. If its algorithm goes, it may still sign.
    Removed,
}

impl State {
    /// Returns the name in RFC 7583.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Published => "published",
            Self::Ready => "ready",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Dead => "dead",
            Self::Removed => "removed",
        }
    }
}

/// An event that no time brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The parent must hold the key's DS record, and none of the keys that it replaces.
    Ds,
    /// The parent must not hold the key's DS record any more.
    NoDs,
    /// Another key must take its place: its time is over.
    Successor,
}

/// The part of one key at a time.
#[allow(clippy::struct_excessive_bools, reason = "a key does any of these things beside the others")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// True if the DNSKEY RRset holds it.
    pub is_published: bool,
    /// True if it signs DNSKEY, CDS and CDNSKEY.
    pub signs_keys: bool,
    /// True if it signs all other records.
    pub signs_records: bool,
    /// True if CDS and CDNSKEY records ask the parent for its DS record.
    pub has_cds: bool,
    /// Its state.
    pub state: State,
    /// The event that it waits for.
    pub wait: Option<Wait>,
    /// When its wait began, in Unix seconds; 0 without one.
    pub waits_since: u64,
}

/// The parts of all keys of a zone from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// By key, in the order in which they were given.
    pub parts: Box<[Part]>,
    /// When the plan may change next, in Unix seconds, if no file changes. It is later than the time of the plan.
    pub until: Option<u64>,
}

impl Plan {
    /// Returns the plan for these keys at the time `now`, in Unix seconds.
    pub fn at(keys: &[KeyTimes], delays: Delays, now: u64) -> Self {
        let (parts, until) = History::new(keys, delays).live_until(now);
        Self { parts, until }
    }

    /// Returns the next different plan and when it comes, if no file changes; `None` if there is none.
    pub fn next(&self, keys: &[KeyTimes], delays: Delays) -> Option<(u64, Self)> {
        let mut at = self.until;
        while let Some(time) = at {
            let next = Self::at(keys, delays, time);
            if next.parts != self.parts {
                return Some((time, next));
            }
            at = next.until;
        }
        None
    }
}

#[cfg(test)]
mod tests;
