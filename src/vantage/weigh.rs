//! Whose opinions count, and what they agree on.

use std::collections::HashSet;

use super::{Changed, News, NodeName, QuestionId, Table, Vantages};
use crate::health::{Opinion, Weight};

/// Minimum number of endpoints, by address, that a vantage point must see down to seem sick itself; as for fail-static
/// on one node.
const MIN_ENDPOINTS: usize = 3;

/// Minimum number of datacenters that they are in: a single datacenter may really be down as a whole.
const MIN_DATACENTERS: usize = 2;

impl Vantages {
    /// Returns the opinions that count about each of these questions, which must be in ascending order. A question has none
    /// if no other node says anything about it that counts, and it is not for this one to decide for all: then this node
    /// decides alone.
    pub fn opinions(&self, ids: &[QuestionId]) -> Vec<Vec<Opinion>> {
        let mut opinions = vec![Vec::new(); ids.len()];
        if !self.is_settled() {
            return opinions;
        }
        // Once all that are assigned to a question have said what they see, they alone decide.
        let deciding: Vec<Option<&[NodeName]>> =
            ids.iter().map(|&id| self.assigned(id).filter(|_| self.have_said(id))).collect();
        let decides = |place: usize, node: &NodeName| deciding[place].is_none_or(|nodes| nodes.contains(node));
        for (node, peer) in self.peers.iter().filter(|(_, peer)| peer.counts()) {
            peer.table.each_of(ids, |place, opinion| {
                if decides(place, node) {
                    opinions[place].push(opinion);
                }
            });
        }
        if self.own_weight() == Weight::Counts {
            self.own.table.each_of(ids, |place, opinion| {
                let is_of_others = !opinions[place].is_empty() || deciding[place].is_some();
                if is_of_others && decides(place, &self.me.node) {
                    opinions[place].push(opinion);
                }
            });
        }
        opinions
    }

    /// Whether this node's own opinions count.
    pub(super) fn own_weight(&self) -> Weight {
        Weight::of(self.own.doubts, self.own.is_discounted)
    }

    /// Finds the vantage points that see everything down while others do not.
    pub(super) fn weigh(&mut self) {
        let is_own_discounted = !self.own.doubts && self.seems_sick(&self.own.table);
        let peers = self.peers.iter();
        let turned: Vec<NodeName> = peers
            .filter(|(_, peer)| (!peer.doubts && self.seems_sick(&peer.table)) != peer.is_discounted)
            .map(|(node, _)| node.clone())
            .collect();
        let mut told = Vec::new();
        if std::mem::replace(&mut self.own.is_discounted, is_own_discounted) != is_own_discounted {
            told.push((self.me.node.clone(), is_own_discounted));
        }
        for node in turned {
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.is_discounted = !peer.is_discounted;
                told.push((node, peer.is_discounted));
            }
        }
        for (node, is_discounted) in told {
            self.changed = Changed::All;
            self.sharing.is_stale = true;
            self.news.push(if is_discounted { News::Discounted(node) } else { News::Counted(node) });
        }
    }

    /// True if a vantage point with this table sees everything down, enough endpoints for that to be its own fault, and
    /// one that does not see everything down sees any of them up.
    fn seems_sick(&self, table: &Table) -> bool {
        if !table.is_all_down() {
            return false;
        }
        let (mut addresses, mut datacenters) = (HashSet::new(), HashSet::new());
        for (id, _) in table.iter() {
            if let Some(place) = self.places.get(&id) {
                addresses.extend(place.address);
                datacenters.extend(place.datacenters.iter().copied());
            }
            if addresses.len() >= MIN_ENDPOINTS && datacenters.len() >= MIN_DATACENTERS {
                return self.is_contradicted(table);
            }
        }
        false
    }

    fn is_contradicted(&self, table: &Table) -> bool {
        let others = self.peers.values().filter(|peer| !peer.doubts).map(|peer| &peer.table);
        let own = (!self.own.doubts).then_some(&self.own.table);
        let mut others = others.chain(own).filter(|other| !other.is_all_down());
        others.any(|other| table.iter().any(|(id, _)| other.get(id).is_some_and(|row| row.opinion.is_some())))
    }
}
