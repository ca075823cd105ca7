//! How endpoints are watched, what a probe found, and what follows from it.

mod condition;
mod kept;
mod machine;
mod monitor;
mod outcome;
mod share;

pub use condition::{Condition, Verdict};
pub use kept::Kept;
pub use machine::{Health, State, Transition};
pub use monitor::{
    BodyMatch, Check, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT, HttpCheck, Monitor, Pattern,
    StatusRange, Target, TlsCheck,
};
pub use outcome::{Failure, Finding, Outcome, Stage};
pub use share::Share;
