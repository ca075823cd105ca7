//! The present time, on two clocks.
//!
//! | used for | clock |
//! | --- | --- |
//! | intervals, time-outs, holds, ramps, drains that take their time, rounds, steps of a roll-out | elapsed time: it neither jumps nor stops while the process runs |
//! | `from` and `until` of overrides and windows, the ends of certificates | wall clock: an operator's dates mean this one |
//!
//! Both count from the Unix epoch, and agree until somebody sets the wall clock. After that, everything that is under
//! way continues by elapsed time, and dates keep their meaning. Times that leave the node, to be shown or kept for the
//! next run, are converted to the wall clock of that moment.

use std::time::Duration;

/// A moment on two clocks, each counted from the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time at the start of the process plus the time that has passed since. It never runs backwards.
    pub elapsed: Duration,
    /// The wall clock's time since the Unix epoch. An operator or NTP may set it.
    pub wall: Duration,
}

/// Both clocks agree.
impl From<Duration> for Now {
    fn from(time: Duration) -> Self {
        Self { elapsed: time, wall: time }
    }
}

impl Now {
    /// The wall-clock time for an elapsed time, by the present difference of the clocks.
    pub fn to_wall(self, elapsed: Duration) -> Duration {
        shift(elapsed, self.elapsed, self.wall)
    }

    /// The elapsed time at which the wall clock will show this time, if nobody sets it meanwhile.
    pub fn to_elapsed(self, wall: Duration) -> Duration {
        shift(wall, self.wall, self.elapsed)
    }
}

fn shift(time: Duration, from: Duration, to: Duration) -> Duration {
    if to >= from { time.saturating_add(to - from) } else { time.saturating_sub(from - to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_either_clock_whichever_is_ahead() {
        let second = Duration::from_secs;
        assert_eq!(Now::from(second(7)).to_wall(second(3)), second(3));
        let ahead = Now { elapsed: second(100), wall: second(160) };
        assert_eq!((ahead.to_wall(second(90)), ahead.to_elapsed(second(200))), (second(150), second(140)));
        let behind = Now { elapsed: second(160), wall: second(100) };
        assert_eq!((behind.to_wall(second(200)), behind.to_elapsed(second(90))), (second(140), second(150)));
        assert_eq!(behind.to_wall(second(1)), Duration::ZERO, "before the epoch is the epoch");
    }
}
