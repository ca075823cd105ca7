//! The number of endpoints in each state.

use serde::{Deserialize, Serialize};

use super::notice::word;
use crate::health::State;
use crate::snapshot::{AdminState, EndpointState, Pool};

/// Number of endpoints by the state that answers use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointCounts {
    /// Up.
    pub up: usize,
    /// Up, but keeping only a share of their clients.
    pub degraded: usize,
    /// Up, and held back by `failback`.
    pub held_back: usize,
    /// Up, and draining.
    pub draining: usize,
    /// Down.
    pub down: usize,
    /// Forced down by an operator's order.
    pub forced_down: usize,
    /// Registered, and not probed yet.
    #[serde(default)]
    pub pending: usize,
    /// Those of all these whose last outcome contradicts the state.
    pub unconfirmed: usize,
}

impl EndpointCounts {
    /// Counts the endpoints of these pools.
    pub fn of<'a>(pools: impl IntoIterator<Item = &'a Pool>) -> Self {
        let mut counts = Self::default();
        for pool in pools {
            (0..pool.spec().members.len()).for_each(|place| counts.add(pool.endpoint_state(place)));
        }
        counts
    }

    /// Returns the number of all endpoints.
    pub fn all(&self) -> usize {
        self.in_use() + self.down + self.out()
    }

    /// Returns the number of endpoints that get clients.
    pub fn in_use(&self) -> usize {
        self.up + self.degraded
    }

    /// Returns the number of endpoints that are out of service: held back, draining, forced down or pending.
    pub fn out(&self) -> usize {
        self.held_back + self.draining + self.forced_down + self.pending
    }

    pub(super) fn add(&mut self, state: EndpointState) {
        let count = match state_word(state) {
            UP => &mut self.up,
            HELD_BACK => &mut self.held_back,
            DRAINING => &mut self.draining,
            DOWN => &mut self.down,
            FORCED_DOWN => &mut self.forced_down,
            PENDING => &mut self.pending,
            _ => &mut self.degraded,
        };
        *count += 1;
        self.unconfirmed += usize::from(state.restless);
    }
}

const UP: &str = "up";
const HELD_BACK: &str = "held back";
const DRAINING: &str = "draining";
const DOWN: &str = "down";
const FORCED_DOWN: &str = "forced down";
const PENDING: &str = "pending";

/// Returns the word for the state that answers use: `up`, `degraded`, `held back`, `draining`, `down`,
/// `forced down` or `pending`.
pub(super) fn state_word(state: EndpointState) -> &'static str {
    match (state.admin_state, state.share) {
        (AdminState::Off, _) => FORCED_DOWN,
        (AdminState::Pending, _) => PENDING,
        (_, share) if !share.is_some() => DOWN,
        (AdminState::Held, _) => HELD_BACK,
        (AdminState::Draining, _) => DRAINING,
        (AdminState::On, share) if share.is_full() => UP,
        (AdminState::On, share) => word(State::Degraded(share)),
    }
}
