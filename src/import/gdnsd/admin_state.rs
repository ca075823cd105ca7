//! gdnsd's file of forced states, `admin_state` (gdnsd(8)).
//!
//! ```text
//!   geoip/web/iad => DOWN        a datacenter of a resource, or of a map   the pools there are drained in the names that use it
//!   192.0.2.1/probe => DOWN      an address with a service type            a window for the endpoint
//! ```
//!
//! Later lines override earlier ones, and keys may be globs.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::Setting;
use crate::glob::Glob;
use crate::import::Report;
use crate::import::tables::{Pool, Target};
use crate::import::text::Value;

/// The lines of the file, in their order.
#[derive(Debug, Default)]
pub(super) struct AdminState(Vec<Line>);

#[derive(Debug)]
struct Line {
    key: Glob,
    written: String,
    is_up: bool,
    is_used: bool,
}

/// The pools that a datacenter of a resource became.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) plugin: String,
    pub(super) resource: String,
    /// The map of a geoip resource.
    pub(super) map: Option<String>,
    pub(super) datacenter: String,
    pub(super) pools: BTreeSet<String>,
}

impl AdminState {
    /// Reads the lines of a file. Notes those that say something else.
    pub(super) fn new(file: &Setting, report: &mut Report) -> Self {
        let mut lines = Vec::new();
        for (key, value) in file.entries() {
            let (state, ttl) = value.text().and_then(|text| text.split_once('/')).unzip();
            let is_up = match state.or(value.text()) {
                Some("UP") => true,
                Some("DOWN") => false,
                _ => {
                    report.note(format!("admin_state says something else than UP or DOWN of {key}"));
                    continue;
                }
            };
            if ttl.is_some() {
                report.note(format!("admin_state has a TTL for {key}: here it is `ttl_min` while a pool is drained"));
            }
            if key.contains('[') {
                report.note(format!("admin_state has a class of characters in {key}: the line is left out"));
                continue;
            }
            lines.push(Line { key: Glob::new(key), written: key.clone(), is_up, is_used: false });
        }
        Self(lines)
    }

    /// Returns the state that the file forces for a key; `None` if no line matches it.
    fn of(&mut self, key: &str) -> Option<bool> {
        let mut state = None;
        for line in self.0.iter_mut().filter(|line| line.key.matches(key)) {
            line.is_used = true;
            state = Some(line.is_up);
        }
        state
    }

    /// Returns the pools that are drained in the answers of names with these parts.
    pub(super) fn drained(&mut self, parts: &[Part], report: &mut Report) -> BTreeSet<String> {
        let mut drained = BTreeSet::new();
        for Part { plugin, resource, map, datacenter, pools } in parts {
            let of_resource = self.of(&format!("{plugin}/{resource}/{datacenter}"));
            let of_map = map.as_ref().and_then(|map| self.of(&format!("{plugin}/{map}/{datacenter}")));
            match of_resource.or(of_map) {
                Some(false) => drained.extend(pools.iter().cloned()),
                Some(true) => {
                    report.note(format!(
                        "admin_state forces {datacenter} of {plugin}!{resource} up: here its probes decide, unless its endpoints \
                         are forced up"
                    ));
                }
                None => {}
            }
        }
        drained
    }

    /// Returns the windows for endpoints of these pools, each with the service types that it had. Notes the lines that match
    /// nothing.
    pub(super) fn windows<'p>(
        &mut self,
        pools: impl Iterator<Item = (&'p Pool, Vec<&'p str>)>,
        report: &mut Report,
    ) -> Vec<Value> {
        let mut services: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
        for (pool, types) in pools {
            for endpoint in &pool.endpoints {
                // The name in the file, and the one here.
                let names = match &endpoint.target {
                    Target::Address(address) => (address.to_string(), address.to_string()),
                    Target::Cname(name) => (name.clone(), name.trim_end_matches('.').to_owned()),
                };
                services.entry(names).or_default().extend(&types);
            }
        }
        let mut windows = Vec::new();
        for ((thing, endpoint), types) in services {
            let states: Vec<Option<bool>> = types.iter().map(|name| self.of(&format!("{thing}/{name}"))).collect();
            // An address is down if one of its services is, and up if all of them are.
            let mode = match (states.contains(&Some(false)), states.contains(&Some(true))) {
                (true, _) => "drain",
                (_, true) if states.iter().all(Option::is_some) => "force-up",
                (_, true) => {
                    report.note(format!("admin_state forces a part of the services of {thing} up: here all decide"));
                    continue;
                }
                _ => continue,
            };
            if states.iter().any(|state| *state != states[0]) {
                report.note(format!(
                    "admin_state forces a part of the services of {thing}: here all uses of it are meant"
                ));
            }
            windows.push(Value::Inline(vec![
                ("target".to_owned(), format!("endpoint:{endpoint}").into()),
                ("mode".to_owned(), mode.into()),
                ("reason".to_owned(), "admin_state of gdnsd".into()),
            ]));
        }
        for line in self.0.iter().filter(|line| !line.is_used) {
            report.note(format!("admin_state has {}: nothing that was imported matches it", line.written));
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_count() {
        let lines = [("*/iad", "DOWN"), ("metafo/web/iad", "UP"), ("geoip/web/iad", "UP/30")];
        let lines = lines.map(|(key, state)| (key.to_owned(), Setting::Text(state.to_owned())));
        let mut report = Report::default();
        let mut state = AdminState::new(&Setting::Hash(lines.into()), &mut report);
        let of = ["geoip/web/iad", "metafo/web/iad", "geoip/corp/iad", "geoip/web/fra"].map(|key| state.of(key));
        assert_eq!(of, [Some(true), Some(true), Some(false), None]);
    }
}
