//! Monitors of endpoints, outcomes of probes, and the states that follow.

mod address;
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
mod report;
mod share;
mod template;
mod tls;
mod witness;

pub use address::{ProbeAddress, ProbeHost};
pub use checks::{DnsCheck, DnsTransport, ExecCheck, ExitCodes, ExpectedRecord, GrpcCheck, TcpCheck};
pub use condition::{Condition, ConditionProbe, ConditionState};
pub use http::{BodyMatch, Degraded, HttpCheck, HttpVersion, Pattern, StatusRange};
pub use identity::{Identity, MAX_KEYS, MAX_ORIGIN, MAX_ZONES, ZoneIdentity, ZonesSight};
pub use kept::{Kept, KeptAgreement, KeptHold};
pub use keys::{EndpointKey, PoolKey};
pub use last_probe::{LastProbe, LoadSeen, Survey};
pub use load::Load;
pub use machine::{Health, State, Transition};
pub use monitor::{
    Check, DEFAULT_CLEAR, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT, Means, Monitor, Pace, Target,
};
pub use outcome::{Failure, Finding, Outcome, Stage, Times};
pub use quorum::{Opinion, Quorum};
pub use recovery::{FIRST_SHARE, Failback, Ramp, Recovery, RecoveryState, SHARE_STEP};
pub use report::{MAX_REASON, Push, Requests, Said};
pub use share::Share;
pub use template::ConditionTemplate;
pub use tls::{Certificates, ClientIdentity, DEFAULT_EXPIRY_WARNING, PrivateKey, TlsCheck};
pub use witness::{Agreement, FleetSurvey, Opinions, OrdersSurvey, VantagePoint, Weight, Witness};
