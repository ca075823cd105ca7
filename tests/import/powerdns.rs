//! Debian's PowerDNS, with LUA records.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::world::{Living, World, free_address};
use super::*;
use crate::harness::{PATIENCE, random};

/// Networks that conditions name.
const NETS: [&str; 2] = ["90.3.0.0/16", "85.0.7.0/24"];

/// Names without draws, and the type to ask for.
const NAMES: [(&str, RecordType); 12] = [
    ("all.example.com.", RecordType::A),
    ("sets.example.com.", RecordType::A),
    ("url.example.com.", RecordType::A),
    ("ext.example.com.", RecordType::A),
    ("geo.example.com.", RecordType::A),
    ("geoup.example.com.", RecordType::A),
    ("both.example.com.", RecordType::A),
    ("both.example.com.", RecordType::AAAA),
    ("nothing.example.com.", RecordType::A),
    ("plain.example.com.", RecordType::A),
    ("mail.example.com.", RecordType::MX),
    ("x.wild.example.com.", RecordType::A),
];

/// Names that draw, or hash clients.
const DRAWN: [&str; 7] = ["up", "random", "weights", "sample", "hashed", "names", "wild.geo"];

/// Returns the zone. The addresses `near` are in different countries.
fn zone(port: u16, near: &[String]) -> String {
    let near = near.iter().map(|address| format!("'{address}'")).collect::<Vec<_>>().join(", ");
    format!(
        r#"$TTL 300
@ SOA ns1 hostmaster 1 7200 1800 259200 900
@ NS ns1
ns1 A 192.0.2.53
plain A 192.0.2.77
mail MX 10 mx.example.net.
all 60 IN LUA A "ifportup({port}, {{'127.0.1.10', '127.0.1.19', '127.0.1.20'}}, {{selector='all'}})"
    TXT "of the same owner"
sets LUA A "ifurlup('http://www.example.com:{port}/', {{ {{'127.0.1.19', '127.0.1.29'}}, {{'127.0.1.11', '127.0.1.12'}} }}, {{selector='all'}})"
url LUA A ( "ifurlup('http://www.example.com:{port}/healthz', {{'127.0.1.10', '127.0.1.19', '127.0.1.12'}}, "
            "{{selector='all', stringmatch='fine'}})" )
ext LUA A "ifurlextup({{{{['192.0.2.1']='http://127.0.1.10:{port}/',['192.0.2.2']='http://127.0.1.19:{port}/'}}}})"
geo LUA A ";if(netmask({{'90.3.0.0/16'}})) then return '192.0.2.3' elseif(continent('EU')) then return {{'192.0.2.1', '192.0.2.2'}} elseif country({{'JP','TR'}}) or continent('OC') then return '192.0.2.4' else return '192.0.2.5' end"
geoup LUA A ";if continent({{'NA','SA'}}) then return ifportup({port}, {{'127.0.1.19','127.0.1.10'}}, {{selector='all'}}) end return {{'192.0.2.9'}}"
nothing LUA A ";if country('DE') then return '192.0.2.1' elseif continent('EU') then return '192.0.2.2' else return {{}} end"
both LUA A "ifportup({port}, {{'127.0.1.10', '127.0.1.11'}}, {{selector='all'}})"
both LUA AAAA "all({{'2001:db8::1', '2001:db8::2'}})"
*.wild LUA A "all({{'192.0.2.31', '192.0.2.32'}})"
up LUA A "ifportup({port}, {{'127.0.1.10', '127.0.1.19', '127.0.1.20'}})"
random LUA A "pickrandom({{'192.0.2.1', '192.0.2.2', '192.0.2.3'}})"
weights LUA A "pickwrandom({{ {{60, '192.0.2.1'}}, {{30, '192.0.2.2'}}, {{10, '192.0.2.3'}} }})"
sample LUA A "pickrandomsample(2, {{'192.0.2.1', '192.0.2.2', '192.0.2.3'}})"
hashed LUA A "pickwhashed({{ {{3, '192.0.2.1'}}, {{1, '192.0.2.2'}} }})"
names LUA CNAME "pickrandom({{'a.example.net.', 'b.example.net.'}})"
wild.geo LUA A ";if continent('EU') then return pickrandom({{'192.0.2.1', '192.0.2.2'}}) else return pickwrandom({{ {{3, '192.0.2.3'}}, {{1, '192.0.2.4'}} }}) end"
closest LUA A "pickclosest({{{near}}})"
code LUA A ";local x = os.time() return '192.0.2.1'"
text LUA TXT "os.date()"
"#
    )
}

/// pdns_server in the foreground, gone when it is dropped.
struct PowerDns {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl PowerDns {
    fn start(world: &World, zone: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().to_str().expect("temporary folders have plain names");
        let address = free_address();
        let write =
            |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("the folder is writable");
        write("City.mmdb", &world.database());
        write("example.com.zone", zone.as_bytes());
        write("empty.yaml", b"domains: []\n");
        write(
            "named.conf",
            format!("zone \"example.com\" {{ type master; file \"{path}/example.com.zone\"; }};\n").as_bytes(),
        );
        let config = format!(
            "launch=bind,geoip\nbind-config={path}/named.conf\ngeoip-database-files={path}/City.mmdb\n\
             geoip-zones-file={path}/empty.yaml\nenable-lua-records=yes\nlua-health-checks-interval=1\n\
             edns-subnet-processing=yes\ncache-ttl=0\nquery-cache-ttl=0\nlocal-address=127.0.0.1\nlocal-port={}\n\
             socket-dir={path}\ndaemon=no\nguardian=no\nreceiver-threads=1\nsecurity-poll-suffix=\n",
            address.port()
        );
        write("pdns.conf", config.as_bytes());
        let search = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("pdns_server");
        command.env("PATH", search).arg(format!("--config-dir={path}")).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child =
            child.expect("PowerDNS is installed: apt-get install pdns-server pdns-backend-bind pdns-backend-geoip");
        Self { folder, child, address }
    }

    /// Waits until it answers, and knows which addresses are up: it probes only what was asked for. Each name is given with
    /// the number of its addresses that are up.
    fn wait_for(&self, names: &[(&str, usize)]) {
        let began = Instant::now();
        let mut asker = Asker::new(self.address);
        let mut settled = 0;
        while settled < 5 {
            let mut answers = names.iter().map(|(name, count)| {
                let reply = asker.try_ask(name, RecordType::A, None);
                let data = reply.iter().flat_map(|reply| &reply.answers).map(|record| record.data.to_string());
                (data.collect::<Vec<String>>(), *count)
            });
            let is_wrong = |(data, count): &(Vec<String>, usize)| {
                data.len() != *count || data.iter().any(|address| address.ends_with('9') || address == "192.0.2.2")
            };
            let wrong = answers.position(|answer| is_wrong(&answer));
            settled = if wrong.is_some() { 0 } else { settled + 1 };
            let what = wrong.map(|place| names[place]);
            assert!(began.elapsed() < PATIENCE, "PowerDNS does not answer, or does not see what is down: {what:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for PowerDns {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_same_clients_get_the_same_answers_from_the_imported_zone() {
    let mut random = random();
    let world = World::draw(&mut random);
    let living = Living::at(&["127.0.1.10", "127.0.1.11", "127.0.1.12", "127.0.1.20"]);
    let zone = zone(living.port, &world.far_apart());
    let powerdns = PowerDns::start(&world, &zone);
    let file = |name: &str| powerdns.folder.path().join(name).display().to_string();
    let imported = Imported::of(&["powerdns-lua", &file("example.com.zone"), "--geoip", &file("City.mmdb")]);
    assert_eq!(imported.code, Some(3), "{}", imported.told);
    for note in
        ["code.example.com. LUA A: `local` has no equal here", "text.example.com. LUA TXT: only A, AAAA and CNAME"]
    {
        assert!(imported.told.contains(note), "{note}: {}", imported.told);
    }
    println!("{}\n{}", imported.text("zones/example.com.toml"), imported.text("zones/example.com.zone"));
    let server = format!("{}[geoip]\ndatabases = [\"{}\"]\n", crate::harness::SERVER, file("City.mmdb"));
    let (_files, node) = imported.serve(&server);
    powerdns.wait_for(&[
        ("all.example.com.", 2),
        ("sets.example.com.", 2),
        ("url.example.com.", 2),
        ("ext.example.com.", 1),
        ("up.example.com.", 1),
        ("both.example.com.", 2),
    ]);
    let american = world.client_on(&mut random, "NA");
    let began = Instant::now();
    // Its condition hides the check from other clients.
    while answer(&mut Asker::new(powerdns.address), "geoup.example.com.", RecordType::A, american).len() != 1 {
        assert!(began.elapsed() < PATIENCE, "PowerDNS does not see what is down");
        thread::sleep(Duration::from_millis(100));
    }
    compare(powerdns.address, node.address(), &NAMES, || world.client(&mut random, &NETS));
    let closest = [("closest.example.com.", RecordType::A)];
    // PowerDNS compares degrees, by which Germany is nearer to South Africa than Singapore is.
    let mut client = || {
        let continents = ["EU", "NA", "SA", "AS", "OC"];
        let continent = continents[random.usize(..continents.len())];
        world.client_on(&mut random, continent)
    };
    compare(powerdns.address, node.address(), &closest, &mut client);
    let drawn: Vec<String> = DRAWN.iter().map(|name| format!("{name}.example.com.")).collect();
    let drawn: Vec<&str> = drawn.iter().map(String::as_str).collect();
    compare_draws(powerdns.address, node.address(), &drawn, || world.client(&mut random, &NETS));
}

#[test]
fn what_pdnsutil_prints_is_a_zone_too() {
    let text = "$ORIGIN .\nexample.com\t3600\tIN\tSOA\tns1.example.com hostmaster.example.com 1 2 3 4 5\n\
                example.com\t3600\tIN\tNS\tns1.example.com.\nns1.example.com\t60\tIN\tA\t192.0.2.53\n\
                www.example.com\t60\tIN\tLUA\tA \"pickrandom({'192.0.2.1','192.0.2.2'})\"\n";
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("listed");
    fs::write(&path, text).expect("the folder is writable");
    let imported = Imported::of(&["powerdns-lua", path.to_str().expect("a plain name")]);
    assert_eq!(imported.code, Some(0), "{}", imported.told);
    let toml = imported.text("zones/example.com.toml");
    assert!(
        toml.contains("[names.www]") && toml.contains("pick = \"weighted\"") && toml.contains("ttl = 60"),
        "{toml}"
    );
}
