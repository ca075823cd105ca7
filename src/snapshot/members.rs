//! A pool's members of one kind, as the rungs of the ladder take them.

use std::sync::Arc;
use std::time::Duration;

use super::endpoint_state::{AdminState, EndpointState, highest_ramp};
use super::world::PoolSpec;
use crate::health::Share;
use crate::steering::{HashKey, Pick};

/// [`EndpointState::last_up`] of an endpoint that was not up yet.
const NEVER: Duration = Duration::ZERO;

/// One thing that can be handed out, with its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<T> {
    /// An address, or the canonical name.
    pub value: T,
    /// For draws; 0 only when no other is left.
    pub weight: u16,
    /// How much of what its weight gives it; never nothing.
    pub share: Share,
    /// What it is hashed by.
    pub key: HashKey,
    /// Its weight by load, where `least-load` picks.
    pub room: u16,
}

impl<T> Member<T> {
    /// What it is drawn in proportion to.
    pub fn weight_for(&self, pick: Pick) -> u16 {
        match pick {
            // Weight 0 is the operator's word, and room is not.
            Pick::LeastLoad if self.weight > 0 => self.room,
            Pick::LeastLoad => 0,
            Pick::Rotate | Pick::Weighted | Pick::Random | Pick::Sticky => self.weight,
        }
    }
}

/// A pool's members of one kind, as the rungs of the ladder take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists<T> {
    /// How many the operator wrote.
    pub(super) given: usize,
    /// How many of them are on duty, held back or not.
    pub(super) in_service: usize,
    pub(super) open: Arc<[Member<T>]>,
    pub(super) held: Arc<[Member<T>]>,
    pub(super) draining: Arc<[Member<T>]>,
    pub(super) all: Arc<[Member<T>]>,
    pub(super) recent: Arc<[Member<T>]>,
    pub(super) is_degraded: bool,
    /// Whether the weights that the operator wrote differ.
    pub(super) weighs: bool,
}

/// Which of a pool's members answer. None holds what is forced down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selection {
    /// Those on duty that are up.
    Open,
    /// Those held back that are up.
    Held,
    /// Those draining that are up.
    Draining,
    /// Those on duty, whatever probes say; those draining, if no other is left.
    All,
    /// Those that were up when the outage began; all, if none is left that ever was.
    Recent,
}

impl<T: Clone + PartialEq> Lists<T> {
    /// An outage takes `outage` at most from the first fall to the last.
    pub(super) fn new(members: &[(Member<T>, EndpointState)], outage: Duration) -> Self {
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
        let weighs = members.iter().any(|(member, _)| member.weight != members[0].0.weight);
        Self { given: members.len(), in_service: count, open, held, draining, all, recent, is_degraded, weighs }
    }

    /// The members that answer.
    pub fn select(&self, selection: Selection) -> &[Member<T>] {
        match selection {
            Selection::Open => &self.open,
            Selection::Held => &self.held,
            Selection::Draining => &self.draining,
            Selection::All => &self.all,
            Selection::Recent => &self.recent,
        }
    }

    /// Whether a member that answers keeps only a share of its clients.
    pub fn is_degraded(&self) -> bool {
        self.is_degraded
    }

    /// Whether the weights that the operator wrote differ.
    pub fn weighs(&self) -> bool {
        self.weighs
    }

    /// Whether the share of open members suffices. What the operator took off duty is not missed: to drain one of two does
    /// not topple the pool.
    pub(super) fn is_usable(&self, spec: &PoolSpec) -> bool {
        spec.is_enough(self.open.len(), self.in_service)
    }
}
