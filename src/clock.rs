//! The wall clock, read in one way by everybody who needs it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the time of the wall clock, since the Unix epoch. A time before the epoch counts as the epoch: both are
/// equally wrong.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the same in whole seconds.
pub fn unix_time() -> u64 {
    wall().as_secs()
}
