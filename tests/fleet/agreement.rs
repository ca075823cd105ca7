//! Three nodes agree on what is down, and each goes on alone when it is cut off.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Files, Node};
use crate::nats::Nats;
use crate::streets::Streets;
use crate::wait_until;

const NODES: [&str; 3] = ["ns1", "ns2", "ns3"];
const FRA: [&str; 2] = ["10.88.0.11", "10.88.0.12"];
const IAD: [&str; 1] = ["10.88.0.21"];
const HUB: &str = "10.88.0.9";

/// Probes every 0.4 s; two failures take an endpoint down, one success brings it up.
const ZONE: &str = "ttl = 30\n[nameservers]\nns1 = [\"127.0.0.1\"]\n\
    [datacenters]\nfra = { latitude = 50, longitude = 8, country = \"DE\" }\niad = { latitude = 38, longitude = -77 }\n\
    [regions.default]\nprefer = [\"fra\", \"iad\"]\n\
    [monitors.web]\ntype = \"tcp\"\nport = 5353\ninterval = \"400ms\"\ntimeout = \"300ms\"\nfall = 2\nrise = 1\n\
    [pools.web]\nmonitor = \"web\"\nendpoints.fra = [\"10.88.0.11\", \"10.88.0.12\"]\nendpoints.iad = [\"10.88.0.21\"]\n\
    [names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n";

/// The same endpoints in another order, under other names: identities do not depend on either.
const OTHER_ZONE: &str = "ttl = 30\n[nameservers]\nns1 = [\"127.0.0.1\"]\n\
    [datacenters]\niad = { latitude = 38, longitude = -77 }\nfra = { latitude = 50, longitude = 8, country = \"DE\" }\n\
    [regions.default]\nprefer = [\"fra\", \"iad\"]\n\
    [monitors.another]\ntype = \"tcp\"\nport = 5353\ninterval = \"500ms\"\ntimeout = \"300ms\"\nfall = 2\nrise = 1\n\
    [pools.sites]\nmonitor = \"another\"\nendpoints.iad = [\"10.88.0.21\"]\nendpoints.fra = [\"10.88.0.12\", \"10.88.0.11\"]\n\
    [names.www]\npools = [\"sites\"]\nsteer = [\"region\"]\n";

/// Three nodes, their NATS server and two datacenters.
struct Fleet {
    streets: Streets,
    nats: Nats,
    nodes: Vec<(Files, Node)>,
    _datacenters: [Node; 2],
}

impl Fleet {
    /// Returns when all nodes hear each other, and answer with Frankfurt. `None` if the system forbids network namespaces.
    fn start() -> Option<Self> {
        let places: [(&str, &[&str]); 6] = [
            ("ns1", &["10.88.0.1"]),
            ("ns2", &["10.88.0.2"]),
            ("ns3", &["10.88.0.3"]),
            ("nats", &[HUB]),
            ("fra", &FRA),
            ("iad", &IAD),
        ];
        let streets = Streets::pave(&places)?;
        let server = format!("{HUB}:4222").parse().expect("an address");
        let nats = Nats::start(Some(&streets.namespace("nats")), server, &NODES);
        let datacenters = [("fra", &FRA[..]), ("iad", &IAD[..])].map(|(place, addresses)| {
            let listen: Vec<String> = addresses.iter().map(|address| format!("\"{address}:5353\"")).collect();
            let server = format!("[listen]\ndns = [\"127.0.0.1:0\", {}]\n", listen.join(", "));
            let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n";
            Files::new(&server, &[("example.org.toml", zone)]).serve_in(&streets.namespace(place))
        });
        let nodes = NODES.map(|name| {
            let zone = if name == "ns3" { OTHER_ZONE } else { ZONE };
            let section = nats.section(name, name, &format!("{name}.password"));
            let server = format!(
                "site = \"fra\"\n[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n{section}"
            );
            let files = Files::new(&server, &[("example.com.toml", zone)]);
            let node = files.serve_in(&streets.namespace(name));
            (files, node)
        });
        let mut fleet = Self { streets, nats, nodes: nodes.into(), _datacenters: datacenters };
        fleet.wait_for_company();
        fleet.wait_for(&FRA, &[0, 1, 2]);
        Some(fleet)
    }

    fn ask(&self, node: usize) -> Vec<String> {
        self.streets.ask(NODES[node], &self.nodes[node].1)
    }

    #[track_caller]
    fn wait_for(&self, addresses: &[&str], nodes: &[usize]) {
        for &node in nodes {
            wait_until(&format!("{} answers with {addresses:?}", NODES[node]), || self.ask(node) == addresses);
        }
    }

    fn status(&self, node: usize) -> Value {
        let text = self.streets.command(NODES[node], &self.nodes[node].0, &["status", "--json"]);
        serde_json::from_str(&text).expect("the status is JSON")
    }

    /// Waits until all nodes know what the others see.
    fn wait_for_company(&mut self) {
        for node in 0..NODES.len() {
            wait_until("all nodes are in step and agree", || {
                let status = self.status(node);
                let points = status["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
                let in_step = points.iter().filter(|point| point["in_step"] == true && point["probes"] == 3).count();
                let witnesses = |probe: &Value| probe["fleet"]["witnesses"].as_array().map_or(0, Vec::len);
                in_step == NODES.len() && probes(&status).iter().all(|probe| witnesses(probe) == NODES.len())
            });
        }
    }

    /// The number of lines of a node's log with this text.
    fn told(&mut self, node: usize, text: &str) -> usize {
        self.nodes[node].1.log.lines().iter().filter(|line| line.contains(text)).count()
    }
}

/// The probes of all endpoints in a status.
fn probes(status: &Value) -> Vec<Value> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let endpoints = list(status, "pools").into_iter().flat_map(|pool| list(&pool, "endpoints"));
    endpoints.flat_map(|endpoint| list(&endpoint, "probes")).collect()
}

#[test]
fn one_sick_path_fails_nothing_over_and_two_fail_it_over_everywhere() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.streets.lose("ns1", "fra", &FRA);
    for _ in FRA {
        let line = fleet.nodes[0].1.log.wait_for("this node's probes see the endpoint down, the fleet does not");
        assert!(line.contains("1 of 3 vantage points see it down: ns1"), "{line}");
    }
    thread::sleep(Duration::from_secs(3));
    for node in 0..3 {
        assert_eq!(fleet.ask(node), FRA);
        assert_eq!(fleet.told(node, "endpoint is down"), 0);
    }
    let status = fleet.status(0);
    assert_eq!(status["fleet"]["overruled"], 2, "{:#}", status["fleet"]);
    let text = fleet.streets.command("ns1", &fleet.nodes[0].0, &["status"]);
    assert!(text.contains("the others overrule this node's own view of 2 probes"), "{text}");
    assert!(text.contains("connected to hub (nats-server"), "{text}");

    // The second of three loses it: all of them go elsewhere.
    fleet.streets.lose("ns2", "fra", &FRA);
    wait_until("ns2 fails over", || fleet.ask(1) == IAD);
    let agreed = Instant::now();
    fleet.wait_for(&IAD, &[0, 2]);
    assert!(agreed.elapsed() < Duration::from_secs(1), "{:?} after ns2", agreed.elapsed());
    for node in 0..3 {
        let line = fleet.nodes[node].1.log.wait_for("endpoint is down");
        assert!(line.contains("2 of 3 vantage points see it down: ns1, ns2"), "{line}");
    }
    // The third one tells who saw it, though its own probes see it up.
    let status = fleet.status(2);
    let down: Vec<Value> = probes(&status).into_iter().filter(|probe| probe["fleet"]["state"] == "down").collect();
    assert_eq!(down.len(), 2, "{:#}", status["pools"]);
    for probe in &down {
        assert_eq!((&probe["state"], &probe["fleet"]["quorum"]), (&"up".into(), &2.into()), "{probe:#}");
        let states: Vec<&str> =
            probe["fleet"]["witnesses"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["down", "down", "up"]);
    }
    let words = ["explain", "www.example.com", "--client", "192.0.2.0/24"];
    let text = fleet.streets.command("ns3", &fleet.nodes[2].0, &words);
    assert!(text.contains("2 of 3 vantage points see it down: ns1, ns2; here: ok in"), "{text}");
    let text = fleet.streets.command("ns3", &fleet.nodes[2].0, &["events"]);
    assert!(text.contains("2 of 3 vantage points see it down: ns1, ns2"), "{text}");

    fleet.streets.find("ns1", "fra");
    fleet.wait_for(&FRA, &[0, 1, 2]);
    fleet.streets.find("ns2", "fra");
    for node in 0..3 {
        wait_until("nobody is overruled any more", || fleet.status(node)["fleet"]["overruled"] == 0);
        assert_eq!(fleet.ask(node), FRA);
        assert_eq!((fleet.told(node, "endpoint is down"), fleet.told(node, "WARN node")), (2, 0));
    }
}

#[test]
fn a_node_that_is_cut_off_goes_on_by_its_own_eyes_and_heals_without_flapping() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.streets.lose("ns1", "fra", &FRA);
    fleet.nodes[0].1.log.wait_for("the fleet does not");
    assert_eq!(fleet.ask(0), FRA);
    // Now it hears nobody either, and nothing tells it: the cable is cut beyond its own network.
    fleet.streets.lose("ns1", "nats", &[HUB]);
    fleet.nodes[0].1.log.wait_for("no other node is heard any more");
    fleet.wait_for(&IAD, &[0]);
    assert_eq!((fleet.ask(1), fleet.ask(2)), (FRA.map(str::to_owned).to_vec(), FRA.map(str::to_owned).to_vec()));
    wait_until("the others no longer count on it", || {
        fleet.status(1)["fleet"]["vantage_points"].as_array().is_some_and(|points| points.len() == 2)
    });
    wait_until("its status says why", || fleet.status(0)["fleet"]["connected"] == false);
    let text = fleet.streets.command("ns1", &fleet.nodes[0].0, &["status"]);
    assert!(text.contains("ns1 is not connected for"), "{text}");

    fleet.streets.find("ns1", "nats");
    fleet.wait_for(&FRA, &[0]);
    fleet.wait_for_company();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(fleet.ask(0), FRA);
    // Each of the two endpoints fell once, alone, and rose once, with the others.
    let turns = |fleet: &mut Fleet, text: &str| fleet.told(0, text);
    let before = turns(&mut fleet, "endpoint is up");
    assert_eq!(turns(&mut fleet, "endpoint is down"), 2, "{:#?}", fleet.nodes[0].1.log.lines());
    fleet.streets.find("ns1", "fra");
    wait_until("its own probes see what the others see", || fleet.status(0)["fleet"]["overruled"] == 0);
    assert_eq!(turns(&mut fleet, "endpoint is up"), before);
    for node in [1, 2] {
        assert_eq!(fleet.told(node, "endpoint is down"), 0);
    }
}

#[test]
fn without_their_server_all_go_on_and_meet_again() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.streets.lose("ns1", "iad", &IAD);
    fleet.nodes[0].1.log.wait_for("the fleet does not");
    fleet.nats.kill();
    for node in 0..3 {
        fleet.nodes[node].1.log.wait_for("not connected to the fleet");
        fleet.nodes[node].1.log.wait_for("no other node is heard any more");
        assert_eq!(fleet.ask(node), FRA);
    }
    // Alone, the first one believes its own eyes.
    wait_until("ns1 sees it down", || fleet.told(0, "endpoint is down") == 1);
    fleet.nats.start_again();
    for node in 0..3 {
        fleet.nodes[node].1.log.wait_for("INFO connected to the fleet");
    }
    fleet.wait_for_company();
    wait_until("ns1 believes the others", || fleet.status(0)["fleet"]["overruled"] == 1);
    for node in 0..3 {
        assert_eq!(fleet.ask(node), FRA);
        assert_eq!(fleet.told(node, "endpoint is down"), usize::from(node == 0));
    }
    // One that stops says so: nobody waits for its silence.
    let (_, node) = fleet.nodes.remove(2);
    assert_eq!(node.terminate().code(), Some(0));
    for node in 0..2 {
        fleet.nodes[node].1.log.wait_for("node ns3 left: it stops");
    }
}
