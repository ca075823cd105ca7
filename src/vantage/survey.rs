//! The vantage points and their opinions, for display.

use std::time::Duration;

use super::{NodeName, QuestionId, Row, Vantages};
use crate::health::Opinion;

/// Whether the opinions of a vantage point count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// They count.
    Counts,
    /// It distrusts its own probes (fail-static).
    Doubts,
    /// It sees everything down, and others do not.
    Discounted,
}

impl Weight {
    pub(super) fn of(doubts: bool, is_discounted: bool) -> Self {
        match (doubts, is_discounted) {
            (true, _) => Self::Doubts,
            (false, true) => Self::Discounted,
            (false, false) => Self::Counts,
        }
    }

    /// The weight as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Doubts => "doubts",
            Self::Discounted => "discounted",
        }
    }
}

/// A node of the fleet, as this one hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VantagePoint {
    /// Its name.
    pub node: NodeName,
    /// Where it stands.
    pub site: Box<str>,
    /// When it was heard last; `None` for this node itself.
    pub heard: Option<Duration>,
    /// Whether its opinions count.
    pub weight: Weight,
    /// True if this node knows all that it sees.
    pub is_in_step: bool,
    /// Number of endpoints' probes that it has an opinion of.
    pub probes: usize,
    /// Number of those that it sees down.
    pub down: usize,
    /// Its clock's difference in milliseconds, above 0 if it is ahead; `None` for this node itself.
    pub skew: Option<i64>,
}

/// One vantage point's opinion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The node.
    pub node: NodeName,
    /// Its opinion.
    pub opinion: Opinion,
    /// Since when.
    pub turned: Duration,
    /// How long its last successful probe took.
    pub took: Option<Duration>,
    /// Whether the opinion counts.
    pub weight: Weight,
}

impl Vantages {
    /// Number of other nodes that are heard.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// The greatest difference of another node's clock, in milliseconds.
    pub fn worst_skew(&self) -> u64 {
        let skews = self.peers.values().filter_map(|peer| peer.skew.milliseconds());
        skews.map(i64::unsigned_abs).max().unwrap_or(0)
    }

    /// All nodes that are heard, and this one, by name.
    pub fn vantage_points(&self) -> Vec<VantagePoint> {
        let me = VantagePoint {
            node: self.me.node.clone(),
            site: self.me.site.clone(),
            heard: None,
            weight: self.own_weight(),
            is_in_step: true,
            probes: self.own.len(),
            down: self.own.down(),
            skew: None,
        };
        let peers = self.peers.iter().map(|(node, peer)| VantagePoint {
            node: node.clone(),
            site: peer.site.clone(),
            heard: Some(peer.heard),
            weight: Weight::of(peer.doubts, peer.is_discounted),
            is_in_step: peer.is_in_step,
            probes: peer.table.len(),
            down: peer.table.down(),
            skew: peer.skew.milliseconds(),
        });
        let mut all: Vec<_> = peers.chain([me]).collect();
        all.sort_unstable_by(|a, b| a.node.cmp(&b.node));
        all
    }

    /// The opinions on a question, by the nodes' names. Empty while no other node's opinion counts.
    pub fn witnesses(&self, id: QuestionId) -> Vec<Witness> {
        if !self.is_settled() {
            return Vec::new();
        }
        let witness = |node: &NodeName, row: &Row, weight| Witness {
            node: node.clone(),
            opinion: row.opinion,
            turned: row.turned,
            took: row.took,
            weight,
        };
        let of_peers = self.peers.iter().filter_map(|(node, peer)| {
            Some(witness(node, peer.table.get(id)?, Weight::of(peer.doubts, peer.is_discounted)))
        });
        let mut all: Vec<_> = of_peers.collect();
        all.extend(self.own.get(id).map(|row| witness(&self.me.node, row, self.own_weight())));
        all.sort_unstable_by(|a, b| a.node.cmp(&b.node));
        all
    }
}
