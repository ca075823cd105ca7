//! The hand-over from a running node to the process that replaces it.
//!
//! ```text
//!   the running process                                   the process that replaces it
//!                         ◄─────────── Hello ───────────
//!                          ────────── Welcome ─────────►
//!                                                         reads its configuration: this may take long
//!                         ◄────────── Prepare ──────────
//!   reloads and TXT orders wait
//!                          ───── Prepared, sockets ────►
//!                          ─────────── rows ───────────►
//!                                                         reads again what changed, binds further addresses
//!                         ◄─────────── Take ────────────
//!   control pauses, the state file is closed
//!                          ─────────── rows ───────────►
//!                                                         first snapshot; begins to answer
//!                         ◄───────── Answering ─────────
//!                          ─────────── Yours ──────────►
//!   drains                                                 writes the state file, takes orders
//!                          ───────── QuicIsFree ───────►
//!   ends                                                   answers over QUIC
//! ```
//!
//! Until `Yours` the running process owns everything, and continues whatever happens to the other process. The sockets
//! are shared descriptors, so each query is read by one of the two, and none is lost with a socket. The exchange uses a
//! socket in the state folder that only its owner can open. The kernel tells each side the user of the other.
//!
//! Each step of either side fails if the other process ends, refuses, or takes longer than the times below.
//!
//! `sockets` also takes over sockets of systemd (socket activation).

mod channel;
mod kept;
mod predecessor;
mod private;
mod sockets;
mod successor;

use std::time::Duration;

pub use channel::{HandoverError, Parcel};
pub use kept::KeptSocket;
pub use predecessor::Predecessor;
pub use private::PrivateSocket;
pub use sockets::{ActivationError, Inherited, Kind, Label, Labelled, Role};
pub use successor::{Successor, Successors};

/// The version of the messages. Processes of different versions do not replace each other.
pub const VERSION: u32 = 1;

/// Longest time that the other process may take for a message that needs no work.
const GREETING: Duration = Duration::from_secs(5);

/// Longest time that the new process may take to read its configuration. The running process only waits.
const CHECKING: Duration = Duration::from_secs(600);

/// Longest time that the running process may take until it is ready to hand over: a reload may be under way.
const READYING: Duration = Duration::from_secs(120);

/// Longest time from `Prepared` to `Take`, while the running process neither reloads nor takes orders for TXT records.
const PREPARING: Duration = Duration::from_secs(60);

/// Longest time from the last rows to `Answering`, while the running process neither probes nor takes orders. The first
/// round of probes takes five seconds at most.
const TAKING: Duration = Duration::from_secs(8);

/// Name of the socket in the state folder.
const SOCKET: &str = "handover.sock";
