//! Endpoints that send endless answers to probes: the node still probes in time, and at little cost.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rcgen::KeyPair;
use rustls::ServerConfig;

use crate::endpoint::certificates::{params, server_config};
use crate::endpoint::{Endpoint, Script, Step};
use crate::harness::{Files, Node, SERVER, addresses, member};

const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_millis(900);
const FALL: u32 = 2;

/// Time for which the processor time of a node is counted.
const WHILE: Duration = Duration::from_secs(5);

/// Maximum cost of a probe of a hostile endpoint, in a build without optimizations. Without a bound each probe could
/// use the processor for its whole timeout: up to 900 ms.
const PROBE_COST: Duration = Duration::from_millis(60);

/// Allowance for the node beside the time of its monitor, while other tests run.
const SLACK: Duration = Duration::from_secs(5);

const PATIENCE: Duration = Duration::from_secs(20);

/// Number of endpoints of each kind.
const EACH: usize = 3;

/// The type and the keys of a monitor, and what its endpoints do, with TLS or without.
struct Flood {
    monitor: &'static str,
    steps: Vec<Step>,
    tls: Option<Arc<ServerConfig>>,
}

fn floods() -> Vec<Flood> {
    let http = |head: &str, rest: &str| {
        vec![Step::Read, Step::Say(head.into()), Step::Forever(rest.repeat(1 + 4096 / rest.len()).into())]
    };
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let ping = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let http_2 = |frame: &[u8]| vec![Step::Say(settings.to_vec()), Step::Forever(frame.repeat(100))];
    let record = |kind: u8, content: &[u8]| [&[kind, 3, 3, 0, content.len() as u8], content].concat();
    // Announces a ServerHello of 65,535 octets, and sends it in records of one octet each (RFC 8446, section 5.1).
    let fragments = vec![Step::Say(record(22, &[2, 0, 0xff, 0xff])), Step::Forever(record(22, &[3]).repeat(100))];
    let changes = vec![Step::Forever(record(20, &[1]).repeat(100))];
    let nobody_asked = [&[0, 12, 0xbe, 0xef, 0x84], &[0; 9][..]].concat();
    let dns = |steps: Vec<Step>| [vec![Step::ReadQuestion], steps].concat();
    let plain = vec![
        ("type = \"http\"", http("", "HTTP/1.1 100 Continue\r\n\r\n")),
        (
            "type = \"http\"\nexpect_body = \"needle\"",
            http("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ),
        ("type = \"http\"\nversion = \"2\"", http_2(ping)),
        ("type = \"grpc\"\nport = 1", http_2(settings)),
        ("type = \"tcp\"\nport = 1\nexpect = \"needle\"", vec![Step::Forever(b"x".to_vec())]),
        ("type = \"https\"\nverify = false", fragments.clone()),
        ("type = \"tls\"\nport = 1\nverify = false", fragments),
        ("type = \"https\"\nverify = false", changes),
        ("type = \"dns\"\nquery = \"example.com\"\ntransport = \"tcp\"", dns(vec![Step::Forever(nobody_asked)])),
        (
            "type = \"dns\"\nquery = \"example.com\"\ntransport = \"tcp\"",
            dns(vec![Step::Say(vec![0xff, 0xff]), Step::Forever(b"x".to_vec())]),
        ),
    ];
    // Records of one octet, once the handshake is over.
    let key = KeyPair::generate().unwrap();
    let certificate = params("www.example.com").self_signed(&key).unwrap();
    let tls = Some(server_config(certificate.der().clone(), &key));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n";
    let records = vec![Step::Read, Step::Say(head.into()), Step::Forever(b"x".to_vec())];
    let monitor = "type = \"https\"\nverify = false\nexpect_body = \"needle\"";
    let plain = plain.into_iter().map(|(monitor, steps)| Flood { monitor, steps, tls: None });
    plain.chain([Flood { monitor, steps: records, tls }]).collect()
}

fn start(address: &str, script: Script) -> Endpoint {
    Endpoint::start((address.parse::<IpAddr>().unwrap(), 0).into(), script)
}

/// The processor time that a process has had (proc(5): fields 14 and 15 of `stat`, in ticks of 10 ms).
fn processor_time(node: &Node) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap()).sum::<u32>();
    Duration::from_millis(10) * ticks
}

#[test]
fn hostile_endpoints_cost_little_and_delay_nobody() {
    let mut mortal = start("127.24.0.1", Script::status(200));
    let other = start("127.24.0.2", Script::status(200));
    let timing =
        format!("interval = \"{}ms\"\ntimeout = \"{}ms\"\nfall = {FALL}\n", INTERVAL.as_millis(), TIMEOUT.as_millis());
    let calm = format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"http\"\n{timing}rise = 1\n\
         [pools.web]\nmonitor = \"web\"\nendpoints = [{}, {}]\n[names.www]\npools = [\"web\"]\n",
        member(mortal.address()),
        member(other.address())
    );
    let (mut hostile, mut endpoints) = (calm.clone(), Vec::new());
    for (kind, Flood { monitor, steps, tls }) in floods().into_iter().enumerate() {
        let starting = |n| {
            let address = format!("127.24.{}.{}", kind + 1, n + 1).parse::<IpAddr>().unwrap();
            let (at, script) = ((address, 0).into(), Script(steps.clone()));
            match &tls {
                Some(tls) => Endpoint::start_tls(at, script, tls.clone()),
                None => Endpoint::start(at, script),
            }
        };
        let started: Vec<Endpoint> = (0..EACH).map(starting).collect();
        let members: Vec<String> = started.iter().map(|endpoint| member(endpoint.address())).collect();
        let members = members.join(", ");
        hostile.extend([
            format!("[monitors.m{kind}]\n{monitor}\n{timing}"),
            format!("[pools.p{kind}]\nmonitor = \"m{kind}\"\nendpoints = [{members}]\n"),
            format!("[names.n{kind}]\npools = [\"p{kind}\"]\n"),
        ]);
        endpoints.extend(started);
    }
    let spent = |zone: &str| {
        let node = Files::new(SERVER, &[("example.com.toml", zone)]).serve();
        let before = processor_time(&node);
        thread::sleep(WHILE);
        (processor_time(&node).saturating_sub(before), node)
    };
    let (at_rest, node) = spent(&calm);
    let late_at_rest = lateness(node);
    let before: usize = endpoints.iter().map(Endpoint::connections).sum();
    let (under_attack, mut node) = spent(&hostile);
    let probes = endpoints.iter().map(Endpoint::connections).sum::<usize>() - before;
    println!("{at_rest:?} at rest, {under_attack:?} with {probes} hostile probes, in {WHILE:?}");
    assert!(probes >= endpoints.len(), "{probes} probes");
    let allowed = at_rest + PROBE_COST * u32::try_from(probes).unwrap();
    assert!(under_attack < allowed, "{under_attack:?} rather than {allowed:?} for {probes} probes");

    // Meanwhile an endpoint that dies leaves the answers in time.
    let mut asker = node.asker();
    let mut is_answered = || addresses(&asker.ask("www.example.com.", RecordType::A, None)).contains(&mortal_ip());
    assert!(is_answered());
    mortal.stop_listening();
    let died = Instant::now();
    while is_answered() {
        assert!(died.elapsed() < PATIENCE, "it is answered for ever");
        thread::sleep(Duration::from_millis(20));
    }
    let late = died.elapsed();
    println!("gone after {late:?}");
    assert!(late < INTERVAL * FALL + TIMEOUT + SLACK, "{late:?}");
    // Each endpoint fails because it sends too much or, if the test is too slow for that, because its probe times out.
    for endpoint in &endpoints {
        let named = format!("endpoint={} ", endpoint.address());
        let is_told = |line: &String| line.contains("endpoint is down") && line.contains(&named);
        assert!(node.log.lines().iter().any(is_told), "{named}");
    }
    let late_under_attack = lateness(node);
    println!("probes begin {late_at_rest:?} late at rest, {late_under_attack:?} under attack (99th percentile)");
    assert!(late_under_attack < late_at_rest + INTERVAL * 2, "{late_under_attack:?} rather than {late_at_rest:?}");
}

/// Stops the node, and returns how late the latest hundredth of its probes began, at least.
fn lateness(mut node: Node) -> Duration {
    node.signal("TERM");
    let line = node.log.wait_for("stopping");
    let text = line.split("late_p99=").nth(1).and_then(|rest| rest.split(' ').next()).expect("the line tells it");
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().expect("a number");
    Duration::from_secs_f64(match unit {
        "ns" => number / 1e9,
        "µs" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        other => panic!("{other} is no unit: {line}"),
    })
}

fn mortal_ip() -> IpAddr {
    "127.24.0.1".parse().unwrap()
}
