//! The output of the commands and of the admin server, as JSON shapes and as text.

mod address_counts;
mod check;
mod client_groups;
mod comparison;
mod decisions;
mod delivery;
mod demands;
mod destinations;
mod diff;
mod endpoint_counts;
mod events;
mod explain;
mod external_dns;
mod fall;
mod fleet;
mod history;
mod impact;
mod kept;
mod latency;
mod latency_matrix;
mod lease;
mod measurements;
mod metrics;
mod name_answers;
mod network;
mod notice;
mod order_effect;
mod overrides;
mod overview;
mod owners;
mod pool_load;
mod problem;
mod push;
mod query_log;
mod query_mix;
mod reload;
mod requests;
mod rollouts;
mod seen;
mod severity;
mod signing;
mod simulate;
mod split;
mod status;
mod table;
mod text;
mod totals;
mod txt;
mod what_if;
mod zones;

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use check::{Check, Summary};
pub use decisions::{Decision, Decisions, Destined, LastDecisions, NameGroup};
pub use delivery::Delivery;
pub use demands::{Demand, Demands, find_demands, with_demands};
pub use diff::Diff;
pub use endpoint_counts::EndpointCounts;
pub use events::EventList;
pub use explain::{Beside, Explanation, Question};
pub use external_dns::DomainFilter;
pub use fall::Fall;
pub use fleet::FleetView;
pub use history::History;
pub use impact::{Changes, Impact, Shift};
pub use kept::FleetShare;
pub use latency_matrix::LatencyMatrix;
pub use lease::{LeaseClaim, LeaseList, LeaseShape};
pub use measurements::Measurements;
pub use metrics::{Format, Metrics, ProcessFacts, StoreFacts};
pub use name_answers::{NameAnswers, PoolAnswers};
pub use network::Network;
pub use notice::{CertificateTurn, Changed, EventKind, Notice};
pub use order_effect::OrderEffect;
pub use overrides::{OverrideList, OverrideOrder, OverrideSelector, OverrideShape, TargetOrder};
pub use overview::Overview;
pub use pool_load::PoolLoad;
pub use problem::{Problem, SelfCheck};
pub use push::{LoadShape, PushRefused, PushResult, PushShape};
pub use query_mix::QueryMix;
pub use reload::{Reload, ToldFault};
pub use requests::{ReportTaken, RequestsReport, is_of_requests};
pub use rollouts::{RolloutChange, RolloutKind, RolloutList, RolloutOrder, RolloutShape, SignalsShape};
pub use seen::Seen;
pub use severity::Severity;
pub use signing::{Signing, Signs};
pub use simulate::Simulation;
pub use status::{DatacenterStatus, FilesStatus, Filter, Status, StatusFacts, Traffic, When};
pub use totals::{NameTotals, Tallies, Totals};
pub use txt::{TxtChange, TxtList, TxtOfName, TxtReplacement, TxtShape};
pub use what_if::endpoint_state_without;
pub use zones::{
    ZonesFile, ZonesList, ZonesOfNode, ZonesPromotion, ZonesPushOrder, ZonesPushResult, ZonesRelease, ZonesReport,
    ZonesRollBack, zones_table,
};

/// Returns pretty JSON. All shapes here can be written as JSON.
pub fn to_json(shape: &impl Serialize) -> String {
    serde_json::to_string_pretty(shape).expect("shapes have string keys and finite numbers")
}

/// Returns JSON for a machine, or text for a person.
pub fn render(shape: &(impl Serialize + Display), json: bool) -> String {
    if json { to_json(shape) } else { shape.to_string() }
}

/// A type that is written to JSON and read from it.
pub trait Shape: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> Shape for T {}

/// Reads a shape from JSON. Fails with a description of the error.
pub fn from_json<T: Shape>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// Returns JSON without a line break.
pub fn to_json_line(shape: &impl Serialize) -> String {
    serde_json::to_string(shape).expect("shapes have string keys and finite numbers")
}
