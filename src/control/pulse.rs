//! Control's sign of life: whoever decides over the node's routes sees by it whether health still moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So long without a beat, control counts as dead. It beats once a second at least; taking in a big configuration may keep
/// it for a few.
const SILENCE: Duration = Duration::from_secs(10);

/// So long control must have beaten again before it counts as alive: who withdraws a route by it should not see it flap.
const STEADY: Duration = Duration::from_secs(5);

/// Beats of control, as others see them; cheap to clone.
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

    /// A sign of life.
    pub(super) fn beat(&self, now: Instant) {
        let now = self.since_start(now);
        let last = self.0.last.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) >= millis(SILENCE) {
            self.0.steady_since.store(now, Ordering::Relaxed);
        }
    }

    /// How long there was no sign of life.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        Duration::from_millis(self.since_start(now).saturating_sub(self.0.last.load(Ordering::Relaxed)))
    }

    /// Whether control lives: it was not silent for [`SILENCE`], neither now nor within the last [`STEADY`].
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
        assert!(pulse.is_steady(at(9)), "it may begin with a big configuration");
        assert!(!pulse.is_steady(at(10)));
        (20..25).for_each(|second| pulse.beat(at(second)));
        assert!(!pulse.is_steady(at(24)));
        pulse.beat(at(25));
        assert!(pulse.is_steady(at(25)));
        pulse.beat(at(34));
        assert!(pulse.is_steady(at(43)), "less than ten seconds are no silence");
        assert_eq!(pulse.silence(at(43)), Duration::from_secs(9));
    }
}
