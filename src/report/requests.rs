//! What those who serve clients report of their requests.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How requests went since the last report, to an endpoint or to a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsReport {
    /// An endpoint's address.
    #[serde(default)]
    pub endpoint: Option<IpAddr>,
    /// A pool, as `web/fra` or `web`.
    #[serde(default)]
    pub pool: Option<String>,
    /// How many there were.
    pub requests: u64,
    /// How many of them failed.
    pub errors: u64,
}

/// Whether a body is such a report; one that is no JSON is not.
pub fn is_of_requests(json: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_str(json).ok();
    value.is_some_and(|value| value.get("requests").is_some())
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTaken {
    /// For how many canaries it counts.
    pub canaries: usize,
}
