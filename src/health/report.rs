//! Reports about endpoints: their health and their load, and the requests that they served.

use std::net::IpAddr;
use std::num::NonZeroU8;

use super::{Load, Share};

/// Maximum number of characters of a report's reason that are kept.
pub const MAX_REASON: usize = 200;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The address in answers, or the check address of a CNAME.
    pub endpoint: IpAddr,
    /// The pool, as `web/fra` or `web`; without it, every pool that holds the endpoint.
    pub pool: Option<Box<str>>,
    /// The endpoint's health, if it is reported.
    pub said: Option<Said>,
    /// The endpoint's load, if it is reported.
    pub load: Option<Load>,
}

/// The health that a report states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The endpoint works, and asks for this share of its clients.
    Good(Share),
    /// The endpoint failed.
    Bad {
        /// The number of failures in a row.
        failures: NonZeroU8,
        /// The reason, for the log; cut at [`MAX_REASON`].
        reason: Option<Box<str>>,
    },
}

/// Requests and errors since the last report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// The endpoint that served them; without it, all endpoints of the pool.
    pub endpoint: Option<IpAddr>,
    /// The pool that served them, as `web/fra` or `web`; without it, every pool that holds the endpoint.
    pub pool: Option<Box<str>>,
    /// Number of requests.
    pub requests: u64,
    /// Number of requests that failed.
    pub errors: u64,
}
