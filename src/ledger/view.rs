//! The ledger for display.

use super::machine::{Ledger, Phase};
use super::row::Row;

/// What the ledger knows, in numbers.
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
