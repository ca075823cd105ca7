//! Shares that change with time: endpoints come back after a failure, or leave in a gradual drain.
//!
//! ```text
//!   all ┤          ┌──── slow start          ┌────┐
//!       │       ┌──┘                              └──┐
//!       │    ┌──┘                                    └──┐
//!   5 % ┤  ┌─┘                                          └──┐ drain --over
//!       └──┴──────────────► time             ──────────────┴──► time
//! ```
//!
//! A share changes in steps, so that answers change only now and then.

use std::time::Duration;

use super::Share;

/// The settings for the return of a pool and its endpoints after a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recovery {
    /// The time from an endpoint's recovery to its full share; 0 gives it the full share at once.
    pub slow_start: Duration,
    /// When the pool answers again.
    pub failback: Failback,
}

/// When a pool that had become unusable, and is usable again, answers again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Failback {
    /// At once.
    #[default]
    Auto,
    /// After it was usable for this long without a break.
    After(Duration),
    /// When an operator opens it.
    Manual,
}

/// The part of a recovery that outlives the process. Times are since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryState {
    /// An endpoint is in its slow start since then.
    Rising(Duration),
    /// A pool became unusable, and will be held back once it is usable again.
    Failed,
    /// A pool is usable again since then, and is held back.
    Held(Duration),
    /// The node distrusts its own probes since then.
    FailStatic(Duration),
}

impl RecoveryState {
    /// The same state with times that `by` converts to another clock.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        match self {
            Self::Rising(since) => Self::Rising(by(since)),
            Self::Failed => Self::Failed,
            Self::Held(since) => Self::Held(by(since)),
            Self::FailStatic(since) => Self::FailStatic(by(since)),
        }
    }
}

/// A share that changes with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// The beginning.
    pub since: Duration,
    /// The time that it takes; above 0.
    pub over: Duration,
    /// True if it ends with the full share, false if it ends with nothing.
    pub rises: bool,
}

/// The share at the beginning of a slow start, in thousandths: enough to warm caches, and little enough for a cold
/// endpoint.
pub const FIRST_SHARE: u16 = 50;

/// The step by which shares change, in thousandths.
pub const SHARE_STEP: u16 = 10;

const FULL: u16 = Share::FULL.thousandths();

impl Ramp {
    /// The share at a time. A falling share is above nothing until the end.
    pub fn share(&self, now: Duration) -> Share {
        let gone = self.gone(now);
        let thousandths = if self.rises {
            let risen = FIRST_SHARE + self.part(FULL - FIRST_SHARE, gone);
            risen - risen % SHARE_STEP
        } else {
            (FULL - self.part(FULL, gone)).next_multiple_of(SHARE_STEP)
        };
        if gone == self.over && !self.rises { Share::NONE } else { Share::from_thousandths(thousandths) }
    }

    /// True if the ramp has ended.
    pub fn is_over(&self, now: Duration) -> bool {
        self.gone(now) == self.over
    }

    /// When the share changes next; the end, if it does not change before.
    pub fn next_change(&self, now: Duration) -> Duration {
        let share = self.share(now).thousandths();
        let (steps, of) = if self.rises {
            (share + SHARE_STEP - FIRST_SHARE, FULL - FIRST_SHARE)
        } else {
            (FULL + SHARE_STEP - share, FULL)
        };
        let after = (self.over.as_nanos() * u128::from(steps)).div_ceil(u128::from(of));
        self.since + Duration::from_nanos(u64::try_from(after).unwrap_or(u64::MAX)).min(self.over)
    }

    /// The part of its time that has passed. If the clock was set back, this is none.
    fn gone(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since).min(self.over)
    }

    /// The part of a number that corresponds to the time that has passed, rounded down.
    fn part(&self, whole: u16, gone: Duration) -> u16 {
        (u128::from(whole) * gone.as_nanos()).checked_div(self.over.as_nanos()).map_or(whole, |part| part as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SINCE: Duration = Duration::from_secs(1_790_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn percent(rises: bool, after: Duration) -> u16 {
        Ramp { since: SINCE, over: MINUTE, rises }.share(SINCE + after).thousandths() / 10
    }

    #[test]
    fn a_slow_start_goes_from_a_small_share_to_all() {
        let shares = [0, 15, 30, 59, 60, 90].map(|second| percent(true, Duration::from_secs(second)));
        assert_eq!(shares, [5, 28, 52, 98, 100, 100]);
    }

    #[test]
    fn a_drain_goes_from_all_to_nothing_at_its_very_end() {
        let shares = [0, 15, 30, 59, 60, 90].map(|second| percent(false, Duration::from_secs(second)));
        assert_eq!(shares, [100, 75, 50, 2, 0, 0]);
        assert_eq!(percent(false, MINUTE - Duration::from_nanos(1)), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_finds_a_ramp_at_its_beginning() {
        let ramp = Ramp { since: SINCE, over: MINUTE, rises: true };
        assert_eq!(ramp.share(SINCE - MINUTE * 9).thousandths(), FIRST_SHARE);
    }

    proptest! {
        #[test]
        fn the_share_changes_just_when_it_is_said_to(over in 1_u64..10_000_000, part in 0.0..1.0, rises: bool) {
            let over = Duration::from_millis(over);
            let ramp = Ramp { since: SINCE, over, rises };
            let now = SINCE + over.mul_f64(part);
            prop_assume!(!ramp.is_over(now));
            let next = ramp.next_change(now);
            prop_assert!(next > now && next <= SINCE + over);
            prop_assert_eq!(ramp.share(next - Duration::from_nanos(1)), ramp.share(now));
            prop_assert_ne!(ramp.share(next), ramp.share(now));
            prop_assert_eq!(ramp.share(next) > ramp.share(now), rises);
        }
    }
}
