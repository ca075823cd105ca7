//! The history of endpoints: their states, and how long probes took.

use std::time::Duration;

use serde::Serialize;

use super::notice::word;
use crate::health::{ConditionProbe, Target};
use crate::snapshot::Snapshot;
use crate::watch::{ProbeHistory, SLOT, SLOTS, Track, Turned, slot_at};

/// Maximum number of endpoints in one answer.
const MAX_ENDPOINTS: usize = 256;

/// The history of the endpoints of a pool. Each list has a value for each slot, the oldest first.
#[derive(Debug, Serialize)]
pub struct History {
    /// Unix time in seconds.
    pub time: u64,
    /// When the first slot began, Unix time in seconds.
    pub from: u64,
    /// Seconds in a slot.
    pub slot: u64,
    /// The endpoints, in the order of the file.
    pub endpoints: Vec<EndpointHistory>,
    /// Number of further endpoints.
    pub more: usize,
}

/// The history of an endpoint.
#[derive(Debug, Serialize)]
pub struct EndpointHistory {
    /// The pool.
    pub pool: String,
    /// The zone that defines it; absent if the server file does.
    pub zone: Option<String>,
    /// The address, or the canonical name.
    pub endpoint: String,
    /// Its probes; empty without a monitor.
    pub probes: Vec<ProbeHistoryShape>,
}

/// The history of a probe.
#[derive(Debug, Serialize)]
pub struct ProbeHistoryShape {
    /// The name of its monitor.
    pub monitor: String,
    /// The probed address.
    pub target: String,
    /// `http`, `tcp`, ...
    pub check: String,
    /// Mean time of the probes of a slot that succeeded, in milliseconds; null without any.
    pub ms: Vec<Option<f64>>,
    /// Number of probes in a slot that succeeded.
    pub successes: Vec<u16>,
    /// Number of probes in a slot that failed.
    pub failures: Vec<u16>,
    /// The last states, the oldest first.
    pub turns: Vec<TurnShape>,
}

/// The beginning of a state.
#[derive(Debug, Serialize)]
pub struct TurnShape {
    /// Unix time in seconds.
    pub at: u64,
    /// `up`, `degraded`, `drained` or `down`.
    pub to: String,
    /// The outcome that confirmed it; absent if an earlier run found it.
    pub seen: Option<String>,
}

impl History {
    /// Returns the history of the endpoints of the pool with this name. If several zones have such a pool, returns all
    /// of their endpoints. `None` if there is no such pool.
    pub fn new(snapshot: &Snapshot, history: &ProbeHistory, pool: &str, time: u64) -> Option<Self> {
        let pools = || snapshot.world().pools.iter().filter(|spec| *spec.name == *pool);
        pools().next()?;
        let last = slot_at(Duration::from_secs(time));
        let first = last.saturating_sub(SLOTS as u32 - 1);
        let places = || pools().flat_map(|spec| (0..spec.members.len()).map(move |place| (spec, place)));
        let endpoints = places().take(MAX_ENDPOINTS).map(|(spec, place)| {
            let probe = |(monitor, ConditionProbe { target, .. }): (&str, ConditionProbe<&Target>)| {
                let track = history.track(target.fingerprint()).unwrap_or_default();
                ProbeHistoryShape::new((monitor, target), &track, first)
            };
            let probes = spec.probes(place).into_iter().map(probe).collect();
            let (pool, zone) = (spec.name.to_string(), spec.zone.as_ref().map(ToString::to_string));
            EndpointHistory { pool, zone, endpoint: spec.members.text(place), probes }
        });
        let endpoints: Vec<EndpointHistory> = endpoints.collect();
        let more = places().count() - endpoints.len();
        Some(Self { time, from: u64::from(first) * SLOT.as_secs(), slot: SLOT.as_secs(), endpoints, more })
    }
}

impl ProbeHistoryShape {
    fn new((monitor, target): (&str, &Target), track: &Track, first: u32) -> Self {
        let (mut ms, mut successes, mut failures) = (vec![None; SLOTS], vec![0; SLOTS], vec![0; SLOTS]);
        for slot in &track.slots {
            let Some(place) = slot.number.checked_sub(first).map(|place| place as usize).filter(|&place| place < SLOTS)
            else {
                continue;
            };
            // Rounds to a microsecond; further digits are noise.
            ms[place] = (slot.successes > 0).then(|| f64::from((slot.mean_ms * 1000.0).round()) / 1000.0);
            (successes[place], failures[place]) = (slot.successes, slot.failures);
        }
        let turn = |turned: &Turned| TurnShape {
            at: turned.at.as_secs(),
            to: word(turned.to).to_owned(),
            seen: turned.seen.as_ref().map(ToString::to_string),
        };
        let turns = track.turns.iter().map(turn).collect();
        let (target, check) = (target.address.to_string(), target.monitor.check.as_str().to_owned());
        Self { monitor: monitor.to_owned(), target, check, ms, successes, failures, turns }
    }
}
