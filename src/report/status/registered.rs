//! The status of registered endpoints.

use serde::{Deserialize, Serialize};

use crate::snapshot::{LeaseMark, PoolSpec, World};

/// The lease of a registered endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// The endpoint's own name.
    pub id: String,
    /// True if it asked to leave.
    pub leaving: bool,
    /// True if the term is over and the lease is kept, because no lease of the pool is renewed.
    pub kept: bool,
}

impl From<&LeaseMark> for LeaseStatus {
    fn from(LeaseMark { id, is_leaving, is_kept }: &LeaseMark) -> Self {
        Self { id: id.to_string(), leaving: *is_leaving, kept: *is_kept }
    }
}

/// The registered endpoints of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredStatus {
    /// Number of leases.
    pub leases: usize,
    /// Maximum number of leases.
    pub max: u16,
    /// Number of leases whose term is over, and that are kept because none is renewed.
    pub kept: usize,
    /// What lists the endpoints, such as `file /etc/truenorth/web.json`; absent if they register themselves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// Why it cannot be used now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

impl RegisteredStatus {
    /// Counts the registered endpoints of a pool; `None` if it takes none.
    pub(in super::super) fn of(spec: &PoolSpec) -> Option<Self> {
        let registration = spec.registration.as_ref()?;
        let max = registration.bounds.max;
        let leases = || (0..spec.members.len()).filter_map(|place| spec.members.lease(place));
        let kept = leases().filter(|lease| lease.is_kept).count();
        let source = registration.bounds.source.as_ref().map(ToString::to_string);
        let problem = registration.problem.as_ref().map(ToString::to_string);
        Some(Self { leases: leases().count(), max, kept, source, problem })
    }
}

/// Returns the pools whose leases are kept because none of them is renewed.
pub(super) fn silent(world: &World) -> Vec<String> {
    let is_silent = |pool: &PoolSpec| RegisteredStatus::of(pool).is_some_and(|registered| registered.kept > 0);
    world.pools.iter().filter(|pool| is_silent(pool)).map(|pool| pool.name.to_string()).collect()
}
