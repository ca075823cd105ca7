//! How many endpoints are in which state.

use serde::Serialize;

/// Number of endpoints by the state that answers use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndpointCounts {
    /// Up.
    pub up: usize,
    /// Up, and keeping only a share of its clients.
    pub degraded: usize,
    /// Up, and held back by `failback`.
    pub held_back: usize,
    /// Draining by an operator's order.
    pub draining: usize,
    /// Down.
    pub down: usize,
    /// Forced down by an operator's order.
    pub forced_down: usize,
    /// Of all of these, those whose last outcome contradicts the state.
    pub unconfirmed: usize,
}

impl EndpointCounts {
    /// Returns the number of all endpoints.
    pub fn all(&self) -> usize {
        let Self { up, degraded, held_back, draining, down, forced_down, unconfirmed: _ } = self;
        up + degraded + held_back + draining + down + forced_down
    }

    /// Counts an endpoint in this state of a status. `is_restless` is true if its last outcome contradicts the state.
    pub fn add(&mut self, state: &str, is_restless: bool) {
        let count = match state {
            "up" => &mut self.up,
            "held back" => &mut self.held_back,
            "draining" => &mut self.draining,
            "down" => &mut self.down,
            "forced down" => &mut self.forced_down,
            _ => &mut self.degraded,
        };
        *count += 1;
        self.unconfirmed += usize::from(is_restless);
    }

    /// Adds the counts of other endpoints.
    pub(super) fn merge(&mut self, other: &Self) {
        let Self { up, degraded, held_back, draining, down, forced_down, unconfirmed } = other;
        self.up += up;
        self.degraded += degraded;
        self.held_back += held_back;
        self.draining += draining;
        self.down += down;
        self.forced_down += forced_down;
        self.unconfirmed += unconfirmed;
    }
}
