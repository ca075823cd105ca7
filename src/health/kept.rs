//! What of a target outlives the process that probed it.

use std::time::Duration;

use super::State;

/// A target's state as it was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it was taken to be.
    pub state: State,
    /// When a probe last agreed with that, since the Unix epoch.
    pub confirmed: Duration,
    /// When it fell, if it is down: since the Unix epoch; zero if it was never seen up.
    pub fell: Duration,
    /// What keeps it down, if it fell not long ago.
    pub hold: Option<KeptHold>,
    /// [`Target::question_fingerprint`]; 0 if it is not known.
    pub question: u128,
}

/// What is kept of an endpoint that goes up and down. Times are counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptHold {
    /// Until when it stays down.
    pub until: Duration,
    /// When it came up last; zero if it did not.
    pub risen: Duration,
    /// How often the hold was doubled.
    pub doublings: u8,
}

impl Kept {
    /// The same, its times told by another clock.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        let hold = self.hold.map(|KeptHold { until, risen, doublings }| {
            // Zero stands for never.
            KeptHold { until: by(until), risen: if risen.is_zero() { risen } else { by(risen) }, doublings }
        });
        // Zero stands for never here too.
        let fell = if self.fell.is_zero() { self.fell } else { by(self.fell) };
        Self { confirmed: by(self.confirmed), fell, hold, ..self }
    }
}
