//! The time of the next attempt to reach a server that failed.

use std::time::Duration;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_millis(500);

/// Longest wait after many failures: a server that is back is noticed within this time.
const LONGEST: Duration = Duration::from_secs(60);

/// Longest wait that a server can ask for by Retry-After.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// The number of attempts. Each doubles the wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff(u32);

impl Backoff {
    /// The number of repeated attempts.
    pub fn attempts(self) -> u32 {
        self.0
    }

    /// Returns the wait before the next attempt. `chance` is a random number from 0 to 1 that shortens it by up to
    /// half, so that clients that failed together do not return together. `asked` is the least wait that the server
    /// asked for.
    pub fn next(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
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
    fn chance_takes_half_at_most_and_a_server_may_ask_for_more() {
        let first = |asked, chance| Backoff::default().next(asked, chance);
        assert_eq!(first(None, 1.0), FIRST / 2);
        assert_eq!(first(Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
        assert_eq!(first(Some(Duration::ZERO), 0.0), FIRST);
        assert_eq!(first(Some(Duration::MAX), 0.0), LONGEST_ASKED);
    }
}
