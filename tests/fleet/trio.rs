//! Three nodes that share orders over JetStream.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::{Files, Node};
use crate::nats::Nats;
use crate::wait_until;
use crate::way::Way;

pub(crate) const NAMES: [&str; 3] = ["ns1", "ns2", "ns3"];

/// An order is to be in the answers of all nodes within this time.
const SOON: Duration = Duration::from_secs(1);

pub(crate) const ZONE: &str = "ttl = 30\n[nameservers]\nns1 = [\"127.0.0.1\"]\n\
    [datacenters]\nfra = { latitude = 50, longitude = 8 }\niad = { latitude = 38, longitude = -77 }\n\
    sin = { latitude = 1, longitude = 103 }\n\
    [regions.default]\nprefer = [\"fra\", \"iad\", \"sin\"]\n\
    [pools.web]\nendpoints.fra = [\"192.0.2.1\"]\nendpoints.iad = [\"198.51.100.1\"]\n\
    [pools.blue]\ndatacenter = \"sin\"\nendpoints = [\"192.0.2.7\"]\n\
    [pools.green]\ndatacenter = \"sin\"\nendpoints = [\"192.0.2.8\"]\n\
    [pools.spots]\ndatacenter = \"sin\"\nregistered = { prefixes = [\"203.0.113.0/24\"] }\n\
    [names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n\
    [names.app]\npools = [\"blue\", \"green\"]\nactive = \"blue\"\n\
    [names.spot]\npools = [\"spots\"]\n";

pub(crate) const FRA: &str = "192.0.2.1";
pub(crate) const IAD: &str = "198.51.100.1";

/// Three nodes, and a NATS server with JetStream; the way of each to it can be cut.
pub(crate) struct Trio {
    pub(crate) nats: Nats,
    pub(crate) ways: Vec<Way>,
    pub(crate) nodes: Vec<(Files, Option<Node>)>,
}

impl Trio {
    /// Returns when all three share orders.
    pub(crate) fn start() -> Self {
        Self::start_with(ZONE, Nats::jetstream)
    }

    pub(crate) fn start_with(zone: &str, settings: impl Fn(&str) -> String) -> Self {
        Self::start_each(&[("example.com.toml", zone)], settings, |_| String::new())
    }

    /// Starts nodes with these zone files, each with more at the end of its `[fleet]`.
    pub(crate) fn start_each(
        zones: &[(&str, &str)],
        settings: impl Fn(&str) -> String,
        more: impl Fn(&str) -> String,
    ) -> Self {
        let nats = Nats::start_with(None, "127.0.0.1:0".parse().expect("an address"), &NAMES, settings);
        let ways: Vec<Way> = NAMES.iter().map(|_| Way::to(nats.address())).collect();
        let nodes = NAMES.iter().zip(&ways).map(|(name, way)| {
            let section = format!("{}{}", nats.section_by(way.address(), name), more(name));
            let server = format!(
                "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\nsocket = \"admin.sock\"\n{section}"
            );
            let files = Files::new(&server, zones);
            let node = files.serve();
            (files, Some(node))
        });
        let nodes = nodes.collect();
        Self { nats, ways, nodes }
    }

    pub(crate) fn wait_until_shared(&mut self) {
        (0..3).for_each(|number| wait_until_shared(self.node_mut(number)));
    }

    pub(crate) fn node(&self, number: usize) -> &Node {
        self.nodes[number].1.as_ref().expect("it runs")
    }

    pub(crate) fn node_mut(&mut self, number: usize) -> &mut Node {
        self.nodes[number].1.as_mut().expect("it runs")
    }

    /// Gives an order at a node. Returns what is printed.
    #[track_caller]
    pub(crate) fn order(&self, number: usize, words: &str) -> String {
        let ran = self.nodes[number].0.run(words);
        assert_eq!(ran.code, Some(0), "{words}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    pub(crate) fn kill(&mut self, number: usize) {
        // The harness kills a node that is dropped.
        self.nodes[number].1 = None;
    }

    pub(crate) fn start_again(&mut self, number: usize) {
        let node = self.nodes[number].0.serve();
        self.nodes[number].1 = Some(node);
    }

    pub(crate) fn answers(&self, number: usize, words: &str) -> Vec<String> {
        let mut data: Vec<String> = self.node(number).dig(words).data().into_iter().map(str::to_owned).collect();
        data.sort();
        data
    }

    /// Waits until these nodes have this answer. Returns how long that took.
    #[track_caller]
    pub(crate) fn wait_for(&self, nodes: &[usize], words: &str, data: &[&str]) -> Duration {
        let begun = Instant::now();
        for &number in nodes {
            wait_until(&format!("{} answers {words} with {data:?}", NAMES[number]), || {
                self.answers(number, words) == data
            });
        }
        begun.elapsed()
    }

    /// The same, within a second.
    #[track_caller]
    pub(crate) fn soon(&self, words: &str, data: &[&str]) {
        let took = self.wait_for(&[0, 1, 2], words, data);
        assert!(took < SOON, "{words}: {took:?}");
        println!("{words} with {data:?} at all nodes after {took:?}");
    }

    pub(crate) fn events(&self, number: usize) -> String {
        self.order(number, "events --json")
    }
}

/// Asks an admin server. Returns head and body.
pub(crate) fn http(admin: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(admin).expect("it listens");
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n");
    let length = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(format!("{head}{length}").as_bytes()).expect("it reads");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

pub(crate) fn claim(trio: &Trio, number: usize, id: &str, address: &str) {
    let body = format!("{{\"address\":\"{address}\",\"ttl\":\"30s\"}}");
    let said = http(trio.node(number).admin(), "PUT", &format!("/v1/pools/spots/endpoints/{id}"), &body);
    assert!(said.starts_with("HTTP/1.1 20"), "{said}");
}

/// Waits until a node that was just started says that it shares orders.
#[track_caller]
pub(crate) fn wait_until_shared(node: &mut Node) {
    node.log.wait_for("orders are shared with the fleet");
}
