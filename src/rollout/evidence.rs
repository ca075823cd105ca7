//! The evidence about a new pool, and whether the pool breaks a bound.

use std::fmt;
use std::time::Duration;

use super::canary::{Bounds, Canary, LatencyBound};
use super::window::Window;
use crate::health::Share;

/// Reports and probes that are older do not count. If steps are shorter than this, the length of a step counts instead.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);

/// How long too few endpoints may be open before the bound is broken. If steps are shorter than twice this, half the
/// length of a step counts instead.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Minimum number of reported requests within the window before errors are judged: fewer say little at a share of 1 %.
pub const MIN_REQUESTS: u64 = 100;

/// Minimum number of probes within the window before their times are judged.
pub const MIN_PROBES: u64 = 3;

/// The pools that evidence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The new pool.
    New,
    /// The pools that answered before.
    Old,
}

/// Evidence about a new pool.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    patience: Duration,
    /// The share of its endpoints that is open; `None` if no endpoint is in service.
    open: Option<Share>,
    /// Since when that share is too small.
    poor_since: Option<Duration>,
    /// Errors out of requests.
    errors: Window,
    /// Total microseconds out of a number of probes, for the new pool and the old ones.
    took: [Window; 2],
}

/// The present evidence, for display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// The share of the new pool's endpoints that is open; `None` if no endpoint is in service.
    pub open: Option<Share>,
    /// Number of reported requests.
    pub requests: u64,
    /// Number of reported errors.
    pub errors: u64,
    /// The average time of probes of the new pool, if there were enough probes.
    pub latency: Option<Duration>,
    /// The average time of probes of the old pools, if there were enough probes.
    pub old_latency: Option<Duration>,
}

/// The reason for a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The share of open endpoints, which is below the second share.
    Health(Share, Share),
    /// The errors, out of so many requests, are a greater share than the bound.
    Errors(u64, u64, Share),
    /// The average time of probes, which is longer than the second time.
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
    /// No evidence yet.
    pub(super) fn new(canary: &Canary) -> Self {
        let window = || Window::new(canary.hold.min(WINDOW));
        let patience = PATIENCE.min(canary.hold / 2);
        Self { patience, open: None, poor_since: None, errors: window(), took: [window(), window()] }
    }

    /// Takes in the share of the new pool's endpoints that is open; `None` if no endpoint is in service.
    pub(super) fn see_open(&mut self, open: Option<Share>, bounds: &Bounds, now: Duration) {
        self.open = open;
        let is_poor = open.zip(bounds.healthy).is_some_and(|(open, bound)| open < bound);
        self.poor_since = is_poor.then(|| self.poor_since.unwrap_or(now));
    }

    pub(super) fn see_probe(&mut self, side: Side, took: Duration, now: Duration) {
        self.took[side as usize].add(took.as_micros() as u64, 1, now);
    }

    /// Takes in reported errors out of requests. Errors beyond the number of requests do not count.
    pub(super) fn see_requests(&mut self, errors: u64, requests: u64, now: Duration) {
        self.errors.add(errors.min(requests), requests, now);
    }

    /// True if the pool may get a greater share of clients.
    pub(super) fn is_good(&self) -> bool {
        self.poor_since.is_none() && self.open.is_some_and(Share::is_some)
    }

    /// When the bound on open endpoints is broken if no more endpoints open until then; `None` while enough are open.
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
