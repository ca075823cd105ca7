//! The part of a target's health that outlives the process.

use std::hash::Hash;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::{State, Target};

/// A target's health as it is kept for the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The same with times converted by `by` to another clock.
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

impl Target {
    /// Identifies the target across runs. Equal targets have equal fingerprints on machines of the same kind; different
    /// targets have different ones.
    pub fn fingerprint(&self) -> u128 {
        fingerprint(self)
    }

    /// Identifies the question across runs. Targets with the same question to the same endpoint have the same value,
    /// whatever their `interval`, `timeout`, `rise`, `fall` and `hold_down`.
    pub fn question_fingerprint(&self) -> u128 {
        fingerprint(&self.question())
    }
}

fn fingerprint(what: &impl Hash) -> u128 {
    /// SipHash-2-4 with a fixed key. The key need not be secret: whoever writes targets writes the configuration.
    const KEY: &[u8; 16] = b"truenorth target";
    let mut hasher = SipHasher24::new_with_key(KEY);
    what.hash(&mut hasher);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, Monitor, TcpCheck};

    #[test]
    fn a_fingerprint_tells_targets_apart_and_outlives_the_process() {
        let target = |port, interval| {
            let monitor = Monitor {
                interval: Duration::from_secs(interval),
                ..Monitor::new(Check::Tcp(TcpCheck::default()), port)
            };
            Target { address: ([127, 0, 0, 1], port).into(), host: "a".into(), monitor: monitor.into() }
        };
        assert_eq!(target(80, 5).fingerprint(), target(80, 5).fingerprint());
        assert_ne!(target(80, 5).fingerprint(), target(81, 5).fingerprint());
        assert_ne!(target(80, 5).fingerprint(), target(80, 6).fingerprint());
        assert_eq!(target(80, 5).question_fingerprint(), target(80, 6).question_fingerprint());
        assert_ne!(target(80, 5).question_fingerprint(), target(81, 5).question_fingerprint());
    }
}
