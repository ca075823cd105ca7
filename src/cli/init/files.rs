//! The two files that `truenorth init` writes.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::answers::{Answers, Datacenter, Endpoints, Probe};
use crate::quoted::Quoted;

/// The folder in which the Debian package has the schemas, for editors.
pub(super) const SCHEMAS: &str = "/usr/share/truenorth/schemas";

/// The comment above addresses that only this machine can reach.
const TRIAL: &str =
    "# Only this machine can reach these addresses. To serve the world, write the public ones: [\"192.0.2.53:53\"]\n";

/// The contents of a server file.
pub(super) struct ServerFile<'a> {
    /// The addresses that it listens on.
    pub(super) listen: &'a [SocketAddr],
    /// The database that locates clients.
    pub(super) geoip: Option<&'a Path>,
    /// True if the schemas are on this machine.
    pub(super) schemas: bool,
}

impl ServerFile<'_> {
    pub(super) fn render(&self) -> String {
        let Self { listen, geoip, schemas } = self;
        let schema = schema("server", *schemas);
        let listen: Vec<String> = listen.iter().map(|address| format!("\"{address}\"")).collect();
        let listen = listen.join(", ");
        let databases = geoip.map_or_else(String::new, |path| Quoted(&path.display().to_string()).to_string());
        let is_trial = self.listen.iter().all(|address| address.ip().is_loopback());
        let to_serve = if is_trial { TRIAL } else { "" };
        format!(
            "{schema}# The server file. Paths are relative to its folder. `truenorth schema server` prints all keys.

zones = \"zones\"    # every *.toml and *.zone in this folder is a zone, named after its origin
state = \"state\"    # the state that the node keeps over a restart

[listen]
{to_serve}dns = [{listen}]    # UDP and TCP

[geoip]
databases = [{databases}]    # MMDB files; they locate clients

[ecs]
enabled = true        # use EDNS Client Subnet when a resolver sends it
max_source_v4 = 24    # longer source prefixes are cut to this length
max_source_v6 = 56

[admin]               # `truenorth status`, `drain` and the other commands reach the node here
socket = \"state/admin.sock\"
# listen = \"127.0.0.1:8053\"    # the same over HTTP, for a browser and for Prometheus
"
        )
    }
}

/// The contents of a zone file.
pub(super) struct ZoneFile<'a> {
    pub(super) answers: &'a Answers,
    /// The service, a name below the zone.
    pub(super) service: &'a str,
    /// True if the server file has a database that locates clients.
    pub(super) located: bool,
    /// True if the schemas are on this machine.
    pub(super) schemas: bool,
}

impl ZoneFile<'_> {
    pub(super) fn render(&self) -> String {
        let Self { answers, service, located, schemas } = self;
        let Answers { origin, nameservers, datacenters, endpoints, probe } = answers;
        let mut text = schema("zone", *schemas);
        let _ = write!(
            text,
            "# The zone {origin}, after the name of this file. `truenorth schema zone` prints all keys.
# Names are relative to the zone. A final dot makes a name absolute. Names with a dot, `*` or `@` are quoted.

ttl = 30    # TTL of steered answers in seconds

[nameservers]    # the zone's NS records, and the addresses of the nameservers
"
        );
        for nameserver in nameservers {
            let name = nameserver.inside(origin).map_or_else(|| nameserver.absolute(origin), str::to_owned);
            let _ = writeln!(text, "{} = [{}]", key(&name), list(&nameserver.addresses));
        }
        if nameservers.len() > 1 {
            text.push_str(
                "
[soa]
serial = 1    # increase it with each change, so that the nameservers agree; all of them have the same files
",
            );
        }
        text.push_str("\n[datacenters]    # degrees north and east\n");
        for Datacenter { name, latitude, longitude } in datacenters {
            let _ = writeln!(text, "{name} = {{ latitude = {latitude:?}, longitude = {longitude:?} }}");
        }
        text.push_str(&regions(datacenters, *located));
        text.push_str(&monitor(service, probe));
        let _ = write!(text, "\n[pools.{service}]    # the endpoints of the service in each datacenter\n");
        if *probe != Probe::None {
            let _ = writeln!(text, "monitor = \"{service}\"");
        }
        for Endpoints { datacenter, addresses } in endpoints {
            let _ = writeln!(text, "endpoints.{datacenter} = [{}]", list(addresses));
        }
        let steer = steer(datacenters.len(), *located);
        let _ = write!(
            text,
            "
[names.{service}]    # {service}.{origin}, A and AAAA
pools = [\"{service}\"]
steer = {steer}

# Static records of any type:
# [records.\"@\"]
# TXT = [\"v=spf1 -all\"]
"
        );
        text
    }
}

/// Returns the steps of the name, with a comment.
fn steer(datacenters: usize, located: bool) -> &'static str {
    match (datacenters, located) {
        (0 | 1, _) => "[]    # one datacenter: nothing to choose",
        (_, true) => "[\"region\", \"distance\"]    # the region decides, then the nearest datacenter",
        (_, false) => "[\"region\"]    # the first datacenter of the client's region that is up",
    }
}

/// Returns the regions: the default one, and an example of another.
fn regions(datacenters: &[Datacenter], located: bool) -> String {
    let [first, others @ ..] = datacenters else { return String::new() };
    if others.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = datacenters.iter().map(|datacenter| format!("\"{}\"", datacenter.name)).collect();
    let quoted = quoted.join(", ");
    let (prefer, why) = if located {
        (format!("[[{quoted}]]"), "the inner list is a tie: the next step, `distance`, decides")
    } else {
        (format!("[{quoted}]"), "best first. With a database in [geoip], regions can be continents and countries")
    };
    format!(
        "
[regions.default]    # all clients that no other region names
prefer = {prefer}    # {why}

# A region of its own for some clients:
# [regions.office]
# clients = [\"203.0.113.0/24\"]    # also continent:EU, country:DE, subdivision:US-HI, asn:64496
# prefer = [\"{}\"]
",
        first.name
    )
}

fn monitor(service: &str, probe: &Probe) -> String {
    let keys = match probe {
        Probe::None => {
            return "\n# Nothing is probed: every endpoint counts as up. docs/health.md lists the monitors.\n"
                .to_owned();
        }
        Probe::Tcp { port } => format!("type = \"tcp\"    # an accepted connection is enough\nport = {port}\n"),
        Probe::Http { tls, port, path } => {
            let kind = if *tls { "https" } else { "http" };
            format!("type = \"{kind}\"    # a status from 200 to 399 is good\nport = {port}\npath = \"{path}\"\n")
        }
    };
    format!(
        "
[monitors.{service}]    # each endpoint is probed like this
{keys}interval = \"5s\"
timeout = \"2s\"
rise = 2    # successes in a row that bring an endpoint up
fall = 3    # failures in a row that take it down
"
    )
}

/// Returns the directive with which editors find the schema; empty if the schema is not on this machine.
fn schema(file: &str, exists: bool) -> String {
    if exists { format!("#:schema {SCHEMAS}/{file}.schema.json\n") } else { String::new() }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", ")
}

/// Returns a TOML key, in quotes if it needs them.
fn key(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}
