//! How full pools are, and how many of their clients they keep: machines without clock, sockets or tasks.
//!
//! ```text
//!   reports ─► gauges ─► reading ─► group ─► allowances      each pool's keep and room, for the step `load`
//!              endpoint   pool    └► draw ─► weights         each endpoint's, for `pick = "least-load"`
//! ```
//!
//! **What is to be found out.** A pool's *demand* is what it would use if all of its own clients came to it, and nobody
//! else's. Its *capacity* is what it can take. So
//!
//! ```text
//!   room = capacity - demand, nothing if that is below 0
//!   keep = capacity / demand, all if that is above 1; nothing while the pool is dead
//! ```
//!
//! and whom a pool does not keep goes to the others in proportion to their room. Where all that is to be moved is more than
//! all rooms together, those that are alive keep more, so that what is moved fills the others and overfills none; the dead
//! have no choice.
//!
//! **What is measured** is neither. Of its own clients a pool has those that it keeps, and it has what others sent it:
//!
//! ```text
//!   used = kept * demand + received        received = sum over the others of (1 - kept) * demand * its part of their room
//! ```
//!
//! Two observers follow. An *estimate* of used is made from what is believed, and demand is corrected by what is off:
//! `demand += GAIN * (used - estimate) / kept`. That needs no division by what is measured, ends where estimate and
//! measurement agree, and then used is the capacity of a pool that sheds, however clients are really spread over names,
//! ties and prefixes. A dead pool is not measured, so its demand stays what it was last, and the others' received stays right.
//!
//! **Why it does not swing.** An answer lives for its TTL, so what is decided now is seen a TTL later. All happens in
//! *rounds* that are at least a TTL and a report long; `kept` and `received` are not what is decided now but the mean of the
//! last rounds, as they are for clients; the gain is below 1; keep rises by a quarter at most; and what changed by less than
//! a dead band is not published, and makes no snapshot.

mod draw;
mod estimate;
mod shares;

pub use draw::{Draw, DrawCandidate, FULL_WEIGHT};
pub use estimate::{BELIEVED_FOR, EndpointLoad, LoadEstimate, PoolEstimate};
pub use shares::{Allowance, GroupShares, LoadFacts};

use std::time::Duration;

/// From one round to the next at least, whatever the TTL is.
pub const SHORTEST_ROUND: Duration = Duration::from_secs(1);
