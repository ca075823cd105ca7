//! Monitors of endpoints, outcomes of probes, and the states that follow.

mod checks;
mod condition;
mod fingerprint;
mod http;
mod identity;
mod kept;
mod keys;
mod last_probe;
mod load;
mod machine;
mod monitor;
mod outcome;
mod quorum;
mod recovery;
mod share;
mod template;
mod tls;
mod witness;

pub use checks::{DnsCheck, DnsTransport, ExecCheck, ExpectedRecord, GrpcCheck, TcpCheck};
pub use condition::{Condition, ConditionState};
pub use http::{BodyMatch, Degraded, HttpCheck, HttpVersion, Pattern, StatusRange};
pub use identity::{Identity, MAX_ORIGIN, MAX_ZONES, ZoneIdentity};
pub use kept::{Kept, KeptAgreement, KeptHold};
pub use keys::{EndpointKey, PoolKey};
pub use last_probe::{LastProbe, LoadSeen, Survey};
pub use load::Load;
pub use machine::{Health, State, Transition};
pub use monitor::{Check, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT, Means, Monitor, Pace, Target};
pub use outcome::{Failure, Finding, Outcome, Stage, Times};
pub use quorum::{Opinion, Quorum};
pub use recovery::{FIRST_SHARE, Failback, Ramp, Recovery, RecoveryState, SHARE_STEP};
pub use share::Share;
pub use template::ConditionTemplate;
pub use tls::{Certificates, ClientIdentity, DEFAULT_EXPIRY_WARNING, PrivateKey, TlsCheck};
pub use witness::{Agreement, FleetSurvey, Opinions, VantagePoint, Weight, Witness};
