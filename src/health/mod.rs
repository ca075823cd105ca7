//! How endpoints are watched, what a probe found, and what follows from it.

mod checks;
mod condition;
mod http;
mod kept;
mod load;
mod machine;
mod monitor;
mod outcome;
mod recovery;
mod share;
mod sighting;
mod tls;

pub use checks::{DnsCheck, DnsTransport, ExecCheck, ExpectedRecord, GrpcCheck, TcpCheck};
pub use condition::{Condition, Verdict};
pub use http::{BodyMatch, Degraded, HttpCheck, HttpVersion, Pattern, StatusRange};
pub use kept::{Kept, KeptHold};
pub use load::Load;
pub use machine::{Health, State, Transition};
pub use monitor::{Check, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT, Means, Monitor, Target};
pub use outcome::{Failure, Finding, Outcome, Stage, Times};
pub use recovery::{Comeback, FIRST_SHARE, Failback, Ramp, Recovery, SHARE_STEP};
pub use share::Share;
pub use sighting::{LoadSeen, Sighting, Survey};
pub use tls::{Certificates, ClientIdentity, DEFAULT_EXPIRY_WARNING, PrivateKey, TlsCheck};
