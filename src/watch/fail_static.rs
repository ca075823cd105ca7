//! Fail-static: endpoints keep their states while the fault may be on this node.
//!
//! ```text
//!   trust ── within an interval all that answered, at least 3 endpoints in at least 2 datacenters, changed to failures
//!     ▲      that could be this node's own, and nothing answered since the first of them ──► fail-static
//!     └── any answer of any target, or `hold` is over ────┘
//! ```
//!
//! If a node's cable is pulled, or its descriptors have run out, all endpoints seem to be dead. In this case the
//! earlier outcomes count: each *suspect* gets back the state that it had before it failed. Failures that could be this
//! node's own do not count until fail-static ends.
//!
//! An *answer* is any outcome that came from outside this node: a success, a status, an alert, a body that does not
//! match. It proves that this node can be heard. It therefore clears every suspect that failed before it, and it ends
//! fail-static. A refusal is an answer if the target did something else before. A target that keeps refusing proves
//! nothing: a firewall of this node may refuse.
//!
//! Endpoints are counted by address: an endpoint with several probes counts once, and so does a machine in several
//! pools. Targets that did not answer before do not count. Targets that failed long ago are no longer suspects: they
//! are dead. When fail-static ends because its time is over, no target counts as answering. So it can begin again only
//! after targets have answered. Fail-static outlives the process: a node that is restarted during fail-static continues
//! with it. A node that is restarted after fail-static, before anything answered, does not begin it again.

use std::collections::HashSet;
use std::time::Duration;

use super::targets::{TargetId, TargetMap, Targets};
use crate::geo::DatacenterId;
use crate::health::{Failure, Health, Outcome};

/// Minimum number of failed endpoints that begins fail-static.
const MIN_ENDPOINTS: usize = 3;

/// Minimum number of datacenters that they are in: a single datacenter may really die as a whole.
const MIN_DATACENTERS: usize = 2;

/// The node's trust or distrust of its probes of one means, and the evidence for it.
#[derive(Debug, Default)]
pub(super) struct FailStatic {
    /// The longest time that fail-static lasts; zero disables it. `None` before the first configuration.
    hold: Option<Duration>,
    began: Option<Duration>,
    /// When fail-static last began; `None` once something answered. It may be over meanwhile.
    unanswered_since: Option<Duration>,
    /// True if the node was restarted before anything answered. The kept states of targets then do not count as answers.
    resumed: bool,
    /// Targets whose latest outcome is an answer.
    answering: TargetMap<()>,
    /// Targets whose latest answer is a refusal.
    refusing: TargetMap<()>,
    suspects: TargetMap<Suspect>,
}

/// A target that answered, and then failed in a way that could be this node's own fault.
#[derive(Debug)]
pub(super) struct Suspect {
    /// Its health before the failure.
    pub(super) before: Health,
    /// The failure.
    pub(super) seen: Outcome,
    /// When it failed.
    pub(super) turned: Duration,
}

/// The suspects that get back their state when fail-static begins.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) suspects: TargetMap<Suspect>,
    /// Number of endpoints, by address.
    pub(super) endpoints: usize,
    /// Number of datacenters that they are in.
    pub(super) datacenters: usize,
}

impl FailStatic {
    /// Sets how long fail-static may last; zero disables it. Returns true if the fail-static of an earlier run
    /// continues.
    pub(super) fn set_hold(&mut self, hold: Duration, now: Duration) -> bool {
        let is_first = self.hold.replace(hold).is_none();
        if is_first {
            self.began.take_if(|began| *began + hold <= now);
        }
        is_first && self.is_on()
    }

    /// Continues the fail-static during which an earlier run ended, or after which nothing answered until it ended.
    pub(super) fn resume(&mut self, began: Duration) {
        self.began = Some(began);
        self.unanswered_since = Some(began);
        self.resumed = true;
    }

    /// When fail-static began last; `None` if it never did, or something answered since.
    pub(super) fn unanswered_since(&self) -> Option<Duration> {
        self.unanswered_since
    }

    pub(super) fn is_on(&self) -> bool {
        self.began.is_some()
    }

    /// When fail-static ends by itself.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        Some(self.began? + self.hold?)
    }

    /// Ends fail-static. Returns true if it was on.
    pub(super) fn end(&mut self) -> bool {
        self.began.take().is_some()
    }

    /// Notes that a target answered when an earlier run ended.
    pub(super) fn trust(&mut self, target: TargetId) {
        if !self.resumed {
            self.answering.insert(target, ());
        }
    }

    /// Copies what is known of one target to another one that continues it.
    pub(super) fn carry(&mut self, from: TargetId, to: TargetId) {
        if self.answering.contains(from) {
            self.answering.insert(to, ());
        }
        if self.refusing.contains(from) {
            self.refusing.insert(to, ());
        }
    }

    /// Takes in an outcome that is not this node's own fault. Returns true if it is an answer, which clears all
    /// suspects.
    pub(super) fn hear(&mut self, target: TargetId, outcome: &Outcome) -> bool {
        if matches!(outcome, Outcome::Failure(Failure::Refused)) {
            self.answering.remove(target);
            if self.refusing.insert(target, ()).is_some() {
                return false;
            }
        } else {
            self.refusing.remove(target);
            self.answering.insert(target, ());
        }
        self.suspects.clear();
        self.unanswered_since = None;
        true
    }

    /// Takes in a failure of a target that could be this node's own. If fail-static begins now, returns the suspects.
    /// `datacenters` gives the datacenters of a target.
    pub(super) fn suspect(
        &mut self,
        target: TargetId,
        suspect: Suspect,
        targets: &Targets,
        datacenters: impl Fn(TargetId) -> Vec<DatacenterId>,
    ) -> Option<Held> {
        self.answering.remove(target)?;
        let now = suspect.turned;
        self.suspects.insert(target, suspect);
        self.begin(now, targets, datacenters)
    }

    /// Forgets a target that is not probed for now: it neither answers nor fails.
    pub(super) fn forget(&mut self, target: TargetId) {
        self.answering.remove(target);
        self.refusing.remove(target);
        self.suspects.remove(target);
    }

    /// Forgets the targets that `keep` rejects.
    pub(super) fn retain(&mut self, keep: impl Fn(TargetId) -> bool) {
        self.answering.retain(|id, ()| keep(id));
        self.refusing.retain(|id, ()| keep(id));
        self.suspects.retain(|id, _| keep(id));
    }

    fn begin(
        &mut self,
        now: Duration,
        targets: &Targets,
        datacenters: impl Fn(TargetId) -> Vec<DatacenterId>,
    ) -> Option<Held> {
        if !self.answering.is_empty() || self.hold.is_none_or(|hold| hold.is_zero()) {
            return None;
        }
        let target = |id| targets.get(id).map(|watched| &**watched.target());
        // The first failure may be noticed at once, the last one an interval later and at the end of its time-out.
        let suspected = self.suspects.ids().filter_map(target);
        let window = suspected.map(|target| target.monitor.pace.interval() + target.monitor.pace.timeout()).max()?;
        self.suspects.retain(|_, suspect| suspect.turned + window >= now);
        let machines: HashSet<String> = self.suspects.ids().filter_map(target).map(|it| it.address.host()).collect();
        let places: HashSet<DatacenterId> = self.suspects.ids().flat_map(datacenters).collect();
        if machines.len() < MIN_ENDPOINTS || places.len() < MIN_DATACENTERS {
            return None;
        }
        self.began = Some(now);
        self.unanswered_since = Some(now);
        let suspects = std::mem::take(&mut self.suspects);
        Some(Held { suspects, endpoints: machines.len(), datacenters: places.len() })
    }
}
