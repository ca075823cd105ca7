//! What is known of all that is probed, for whoever wants to look at it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Health, Outcome, Target};

/// What is known of a target. Times count from where those of [`Health::observe`] do.
#[derive(Clone, Debug)]
pub struct LastProbe {
    /// What it is taken to be.
    pub health: Health,
    /// Since when it is.
    pub since: Duration,
    /// What was seen last, and when; nothing yet if it is known from an earlier run.
    pub seen: Option<(Outcome, Duration)>,
}

impl Survey {
    /// The same, its times told by another clock; those of health stay.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        let last_probe = |last_probe: LastProbe| LastProbe {
            since: by(last_probe.since),
            seen: last_probe.seen.map(|(outcome, at)| (outcome, by(at))),
            ..last_probe
        };
        Self {
            last_probes: self.last_probes.into_iter().map(|(target, of)| (target, last_probe(of))).collect(),
            turned: self.turned.into_iter().map(|(key, since)| (key, by(since))).collect(),
            loads: self
                .loads
                .into_iter()
                .map(|(key, load)| (key, LoadSeen { heard: load.heard.map(by), ..load }))
                .collect(),
            held_until: self.held_until.map(by),
        }
    }
}

/// What endpoints of a pool say of their load together, in the operator's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadSeen {
    /// Load of its open endpoints; `None` if none of them reports one, or not any longer.
    pub used: Option<f64>,
    /// Their capacity, if it is known.
    pub capacity: Option<f64>,
    /// When the latest report was heard.
    pub heard: Option<Duration>,
}

/// All that is probed.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The targets of which something is known.
    pub last_probes: HashMap<Arc<Target>, LastProbe>,
    /// Since when endpoints that several probes watch are what they are, by the key that their pool gives them.
    pub turned: HashMap<String, Duration>,
    /// Of pools whose load makes a difference, by their key.
    pub loads: HashMap<String, LoadSeen>,
    /// Until when last states are held at most, because the node doubts its own probes.
    pub held_until: Option<Duration>,
}
