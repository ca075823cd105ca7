//! Endpoints that stop and come back, and the answers meanwhile.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Asker, Files, SERVER, addresses, member, places, ttl};

const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_millis(900);
const FALL: u32 = 2;
const RISE: u32 = 2;

/// Allowance for a machine that is busy with other tests.
const SLACK: Duration = Duration::from_secs(10);

/// Time between two observations: much shorter than the time between two probes, so that no state is missed.
const LOOK: Duration = Duration::from_millis(10);

const TTL: u32 = 30;
const TTL_MIN: u32 = 5;

fn start(address: &str) -> Endpoint {
    let address: IpAddr = address.parse().expect("an address");
    Endpoint::start((address, 0).into(), Script::status(200))
}

fn zone(rest: &str) -> String {
    format!(
        r#"
ttl     = {TTL}
ttl_min = {TTL_MIN}
{places}sin = {{ latitude = 1.35, longitude = 103.99 }}

[regions.europe]
clients = ["198.51.100.0/24"]
prefer  = ["fra", "iad", "sin"]
[regions.default]
prefer  = ["iad", "sin", "fra"]

[monitors.web]
type     = "http"
path     = "/healthz"
host     = "www.example.com"
interval = "{}ms"
timeout  = "{}ms"
fall     = {FALL}
rise     = {RISE}
{rest}"#,
        INTERVAL.as_millis(),
        TIMEOUT.as_millis(),
        places = places!()
    )
}

/// A client of the region `europe` asks.
fn ask(asker: &mut Asker, name: &str) -> Message {
    asker.ask(name, RecordType::A, Some("198.51.100.0/24".parse().expect("a prefix")))
}

/// The visible part of an answer: the addresses, sorted, and the TTL.
type Sight = (Vec<IpAddr>, u32);

fn sight(reply: &Message) -> Sight {
    let mut addresses = addresses(reply);
    addresses.sort();
    (addresses, ttl(reply).expect("every answer here has a TTL"))
}

/// Observes answers until one shows this, which must happen in time. Returns all different observations on the way.
#[track_caller]
fn look(asker: &mut Asker, name: &str, until: &Sight, within: Duration) -> Vec<Sight> {
    let start = Instant::now();
    let mut seen: Vec<Sight> = Vec::new();
    loop {
        let now = sight(&ask(asker, name));
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        if seen.last() == Some(until) {
            return seen;
        }
        assert!(start.elapsed() <= within, "not {until:?} within {within:?}, but {seen:?}");
        thread::sleep(LOOK);
    }
}

fn to_fall() -> Duration {
    INTERVAL * FALL + TIMEOUT + SLACK
}

fn to_rise() -> Duration {
    INTERVAL * RISE + TIMEOUT + SLACK
}

#[test]
fn an_endpoint_leaves_after_fall_failures_and_comes_back_after_rise_successes() {
    let (mut one, two) = (start("127.20.0.1"), start("127.20.0.2"));
    let rest = format!(
        "[pools.web]\ndatacenter = \"fra\"\nmonitor = \"web\"\nendpoints = [{}, {}]\n[names.www]\npools = [\"web\"]\n",
        member(one.address()),
        member(two.address())
    );
    let node = Files::new(SERVER, &[("example.com.toml", &zone(&rest))]).serve();
    let mut asker = node.asker();
    let [both, other] = [vec![one.address().ip(), two.address().ip()], vec![two.address().ip()]];
    let mut go_and_come = |how: &str, one: &mut Endpoint, go: &dyn Fn(&mut Endpoint), come: &dyn Fn(&mut Endpoint)| {
        let calm = look(&mut asker, "www.example.com.", &(both.clone(), TTL), Duration::ZERO);
        assert_eq!(calm.len(), 1, "{how}");
        go(one);
        // An unconfirmed failure only shortens the TTL. A confirmed one removes the endpoint, and the rest is settled.
        let down = look(&mut asker, "www.example.com.", &(other.clone(), TTL), to_fall());
        assert_eq!(down, [(both.clone(), TTL), (both.clone(), TTL_MIN), (other.clone(), TTL)], "{how}");
        come(one);
        let up = look(&mut asker, "www.example.com.", &(both.clone(), TTL), to_rise());
        assert_eq!(up, [(other.clone(), TTL), (other.clone(), TTL_MIN), (both.clone(), TTL)], "{how}");
    };
    go_and_come("it refuses", &mut one, &Endpoint::stop_listening, &Endpoint::listen_again);
    let well = |one: &mut Endpoint| one.play(Script::status(200));
    go_and_come("it hangs", &mut one, &|one| one.play(Script::hang()), &well);
    go_and_come("it says that it is ill", &mut one, &|one| one.play(Script::status(503)), &well);
    assert!(one.requests()[0].starts_with("GET /healthz HTTP/1.1\r\n"), "{:?}", one.requests()[0]);
}

#[test]
fn one_that_is_down_at_the_start_is_never_answered() {
    let (mut one, two) = (start("127.20.1.1"), start("127.20.1.2"));
    one.stop_listening();
    let rest = format!(
        "[pools.web]\nmonitor = \"web\"\nendpoints = [{}, {}]\n[names.www]\npools = [\"web\"]\n",
        member(one.address()),
        member(two.address())
    );
    let mut node = Files::new(SERVER, &[("example.com.toml", &zone(&rest))]).serve();
    let reply = node.asker().ask("www.example.com.", RecordType::A, None);
    assert_eq!(sight(&reply), (vec![two.address().ip()], TTL));
    let lines = node.log.lines();
    let told = lines.iter().filter(|line| line.contains("endpoint is down") && line.contains("127.20.1.1:"));
    assert_eq!(told.count(), 1, "{lines:?}");
}

/// Four names over the same pools, each with its own `all_down`.
struct Ladder {
    fra: [Endpoint; 2],
    iad: Endpoint,
    sin: Endpoint,
    sorry: Endpoint,
}

impl Ladder {
    fn start() -> Self {
        Self {
            fra: [start("127.20.2.1"), start("127.20.2.2")],
            iad: start("127.20.2.3"),
            sin: start("127.20.2.4"),
            sorry: start("127.20.2.5"),
        }
    }

    fn zone(&self) -> String {
        let mut rest = format!(
            "[pools.web]\nmonitor = \"web\"\nendpoints.fra = [{}, {}]\nendpoints.iad = [{}]\nendpoints.sin = [{}]\n\
             [pools.sorry]\nmonitor = \"web\"\nendpoints = [{}]\n",
            member(self.fra[0].address()),
            member(self.fra[1].address()),
            member(self.iad.address()),
            member(self.sin.address()),
            member(self.sorry.address())
        );
        for name in ["all", "last-healthy", "nodata", "servfail"] {
            let head = format!("[names.{name}]\nall_down = \"{name}\"\n");
            rest += &head;
            rest += "pools = [\"web\"]\nsteer = [\"region\"]\nfallback = \"sorry\"\n";
        }
        zone(&rest)
    }
}

#[test]
fn down_the_ladder_and_up_again() {
    let mut ladder = Ladder::start();
    let node = Files::new(SERVER, &[("example.com.toml", &ladder.zone())]).serve();
    let mut asker = node.asker();
    let settled = |endpoints: &[&Endpoint]| (endpoints.iter().map(|e| e.address().ip()).collect::<Vec<_>>(), TTL);
    let fra = settled(&[&ladder.fra[0], &ladder.fra[1]]);
    let [iad, sin, sorry] = [&ladder.iad, &ladder.sin, &ladder.sorry].map(|endpoint| settled(&[endpoint]));
    let names = ["all.example.com.", "last-healthy.example.com.", "nodata.example.com.", "servfail.example.com."];
    let mut expect = |now: &Sight, within: Duration| {
        look(&mut asker, names[0], now, within);
        // One event is published by one swap, so all names change at the same time.
        for name in names {
            assert_eq!(sight(&ask(&mut asker, name)), *now, "{name}");
        }
    };
    expect(&fra, Duration::ZERO);
    // All datacenters fail, one after the other. Failures within the time of one fall are one outage, so each step
    // waits until the one before is over.
    let outage = INTERVAL * FALL + TIMEOUT + INTERVAL;
    ladder.fra.iter_mut().for_each(Endpoint::stop_listening);
    expect(&iad, to_fall());
    thread::sleep(outage);
    ladder.iad.stop_listening();
    expect(&sin, to_fall());
    thread::sleep(outage);
    ladder.sin.stop_listening();
    expect(&sorry, to_fall());
    // The fallback fails too: each name has its own `all_down`.
    ladder.sorry.stop_listening();
    look(&mut asker, "all.example.com.", &fra, to_fall());
    let [all, last, nodata, servfail] = names.map(|name| ask(&mut asker, name));
    assert_eq!(sight(&all), fra, "as if all were up");
    assert_eq!(sight(&last), sin, "the datacenter that was up last");
    assert_eq!((nodata.metadata.response_code, nodata.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(nodata.authorities[0].record_type(), RecordType::SOA);
    assert_eq!(ttl(&nodata), Some(TTL), "the lesser of the SOA's minimum and the answer's own");
    assert_eq!((servfail.metadata.response_code, servfail.answers.len()), (ResponseCode::ServFail, 0));
    // The first datacenter returns: it answers although the others are still down.
    ladder.fra.iter_mut().for_each(Endpoint::listen_again);
    look(&mut asker, "last-healthy.example.com.", &fra, to_rise());
    for name in names {
        assert_eq!(sight(&ask(&mut asker, name)), fra, "{name}");
    }
}

#[test]
fn an_endpoint_that_fails_every_other_time_falls_if_successes_clear_failures_slowly() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().display();
    // Succeeds and fails in turn, for each endpoint.
    let script = format!("f={file}/$TRUENORTH_ADDRESS; if [ -e $f ]; then rm $f; exit 2; fi; touch $f");
    let zone = format!(
        r#"[nameservers]
ns1 = ["192.0.2.53"]
[monitors.kind]
type = "exec"
command = ["/bin/sh", "-c", "{script}"]
interval = "1s"
timeout = "900ms"
rise = 5
[monitors.strict]
type = "exec"
command = ["/bin/sh", "-c", "{script}"]
interval = "1s"
timeout = "900ms"
rise = 5
clear = 5
[pools.strict]
monitor = "strict"
endpoints = ["192.0.2.1"]
[pools.kind]
monitor = "kind"
endpoints = ["192.0.2.2"]
[pools.sorry]
endpoints = ["192.0.2.3"]
[names.www]
pools = ["strict", "kind", "sorry"]
steer = ["failover"]
"#
    );
    let node = Files::new(SERVER, &[("example.com.toml", &zone)]).serve();
    node.comes_to_answer("www.example.com", &["192.0.2.2"]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        assert_eq!(node.dig("www.example.com").data(), ["192.0.2.2"]);
    }
}
