//! The state of one endpoint: what probes and the operator say of it.

use std::time::Duration;

use crate::health::Share;
use crate::load::FULL_WEIGHT;
use crate::overrides::Mode;

/// What probes and the operator say of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointState {
    /// The share of its clients that it keeps; answers may hold it if that is anything.
    pub share: Share,
    /// Whether an unconfirmed outcome speaks against that.
    pub restless: bool,
    /// When it was up last, on the clock of control: [`Duration::MAX`] while it is, zero if it was not yet.
    pub last_up: Duration,
    /// Whether it is to answer at all.
    pub admin_state: AdminState,
    /// How often `least-load` draws it, as against others of its pool: at most [`FULL_WEIGHT`], 0 while it is full.
    pub room: u16,
    /// How far it has come on its way back, or on its way out: above nothing. What it keeps is the share of that share.
    pub ramp: Share,
}

/// Whether an endpoint is to answer, as the operator will have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// Yes.
    #[default]
    On,
    /// Only while no pool that is not held back has any: its pool was down, and `failback` holds it back.
    Held,
    /// Only while no other is left.
    Draining,
    /// Never, whatever is ignored besides.
    Off,
}

impl EndpointState {
    /// Of an endpoint that nobody watches.
    pub const CALM: Self = Self {
        share: Share::FULL,
        restless: false,
        last_up: Duration::MAX,
        admin_state: AdminState::On,
        room: FULL_WEIGHT,
        ramp: Share::FULL,
    };

    /// What probes say, with what the operator says of it. What is forced is calm: no outcome will change it.
    pub fn under(self, mode: Option<Mode>) -> Self {
        match mode {
            None | Some(Mode::Open) => self,
            Some(Mode::Drain) => Self { admin_state: AdminState::Draining, ..self },
            Some(Mode::ForceUp) => Self { room: self.room, ..Self::CALM },
            Some(Mode::ForceDown) => Self { share: Share::NONE, admin_state: AdminState::Off, ..Self::CALM },
        }
    }

    pub(super) fn is_open(self) -> bool {
        self.admin_state == AdminState::On && self.share.is_some()
    }

    pub(super) fn is_in_service(self) -> bool {
        matches!(self.admin_state, AdminState::On | AdminState::Held)
    }

    /// The share among others of which the one that has come farthest has come so far: as much less as it has come less far.
    /// How far they all are is the pool's business.
    pub(super) fn share_beside(self, highest: Share) -> Share {
        let part = u32::from(self.share.thousandths()) * u32::from(self.ramp.thousandths());
        // A share above nothing is not rounded to nothing.
        Share::from_thousandths(part.div_ceil(u32::from(highest.thousandths()).max(1)) as u16)
    }
}

/// How far the open endpoint has come that has come farthest; all, if none is open.
pub(super) fn highest_ramp<'a>(endpoint_states: impl IntoIterator<Item = &'a EndpointState>) -> Share {
    let open = endpoint_states.into_iter().filter(|endpoint_state| endpoint_state.is_open());
    open.map(|endpoint_state| endpoint_state.ramp).max().unwrap_or(Share::FULL)
}
