//! The number of instructions of a query without sockets, counted by valgrind's callgrind: unlike times, they are the
//! same on a busy machine. `cargo bench --bench instructions` prints a line for each kind of question.
//!
//! The bench runs itself under callgrind, twice for each kind with different numbers of queries: the difference belongs to
//! the queries alone. Needs Debian's `valgrind`; says so and ends if that is not there.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use truenorth::answer::{Asker, Exchange, Rotation, Transport, Worker, answer};
use truenorth::geo::{Location, Locations, RunsBuilder, countries};
use truenorth::snapshot::{Blueprint, EndpointState, Snapshot};
use truenorth::wire::{self, MAX_MESSAGE};

/// Queries of the shorter and of the longer run.
const QUERIES: [u32; 2] = [500, 2500];

/// Different queries of a kind.
const VARIETY: u32 = 256;

const NETWORKS: u32 = 20_000;

/// A question's name, its type, whether it has a Client Subnet option.
type Kind = (&'static str, &'static str, RecordType, bool);

const KINDS: &[Kind] = &[
    ("static", "static", RecordType::A, false),
    ("steered", "www", RecordType::A, false),
    ("steered, Client Subnet", "www", RecordType::A, true),
    ("steered, sticky, Client Subnet", "sticky", RecordType::A, true),
    ("steered, HTTPS", "www", RecordType::HTTPS, true),
    ("alias of a steered name", "alias", RecordType::A, true),
    ("no data", "static", RecordType::MX, false),
    ("no such name", "none", RecordType::A, false),
    ("referral", "below.child", RecordType::A, false),
];

const ZONE: &str = r#"
[soa]
serial = 1
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
sin = { latitude = 1.35, longitude = 103.99 }
[regions.europe]
clients = ["continent:EU", "continent:AF"]
prefer = ["fra", "iad", "sin"]
[regions.americas]
clients = ["continent:NA", "continent:SA"]
prefer = ["iad", "fra", "sin"]
[regions.apac]
clients = ["continent:AS", "continent:OC"]
prefer = ["sin", ["fra", "iad"]]
[regions.default]
prefer = ["iad", "fra", "sin"]
[pools.web]
endpoints.fra = ["198.51.100.10", "198.51.100.11"]
endpoints.iad = ["192.0.2.10", "192.0.2.11"]
endpoints.sin = ["203.0.113.80"]
[names.www]
pools = ["web"]
steer = ["region", "distance"]
https = { alpn = ["h2"] }
[names.sticky]
pools = ["web"]
steer = ["region"]
pick = "sticky"
[records.static]
A = ["192.0.2.1"]
[records.alias]
CNAME = ["www"]
[records.child]
NS = ["ns.child"]
[records."ns.child"]
A = ["192.0.2.54"]
"#;

/// Networks in runs of alternating countries.
fn locations() -> Locations {
    let table: Vec<Location> = countries::countries()
        .map(|country| Location {
            continent: Some(country.continent),
            country: Some(country.code),
            coordinates: Some(country.point),
            ..Location::default()
        })
        .collect();
    let step = u32::MAX / NETWORKS;
    let mut v4 = RunsBuilder::default();
    for network in 0..NETWORKS {
        v4.push(network * step, network.wrapping_mul(2_654_435_761) % table.len() as u32);
    }
    let mut v6 = RunsBuilder::default();
    v6.push(0, 0);
    Locations { v4: v4.finish(), v6: v6.finish(), table: table.into() }
}

fn snapshot() -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(folder.path().join("truenorth.toml"), "zones = \"zones\"\n").unwrap();
    fs::write(folder.path().join("zones/example.com.toml"), ZONE).unwrap();
    let disk = truenorth::disk::Disk::new();
    let config = truenorth::config::load(&folder.path().join("truenorth.toml"), &disk, &|_| None);
    let config = config.unwrap_or_else(|faults| panic!("{faults:?}"));
    let blueprint = Blueprint::compile(config.world, Arc::new(locations()), None);
    Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None)
}

fn query(name: &str, rtype: RecordType, client: Option<Ipv4Addr>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(format!("{name}.example.com.")).unwrap(), rtype));
    let mut edns = Edns::new();
    if let Some(address) = client {
        edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(address.into(), 24, 0)));
    }
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// Answers so many queries of a kind.
fn work(kind: usize, count: u32) {
    let (_, name, rtype, has_subnet) = KINDS[kind];
    let snapshot = snapshot();
    let mut worker = Worker::new(Arc::new(Rotation::default()));
    let mut out = vec![0; MAX_MESSAGE];
    let address = |number: u32| Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761) & 0xffff_ff00);
    let queries: Vec<Vec<u8>> =
        (0..VARIETY).map(|number| query(name, rtype, has_subnet.then(|| address(number)))).collect();
    for number in 0..count {
        let asker =
            Asker { address: Ipv4Addr::new(192, 0, 2, number as u8).into(), transport: Transport::Udp, idle: None };
        let query = wire::Query::parse(black_box(&queries[(number % VARIETY) as usize])).unwrap();
        black_box(answer(&Exchange::new(&snapshot, &query, asker, 0), &mut worker, &mut out));
    }
}

/// Instructions of a run of this program that answers so many queries.
fn count(folder: &Path, kind: usize, queries: u32) -> u64 {
    let out = folder.join("callgrind");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", &format!("--callgrind-out-file={}", out.display())])
        .arg(env::current_exe().unwrap())
        .args(["work", &kind.to_string(), &queries.to_string()])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let profile = fs::read_to_string(&out).unwrap();
    let total = profile.lines().find_map(|line| line.strip_prefix("summary: "));
    total.expect("callgrind sums up").trim().parse().unwrap()
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, word, kind, queries] = arguments.as_slice()
        && word == "work"
    {
        return work(kind.parse().unwrap(), queries.parse().unwrap());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("valgrind is needed: apt-get install valgrind");
    }
    let folder = tempfile::tempdir().unwrap();
    for (kind, (title, ..)) in KINDS.iter().enumerate() {
        let [few, many] = QUERIES.map(|queries| count(folder.path(), kind, queries));
        println!("{title:<32} {:>6} instructions a query", (many - few) / u64::from(QUERIES[1] - QUERIES[0]));
    }
}
