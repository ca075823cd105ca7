//! Up and down.
//!
//! ```text
//!             first success                      fall failures in a row
//!   unknown ────────────────► up ─────────────────────────────────────────► down
//!      │                      ▲   a success clears the failures counted      │
//!      │                      │                                              │
//!      │                      └──────────────────────────────────────────────┘
//!      └─ first failure ─► down          rise successes in a row
//! ```
//!
//! `unknown` is served as up once the first round's deadline has passed: nothing speaks against the endpoint.

use super::Monitor;

/// What an endpoint is taken to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not probed yet.
    Unknown,
    /// It serves.
    Up,
    /// It does not.
    Down,
}

/// One endpoint's state and the outcomes in a row that speak against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    state: State,
    /// Outcomes in a row unlike `state`; below `rise` or `fall`.
    contrary: u8,
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing that an answer could show.
    None,
    /// The state holds, but an outcome now speaks against it, or no longer does: the TTL changes.
    Restless,
    /// The state is another one now.
    Changed,
}

impl Health {
    /// Not probed yet.
    pub const UNKNOWN: Self = Self { state: State::Unknown, contrary: 0 };

    /// What the endpoint is taken to be.
    pub fn state(self) -> State {
        self.state
    }

    /// Whether answers may hold the endpoint: only a confirmed failure takes it out.
    pub fn is_open(self) -> bool {
        self.state != State::Down
    }

    /// Whether an unconfirmed outcome speaks against the state.
    pub fn is_restless(self) -> bool {
        self.contrary > 0
    }

    /// Takes in one outcome.
    pub fn observe(&mut self, success: bool, monitor: &Monitor) -> Transition {
        let was_restless = self.is_restless();
        let (agreeing, opposite, needed) = match self.state {
            State::Unknown => {
                self.state = if success { State::Up } else { State::Down };
                return Transition::Changed;
            }
            State::Up => (true, State::Down, monitor.fall),
            State::Down => (false, State::Up, monitor.rise),
        };
        if success == agreeing {
            self.contrary = 0;
        } else {
            self.contrary += 1;
            if self.contrary == needed.get() {
                *self = Self { state: opposite, contrary: 0 };
                return Transition::Changed;
            }
        }
        if self.is_restless() == was_restless { Transition::None } else { Transition::Restless }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Check, DEFAULT_FALL, DEFAULT_INTERVAL, DEFAULT_RISE, DEFAULT_TIMEOUT};
    use proptest::prelude::*;

    fn monitor() -> Monitor {
        Monitor {
            check: Check::Tcp,
            interval: DEFAULT_INTERVAL,
            timeout: DEFAULT_TIMEOUT,
            rise: DEFAULT_RISE,
            fall: DEFAULT_FALL,
            port: 80,
        }
    }

    #[test]
    fn the_first_outcome_sets_the_state() {
        for (success, state) in [(true, State::Up), (false, State::Down)] {
            let mut health = Health::UNKNOWN;
            assert_eq!(health.observe(success, &monitor()), Transition::Changed);
            assert_eq!(health.state(), state);
        }
    }

    #[test]
    fn fall_failures_in_a_row_take_it_down_and_rise_successes_bring_it_up() {
        let mut health = Health::UNKNOWN;
        let steps = [
            (true, Transition::Changed, State::Up),
            (false, Transition::Restless, State::Up),
            (false, Transition::None, State::Up),
            (true, Transition::Restless, State::Up),
            (false, Transition::Restless, State::Up),
            (false, Transition::None, State::Up),
            (false, Transition::Changed, State::Down),
            (false, Transition::None, State::Down),
            (true, Transition::Restless, State::Down),
            (true, Transition::Changed, State::Up),
        ];
        for (success, transition, state) in steps {
            assert_eq!(health.observe(success, &monitor()), transition);
            assert_eq!(health.state(), state);
        }
        assert!(!health.is_restless());
    }

    proptest! {
        #[test]
        fn no_shorter_row_than_fall_or_rise_changes_the_state(outcomes in proptest::collection::vec(any::<bool>(), 1..200)) {
            let mut health = Health::UNKNOWN;
            health.observe(outcomes[0], &monitor());
            let mut row = 0;
            for outcome in outcomes {
                let before = health.state();
                row = if outcome == (before == State::Up) { 0 } else { row + 1 };
                health.observe(outcome, &monitor());
                let needed = if before == State::Up { DEFAULT_FALL } else { DEFAULT_RISE };
                prop_assert_eq!(health.state() != before, row == needed.get());
                row = if health.state() == before { row } else { 0 };
            }
        }
    }
}
