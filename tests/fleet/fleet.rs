//! A fleet of nodes in network namespaces, and two datacenters that they probe.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::{Files, Node};
use crate::nats::{LEAF, Nats};
use crate::streets::Streets;
use crate::wait_until;

pub(crate) const FRA: [&str; 2] = ["10.88.0.11", "10.88.0.12"];
pub(crate) const IAD: [&str; 1] = ["10.88.0.21"];

/// The NATS server of all, or of the first two nodes; and of the others.
pub(crate) const HUB: &str = "10.88.0.9";
const LEAF_HUB: &str = "10.88.0.8";

/// Probes every 0.4 s; two failures take an endpoint down, one success brings it up.
const ZONE: &str = "ttl = 30\n[nameservers]\nns1 = [\"127.0.0.1\"]\n\
    [datacenters]\nfra = { latitude = 50, longitude = 8, country = \"DE\" }\niad = { latitude = 38, longitude = -77 }\n\
    [regions.default]\nprefer = [\"fra\", \"iad\"]\n\
    [monitors.web]\ntype = \"tcp\"\nport = 5353\ninterval = \"400ms\"\ntimeout = \"300ms\"\nfall = 2\nrise = 1\n\
    [pools.web]\nmonitor = \"web\"\nendpoints.fra = [\"10.88.0.11\", \"10.88.0.12\"]\nendpoints.iad = [\"10.88.0.21\"]\n\
    [names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n[names.near]\npools = [\"web\"]\nsteer = [\"latency\"]\n";

/// The same endpoints in another order, under other names: identities do not depend on either.
const OTHER_ZONE: &str = "ttl = 30\n[nameservers]\nns1 = [\"127.0.0.1\"]\n\
    [datacenters]\niad = { latitude = 38, longitude = -77 }\nfra = { latitude = 50, longitude = 8, country = \"DE\" }\n\
    [regions.default]\nprefer = [\"fra\", \"iad\"]\n\
    [monitors.another]\ntype = \"tcp\"\nport = 5353\ninterval = \"500ms\"\ntimeout = \"300ms\"\nfall = 2\nrise = 1\n\
    [pools.sites]\nmonitor = \"another\"\nendpoints.iad = [\"10.88.0.21\"]\nendpoints.fra = [\"10.88.0.12\", \"10.88.0.11\"]\n\
    [names.www]\npools = [\"sites\"]\nsteer = [\"region\"]\n[names.near]\npools = [\"sites\"]\nsteer = [\"latency\"]\n";

/// Nodes, their NATS servers and two datacenters.
pub(crate) struct Fleet {
    pub(crate) streets: Streets,
    pub(crate) nats: Vec<Nats>,
    pub(crate) nodes: Vec<(Files, Node)>,
    names: Vec<&'static str>,
    _datacenters: [Node; 2],
}

impl Fleet {
    /// Three nodes and a server. Returns when all hear each other, and answer with Frankfurt. `None` if the system forbids
    /// network namespaces.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with further keys in `[fleet]`.
    pub(crate) fn start_with(keys: &str) -> Option<Self> {
        let names = ["ns1", "ns2", "ns3"];
        let streets = pave(&names)?;
        let nats = vec![Nats::start(Some(&streets.namespace("nats")), at(HUB, 4222), &names)];
        Some(Self::with(streets, nats, &names, keys))
    }

    /// Four nodes. The last two have a server of their own, which is a leaf of the other one.
    pub(crate) fn with_leaf() -> Option<Self> {
        let names = ["ns1", "ns2", "ns3", "ns4"];
        let streets = pave(&names)?;
        let hub = Nats::start_with(Some(&streets.namespace("nats")), at(HUB, 4222), &names, |path| {
            format!(
                "leafnodes {{ listen: \"{HUB}:7422\"\n\
                 tls {{ cert_file: \"{path}/server.pem\", key_file: \"{path}/server.key\", timeout: 10 }} }}"
            )
        });
        let authority = hub.path("server.pem").display().to_string();
        let leaf = Nats::start_with(Some(&streets.namespace("leaf")), at(LEAF_HUB, 4222), &names, |_| {
            format!(
                "leafnodes {{ reconnect: 1\nremotes: [ {{ url: \"tls://leaf:{LEAF}@{HUB}:7422\", account: FLEET, \
                 tls {{ ca_file: \"{authority}\", timeout: 10 }} }} ] }}"
            )
        });
        Some(Self::with(streets, vec![hub, leaf], &names, ""))
    }

    /// The third node's files list the same in another order.
    fn with(streets: Streets, nats: Vec<Nats>, names: &[&'static str], keys: &str) -> Self {
        let datacenters = [("fra", &FRA[..]), ("iad", &IAD[..])].map(|(place, addresses)| {
            let listen: Vec<String> = addresses.iter().map(|address| format!("\"{address}:5353\"")).collect();
            let server = format!("[listen]\ndns = [\"127.0.0.1:0\", {}]\n", listen.join(", "));
            let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n";
            Files::new(&server, &[("example.org.toml", zone)]).serve_in(&streets.namespace(place))
        });
        let nodes = names.iter().enumerate().map(|(number, name)| {
            let zone = if *name == "ns3" { OTHER_ZONE } else { ZONE };
            let section = nats[(number / 2).min(nats.len() - 1)].section(name, name, &format!("{name}.password"));
            let server = format!(
                "site = \"fra\"\n[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n{section}{keys}"
            );
            let files = Files::new(&server, &[("example.com.toml", zone)]);
            let node = files.serve_in(&streets.namespace(name));
            (files, node)
        });
        let nodes = nodes.collect();
        let mut fleet = Self { streets, nats, nodes, names: names.to_vec(), _datacenters: datacenters };
        if keys.is_empty() {
            fleet.wait_for_company();
        }
        let all: Vec<usize> = (0..names.len()).collect();
        fleet.wait_for(&FRA, &all);
        fleet
    }

    pub(crate) fn name(&self, node: usize) -> &'static str {
        self.names[node]
    }

    pub(crate) fn ask(&self, node: usize) -> Vec<String> {
        self.streets.ask(self.names[node], &self.nodes[node].1)
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, addresses: &[&str], nodes: &[usize]) {
        for &node in nodes {
            wait_until(&format!("{} answers with {addresses:?}", self.names[node]), || self.ask(node) == addresses);
        }
    }

    pub(crate) fn status(&self, node: usize) -> Value {
        let text = self.streets.command(self.names[node], &self.nodes[node].0, &["status", "--json"]);
        serde_json::from_str(&text).expect("the status is JSON")
    }

    /// The number of nodes that a node hears, itself included.
    pub(crate) fn heard(&self, node: usize) -> usize {
        self.status(node)["fleet"]["vantage_points"].as_array().map_or(0, Vec::len)
    }

    /// Waits until all nodes know what the others see.
    pub(crate) fn wait_for_company(&mut self) {
        let count = self.names.len();
        for node in 0..count {
            wait_until("all nodes are in step and agree", || {
                let status = self.status(node);
                let points = status["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
                let in_step = points.iter().filter(|point| point["in_step"] == true && point["probes"] == 3).count();
                let witnesses = |probe: &Value| probe["fleet"]["witnesses"].as_array().map_or(0, Vec::len);
                in_step == count && probes(&status).iter().all(|probe| witnesses(probe) == count)
            });
        }
    }

    /// The number of lines of a node's log with this text.
    pub(crate) fn told(&mut self, node: usize, text: &str) -> usize {
        self.nodes[node].1.log.lines().iter().filter(|line| line.contains(text)).count()
    }
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

/// A namespace for each node, for two NATS servers and for each datacenter.
fn pave(names: &[&str]) -> Option<Streets> {
    let own: Vec<(&str, [String; 1])> =
        (1..).zip(names).map(|(number, &name)| (name, [format!("10.88.0.{number}")])).collect();
    let own: Vec<(&str, Vec<&str>)> = own.iter().map(|(name, [address])| (*name, vec![address.as_str()])).collect();
    let mut places: Vec<(&str, &[&str])> = own.iter().map(|(name, addresses)| (*name, &addresses[..])).collect();
    places.extend([("nats", &[HUB][..]), ("leaf", &[LEAF_HUB][..]), ("fra", &FRA[..]), ("iad", &IAD[..])]);
    Streets::pave(&places)
}

/// Fails unless a value has the shape that the description of the API promises.
#[track_caller]
pub(crate) fn expect_shape(value: &Value, name: &str) {
    expect_schema(value, name);
    assert!(value["fleet"].is_object(), "{value:#}");
}

/// Compares a value with a schema of the OpenAPI document.
#[track_caller]
pub(crate) fn expect_schema(value: &Value, name: &str) {
    let document: Value = serde_json::from_str(include_str!("../../src/admin/openapi.json")).expect("it is JSON");
    let schema = json!({
        "components": document["components"],
        "allOf": [{ "$ref": format!("#/components/schemas/{name}") }]
    });
    let validator = jsonschema::draft202012::new(&schema).expect("it is a schema");
    let faults: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{value:#}");
}

/// The probes of all endpoints in a status.
pub(crate) fn probes(status: &Value) -> Vec<Value> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let endpoints = list(status, "pools").into_iter().flat_map(|pool| list(&pool, "endpoints"));
    endpoints.flat_map(|endpoint| list(&endpoint, "probes")).collect()
}
