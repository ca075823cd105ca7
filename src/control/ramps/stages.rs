//! Which endpoints are down or have a slow start, and which pools have failed or are held back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::RecoveryStates;
use crate::health::{EndpointKey, Failback, PoolKey, Ramp, RecoveryState};
use crate::snapshot::PoolSpec;

/// The endpoints that are not simply up, and the pools with `failback`.
#[derive(Clone, Debug, Default)]
pub(super) struct Stages {
    endpoints: HashMap<EndpointKey, Endpoint>,
    pools: HashMap<PoolKey, PoolStage>,
    /// Changes to keep that were not handed over yet.
    changed: RecoveryStates,
}

/// An endpoint that is not simply up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Down,
    Rising(Duration),
}

/// A pool with `failback` that has been usable before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PoolStage {
    Usable,
    Failed,
    Held(Duration),
}

impl Stages {
    /// Takes in the recovery states of the last run.
    pub(super) fn restore(&mut self, kept: HashMap<String, RecoveryState>) {
        for (key, recovery_state) in kept {
            match recovery_state {
                RecoveryState::Rising(since) => {
                    self.endpoints.insert(EndpointKey::from_kept(key), Endpoint::Rising(since));
                }
                RecoveryState::Failed => _ = self.pools.insert(PoolKey::from_kept(key), PoolStage::Failed),
                RecoveryState::Held(since) => _ = self.pools.insert(PoolKey::from_kept(key), PoolStage::Held(since)),
                // `Keeping` takes in this one: it concerns the node's probes, not its endpoints.
                RecoveryState::FailStatic(_) => {}
            }
        }
    }

    /// Forgets all pools except `held`, and all endpoints except `slow`.
    pub(super) fn retain(&mut self, held: &HashSet<PoolKey>, slow: &HashSet<EndpointKey>) {
        let gone = self.pools.keys().filter(|key| !held.contains(*key)).map(PoolKey::to_string);
        let gone_endpoints = self.endpoints.keys().filter(|key| !slow.contains(*key)).map(EndpointKey::to_string);
        self.changed.extend(gone.chain(gone_endpoints).map(|key| (key, None)));
        self.pools.retain(|key, _| held.contains(key));
        self.endpoints.retain(|key, _| slow.contains(key));
    }

    /// Times in the future, left by a clock that was ahead, become now.
    pub(super) fn none_from_the_future(&mut self, now: Duration) {
        for endpoint in self.endpoints.values_mut() {
            if let Endpoint::Rising(since) = endpoint {
                *since = now.min(*since);
            }
        }
        for stage in self.pools.values_mut() {
            if let PoolStage::Held(since) = stage {
                *since = now.min(*since);
            }
        }
    }

    /// The state of an endpoint; `None` if it is simply up.
    pub(super) fn of_endpoint(&self, key: &EndpointKey) -> Option<Endpoint> {
        self.endpoints.get(key).copied()
    }

    /// The stage of a pool; `None` if it has no `failback`, or has not been usable yet.
    pub(super) fn of_pool(&self, pool: &PoolSpec) -> Option<PoolStage> {
        // Most pools have no `failback`, so there is nothing to look up.
        if pool.recovery.failback == Failback::Auto {
            return None;
        }
        self.pools.get(&pool.key()).copied()
    }

    /// True if `failback` holds the pool back.
    pub(super) fn is_held(&self, pool: &PoolSpec) -> bool {
        matches!(self.of_pool(pool), Some(PoolStage::Held(_)))
    }

    /// The slow start of an endpoint, if it has one now.
    pub(super) fn rising(&self, pool: &PoolSpec, place: usize) -> Option<Ramp> {
        if pool.recovery.slow_start.is_zero() || self.endpoints.is_empty() {
            return None;
        }
        match self.endpoints.get(&pool.key_of(place)) {
            Some(&Endpoint::Rising(since)) => Some(slow_start(pool, since)),
            _ => None,
        }
    }

    /// Sets the state of an endpoint; `None` if it is simply up.
    pub(super) fn set_endpoint(&mut self, key: EndpointKey, endpoint: Option<Endpoint>) {
        let kept = match endpoint {
            Some(Endpoint::Rising(since)) => Some(RecoveryState::Rising(since)),
            Some(Endpoint::Down) | None => None,
        };
        self.changed.insert(key.to_string(), kept);
        match endpoint {
            Some(endpoint) => _ = self.endpoints.insert(key, endpoint),
            None => _ = self.endpoints.remove(&key),
        }
    }

    /// Sets the stage of a pool.
    pub(super) fn set_pool(&mut self, key: PoolKey, stage: PoolStage) {
        let kept = match stage {
            PoolStage::Usable => None,
            PoolStage::Failed => Some(RecoveryState::Failed),
            PoolStage::Held(since) => Some(RecoveryState::Held(since)),
        };
        self.changed.insert(key.to_string(), kept);
        self.pools.insert(key, stage);
    }

    /// Takes in that a pool is usable for the first time. Nothing is kept of it: the next run
    /// finds out by itself.
    pub(super) fn begin(&mut self, key: PoolKey) {
        self.pools.insert(key, PoolStage::Usable);
    }

    /// The recovery states that changed since the last call, to be kept; `None` removes one.
    pub(super) fn take_changed(&mut self) -> RecoveryStates {
        std::mem::take(&mut self.changed)
    }
}

/// The slow start of an endpoint of this pool that came up at `since`.
pub(super) fn slow_start(pool: &PoolSpec, since: Duration) -> Ramp {
    Ramp { since, over: pool.recovery.slow_start, rises: true }
}
