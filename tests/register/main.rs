//! Registered endpoints: the real binary, real sockets, endpoints that come and go by themselves.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../admin/http.rs"]
#[expect(dead_code, reason = "the tests of the admin server use all of it")]
mod http;
#[path = "../recursive/mod.rs"]
mod recursive;

mod api;
mod bounds;
mod churn;
mod command;
mod consul;
mod discovery;
mod kubernetes;
mod lifecycle;
mod silence;

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use endpoint::{Endpoint, Script};
use harness::{Files, Node};
use http::{Response, ask, get};
use serde_json::{Value, json};

/// Time between two looks at something that will come.
const LOOK: Duration = Duration::from_millis(20);

/// Maximum time of anything on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server file with an admin server on loopback, at a port that the kernel chooses.
const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// A zone whose pool `web` takes registered endpoints, which are probed at this port. `registered` is what the file says
/// about them, and `pool` is further lines for the pool.
fn zone(port: u16, registered: &str, pool: &str) -> String {
    format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n\
         [monitors.web]\ntype = \"http\"\ninterval = \"500ms\"\ntimeout = \"400ms\"\nrise = 2\nfall = 2\nport = {port}\n\
         [pools.web]\nmonitor = \"web\"\nregistered = {{ {registered} }}\n{pool}\
         [names.www]\npools = [\"web\"]\nall_down = \"all\"\n"
    )
}

/// Endpoints on one port, each at an address of its own: `127.NETWORK.0.HOST`.
struct Street {
    network: [u8; 2],
    port: u16,
    /// Holds the port.
    _first: Endpoint,
}

impl Street {
    /// The first endpoint of a street, whose port the kernel chooses.
    fn new(network: [u8; 2]) -> Self {
        let at = SocketAddr::from(([127, network[0], network[1], 1], 0));
        let first = Endpoint::start(at, Script::status(200));
        Self { network, port: first.address().port(), _first: first }
    }

    fn address(&self, host: u8) -> IpAddr {
        [127, self.network[0], self.network[1], host].into()
    }

    /// Starts an endpoint that works.
    fn open(&self, host: u8) -> Endpoint {
        Endpoint::start((self.address(host), self.port).into(), Script::status(200))
    }

    /// Starts an endpoint that accepts connections and says nothing.
    fn open_hanging(&self, host: u8) -> Endpoint {
        Endpoint::start((self.address(host), self.port).into(), Script::hang())
    }

    /// Starts an endpoint that fails its probes.
    fn open_sick(&self, host: u8) -> Endpoint {
        Endpoint::start((self.address(host), self.port).into(), Script::status(500))
    }
}

/// A node with an admin server.
struct Scene {
    files: Files,
    node: Node,
    admin: SocketAddr,
}

impl Scene {
    fn new(server: &str, zone: &str) -> Self {
        let files = Files::new(server, &[("example.com.toml", zone)]);
        let mut node = files.serve();
        let admin = node.wait_for_admin();
        Self { files, node, admin }
    }

    /// Kills the node, and starts it again.
    fn restart(self) -> Self {
        let Self { files, node, .. } = self;
        // SIGKILL.
        drop(node);
        let mut node = files.serve();
        let admin = node.wait_for_admin();
        Self { files, node, admin }
    }

    #[track_caller]
    fn claim(&self, id: &str, address: IpAddr, ttl: &str) {
        let response = claim(self.admin, id, address, ttl);
        assert!(matches!(response.status, 200 | 201), "{response:?}");
    }

    #[track_caller]
    fn release(&self, id: &str, query: &str) {
        let response = ask(self.admin, &format!("DELETE /v1/pools/web/endpoints/{id}{query}"), &[], "");
        assert_eq!(response.status, 200, "{response:?}");
    }

    /// The addresses that `www` answers with, sorted.
    fn answer(&self) -> Vec<String> {
        let reply = self.node.dig("www.example.com A");
        let mut data: Vec<String> = reply.data().into_iter().map(str::to_owned).collect();
        data.sort_unstable();
        data
    }

    /// Waits until `www` answers with exactly these addresses.
    #[track_caller]
    fn comes_to_answer(&self, addresses: &[IpAddr]) {
        let mut expected: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        expected.sort_unstable();
        let start = Instant::now();
        while self.answer() != expected {
            assert!(start.elapsed() < PATIENCE, "{:?}, not {expected:?}", self.answer());
            thread::sleep(LOOK);
        }
    }

    /// The status of the pool.
    #[track_caller]
    fn pool(&self) -> Value {
        get(self.admin, "/v1/status?pool=web").json()["pools"][0].clone()
    }

    /// The state of an endpoint in the status; empty if it is not there.
    fn state(&self, address: IpAddr) -> String {
        let pool = self.pool();
        let endpoints = pool["endpoints"].as_array().expect("a list");
        let found = endpoints.iter().find(|endpoint| endpoint["endpoint"] == address.to_string());
        found.map_or_else(String::new, |endpoint| endpoint["state"].as_str().expect("a word").to_owned())
    }

    /// The events of these kinds so far: each as its word and its id or its pool.
    fn events(&self, kind: &str) -> Vec<Value> {
        let history = self.files.run(&format!("events --json --node {}", self.admin));
        let list: Value = serde_json::from_str(&history.stdout).unwrap_or_else(|error| panic!("{error}: {history:?}"));
        let events = list["events"].as_array().expect("a list").iter();
        events.filter(|event| event["event"] == kind).cloned().collect()
    }

    /// The lease events so far, as `registered a`.
    fn lease_events(&self) -> Vec<String> {
        let words = |event: &Value| {
            format!("{} {}", event["happening"].as_str().expect("a word"), event["lease"].as_str().expect("a name"))
        };
        self.events("lease").iter().map(words).collect()
    }
}

/// Claims a lease in pool `web`.
fn claim(admin: SocketAddr, id: &str, address: IpAddr, ttl: &str) -> Response {
    let body = json!({ "address": address.to_string(), "ttl": ttl }).to_string();
    ask(admin, &format!("PUT /v1/pools/web/endpoints/{id}"), &[], &body)
}

/// Waits until this holds.
#[track_caller]
fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it does not come to that");
        thread::sleep(LOOK);
    }
}
