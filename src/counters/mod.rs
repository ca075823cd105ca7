//! Counters of queries and answers. Workers write them, and a collector adds them up.
//!
//! ```text
//!   a UDP worker ──► its shard ─┐
//!   a UDP worker ──► its shard ─┼──► sums ──► metrics, status, page
//!   all streams ───► a shard ───┘
//! ```
//!
//! A UDP worker has shards of its own, in memory that no other thread writes. So it counts with a load and a store,
//! without a locked instruction and without traffic between processors. Connections share the last shard, and count
//! there with atomic additions.
//!
//! [`Traffic`] counts queries and responses, and lives as long as the server. [`AnswerCounters`] count what answers
//! gave: zones, names, endpoints and clients. Their indexes are the ids of a blueprint, so each blueprint has its own.

mod answers;
mod fleet;
mod histogram;
mod node;
mod shard;
mod traffic;

pub use answers::{AnswerCounters, AnswerTally, Dimensions, ZoneAnswer};
pub use fleet::FleetCounters;
pub use histogram::{BOUNDS, Histogram};
pub use node::{NodeCounters, QueryLogCounters};
use shard::Shard;
pub use traffic::{QTYPES, QueryType, RCODES, SubnetUse, TRANSPORTS, Traffic, TrafficSums};

/// Number of rungs of the ladder.
pub const RUNGS: usize = 8;

/// One writer's access to the counters.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The shard of [`Traffic`].
    traffic: Shard,
    /// The number of that shard. The writer's shards of all [`AnswerCounters`] have the same number.
    number: usize,
    is_alone: bool,
}

impl Tally {
    /// Returns the access of a UDP worker with this number. Numbers count from 0, and no two workers have the same one.
    pub fn of_worker(traffic: &Traffic, number: usize) -> Self {
        // A worker without a shard of its own uses the shard that connections share.
        let shared = traffic.shared();
        Self { traffic: traffic.shard(number.min(shared)), number: number.min(shared), is_alone: number < shared }
    }

    /// Returns the access of a connection.
    pub fn of_stream(traffic: &Traffic) -> Self {
        let shared = traffic.shared();
        Self { traffic: traffic.shard(shared), number: shared, is_alone: false }
    }
}
