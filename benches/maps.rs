//! The cost of maps for a node that serves zones for many teams: each zone has regions of its own, made of countries, with
//! prefixes of its own. The time until the node is ready, its memory, an edit of one zone, and a look-up.
//!
//! Numbers after `--` replace the numbers of zones. The database is the shipped one.

mod process;

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use process::{cpu_time, free_port, mebibytes, seconds, status_field};
use truenorth::disk::Disk;
use truenorth::geo::{Caps, ClientMatch, CountryCode, DatacenterId, Region, Regions, countries};
use truenorth::steering::{CompiledChain, CompiledStep, Ground, Map, RegionTiers};

/// Zones of the measured nodes.
const ZONES: [usize; 2] = [1_000, 10_000];

/// Regions of each zone, and the prefixes that are spread over them.
const REGIONS: usize = 6;
const PREFIXES: u32 = 20;

/// Maps that are looked up in turn.
const MAPS: u32 = 1_000;

/// Rounds in which each of the networks is looked up.
const ROUNDS: u32 = 32;

/// Maximum time until a node is ready.
const PATIENCE: Duration = Duration::from_secs(600);

const BIN: &str = env!("CARGO_BIN_EXE_truenorth");
const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb");

/// Scatters numbers, so that no pattern is followed.
fn scattered(number: u32) -> u32 {
    let mixed = number.wrapping_mul(2_654_435_761);
    (mixed ^ mixed >> 15).wrapping_mul(2_246_822_519)
}

/// The texts of the clients of each region of a zone.
fn clients(zone: u32) -> Vec<Vec<String>> {
    let mut regions = vec![Vec::new(); REGIONS];
    let region = |number: u32| scattered(zone * 1_000 + number) as usize % REGIONS;
    for (number, country) in (0..).zip(countries::countries()) {
        regions[region(number)].push(format!("country:{}", country.code));
    }
    for number in 0..PREFIXES {
        let bits = scattered(zone * 1_000 + 500 + number);
        let prefix = if number % 4 == 0 {
            format!("2a{:02x}:{:x}::/32", bits >> 28, (bits >> 8) & 0xffff)
        } else {
            let length = 16 + bits % 9;
            let address = (bits & (u32::MAX << (32 - length)) & 0x7fff_ffff) | 0x1000_0000;
            format!("{}/{length}", Ipv4Addr::from_bits(address))
        };
        // The same prefix twice is an error.
        if !regions.iter().flatten().any(|other| *other == prefix) {
            regions[region(300 + number)].push(prefix);
        }
    }
    regions
}

/// The zone file with this number. `turn` changes the order of preference, and nothing else.
fn zone(number: u32, turn: usize) -> String {
    let mut text = "[nameservers]\nns1 = [\"192.0.2.53\"]\n".to_owned();
    for (region, clients) in clients(number).iter().enumerate() {
        let prefer = |place: usize| format!("\"dc{}\"", (region + place + turn) % REGIONS);
        let prefer: Vec<String> = (0..REGIONS).map(prefer).collect();
        writeln!(text, "[regions.r{region}]\nclients = {clients:?}\nprefer = [{}]", prefer.join(", ")).expect("memory");
    }
    text.push_str("[pools.web]\n");
    for place in 0..REGIONS {
        writeln!(text, "endpoints.dc{place} = [\"192.0.2.{place}\"]").expect("memory");
    }
    text.push_str("[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n");
    text
}

fn server(port: u16) -> String {
    let mut text = format!(
        "[listen]\ndns = [\"127.0.0.1:{port}\"]\n[admin]\nsocket = \"admin.socket\"\n[reload]\nwatch = false\n\
         [geoip]\ndatabases = [\"{DATABASE}\"]\n[regions.default]\nprefer = [\"dc0\"]\n[datacenters]\n"
    );
    for place in 0..REGIONS {
        writeln!(text, "dc{place} = {{ latitude = {place}, longitude = {place} }}").expect("memory");
    }
    text
}

/// A running node.
struct Node {
    process: Child,
    port: u16,
}

impl Node {
    fn start(folder: &Path, port: u16) -> Self {
        let mut command = Command::new(BIN);
        command.env("RUST_LOG", "error").arg("serve").arg("--config").arg(folder.join("truenorth.toml"));
        Self { process: command.stdout(Stdio::null()).spawn().expect("it starts"), port }
    }

    fn wait(&self) {
        let begun = Instant::now();
        let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03www\x05zone0\x07example\0\0\x01\0\x01";
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        let answers = || socket.send_to(query, ("127.0.0.1", self.port)).and_then(|_| socket.recv(&mut [0; 512]));
        while answers().is_err() {
            assert!(begun.elapsed() < PATIENCE, "it does not answer");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn measure_node(zones: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (folder, port) = (folder.path(), free_port());
    fs::create_dir(folder.join("zones")).expect("a folder");
    fs::write(folder.join("truenorth.toml"), server(port)).expect("a file");
    for number in 0..zones {
        let file = folder.join(format!("zones/zone{number}.example.toml"));
        fs::write(file, zone(number as u32, 0)).expect("a file");
    }
    let begun = Instant::now();
    let node = Node::start(folder, port);
    node.wait();
    let ready = begun.elapsed();
    let id = node.process.id();
    let field = |name| mebibytes(status_field(id, name).expect("it runs"));
    let cpu = seconds(cpu_time(id).expect("it runs"));
    println!("{zones} zones: ready after {}, processor time {cpu}, peak {}", seconds(ready), field("VmHWM:"));
    fs::write(folder.join("zones/zone7.example.toml"), zone(7, 1)).expect("a file");
    let begun = Instant::now();
    let reload = Command::new(BIN).arg("reload").arg("--config").arg(folder.join("truenorth.toml")).output();
    assert!(reload.is_ok_and(|output| output.status.success()));
    println!("{zones} zones: other regions in one zone after {}, peak {}", seconds(begun.elapsed()), field("VmHWM:"));
}

/// The map of a zone, without its files.
fn map(number: u32, ground: &Arc<Ground>) -> Map {
    let parse = |text: &String| match text.strip_prefix("country:") {
        Some(code) => ClientMatch::Country(CountryCode::parse(code).expect("a code")),
        None => ClientMatch::Prefix(text.parse::<ipnet::IpNet>().expect("a prefix").trunc()),
    };
    let region = |(place, clients): (usize, Vec<String>)| Region {
        name: format!("r{place}").into(),
        clients: clients.iter().map(parse).collect(),
        prefer: (0..REGIONS).map(|step| vec![DatacenterId::from_index((place + step) % REGIONS)]).collect(),
        only: false,
    };
    let regions = Arc::new(Regions::new(clients(number).into_iter().enumerate().map(region).collect()));
    let tiers = |place| RegionTiers {
        tiers: (0..REGIONS).map(|step| 1_u64 << ((place + step) % REGIONS)).collect(),
        only: false,
    };
    let step = CompiledStep::Region(regions, (0..REGIONS).map(tiers).collect());
    Map::build(CompiledChain::new(REGIONS as u8, vec![step]), None, ground)
}

fn measure_look_ups() {
    let loaded = truenorth::geoip::load(&Disk::new(), &[DATABASE]).expect("the shipped database is sound");
    let locations = Arc::new(loaded.locations);
    println!("the shipped database: {} runs of IPv4, {} of IPv6", locations.v4.len(), locations.v6.len());
    let ground = Arc::new(Ground::of_locations(locations, Caps { v4: 24, v6: 56 }));
    let begun = Instant::now();
    let maps: Vec<Map> = (0..MAPS).map(|number| map(number, &ground)).collect();
    println!("a map is made in {:?}", begun.elapsed() / MAPS);
    let networks: Vec<IpAddr> =
        (0..1 << 16).map(|number| Ipv4Addr::from_bits((scattered(number) % 0xe000_0000) & !0xff).into()).collect();
    for (name, maps) in [("one map", &maps[..1]), ("a thousand maps in turn", &maps[..])] {
        let begun = Instant::now();
        for round in 0..ROUNDS as usize {
            for (number, &network) in networks.iter().enumerate() {
                black_box(maps[(number + round) % maps.len()].look_up(network));
            }
        }
        println!("a look-up of a random network, {name}: {:?}", begun.elapsed() / (ROUNDS * networks.len() as u32));
    }
}

fn main() {
    measure_look_ups();
    let zones: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    for &zones in if zones.is_empty() { &ZONES[..] } else { &zones } {
        measure_node(zones);
    }
}
