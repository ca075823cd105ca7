//! The identities of pools and endpoints: the same on every node, after every restart, and wherever the files list them.
//!
//! An identity is made of what the files call the thing: the zone, the pool's name and the endpoint's address or name.
//! Weights, capacities and monitors do not belong to it, and neither does a position: ids such as
//! [`PoolId`](crate::snapshot::PoolId) number the pools of one configuration only. State that outlives a configuration
//! or a process is kept under these keys, as text. The forms must never change: rows of earlier runs are found by them.

use std::fmt;

/// The identity of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolKey(Box<str>);

/// The identity of an endpoint in its pool. An address in two pools is two endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointKey(Box<str>);

impl PoolKey {
    /// The key of the pool `name`, such as `web/fra`, without blanks. `zone` is the origin of the zone whose file defines
    /// it; empty if the server file does.
    pub fn new(zone: &str, name: &str) -> Self {
        // Names of zones are the same whatever the case of their letters (RFC 4343).
        Self(format!("{} {name}", zone.to_ascii_lowercase()).into())
    }

    /// The key of the pool's endpoint with this address or canonical name, in its usual form.
    pub fn endpoint(&self, text: &str) -> EndpointKey {
        EndpointKey(format!("{self} {text}").into())
    }

    /// The key of a row that an earlier run kept.
    pub fn from_kept(text: String) -> Self {
        Self(text.into())
    }
}

impl EndpointKey {
    /// The key of a row that an earlier run kept.
    pub fn from_kept(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
