//! Endpoints report their loads, and clients go to datacenters with headroom.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Asker, Files, Node, SERVER, addresses, member, places, scope};

/// Client networks, all of them fra's.
const CLIENTS: u32 = 200;

/// The capacity of all endpoints together.
const CAPACITY: f64 = 100.0;

/// A TTL and an interval are 1.2 s. This is many of them, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// Time between two changes of the reported loads: shorter than a round.
const PAUSE: Duration = Duration::from_millis(200);

/// Datacenters by name, each with its endpoint and the load of other clients than those of the test.
struct Town {
    places: BTreeMap<&'static str, (Endpoint, f64)>,
    /// The load of fra's clients together.
    demand: f64,
    asker: Asker,
    node: Node,
}

/// A response that reports this load.
fn says(used: f64) -> Script {
    Script::say(format!(
        "HTTP/1.1 200 OK\r\nX-Load: {used:.3}/{CAPACITY}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ))
}

impl Town {
    fn new(others: [(&'static str, f64); 3], name: &str) -> Self {
        let start = |address: [u8; 4], used| (Endpoint::start((IpAddr::from(address), 0).into(), says(used)), used);
        let addresses = [[127, 0, 8, 1], [127, 0, 8, 2], [127, 0, 8, 3]];
        let places: BTreeMap<_, _> =
            others.into_iter().zip(addresses).map(|((place, used), address)| (place, start(address, used))).collect();
        let lists = places.iter().map(|(place, (endpoint, _))| {
            let at = endpoint.address();
            format!("endpoints.{place} = [{{ address = \"{}\", check_port = {} }}]\n", at.ip(), at.port())
        });
        let zone = format!(
            r#"
ttl = 1
{places}sin = {{ latitude = 1.35, longitude = 103.99 }}
[regions.default]
prefer = ["fra", "iad", "sin"]
[monitors.web]
type     = "http"
interval = "500ms"
timeout  = "450ms"
fall     = 2
[pools.web]
monitor = "web"
{}
{name}"#,
            lists.collect::<String>(),
            places = places!()
        );
        let node = Files::new(SERVER, &[("example.com.toml", &zone)]).serve();
        let asker = node.asker();
        Self { places, demand: 0.0, asker, node }
    }

    /// Returns the number of clients of each datacenter after all of them have asked, and sets the loads that endpoints
    /// report from now on.
    fn pass(&mut self) -> BTreeMap<&'static str, u32> {
        let mut counts: BTreeMap<_, u32> = self.places.keys().map(|&place| (place, 0)).collect();
        for client in 0..CLIENTS {
            let network = format!("198.51.{client}.0/24").parse().expect("a prefix");
            let reply = self.asker.ask("www.example.com.", RecordType::A, Some(network));
            assert_eq!(scope(&reply), Some(24));
            let [address] = addresses(&reply)[..] else { panic!("one address: {reply:?}") };
            let home = self.places.iter().find(|(_, (endpoint, _))| endpoint.address().ip() == address);
            *counts.get_mut(home.expect("an endpoint's").0).expect("it is there") += 1;
        }
        for (place, (endpoint, besides)) in &self.places {
            let used = besides + self.demand * f64::from(counts[place]) / f64::from(CLIENTS);
            endpoint.play(says(used));
        }
        thread::sleep(PAUSE);
        counts
    }

    /// Lets time pass until the condition holds for three seconds without a break, which is more than two rounds.
    #[track_caller]
    fn settle(&mut self, holds: impl Fn(&BTreeMap<&str, u32>) -> bool) {
        const ON_END: Duration = Duration::from_secs(3);
        let (start, mut since, mut last) = (Instant::now(), None, BTreeMap::new());
        while start.elapsed() < PATIENCE {
            last = self.pass();
            if !holds(&last) {
                since = None;
            } else if since.get_or_insert_with(Instant::now).elapsed() > ON_END {
                return;
            }
        }
        panic!("it came to {last:?}");
    }
}

const NAME: &str = "[names.www]\npools = [\"web\"]\nsteer = [\"region\", \"load\"]\n";

#[test]
fn an_overloaded_pool_sheds_what_it_cannot_serve_and_gets_it_back() {
    let mut town = Town::new([("fra", 0.0), ("iad", 80.0), ("sin", 20.0)], NAME);
    town.demand = 90.0;
    town.settle(|counts| counts["fra"] == CLIENTS);
    // A third of the load is too much: 50 of 150 must move, to rooms of 20 and 80.
    town.demand = 150.0;
    town.settle(|counts| {
        let share = |place| f64::from(counts[place]) / f64::from(CLIENTS);
        (0.55..0.78).contains(&share("fra")) && share("iad") < share("sin") && share("iad") > 0.0
    });
    town.demand = 60.0;
    town.settle(|counts| counts["fra"] == CLIENTS);
}

#[test]
fn a_dead_pools_clients_are_spread_over_all_that_have_room() {
    let mut town = Town::new([("fra", 0.0), ("iad", 60.0), ("sin", 20.0)], NAME);
    town.demand = 60.0;
    town.settle(|counts| counts["fra"] == CLIENTS);
    // Rooms of 40 and 80.
    let (endpoint, _) = town.places.get_mut("fra").expect("it is there");
    endpoint.stop_listening();
    town.settle(|counts| {
        let share = f64::from(counts["iad"]) / f64::from(CLIENTS);
        counts["fra"] == 0 && (0.2..0.47).contains(&share)
    });
    let (endpoint, _) = town.places.get_mut("fra").expect("it is there");
    endpoint.listen_again();
    town.settle(|counts| counts["fra"] == CLIENTS);
    assert!(town.node.is_running());
}

#[test]
fn least_load_leaves_an_overloaded_endpoint_alone() {
    let start = |number: u8, used| Endpoint::start((IpAddr::from([127, 0, 8, number]), 0).into(), says(used));
    let (idle, busy) = (start(11, 10.0), start(12, 10.0));
    let zone = format!(
        "ttl = 1\n[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"http\"\ninterval = \"1s\"\n\
         timeout = \"900ms\"\n[pools.web]\nmonitor = \"web\"\nendpoints = [{}, {}]\n[names.www]\npools = [\"web\"]\n\
         steer = [\"failover\"]\npick = \"least-load\"\n",
        member(idle.address()),
        member(busy.address())
    );
    let node = Files::new(SERVER, &[("example.com.toml", &zone)]).serve();
    let mut asker = node.asker();
    let mut share = || {
        let answers = (0..500).map(|_| addresses(&asker.ask("www.example.com.", RecordType::A, None)));
        answers.filter(|answer| *answer == [busy.address().ip()]).count() as f64 / 500.0
    };
    assert!((share() - 0.5).abs() < 0.1);
    busy.play(says(100.0));
    let start = Instant::now();
    while share() > 0.1 {
        assert!(start.elapsed() < PATIENCE, "{}", share());
        thread::sleep(PAUSE);
    }
    busy.play(says(10.0));
    let start = Instant::now();
    while share() < 0.4 {
        assert!(start.elapsed() < PATIENCE, "{}", share());
        thread::sleep(PAUSE);
    }
}
