//! Facts about this node's fleet.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// Facts about the fleet since the node's start. Without `[fleet]` all numbers are 0.
#[derive(Debug, Default)]
pub struct FleetCounters {
    /// True if the node has a fleet.
    pub is_on: AtomicBool,
    /// True if the node is connected to a NATS server.
    pub is_connected: AtomicBool,
    /// Connections that were made. If the number grows, the network or the server breaks them.
    pub connections: AtomicU64,
    /// Attempts to connect that failed. They are repeated.
    pub failed_connections: AtomicU64,
    /// Messages that were sent.
    pub sent: AtomicU64,
    /// Octets of these messages.
    pub sent_octets: AtomicU64,
    /// Messages that were lost on this side, because the connection did not take them, or because this node did not
    /// read them in time. Nodes that miss their contents ask for them.
    pub lost: AtomicU64,
    /// Messages that were received.
    pub heard: AtomicU64,
    /// Octets of the received messages.
    pub heard_octets: AtomicU64,
    /// Messages that were ignored because they cannot be read. If the number grows, somebody else publishes in the
    /// fleet's subjects.
    pub malformed: AtomicU64,
    /// Messages that were ignored because they have another version or this node's own name, because too many nodes are
    /// heard, or because their sender is not known yet.
    pub foreign: AtomicU64,
    /// Messages with round trips that were ignored because their sender sends more than a node may. If the number grows,
    /// something that is not truenorth uses the credentials of a node.
    pub excessive: AtomicU64,
    /// Messages that were ignored because a later one came before them, or because they came twice.
    pub stale: AtomicU64,
    /// Round trips that clients pushed to this node, and that the other nodes are told.
    pub pushed_samples: AtomicU64,
    /// Those of them that the others were not told, because clients push more than all nodes need to hear.
    pub thinned_samples: AtomicU64,
    /// Round trips that clients pushed to other nodes.
    pub heard_samples: AtomicU64,
    /// True if the orders of the fleet are read.
    pub is_sharing: AtomicBool,
    /// Orders of the fleet that are in force or wait for their time.
    pub orders: AtomicU64,
    /// Orders of this node that the fleet has not got yet. If the number stays above 0, the node is cut off, or may not
    /// publish.
    pub waiting_orders: AtomicU64,
    /// True if the node takes its zones from the fleet.
    pub takes_zones: AtomicBool,
    /// The number of the version of the zones that is served; 0 for none.
    pub zones_served: AtomicU64,
    /// The number of the version that is to be served. If it differs for long, this node refuses it, or cannot fetch it.
    pub zones_wanted: AtomicU64,
    /// Other nodes that are heard now.
    pub peers: AtomicU64,
    /// Vantage points that are heard now and do not count, this node included.
    pub uncounted: AtomicU64,
    /// Targets for which answers now follow the other nodes, and not this node's own probes. If the number stays above
    /// 0, this node's network sees something that the others do not see.
    pub overruled: AtomicU64,
}
