//! Control's sign of life. A program that announces and withdraws the node's routes can see whether endpoint states
//! still change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Control counts as dead after this time without a beat. It beats at least once a second, but a large configuration
/// may keep it busy for some seconds.
const SILENCE: Duration = Duration::from_secs(10);

/// Control counts as alive after it has been beating again for this time. This keeps a route that depends on it from
/// flapping.
const STEADY: Duration = Duration::from_secs(5);

/// Control's beats as other tasks see them; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Beats>);

/// Milliseconds since `start`.
#[derive(Debug)]
struct Beats {
    start: Instant,
    last: AtomicU64,
    /// When the last silence ended; 0 if there was none.
    steady_since: AtomicU64,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self(Arc::new(Beats { start: now, last: AtomicU64::new(0), steady_since: AtomicU64::new(0) }))
    }

    /// Records a sign of life.
    pub(super) fn beat(&self, now: Instant) {
        let now = self.since_start(now);
        let last = self.0.last.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) >= millis(SILENCE) {
            self.0.steady_since.store(now, Ordering::Relaxed);
        }
    }

    /// The time since the last sign of life.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        Duration::from_millis(self.since_start(now).saturating_sub(self.0.last.load(Ordering::Relaxed)))
    }

    /// True if control is alive: it was not silent for [`SILENCE`], neither now nor within the last [`STEADY`].
    pub(super) fn is_steady(&self, now: Instant) -> bool {
        let since = self.0.steady_since.load(Ordering::Relaxed);
        self.silence(now) < SILENCE && (since == 0 || self.since_start(now).saturating_sub(since) >= millis(STEADY))
    }

    fn since_start(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.0.start))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_counts_after_ten_seconds_and_ends_after_five_of_life() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let pulse = Pulse::new(start);
        assert!(pulse.is_steady(at(9)), "a big configuration may come first");
        assert!(!pulse.is_steady(at(10)));
        (20..25).for_each(|second| pulse.beat(at(second)));
        assert!(!pulse.is_steady(at(24)));
        pulse.beat(at(25));
        assert!(pulse.is_steady(at(25)));
        pulse.beat(at(34));
        assert!(pulse.is_steady(at(43)), "less than ten seconds do not count as silence");
        assert_eq!(pulse.silence(at(43)), Duration::from_secs(9));
    }
}
