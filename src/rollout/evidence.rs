//! What is known of how a new pool does, and whether that is too bad.

use std::fmt;
use std::time::Duration;

use super::canary::{Bounds, Canary, LatencyBound};
use super::window::Window;
use crate::health::Share;

/// Reports and probes that are older do not count; where steps last less long than that, so long.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);

/// How long too few endpoints may be open; where steps last less long than twice that, half of a step.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that are reported within the window before anything is concluded from them: fewer say little of a share of 1 %.
pub const MIN_REQUESTS: u64 = 100;

/// Probes within the window before anything is concluded from how long they take.
pub const MIN_PROBES: u64 = 3;

/// The pools that something is known of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The new one.
    New,
    /// Those that answered before.
    Old,
}

/// Signs of how a new pool does.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    patience: Duration,
    /// The share of its endpoints that are open, if any is on duty.
    open: Option<Share>,
    /// Since when that is too little.
    poor_since: Option<Duration>,
    /// Errors, of requests.
    errors: Window,
    /// Microseconds, of probes; the new pool's and the old ones'.
    took: [Window; 2],
}

/// What counts now, as an operator is told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// The share of the new pool's endpoints that are open, if any is on duty.
    pub open: Option<Share>,
    /// Requests that were reported.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// How long probes of the new pool take in the mean, if there are enough.
    pub latency: Option<Duration>,
    /// The same of the others.
    pub old_latency: Option<Duration>,
}

/// Why a canary is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Too few endpoints are open.
    Health(Share, Share),
    /// So many of so many requests fail, which is a greater share than this.
    Errors(u64, u64, Share),
    /// Probes take so long, which is more than this.
    Latency(Duration, Duration),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Health(open, bound) => write!(f, "{open} of its endpoints are open, less than {bound}"),
            Self::Errors(errors, requests, bound) => {
                write!(f, "{errors} of {requests} requests failed, more than {bound}")
            }
            Self::Latency(took, bound) => {
                write!(f, "probes take {:.1} ms, more than {:.1} ms", milliseconds(*took), milliseconds(*bound))
            }
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl Evidence {
    /// Nothing is known yet.
    pub(super) fn new(canary: &Canary) -> Self {
        let window = || Window::new(canary.hold.min(WINDOW));
        let patience = PATIENCE.min(canary.hold / 2);
        Self { patience, open: None, poor_since: None, errors: window(), took: [window(), window()] }
    }

    /// The share of the new pool's endpoints that are open, if any is on duty.
    pub(super) fn see_open(&mut self, open: Option<Share>, bounds: &Bounds, now: Duration) {
        self.open = open;
        let is_poor = open.zip(bounds.healthy).is_some_and(|(open, bound)| open < bound);
        self.poor_since = is_poor.then(|| self.poor_since.unwrap_or(now));
    }

    pub(super) fn see_probe(&mut self, side: Side, took: Duration, now: Duration) {
        self.took[side as usize].add(took.as_micros() as u64, 1, now);
    }

    /// More errors than requests are as many.
    pub(super) fn see_requests(&mut self, errors: u64, requests: u64, now: Duration) {
        self.errors.add(errors.min(requests), requests, now);
    }

    /// Whether a greater share may be risked.
    pub(super) fn is_good(&self) -> bool {
        self.poor_since.is_none() && self.open.is_some_and(Share::is_some)
    }

    /// When too little health is too little for too long.
    pub(super) fn breach_at(&self) -> Option<Duration> {
        self.poor_since.map(|since| since + self.patience)
    }

    pub(super) fn breach(&self, bounds: &Bounds, now: Duration) -> Option<Breach> {
        self.poor_health(bounds, now).or_else(|| self.errors(bounds, now)).or_else(|| self.slowness(bounds, now))
    }

    pub(super) fn signals(&self, now: Duration) -> Signals {
        let (errors, requests) = self.errors.sums(now);
        let [latency, old_latency] = [Side::New, Side::Old].map(|side| self.mean(side, now));
        Signals { open: self.open, requests, errors, latency, old_latency }
    }

    fn poor_health(&self, bounds: &Bounds, now: Duration) -> Option<Breach> {
        self.breach_at().filter(|at| *at <= now)?;
        Some(Breach::Health(self.open?, bounds.healthy?))
    }

    fn errors(&self, bounds: &Bounds, now: Duration) -> Option<Breach> {
        let bound = bounds.errors?;
        let (errors, requests) = self.errors.sums(now);
        let thousandths = u128::from(errors) * u128::from(Share::FULL.thousandths());
        let is_above = thousandths > u128::from(requests) * u128::from(bound.thousandths());
        (requests >= MIN_REQUESTS && is_above).then_some(Breach::Errors(errors, requests, bound))
    }

    fn slowness(&self, bounds: &Bounds, now: Duration) -> Option<Breach> {
        let took = self.mean(Side::New, now)?;
        let bound = match bounds.latency? {
            LatencyBound::Absolute(bound) => bound,
            LatencyBound::Relative(percent) => self.mean(Side::Old, now)? * percent / 100,
        };
        (took > bound).then_some(Breach::Latency(took, bound))
    }

    fn mean(&self, side: Side, now: Duration) -> Option<Duration> {
        let (microseconds, probes) = self.took[side as usize].sums(now);
        (probes >= MIN_PROBES).then(|| Duration::from_micros(microseconds / probes))
    }
}
