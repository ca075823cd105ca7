//! The load of pools, and the share of their clients that they keep: state machines without clock, sockets or tasks.
//!
//! ```text
//!   reports ─► LoadEstimate ─► PoolEstimate ─► GroupShares ─► Allowance   each pool's keep and room, for `load`
//!              of an endpoint  of a pool    └► Draw ─► weights            each endpoint's, for `pick = "least-load"`
//! ```
//!
//! **What has to be found.** A pool's *demand* is the load it would have if it got all of its own clients, and nobody
//! else's. Its *capacity* is the load it can take. From these follow its headroom and the share of its clients that it
//! keeps:
//!
//! ```text
//!   room = capacity - demand, at least 0
//!   keep = capacity / demand, at most 1; 0 while the pool is dead
//! ```
//!
//! The clients that a pool does not keep go to the others in proportion to their headroom. If all clients that would
//! have to move exceed the total headroom, pools that are alive keep more of theirs: then those that move fill the
//! others and overload none. A dead pool cannot keep any.
//!
//! **What can be measured.** Demand cannot be measured, but load can. A pool's load comes from the part of its own
//! clients that it keeps, and from clients that others sent it:
//!
//! ```text
//!   used = kept * demand + received        received = sum over the others of (1 - kept) * demand * its part of their room
//! ```
//!
//! So demand is estimated with an observer. An *expected* load is computed from the present demand, and demand is
//! corrected by the difference: `demand += GAIN * (used - expected) / kept`. This does not divide by a measured value.
//! It ends when expected and measured load agree; then the load of a pool that sheds clients equals its capacity,
//! however clients are really spread over names, ties and prefixes. A dead pool is not measured, so it keeps its last
//! demand, and the `received` of the others stays right.
//!
//! **Why it does not oscillate.** An answer lives for its TTL, so a decision shows its full effect a TTL later.
//! Everything happens in *rounds* that are at least as long as a TTL and a report together. `kept` and `received` are
//! not the present decision but the average of the last rounds, as they are for clients. The gain is below 1. `keep`
//! rises by a quarter at most. A change within a dead band is not published, so it makes no snapshot.

mod draw;
mod estimate;
mod shares;

pub use draw::{Draw, DrawCandidate, FULL_WEIGHT};
pub use estimate::{BELIEVED_FOR, EndpointLoad, LoadEstimate, PoolEstimate};
pub use shares::{Allowance, GroupShares, LoadFacts};

use std::time::Duration;

/// The shortest round, whatever the TTL is.
pub const SHORTEST_ROUND: Duration = Duration::from_secs(1);
