//! The ledger: what operators and endpoints order somewhere in the fleet, in one order for all nodes.
//!
//! [`Ledger`] is a state machine without sockets, clock or tasks. A stream of NATS numbers the entries (the room `fleet`).
//!
//! ```text
//!   an order given here ── say ──► waiting ── Publish ──► the stream gives it its place
//!        (in force at once)                                        │
//!   Follow ◄── the latest of each matter ◄── hear ◄────────────────┘ all nodes hear all
//! ```
//!
//! **The rule.** An entry is about a [`Matter`]: the overrides of one target, a TXT record, a lease, a roll-out. Of all
//! entries about a matter the latest in the order of the stream counts, on every node. No clock is compared. The stream
//! keeps that entry alone, so that a newcomer reads one message for each matter.
//!
//! **Given here.** An order is in force where it is given at once, with the stream or without it. While the node reads the
//! stream, the order goes out without a condition: it becomes the latest. An order given while the node is cut off expects
//! that the stream still has what the node last heard of the matter. If others said something meanwhile, that
//! was said with newer knowledge: it counts, and the order given here is *overtaken*, which is told.
//!
//! | [`Saying`] | while the stream is read | given while cut off |
//! | --- | --- | --- |
//! | `Order`: an operator's word | without condition | expects what was known |
//! | `Claim`: an endpoint renews its lease | without condition | without condition: the endpoint lives |
//! | `Finding`: a lease ended, a canary's next step | expects what was known | expects what was known |
//! | `Proposal`: the version of the zones | expects what was known | cannot be given |
//!
//! **Proposals.** The version of the zones is not in force where it is ordered: it counts once the stream has it, on all nodes
//! at the same time. Such a word is a `Proposal`. It expects what was known, and ends with a [`Decision`]: taken, overtaken, or
//! refused. It is given up when the connection breaks, so that nothing becomes current after its author was told that it failed.
//!
//! **Restarts.** Every row is kept, with what waits. A node that starts without NATS has the orders that it last heard.
//!
//! **Streams.** There are several, because leases and TXT records come and go: their stream forgets what is older than any of
//! them can be ([`Book`]). That of the versions of the zones is read by nodes that take their zones from the fleet, and also holds
//! the versions themselves. What a node has and the stream has no longer is gone. If the stream itself is another one than
//! before, because its server lost its disk, the nodes give it back what they have.

mod entry;
mod machine;
mod matter;
mod news;
mod proposals;
mod row;
mod view;

pub use entry::{Content, Entry, Origin, TargetOrders};
pub use machine::{Ledger, Unfit};
pub use matter::{Book, Matter, MatterKey, tag};
pub use news::LedgerNews;
pub use proposals::Decision;
pub use row::{KeptLedger, KeptRow, Rows};
pub use view::LedgerView;

pub use crate::lease::Saying;

use std::time::Duration;

/// Most matters that a node keeps. Further ones are not heard.
pub const MAX_MATTERS: usize = 65_536;

/// A stream in which entries have their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The stream was found and is read from its beginning. `identity` differs if it is not the stream of before; `last` is
    /// the number of its last entry.
    Opened {
        /// The stream.
        book: Book,
        /// Never the same for two streams.
        identity: u128,
        /// The number of its last entry; 0 if it has none.
        last: u64,
    },
    /// An entry of the stream came, with its number.
    Heard {
        /// The number, from 1.
        sequence: u64,
        /// The entry.
        entry: Box<Entry>,
    },
    /// All that was in the stream when it was opened has come.
    Read(Book),
    /// The stream cannot be read any more, or not be found, for this reason.
    Closed(Book, Box<str>),
    /// The stream did not take the entry of a matter because it has a later one than was expected.
    Overtaken(MatterKey),
    /// The stream did not take the entry of a matter for this reason.
    Refused(MatterKey, Box<str>),
}

/// An entry for the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The entry.
    pub entry: Entry,
    /// The number of the last entry of the matter, without which the stream is not to take this one; 0: there is none.
    /// `None`: whatever there is.
    pub expects: Option<u64>,
}

/// Something that counts from now on, on this node too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// The subject.
    pub matter: Matter,
    /// The latest word on it; `None` if it is taken back.
    pub content: Option<Content>,
    /// Who said it; `None` if the stream no longer has it.
    pub origin: Option<Origin>,
    /// True if it was said just now, false if it was read from the disk or from the beginning of the stream.
    pub is_live: bool,
}

/// Orders of the fleet for the part of the node that carries them out, which gives orders itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// The orders.
    pub follows: Vec<Follow>,
    /// The zones of which other nodes serve a later serial with the same files, and that serial.
    pub serials: Vec<(Box<str>, u32)>,
    /// How many words of that part the ledger had taken in. Later words of it on the same matters count instead.
    pub words: u64,
}

/// A word of this node, which is in force here already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The subject.
    pub matter: Matter,
    /// What is ordered; `None` if it is taken back.
    pub content: Option<Content>,
    /// Who said it; may be empty.
    pub who: Box<str>,
    /// Its kind.
    pub saying: Saying,
}

/// Time after which an entry is sent again that the stream has not confirmed.
pub const RESEND: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
