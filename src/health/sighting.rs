//! What is known of all that is probed, for whoever wants to look at it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Health, Outcome, Target};

/// What is known of a target that was probed. Times count from where those of [`Health::observe`] do.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// What it is taken to be.
    pub health: Health,
    /// When it came to be that.
    pub since: Duration,
    /// What was seen last.
    pub seen: Outcome,
    /// And when.
    pub seen_at: Duration,
}

/// All targets as they stand at one time.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// That time, counted as those of the sightings.
    pub now: Duration,
    /// What is known of those that were probed at least once.
    pub sightings: HashMap<Arc<Target>, Sighting>,
}
