//! The text that the demo of a fleet prints at its start.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::ORIGIN;
use super::endpoints::PLACES;
use super::guide::{EUROPE, Line, fmt_lines};

/// One node, in the text.
pub(super) struct NodeGuide {
    pub(super) name: &'static str,
    /// The datacenter where it stands.
    pub(super) site: &'static str,
    pub(super) dns: SocketAddr,
    pub(super) admin: SocketAddr,
    /// Where its line to the NATS server is cut and mended.
    pub(super) switch: SocketAddr,
    pub(super) folder: PathBuf,
}

/// The values in the text.
pub(super) struct FleetGuide<'a> {
    pub(super) nodes: Vec<NodeGuide>,
    /// The port of the endpoints.
    pub(super) http: u16,
    /// The address and the process of the NATS server.
    pub(super) nats: (SocketAddr, u32),
    pub(super) folder: &'a Path,
}

impl fmt::Display for FleetGuide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Three nodes answer for {ORIGIN}, and tell each other over NATS what their probes see.\n")?;
        for NodeGuide { name, site, dns, admin, .. } in &self.nodes {
            writeln!(f, "  {name}  in {site}    DNS on {dns}    page: http://{admin}/")?;
        }
        writeln!(f, "\nThey probe these endpoints on port {}:\n", self.http)?;
        for place in PLACES {
            let addresses: Vec<String> = place.addresses.iter().map(ToString::to_string).collect();
            writeln!(f, "  {:<6}{:<39}{}", place.name, addresses.join("  "), place.about)?;
        }
        let parts: [(&str, Vec<Line>); 4] = [
            ("Look, in another terminal.", self.looks()),
            (
                "Break an endpoint for one node only, as if its path were broken. An endpoint is down when most nodes say so.",
                self.blows(),
            ),
            ("Cut a node from NATS. It decides alone after two seconds, and the others go on without it.", self.cuts()),
            ("Edit the zone: all three read it again when you save.", self.files()),
        ];
        for (what, lines) in parts {
            writeln!(f, "\n{what}\n")?;
            fmt_lines(f, &lines)?;
        }
        write!(f, "\nCtrl-C ends the demo and removes its folder. What happens, in seconds since the start:\n")
    }
}

impl FleetGuide<'_> {
    fn command(&self, words: &str) -> String {
        let own = std::env::args().next().unwrap_or_else(|| "truenorth".to_owned());
        let folder = self.nodes.first().map_or(self.folder, |node| &node.folder);
        format!("{own} {words} --config {}/truenorth.toml", folder.display())
    }

    fn looks(&self) -> Vec<Line> {
        let ask = |NodeGuide { dns, .. }: &NodeGuide| {
            format!("dig @{} -p {} www.{ORIGIN} +short +subnet={EUROPE}", dns.ip(), dns.port())
        };
        vec![
            ("The fleet as ns1 sees it: the nodes, and what they differ about.", self.command("fleet")),
            ("A client in the Netherlands goes to fra, whichever node it asks.", {
                let all: Vec<String> = self.nodes.iter().map(ask).collect();
                all.join("; ")
            }),
        ]
    }

    fn blows(&self) -> Vec<Line> {
        let one = format!("http://127.10.0.10:{}", self.http);
        vec![
            (
                "For ns1: nothing happens. ns1 follows the others, and `fleet` says that they differ.",
                format!("curl -X POST '{one}/break?for=ns1'"),
            ),
            (
                "For ns2 too: that is most of them. All three take it out of their answers within three seconds.",
                format!("curl -X POST '{one}/break?for=ns2'"),
            ),
            (
                "Why a client gets its answer, and who saw what.",
                self.command(&format!("explain www.{ORIGIN} --client {EUROPE}")),
            ),
            ("Mend it for all.", format!("curl -X POST {one}/mend")),
            ("An order at ns1 counts at all: they take web out of fra.", self.command("drain pool:web/fra --for 10m")),
            ("Take it back.", self.command("lift pool:web/fra")),
        ]
    }

    fn cuts(&self) -> Vec<Line> {
        let Some(first) = self.nodes.first() else { return Vec::new() };
        let NodeGuide { switch, dns, .. } = first;
        let one = format!("http://127.10.0.11:{}", self.http);
        vec![
            ("Cut ns1.", format!("curl -X POST http://{switch}/cut")),
            (
                "Break an endpoint for ns1: alone, it believes its own eyes.",
                format!("curl -X POST '{one}/break?for=ns1'"),
            ),
            (
                "ns1 no longer answers with it; the others do.",
                format!("dig @{} -p {} www.{ORIGIN} +short +subnet={EUROPE}", dns.ip(), dns.port()),
            ),
            (
                "Join ns1 again: it agrees with the others in one step, and answers with the endpoint.",
                format!("curl -X POST http://{switch}/mend"),
            ),
            ("Mend the endpoint.", format!("curl -X POST {one}/mend")),
            (
                "Make the NATS server hang, and go on: each node decides alone meanwhile.",
                format!("kill -STOP {0}; sleep 10; kill -CONT {0}", self.nats.1),
            ),
        ]
    }

    fn files(&self) -> Vec<Line> {
        let folder = self.folder.display();
        let at = self.nats.0;
        vec![
            ("The zone file.", format!("{folder}/zones/{ORIGIN}.toml")),
            (
                "What the nodes say, if you have the nats command.",
                format!("nats sub -s nats://{at} 'truenorth.main.>'"),
            ),
        ]
    }
}
