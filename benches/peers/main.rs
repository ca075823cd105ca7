//! truenorth beside other nameservers on this machine, in one run: the time until each is ready, its memory, the processor
//! time and the instructions of an answer, and how long answers take while truenorth publishes snapshots.
//!
//! Each server has one processor, and dnsperf another. The servers take turns in each round, so that a change of the
//! machine's speed affects all of them; a ratio compares two servers within a round. `echo` sends each query back and does
//! nothing else: on loopback most of a query's time is the kernel's.
//!
//! Needs Debian's `bind9`, `dnsperf`, `gdnsd`, `knot`, `knot-module-geoip` and `valgrind`, and two processors. TRUENORTH_ROUNDS is the number of
//! rounds.

mod contestants;
mod echo;
mod figures;
mod latency;
mod load;
mod questions;
mod server;

use std::iter::repeat_n;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

use hickory_proto::rr::{LowerName, Name};
use hickory_proto::serialize::txt::Parser;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use rustix::process::Signal;
use serde_json::json;
use truenorth::geo::{CountryCode, countries};

use contestants::{ADMIN, CERTIFICATE, DATABASE, ECHO, HICKORY, KEY};
use load::Transport;
use questions::With;
use server::{Ports, Server};

/// Number of rounds, unless TRUENORTH_ROUNDS says otherwise.
const ROUNDS: usize = 7;

/// Questions in a file. dnsperf begins anew at its end.
const QUESTIONS: usize = 20_000;

/// Questions under callgrind, in two runs: their difference leaves out what a server does once.
const COUNTED: [usize; 2] = [2_000, 12_000];

/// Makes the command of a server that listens at these ports, with its files in a folder.
type Make = fn(&Path, Ports) -> Command;

/// Names of the servers, and their commands.
const TRUENORTH: (&str, Make) = ("truenorth", contestants::truenorth);
const GDNSD: (&str, Make) = ("gdnsd", contestants::gdnsd);
const KNOT: (&str, Make) = ("Knot DNS", contestants::knot);
const BIND: (&str, Make) = ("BIND", contestants::bind);
const HICKORY_SERVER: (&str, Make) = ("hickory-server", |_, ports| contestants::this_program(HICKORY, ports));
const BARE: (&str, Make) = ("echo", |_, ports| contestants::this_program(ECHO, ports));

/// A kind of question, how it is asked, and who answers it.
struct Case {
    title: &'static str,
    name: &'static str,
    with: With,
    transport: Transport,
    /// The first is what the others are compared with.
    servers: &'static [(&'static str, Make)],
}

const CASES: [Case; 6] = [
    Case {
        title: "static, UDP",
        name: "static.example.com",
        with: With::Nothing,
        transport: Transport::Udp,
        servers: &[BARE, TRUENORTH, GDNSD, KNOT, BIND, HICKORY_SERVER],
    },
    Case {
        title: "steered, UDP",
        name: "www.example.com",
        with: With::Edns,
        transport: Transport::Udp,
        servers: &[BARE, TRUENORTH, GDNSD, KNOT],
    },
    Case {
        title: "steered, Client Subnet, UDP",
        name: "www.example.com",
        with: With::Subnet,
        transport: Transport::Udp,
        servers: &[BARE, TRUENORTH, GDNSD, KNOT],
    },
    Case {
        title: "static, TCP",
        name: "static.example.com",
        with: With::Nothing,
        transport: Transport::Tcp,
        servers: &[TRUENORTH, GDNSD, KNOT, BIND],
    },
    Case {
        title: "static, TLS",
        name: "static.example.com",
        with: With::Nothing,
        transport: Transport::Tls,
        servers: &[TRUENORTH, BIND],
    },
    Case {
        title: "static, HTTPS",
        name: "static.example.com",
        with: With::Nothing,
        transport: Transport::Https,
        servers: &[TRUENORTH, BIND],
    },
];

fn main() {
    let words: Vec<String> = env::args().collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, ECHO, port] => return echo::serve(port.parse().expect("a port")),
        [_, HICKORY, port] => return serve_hickory(port.parse().expect("a port")),
        _ => {}
    }
    for tool in ["dnsperf", "gdnsd", "knotd", "named", "taskset", "valgrind"] {
        if Command::new(tool).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("{tool} is not installed: apt-get install bind9 dnsperf gdnsd knot knot-module-geoip valgrind");
            return;
        }
    }
    let rounds = env::var("TRUENORTH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let folder = tempfile::tempdir().expect("a folder");
    write_geoip2(&folder.path().join(DATABASE));
    write_certificate(folder.path());
    print_starts(folder.path());
    println!("\nmicroseconds of processor time for an answer, in {rounds} rounds: the median (lowest-highest)\n");
    println!("{:<28} {:<15} {:>22} {:>12} {:>24}", "question", "", "microseconds", "answers/s", "ratio to the first");
    let mut rate = 0.0;
    for case in &CASES {
        let steered = compare(folder.path(), case, rounds);
        if case.with == With::Subnet {
            rate = steered;
        }
    }
    print_instructions(folder.path());
    print_latency(folder.path(), rate / 2.0);
}

fn start(folder: &Path, (name, make): (&'static str, Make)) -> Server {
    let ports = Ports::free();
    Server::start(name, &make(folder, ports), ports)
}

/// Prints how long each server takes to its first answer, and its memory after that.
fn print_starts(folder: &Path) {
    println!("{:<15} {:>12} {:>12} {:>12}", "", "ready in", "resident", "at most");
    for contestant in [TRUENORTH, GDNSD, KNOT, BIND, HICKORY_SERVER] {
        let server = start(folder, contestant);
        let mebibytes = |field| server.memory(field) >> 20;
        let (resident, most) = (mebibytes("VmRSS"), mebibytes("VmHWM"));
        println!("{:<15} {:>9} ms {resident:>8} MiB {most:>8} MiB", server.name, server.ready.as_millis());
    }
}

/// Lets all servers of a case answer in turn, and prints their cost. Returns truenorth's answers a second.
fn compare(folder: &Path, case: &Case, rounds: usize) -> f64 {
    let questions = folder.join("questions");
    questions::write(&questions, repeat_n(case.name, QUESTIONS), case.with);
    let servers: Vec<Server> = case.servers.iter().map(|contestant| start(folder, *contestant)).collect();
    let contests: Vec<(&Server, &Path)> = servers.iter().map(|server| (server, &*questions)).collect();
    let works = load::in_turn(&contests, case.transport, rounds);
    let mut own_rate = 0.0;
    for (server, work) in servers.iter().zip(&works) {
        let Some((costs, rates)) = work else {
            println!("{:<28} {:<15} lost a tenth of the questions or more", case.title, server.name);
            continue;
        };
        let ratio = works[0].as_ref().map_or(String::new(), |(first, _)| costs.ratio(first).to_string());
        println!("{:<28} {:<15} {costs:>22} {:>12.0} {ratio:>24}", case.title, server.name, rates.median());
        if server.name == TRUENORTH.0 {
            own_rate = rates.median();
        }
    }
    own_rate
}

/// Prints the user instructions of an answer over UDP, as callgrind counts them, batches and counters included.
fn print_instructions(folder: &Path) {
    println!("\nuser instructions of an answer over UDP\n");
    for case in CASES.iter().filter(|case| case.transport == Transport::Udp) {
        for contestant in [BARE, TRUENORTH, GDNSD, KNOT] {
            let [few, many] = COUNTED.map(|count| {
                let questions = folder.join("questions");
                questions::write(&questions, repeat_n(case.name, count), case.with);
                let counts = folder.join("callgrind.out");
                let ports = Ports::free();
                let server = Server::start_counted(contestant.0, &contestant.1(folder, ports), ports, &counts);
                load::ask_once(&server, &questions);
                server.end(if contestant.0 == BARE.0 { Signal::INT } else { Signal::TERM });
                total(&counts)
            });
            let each = many.saturating_sub(few) / (COUNTED[1] - COUNTED[0]) as u64;
            println!("{:<28} {:<15} {each:>8}", case.title, contestant.0);
        }
    }
}

/// The instructions of a whole run in a file of callgrind.
fn total(counts: &Path) -> u64 {
    let text = fs::read_to_string(counts).expect("callgrind writes it at the end");
    let total = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    total.and_then(|total| total.trim().parse().ok()).expect("a number")
}

/// Prints how long answers take at this rate, at rest and while truenorth publishes ten snapshots a second and reads its
/// database anew.
fn print_latency(folder: &Path, rate: f64) {
    println!("\nmicroseconds until an answer of truenorth, at {rate:.0} questions a second\n");
    println!("{:<42} {:>9} {:>8} {:>8} {:>8} lost", "", "median", "99 %", "99.9 %", "longest");
    let server = start(folder, TRUENORTH);
    println!("{:<42} {}", "at rest", latency::at_rest(&server, rate));
    let socket = folder.join("truenorth").join(ADMIN);
    let times = latency::while_it_changes(&server, rate, folder, &socket);
    println!("{:<42} {times}", "ten publications a second, a new database");
}

/// The shipped database in GeoIP2 layout.
fn write_geoip2(to: &Path) {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb");
    let reader = maxminddb::Reader::open_readfile(shipped).expect("the shipped database");
    let mut database = Database::default();
    database.metadata.ip_version = IpVersion::V6;
    database.metadata.binary_format_major_version = 2;
    database.metadata.build_epoch = 1;
    "GeoLite2-Country".clone_into(&mut database.metadata.database_type);
    let mut records = std::collections::HashMap::new();
    for result in reader.networks(maxminddb::WithinOptions::default()).expect("networks") {
        let result = result.expect("a network");
        let found: Option<serde_json::Value> = result.decode().expect("a record");
        let Some(code) = found.as_ref().and_then(|value| value["country_code"].as_str()) else { continue };
        let Some(country) = CountryCode::parse(code).and_then(countries::country) else { continue };
        let record = *records.entry(country.code).or_insert_with(|| {
            let value = json!({ "country": { "iso_code": code }, "continent": { "code": country.continent.as_str() } });
            database.insert_value(value).expect("a record is written")
        });
        let network = result.network().expect("a prefix");
        let address = match network.ip() {
            IpAddr::V4(address) => address.to_ipv6_compatible().into(),
            address @ IpAddr::V6(_) => address,
        };
        let length = network.prefix() + if network.is_ipv4() { 96 } else { 0 };
        database.insert_node(IpAddrWithMask::new(address, length), record);
    }
    let mut file = fs::File::create(to).expect("a file");
    database.write_to(&mut file).expect("the database is written");
}

/// A certificate for all servers that speak TLS.
fn write_certificate(folder: &Path) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(folder.join(CERTIFICATE), certificate.pem()).expect("a file is written");
    fs::write(folder.join(KEY), key.serialize_pem()).expect("a file is written");
}

/// hickory-server as its library gives it, over UDP on loopback, until it is killed.
fn serve_hickory(port: u16) {
    let origin = Name::from_ascii("example.com.").expect("a name");
    let (_, records) =
        Parser::new(contestants::hickory_zone(), None, Some(origin.clone())).parse().expect("a master file");
    let zone: InMemoryZoneHandler =
        InMemoryZoneHandler::new(origin.clone(), records, ZoneType::Primary, AxfrPolicy::Deny).expect("a zone");
    let mut catalog = Catalog::new();
    catalog.upsert(LowerName::new(&origin), vec![Arc::new(zone) as Arc<dyn ZoneHandler>]);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the port is free");
        let mut server = hickory_server::Server::new(catalog);
        server.register_socket(socket);
        server.block_until_done().await.expect("it serves until it is killed");
    });
}
