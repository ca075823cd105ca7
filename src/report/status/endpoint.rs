//! The status of an endpoint and of its probes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::registered::LeaseStatus;
use super::{AgreementStatus, Known};
use crate::health::{Condition, ConditionProbe, LastProbe, State, Survey, Target};
use crate::report::endpoint_counts::state_word;
use crate::report::notice::word;
use crate::snapshot::{Members, Pool};

/// An endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// The address, or the canonical name.
    pub endpoint: String,
    /// Weight for draws.
    pub weight: u16,
    /// The state that answers use: `up`, `degraded`, `held back`, `draining`, `down`, `forced down` or `pending`.
    pub state: String,
    /// The state by probes and reports alone, without overrides: `unknown`, `up`, `degraded`, `drained` or `down`.
    pub really: String,
    /// When this state began, Unix time in seconds; absent before the first outcome, and without a monitor.
    #[serde(default)]
    pub since: Option<u64>,
    /// The share of its clients that it keeps, 0-1.
    pub share: f64,
    /// The part of that share that it gets during a slow start or a slow drain, 0-1; 1 otherwise.
    pub ramp: f64,
    /// True if an unconfirmed outcome contradicts the state.
    pub restless: bool,
    /// Number of answers that it was in since the node's start.
    #[serde(default)]
    pub answers: u64,
    /// Number of answers in which it was the first address of its family.
    #[serde(default)]
    pub first_answers: u64,
    /// The reason why it gets no clients, or fewer than its share, in a sentence; absent if it gets its whole share.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
    /// The lease of a registered endpoint; absent if the files list the endpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease: Option<LeaseStatus>,
    /// Its probes; empty without a monitor.
    pub probes: Vec<ProbeStatus>,
}

/// A probe.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProbeStatus {
    /// The name of its monitor.
    #[serde(default)]
    pub monitor: String,
    /// The probed address.
    pub target: String,
    /// True if it probes something that the endpoint depends on, and not the endpoint itself.
    #[serde(skip_serializing_if = "is_false", default)]
    pub dependency: bool,
    /// True if it is good for the endpoint that the probe fails.
    #[serde(skip_serializing_if = "is_false", default)]
    pub inverted: bool,
    /// `http`, `tcp`, ...
    pub check: String,
    /// The host name that is asked for.
    pub host: String,
    /// `unknown`, `up`, `degraded`, `drained` or `down`.
    pub state: String,
    /// When this state began, Unix time in seconds; absent before the first outcome.
    pub since: Option<u64>,
    /// The last outcome.
    pub seen: Option<String>,
    /// The time of the last outcome, Unix time in seconds.
    pub seen_at: Option<u64>,
    /// The agreement of the fleet's vantage points; absent if this node decides alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fleet: Option<AgreementStatus>,
    /// Number of failures in a row, up to the last outcome.
    pub failures: u8,
    /// Number of successes in a row.
    pub successes: u8,
}

/// The findings of probes and reports about an endpoint.
pub(in super::super) struct EndpointHealth {
    /// The state, without overrides.
    state: State,
    /// When this state began, since the Unix epoch; `None` before the first outcome, and without a monitor.
    pub(super) since: Option<Duration>,
    /// Its probes; empty without a monitor.
    probes: Vec<ProbeStatus>,
}

impl EndpointHealth {
    /// Returns the findings about the endpoint at this position of a pool.
    pub(in super::super) fn new(pool: &Pool, place: usize, survey: &Survey) -> Self {
        let members = &pool.spec().members;
        let Some(condition) = members.condition(place) else {
            return Self { state: State::Up, since: None, probes: Vec::new() };
        };
        let state = condition.state(&|target| survey.health(target));
        let since = match condition {
            Condition::Probe(target) => survey.since(target),
            Condition::Dependency(_) | Condition::AtLeast(..) | Condition::Not(_) => {
                survey.turned.get(&pool.spec().key_of(place)).copied()
            }
        };
        Self {
            state,
            since: since.filter(|_| state != State::Unknown),
            probes: pool.spec().probes(place).into_iter().map(|probe| ProbeStatus::new(probe, survey)).collect(),
        }
    }

    /// Returns the last outcome as text; with several probes, that of one in the worst state.
    pub(super) fn seen(&self) -> String {
        seen(&self.probes)
    }
}

/// Returns the last outcome of an endpoint's probes as text.
fn seen(probes: &[ProbeStatus]) -> String {
    let seen = |probe: &ProbeStatus| {
        let assigned = probe.fleet.as_ref().and_then(|agreement| agreement.assigned.as_ref());
        let nothing = if assigned.is_some() { "not probed here" } else { "nothing yet" };
        let seen = probe.seen.as_deref().unwrap_or(nothing);
        let seen = match probe.fleet.as_ref().filter(|agreement| agreement.is_noteworthy()) {
            Some(AgreementStatus { text, .. }) => format!("{text}; here: {seen}"),
            None => seen.to_owned(),
        };
        match assigned {
            Some(nodes) => format!("{seen}; probed by {}", nodes.join(", ")),
            None => seen,
        }
    };
    let named = |probe: &ProbeStatus| {
        let ProbeStatus { monitor, check, target, inverted, .. } = probe;
        let inverted = if *inverted { ", inverted" } else { "" };
        format!("{monitor} ({check} {target}{inverted}): {}", seen(probe))
    };
    match probes {
        [] => "no monitor".to_owned(),
        [probe] if probe.dependency || probe.inverted => named(probe),
        [probe] => seen(probe),
        probes => {
            let are_any_inverted = probes.iter().any(|probe| probe.inverted);
            let (good, word) =
                (probes.iter().filter(|probe| probe.is_good()).count(), if are_any_inverted { "good" } else { "up" });
            let count = format!("{good} of {} probes {word}", probes.len());
            let worst = probes.iter().filter(|probe| probe.rank() > 0).min_by_key(|probe| probe.rank());
            worst.map_or(count.clone(), |probe| format!("{count}; {}", named(probe)))
        }
    }
}

/// For fields that JSON leaves out.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl EndpointStatus {
    pub(super) fn new(
        pool: &Pool,
        place: usize,
        survey: &Survey,
        (answers, first_answers): (u64, u64),
        known: &Known<'_>,
    ) -> Self {
        let (endpoint, weight) = match &pool.spec().members {
            Members::Addresses(endpoints) => (endpoints[place].value.to_string(), endpoints[place].weight),
            Members::Cname(endpoint) => (endpoint.value.to_string(), endpoint.weight),
        };
        let endpoint_state = pool.endpoint_state(place);
        let health = EndpointHealth::new(pool, place, survey);
        let why = known.absence(pool, place, &health);
        Self {
            endpoint,
            weight,
            state: state_word(endpoint_state).to_owned(),
            really: word(health.state).to_owned(),
            since: health.since.map(|since| since.as_secs()),
            share: f64::from(endpoint_state.share.thousandths()) / 1000.0,
            ramp: f64::from(endpoint_state.ramp.thousandths()) / 1000.0,
            restless: endpoint_state.restless,
            answers,
            first_answers,
            why,
            lease: pool.spec().members.lease(place).map(LeaseStatus::from),
            probes: health.probes,
        }
    }

    /// Returns the last outcome as text; with several probes, that of one in the worst state.
    pub fn last_seen(&self) -> String {
        seen(&self.probes)
    }
}

impl ProbeStatus {
    /// True if it counts for the endpoint.
    fn is_good(&self) -> bool {
        match self.state.as_str() {
            "up" | "degraded" | "drained" => !self.inverted,
            "down" => self.inverted,
            _ => false,
        }
    }

    /// How much it speaks against the endpoint: 1 is most, 0 nothing.
    fn rank(&self) -> u8 {
        match self.state.as_str() {
            "down" if !self.inverted => 1,
            "up" | "drained" | "degraded" if self.inverted => 1,
            "drained" => 2,
            "degraded" => 3,
            _ => 0,
        }
    }

    fn new((monitor, probe): (&str, ConditionProbe<&Target>), survey: &Survey) -> Self {
        let ConditionProbe { target, is_dependency, is_inverted } = probe;
        let last_probe: Option<&LastProbe> = survey.last_probes.get(target);
        let seen = last_probe.and_then(|last_probe| last_probe.seen.as_ref());
        let (failures, successes) = last_probe.map_or((0, 0), |last_probe| last_probe.health.in_a_row());
        Self {
            monitor: monitor.to_owned(),
            target: target.address.to_string(),
            dependency: is_dependency,
            inverted: is_inverted,
            check: target.monitor.check.as_str().to_owned(),
            host: target.host.to_string(),
            state: word(last_probe.map_or(State::Unknown, |last_probe| last_probe.health.state())).to_owned(),
            since: last_probe.map(|last_probe| last_probe.since.as_secs()),
            seen: seen.map(|(outcome, _)| outcome.to_string()),
            seen_at: seen.map(|(_, at)| at.as_secs()),
            fleet: survey.agreements.get(target).map(AgreementStatus::from),
            failures,
            successes,
        }
    }
}
