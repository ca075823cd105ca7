//! Pools that depend on something that is probed once, probes that are good while they fail, and probes of host names.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use serde_json::Value;

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Files, Node, SERVER, member, places};
use crate::recursive::Recursive;

fn start(address: &str) -> Endpoint {
    let address: IpAddr = address.parse().expect("an address");
    Endpoint::start((address, 0).into(), Script::status(200))
}

const PACE: &str = "interval = \"200ms\"\ntimeout = \"190ms\"\nrise = 2\nfall = 2\n";

fn answers(node: &Node, addresses: &[IpAddr]) {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    node.comes_to_answer("www.example.com A", &texts.iter().map(String::as_str).collect::<Vec<_>>());
}

fn scrape(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).expect("the admin server listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    response
}

/// The first pool of this name in the status.
fn pool(files: &Files, admin: SocketAddr, name: &str) -> Value {
    let ran = files.run(&format!("status --json --node http://{admin}"));
    let status: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let pools = status["pools"].as_array().expect("pools").clone();
    pools.into_iter().find(|pool| pool["pool"] == name).expect("the pool")
}

#[test]
fn endpoints_follow_what_they_depend_on_and_it_is_probed_once() {
    let (one, two, mut db) = (start("127.21.0.1"), start("127.21.0.2"), start("127.21.0.53"));
    let zone = format!(
        "{}[monitors.web]\ntype = \"http\"\nhost = \"www.example.com\"\n{PACE}\
         [monitors.db]\ntype = \"http\"\naddress = \"{}\"\nport = {}\n{PACE}\
         [monitors.both]\ntype = \"all\"\nof = [\"web\", \"db\"]\n\
         [pools.web]\nmonitor = \"both\"\nendpoints.fra = [{}]\nendpoints.iad = [{}]\n\
         [pools.sorry]\nendpoints = [\"192.0.2.99\"]\n\
         [regions.default]\nprefer = [\"fra\", \"iad\"]\n\
         [names.www]\npools = [\"web\"]\nfallback = \"sorry\"\n",
        places!(),
        db.address().ip(),
        db.address().port(),
        member(one.address()),
        member(two.address())
    );
    let server = format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n");
    let files = Files::new(&server, &[("example.com.toml", &zone)]);
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    answers(&node, &[one.address().ip()]);
    db.stop_listening();
    answers(&node, &["192.0.2.99".parse().unwrap()]);
    let told = node.log.wait_for("endpoints are down by what they depend on");
    assert!(told.contains("endpoints=2") && told.contains("web/fra, web/iad") && told.contains("monitor=db"), "{told}");
    let fra = pool(&files, admin, "web/fra");
    let probes = fra["endpoints"][0]["probes"].as_array().unwrap().clone();
    let seen: Vec<_> = probes.iter().map(|probe| (&probe["monitor"], &probe["dependency"], &probe["state"])).collect();
    assert_eq!(seen[0], (&"web".into(), &Value::Null, &"up".into()));
    assert_eq!(seen[1], (&"db".into(), &true.into(), &"down".into()));
    assert_eq!(fra["endpoints"][0]["really"], "down");
    let metrics = scrape(admin);
    let sample = format!("truenorth_dependency_up{{monitor=\"db\",probe=\"{}\",check=\"http\"}} 0", db.address());
    assert!(metrics.contains(&sample), "{metrics}");
    db.listen_again();
    answers(&node, &[one.address().ip()]);
    // As many probes of the database as of one endpoint, and not of both.
    let (of_db, of_one) = (db.requests().len(), one.requests().len());
    assert!(of_db > 0 && of_db <= of_one + 2, "{of_db} probes of the database, {of_one} of one endpoint");
    assert!(db.requests()[0].contains(&format!("ost: {}", db.address())), "{}", db.requests()[0]);
}

#[test]
fn an_inverted_monitor_takes_an_endpoint_out_while_its_probe_succeeds() {
    let one = start("127.21.1.1");
    one.play(Script::status(404));
    let zone = format!(
        "{}[monitors.page]\ntype = \"http\"\npath = \"/maintenance\"\nhost = \"www.example.com\"\ninvert = true\n{PACE}\
         [pools.web]\nmonitor = \"page\"\nendpoints = [{}]\n\
         [pools.sorry]\nendpoints = [\"192.0.2.99\"]\n\
         [names.www]\npools = [\"web\"]\nfallback = \"sorry\"\n",
        places!(),
        member(one.address())
    );
    let files = Files::new(SERVER, &[("example.com.toml", &zone)]);
    let mut node = files.serve();
    answers(&node, &[one.address().ip()]);
    one.play(Script::status(200));
    answers(&node, &["192.0.2.99".parse().unwrap()]);
    // While its probe failed, that was told too.
    let told = node.log.wait_for("WARN endpoint is down");
    assert!(told.contains("inverted=true") && told.contains("ok in"), "{told}");
    one.play(Script::status(404));
    answers(&node, &[one.address().ip()]);
}

#[test]
fn a_host_is_looked_up_again_and_its_last_address_outlives_a_broken_resolver() {
    let recursive = Recursive::start();
    let mut first = start("127.21.2.1");
    let port = first.address().port();
    let second = Endpoint::start(("127.21.2.2".parse::<IpAddr>().unwrap(), port).into(), Script::status(200));
    recursive.set("db.example.net.", Some(first.address().ip()));
    let zone = format!(
        "{}[monitors.db]\ntype = \"http\"\naddress = \"db.example.net\"\nport = {port}\n{PACE}\
         [pools.web]\nmonitor = \"db\"\nendpoints = [\"192.0.2.1\"]\n\
         [pools.sorry]\nendpoints = [\"192.0.2.99\"]\n\
         [names.www]\npools = [\"web\"]\nfallback = \"sorry\"\n",
        places!()
    );
    let server = format!("{SERVER}[resolver]\nservers = [\"{}\"]\n", recursive.address);
    let files = Files::new(&server, &[("example.com.toml", &zone)]);
    let mut node = files.serve();
    let (up, down) = ("192.0.2.1".parse().unwrap(), "192.0.2.99".parse().unwrap());
    answers(&node, &[up]);
    assert!(first.requests()[0].contains("ost: db.example.net:"), "{}", first.requests()[0]);
    // The name moves, and the probes follow it.
    recursive.set("db.example.net.", Some(second.address().ip()));
    node.log.wait_for("host is probed at another address");
    first.stop_listening();
    let before = second.connections();
    recursive.set("db.example.net.", None);
    node.log.wait_for("host cannot be looked up");
    // The last address is probed on, and decides.
    second.play(Script::status(503));
    answers(&node, &[down]);
    second.play(Script::status(200));
    answers(&node, &[up]);
    assert!(second.connections() > before);
}
