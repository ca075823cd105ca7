//! The tap of the query log: what a worker notes of a query, and how the note reaches the thread that writes it.
//!
//! ```text
//!   a UDP worker ──► its ring ────┐
//!   a UDP worker ──► its ring ────┼──► the thread of the query log
//!   connections ───► their rings ─┘
//! ```
//!
//! An entry is the messages, their two ends and times, and what decided the answer. It is the same for every format of
//! the log, so a reload that changes the format loses none. Whoever answers never waits: an entry that finds no room in
//! its ring is lost.

mod entry;
mod notes;
mod ring;

pub use entry::{Entry, Fate};
pub use notes::{Note, Notes};
pub use ring::{Consumer, Memory, Parts, Producer, Rings, SharedProducers};
