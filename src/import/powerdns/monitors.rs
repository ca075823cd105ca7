//! The checks of Lua records as monitors.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::lua::Expression;
use crate::import::tables::Check;
use crate::import::text::Table;
use crate::import::{Report, word};

/// PowerDNS's defaults, in seconds: `lua-health-checks-interval`, and the time limit of a check.
const INTERVAL: i64 = 5;
const TIMEOUT: i64 = 2;

/// The monitors of a file, by name.
#[derive(Default)]
pub(super) struct Monitors(BTreeMap<String, Table>);

impl Monitors {
    pub(super) fn tables(self) -> Vec<Table> {
        self.0.into_values().collect()
    }

    /// Returns the name of the monitor that connects to a port.
    pub(super) fn tcp(&mut self, port: u16, options: Option<&Expression>, report: &mut Report) -> String {
        let table = Table::default().with("type", "tcp").with("port", u32::from(port));
        self.add(&format!("tcp-{port}"), table, options, report)
    }

    /// Returns the name of the monitor that asks for a URL, and where it asks if that is not the endpoint.
    pub(super) fn url(
        &mut self,
        url: &str,
        options: Option<&Expression>,
        report: &mut Report,
    ) -> Result<(String, Option<Check>), String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("`{url}` is not a URL"))?;
        let default: u16 = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(format!("`{url}` is not a URL of HTTP")),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("`{url}` has no valid port"))?)
            }
            _ => (authority, default),
        };
        let host = host.trim_matches(['[', ']']);
        let mut table = Table::default().with("type", scheme).with("port", u32::from(port)).with("path", path);
        table.set("host", host);
        if scheme == "https" {
            report.note("PowerDNS does not verify certificates, and neither do the imported monitors: verify = false");
            table.set("verify", false);
        }
        table.set("expect_status", 200);
        if let Some(text) = options.and_then(|options| options.get("stringmatch")?.text()) {
            table.set("expect_body", text);
        }
        let check = match host.parse::<IpAddr>() {
            Ok(address) => Check::Address(address, port),
            Err(_) => Check::Name(host.to_owned(), port),
        };
        let name = self.add(&word(&format!("{scheme}-{authority}{path}")), table, options, report);
        Ok((name, Some(check)))
    }

    /// Adds a monitor, unless there is the same one.
    fn add(&mut self, name: &str, mut table: Table, options: Option<&Expression>, report: &mut Report) -> String {
        let number =
            |key: &str, default: i64| options.and_then(|options| options.get(key)?.number()).unwrap_or(default);
        let interval = number("interval", INTERVAL).max(1);
        let timeout = number("timeout", TIMEOUT).max(1);
        table.set("interval", format!("{interval}s"));
        // A timeout is below the interval here.
        table.set("timeout", if timeout < interval { format!("{timeout}s") } else { format!("{}ms", interval * 900) });
        // The last check decides.
        table.set("rise", 1);
        table.set("fall", u32::try_from(number("minimumFailures", 1)).unwrap_or(1).clamp(1, 255));
        let known = ["selector", "backupSelector", "stringmatch", "interval", "timeout", "minimumFailures"];
        if let Some(Expression::Table(items)) = options {
            for key in items.iter().filter_map(|(key, _)| key.as_deref()).filter(|key| !known.contains(key)) {
                table.comment(report.note(format!("the option {key} of a check has no equal here")));
            }
        }
        for count in 1.. {
            let name = if count == 1 { name.to_owned() } else { format!("{name}-{count}") };
            table.path = vec!["monitors".to_owned(), name.clone()];
            match self.0.get(&name) {
                Some(other) if *other != table => {}
                Some(_) => return name,
                None => {
                    self.0.insert(name.clone(), table);
                    return name;
                }
            }
        }
        unreachable!("there are more numbers than monitors")
    }
}
