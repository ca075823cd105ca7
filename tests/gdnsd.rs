//! Debian's gdnsd and truenorth with the same configuration: the same client gets the same datacenter from both.
//!
//! The world is random: a database in the GeoIP2 layout, orders of datacenters for continents and countries, and
//! networks that override both. gdnsd has these as a map with nets, truenorth as regions.

mod harness;
mod networks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use fastrand::Rng;
use hickory_proto::rr::RecordType;
use ipnet::{IpNet, Ipv4Net};
use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde_json::json;
use tempfile::TempDir;

use harness::{Asker, Files, Log, SERVER, addresses, random, scope};
use networks::{address_in, in_ipv6};

/// Lengths of IPv4 networks in the database.
const LENGTHS: std::ops::RangeInclusive<u8> = 10..=28;

/// The datacenters. The last octet of a datacenter's address is its position here, counted from 1.
const DATACENTERS: [&str; 6] = ["fra", "iad", "gru", "jnb", "sin", "syd"];

/// Datacenters that the name `rest` lacks: its clients get their second or third choice.
const LEFT_OUT: [&str; 2] = ["fra", "sin"];

const COUNTRIES: [(&str, &[&str]); 7] = [
    ("EU", &["DE", "FR", "GB", "ES", "IT", "PL", "SE", "UA"]),
    ("NA", &["US", "CA", "MX", "CU"]),
    ("SA", &["BR", "AR", "CL", "PE"]),
    ("AF", &["ZA", "KE", "NG", "EG", "MA"]),
    ("AS", &["JP", "CN", "IN", "SG", "TR", "KR"]),
    ("OC", &["AU", "NZ", "FJ"]),
    ("AN", &["AQ"]),
];

/// Networks in the database, for each family.
const NETWORKS: usize = 3000;

/// Networks that override it, for each family.
const OVERRIDES: usize = 150;

/// Clients that ask, for each family.
const CLIENTS: usize = 2500;

/// For each scope, the number of other clients inside it for which gdnsd is asked.
const STRANGERS: usize = 3;

/// An order of all datacenters.
type Order = Vec<&'static str>;

/// The configuration for both servers.
struct World {
    networks: Vec<(IpNet, &'static str, Option<&'static str>)>,
    continents: BTreeMap<&'static str, Order>,
    countries: BTreeMap<&'static str, Order>,
    overrides: BTreeMap<IpNet, Order>,
    default: Order,
}

impl World {
    fn draw(random: &mut Rng) -> Self {
        let mut networks = Vec::new();
        for number in 0..2 * NETWORKS {
            let (continent, countries) = COUNTRIES[random.usize(..COUNTRIES.len())];
            // For a few networks only the continent is known.
            let country = (random.u8(..) > 8).then(|| countries[random.usize(..countries.len())]);
            networks.push((networks::network(random, number < NETWORKS, LENGTHS), continent, country));
        }
        let mut world = Self {
            networks,
            continents: BTreeMap::new(),
            countries: BTreeMap::new(),
            overrides: BTreeMap::new(),
            default: order(random),
        };
        for (continent, countries) in COUNTRIES {
            // Some have no order.
            if random.u8(..) > 60 {
                world.continents.insert(continent, order(random));
            }
            for country in countries {
                if random.bool() {
                    world.countries.insert(country, order(random));
                }
            }
        }
        for number in 0..2 * OVERRIDES {
            let is_v4 = number < OVERRIDES;
            let near = world.networks[random.usize(..world.networks.len())].0;
            // Half of them lie around or inside of a network of the database.
            let net = if random.bool() && near.addr().is_ipv4() == is_v4 {
                let shift = random.i16(-4..=4);
                let length = (i16::from(near.prefix_len()) + shift).clamp(8, if is_v4 { 32 } else { 64 });
                IpNet::new(address_in(random, near), length as u8).expect("a length that fits").trunc()
            } else {
                networks::network(random, is_v4, LENGTHS)
            };
            world.overrides.insert(net, order(random));
        }
        world
    }

    /// Longer prefixes come after the shorter ones that they lie in.
    fn database(&self) -> Vec<u8> {
        let mut database = Database::default();
        database.metadata.ip_version = IpVersion::V6;
        "GeoLite2-Country".clone_into(&mut database.metadata.database_type);
        database.metadata.binary_format_major_version = 2;
        // gdnsd uses libmaxminddb, which regards a file without a build time as broken.
        database.metadata.build_epoch = 1;
        let mut networks: Vec<_> = self.networks.iter().map(|(net, ..)| in_ipv6(*net)).zip(&self.networks).collect();
        networks.sort_by_key(|(net, _)| net.prefix_len());
        for (net, (_, continent, country)) in networks {
            let mut record = json!({ "continent": { "code": continent } });
            if let Some(country) = country {
                record["country"] = json!({ "iso_code": country });
            }
            let record = database.insert_value(record).expect("a record");
            database.insert_node(net.to_string().parse::<IpAddrWithMask>().expect("a prefix"), record);
        }
        let mut octets = Vec::new();
        database.write_to(&mut octets).expect("memory");
        octets
    }

    fn gdnsd_config(&self, folder: &str, address: SocketAddr) -> String {
        let list = |order: &Order| format!("[ {} ]", order.join(", "));
        let mut map = format!("default => {}\n", list(&self.default));
        for (continent, countries) in COUNTRIES {
            let default = self.continents.get(continent).unwrap_or(&self.default);
            let _ = writeln!(map, "{continent} => {{ default => {}", list(default));
            for (country, order) in countries.iter().filter_map(|country| self.countries.get_key_value(country)) {
                let _ = writeln!(map, "  {country} => {}", list(order));
            }
            map += "}\n";
        }
        let nets: Vec<String> =
            self.overrides.iter().map(|(net, order)| format!("{net} => {}\n", list(order))).collect();
        let dcmap = |left_out: &[&str]| {
            let kept = (1..).zip(DATACENTERS).filter(|(_, name)| !left_out.contains(name));
            kept.map(|(place, name)| format!("{name} => 192.0.2.{place}")).collect::<Vec<_>>().join("\n")
        };
        format!(
            "options => {{ listen => {address}, run_dir => {folder}/run, state_dir => {folder}/state,\n\
             udp_threads => 1, tcp_threads => 1 }}\n\
             plugins => {{ geoip => {{ undefined_datacenters_ok => true\n\
             maps => {{ world => {{ geoip2_db => {folder}/country.mmdb, datacenters => {}\n\
             map => {{\n{map}}}\nnets => {{\n{}}}\n}} }}\n\
             resources => {{\n\
             all => {{ map => world, service_types => up, dcmap => {{\n{}\n}} }}\n\
             rest => {{ map => world, service_types => up, dcmap => {{\n{}\n}} }}\n}} }} }}\n",
            list(&DATACENTERS.to_vec()),
            nets.concat(),
            dcmap(&[]),
            dcmap(&LEFT_OUT)
        )
    }

    fn truenorth_zone(&self) -> String {
        let mut zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n".to_owned();
        let mut region = |name: &str, clients: Option<String>, order: &Order| {
            let clients = clients.map_or_else(String::new, |client| format!("clients = [\"{client}\"]\n"));
            let _ = write!(zone, "[regions.{name}]\n{clients}prefer = {order:?}\n");
        };
        region("default", None, &self.default);
        for (name, order) in &self.continents {
            region(&format!("continent-{name}"), Some(format!("continent:{name}")), order);
        }
        for (name, order) in &self.countries {
            region(&format!("country-{name}"), Some(format!("country:{name}")), order);
        }
        for (number, (net, order)) in self.overrides.iter().enumerate() {
            region(&format!("net-{number}"), Some(net.to_string()), order);
        }
        for (place, name) in (1..).zip(DATACENTERS) {
            let _ = write!(
                zone,
                "[datacenters.{name}]\nlatitude = 0\nlongitude = {place}\n[pools.{name}]\ndatacenter = \"{name}\"\n\
                 endpoints = [\"192.0.2.{place}\"]\n"
            );
        }
        for (name, left_out) in [("all", &[][..]), ("rest", &LEFT_OUT)] {
            let pools: Vec<_> = DATACENTERS.iter().filter(|name| !left_out.contains(*name)).collect();
            let _ = write!(zone, "[names.{name}]\nsteer = [\"region\"]\npools = {pools:?}\n");
        }
        zone
    }
}

fn order(random: &mut Rng) -> Order {
    let mut order = DATACENTERS.to_vec();
    random.shuffle(&mut order);
    order
}

/// A client: in or beside a network of the configuration or the database, or anywhere.
fn client(random: &mut Rng, world: &World, is_v4: bool) -> IpNet {
    let of_family = |net: &&IpNet| net.addr().is_ipv4() == is_v4;
    let net = match random.u8(..4) {
        0 => networks::network(random, is_v4, LENGTHS),
        1 => {
            let overrides: Vec<&IpNet> = world.overrides.keys().filter(of_family).collect();
            *overrides[random.usize(..overrides.len())]
        }
        _ => {
            let from = if is_v4 { 0 } else { NETWORKS };
            world.networks[random.usize(from..from + NETWORKS)].0
        }
    };
    // The network of twice the size also contains the neighbour.
    let around = if random.bool() { net.supernet().unwrap_or(net) } else { net };
    let length = if is_v4 { random.u8(16..=32) } else { random.u8(32..=128) };
    IpNet::new(address_in(random, around), length).expect("a length that fits").trunc()
}

/// An IPv4 client as it looks behind one of the transitions to IPv6.
fn embed(random: &mut Rng, client: Ipv4Net) -> IpNet {
    let v4 = u128::from(u32::from(client.network()));
    let bits = match random.u8(..4) {
        0 => 0xffff << 32 | v4,
        1 => 0x0064_ff9b << 96 | v4,
        2 => 0x2002 << 112 | v4 << 80 | random.u128(..) >> 48,
        _ => 0x2001_0000 << 96 | random.u128(..) >> 32 & !0xffff_ffff | v4 ^ 0xffff_ffff,
    };
    IpNet::new(IpAddr::V6(Ipv6Addr::from(bits)), 128).expect("a length that fits")
}

/// gdnsd in the foreground, gone when it is dropped.
struct Gdnsd {
    _folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Gdnsd {
    fn start(world: &World) -> Self {
        const ZONE: &str = "@ SOA ns1 hostmaster 1 7200 1800 259200 900\n@ NS ns1\nns1 A 192.0.2.53\n\
                            all 30 DYNA geoip!all\nrest 30 DYNA geoip!rest\n";
        let config = |folder: &str, address| world.gdnsd_config(folder, address);
        Self::start_with(config, &world.database(), ("example.com", ZONE))
    }

    /// Starts gdnsd. `config` makes its configuration from a folder and an address; `zone` is the name and the text of
    /// a zone file.
    fn start_with(config: impl Fn(&str, SocketAddr) -> String, database: &[u8], zone: (&str, &str)) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().to_str().expect("temporary folders have plain names");
        let address = free_address();
        fs::create_dir(folder.path().join("zones")).expect("the folder is new");
        let config = config(path, address);
        let zone_path = format!("zones/{}", zone.0);
        let files =
            [("config", config.as_bytes()), ("country.mmdb", database), (zone_path.as_str(), zone.1.as_bytes())];
        for (name, content) in files {
            fs::write(folder.path().join(name), content).expect("the folder is writable");
        }
        // gdnsd is in /usr/sbin, which is not in every user's PATH.
        let search = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("gdnsd");
        command.env("PATH", search).args(["-c", path, "start"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("gdnsd is installed: apt-get install gdnsd");
        let mut log = Log::read(child.stderr.take().expect("it is piped"));
        let gdnsd = Self { _folder: folder, child, address };
        log.wait_for("DNS listeners started");
        gdnsd
    }
}

impl Drop for Gdnsd {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that the kernel has just given for both transports: gdnsd cannot ask for one itself.
fn free_address() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = udp.local_addr().expect("a bound socket has an address");
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The only address that a client gets, and the scope.
fn ask(asker: &mut Asker, name: &str, client: IpNet) -> (IpAddr, u8) {
    let reply = asker.ask(name, RecordType::A, Some(client));
    match addresses(&reply)[..] {
        [address] => (address, scope(&reply).expect("an option in the query, one in the reply")),
        ref others => panic!("{client} gets {others:?}"),
    }
}

#[test]
fn the_same_client_gets_the_same_datacenter_and_no_scope_is_too_wide() {
    let mut random = random();
    let world = World::draw(&mut random);
    let gdnsd = Gdnsd::start(&world);
    // The server cuts no prefix, because gdnsd cuts none.
    let server =
        format!("{SERVER}[geoip]\ndatabases = [\"country.mmdb\"]\n[ecs]\nmax_source_v4 = 32\nmax_source_v6 = 128\n");
    let files = Files::new(&server, &[("example.com.toml", &world.truenorth_zone())]);
    files.write("country.mmdb", world.database());
    let node = files.serve();

    let (mut theirs, mut ours) = (Asker::new(gdnsd.address), node.asker());
    let mut seen = BTreeSet::new();
    for number in 0..2 * CLIENTS {
        let mut client = client(&mut random, &world, number < CLIENTS);
        if let (IpNet::V4(v4), 0) = (client, random.u8(..8)) {
            client = embed(&mut random, v4);
        }
        let name = if random.bool() { "all.example.com." } else { "rest.example.com." };
        let (expected, _) = ask(&mut theirs, name, client);
        let (found, scope) = ask(&mut ours, name, client);
        assert_eq!(found, expected, "{name} {client}");
        seen.insert((name, found));

        let within = IpNet::new(client.network(), scope).expect("a scope is no longer than an address").trunc();
        for _ in 0..STRANGERS {
            let stranger = IpNet::from(address_in(&mut random, within));
            let (other, _) = ask(&mut theirs, name, stranger);
            assert_eq!(other, found, "{name}: {stranger} is in the scope of {client}, {within}");
        }
    }
    let choices = 2 * DATACENTERS.len() - LEFT_OUT.len();
    assert!(seen.len() > choices / 2, "a world so dull shows nothing: {seen:?}");
}

/// The first block of this kind on the page about moving from gdnsd.
fn block(kind: &str) -> &'static str {
    const PAGE: &str = include_str!("../docs/from-gdnsd.md");
    let begin = PAGE.find(&format!("```{kind}\n")).unwrap_or_else(|| panic!("the page has a block {kind}"));
    let block = &PAGE[begin + kind.len() + 4..];
    &block[..block.find("```").expect("it ends")]
}

/// Runs both servers with the files of docs/from-gdnsd.md. Nothing is probed, because no host has the addresses.
#[test]
fn the_files_of_the_page_answer_the_same() {
    let mut random = random();
    let nets = [
        ("80.0.0.0/16", "EU", "DE"),
        ("81.0.0.0/16", "NA", "US"),
        ("82.0.0.0/16", "AS", "JP"),
        ("83.0.0.0/16", "AS", "TR"),
    ];
    let networks = nets.map(|(net, continent, country)| (net.parse().expect("a prefix"), continent, Some(country)));
    let mut world = World::draw(&mut random);
    world.networks = networks.to_vec();
    let database = world.database();

    let gdnsd = Gdnsd::start_with(
        |folder, address| {
            let config = block("gdnsd");
            assert!(config.contains("service_types => web"), "the resource has a service type");
            let options = format!("listen => {address}, run_dir => {folder}/run, state_dir => {folder}/state,\n");
            let config = config
                .replace("listen => [ 192.0.2.53 ]", &options)
                .replace("service_types => web", "service_types => up");
            config.replace("/var/lib/GeoIP/GeoLite2-Country.mmdb", &format!("{folder}/country.mmdb"))
        },
        &database,
        ("gslb.example.com", block("gdnsd-zone")),
    );
    let server = format!("{SERVER}[geoip]\ndatabases = [\"country.mmdb\"]\n");
    let zone = block("toml zone");
    assert!(zone.contains("monitor = \"web\"\n"), "the pool has a monitor");
    let zone = zone.replace("monitor = \"web\"\n", "");
    let files = Files::new(&server, &[("gslb.example.com.toml", &zone), ("gslb.example.com.zone", block("dns"))]);
    files.write("country.mmdb", &database);
    let node = files.serve();

    let (mut theirs, mut ours) = (Asker::new(gdnsd.address), node.asker());
    let mut seen = BTreeSet::new();
    for client in ["80.0.1.0/24", "81.0.1.0/24", "82.0.1.0/24", "83.0.1.0/24", "203.0.113.0/24", "84.0.1.0/24"] {
        let client: IpNet = client.parse().expect("a prefix");
        let [expected, found] = [&mut theirs, &mut ours].map(|asker| {
            let mut answer = addresses(&asker.ask("www.gslb.example.com.", RecordType::A, Some(client)));
            answer.sort();
            answer
        });
        assert_eq!(found, expected, "{client}");
        seen.insert(found);
    }
    assert_eq!(seen.len(), 3, "each datacenter answers somebody: {seen:?}");
    for (name, rtype) in [
        ("gslb.example.com.", RecordType::MX),
        ("gslb.example.com.", RecordType::NS),
        ("ns2.gslb.example.com.", RecordType::A),
    ] {
        let [expected, found] = [&mut theirs, &mut ours].map(|asker| {
            let mut data: Vec<String> =
                asker.ask(name, rtype, None).answers.iter().map(|record| record.data.to_string()).collect();
            data.sort();
            data
        });
        assert!(found == expected && !found.is_empty(), "{name} {rtype}: {found:?}, not {expected:?}");
    }
}
