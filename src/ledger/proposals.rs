//! Proposals: words that count once their stream has them, or not at all.

use super::machine::Ledger;
use super::row::Row;
use super::{Book, Matter, MatterKey};

/// The end of a proposal of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The stream has it: it counts on all nodes.
    Taken,
    /// Something else was ordered before it.
    Overtaken,
    /// The stream did not take it, for this reason, or it is not known whether it did.
    Refused(Box<str>),
}

impl Ledger {
    /// True if this node proposed something on this matter that is not decided.
    pub fn is_proposed(&self, matter: &Matter) -> bool {
        self.rows.get(&matter.key()).is_some_and(Row::is_proposed)
    }

    /// Gives up the proposals of this node.
    pub(super) fn withdraw(&mut self, book: Book, decision: &Decision) {
        let proposed =
            |row: &Row| row.is_proposed() && row.waiting.as_ref().is_some_and(|it| it.entry.matter().book() == book);
        let keys: Vec<MatterKey> =
            self.waiting.iter().filter(|key| self.rows.get(key).is_some_and(proposed)).cloned().collect();
        for key in keys {
            self.decide(&key, decision.clone());
        }
    }

    /// Ends a proposal of this node.
    pub(super) fn decide(&mut self, key: &MatterKey, decision: Decision) {
        let Some(row) = self.rows.get_mut(key) else { return };
        row.waiting = None;
        if row.heard.is_none() {
            self.rows.remove(key);
        }
        self.waiting.remove(key);
        self.changed.insert(key.clone());
        self.decisions.push(decision);
    }

    /// The decisions about proposals of this node since the last call, in the order of the proposals.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.decisions)
    }
}
