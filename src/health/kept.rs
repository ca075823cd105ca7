//! What of a target outlives the process that probed it.

use std::hash::Hash;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::{State, Target};

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

impl Target {
    /// What the target is known by from run to run: equal targets have equal ones on one kind of machine, others differ.
    pub fn fingerprint(&self) -> u128 {
        fingerprint(self)
    }

    /// What all targets have in common from run to run that ask the same of the same endpoint, whatever their `interval`,
    /// `timeout`, `rise`, `fall` and `hold_down`.
    pub fn question_fingerprint(&self) -> u128 {
        fingerprint(&self.question())
    }
}

fn fingerprint(what: &impl Hash) -> u128 {
    /// SipHash-2-4 with a key that does not change. It need not be secret: whoever writes targets writes the configuration.
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
