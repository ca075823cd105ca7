//! How endpoints are watched, what a probe found, and what follows from it.

mod machine;
mod monitor;
mod outcome;

pub use machine::{Health, State, Transition};
pub use monitor::{
    BodyMatch, Check, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT, HttpCheck, Monitor, Pattern,
    StatusRange, Target, TlsCheck,
};
pub use outcome::{Failure, Outcome, Stage};
