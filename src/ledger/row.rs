//! What the ledger knows of one matter, and what it keeps for the next run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Book, Entry, MatterKey, Saying};

/// What is known of one matter: the latest entry of the stream, and the word of this node that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow {
    /// The latest entry of the stream, and its number.
    pub heard: Option<(u64, Entry)>,
    /// The word of this node that the stream has not confirmed. A claim is not kept: whoever lives claims again. Nor is a
    /// proposal: whoever made it is told that it failed.
    pub waiting: Option<Entry>,
    /// The number of the latest entry that was known when that word was given.
    pub basis: u64,
}

impl KeptRow {
    /// True if there is nothing to keep.
    pub(super) fn is_empty(&self) -> bool {
        self.heard.is_none() && self.waiting.is_none()
    }
}

/// Rows to keep; `None` removes one.
pub type Rows = BTreeMap<MatterKey, Option<KeptRow>>;

/// The ledger as an earlier run kept it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptLedger {
    /// The rows.
    pub rows: Vec<KeptRow>,
    /// The identities of the streams.
    pub streams: Vec<(Book, u128)>,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) heard: Option<(u64, Entry)>,
    pub(super) waiting: Option<Waiting>,
    /// True if it came since its stream was opened.
    pub(super) is_present: bool,
}

/// A word of this node that the stream has not confirmed.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) entry: Entry,
    pub(super) saying: Saying,
    /// The number of the latest entry that was known when it was given.
    pub(super) basis: u64,
    /// True if it goes out only if that is still the latest one.
    pub(super) is_conditional: bool,
    /// When it was sent last; `None` if it was not, over this connection.
    pub(super) sent: Option<Duration>,
    /// Number of times that the stream had a later entry than was expected.
    pub(super) refusals: u8,
    /// Why the stream did not take it when it was sent last; `None` if it did not say so.
    pub(super) refused: Option<Box<str>>,
}

impl Row {
    /// The number of the latest entry; 0 if there is none.
    pub(super) fn sequence(&self) -> u64 {
        self.heard.as_ref().map_or(0, |(sequence, _)| *sequence)
    }

    /// The entry that counts here. A proposal does not, before the stream has it.
    pub(super) fn in_force(&self) -> Option<&Entry> {
        let waiting = self.waiting.as_ref().filter(|waiting| waiting.saying != Saying::Proposal);
        waiting.map(|waiting| &waiting.entry).or(self.heard.as_ref().map(|(_, entry)| entry))
    }

    /// True if this node proposed something that is not decided.
    pub(super) fn is_proposed(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.saying == Saying::Proposal)
    }

    pub(super) fn kept(&self) -> KeptRow {
        let is_kept = |waiting: &&Waiting| !matches!(waiting.saying, Saying::Claim | Saying::Proposal);
        let waiting = self.waiting.as_ref().filter(is_kept);
        let basis = waiting.map_or(0, |waiting| waiting.basis);
        KeptRow { heard: self.heard.clone(), waiting: waiting.map(|waiting| waiting.entry.clone()), basis }
    }
}

impl From<KeptRow> for Row {
    fn from(KeptRow { heard, waiting, basis }: KeptRow) -> Self {
        let waiting = waiting.map(|entry| Waiting {
            entry,
            saying: Saying::Order,
            basis,
            is_conditional: true,
            sent: None,
            refusals: 0,
            refused: None,
        });
        Self { heard, waiting, is_present: false }
    }
}
