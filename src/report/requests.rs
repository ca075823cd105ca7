//! Reports about requests, from the servers that served them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The number of requests to an endpoint or a pool since the last report, and the number of failed ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsReport {
    /// An endpoint's address.
    #[serde(default)]
    pub endpoint: Option<IpAddr>,
    /// A pool, as `web/fra` or `web`.
    #[serde(default)]
    pub pool: Option<String>,
    /// Number of requests.
    pub requests: u64,
    /// Number of failed requests.
    pub errors: u64,
}

/// True if a body is a report about requests. False for a body that is not JSON.
pub fn is_of_requests(json: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_str(json).ok();
    value.is_some_and(|value| value.get("requests").is_some())
}

/// The result of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTaken {
    /// Number of canaries that took it into account.
    pub canaries: usize,
}
