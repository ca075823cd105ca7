//! DNSSEC: signs answers as they are given.
//!
//! ```text
//!   resolution ──► writer ──► RRset in the message ──► canonical form ──► kept signature, or a fresh one ──► RRSIG
//!                                                      of what was        table                private key
//!                                                      written
//! ```
//!
//! An RRset is signed when it is first given, or ahead if it is likely, and the signature is kept for all workers. It depends
//! only on the key, the records and a window of time, so rotation, reloads and changes of health never make it wrong.
//!
//! A name that does not exist is denied in the compact form of RFC 9824, and names that a wildcard answers for are
//! signed as if they existed: both need no knowledge of other names.
//!
//! A zone that another program has signed is [audited](audit()) when its file is read; its answers need nothing of this
//! room.
//!
//! This room holds rules and keys, and reads no file. Only askers that set DO reach it.

mod algorithm;
mod audit;
mod canonical;
mod foreign;
mod history;
pub mod key_file;
mod keys;
mod lifetime;
mod nsec;
mod plan;
mod private;
mod public;
mod schedule;
mod signer;
mod signing_key;
mod table;
mod time;

pub use algorithm::Algorithm;
pub use audit::{Flaw, FlawKind, audit, ds_of_file, has_key_of_ds, published};
pub use foreign::{BadForeignKey, ForeignKey};
pub use key_file::KEY_TTL;
pub use keys::{BadKeys, Held, Rules, Wish, ZoneKeys};
pub use lifetime::{Lifetimes, Turn};
pub use plan::{KeyTimes, Part, Plan, State, Wait};
pub use public::{PublicKey, key_tag};
pub use schedule::{Refusal, Replacement, Role, Schedule};
pub use signer::{Counts, Covered, Denial, LEAD, Limits, Origin, Signatures, Signer, Unsigned};
pub use signing_key::SigningKey;
pub use time::{Delays, MIN_WINDOW, Policy, Timing};
