//! Vantage points: the nodes of a fleet tell each other what their probes see, and agree on what is down.
//!
//! [`Vantages`] is a state machine without sockets, clock or tasks. Its messages go over NATS (the room `fleet`).
//!
//! ```text
//!   own probes ── see ──►  own table ── reports: changes at once, a part of the rest each interval ──► letters
//!                              │
//!   messages ──── hear ──►  a table for each node that is heard ── digests differ? ── ask ──► letters
//!                              │
//!                              ▼
//!                           opinions(questions): all that count, of which a quorum takes the n-th worst
//! ```
//!
//! **Identity.** An opinion is about a question: what is asked of which endpoint ([`QuestionId`]). Nodes whose files ask
//! the same have the same ids, wherever they list it; names of pools and the times of a monitor do not matter.
//!
//! **Soft state.** A node that says nothing for three of its intervals is silent. An interval later it is forgotten, with
//! all others that are silent by then: if this node itself can't hear, all others fall silent within an interval, and it
//! must not decide with fewer and fewer of them. Without others each node decides by its own probes.
//!
//! **In step.** Each report carries the digest of all that its sender sees. A node whose table has another digest asks
//! the sender for all rows. So a lost message is made good, and a calm fleet sends almost nothing.
//!
//! **Settling.** When the first other node is heard, agreement begins two intervals later: by then all that can be heard
//! have been. Otherwise a node that comes back would decide with the first few that it hears, and then again.
//!
//! **Latency.** Nodes also tell their round trips to the datacenters, and those that clients pushed to them.
//!
//! **Restarts.** A node that stops counts until it would be silent, and what its last run saw stands until the new one has
//! told what it sees. The new run itself *arrives*: what the fleet agreed before stands until it agrees with others.
//!
//! **Who counts.** A vantage point does not count while it distrusts its own probes (fail-static), and while it sees
//! everything down, at least three endpoints in two datacenters, of which another one sees any up.

mod company;
mod latency;
mod machine;
mod message;
mod name;
mod news;
mod outgoing;
mod peer;
mod reported;
mod serials;
mod sharing;
mod skew;
mod survey;
mod table;
mod weigh;

pub use latency::MAX_SAMPLES;
pub use machine::{Ignored, Me, Place, Vantages};
pub use message::{Body, FleetEvent, Letter, MAX_ROWS, Message, Part, Report, Sight};
pub use name::{MAX_NAME, NodeName};
pub use news::News;
pub use peer::Changed;
pub use reported::Reported;
pub use sharing::{PARTS, Parts};
pub use table::{Digest, QuestionId, Row, Table};

/// Most other nodes that are heard. Messages of further ones are ignored.
pub const MAX_PEERS: usize = 1024;

/// Most rows that are kept of one node.
pub const MAX_QUESTIONS: usize = 65_536;

#[cfg(test)]
mod tests;
