//! `service_types` as monitors.

use std::collections::BTreeSet;

use super::settings::Setting;
use crate::import::text::Table;
use crate::import::{Report, word};

/// The service type without monitoring.
pub(super) const UP: &str = "up";
/// The service type that is always down.
pub(super) const DOWN: &str = "down";

/// gdnsd's defaults (gdnsd.config(5)).
const INTERVAL: u32 = 10;
const UP_THRESH: u32 = 20;
const OK_THRESH: u32 = 10;
const DOWN_THRESH: u32 = 10;

/// The highest count of a monitor here.
const MAX_COUNT: u32 = 255;

/// The longest time between two reports.
const LONGEST_DEADLINE: &str = "1h";

/// The service types of a configuration, and those that are used.
pub(super) struct Services<'a> {
    all: Option<&'a Setting>,
    /// The sets of service types that pools are monitored by.
    used: BTreeSet<Vec<String>>,
}

impl<'a> Services<'a> {
    pub(super) fn new(config: &'a Setting) -> Self {
        Self { all: config.get("service_types"), used: BTreeSet::new() }
    }

    /// Returns the monitor for addresses with these service types; `None` if they are always up. Fails if they are
    /// always down, with a note.
    pub(super) fn monitor(&mut self, types: &[String], report: &mut Report) -> Result<Option<String>, String> {
        let plugin = |name: &str| self.all.and_then(|all| all.get(name)?.get("plugin")?.text());
        if let Some(down) = types.iter().find(|name| *name == DOWN || plugin(name) == Some("null")) {
            return Err(
                report.note(format!("endpoints of the service type {down}, which is always down, are left out"))
            );
        }
        let mut probed: Vec<String> =
            types.iter().filter(|name| *name != UP && plugin(name) != Some("static")).cloned().collect();
        probed.sort();
        probed.dedup();
        if probed.is_empty() {
            return Ok(None);
        }
        let name = name(&probed);
        self.used.insert(probed);
        Ok(Some(name))
    }

    /// Returns the service types that a pool with this monitor had.
    pub(super) fn types_of(&self, monitor: Option<&str>) -> Vec<&str> {
        let Some(monitor) = monitor else { return vec![UP] };
        let types = self.used.iter().find(|types| name(types) == monitor);
        types.map_or_else(Vec::new, |types| types.iter().map(String::as_str).collect())
    }

    /// Returns the tables of all monitors that are used. `host` is the name that probes ask for if a service type has no
    /// `vhost`.
    pub(super) fn tables(&self, host: Option<&str>, report: &mut Report) -> Vec<Table> {
        let single: BTreeSet<&String> = self.used.iter().flatten().collect();
        let mut tables = Vec::new();
        for name in single {
            if let Some(service) = self.all.and_then(|all| all.get(name)) {
                tables.push(table(name, service, host, report));
            } else {
                let mut table = Table::new(&["monitors", &word(name)]).with("type", "push");
                table.comment(
                    report.note(format!("the service type {name} is not defined: its endpoints wait for reports")),
                );
                tables.push(table);
            }
        }
        for several in self.used.iter().filter(|types| types.len() > 1) {
            let parts: Vec<String> = several.iter().map(|part| word(part)).collect();
            tables.push(Table::new(&["monitors", &name(several)]).with("type", "all").with("of", parts));
        }
        report.carried("monitors", tables.len());
        tables
    }
}

/// The monitor of several service types is up if all of them are.
fn name(types: &[String]) -> String {
    types.iter().map(|name| word(name)).collect::<Vec<_>>().join("-and-")
}

fn table(name: &str, service: &Setting, host: Option<&str>, report: &mut Report) -> Table {
    let mut table = Table::new(&["monitors", &word(name)]);
    let plugin = service.get("plugin").and_then(Setting::text).unwrap_or_default();
    let text = |key: &str| service.get(key).and_then(Setting::text);
    match plugin {
        "http_status" => {
            table.set("type", "http");
            table.set("port", service.get("port").and_then(Setting::number).unwrap_or(80_u32));
            table.set("path", text("url_path").unwrap_or("/"));
            if let Some(host) = text("vhost") {
                table.set("host", host);
            } else if let Some(host) = host {
                table.set("host", host);
                table.comment(
                    report.note(format!(
                        "{name} has no vhost: gdnsd sends no Host field, and probes here ask for {host}"
                    )),
                );
            }
            let codes: Vec<u32> = service
                .get("ok_codes")
                .map_or_else(|| vec![200], |codes| codes.items().iter().filter_map(Setting::number).collect());
            match codes[..] {
                [code] => table.set("expect_status", code),
                _ => table.set("expect_status", codes),
            }
        }
        "tcp_connect" => {
            table.set("type", "tcp");
            table.set("port", service.get("port").and_then(Setting::number).unwrap_or(80_u32));
        }
        "extmon" => {
            table.set("type", "exec");
            let command = service.get("cmd").map(Setting::texts).unwrap_or_default();
            table.set("command", command.iter().map(|word| word.replace("%%ITEM%%", "{address}")).collect::<Vec<_>>());
            // Here exit code 1 would keep half of the clients.
            table.set(
                "degraded",
                crate::import::text::Value::Inline(vec![("exit_codes".into(), Vec::<u32>::new().into())]),
            );
            if text("max_proc").is_some() {
                table.comment(report.note(format!("{name} has max_proc: 32 programs at most run at a time here")));
            }
        }
        _ => {
            table.set("type", "push");
            table.set("deadline", LONGEST_DEADLINE);
            let what = if plugin == "extfile" { "reads a file" } else { "has an unknown plugin" };
            table.comment(report.note(format!(
                "{name} {what}: let the program that knows the states send reports (POST /v1/reports), an hour apart at most"
            )));
        }
    }
    let is_direct = service.get("direct").is_some_and(Setting::is_true);
    times(&mut table, (name, service), is_direct, plugin, report);
    table
}

/// Sets the times and thresholds.
fn times(table: &mut Table, (name, service): (&str, &Setting), is_direct: bool, plugin: &str, report: &mut Report) {
    let number = |key: &str, default: u32| service.get(key).and_then(Setting::number).unwrap_or(default);
    if ["http_status", "tcp_connect", "extmon"].contains(&plugin) {
        let interval = number("interval", INTERVAL);
        let timeout =
            service.get("timeout").and_then(Setting::number).map_or(interval * 500, |seconds: u32| seconds * 1000);
        table.set("interval", format!("{interval}s"));
        table.set("timeout", if timeout % 1000 == 0 { format!("{}s", timeout / 1000) } else { format!("{timeout}ms") });
    }
    let thresholds =
        [("rise", "up_thresh", UP_THRESH), ("fall", "down_thresh", DOWN_THRESH), ("clear", "ok_thresh", OK_THRESH)];
    for (key, old, default) in thresholds {
        let count = if is_direct { 1 } else { number(old, default) };
        if count > MAX_COUNT {
            table.comment(report.note(format!("{name} has {old} {count}: {MAX_COUNT} is the most here")));
        }
        if key != "clear" || count > 1 {
            table.set(key, count.clamp(1, MAX_COUNT));
        }
    }
}
