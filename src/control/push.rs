//! What others report of endpoints.
//!
//! A report is one more outcome. It counts for the endpoint's push monitors if there are any. An endpoint that this node
//! only probes itself takes bad reports alone: whoever could say "well" could hold up what every probe finds dead.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::health::{Failure, Finding, Outcome, Share, Target};
use crate::snapshot::{PoolId, PoolSpec, World};

/// Characters of a report's reason that are kept.
pub const MAX_REASON: usize = 200;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The address that is handed out, or the check address of a CNAME.
    pub endpoint: IpAddr,
    /// In this pool alone, as `web/fra` or `web`; without it in every pool that holds the endpoint.
    pub pool: Option<Box<str>>,
    /// How it is.
    pub said: Said,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is well, and asks for this share of its clients.
    Good(Share),
    /// It failed.
    Bad {
        /// So often in a row.
        failures: NonZeroU8,
        /// Why, for the log; cut at [`MAX_REASON`].
        reason: Option<Box<str>>,
    },
}

/// Where the answer to a report goes: how many monitors it counted for, or why for none.
pub type PushReply = oneshot::Sender<Result<usize, PushRefusal>>;

/// Where an endpoint stands: its pool, and its place there.
pub(super) type Place = (PoolId, usize);

/// Where the endpoints of each address stand; a CNAME goes by the address that is probed.
pub(super) fn places(world: &World) -> HashMap<IpAddr, Vec<Place>> {
    let mut places: HashMap<IpAddr, Vec<Place>> = HashMap::new();
    for (id, spec) in (0..).zip(&world.pools) {
        for place in 0..spec.members.len() {
            let probed = || spec.members.targets().first().map(|target| target.address.ip());
            if let Some(address) = spec.members.address(place).or_else(probed) {
                places.entry(address).or_default().push((id, place));
            }
        }
    }
    places
}

/// Why a report counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRefusal {
    /// No pool holds the endpoint.
    UnknownEndpoint(IpAddr),
    /// Pools do, but not this one.
    NotInPool(IpAddr, Box<str>),
    /// It has no monitor, so it is always up.
    Unwatched(IpAddr),
    /// This node probes it, and sees for itself when it is well.
    Probed(IpAddr),
}

impl fmt::Display for PushRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEndpoint(endpoint) => write!(f, "no pool holds {endpoint}"),
            Self::NotInPool(endpoint, pool) => write!(f, "pool `{pool}` does not hold {endpoint}"),
            Self::Unwatched(endpoint) => write!(f, "{endpoint} has no monitor: it is always up"),
            Self::Probed(endpoint) => {
                write!(f, "{endpoint} is probed and has no monitor of type push: only bad reports count for it")
            }
        }
    }
}

impl std::error::Error for PushRefusal {}

impl Push {
    /// What counts, and how often.
    pub(super) fn outcome(&self) -> (Outcome, u8) {
        match &self.said {
            Said::Good(share) => (Outcome::Success(Finding { share: *share, ..Finding::full(Duration::ZERO) }), 1),
            Said::Bad { failures, reason } => {
                let reason = reason.as_deref().map(|reason| reason.chars().take(MAX_REASON).collect());
                (Outcome::Failure(Failure::Reported(reason)), failures.get())
            }
        }
    }

    /// The targets that it counts for, among the endpoints of its address that stand in these places.
    pub(super) fn addressees(&self, world: &World, places: &[Place]) -> Result<Vec<Arc<Target>>, PushRefusal> {
        if places.is_empty() {
            return Err(PushRefusal::UnknownEndpoint(self.endpoint));
        }
        let specs = places.iter().map(|&(id, place)| (&*world.pools[id as usize], place));
        let named: Vec<_> = specs.filter(|(spec, _)| self.names(spec)).collect();
        if let (Some(pool), true) = (&self.pool, named.is_empty()) {
            return Err(PushRefusal::NotInPool(self.endpoint, pool.clone()));
        }
        let mut targets: Vec<&Target> = Vec::new();
        for condition in named.iter().filter_map(|(spec, place)| spec.members.condition(*place)) {
            condition.each_target(&mut |target| {
                if !targets.contains(&target) {
                    targets.push(target);
                }
            });
        }
        if targets.is_empty() {
            return Err(PushRefusal::Unwatched(self.endpoint));
        }
        if targets.iter().any(|target| !target.is_probed()) {
            targets.retain(|target| !target.is_probed());
        } else if matches!(self.said, Said::Good(_)) {
            return Err(PushRefusal::Probed(self.endpoint));
        }
        Ok(targets.into_iter().cloned().map(Arc::new).collect())
    }

    fn names(&self, spec: &PoolSpec) -> bool {
        self.pool
            .as_deref()
            .is_none_or(|pool| *spec.name == *pool || spec.name.split_once('/').is_some_and(|(entry, _)| entry == pool))
    }
}
