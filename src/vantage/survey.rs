//! The vantage points and their opinions, for display.

use std::time::Duration;

use super::{NodeName, QuestionId, Row, Vantages};
use crate::health::{VantagePoint, Weight, Witness};

impl Vantages {
    /// Number of other nodes that are heard.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// Number of vantage points that are heard and do not count, this node included.
    pub fn uncounted(&self) -> usize {
        let others = self.peers.values().filter(|peer| !peer.counts()).count();
        others + usize::from(self.own_weight() != Weight::Counts)
    }

    /// All nodes that are heard, and this one, by name.
    pub fn vantage_points(&self) -> Vec<VantagePoint> {
        let me = VantagePoint {
            node: self.me.node.shared(),
            site: self.me.site.clone(),
            identity: self.identity.clone(),
            heard: None,
            weight: self.own_weight(),
            leaves: false,
            is_in_step: true,
            probes: self.own.table.len(),
            down: self.own.table.down(),
            skew: None,
            rtts: self.told_rtts(&self.me.node),
        };
        let peers = self.peers.iter().map(|(node, peer)| VantagePoint {
            node: node.shared(),
            site: peer.site.clone(),
            identity: peer.identity.clone(),
            heard: Some(peer.heard),
            weight: Weight::of(peer.doubts, peer.is_discounted),
            leaves: peer.left.is_some(),
            is_in_step: peer.is_in_step,
            probes: peer.table.len(),
            down: peer.table.down(),
            skew: peer.skew.milliseconds(),
            rtts: self.told_rtts(node),
        });
        let mut all: Vec<_> = peers.chain([me]).collect();
        all.sort_unstable_by(|a, b| a.node.cmp(&b.node));
        all
    }

    fn told_rtts(&self, node: &NodeName) -> Vec<(Box<str>, Duration)> {
        let rtts = self.rtts_of(node).map_or(&[][..], |told| told.rtts());
        rtts.iter()
            .map(|(place, rtt)| (place.clone(), Duration::from_micros(100 * u64::from(rtt.to_tenths()))))
            .collect()
    }

    /// Number of opinions that are known, of all nodes together.
    pub fn rows(&self) -> usize {
        self.own.table.len() + self.peers.values().map(|peer| peer.table.len()).sum::<usize>()
    }

    /// The opinions on a question, by the nodes' names: if it is shared, of those that are assigned, as soon as all of them
    /// have one. Empty while the others do not count yet.
    pub fn witnesses(&self, id: QuestionId) -> Vec<Witness> {
        if !self.is_settled() {
            return Vec::new();
        }
        let witness = |node: &NodeName, row: &Row, weight| Witness {
            node: node.shared(),
            opinion: row.opinion,
            turned: row.turned,
            took: row.took,
            weight,
        };
        let of_peers = self.peers.iter().filter_map(|(node, peer)| {
            Some(witness(node, peer.table.get(id)?, Weight::of(peer.doubts, peer.is_discounted)))
        });
        let mut all: Vec<_> = of_peers.collect();
        all.extend(self.own.table.get(id).map(|row| witness(&self.me.node, row, self.own_weight())));
        if let Some(assigned) = self.assigned(id).filter(|_| self.have_said(id)) {
            all.retain(|witness| assigned.iter().any(|node| *node.as_str() == *witness.node));
        }
        all.sort_unstable_by(|a, b| a.node.cmp(&b.node));
        all
    }
}
