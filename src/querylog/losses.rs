//! Tells of answers that found no room in a ring.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::counters::Traffic;

/// Time between two lines of the log.
const INTERVAL: Duration = Duration::from_secs(10);

/// The losses that the workers count.
pub(super) struct Losses {
    traffic: Arc<Traffic>,
    /// When they were last looked at, and their number then.
    looked: Instant,
    told: u64,
}

impl Losses {
    pub(super) fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic, looked: Instant::now(), told: 0 }
    }

    /// Logs the losses since the last time, if there are any; not too often.
    pub(super) fn tell(&mut self) {
        if self.looked.elapsed() < INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let all = self.traffic.sums().unlogged();
        let lost = all - self.told;
        self.told = all;
        if lost > 0 {
            warn!(lost, all, "answers are missing in the query log: more came than its sink took");
        }
    }
}
