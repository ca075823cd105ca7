//! Debian's gdnsd.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::world::{Living, World, free_address};
use super::*;
use crate::harness::{Log, random};

const ZONE: &str = "\
$TTL 300
@ SOA ns1 hostmaster 1 7200 1800 259200 900
@ NS ns1
ns1 A 192.0.2.53
www 30/5 DYNA geoip!web
    MX 10 mail.example.com.
second 30 DYNA geoip!second
corp 30 DYNA geoip!corp
near 30 DYNA geoip!near
part 30 DYNA geoip!part
layers 30 DYNA geoip!layers
direct 30 DYNA geoip!web/iad
other 30 DYNA geoip!mixed/iad
order DYNA metafo!order
around 30 DYNA metafo!around
plain 30 DYNA multifo!plain
both 30 DYNA multifo!both
spare 30 DYNA simplefo!spare
fixed 30 DYNA static!fixed
last 30 DYNC metafo!last
weighted 30 DYNA weighted!uneven
even 30 DYNA weighted!even
mixed 30 DYNA geoip!mixed
grouped 30 DYNA weighted!grouped
several 30 DYNA weighted!several
names 30 DYNC weighted!names
whoami 10 DYNA reflect!edns
static A 192.0.2.77
text TXT \"one string\" \"another; with (signs)\"
$INCLUDE more sub
";

const MORE: &str = "a A 192.0.2.78\nb.@Z A 192.0.2.79\nc DYNA geoip!web\n";

/// Networks of the maps.
const NETS: [&str; 4] = ["85.0.0.0/16", "85.0.7.0/24", "2a05::/32", "90.3.0.0/16"];

/// Names without draws, and the type to ask for.
const NAMES: [(&str, RecordType); 21] = [
    ("www.example.com.", RecordType::A),
    ("www.example.com.", RecordType::MX),
    ("second.example.com.", RecordType::A),
    ("corp.example.com.", RecordType::A),
    ("near.example.com.", RecordType::A),
    ("part.example.com.", RecordType::A),
    ("layers.example.com.", RecordType::A),
    ("direct.example.com.", RecordType::A),
    ("other.example.com.", RecordType::A),
    ("order.example.com.", RecordType::A),
    ("around.example.com.", RecordType::A),
    ("plain.example.com.", RecordType::A),
    ("both.example.com.", RecordType::A),
    ("both.example.com.", RecordType::AAAA),
    ("spare.example.com.", RecordType::A),
    ("fixed.example.com.", RecordType::A),
    ("last.example.com.", RecordType::A),
    ("a.sub.example.com.", RecordType::A),
    ("b.example.com.", RecordType::A),
    ("c.sub.example.com.", RecordType::A),
    ("text.example.com.", RecordType::TXT),
];

/// Names that draw.
const DRAWN: [&str; 6] = ["weighted", "even", "mixed", "grouped", "several", "names"];

fn config(listen: SocketAddr, folder: &str, port: u16) -> String {
    format!(
        r"
options => {{ listen => {listen}, run_dir => {folder}/run, state_dir => {folder}/state, udp_threads => 1, tcp_threads => 1 }}
service_types => {{
  probe => {{ plugin => tcp_connect, port => {port}, interval => 2, timeout => 1, up_thresh => 2, ok_thresh => 3, down_thresh => 2 }}
  other => {{ plugin => tcp_connect, port => {port}, interval => 2, timeout => 1, down_thresh => 3 }}
}}
plugins => {{
  geoip => {{
    undefined_datacenters_ok => true
    maps => {{
      world => {{
        geoip2_db => City.mmdb
        datacenters => [ fra, iad, sin ]
        map => {{
          default => [ iad, fra, sin ]
          EU => [ fra, iad, sin ]
          AS => {{ default => [ sin, fra, iad ], TR => [ fra, sin, iad ], JP => [ sin ] }}
          SA => {{ BR => [ iad ] }}
          OC => {{ default => [ sin, iad ], AU => [] }}
        }}
        nets => {{ 85.0.0.0/16 => [ fra ], 85.0.7.0/24 => [ sin, iad ], 2a05::/32 => iad }}
      }}
      corp => {{
        geoip2_db => City.mmdb
        datacenters => [ iad, fra ]
        map => {{ EU => [ iad, fra ], NA => [ fra, iad ], default => [ fra ] }}
        nets => $include{{corp.nets}}
      }}
      near => {{
        geoip2_db => City.mmdb
        datacenters => [ fra, iad, sin ]
        auto_dc_coords => {{ fra => [ 50.11, 8.68 ], iad => [ 38.95, -77.45 ], sin => [ 1.35, 103.99 ] }}
        map => {{ AF => [ sin, fra ] }}
      }}
    }}
    service_types => probe
    resources => {{
      web => {{ map => world, dcmap => {{ fra => [ 127.0.1.10, 127.0.1.11 ], iad => 127.0.1.20, sin => [ 127.0.1.30, 127.0.1.39 ] }} }}
      second => {{ map => world, skip_first => true, dcmap => {{ fra => 127.0.1.10, iad => 127.0.1.20, sin => 127.0.1.30 }} }}
      corp => {{ map => corp, dcmap => {{ fra => {{ one => 127.0.1.11, two => 127.0.1.12 }}, iad => 127.0.1.29 }} }}
      near => {{ map => near, dcmap => {{ fra => 127.0.1.10, iad => 127.0.1.20, sin => 127.0.1.30 }} }}
      part => {{ map => world, dcmap => {{ fra => 127.0.1.10, sin => 127.0.1.39 }} }}
      layers => {{ map => world, dcmap => {{
        fra => {{ plugin => simplefo, primary => 127.0.1.19, secondary => 127.0.1.11 }}
        iad => %metafo!order
        sin => %multifo!plain
      }} }}
      mixed => {{ map => world, dcmap => {{ fra => %weighted!even, iad => %multifo!plain, sin => 127.0.1.30 }} }}
    }}
  }}
  metafo => {{
    resources => {{
      order => {{ service_types => [ probe, other ], datacenters => [ one, two, three ],
        dcmap => {{ one => 127.0.1.19, two => [ 127.0.1.20, 127.0.1.21 ], three => 127.0.1.30 }} }}
      around => {{ datacenters => [ first, map ], dcmap => {{ first => %multifo!dead, map => %geoip!corp }} }}
      last => {{ datacenters => [ one, cname ],
        dcmap => {{ one => {{ service_types => probe, a => 127.0.1.19 }}, cname => last.resort.example.net. }} }}
    }}
  }}
  multifo => {{
    service_types => probe
    plain => {{ up_thresh => 0.3, a => 127.0.1.10, b => 127.0.1.19, c => 127.0.1.20 }}
    dead => {{ a => 127.0.1.19, b => 127.0.1.29 }}
    both => {{ addrs_v4 => {{ a => 127.0.1.10, b => 127.0.1.11 }}, addrs_v6 => {{ service_types => up, a => 2001:db8::1, b => 2001:db8::2 }} }}
  }}
  simplefo => {{ service_types => probe, spare => {{ primary => 127.0.1.29, secondary => 127.0.1.20 }} }}
  static => {{ fixed => 192.0.2.99 }}
  weighted => {{
    service_types => probe
    uneven => {{ up_thresh => 0.1, a => [ 127.0.1.10, 6 ], b => [ 127.0.1.11, 3 ], c => [ 127.0.1.12, 1 ], d => [ 127.0.1.19, 9 ] }}
    even => {{ a => [ 127.0.1.10, 5 ], b => [ 127.0.1.11, 5 ] }}
    grouped => {{ one => {{ a => [ 127.0.1.10, 2 ], b => [ 127.0.1.11, 2 ] }}, two => {{ c => [ 127.0.1.20, 1 ] }} }}
    several => {{ multi => true, one => {{ a => [ 127.0.1.10, 2 ], b => [ 127.0.1.11, 1 ] }}, two => {{ c => [ 127.0.1.20, 3 ] }} }}
    names => {{ service_types => up, a => [ a.example.net., 3 ], b => [ b.example.net., 1 ] }}
  }}
}}
"
    )
}

/// Forced states: of datacenters of two resources and of a map, and of addresses.
const ADMIN_STATE: &str = "\
*/sin => DOWN
geoip/web/sin => UP/20
geoip/second/fra => DOWN
geoip/corp/iad => DOWN
metafo/order/two => DOWN/10
127.0.1.21/* => DOWN
127.0.1.29/* => UP
no/such/thing => DOWN
";

/// Addresses that accept connections. Those whose last octet ends with a 9 do not.
const ALIVE: [&str; 7] =
    ["127.0.1.10", "127.0.1.11", "127.0.1.12", "127.0.1.20", "127.0.1.21", "127.0.1.30", "127.0.1.31"];

/// gdnsd in the foreground, gone when it is dropped.
struct Gdnsd {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Gdnsd {
    fn start(world: &World, port: u16, admin_state: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().to_str().expect("temporary folders have plain names");
        let address = free_address();
        for name in ["zones", "geoip", "state"] {
            fs::create_dir(folder.path().join(name)).expect("the folder is new");
        }
        let write =
            |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("the folder is writable");
        write("config", config(address, path, port).as_bytes());
        write("corp.nets", b"90.3.0.0/16 => [ iad ]\n85.0.0.0/16 => [ iad, fra ]\n");
        write("geoip/City.mmdb", &world.database());
        write("state/admin_state", admin_state.as_bytes());
        write("zones/example.com", ZONE.as_bytes());
        // gdnsd takes each file in the folder for a zone, but files whose names begin with a dot.
        fs::create_dir(folder.path().join("zones/.d")).expect("the folder is new");
        write("zones/.d/more", MORE.as_bytes());
        write("zones/example.com", ZONE.replace("INCLUDE more", "INCLUDE .d/more").as_bytes());
        // gdnsd is in /usr/sbin, which is not in every user's PATH.
        let search = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("gdnsd");
        command.env("PATH", search).args(["-c", path, "start"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("gdnsd is installed: apt-get install gdnsd");
        let mut log = Log::read(child.stderr.take().expect("it is piped"));
        let gdnsd = Self { folder, child, address };
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

#[test]
fn the_same_clients_get_the_same_answers_from_the_imported_files() {
    let mut random = random();
    let world = World::draw(&mut random);
    let living = Living::at(&ALIVE);
    let gdnsd = Gdnsd::start(&world, living.port, "");
    let imported = Imported::of(&["gdnsd", gdnsd.folder.path().to_str().expect("a plain name")]);
    assert_eq!(imported.code, Some(3), "{}", imported.told);
    for note in ["names with the plugin reflect answer TXT", "gives some clients nothing", "the option udp_threads"] {
        assert!(imported.told.contains(note), "{note}: {}", imported.told);
    }
    let server = with_line(&imported.text("truenorth.toml"), "dns =", "dns = [\"127.0.0.1:0\"]");
    println!("{server}\n{}\n{}", imported.text("zones/example.com.toml"), imported.text("zones/example.com.zone"));
    let (_files, node) = imported.serve(&server);
    compare(gdnsd.address, node.address(), &NAMES, || world.client(&mut random, &NETS));
    let drawn: Vec<String> = DRAWN.iter().map(|name| format!("{name}.example.com.")).collect();
    let drawn: Vec<&str> = drawn.iter().map(String::as_str).collect();
    compare_draws(gdnsd.address, node.address(), &drawn, || world.client(&mut random, &NETS));
}

#[test]
fn forced_states_keep_the_same_clients_away() {
    let mut random = random();
    let world = World::draw(&mut random);
    let living = Living::at(&ALIVE);
    let gdnsd = Gdnsd::start(&world, living.port, ADMIN_STATE);
    let folder = gdnsd.folder.path().to_str().expect("a plain name");
    let imported = Imported::of(&["gdnsd", folder, "--admin-state", &format!("{folder}/state/admin_state")]);
    for note in [
        "admin_state forces sin of geoip!web up",
        "admin_state has a TTL for geoip/web/sin",
        "admin_state has no/such/thing: nothing that was imported matches it",
    ] {
        assert!(imported.told.contains(note), "{note}: {}", imported.told);
    }
    let server = with_line(&imported.text("truenorth.toml"), "dns =", "dns = [\"127.0.0.1:0\"]");
    println!("{server}\n{}", imported.text("zones/example.com.toml"));
    let (_files, node) = imported.serve(&server);
    compare(gdnsd.address, node.address(), &NAMES, || world.client(&mut random, &NETS));
}
