//! Those who may only read change nothing, and what is no message of the fleet is counted and ignored.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::fleet::expect_shape;
use crate::harness::{Files, Node, SERVER, places};
use crate::nats::Nats;
use crate::wait_until;

const ANY: SocketAddr = ANY_PORT;

/// Two nodes that probe two endpoints on loopback.
struct Pair {
    nats: Nats,
    nodes: [(Files, Node); 2],
    endpoints: [Endpoint; 2],
}

impl Pair {
    fn start(environment: &[(&str, &Path)]) -> Self {
        let nats = Nats::start(None, ANY, &["ns1", "ns2", "ns3"]);
        let endpoints = ["127.25.0.1", "127.25.0.2"].map(|address| {
            let address: std::net::IpAddr = address.parse().expect("an address");
            Endpoint::start((address, 0).into(), Script::status(200))
        });
        let nodes = ["ns1", "ns2"].map(|name| {
            let files = files(&nats, name, name, &format!("{name}.password"), &endpoints);
            let node = if name == "ns2" { files.serve_under(environment) } else { files.serve() };
            (files, node)
        });
        let pair = Self { nats, nodes, endpoints };
        wait_until("they agree", || {
            pair.status(0)["fleet"]["vantage_points"].as_array().is_some_and(|it| it.len() == 2)
        });
        pair
    }

    fn status(&self, node: usize) -> serde_json::Value {
        serde_json::from_str(&self.nodes[node].0.run("status --json").stdout).expect("the status is JSON")
    }

    /// Gets a path from the admin server of the first node: the head and the body.
    fn get(&self, path: &str) -> String {
        let socket = self.nodes[0].0.path("admin.sock");
        let mut stream = UnixStream::connect(socket).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it closes the connection");
        text
    }

    /// The value of a metric of the first node.
    fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.trim().parse().expect("a whole number")
    }
}

fn files(nats: &Nats, node: &str, user: &str, password: &str, endpoints: &[Endpoint; 2]) -> Files {
    let section = nats.section(node, user, password);
    let server = format!("{SERVER}[admin]\nsocket = \"admin.sock\"\n{section}");
    let [fra, iad] = endpoints.each_ref().map(Endpoint::address);
    let zone = format!(
        "{}[regions.default]\nprefer = [\"fra\", \"iad\"]\n\
         [monitors.web]\ntype = \"http\"\ninterval = \"300ms\"\ntimeout = \"200ms\"\nfall = 2\nrise = 1\n\
         [pools.web]\nmonitor = \"web\"\n\
         endpoints.fra = [{{ address = \"{}\", check_port = {} }}]\n\
         endpoints.iad = [{{ address = \"{}\", check_port = {} }}]\n\
         [names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n",
        places!(),
        fra.ip(),
        fra.port(),
        iad.ip(),
        iad.port()
    );
    Files::new(&server, &[("example.com.toml", &zone)])
}

/// The first line of a node's log with these words, whether the node answered before it or after it.
fn told(node: &mut Node, words: &str) -> String {
    let mut found = None;
    wait_until(words, || {
        found = node.log.lines().iter().find(|line| line.contains(words)).cloned();
        found.is_some()
    });
    found.unwrap_or_default()
}

/// A report of `ns2`, as the fleet's subjects carry it.
async fn overhear(client: &async_nats::Client) -> String {
    let mut heard = client.subscribe("truenorth.main.obs.ns2").await.expect("it may listen");
    let message = timeout(Duration::from_secs(20), heard.next()).await.expect("nodes report").expect("it is connected");
    String::from_utf8(message.payload.to_vec()).expect("JSON")
}

#[test]
fn a_reader_and_a_stranger_change_nothing_and_garbage_is_counted() {
    let pair = Pair::start(&[]);
    let runtime = Runtime::new().expect("there are threads");
    runtime.block_on(async {
        let reader = pair.nats.options("reader").connect(pair.nats.url()).await.expect("its password is right");
        let report = overhear(&reader).await;
        // A lie in the name of ns2, newer than all that it says: everything is down.
        let (before, _) = report.split_once("\"seq\":").expect("it has a sequence");
        let (_, rest) = report.split_once(",\"wall\":").expect("it has a time");
        let lie = format!("{before}\"seq\":999999999,\"wall\":{rest}").replace(",1000,", ",null,");
        assert_ne!(lie, report);
        let stranger = pair.nats.options("stranger").connect(pair.nats.url()).await.expect("its password is right");
        for client in [&reader, &stranger] {
            for subject in ["truenorth.main.obs.ns2", "truenorth.main.obs.ns9", "truenorth.main.ask.ns2"] {
                client.publish(subject, lie.clone().into()).await.expect("it is connected");
            }
            client.flush().await.expect("it is connected");
        }
        // ns3 may publish under its own name: what it says there is no message of a fleet.
        let garbled = pair.metric("truenorth_fleet_ignored_messages_total{reason=\"malformed\"}");
        let foreign = pair.metric("truenorth_fleet_ignored_messages_total{reason=\"foreign\"}");
        assert_eq!((garbled, foreign), (0, 0));
        let third = pair.nats.options("ns3").connect(pair.nats.url()).await.expect("its password is right");
        for payload in ["", "{}", "\u{0}\u{1}", "{\"v\":1,\"run\":1,\"seq\":1,\"wall\":1,\"ask\":[\"a b\"]}"] {
            third.publish("truenorth.main.obs.ns3", payload.into()).await.expect("it is connected");
        }
        third.publish("truenorth.main.obs.ns3", vec![b'['; 200_000].into()).await.expect("it is connected");
        third.publish("truenorth.main.obs.ns3", "{\"v\":2}".into()).await.expect("it is connected");
        // In the name of another one the server does not let it.
        third.publish("truenorth.main.obs.ns2", lie.into()).await.expect("it is connected");
        third.flush().await.expect("it is connected");
    });
    let ignored = |reason: &str| pair.metric(&format!("truenorth_fleet_ignored_messages_total{{reason=\"{reason}\"}}"));
    wait_until("the first node counts them", || (ignored("malformed"), ignored("foreign")) == (5, 1));
    assert_eq!(ignored("stale"), 0);
    let status = pair.status(0);
    let points = status["fleet"]["vantage_points"].as_array().expect("there is a fleet");
    assert_eq!(points.len(), 2, "{points:#?}");
    assert!(points.iter().all(|point| point["down"] == 0 && point["weight"] == "counts"), "{points:#?}");
    // The page reads the overview.
    let overview = pair.get("/v1/overview");
    let (_, body) = overview.split_once("\r\n\r\n").expect("a head and a body");
    expect_shape(&serde_json::from_str(body).expect("JSON"), "Overview");
}

#[test]
fn wrong_credentials_are_told_and_dns_is_answered() {
    let pair = Pair::start(&[]);
    for (user, password) in [("ns3", "wrong.password"), ("nobody", "ns3.password")] {
        let files = files(&pair.nats, "ns3", user, password, &pair.endpoints);
        let mut node = files.serve();
        let line = told(&mut node, "not connected to the fleet");
        assert!(line.contains("the server does not accept this node's credentials"), "{line}");
        assert_eq!(node.dig("www.example.com A").answer.len(), 1);
        let lines = node.log.lines();
        assert_eq!(lines.iter().filter(|line| line.contains("not connected to the fleet")).count(), 1, "{lines:#?}");
        assert_eq!(node.terminate().code(), Some(0));
    }
    // A server whose certificate nobody vouches for.
    let files = files(&pair.nats, "ns3", "ns3", "ns3.password", &pair.endpoints);
    let other = rcgen::generate_simple_self_signed([pair.nats.ip().to_string()]).expect("it is a name");
    let text = fs::read_to_string(files.path("truenorth.toml")).expect("it is there");
    let ca = pair.nats.path("server.pem");
    files.write("ca.pem", other.cert.pem());
    files.write("truenorth.toml", text.replace(ca.to_str().expect("a plain name"), "ca.pem"));
    let mut node = files.serve();
    let line = told(&mut node, "not connected to the fleet");
    assert!(line.contains("invalid peer certificate"), "{line}");
}

#[test]
fn a_node_that_is_replaced_goes_on_speaking() {
    let mut pair = Pair::start(&[]);
    let incarnation = pair.nodes[0].1.pid();
    let mut successor = pair.nodes[0].0.replace();
    assert_ne!(successor.pid(), incarnation);
    // It may say so before it answers, and the harness goes through the log until then.
    for words in ["INFO connected to the fleet", "node ns2 is heard"] {
        wait_until(words, || successor.log.lines().iter().any(|line| line.contains(words)));
    }
    let hears = |status: &serde_json::Value| {
        let points = status["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
        points.len() == 2 && points.iter().all(|point| point["in_step"] == true && point["probes"] == 2)
    };
    wait_until("both know what the other one sees", || hears(&pair.status(0)) && hears(&pair.status(1)));
    let lines = pair.nodes[1].1.log.lines().join("\n");
    for never in ["left", "silent", "uses the name", "endpoint is down"] {
        assert!(!lines.contains(never), "{lines}");
    }
    assert!(successor.log.lines().iter().all(|line| !line.contains("uses the name")));
    // It stops, and says so.
    assert_eq!(successor.terminate().code(), Some(0));
    pair.nodes[1].1.log.wait_for("node ns1 left: it stops");
}

#[test]
fn a_wrong_clock_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let ahead = folder.path().join("clock");
    fs::write(&ahead, "+3600").expect("the folder is writable");
    let Some(library) = library() else { panic!("faketime is installed: apt-get install faketime") };
    let mut pair = Pair::start(&[
        ("LD_PRELOAD", &library),
        ("FAKETIME_TIMESTAMP_FILE", &ahead),
        ("FAKETIME_NO_CACHE", Path::new("1")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
    ]);
    let line = pair.nodes[0].1.log.wait_for("the clock of node ns2 is");
    assert!(line.contains("ahead of this node's: one of them is wrong"), "{line}");
    let line = pair.nodes[1].1.log.wait_for("the clock of node ns1 is");
    assert!(line.contains("behind this node's"), "{line}");
    let status = pair.status(0);
    let probes = status["pools"][0]["endpoints"][0]["probes"][0]["fleet"]["witnesses"].as_array().cloned();
    let witnesses = probes.expect("they agree");
    assert_eq!(witnesses.len(), 2);
    let now = status["time"].as_u64().expect("a time");
    assert!(witnesses.iter().all(|it| it["since"].as_u64().is_some_and(|since| since <= now)), "{witnesses:#?}");
}

/// libfaketime, which each architecture has elsewhere.
fn library() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    places.map(|place| place.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}
