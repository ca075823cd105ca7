//! Leases of registered endpoints: which endpoints may be in a pool because they said so, and for how long.
//!
//! An endpoint claims a lease, and claims it again before the lease ends. [`Leases`] is a state machine without clock,
//! sockets and files: the caller gives it the time, and takes from it what happened ([`Leases::take_news`]) and the rows
//! to keep ([`Leases::take_rows`]). What it holds becomes a part of the pools with
//! [`Blueprint::with_registered`](crate::snapshot::Blueprint::with_registered).
//!
//! ```text
//!             claim                       its time is over, others are renewed
//!   nothing ─────────► held ──────────────────────────────────────────────────► nothing
//!                      │ ▲ │
//!       release, drain │ │ └─ its time is over, none is renewed ─► kept ─┐
//!                      ▼ └──── a lease of the pool is renewed ◄──────────┘
//!                   leaving ─── its time is over ─► nothing
//! ```
//!
//! **Is the register dead, or the endpoint?** When the time of a lease is over, the pool's other leases tell. If one of
//! them was renewed within half a lease, the register works, and the endpoint is gone. If not, all of them are about to
//! end, and the fault is more likely on the way to this node. With `keep_last` the lease is then kept, and so are those
//! that end after it; answers do not change, because probes go on and decide. With the first renewal of any of them,
//! each kept lease gets one more term, in which its endpoint can renew it.
//!
//! **Discovered endpoints.** The endpoints of some pools do not register themselves: a source lists them
//! ([`Leases::discover`]). They have the same leases, which their source holds. A source that fails, or that suddenly lists
//! nothing, keeps what it listed last, as a silent register does.
//!
//! **Time.** Terms run on the monotonic clock. Time in which nobody could renew, because the node was stopped or busy
//! with a reload, does not count ([`Leases::advance`]). Over a restart, the wall clock says how much of a term is left,
//! but it can only shorten a term to half of it, and cannot lengthen it: whoever sets the clock ends no lease.

mod claim;
mod discover;
mod leases;
mod news;
mod pool;
mod refusal;
mod shared;
#[cfg(test)]
mod tests;
mod view;

pub use claim::{Asker, Claim, LeaseId, MAX_TTL, MIN_TTL, PoolChoice};
pub use discover::Discovered;
pub use leases::{Claimed, Leases};
pub use news::{LeaseHappening, LeaseNews};
pub use refusal::LeaseRefusal;
pub use shared::{LeaseWord, Saying};
pub use view::{LeaseRow, LeaseView};
