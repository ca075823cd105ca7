//! Health checks as monitors.

use std::collections::BTreeMap;

use super::records::{HealthCheck, HealthCheckConfig};
use crate::import::text::Table;
use crate::import::{Report, word};

/// The documented time limits of checks: four seconds to connect and two for the response, or ten to connect.
const HTTP_TIMEOUT: u32 = 6;
const TCP_TIMEOUT: u32 = 10;

/// Documented defaults.
const INTERVAL: u32 = 30;
const THRESHOLD: u32 = 3;

/// The longest time between reports about what is not probed.
const LONGEST_DEADLINE: &str = "1h";

/// The health checks, and the monitors that were made of them.
pub(super) struct Health<'a> {
    checks: &'a [HealthCheck],
    tables: BTreeMap<String, Table>,
}

impl<'a> Health<'a> {
    pub(super) fn new(checks: &'a [HealthCheck]) -> Self {
        Self { checks, tables: BTreeMap::new() }
    }

    pub(super) fn tables(self) -> Vec<Table> {
        self.tables.into_values().collect()
    }

    /// Returns the monitor of a health check, for a record with these values; `None` if it is always healthy.
    pub(super) fn monitor(&mut self, id: &str, values: &[String], report: &mut Report) -> Option<String> {
        let Some(check) = self.checks.iter().find(|check| check.id == id) else {
            let name = format!("missing-{}", word(id));
            let mut table = push(&name);
            table.comment(report.note(format!(
                "the health check {id} is not in the file: its endpoints wait for reports. Add the output of list-health-checks"
            )));
            self.tables.insert(name.clone(), table);
            return Some(name);
        };
        let config = &check.config;
        if config.disabled {
            report.note(format!("the health check {id} is disabled: what it checks is always up"));
            return None;
        }
        // A check of the record's only value is a check of the endpoint itself.
        let is_own = matches!(values, [value] if Some(value) == config.address.as_ref());
        let address =
            if is_own { None } else { config.address.as_ref().or(config.fully_qualified_domain_name.as_ref()) };
        Some(self.add(id, config, address.map(String::as_str), report))
    }

    /// Adds the monitor of a health check, which probes the endpoint if it has no address.
    fn add(&mut self, id: &str, config: &HealthCheckConfig, address: Option<&str>, report: &mut Report) -> String {
        let kind = config.r#type.as_str();
        let mut table = match kind {
            "CALCULATED" => self.calculated(id, config, report),
            "HTTP" | "HTTP_STR_MATCH" | "HTTPS" | "HTTPS_STR_MATCH" | "TCP" => probe(config, address),
            _ => {
                let mut table = push("");
                table.comment(
                    report.note(format!("the health check {id} of type {kind}: let what knows the state send reports")),
                );
                table
            }
        };
        if config.inverted && kind != "CLOUDWATCH_METRIC" {
            table.set("invert", true);
        }
        if kind.starts_with("HTTPS") {
            report.note("Route 53 does not verify certificates, and neither do the imported monitors: verify = false");
        }
        // Checks that differ in the endpoint only are one monitor.
        let name = match address {
            None if kind != "CALCULATED" => {
                let host = config.fully_qualified_domain_name.as_deref().unwrap_or_default();
                let port = config.port.map(|port| format!("-{port}")).unwrap_or_default();
                format!("{}-{host}{port}", kind.to_ascii_lowercase())
            }
            _ => format!("check-{id}"),
        };
        let name = word(name.trim_end_matches('-'));
        for count in 1.. {
            let name = if count == 1 { name.clone() } else { format!("{name}-{count}") };
            table.path = vec!["monitors".to_owned(), name.clone()];
            match self.tables.get(&name) {
                Some(other) if *other != table => {}
                Some(_) => return name,
                None => {
                    self.tables.insert(name.clone(), table);
                    return name;
                }
            }
        }
        unreachable!("there are more numbers than monitors")
    }

    fn calculated(&mut self, id: &str, config: &HealthCheckConfig, report: &mut Report) -> Table {
        let mut parts = Vec::new();
        for child in &config.child_health_checks {
            // No value: the child has an address of its own.
            parts.extend(self.monitor(child, &[], report));
        }
        parts.dedup();
        let count = config.health_threshold.unwrap_or(0);
        if parts.len() < 2 || count == 0 {
            let mut table = push("");
            table.comment(
                report.note(format!("the calculated health check {id} has fewer than two checks, or a threshold of 0")),
            );
            return table;
        }
        let table = Table::default();
        match parts.len() as u32 {
            all if all <= count => table.with("type", "all").with("of", parts),
            _ if count == 1 => table.with("type", "any").with("of", parts),
            _ => table.with("type", "at_least").with("count", count).with("of", parts),
        }
    }
}

fn push(name: &str) -> Table {
    Table::new(&["monitors", name]).with("type", "push").with("deadline", LONGEST_DEADLINE)
}

fn probe(config: &HealthCheckConfig, address: Option<&str>) -> Table {
    let kind = config.r#type.as_str();
    let (scheme, port) = if kind.starts_with("HTTPS") { ("https", 443) } else { ("http", 80) };
    let mut table = Table::default();
    if kind == "TCP" {
        table.set("type", "tcp");
        table.set("port", u32::from(config.port.unwrap_or(port)));
    } else {
        table.set("type", scheme);
        table.set("port", u32::from(config.port.unwrap_or(port)));
        table.set("path", config.resource_path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/"));
        if let Some(host) = config.fully_qualified_domain_name.as_deref().or(config.address.as_deref()) {
            table.set("host", host);
        }
        if scheme == "https" {
            table.set("verify", false);
        }
        if let Some(text) = &config.search_string {
            table.set("expect_body", text.as_str());
        }
    }
    if let Some(address) = address {
        table.set("address", address.trim_end_matches('.'));
    }
    let interval = config.request_interval.unwrap_or(INTERVAL);
    let timeout = if kind == "TCP" { TCP_TIMEOUT } else { HTTP_TIMEOUT };
    table.set("interval", format!("{interval}s"));
    table.set("timeout", format!("{}s", timeout.min(interval.saturating_sub(1)).max(1)));
    let threshold = config.failure_threshold.unwrap_or(THRESHOLD).clamp(1, 255);
    table.set("rise", threshold);
    table.set("fall", threshold);
    table
}
