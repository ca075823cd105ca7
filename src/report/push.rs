//! Health and load reports about endpoints.

use serde::{Deserialize, Serialize};

/// One report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushShape {
    /// The address in answers, or the check address of a CNAME.
    pub endpoint: String,
    /// The pool, such as `web/fra` or `web`; without it, all pools with the endpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pool: Option<String>,
    /// True if the endpoint is healthy. May be absent if there is a `load`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ok: Option<bool>,
    /// For an unhealthy endpoint: the number of failures in a row; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failures: Option<u8>,
    /// For a healthy endpoint: the share of its clients that it asks for, in per cent; 100 if absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<f64>,
    /// For an unhealthy endpoint: the reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Its load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub load: Option<LoadShape>,
}

/// The load of an endpoint, in the operator's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadShape {
    /// The used load.
    pub used: f64,
    /// The maximum load; may be absent if the configuration has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capacity: Option<f64>,
}

/// The result of reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PushResult {
    /// Number of monitors that took the reports, plus the endpoints that only reported load.
    pub counted: usize,
    /// The refused reports.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<PushRefused>,
}

/// A refused report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PushRefused {
    /// Its position in the list, from 0.
    pub report: usize,
    /// The reason.
    pub error: String,
}
