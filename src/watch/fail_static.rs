//! When the prober may be the sick one.
//!
//! ```text
//!   trust ── within an interval all that answered, at least 3 endpoints in at least 2 datacenters, turned to failures
//!     ▲      that could be this node's own, and nothing answered since the first of them did ──► doubt
//!     └── any answer of any target, or `hold` is over ────┘
//! ```
//!
//! A pulled cable looks like the death of everything else, and so do descriptors that have run out. So the last outcomes
//! before it count instead: what each *suspect* was before it turned comes back, and failures that could be ours are not
//! counted while it lasts.
//!
//! An *answer* is whatever came from somewhere else: a success, a status, an alert, a body that does not match. It proves
//! that this node can be heard. So it clears every suspect that turned before it, and it ends a doubt. A refusal is an answer
//! of a target that did something else before. One that goes on to refuse tells nothing: a firewall of this node may say so.
//!
//! Endpoints are counted by address: an endpoint with several probes is one, and so is a machine in several pools. Those that
//! did not answer before do not matter, and those that turned long ago are no suspects any more: they are dead. Since a doubt
//! ends with no target left that answers, none can follow it before targets have answered. It outlives the process: a node
//! that is started again within a doubt goes on with it, and begins no new one.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::geo::DatacenterId;
use crate::health::{Failure, Health, Outcome, Target};

/// Endpoints that make a doubt, at least.
const MIN_ENDPOINTS: usize = 3;

/// Datacenters that they stand in, at least: one of them may die as a whole.
const MIN_DATACENTERS: usize = 2;

/// Whether this node may be the one that is sick.
#[derive(Debug, Default)]
pub(super) struct FailStatic {
    /// How long it lasts at most; zero for no doubt at all, `None` before a configuration says.
    hold: Option<Duration>,
    began: Option<Duration>,
    /// The node was started again within a doubt: what was kept of its targets is no answer.
    resumed: bool,
    /// Those whose latest outcome is an answer.
    answering: HashSet<Arc<Target>, RandomState>,
    /// Those that refused when they were heard of last.
    refusing: HashSet<Arc<Target>, RandomState>,
    suspects: HashMap<Arc<Target>, Suspect, RandomState>,
}

/// A target that answered, and then failed in a way that could be ours.
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
    /// How many endpoints they are, by address.
    pub(super) endpoints: usize,
    /// How many datacenters they stand in.
    pub(super) datacenters: usize,
}

impl FailStatic {
    /// Takes in how long it may last; zero for no doubt at all. Whether a doubt of an earlier run goes on.
    pub(super) fn set_hold(&mut self, hold: Duration, now: Duration) -> bool {
        let is_first = self.hold.replace(hold).is_none();
        if is_first {
            self.began.take_if(|began| *began + hold <= now);
        }
        is_first && self.is_on()
    }

    /// Goes on with the doubt in which an earlier run ended.
    pub(super) fn resume(&mut self, began: Duration) {
        self.began = Some(began);
        self.resumed = true;
    }

    /// Since when the node doubts its probes; `None` while it believes them.
    pub(super) fn began(&self) -> Option<Duration> {
        self.began
    }

    pub(super) fn is_on(&self) -> bool {
        self.began.is_some()
    }

    /// When it ends by itself.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        Some(self.began? + self.hold?)
    }

    /// Ends it; whether there was any.
    pub(super) fn end(&mut self) -> bool {
        self.began.take().is_some()
    }

    /// A target answered when an earlier run ended.
    pub(super) fn trust(&mut self, target: &Arc<Target>) {
        if !self.resumed {
            self.answering.insert(target.clone());
        }
    }

    /// What is known of one target counts for another that asks the same.
    pub(super) fn carry(&mut self, from: &Arc<Target>, to: &Arc<Target>) {
        if self.answering.contains(from) {
            self.answering.insert(to.clone());
        }
        if self.refusing.contains(from) {
            self.refusing.insert(to.clone());
        }
    }

    /// Takes in an outcome that is not this node's own doing; whether it is an answer, which clears all suspects.
    pub(super) fn hear(&mut self, target: &Arc<Target>, outcome: &Outcome) -> bool {
        if matches!(outcome, Outcome::Failure(Failure::Refused)) {
            self.answering.remove(target);
            if !self.refusing.insert(target.clone()) {
                return false;
            }
        } else {
            self.refusing.remove(target);
            if !self.answering.contains(target) {
                self.answering.insert(target.clone());
            }
        }
        self.suspects.clear();
        true
    }

    /// Takes in a failure that could be this node's own, of a target that was in this health before. If the node is in doubt
    /// from now on, tells who was held to be what. `datacenters` tells where a target stands.
    pub(super) fn suspect(
        &mut self,
        target: &Arc<Target>,
        seen: &Outcome,
        before: Health,
        now: Duration,
        datacenters: impl Fn(&Target) -> Vec<DatacenterId>,
    ) -> Option<Held> {
        if !self.answering.remove(target) {
            return None;
        }
        self.suspects.insert(target.clone(), Suspect { before, seen: seen.clone(), turned: now });
        self.begin(now, datacenters)
    }

    /// Forgets targets that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&Target) -> bool) {
        self.answering.retain(|target| keep(target));
        self.refusing.retain(|target| keep(target));
        self.suspects.retain(|target, _| keep(target));
    }

    fn begin(&mut self, now: Duration, datacenters: impl Fn(&Target) -> Vec<DatacenterId>) -> Option<Held> {
        if !self.answering.is_empty() || self.hold.is_none_or(|hold| hold.is_zero()) {
            return None;
        }
        // The first to notice may do so at once, the last one an interval later and at the end of its time-out.
        let window = self.suspects.keys().map(|target| target.monitor.interval + target.monitor.timeout).max()?;
        self.suspects.retain(|_, suspect| suspect.turned + window >= now);
        let machines: HashSet<IpAddr> = self.suspects.keys().map(|target| target.address.ip()).collect();
        let places: HashSet<DatacenterId> = self.suspects.keys().flat_map(|target| datacenters(target)).collect();
        if machines.len() < MIN_ENDPOINTS || places.len() < MIN_DATACENTERS {
            return None;
        }
        self.began = Some(now);
        let suspects = std::mem::take(&mut self.suspects);
        Some(Held { suspects, endpoints: machines.len(), datacenters: places.len() })
    }
}
