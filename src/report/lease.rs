//! Leases of registered endpoints, in JSON.

use serde::{Deserialize, Serialize};

use crate::lease::{Claim, LeaseView};
use crate::name::Name;
use crate::snapshot::Capacity;

/// A claim: the body of a request that registers an endpoint, or renews its lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseClaim {
    /// The endpoint's address.
    pub address: String,
    /// The term, such as `30s`.
    pub ttl: String,
    /// Weight for draws.
    #[serde(default = "default_weight")]
    pub weight: u16,
    /// Its maximum load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capacity: Option<f64>,
    /// The datacenter, if the pool has endpoints in several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub datacenter: Option<String>,
    /// The zone whose file defines the pool, if pools of several zones have the name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone: Option<String>,
}

fn default_weight() -> u16 {
    1
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseShape {
    /// The pool, such as `web/fra`.
    pub pool: String,
    /// The zone whose file defines the pool; absent if the server file does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone: Option<String>,
    /// The pool's datacenter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub datacenter: Option<String>,
    /// The endpoint's own name.
    pub id: String,
    /// Its address.
    pub address: String,
    /// Weight for draws.
    pub weight: u16,
    /// Its maximum load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capacity: Option<f64>,
    /// The term in seconds.
    pub ttl: f64,
    /// Who claimed it last: the name of a token or a client; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holder: Option<String>,
    /// When it ends if nobody renews it, Unix time in seconds.
    pub ends: u64,
    /// `held`, `leaving`, or `kept` if its time is over and no lease of the pool is renewed.
    pub state: String,
}

impl LeaseShape {
    /// Makes the shape of a lease at this Unix time in seconds.
    pub fn new(view: &LeaseView, unix_time: u64) -> Self {
        let LeaseView { pool, zone, datacenter, id, claim, holder, left, is_leaving, is_kept } = view;
        let Claim { address, weight, capacity, ttl } = claim;
        let state = match (is_kept, is_leaving) {
            (true, _) => "kept",
            (false, true) => "leaving",
            (false, false) => "held",
        };
        Self {
            pool: pool.to_string(),
            zone: zone.as_ref().map(Name::to_string),
            datacenter: datacenter.as_ref().map(ToString::to_string),
            id: id.to_string(),
            address: address.to_string(),
            weight: *weight,
            capacity: capacity.map(Capacity::get),
            ttl: ttl.as_secs_f64(),
            holder: holder.as_ref().map(ToString::to_string),
            ends: unix_time + left.as_secs(),
            state: state.to_owned(),
        }
    }
}

/// Leases: all of them, those of a pool, or the one that a request was about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaseList {
    /// Ordered by pool and id.
    pub leases: Vec<LeaseShape>,
    /// The time of this list: Unix time in seconds.
    pub time: u64,
    /// After a change: true if it is in the state folder, so that a restart keeps it; false if the disk did not take it in
    /// time. Absent if nothing changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept: Option<bool>,
}
