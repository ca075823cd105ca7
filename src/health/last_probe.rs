//! A survey of all targets, for display.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Agreement, EndpointKey, FleetSurvey, Health, Outcome, PoolKey, Target, VantagePoint, Witness};

/// The known facts about a target. Times count from the same start as those of [`Health::observe`].
#[derive(Clone, Debug)]
pub struct LastProbe {
    /// Its health.
    pub health: Health,
    /// Since when it is in this state.
    pub since: Duration,
    /// The last outcome and its time; `None` if the state comes from an earlier run.
    pub seen: Option<(Outcome, Duration)>,
}

impl Survey {
    /// The same with times that `by` converts to another clock. The times in `health` stay as they are.
    pub fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        let last_probe = |last_probe: LastProbe| LastProbe {
            since: by(last_probe.since),
            seen: last_probe.seen.map(|(outcome, at)| (outcome, by(at))),
            ..last_probe
        };
        Self {
            last_probes: self.last_probes.into_iter().map(|(target, of)| (target, last_probe(of))).collect(),
            turned: self.turned.into_iter().map(|(key, since)| (key, by(since))).collect(),
            loads: self
                .loads
                .into_iter()
                .map(|(key, load)| (key, LoadSeen { heard: load.heard.map(by), ..load }))
                .collect(),
            agreements: self.agreements.into_iter().map(|(target, of)| (target, of.timed(by))).collect(),
            fleet: self.fleet.map(|fleet| fleet.timed(by)),
            held_until: self.held_until.map(by),
        }
    }

    /// The health of a target that answers follow; unknown if it is not watched.
    pub fn health(&self, target: &Target) -> Health {
        match self.agreements.get(target) {
            Some(agreement) => agreement.health,
            None => self.last_probes.get(target).map_or(Health::UNKNOWN, |last_probe| last_probe.health),
        }
    }

    /// Since when a target is in the state that answers follow.
    pub fn since(&self, target: &Target) -> Option<Duration> {
        match self.agreements.get(target) {
            Some(agreement) => Some(agreement.since),
            None => self.last_probes.get(target).map(|last_probe| last_probe.since),
        }
    }
}

impl Agreement {
    fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        let witnesses = self.witnesses.into_iter().map(|it| Witness { turned: by(it.turned), ..it }).collect();
        Self { since: by(self.since), witnesses, ..self }
    }
}

impl FleetSurvey {
    fn timed(self, by: &impl Fn(Duration) -> Duration) -> Self {
        let timed = |it: VantagePoint| VantagePoint { heard: it.heard.map(by), ..it };
        let vantage_points = self.vantage_points.into_iter().map(timed).collect();
        Self { since: by(self.since), vantage_points, ..self }
    }
}

/// The load that the endpoints of a pool report together, in the operator's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadSeen {
    /// Load of the open endpoints; `None` if none of them reports one, or no longer does.
    pub used: Option<f64>,
    /// Their capacity, if it is known.
    pub capacity: Option<f64>,
    /// When the latest report arrived.
    pub heard: Option<Duration>,
}

/// The state of everything that is probed.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The targets with a known state: by the whole target, because the reader's snapshot may be of another
    /// configuration than control's ids.
    pub last_probes: HashMap<Arc<Target>, LastProbe>,
    /// For endpoints with several probes: since when each is in its state.
    pub turned: HashMap<EndpointKey, Duration>,
    /// For pools whose load makes a difference: their loads.
    pub loads: HashMap<PoolKey, LoadSeen>,
    /// The agreement of the fleet's vantage points on each target of which another node has an opinion.
    pub agreements: HashMap<Arc<Target>, Agreement>,
    /// This node's place in its fleet, if it has one.
    pub fleet: Option<FleetSurvey>,
    /// When fail-static ends at the latest; `None` while the node trusts its probes.
    pub held_until: Option<Duration>,
}
