//! The admin server and the commands that ask it: the real binary, real sockets, Debian's `dig`.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../harness/mod.rs"]
mod harness;

mod clock;
mod commands;
mod effects;
mod events;
mod external_dns;
mod gate;
mod http;
mod latency;
mod limits;
mod metrics;
mod openapi;
mod overrides;
mod page;
mod ramps;
mod reports;
mod rollouts;
mod routes;
mod served;
mod terraform;
mod tls;
mod txt;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use endpoint::{ANY_PORT, Endpoint, Script};
use harness::{Files, Node, places, probed_zone};

/// A valid token.
const TOKEN: &str = "0123456789abcdef";

/// A server file with an admin server on loopback, at a port that the kernel chooses.
const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\", \"[::1]:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[pools.web]
endpoints = ["127.0.0.1"]
[names.www]
pools = ["web"]
"#;

/// A zone whose `www` has an endpoint in each of two datacenters. All clients go to `fra`.
const TWO_PLACES: &str = concat!(
    places!(),
    r#"[regions.default]
prefer = ["fra", "iad"]
[pools.web]
endpoints.fra = ["127.0.0.1"]
endpoints.iad = ["127.0.0.2"]
[names.www]
pools = ["web"]
"#
);

/// A node with an admin server.
struct Scene {
    files: Files,
    node: Node,
    admin: SocketAddr,
}

impl Scene {
    fn new(server: &str, zones: &[(&str, &str)]) -> Self {
        Self::of(Files::new(server, zones))
    }

    fn of(files: Files) -> Self {
        let node = files.serve();
        Self::with(files, node)
    }

    fn with(files: Files, mut node: Node) -> Self {
        let admin = node.wait_for_admin();
        Self { files, node, admin }
    }

    /// One zone, nothing probed, no token.
    fn plain() -> Self {
        Self::new(SERVER, &[("example.com.toml", ZONE)])
    }

    /// One zone with an endpoint in each of two datacenters; they are probed every second.
    fn probed(fra: &Endpoint, iad: &Endpoint) -> Self {
        Self::new(SERVER, &[("example.com.toml", &probed_zone(fra.address(), iad.address(), ""))])
    }
}

fn well() -> Endpoint {
    Endpoint::start(ANY_PORT, Script::status(200))
}

/// Waits until this holds.
#[track_caller]
fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < http::PATIENCE, "it does not come to that");
        thread::sleep(Duration::from_millis(20));
    }
}
