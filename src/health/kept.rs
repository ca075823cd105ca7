//! The part of a target's health that outlives the process.

use std::time::Duration;

use super::{Opinion, State};

/// A target's health as it is kept for the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The state.
    pub state: State,
    /// When a probe last confirmed it, since the Unix epoch.
    pub confirmed: Duration,
    /// If it is down: when it fell, since the Unix epoch; zero if it was never up.
    pub fell: Duration,
    /// The hold that keeps it down, if it fell recently.
    pub hold: Option<KeptHold>,
    /// [`Target::question_fingerprint`]; 0 if it is not known.
    pub question: u128,
    /// [`Target::hostless_fingerprint`]; 0 if it is not known.
    pub hostless: u128,
    /// The host that its probes asked for; empty if it is not known.
    pub host: Box<str>,
}

/// The agreement of a fleet about a target, as it is kept for the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptAgreement {
    /// The opinion that answers followed.
    pub opinion: Opinion,
    /// When they last did, since the Unix epoch.
    pub confirmed: Duration,
}

/// The kept hold of an endpoint that flaps. Times are since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptHold {
    /// The end of the hold: the endpoint stays down until then.
    pub until: Duration,
    /// When it last came up; zero if it never did.
    pub risen: Duration,
    /// Number of times that the hold was doubled.
    pub doublings: u8,
}

impl Kept {
    /// The same with times that `by` converts to another clock.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        let hold = self.hold.map(|KeptHold { until, risen, doublings }| {
            // Zero means never.
            KeptHold { until: by(until), risen: if risen.is_zero() { risen } else { by(risen) }, doublings }
        });
        // Zero means never here too.
        let fell = if self.fell.is_zero() { self.fell } else { by(self.fell) };
        Self { confirmed: by(self.confirmed), fell, hold, ..self }
    }
}
