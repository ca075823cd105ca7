//! A node with a problem of its own keeps its last answers (fail-static).

use std::net::IpAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::endpoint::{Endpoint, Script};
use crate::harness::netns::{Namespaces, if_permitted, ip};
use crate::harness::{Asker, Files, Node, SERVER, addresses, ttl};

const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_millis(900);
const FALL: u32 = 2;
const TTL: u32 = 30;
const TTL_MIN: u32 = 5;
const BEGAN: &str = "everything stopped answering at once";
const HEARD: &str = "an endpoint answered again";

/// Maximum time that a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(30);

/// `fra` and `iad` are the endpoints there, as a pool lists them.
fn zone(monitor: &str, fra: &str, iad: &str) -> String {
    format!(
        "ttl = {TTL}\nttl_min = {TTL_MIN}\n[nameservers]\nns1 = [\"127.0.0.1\"]\n\
         [datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\niad = {{ latitude = 38, longitude = -77 }}\n\
         [regions.default]\nprefer = [\"fra\", \"iad\"]\n\
         [monitors.web]\n{monitor}interval = \"{}ms\"\ntimeout = \"{}ms\"\nfall = {FALL}\nrise = 1\n\
         [pools.web]\nmonitor = \"web\"\nendpoints.fra = [{fra}]\nendpoints.iad = [{iad}]\n\
         [names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n",
        INTERVAL.as_millis(),
        TIMEOUT.as_millis()
    )
}

fn three() -> [Endpoint; 3] {
    ["127.24.0.1", "127.24.0.2", "127.24.0.3"].map(|address| {
        let address: IpAddr = address.parse().expect("an address");
        Endpoint::start((address, 0).into(), Script::status(200))
    })
}

/// Maximum time that states are held in a test: several times the time in which everything goes down.
const HOLD: Duration = Duration::from_secs(15);

fn server_with_hold() -> String {
    format!("{SERVER}[probes]\nhold = \"{}s\"\n", HOLD.as_secs())
}

fn serve(endpoints: &[Endpoint; 3], server: &str) -> (Files, Node) {
    let [one, two, three] = endpoints.each_ref().map(|endpoint| {
        let at = endpoint.address();
        format!("{{ address = \"{}\", check_port = {} }}", at.ip(), at.port())
    });
    let zone = zone("type = \"http\"\n", &format!("{one}, {two}"), &three);
    let files = Files::new(server, &[("example.com.toml", &zone)]);
    let mut node = files.serve();
    // On a busy machine a first probe may take too long.
    wait_until("all are up", || endpoints.iter().all(|endpoint| is_up(&mut node, endpoint)));
    (files, node)
}

/// Returns the last log message about it.
fn is_up(node: &mut Node, endpoint: &Endpoint) -> bool {
    let named = format!("endpoint={} ", endpoint.address());
    node.log.lines().iter().rfind(|line| line.contains(&named)).is_some_and(|line| line.contains("endpoint is up"))
}

fn downs(node: &mut Node) -> usize {
    node.log.lines().iter().filter(|line| line.contains("endpoint is down")).count()
}

fn sight(asker: &mut Asker) -> (Vec<IpAddr>, u32) {
    let reply = asker.ask("www.example.com.", RecordType::A, None);
    let mut addresses = addresses(&reply);
    addresses.sort();
    (addresses, ttl(&reply).expect("there is an answer"))
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(INTERVAL / 20);
    }
}

/// Waits several times as long as all falls take.
fn wait_for_falls() {
    thread::sleep(INTERVAL * FALL * 3);
}

fn soft_limit(node: &Node, limit: &str) {
    let limit = format!("--nofile={limit}:");
    let set =
        Command::new("prlimit").args(["--pid", &node.pid().to_string(), &limit]).status().expect("there is prlimit");
    assert!(set.success());
}

#[test]
fn without_descriptors_it_answers_what_it_did_and_says_so() {
    let endpoints = three();
    let (_files, mut node) = serve(&endpoints, SERVER);
    let downs_before = downs(&mut node);
    let mut asker = node.asker();
    let fra = vec![endpoints[0].address().ip(), endpoints[1].address().ip()];
    assert_eq!(sight(&mut asker), (fra.clone(), TTL));
    // Open descriptors stay open, but the process can open no more.
    soft_limit(&node, "3");
    let line = node.log.wait_for(BEGAN);
    assert!(line.contains("ERROR") && line.contains("targets=3 datacenters=2"), "{line}");
    wait_for_falls();
    assert_eq!(sight(&mut asker), (fra.clone(), TTL_MIN));
    soft_limit(&node, "1024");
    node.log.wait_for(HEARD);
    wait_until("it is calm again", || sight(&mut asker) == (fra.clone(), TTL));
    assert_eq!(downs(&mut node), downs_before);
}

#[test]
fn when_everything_hangs_states_are_held_for_as_long_as_they_may() {
    let endpoints = three();
    let (_files, mut node) = serve(&endpoints, &server_with_hold());
    let mut asker = node.asker();
    let before = sight(&mut asker);
    for endpoint in &endpoints {
        endpoint.play(Script::hang());
    }
    node.log.wait_for(BEGAN);
    let began = Instant::now();
    wait_for_falls();
    assert_eq!(sight(&mut asker), (before.0, TTL_MIN));
    node.log.wait_for("still nothing answers");
    assert!(began.elapsed() >= HOLD - INTERVAL);
    for _ in 0..endpoints.len() {
        node.log.wait_for("endpoint is down");
    }
}

#[test]
fn a_doubt_outlives_a_restart_and_begins_no_new_one() {
    let endpoints = three();
    let (files, mut node) = serve(&endpoints, &server_with_hold());
    let before = sight(&mut node.asker());
    for endpoint in &endpoints {
        endpoint.play(Script::hang());
    }
    node.log.wait_for(BEGAN);
    let began = Instant::now();
    wait_for_falls();
    assert_eq!(node.terminate().code(), Some(0));
    let mut node = files.serve();
    let told = |node: &mut Node| node.log.lines().iter().any(|line| line.contains("distrusted its probes before"));
    assert!(told(&mut node), "{:?}", node.log.lines());
    assert_eq!(sight(&mut node.asker()), (before.0.clone(), TTL_MIN), "the answer of before");
    node.log.wait_for("still nothing answers");
    let held = began.elapsed();
    assert!(held >= HOLD - INTERVAL, "{held:?}");
    assert!(held < HOLD + INTERVAL * FALL * 3, "one that began with the restart would end later than after {held:?}");
    for _ in 0..endpoints.len() {
        node.log.wait_for("endpoint is down");
    }
    // If an answer ends fail-static, the next run does not continue it.
    for endpoint in &endpoints {
        endpoint.play(Script::status(200));
    }
    // The answer alone does not tell: with everything down, health is ignored.
    wait_until("all are up again", || endpoints.iter().all(|endpoint| is_up(&mut node, endpoint)));
    wait_until("it is calm again", || sight(&mut node.asker()) == (before.0.clone(), TTL));
    assert_eq!(node.terminate().code(), Some(0));
    let mut node = files.serve();
    assert_eq!(sight(&mut node.asker()), (before.0, TTL));
    assert!(!told(&mut node), "{:?}", node.log.lines());
}

#[test]
fn a_datacenter_that_hangs_alone_falls() {
    let endpoints = three();
    let (_files, mut node) = serve(&endpoints, SERVER);
    for endpoint in &endpoints[..2] {
        endpoint.play(Script::hang());
    }
    let mut asker = node.asker();
    wait_until("the other one answers", || sight(&mut asker) == (vec![endpoints[2].address().ip()], TTL));
    assert!(node.log.lines().iter().all(|line| !line.contains(BEGAN)));
}

/// Two network namespaces with a cable between; they vanish with it.
struct Cable {
    here: String,
    there: String,
    _namespaces: Namespaces,
}

impl Cable {
    /// Returns `None` if the system forbids it and tests may be skipped.
    fn lay() -> Option<Self> {
        let mut namespaces = Namespaces::new("sick");
        let [here, there] = ["here", "there"].map(|end| namespaces.name(end));
        let is_laid = namespaces.add("here")
            && namespaces.add("there")
            && ip(&format!("-n {here} link add wire type veth peer name wire netns {there}"))
            && ip(&format!("-n {here} address add 10.77.0.1/24 dev wire"))
            && ["10.77.0.11/24", "10.77.0.12/24", "10.77.0.13/24"]
                .iter()
                .all(|address| ip(&format!("-n {there} address add {address} dev wire")))
            && [&here, &there]
                .iter()
                .all(|end| ip(&format!("-n {end} link set lo up")) && ip(&format!("-n {end} link set wire up")));
        if_permitted(is_laid, Self { here, there, _namespaces: namespaces })
    }

    fn set(&self, state: &str) {
        assert!(ip(&format!("-n {} link set wire {state}", self.there)));
    }

    /// Returns the answer of this node: addresses, sorted, and the TTL.
    fn ask(&self, node: &Node) -> (Vec<String>, u32) {
        let at = node.address();
        let words =
            format!("netns exec {} dig @{} -p {} +noall +answer www.example.com A", self.here, at.ip(), at.port());
        let output = Command::new("ip").args(words.split(' ')).output().expect("there is ip");
        let text = String::from_utf8(output.stdout).expect("text");
        // On a busy machine dig may say in a comment that it asks again.
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(';')).collect();
        let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut addresses: Vec<String> = lines.iter().map(|line| fields(line)[4].clone()).collect();
        addresses.sort();
        let ttl = lines.first().map(|line| fields(line)[1].parse().expect("a TTL"));
        (addresses, ttl.unwrap_or_else(|| panic!("no answer: {text}")))
    }
}

/// The server at the other end of a cable: a node too, whose TCP ports accept connections.
fn far_end(cable: &Cable) -> Node {
    let listen = "[listen]\ndns = [\"127.0.0.1:0\", \"10.77.0.11:5353\", \"10.77.0.12:5353\", \"10.77.0.13:5353\"]\n";
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n";
    Files::new(listen, &[("example.org.toml", zone)]).serve_in(&cable.there)
}

/// A node at this end, which probes the other one.
fn near_end(cable: &Cable, monitor: &str) -> (Files, Node) {
    let zone = zone(&format!("{monitor}port = 5353\n"), "\"10.77.0.11\", \"10.77.0.12\"", "\"10.77.0.13\"");
    let files = Files::new(SERVER, &[("example.com.toml", &zone)]);
    let node = files.serve_in(&cable.here);
    (files, node)
}

const FRA: [&str; 2] = ["10.77.0.11", "10.77.0.12"];

#[test]
fn a_pulled_cable_changes_no_answer() {
    let Some(cable) = Cable::lay() else { return };
    let _endpoints = far_end(&cable);
    let (_files, mut node) = near_end(&cable, "type = \"tcp\"\n");
    let fra = FRA.map(str::to_owned).to_vec();
    wait_until("all are up", || cable.ask(&node) == (fra.clone(), TTL));
    cable.set("down");
    node.log.wait_for(BEGAN);
    wait_for_falls();
    assert_eq!(cable.ask(&node), (fra.clone(), TTL_MIN));
    cable.set("up");
    node.log.wait_for(HEARD);
    wait_until("it is calm again", || cable.ask(&node) == (fra.clone(), TTL));
}

#[test]
fn what_this_nodes_own_system_forbids_is_no_fault_of_the_endpoints() {
    let Some(cable) = Cable::lay() else { return };
    let _endpoints = far_end(&cable);
    let here = &cable.here;
    let route = |kind: &str| ["11", "12", "13"].map(|host| format!("-n {here} route KIND {kind} 10.77.0.{host}/32"));
    let tables = [
        "add table inet t".to_owned(),
        "add chain inet t o { type filter hook output priority 0; }".to_owned(),
        "add rule inet t o ip daddr 10.77.0.0/24 drop".to_owned(),
    ];
    let nft = |rule: &str| {
        let ran = Command::new("ip").args(["netns", "exec", here, "nft", rule]).output().expect("there is ip");
        assert!(ran.status.success(), "{rule}: {ran:?}");
    };
    let fra = FRA.map(str::to_owned).to_vec();
    let expect_doubt = |node: &mut Node, what: &str, set: &dyn Fn(), unset: &dyn Fn()| {
        wait_until("it is calm", || cable.ask(node) == (fra.clone(), TTL));
        set();
        node.log.wait_for(BEGAN);
        wait_for_falls();
        assert_eq!(cable.ask(node), (fra.clone(), TTL_MIN), "{what}");
        unset();
        node.log.wait_for(HEARD);
        // The node begins to distrust its probes again after all have answered.
        thread::sleep(INTERVAL * 4);
    };
    // EINVAL, EACCES and EHOSTUNREACH.
    let (_files, mut node) = near_end(&cable, "type = \"tcp\"\n");
    for kind in ["blackhole", "prohibit", "unreachable"] {
        let run =
            |verb: &str| route(kind).iter().for_each(|words| assert!(ip(&words.replace("KIND", verb)), "{words}"));
        expect_doubt(&mut node, kind, &|| run("add"), &|| run("delete"));
    }
    drop(node);
    // EPERM for datagrams, silence for connections.
    for monitor in ["type = \"dns\"\nquery = \"example.org\"\nqtype = \"SOA\"\n", "type = \"tcp\"\n"] {
        let (_files, mut node) = near_end(&cable, monitor);
        let (set, unset) = (|| tables.iter().for_each(|rule| nft(rule)), || nft("delete table inet t"));
        expect_doubt(&mut node, monitor, &set, &unset);
    }
}
