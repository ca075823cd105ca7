//! The text that the demo prints at its start: what is served, and commands to try.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::ORIGIN;
use super::endpoints::PLACES;

/// The values in the text.
pub(super) struct Guide<'a> {
    /// The address that answers DNS.
    pub(super) dns: SocketAddr,
    /// The address of the page.
    pub(super) admin: SocketAddr,
    /// The port of the endpoints.
    pub(super) http: u16,
    /// The addresses and the port that the arguments asked for.
    pub(super) asked: (SocketAddr, SocketAddr, u16),
    /// The folder of the sample configuration.
    pub(super) folder: &'a Path,
}

/// Networks that every database locates on these continents. They belong to an address registry and two universities.
pub(super) const EUROPE: &str = "193.0.6.0/24";
const AMERICA: &str = "128.6.1.0/24";
const ASIA: &str = "133.11.0.0/24";

impl fmt::Display for Guide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Open http://{}/ in a browser to see what happens.\n", self.admin)?;
        writeln!(
            f,
            "truenorth answers for {ORIGIN} on {} and simulates its datacenters on port {}.",
            self.dns, self.http
        )?;
        self.fmt_ports(f)?;
        writeln!(f)?;
        for place in PLACES {
            let addresses: Vec<String> = place.addresses.iter().map(ToString::to_string).collect();
            writeln!(f, "  {:<6}{:<39}{}", place.name, addresses.join("  "), place.about)?;
        }
        writeln!(f, "\nAsk, in another terminal. +subnet says where the client is, as its resolver would.\n")?;
        fmt_lines(f, &self.questions())?;
        writeln!(
            f,
            "\nBreak things and ask again. An endpoint that is down leaves the answers within two or three seconds.\n"
        )?;
        fmt_lines(f, &self.blows())?;
        writeln!(
            f,
            "\nEdit the zone. It is read again when you save; a mistake is reported with its line and column.\n"
        )?;
        fmt_lines(f, &self.files())?;
        write!(f, "\nCtrl-C ends the demo and removes that folder. What happens, in seconds since the start:\n")
    }
}

/// An explanation, and the command to copy.
pub(super) type Line = (&'static str, String);

/// Writes each explanation above its command. It is not behind the command, because some shells do not accept comments
/// there.
pub(super) fn fmt_lines(f: &mut fmt::Formatter<'_>, lines: &[Line]) -> fmt::Result {
    lines.iter().try_for_each(|(what, line)| writeln!(f, "  {what}\n      {line}"))
}

impl Guide<'_> {
    fn fmt_ports(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dns, admin, http) = self.asked;
        if dns.port() != 0 && dns.port() != self.dns.port() {
            writeln!(f, "Another process uses {dns}, so the kernel chose port {}.", self.dns.port())?;
        }
        if admin.port() != 0 && admin.port() != self.admin.port() {
            writeln!(f, "Another process uses {admin}, so the kernel chose port {}.", self.admin.port())?;
        }
        if http != 0 && http != self.http {
            writeln!(
                f,
                "Another process uses port {http} on one of their addresses, so the kernel chose port {}.",
                self.http
            )?;
        }
        Ok(())
    }

    fn questions(&self) -> Vec<Line> {
        let canary = self.dig("api", "+short", EUROPE);
        vec![
            (
                "A client in the Netherlands goes to fra. Ask twice: the addresses rotate.",
                self.dig("www", "+short", EUROPE),
            ),
            ("One in New Jersey goes to iad.", self.dig("www", "+short", AMERICA)),
            ("One in Japan goes to sin.", self.dig("www", "+short", ASIA)),
            ("The whole answer: its TTL, and the scope that it holds for.", self.dig("www", "", EUROPE)),
            (
                "A canary: one answer in ten is 127.10.0.20.",
                format!("for i in $(seq 100); do {canary} | tail -n 1; done | sort | uniq -c"),
            ),
            ("Failover: iad for everybody, as long as it is alive.", self.dig("files", "+short", ASIA)),
            ("A wildcard, with its own order for Europe: iad first.", self.dig("shop.apps", "+short", EUROPE)),
            ("What the server knows about the client.", self.dig("whoami", "TXT +short", ASIA)),
        ]
    }

    fn dig(&self, name: &str, options: &str, client: &str) -> String {
        let address = match self.dns.ip() {
            IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            address => address,
        };
        let blank = if options.is_empty() { "" } else { " " };
        format!("dig @{address} -p {} {name}.{ORIGIN}{blank}{options} +subnet={client}", self.dns.port())
    }

    fn blows(&self) -> Vec<Line> {
        let port = self.http;
        let one = format!("http://127.10.0.10:{port}");
        let all = format!("http://127.{{10,20,30}}.0.10:{port}");
        vec![
            ("See which endpoint answers.", format!("curl {one}/")),
            ("Break it.", format!("curl -X POST {one}/break")),
            ("Mend it.", format!("curl -X POST {one}/mend")),
            ("Break all of fra: Europe goes to the next datacenter.", format!("curl -X POST {one}/datacenter/break")),
            ("Break everything: www falls back to sorry.", format!("curl -X POST {all}/datacenter/break")),
            ("Mend everything.", format!("curl -X POST {all}/datacenter/mend")),
        ]
    }

    fn files(&self) -> Vec<Line> {
        let folder = self.folder.display();
        let own = std::env::args().next().unwrap_or_else(|| "truenorth".to_owned());
        let config = format!("--config {folder}/truenorth.toml");
        vec![
            ("The zone file.", format!("{folder}/zones/{ORIGIN}.toml")),
            ("Check it: every fault is shown.", format!("{own} check {config}")),
            (
                "Why a client gets its answer, if fra were down.",
                format!("{own} explain www.{ORIGIN} --client {EUROPE} --down dc:fra {config}"),
            ),
        ]
    }
}
