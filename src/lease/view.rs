//! A lease as others see it.

use std::time::Duration;

use super::{Claim, LeaseId};
use crate::health::PoolKey;
use crate::name::Name;

/// A lease, for those who ask.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseView {
    /// The pool, such as `web/fra`.
    pub pool: Box<str>,
    /// The zone whose file defines the pool; `None` if the server file does.
    pub zone: Option<Name>,
    /// The pool's datacenter.
    pub datacenter: Option<Box<str>>,
    /// The endpoint's own name.
    pub id: LeaseId,
    /// Its last claim.
    pub claim: Claim,
    /// The name of the token or the client that claimed it last.
    pub holder: Option<Box<str>>,
    /// The time that is left of its term; zero if it is kept.
    pub left: Duration,
    /// True if the endpoint asked to leave.
    pub is_leaving: bool,
    /// True if its time is over and it is kept.
    pub is_kept: bool,
}

/// A lease as it is kept for the next run.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseRow {
    /// The pool.
    pub pool: PoolKey,
    /// The pool's name.
    pub pool_name: Box<str>,
    /// The endpoint's own name.
    pub id: LeaseId,
    /// Its last claim.
    pub claim: Claim,
    /// The name of the token or the client that claimed it last.
    pub holder: Option<Box<str>>,
    /// The end of its term, on the wall clock, since the Unix epoch.
    pub until: Duration,
    /// True if the endpoint asked to leave.
    pub is_leaving: bool,
}
