//! The state of one endpoint, from probes and from the orders of operators.

use std::sync::Arc;
use std::time::Duration;

use crate::health::Share;
use crate::load::{Allowance, FULL_WEIGHT};
use crate::overrides::Mode;

/// The state of one endpoint, from probes and operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointState {
    /// The share of its clients that the endpoint keeps; it is up if this is above 0.
    pub share: Share,
    /// True if an unconfirmed probe outcome contradicts the state.
    pub restless: bool,
    /// When the endpoint was up last, on the clock of control: [`Duration::MAX`] while it is up, zero if it never was.
    pub last_up: Duration,
    /// The permission of operators and `failback` to answer.
    pub admin_state: AdminState,
    /// The weight of the endpoint when `least-load` draws: 0, if the endpoint is full, to [`FULL_WEIGHT`].
    pub room: u16,
    /// Progress of a slow start or a slow drain; always above 0. The endpoint keeps `share` of this share.
    pub ramp: Share,
}

/// The permission of operators and `failback` for an endpoint to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// In service: the endpoint may answer.
    #[default]
    On,
    /// Held back: the pool was down, and `failback` keeps it out of answers while another pool of the name has an
    /// endpoint.
    Held,
    /// Drained: the endpoint answers only if no other is left.
    Draining,
    /// Registered, but not probed yet: never answered, not even by `all_down`.
    Pending,
    /// Forced down: never answered, not even by `all_down`.
    Off,
}

impl EndpointState {
    /// The state of an endpoint without a monitor: up.
    pub const CALM: Self = Self {
        share: Share::FULL,
        restless: false,
        last_up: Duration::MAX,
        admin_state: AdminState::On,
        room: FULL_WEIGHT,
        ramp: Share::FULL,
    };

    /// The state of a registered endpoint that no probe has found up or down yet.
    pub const PENDING: Self =
        Self { share: Share::NONE, last_up: Duration::ZERO, admin_state: AdminState::Pending, ..Self::CALM };

    /// Returns this state with an operator's override applied. A forced state is never restless, because no outcome
    /// changes it.
    pub fn under(self, mode: Option<Mode>) -> Self {
        match mode {
            None | Some(Mode::Open) => self,
            // A drain does not let an endpoint answer that no probe has seen.
            Some(Mode::Drain) if self.admin_state == AdminState::Pending => self,
            Some(Mode::Drain) => Self { admin_state: AdminState::Draining, ..self },
            Some(Mode::ForceUp) => Self { room: self.room, ..Self::CALM },
            Some(Mode::ForceDown) => Self { share: Share::NONE, admin_state: AdminState::Off, ..Self::CALM },
        }
    }

    /// True if the endpoint is handed out in normal operation: it is in service and up.
    pub fn is_open(self) -> bool {
        self.admin_state == AdminState::On && self.share.is_some()
    }

    /// True if neither an operator's order nor a request of its own takes the endpoint out of service.
    pub(super) fn is_in_service(self) -> bool {
        matches!(self.admin_state, AdminState::On | AdminState::Held)
    }

    /// Returns this endpoint's share relative to the highest ramp of its pool. The highest ramp itself applies to the
    /// pool as a whole.
    pub(super) fn share_beside(self, highest: Share) -> Share {
        let part = u32::from(self.share.thousandths()) * u32::from(self.ramp.thousandths());
        // Rounding never turns a share above 0 into 0.
        Share::from_thousandths(part.div_ceil(u32::from(highest.thousandths()).max(1)) as u16)
    }
}

/// Returns the highest ramp of the open endpoints; a full share if none is open.
pub(super) fn highest_ramp<'a>(endpoint_states: impl IntoIterator<Item = &'a EndpointState>) -> Share {
    let open = endpoint_states.into_iter().filter(|endpoint_state| endpoint_state.is_open());
    open.map(|endpoint_state| endpoint_state.ramp).max().unwrap_or(Share::FULL)
}

/// The state of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PoolState {
    /// By the endpoints' positions in the pool's spec.
    pub(super) endpoint_states: Arc<[EndpointState]>,
    pub(super) allowance: Allowance,
}
