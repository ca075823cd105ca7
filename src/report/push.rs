//! Reports of endpoints, by whoever watches them.

use serde::{Deserialize, Serialize};

/// One report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushShape {
    /// The address that is handed out, or the check address of a CNAME.
    pub endpoint: String,
    /// In this pool alone, as `web/fra` or `web`; without it in every pool that holds the endpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pool: Option<String>,
    /// Whether it is well. May be left out beside `load`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ok: Option<bool>,
    /// For one that is not: so many failures in a row; 1 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failures: Option<u8>,
    /// For one that is well: the share of its clients that it asks for, in per cent; 100 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<f64>,
    /// For one that is not: why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// What of it is used.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub load: Option<LoadShape>,
}

/// How much of what is used, in the operator's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadShape {
    /// What is used.
    pub used: f64,
    /// What there is; may be left out where the configuration says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capacity: Option<f64>,
}

/// What became of reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PushResult {
    /// How many monitors they counted for, and endpoints for those that tell of load alone.
    pub counted: usize,
    /// Those that counted for none.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<PushRefused>,
    /// Why none of them counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// A report that counted for nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PushRefused {
    /// Its place in the list, from 0.
    pub report: usize,
    /// Why.
    pub error: String,
}
