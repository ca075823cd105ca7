//! How far the clock of another node is from this node's.
//!
//! Nothing is decided by it: all ages are on the receiver's own clock. A wrong clock is reported because logs, events
//! and windows of that node have wrong times.
//!
//! A message that was under way for long makes the sender's clock seem slow, never fast. So of several messages the
//! one that makes it seem fastest is the best measure.

use std::time::Duration;

/// Messages that one measure is made of.
const WINDOW: u32 = 8;

/// From this difference on, in milliseconds, a clock counts as wrong. NTP keeps clocks far below it.
const WRONG: i64 = 2_000;

/// Below this difference a wrong clock counts as right again.
const RIGHT: i64 = 1_000;

/// The measured difference of one node's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skew {
    best: Option<i64>,
    count: u32,
    last: Option<i64>,
    is_wrong: bool,
}

impl Skew {
    /// Takes in the sender's wall clock and this node's. Returns true if the clock turned out to be wrong, or right
    /// again.
    pub(super) fn measure(&mut self, theirs: Duration, ours: Duration) -> bool {
        let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let sample = milliseconds(theirs).saturating_sub(milliseconds(ours));
        self.best = Some(self.best.map_or(sample, |best| best.max(sample)));
        self.count += 1;
        if self.count < WINDOW {
            return false;
        }
        self.last = self.best.take();
        self.count = 0;
        let distance = self.last.map_or(0, i64::saturating_abs);
        let is_wrong = if self.is_wrong { distance >= RIGHT } else { distance >= WRONG };
        std::mem::replace(&mut self.is_wrong, is_wrong) != is_wrong
    }

    /// The difference in milliseconds, above 0 if the node's clock is ahead; `None` before the first messages.
    pub(super) fn milliseconds(self) -> Option<i64> {
        self.last.or(self.best)
    }

    /// True if the clock counts as wrong.
    pub(super) fn is_wrong(self) -> bool {
        self.is_wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(skew: &mut Skew, ahead: i64, delays: [i64; 8]) -> bool {
        let ours: i64 = 1_000_000_000;
        let told = delays.map(|delay| {
            let theirs = ours + ahead - delay;
            skew.measure(Duration::from_millis(theirs.unsigned_abs()), Duration::from_millis(ours.unsigned_abs()))
        });
        told.contains(&true)
    }

    #[test]
    fn a_wrong_clock_is_told_once_and_slow_messages_are_no_wrong_clock() {
        let mut skew = Skew::default();
        assert_eq!(skew.milliseconds(), None);
        assert!(!measure(&mut skew, 0, [9_000, 5_000, 40, 70, 3_000, 60, 50, 80]));
        assert_eq!((skew.milliseconds(), skew.is_wrong()), (Some(-40), false));
        assert!(measure(&mut skew, 5_000, [50; 8]));
        assert_eq!((skew.milliseconds(), skew.is_wrong()), (Some(4_950), true));
        assert!(!measure(&mut skew, 1_500, [0; 8]), "not right yet");
        assert!(measure(&mut skew, 900, [0; 8]));
        assert!(measure(&mut skew, -7_000, [30; 8]));
        assert_eq!((skew.milliseconds(), skew.is_wrong()), (Some(-7_030), true));
    }
}
