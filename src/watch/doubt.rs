//! When the prober may be the sick one.
//!
//! ```text
//!   trust ── within an interval all good targets, at least 3 in at least 2 datacenters, turned to failures that
//!     ▲      could be this node's own ──► doubt
//!     └── any other outcome of any target, or `hold` is over ────┘
//! ```
//!
//! A pulled cable looks like the death of everything else, and so do descriptors that have run out. So the last outcomes
//! before it count instead: what each *suspect* was before it turned comes back, and failures that could be ours are not
//! counted while it lasts. A refusal, a status, an alert or a success ends it: that came from somewhere else.
//!
//! A target is *good* while its latest outcome is a success. Those that were bad before do not matter, and those that turned
//! long ago are no suspects any more: they are dead. Since a hold ends with no good target left, none can follow it before
//! targets have answered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::geo::DatacenterId;
use crate::health::{Health, Outcome, Target};

/// Suspects that make a doubt, at least.
const MIN_SUSPECTS: usize = 3;

/// Datacenters that they stand in, at least: one of them may die as a whole.
const MIN_DATACENTERS: usize = 2;

/// Whether this node may be the one that is sick.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// How long it lasts at most; zero for no doubt at all.
    hold: Duration,
    began: Option<Duration>,
    good: HashSet<Arc<Target>, RandomState>,
    suspects: HashMap<Arc<Target>, Suspect, RandomState>,
}

/// A target that turned from good to a failure that could be ours.
#[derive(Debug)]
pub(super) struct Suspect {
    /// What it was taken to be.
    pub(super) before: Health,
    /// What it turned to.
    pub(super) seen: Outcome,
    turned: Duration,
}

/// Who is to be put back to what it was before.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) suspects: HashMap<Arc<Target>, Suspect, RandomState>,
    /// How many of them the suspects stand in.
    pub(super) datacenters: usize,
}

impl Doubt {
    pub(super) fn set_hold(&mut self, hold: Duration) {
        self.hold = hold;
    }

    pub(super) fn is_on(&self) -> bool {
        self.began.is_some()
    }

    /// When it ends by itself.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        self.began.map(|began| began + self.hold)
    }

    /// Ends it; whether there was any.
    pub(super) fn end(&mut self) -> bool {
        self.began.take().is_some()
    }

    /// A target was good when an earlier run ended.
    pub(super) fn trust(&mut self, target: &Arc<Target>) {
        self.good.insert(target.clone());
    }

    /// Takes in an outcome of a target that was in this health before. If the node is in doubt from now on, tells who was held
    /// to be what. `datacenters` tells where a target stands.
    pub(super) fn observe(
        &mut self,
        target: &Arc<Target>,
        outcome: &Outcome,
        before: Health,
        now: Duration,
        datacenters: impl Fn(&Target) -> Vec<DatacenterId>,
    ) -> Option<Held> {
        match outcome {
            Outcome::Success(_) => {
                self.suspects.remove(target);
                if !self.good.contains(target) {
                    self.trust(target);
                }
                None
            }
            Outcome::Failure(failure) if failure.may_be_ours() => {
                if !self.good.remove(target) {
                    return None;
                }
                self.suspects.insert(target.clone(), Suspect { before, seen: outcome.clone(), turned: now });
                self.begin(now, datacenters)
            }
            Outcome::Failure(_) => {
                self.good.remove(target);
                self.suspects.remove(target);
                None
            }
        }
    }

    /// Forgets targets that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&Target) -> bool) {
        self.good.retain(|target| keep(target));
        self.suspects.retain(|target, _| keep(target));
    }

    fn begin(&mut self, now: Duration, datacenters: impl Fn(&Target) -> Vec<DatacenterId>) -> Option<Held> {
        if !self.good.is_empty() || self.hold.is_zero() {
            return None;
        }
        // The first to notice may do so at once, the last one an interval later and at the end of its time-out.
        let window = self.suspects.keys().map(|target| target.monitor.interval + target.monitor.timeout).max()?;
        self.suspects.retain(|_, suspect| suspect.turned + window >= now);
        let places: HashSet<DatacenterId> = self.suspects.keys().flat_map(|target| datacenters(target)).collect();
        if self.suspects.len() < MIN_SUSPECTS || places.len() < MIN_DATACENTERS {
            return None;
        }
        self.began = Some(now);
        Some(Held { suspects: std::mem::take(&mut self.suspects), datacenters: places.len() })
    }
}
