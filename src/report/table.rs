//! The status of a node as text, 80 columns wide.
//!
//! ```text
//!   fra: up 3 h, generation 12, truenorth 0.1.0
//!
//!   POOL     ENDPOINT       STATE     FOR   LAST SEEN
//!   web/fra  198.51.100.10  up        3 h   ok in 0.5 ms
//!            198.51.100.11  down      12 s  connection refused
//! ```

use std::fmt::Write;

use super::status::{EndpointStatus, NameStatus, PoolStatus, ProbeStatus, Status, Traffic, ZoneStatus};

/// Assumed width of a terminal, in characters.
const WIDTH: usize = 80;

/// SGR (ECMA-48, section 8.3.117).
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Rows of cells. Every column except the last is as wide as its widest cell.
pub(super) struct TextTable {
    rows: Vec<(Vec<String>, &'static str)>,
}

impl TextTable {
    pub(super) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![(heads.iter().map(ToString::to_string).collect(), BOLD)] }
    }

    pub(super) fn push(&mut self, cells: Vec<String>, color: &'static str) {
        self.rows.push((cells, color));
    }

    /// Returns the table; empty if it has only its header.
    pub(super) fn text(&self, for_terminal: bool) -> String {
        let mut out = String::new();
        if self.rows.len() == 1 {
            return out;
        }
        let columns = self.rows[0].0.len();
        let width = |column: usize| self.rows.iter().map(|(cells, _)| cells[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (cells, color) in &self.rows {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            let line = line.trim_end();
            if for_terminal {
                let cut: String = line.chars().take(WIDTH).collect();
                let end = if color.is_empty() { "" } else { PLAIN };
                let _ = writeln!(out, "{color}{cut}{end}");
            } else {
                let _ = writeln!(out, "{line}");
            }
        }
        out.push('\n');
        out
    }
}

impl Status {
    /// Returns the status as text. For a terminal it has colours, and long lines are cut.
    pub fn table(&self, for_terminal: bool) -> String {
        let mut out = String::new();
        let Self { node, version, uptime, generation, .. } = self;
        let _ = writeln!(out, "{node}: up {}, generation {generation}, truenorth {version}\n", span(*uptime));
        if self.held_until.is_some() {
            out.push_str("everything stopped answering at once: last states are held\n\n");
        }
        out.push_str(&self.traffic_lines());
        for table in [self.zones_table(), self.names_table(), self.pools_table(), self.loads_table()] {
            out.push_str(&table.text(for_terminal));
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// Returns lines about losses and overload; empty if there were none.
    fn traffic_lines(&self) -> String {
        let Traffic {
            connections: _,
            most_connections,
            closed_connections,
            dropped_queries,
            refused_connections,
            refused_admin_connections,
            cut_transfers,
            closed_admin_connections,
            slipped_responses,
            limited_responses,
        } = self.traffic;
        let mut lines = String::new();
        if dropped_queries > 0 {
            let _ = writeln!(lines, "the kernel dropped {dropped_queries} queries over UDP: more came than were read");
        }
        if refused_connections > 0 {
            let _ = writeln!(
                lines,
                "the kernel refused {refused_connections} connections of DNS: more came than could be accepted"
            );
        }
        if refused_admin_connections > 0 {
            let _ = writeln!(
                lines,
                "the kernel refused {refused_admin_connections} connections to the admin server: more came than could be accepted"
            );
        }
        if closed_connections > 0 {
            let _ = writeln!(
                lines,
                "{closed_connections} connections of DNS were closed because others came: {most_connections} fit"
            );
        }
        if cut_transfers > 0 {
            let _ = writeln!(lines, "{cut_transfers} zone transfers took too long and were cut");
        }
        if closed_admin_connections > 0 {
            let _ = writeln!(
                lines,
                "{closed_admin_connections} connections of the admin server were closed because others came"
            );
        }
        if slipped_responses + limited_responses > 0 {
            let _ = writeln!(
                lines,
                "{limited_responses} responses over the rate limit were dropped, {slipped_responses} were cut to TC"
            );
        }
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines
    }

    fn zones_table(&self) -> TextTable {
        let mut table = TextTable::new(&["ZONE", "SERIAL", "STEERED", "RECORDS"]);
        for ZoneStatus { origin, serial, names, records, answers: _ } in &self.zones {
            table.push(vec![origin.clone(), serial.to_string(), names.to_string(), records.to_string()], "");
        }
        table
    }

    fn names_table(&self) -> TextTable {
        let mut table = TextTable::new(&["NAME", "USABLE", "POOLS"]);
        for NameStatus { name, pools, usable, fallback, answers: _ } in &self.names {
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

    fn pools_table(&self) -> TextTable {
        let mut table = TextTable::new(&["POOL", "ENDPOINT", "STATE", "FOR", "LAST SEEN"]);
        for PoolStatus { pool, endpoints, .. } in &self.pools {
            for (place, endpoint) in endpoints.iter().enumerate() {
                let pool = if place == 0 { pool.clone() } else { String::new() };
                let color = match endpoint.state.as_str() {
                    "down" | "forced down" => RED,
                    "degraded" | "draining" => YELLOW,
                    _ if endpoint.restless => YELLOW,
                    _ => "",
                };
                let (since, seen) = self.last_seen(endpoint);
                table.push(vec![pool, endpoint.endpoint.clone(), state(endpoint), since, seen], color);
            }
        }
        table
    }

    /// Returns the table of pools with a known load.
    fn loads_table(&self) -> TextTable {
        let mut table = TextTable::new(&["POOL", "REPORTED", "LOAD"]);
        for (pool, load) in self.pools.iter().filter_map(|status| Some((&status.pool, status.load.as_ref()?))) {
            let color = if load.keep < 1.0 { YELLOW } else { "" };
            let reported = load.since.map(|since| format!("{} ago", span(self.time.saturating_sub(since))));
            table.push(vec![pool.clone(), reported.unwrap_or_default(), load.to_string()], color);
        }
        table
    }

    /// Returns how long the endpoint has been in its state, and the last outcome; with several probes, that of one in
    /// the worst state.
    fn last_seen(&self, endpoint: &EndpointStatus) -> (String, String) {
        let since = endpoint.since.map_or_else(String::new, |since| span(self.time.saturating_sub(since)));
        let seen = |probe: &ProbeStatus| probe.seen.clone().unwrap_or_else(|| "nothing yet".to_owned());
        let seen = match endpoint.probes.as_slice() {
            [] => "not probed".to_owned(),
            [probe] => seen(probe),
            probes => {
                let is_up = |probe: &&ProbeStatus| matches!(probe.state.as_str(), "up" | "degraded" | "drained");
                let count = format!("{} of {} probes up", probes.iter().filter(is_up).count(), probes.len());
                let worst = ["down", "drained", "degraded"].into_iter();
                let worst = worst.flat_map(|state| probes.iter().filter(move |probe| probe.state == state)).next();
                worst.map_or(count.clone(), |probe| {
                    format!("{count}; {} {}: {}", probe.check, probe.target, seen(probe))
                })
            }
        };
        (since, seen)
    }
}

fn state(endpoint: &EndpointStatus) -> String {
    let fail_static = if endpoint.restless { "?" } else { "" };
    let really = endpoint.really.as_str();
    match endpoint.state.as_str() {
        "degraded" => format!("{:.0} %{fail_static}", endpoint.share * 100.0),
        "draining" if really == "drained" => format!("{really}{fail_static}"),
        state if state == really || really == "unknown" => format!("{state}{fail_static}"),
        state => format!("{state} ({really}{fail_static})"),
    }
}

/// Returns a duration in the largest unit that it fills.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
