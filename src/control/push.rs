//! Reports of endpoints that others send.
//!
//! A report is one more outcome. It counts for the endpoint's push monitors if there are any. If this node probes an
//! endpoint and it has no push monitor, only bad reports count. Otherwise a reporter could keep up an endpoint that
//! every probe finds dead.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::oneshot;

use super::dependents::Dependents;
use crate::health::{Failure, Finding, MAX_REASON, Outcome, Push, Said};
use crate::snapshot::{PoolId, PoolSpec, World};
use crate::watch::TargetId;

/// The channel for the reply to a report. The reply is the number of monitors that the report counted for, or the
/// reason why it counted for none. For a report of load alone, it is the number of endpoints.
pub type PushReply = oneshot::Sender<Result<usize, PushRefusal>>;

/// An endpoint: its pool, and its position there.
pub(super) type EndpointRef = (PoolId, usize);

/// The endpoints of each address. A CNAME is listed under the address that is probed.
pub(super) fn places(world: &World) -> HashMap<IpAddr, Vec<EndpointRef>> {
    let mut places: HashMap<IpAddr, Vec<EndpointRef>> = HashMap::new();
    for (id, spec) in world.pools_by_id() {
        for place in 0..spec.members.len() {
            if let Some(address) = spec.members.address(place).or_else(|| spec.members.probed_address(place)) {
                places.entry(address).or_default().push((id, place));
            }
        }
    }
    places
}

/// Why a report does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRefusal {
    /// No pool holds the endpoint.
    UnknownEndpoint(IpAddr),
    /// Some pools hold it, but the named one does not.
    NotInPool(IpAddr, Box<str>),
    /// It has no monitor, so it is always up.
    Unwatched(IpAddr),
    /// No name uses its load.
    Unweighed(IpAddr),
    /// This node probes it, and does not need others to say that it is up.
    Probed(IpAddr),
}

impl fmt::Display for PushRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEndpoint(endpoint) => write!(f, "no pool holds {endpoint}"),
            Self::NotInPool(endpoint, pool) => write!(f, "pool `{pool}` does not hold {endpoint}"),
            Self::Unwatched(endpoint) => write!(f, "{endpoint} has no monitor: it is always up"),
            Self::Unweighed(endpoint) => write!(f, "no name uses the load of {endpoint}"),
            Self::Probed(endpoint) => {
                write!(f, "{endpoint} is probed and has no monitor of type push: only bad reports count for it")
            }
        }
    }
}

impl std::error::Error for PushRefusal {}

impl Push {
    /// The outcome that the report states, and how often it counts; `None` if the report states no health.
    pub(super) fn outcome(&self) -> Option<(Outcome, u8)> {
        Some(match self.said.as_ref()? {
            Said::Good(share) => (Outcome::Success(Finding { share: *share, ..Finding::full(Duration::ZERO) }), 1),
            Said::Bad { failures, reason } => {
                let reason = reason.as_deref().map(|reason| reason.chars().take(MAX_REASON).collect());
                (Outcome::Failure(Failure::Reported(reason)), failures.get())
            }
        })
    }

    /// Returns the endpoints that the report concerns, among those with its address. Fails if there are none.
    pub(super) fn named(&self, world: &World, places: &[EndpointRef]) -> Result<Vec<EndpointRef>, PushRefusal> {
        if places.is_empty() {
            return Err(PushRefusal::UnknownEndpoint(self.endpoint));
        }
        let is_named = |(id, _): &&EndpointRef| self.names(&world.pools[id.index()]);
        let named: Vec<EndpointRef> = places.iter().filter(is_named).copied().collect();
        match &self.pool {
            Some(pool) if named.is_empty() => Err(PushRefusal::NotInPool(self.endpoint, pool.clone())),
            _ => Ok(named),
        }
    }

    /// Returns the targets of these endpoints for which the report counts; empty if it does not state health. Fails if
    /// it counts for none of them.
    pub(super) fn addressees(
        &self,
        dependents: &Dependents,
        named: &[EndpointRef],
        is_probed: impl Fn(TargetId) -> bool,
    ) -> Result<Vec<TargetId>, PushRefusal> {
        let Some(said) = &self.said else { return Ok(Vec::new()) };
        let mut targets: Vec<TargetId> = Vec::new();
        for condition in named.iter().filter_map(|&(id, place)| dependents.condition(id, place)) {
            // Reports are about the endpoint itself, and never about something else that it depends on.
            condition.each_probe(&mut |probe| {
                if probe.is_own() && !targets.contains(probe.target) {
                    targets.push(*probe.target);
                }
            });
        }
        if targets.is_empty() {
            return Err(PushRefusal::Unwatched(self.endpoint));
        }
        if targets.iter().any(|&target| !is_probed(target)) {
            targets.retain(|&target| !is_probed(target));
        } else if matches!(said, Said::Good(_)) {
            return Err(PushRefusal::Probed(self.endpoint));
        }
        Ok(targets)
    }

    fn names(&self, spec: &PoolSpec) -> bool {
        self.pool.as_deref().is_none_or(|pool| spec.is_referred_to(pool))
    }
}
