//! truenorth, gdnsd and hickory-server on this machine, in one run: the time until each is ready, its memory, and the
//! cost of a query.
//!
//! truenorth and gdnsd serve the shipped database's networks (rewritten in GeoIP2 layout, which gdnsd reads), the same
//! map from continents to three datacenters, and the same names. hickory-server does not steer: it serves the same
//! names with static records, and gets questions for the static one only. dnsperf asks over loopback. The cost is user
//! and system time of the server divided by the number of answered queries: on loopback most of it is the kernel's work
//! for the packets.
//!
//! Needs Debian's `gdnsd` and `dnsperf`; without them, the bench says so and ends.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use hickory_proto::rr::{LowerName, Name};
use hickory_proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde_json::json;
use truenorth::geo::{CountryCode, countries};

/// Time for which each server is asked each kind of question.
const SECONDS: &str = "5";

/// Number of rounds. The servers take turns, so that a change of the machine's speed affects all of them.
const ROUNDS: usize = 3;

/// Client Subnet for 133.11.0.0/24, which is in Japan, as dnsperf takes it: the option's code and octets.
const JAPAN: &str = "8:0001180085000b";

const TRUENORTH_ZONE: &str = r#"
[soa]
serial = 1
[nameservers]
ns1 = ["127.0.0.1"]
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
prefer = ["sin", "iad", "fra"]
[regions.default]
prefer = ["iad", "fra", "sin"]
[pools.web]
endpoints.fra = ["198.51.100.10"]
endpoints.iad = ["192.0.2.10"]
endpoints.sin = ["203.0.113.80"]
[names.www]
pools = ["web"]
steer = ["region"]
[records.static]
A = ["192.0.2.1"]
"#;

const GDNSD_ZONE: &str = "@ 300 SOA ns1 hostmaster 1 7200 1800 259200 60\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n\
    static 300 A 192.0.2.1\nwww 30 DYNA geoip!www\n";

const GDNSD_PLUGINS: &str = "plugins => { geoip => {\n\
      maps => { places => { geoip2_db => FOLDER/geoip2.mmdb, datacenters => [fra, iad, sin], map => {\n\
        EU => [fra, iad, sin], AF => [fra, iad, sin], NA => [iad, fra, sin], SA => [iad, fra, sin],\n\
        AS => [sin, iad, fra], OC => [sin, iad, fra], default => [iad, fra, sin] } } },\n\
      resources => { www => { map => places, service_types => up,\n\
        dcmap => { fra => 198.51.100.10, iad => 192.0.2.10, sin => 203.0.113.80 } } } } }\n";

/// Its `www` shows when it is ready.
const HICKORY_ZONE: &str = "@ 300 IN SOA ns1 hostmaster 1 7200 1800 259200 60\n@ 300 IN NS ns1\nns1 300 IN A 127.0.0.1\n\
    static 300 IN A 192.0.2.1\nwww 30 IN A 192.0.2.10\n";

/// With this argument and a port, this program runs hickory-server, so that its time is that of a process of its own.
const SERVE_HICKORY: &str = "serve-hickory";

/// A running server, and the cost of its start.
struct Peer {
    name: &'static str,
    process: Child,
    port: u16,
    ready: Duration,
}

impl Peer {
    fn start(name: &'static str, mut command: Command, port: u16) -> Self {
        let begun = Instant::now();
        let process = command.stdout(Stdio::null()).spawn().expect("the server starts");
        let mut peer = Self { name, process, port, ready: Duration::ZERO };
        while !peer.answers() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} does not answer");
        }
        peer.ready = begun.elapsed();
        peer
    }

    fn answers(&self) -> bool {
        let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01";
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a time-out");
        let sent = socket.send_to(query, ("127.0.0.1", self.port));
        sent.is_ok() && socket.recv(&mut [0; 512]).is_ok()
    }

    /// KiB resident.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// User and system time so far, in clock ticks of 10 ms.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        [11, 12].iter().map(|&at: &usize| fields[at].parse::<u64>().expect("ticks")).sum()
    }

    /// Microseconds of processor time for each query, and queries a second, under as much load as dnsperf makes.
    fn cost(&self, questions: &Path, options: &[&str]) -> (f64, f64) {
        let before = self.ticks();
        let output = Command::new("dnsperf")
            .args(["-s", "127.0.0.1", "-p", &self.port.to_string(), "-l", SECONDS, "-c", "8", "-q", "100", "-d"])
            .arg(questions)
            .args(options)
            .output()
            .expect("dnsperf runs");
        let ticks = self.ticks() - before;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = |label: &str| -> f64 {
            let line =
                text.lines().find_map(|line| line.trim().strip_prefix(label)).unwrap_or_else(|| panic!("{text}"));
            line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
        };
        (ticks as f64 * 10_000.0 / number("Queries completed:"), number("Queries per second:"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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

/// One that is free for UDP and for TCP: gdnsd is told its port in a file.
fn free_port() -> u16 {
    let udp_ports = || UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let is_free_for_tcp = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(udp_ports).find(is_free_for_tcp).expect("ports do not end")
}

fn start_truenorth(folder: &Path) -> Peer {
    let port = free_port();
    let server =
        format!("zones = \"tn\"\n[listen]\ndns = [\"127.0.0.1:{port}\"]\n[geoip]\ndatabases = [\"geoip2.mmdb\"]\n");
    fs::create_dir_all(folder.join("tn")).expect("a folder");
    fs::write(folder.join("truenorth.toml"), server).expect("a file");
    fs::write(folder.join("tn/example.com.toml"), TRUENORTH_ZONE).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    command.env("RUST_LOG", "error").arg("serve").arg("--config").arg(folder.join("truenorth.toml"));
    Peer::start("truenorth", command, port)
}

fn start_gdnsd(folder: &Path) -> Peer {
    let port = free_port();
    let etc = folder.join("gdnsd");
    for part in ["zones", "run", "state"] {
        fs::create_dir_all(etc.join(part)).expect("a folder");
    }
    let at = |part: &str| etc.join(part).display().to_string();
    let options = format!(
        "options => {{ listen => [127.0.0.1:{port}], run_dir => {}, state_dir => {} }}\n",
        at("run"),
        at("state")
    );
    let plugins = GDNSD_PLUGINS.replace("FOLDER", &folder.display().to_string());
    fs::write(etc.join("config"), options + &plugins).expect("a file");
    fs::write(etc.join("zones/example.com"), GDNSD_ZONE).expect("a file");
    let mut command = Command::new("gdnsd");
    command.arg("-c").arg(&etc).arg("start");
    Peer::start("gdnsd", command, port)
}

fn start_hickory() -> Peer {
    let port = free_port();
    let mut command = Command::new(env::current_exe().expect("this program's path"));
    command.arg(SERVE_HICKORY).arg(port.to_string());
    Peer::start("hickory", command, port)
}

/// hickory-server as its library gives it, over UDP on loopback, until it is killed.
fn serve_hickory(port: u16) {
    let origin = Name::from_ascii("example.com.").expect("a name");
    let (_, records) = Parser::new(HICKORY_ZONE, None, Some(origin.clone())).parse().expect("a master file");
    let zone: InMemoryZoneHandler =
        InMemoryZoneHandler::new(origin.clone(), records, ZoneType::Primary, AxfrPolicy::Deny).expect("a zone");
    let mut catalog = Catalog::new();
    catalog.upsert(LowerName::new(&origin), vec![Arc::new(zone) as Arc<dyn ZoneHandler>]);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the port is free");
        let mut server = Server::new(catalog);
        server.register_socket(socket);
        server.block_until_done().await.expect("it serves until it is killed");
    });
}

fn main() {
    let words: Vec<String> = env::args().collect();
    if let [_, SERVE_HICKORY, port] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        serve_hickory(port.parse().expect("a port"));
        return;
    }
    for tool in ["gdnsd", "dnsperf"] {
        if Command::new(tool).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("{tool} is not installed: apt-get install gdnsd dnsperf");
            return;
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    write_geoip2(&folder.path().join("geoip2.mmdb"));
    let peers = [start_truenorth(folder.path()), start_gdnsd(folder.path()), start_hickory()];
    println!("{:<12} {:>12} {:>14}", "", "ready in", "resident");
    for peer in &peers {
        println!("{:<12} {:>9} ms {:>10} MiB", peer.name, peer.ready.as_millis(), peer.resident() / 1024);
    }
    let [truenorth, gdnsd, hickory] = &peers;
    let cases: [(&str, &str, &[&str], &[&Peer]); 3] = [
        ("static", "static.example.com A\n", &[], &[truenorth, gdnsd, hickory]),
        ("steered", "www.example.com A\n", &["-e"], &[truenorth, gdnsd]),
        ("steered, client subnet", "www.example.com A\n", &["-E", JAPAN], &[truenorth, gdnsd]),
    ];
    println!("{:<24} {:<12} {:>12} {:>14}", "question", "", "us a query", "queries a s");
    for (case, question, options, peers) in cases {
        let questions = folder.path().join("questions");
        fs::write(&questions, question).expect("a file");
        for _ in 0..ROUNDS {
            for peer in peers {
                let (cost, rate) = peer.cost(&questions, options);
                println!("{case:<24} {:<12} {cost:>12.2} {rate:>14.0}", peer.name);
            }
        }
    }
}
