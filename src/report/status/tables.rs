//! The tables of a status, with everything that was selected.

use super::{EndpointStatus, NameStatus, PoolStatus, RegisteredStatus, Status, ZoneStatus};
use crate::report::table::{RED, TextTable, YELLOW, span};

impl Status {
    pub(super) fn zones_table(&self) -> TextTable {
        let is_signed = self.zones.iter().any(|zone| !zone.keys.is_empty());
        let columns = ["ZONE", "SERIAL", "STEERED", "RECORDS", "KEYS"];
        let mut table = TextTable::new(&columns[..if is_signed { 5 } else { 4 }]);
        for ZoneStatus { origin, serial, names, records, answers: _, keys } in &self.zones {
            let mut row = vec![origin.clone(), serial.to_string(), names.to_string(), records.to_string()];
            if is_signed {
                row.push(keys.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
            }
            table.push(row, "");
        }
        table
    }

    pub(super) fn names_table(&self) -> TextTable {
        let mut table = TextTable::new(&["NAME", "USABLE", "POOLS"]);
        for NameStatus { name, pools, usable, fallback, .. } in &self.names {
            let fallback = fallback.as_ref().map_or_else(String::new, |fallback| format!(", else {fallback}"));
            let color = if *usable == 0 { RED } else { "" };
            let count = format!("{usable} of {}", pools.len());
            table.push(vec![name.clone(), count, format!("{}{fallback}", pools.join(" "))], color);
        }
        if self.more_names > 0 {
            table.push(vec![format!("and {} more", self.more_names), String::new(), String::new()], "");
        }
        table
    }

    pub(super) fn pools_table(&self) -> TextTable {
        let mut table = TextTable::new(&["POOL", "ENDPOINT", "STATE", "FOR", "LAST SEEN"]);
        for PoolStatus { pool, endpoints, .. } in &self.pools {
            for (place, endpoint) in endpoints.iter().enumerate() {
                let pool = if place == 0 { pool.clone() } else { String::new() };
                let color = color(endpoint);
                let name = match &endpoint.lease {
                    Some(lease) => format!("{} ({})", endpoint.endpoint, lease.id),
                    None => endpoint.endpoint.clone(),
                };
                table.push(vec![pool, name, state(endpoint), self.since(endpoint), endpoint.last_seen()], color);
            }
        }
        table
    }

    /// Returns the table of pools that take registered endpoints.
    pub(super) fn registered_table(&self) -> TextTable {
        let mut table = TextTable::new(&["POOL", "REGISTERED", "MAX", "KEPT"]);
        for PoolStatus { pool, registered, .. } in &self.pools {
            if let Some(RegisteredStatus { leases, max, kept, .. }) = registered {
                let color = if *kept > 0 { RED } else { "" };
                table.push(vec![pool.clone(), leases.to_string(), max.to_string(), kept.to_string()], color);
            }
        }
        table
    }

    /// Returns the table of pools with a known load.
    pub(super) fn loads_table(&self) -> TextTable {
        let mut table = TextTable::new(&["POOL", "REPORTED", "LOAD"]);
        for (pool, load) in self.pools.iter().filter_map(|status| Some((&status.pool, status.load.as_ref()?))) {
            let color = if load.keep < 1.0 { YELLOW } else { "" };
            let reported = load.since.map(|since| format!("{} ago", span(self.time.saturating_sub(since))));
            table.push(vec![pool.clone(), reported.unwrap_or_default(), load.to_string()], color);
        }
        table
    }

    /// Returns how long the endpoint has been in its state; empty if that is unknown.
    pub(super) fn since(&self, endpoint: &EndpointStatus) -> String {
        endpoint.since.map_or_else(String::new, |since| span(self.time.saturating_sub(since)))
    }
}

pub(super) fn color(endpoint: &EndpointStatus) -> &'static str {
    match endpoint.state.as_str() {
        "down" | "forced down" => RED,
        "degraded" | "draining" | "held back" | "pending" => YELLOW,
        _ if endpoint.restless => YELLOW,
        _ => "",
    }
}

/// Returns the state of an endpoint in words. A question mark means that its last outcome contradicts the state.
pub(super) fn state(endpoint: &EndpointStatus) -> String {
    let fail_static = if endpoint.restless { "?" } else { "" };
    let really = endpoint.really.as_str();
    match endpoint.state.as_str() {
        "degraded" => format!("{:.0} %{fail_static}", endpoint.share * 100.0),
        "draining" if really == "drained" => format!("{really}{fail_static}"),
        state if state == really || really == "unknown" => format!("{state}{fail_static}"),
        state => format!("{state} ({really}{fail_static})"),
    }
}
