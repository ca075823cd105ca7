//! What `aws route53 list-resource-record-sets` and `list-health-checks` print.

use serde::Deserialize;

/// Both lists; either may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Lists {
    pub(super) resource_record_sets: Vec<RecordSet>,
    pub(super) health_checks: Vec<HealthCheck>,
}

/// Records of one name and type, or one of several sets of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecordSet {
    pub(super) name: String,
    pub(super) r#type: String,
    #[serde(rename = "TTL")]
    pub(super) ttl: Option<u32>,
    #[serde(default)]
    pub(super) resource_records: Vec<ResourceRecord>,
    pub(super) alias_target: Option<AliasTarget>,
    pub(super) set_identifier: Option<String>,
    pub(super) weight: Option<u16>,
    pub(super) region: Option<String>,
    pub(super) geo_location: Option<GeoLocation>,
    pub(super) geo_proximity_location: Option<GeoProximityLocation>,
    pub(super) failover: Option<String>,
    pub(super) multi_value_answer: Option<bool>,
    pub(super) cidr_routing_config: Option<serde_json::Value>,
    pub(super) health_check_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResourceRecord {
    pub(super) value: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AliasTarget {
    #[serde(rename = "DNSName")]
    pub(super) name: String,
}

/// A place of clients. The country `*` is everywhere else.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct GeoLocation {
    #[serde(rename = "ContinentCode")]
    pub(super) continent: Option<String>,
    #[serde(rename = "CountryCode")]
    pub(super) country: Option<String>,
    #[serde(rename = "SubdivisionCode")]
    pub(super) subdivision: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GeoProximityLocation {
    #[serde(rename = "AWSRegion")]
    pub(super) region: Option<String>,
    pub(super) coordinates: Option<Coordinates>,
    #[serde(default)]
    pub(super) bias: i32,
}

/// Degrees, which are written as texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Coordinates {
    pub(super) latitude: String,
    pub(super) longitude: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HealthCheck {
    pub(super) id: String,
    #[serde(rename = "HealthCheckConfig")]
    pub(super) config: HealthCheckConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HealthCheckConfig {
    pub(super) r#type: String,
    #[serde(rename = "IPAddress")]
    pub(super) address: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) resource_path: Option<String>,
    pub(super) fully_qualified_domain_name: Option<String>,
    pub(super) search_string: Option<String>,
    pub(super) request_interval: Option<u32>,
    pub(super) failure_threshold: Option<u32>,
    #[serde(default)]
    pub(super) inverted: bool,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(default)]
    pub(super) child_health_checks: Vec<String>,
    pub(super) health_threshold: Option<u32>,
}

impl RecordSet {
    /// Returns the owner in lower case, with its final dot and without escape sequences such as `\052`.
    pub(super) fn owner(&self) -> String {
        unescaped(&self.name)
    }

    /// True if it is one of several sets, among which a policy chooses.
    pub(super) fn is_of_policy(&self) -> bool {
        self.set_identifier.is_some()
    }
}

/// Returns a name in lower case, with a final dot. `\052` is an asterisk, for example.
pub(super) fn unescaped(name: &str) -> String {
    let name = name.replace("\\052", "*").replace("\\100", "@").to_ascii_lowercase();
    if name.ends_with('.') { name } else { format!("{name}.") }
}
