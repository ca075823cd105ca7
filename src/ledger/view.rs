//! The state of the ledger as a whole: for display, and for the answers to orders.

use super::Book;
use super::machine::{Ledger, Phase};
use super::row::Row;

/// The numbers of orders in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerView {
    /// True if all streams are read that are to be.
    pub is_shared: bool,
    /// Why they are not; empty if they are.
    pub why: Box<str>,
    /// Number of orders that are known and not taken back.
    pub orders: usize,
    /// Number of words of this node that the stream has not confirmed.
    pub waiting: usize,
}

impl Ledger {
    /// True if all streams are read that are to be.
    pub fn is_shared(&self) -> bool {
        self.books.iter().all(|state| matches!(state.phase, Phase::Open | Phase::Unused))
    }

    /// True if this stream is read.
    pub fn reads(&self, book: Book) -> bool {
        self.books[book as usize].phase == Phase::Open
    }

    /// True if nothing of this node waits.
    pub fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the stream has the last word of this node, or why it does not take it. `None` while an answer to any word is not
    /// there yet.
    pub fn has_last_word(&self) -> Option<Result<(), Box<str>>> {
        if self.waiting.iter().filter_map(|key| self.waiting_in(key)).any(|waiting| waiting.refused.is_none()) {
            return None;
        }
        Some(match &self.last_said {
            Some(Ok(key)) => self.waiting_in(key).and_then(|waiting| waiting.refused.clone()).map_or(Ok(()), Err),
            Some(Err(why)) => Err(why.clone()),
            None => Ok(()),
        })
    }

    /// The ledger for display.
    pub fn view(&self) -> LedgerView {
        let why = self.books.iter().find_map(|state| match &state.phase {
            Phase::Closed(why) => Some(why.clone()),
            Phase::Reading => Some("they are being read".into()),
            Phase::Open | Phase::Unused => None,
        });
        let is_order = |row: &&Row| row.in_force().is_some_and(|entry| entry.content().is_some());
        LedgerView {
            is_shared: why.is_none(),
            why: why.unwrap_or_default(),
            orders: self.rows.values().filter(is_order).count(),
            waiting: self.waiting.len(),
        }
    }
}
