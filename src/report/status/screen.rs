//! The status as text: a first screen with sums and problems only, or everything.
//!
//! ```text
//!   fra: up 3 h, generation 12, truenorth 0.1.0
//!
//!   DATACENTER  ENDPOINTS  UP  DOWN  OUT  ANSWERS
//!   fra         2          1   1     0    31.0 %
//!   iad         2          2   0     0    69.0 %
//!
//!   3 of 4 endpoints up, 2 of 2 pools usable, 2 of 2 names answered by a usable pool
//!
//!   POOL     ENDPOINT       STATE  WHY
//!   web/fra  198.51.100.11  down   down for 12 s: connection refused
//! ```

use std::fmt::Write;

use super::tables::{color, state};
use super::{DatacenterStatus, EndpointStatus, NameStatus, PoolStatus, QueryLogStatus, Status, Sums, Traffic};
use crate::report::OverrideList;
use crate::report::table::{RED, TextTable, YELLOW, span};
use crate::report::text::Percent;

/// Maximum number of endpoints, and of names, on the first screen. It counts the others.
const MOST_WRONG: usize = 20;

impl Status {
    /// Returns the first screen: sums, and only those names and endpoints that have a problem. For a terminal it has
    /// colours, and long lines are cut.
    pub fn screen(&self, for_terminal: bool) -> String {
        let mut out = self.head();
        out.push_str(&self.fleet_lines(for_terminal));
        out.push_str(&self.datacenters_table().text(for_terminal));
        let Sums { endpoints, pools, usable_pools, names, usable_names } = &self.sums;
        let _ = writeln!(
            out,
            "{} of {} endpoints up, {usable_pools} of {pools} pools usable, {usable_names} of {names} names answered by a \
             usable pool\n",
            endpoints.in_use(),
            endpoints.all()
        );
        let wrong = [self.wrong_names_table(), self.wrong_endpoints_table()].map(|table| table.text(for_terminal));
        out.extend(wrong.iter().map(String::as_str));
        out.push_str(&self.orders_text());
        if wrong.iter().all(String::is_empty) && self.orders.is_empty() && !self.is_in_trouble() {
            out.push_str("nothing is wrong\n");
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// Returns everything that was selected, as tables.
    pub fn table(&self, for_terminal: bool) -> String {
        let mut out = self.head();
        out.push_str(&self.fleet_lines(for_terminal));
        let pools = [self.pools_table(), self.registered_table(), self.loads_table()];
        for table in [self.zones_table(), self.names_table()].into_iter().chain(pools) {
            out.push_str(&table.text(for_terminal));
        }
        out.push_str(&self.orders_text());
        out.truncate(out.trim_end().len());
        out
    }

    fn head(&self) -> String {
        let mut out = String::new();
        let Self { node, version, uptime, generation, .. } = self;
        let _ = writeln!(out, "{node}: up {}, generation {generation}, truenorth {version}\n", span(*uptime));
        if self.files.would_fail {
            let ago = span(self.time.saturating_sub(self.files.read_at));
            let _ = writeln!(
                out,
                "the files on disk have errors: an older configuration is served, and a restart would fail\n\
                 (read {ago} ago; `truenorth check` lists the errors)\n"
            );
        }
        if self.held_until.is_some() {
            out.push_str("everything stopped answering at once: endpoints keep their last states\n\n");
        }
        out.push_str(&self.silence_lines());
        out.push_str(&self.source_lines());
        out.push_str(&self.query_log_line());
        out.push_str(&self.traffic_lines());
        out
    }

    /// Returns a line for each pool whose leases are kept because none is renewed; empty if there is none.
    fn silence_lines(&self) -> String {
        // A source tells its own reason.
        let has_source = |name: &str| {
            let registered = self.pools.iter().find(|pool| pool.pool == name).and_then(|pool| pool.registered.as_ref());
            registered.is_some_and(|registered| registered.source.is_some())
        };
        let silent = self.silent.iter().filter(|pool| !has_source(pool));
        let lines = silent.map(|pool| {
            format!("no lease of pool {pool} is renewed: the last ones are kept, and their probes decide\n\n")
        });
        lines.collect()
    }

    /// Returns a line for each pool whose source cannot be used; empty if there is none.
    fn source_lines(&self) -> String {
        let line = |pool: &PoolStatus| {
            let registered = pool.registered.as_ref()?;
            let (source, why) = (registered.source.as_ref()?, registered.problem.as_ref()?);
            Some(format!("pool {}: {source} cannot be used, so the last endpoints are kept: {why}\n\n", pool.pool))
        };
        self.pools.iter().filter_map(line).collect()
    }

    fn is_in_trouble(&self) -> bool {
        let is_cut_off = self.fleet.as_ref().is_some_and(|fleet| !fleet.connected);
        let is_unlogged = self.query_log.as_ref().is_some_and(|log| !log.up);
        !self.silent.is_empty() || self.files.would_fail || self.held_until.is_some() || is_unlogged || is_cut_off
    }

    /// Returns a line about a query log that lacks answers; empty if it lacks none, or there is no query log.
    fn query_log_line(&self) -> String {
        match &self.query_log {
            Some(QueryLogStatus { up: false, lost, .. }) => {
                format!(
                    "the query log cannot be written, and {lost} answers are missing in it: the node's log has the reason\n\n"
                )
            }
            Some(QueryLogStatus { lost: lost @ 1.., .. }) => {
                format!("{lost} answers are missing in the query log: its sink did not take them in time\n")
            }
            _ => String::new(),
        }
    }

    fn datacenters_table(&self) -> TextTable {
        let mut table = TextTable::new(&["DATACENTER", "ENDPOINTS", "UP", "DOWN", "OUT", "ANSWERS"]);
        for DatacenterStatus { datacenter, endpoints, share, .. } in &self.datacenters {
            let color = match (endpoints.in_use(), endpoints.down) {
                (0, _) if endpoints.all() > 0 => RED,
                (_, 1..) => YELLOW,
                _ => "",
            };
            let counts =
                [endpoints.all(), endpoints.in_use(), endpoints.down, endpoints.out()].map(|count| count.to_string());
            let share = share.map_or_else(|| "none yet".to_owned(), |share| Percent(share).to_string());
            let name = datacenter.clone().unwrap_or_else(|| "(none)".to_owned());
            table.push([vec![name], counts.into(), vec![share]].concat(), color);
        }
        table
    }

    /// Returns the table of names that no usable pool answers for, or that have orders of their own.
    fn wrong_names_table(&self) -> TextTable {
        let mut table = TextTable::new(&["NAME", "ANSWERED BY", "POOLS USABLE", "ORDERS"]);
        let wrong = |name: &&NameStatus| name.rung != "usable" || !orders_of(name).is_empty();
        let mut names = self.names.iter().filter(wrong);
        for name in names.by_ref().take(MOST_WRONG) {
            let color = if name.rung == "usable" { YELLOW } else { RED };
            let usable = format!("{} of {}", name.usable, name.pools.len());
            table.push(vec![name.name.clone(), answered_by(name), usable, orders_of(name)], color);
        }
        if let more @ 1.. = names.count() {
            table.push(vec![format!("and {more} more"), String::new(), String::new(), String::new()], "");
        }
        table
    }

    fn wrong_endpoints_table(&self) -> TextTable {
        let mut table = TextTable::new(&["POOL", "ENDPOINT", "STATE", "WHY"]);
        let all = self.pools.iter().flat_map(|pool| pool.endpoints.iter().map(move |endpoint| (pool, endpoint)));
        let wrong = |(_, endpoint): &(&PoolStatus, &EndpointStatus)| endpoint.why.is_some() || endpoint.restless;
        let mut endpoints = all.filter(wrong);
        for (pool, endpoint) in endpoints.by_ref().take(MOST_WRONG) {
            let unconfirmed = || format!("unconfirmed: {}", endpoint.last_seen());
            let why = endpoint.why.clone().unwrap_or_else(unconfirmed);
            table.push(vec![pool.pool.clone(), endpoint.endpoint.clone(), state(endpoint), why], color(endpoint));
        }
        if let more @ 1.. = endpoints.count() {
            table.push(vec![format!("and {more} more"), String::new(), String::new(), String::new()], "");
        }
        table
    }

    fn orders_text(&self) -> String {
        if self.orders.is_empty() {
            return String::new();
        }
        let list = OverrideList { overrides: self.orders.clone(), time: self.time, ..OverrideList::default() };
        format!("{list}\n")
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
            let _ = writeln!(
                lines,
                "the kernel dropped {dropped_queries} queries: more came over UDP than the workers could read"
            );
        }
        if refused_connections > 0 {
            let _ = writeln!(
                lines,
                "the kernel refused {refused_connections} DNS connections: more came than could be accepted"
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
                "{closed_connections} DNS connections were closed to make room for others: the limit is {most_connections}"
            );
        }
        if cut_transfers > 0 {
            let _ = writeln!(lines, "{cut_transfers} zone transfers took too long and were cut off");
        }
        if closed_admin_connections > 0 {
            let _ = writeln!(
                lines,
                "{closed_admin_connections} connections to the admin server were closed to make room for others"
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
}

/// Returns the best source of answers for a name, in words.
fn answered_by(name: &NameStatus) -> String {
    match (name.rung.as_str(), &name.fallback) {
        ("usable", _) => "usable pools".to_owned(),
        ("below_minimum", _) => "pools below min_healthy".to_owned(),
        ("held", _) => "pools that failback holds back".to_owned(),
        ("draining", _) => "draining endpoints".to_owned(),
        ("fallback", Some(fallback)) => format!("fallback {fallback}"),
        ("all_down", _) => "all_down: nothing is up".to_owned(),
        ("forced_down", _) => "nothing: forced down".to_owned(),
        (rung, _) => rung.to_owned(),
    }
}

/// Returns the orders for the name itself; empty if there are none.
fn orders_of(name: &NameStatus) -> String {
    let pools = |what: &str, pools: &[String]| (!pools.is_empty()).then(|| format!("{what} {}", pools.join(" ")));
    let orders = [name.mode.clone(), pools("drain", &name.drained), pools("force-down", &name.forced_down)];
    orders.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
