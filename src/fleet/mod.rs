//! The connection of this node to its fleet, over NATS.
//!
//! ```text
//!   control ── letters ──► run ──► encoding ──► subjects ──► NATS server
//!   control ◄── FleetEvent ─────── decoding ◄── subjects ◄─────┘
//! ```
//!
//! A task beside control sends its letters, and tells it what comes. It decides nothing. If the connection breaks, it
//! connects again, with growing pauses; what could not be sent in the meantime is lost, and the nodes make it good
//! (the room `vantage`).
//!
//! Messages are JSON, so that an operator can read them with `nats sub`. Each subject ends with the name of its sender,
//! and a NATS server lets each node publish under its own name only: the name in the subject is who sent it.
//!
//! | subject | contents |
//! | --- | --- |
//! | `truenorth.FLEET.obs.NODE` | what NODE sees: changes at once, a part of the rest each interval; its round trips; and what it runs |
//! | `truenorth.FLEET.ask.NODE` | NODE asks others for all that they see |
//! | `truenorth.FLEET.full.NODE.ASKER` | all that NODE sees, its round trips and what it runs, for ASKER |
//! | `truenorth.FLEET.rtt.NODE` | round trips that clients pushed to NODE |
//! | `truenorth.FLEET.rep.NODE` | reports about endpoints that came to NODE |
//! | `truenorth.FLEET.order.KIND.HASH` | the latest order about something that lasts, in the stream `truenorth-FLEET-orders` |
//! | `truenorth.FLEET.term.KIND.HASH` | the latest order about something that ends, in the stream `truenorth-FLEET-terms` |
//! | `truenorth.FLEET.zones.current.HASH` | which versions of the zones are current, in the stream `truenorth-FLEET-zones` |
//! | `truenorth.FLEET.zones.part.DIGEST.NUMBER` | a part of a version, in the same stream |

mod encoding;
mod latencies;
mod reported;
mod session;
mod streams;
mod subjects;
mod versions;

pub use session::{Mail, Told, run};
pub use versions::{Job, JobResult};

/// Most octets of a message. Longer ones are ignored.
const MAX_PAYLOAD: usize = 128 * 1024;
