//! When to try again.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(500);

/// After many: a receiver that comes back is found within this time.
const LONGEST: Duration = Duration::from_secs(60);

/// What a receiver may ask for at most by Retry-After: others of its notices wait behind.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// How often it was tried, which doubles how long to wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// How often it was tried again.
    pub(super) fn attempts(self) -> u32 {
        self.0
    }

    /// How long to wait this time. `chance` is a random number from 0 to 1, which takes away up to half of it, so that all who
    /// failed together do not come back together; `asked` is what the receiver wants at least.
    pub(super) fn next(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let full = FIRST.saturating_mul(1_u32.checked_shl(self.0).unwrap_or(u32::MAX)).min(LONGEST);
        self.0 += 1;
        let wait = full.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0);
        asked.map_or(wait, |asked| wait.max(asked.min(LONGEST_ASKED)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_as_long_up_to_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..40).map(|_| backoff.next(None, 0.0).as_millis() as u64).collect();
        assert_eq!(waits[..9], [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!((waits[39], backoff.attempts()), (60_000, 40));
    }

    #[test]
    fn chance_takes_half_at_most_and_a_receiver_may_ask_for_more() {
        let first = |asked, chance| Backoff::default().next(asked, chance);
        assert_eq!(first(None, 1.0), FIRST / 2);
        assert_eq!(first(Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
        assert_eq!(first(Some(Duration::ZERO), 0.0), FIRST);
        assert_eq!(first(Some(Duration::MAX), 0.0), LONGEST_ASKED);
    }
}
