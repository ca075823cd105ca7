//! A pool's members of one kind, sorted by the rungs of the ladder.

use std::sync::Arc;
use std::time::Duration;

use super::endpoint_state::{AdminState, EndpointState, highest_ramp};
use super::world::PoolSpec;
use crate::health::Share;
use crate::steering::{HashKey, Pick};

/// [`EndpointState::last_up`] of an endpoint that was never up.
const NEVER: Duration = Duration::ZERO;

/// One address or canonical name that can be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<T> {
    /// An address, or the canonical name.
    pub value: T,
    /// Configured weight for draws; 0 means that it is drawn only if no other member is left.
    pub weight: u16,
    /// The share of its clients that it keeps; always above 0.
    pub share: Share,
    /// Its key for hashes.
    pub key: HashKey,
    /// Its weight by load, for `least-load`.
    pub room: u16,
    /// Its number, counted over the pools of the world.
    pub number: u32,
}

impl<T> Member<T> {
    /// Returns its address, or its canonical name.
    #[inline]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Returns the weight with which this pick draws the member.
    pub fn weight_for(&self, pick: Pick) -> u16 {
        match pick {
            // A configured weight of 0 counts more than the room.
            Pick::LeastLoad if self.weight > 0 => self.room,
            Pick::LeastLoad => 0,
            Pick::Rotate | Pick::Weighted | Pick::Random | Pick::Sticky => self.weight,
        }
    }
}

/// A pool's members of one kind, sorted by the rungs of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists<T> {
    /// Number of configured members.
    pub(super) given: usize,
    /// Number of members in service, held back or not.
    pub(super) in_service: usize,
    pub(super) open: Arc<[Member<T>]>,
    pub(super) held: Arc<[Member<T>]>,
    pub(super) draining: Arc<[Member<T>]>,
    pub(super) all: Arc<[Member<T>]>,
    pub(super) recent: Arc<[Member<T>]>,
    pub(super) is_degraded: bool,
    /// True if one member is drawn by weight for names without a pick.
    pub(super) weighs: bool,
}

/// Selects which members of a pool answer. No selection contains an endpoint that is forced down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selection {
    /// Members in service that are up.
    Open,
    /// Members that are held back and up.
    Held,
    /// Members that are drained and up.
    Draining,
    /// All members in service, up or down; if there are none, the drained ones.
    All,
    /// The members that were up when the outage began; all members if none was ever up.
    Recent,
}

impl<T: Clone + PartialEq> Lists<T> {
    /// Sorts members by their states. `outage` is the maximum time between the first and the last fall of one outage.
    /// `draws` says whether one is drawn by weight for names without a pick; `None` leaves it to the weights.
    pub(super) fn new(members: &[(Member<T>, EndpointState)], outage: Duration, draws: Option<bool>) -> Self {
        let list =
            |holds: &dyn Fn(&EndpointState) -> bool, share: &dyn Fn(&EndpointState) -> Share| -> Arc<[Member<T>]> {
                let held = members.iter().filter(|(_, endpoint_state)| holds(endpoint_state));
                held.map(|(member, endpoint_state)| Member {
                    share: share(endpoint_state),
                    room: endpoint_state.room,
                    ..member.clone()
                })
                .collect()
            };
        let is_up = |admin_state: AdminState| {
            move |endpoint_state: &EndpointState| {
                endpoint_state.admin_state == admin_state && endpoint_state.share.is_some()
            }
        };
        let probed = |endpoint_state: &EndpointState| endpoint_state.share;
        let highest = highest_ramp(members.iter().map(|(_, endpoint_state)| endpoint_state));
        let full = |_: &EndpointState| Share::FULL;
        let open = list(&is_up(AdminState::On), &|endpoint_state| endpoint_state.share_beside(highest));
        let held = list(&is_up(AdminState::Held), &probed);
        let draining = list(&is_up(AdminState::Draining), &probed);
        let in_service = list(&|endpoint_state| endpoint_state.is_in_service(), &full);
        let is_degraded = open.iter().chain(&*held).chain(&*draining).any(|member| !member.share.is_full());
        let count = in_service.len();
        let all = if in_service.is_empty() {
            list(&|endpoint_state| endpoint_state.admin_state == AdminState::Draining, &full)
        } else {
            in_service
        };
        let last_up = members
            .iter()
            .map(|(_, endpoint_state)| endpoint_state)
            .filter(|endpoint_state| endpoint_state.is_in_service());
        let since =
            last_up.map(|endpoint_state| endpoint_state.last_up).max().unwrap_or_default().saturating_sub(outage);
        let was_up = |endpoint_state: &EndpointState| endpoint_state.last_up > NEVER && endpoint_state.last_up >= since;
        let recent = list(&|endpoint_state| endpoint_state.is_in_service() && was_up(endpoint_state), &full);
        let recent = if recent.is_empty() { all.clone() } else { recent };
        let differs = || members.iter().any(|(member, _)| member.weight != members[0].0.weight);
        let weighs = draws.unwrap_or_else(differs);
        Self { given: members.len(), in_service: count, open, held, draining, all, recent, is_degraded, weighs }
    }

    /// Returns the members of a selection.
    pub fn select(&self, selection: Selection) -> &[Member<T>] {
        match selection {
            Selection::Open => &self.open,
            Selection::Held => &self.held,
            Selection::Draining => &self.draining,
            Selection::All => &self.all,
            Selection::Recent => &self.recent,
        }
    }

    /// True if a member that answers keeps only a share of its clients.
    pub fn is_degraded(&self) -> bool {
        self.is_degraded
    }

    /// True if one member is drawn by weight for names without a pick.
    pub fn weighs(&self) -> bool {
        self.weighs
    }

    /// True if enough members are open for `min_healthy`. Drained members do not count at all: if one of two is
    /// drained, the pool stays usable.
    pub(super) fn is_usable(&self, spec: &PoolSpec) -> bool {
        spec.min_healthy.is_met(self.open.len(), self.in_service)
    }
}
