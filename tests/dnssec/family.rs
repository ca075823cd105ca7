//! A parent zone and two zones below it, whose keys roll while validators ask. The test is the parent's agent: it reads CDS records,
//! and puts DS records into the parent zone (RFC 7344). The node of the zones below asks the parent by itself. Time is sped up by
//! TTLs of seconds.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hickory_proto::rr::RecordType::{self, A, AAAA, CDS, DNSKEY, DS, HTTPS, MX, SOA, TXT};

use crate::harness::{Files, Node, SERVER, member, places};
use crate::validators::{Validator, is_authentic};

/// TTL of all records in seconds, at most.
pub(crate) const TTL: u32 = 2;

/// Time for the node to serve a change of keys, in seconds. A cache counts in whole seconds, so it holds an answer for up to a second
/// longer than its TTL, and so does one that asks another one: that makes 2 s. The node looks at the clock every second. So 2 s are left
/// for a busy machine, to read key files and to hand over answers.
const PROPAGATION: u32 = 5;

/// Pause of an asker between two questions.
const PAUSE: Duration = Duration::from_millis(3);

/// Files change all the time here, and must not wait for one another: key files are to be read within the time of propagation.
const RELOAD: &str = "[reload]\nquiet = \"100ms\"\n";

/// A zone of one key, which signs everything, and a zone with a KSK and a ZSK.
pub(crate) const ZONES: [&str; 2] = ["single.example", "pair.example"];

/// Questions below a zone, and whether there are records of that type.
const ASKED: [(&str, RecordType, bool); 18] = [
    ("", SOA, true),
    ("", DNSKEY, true),
    ("", CDS, true),
    ("", MX, true),
    ("", AAAA, false),
    ("www.", A, true),
    ("www.", HTTPS, true),
    ("www.", TXT, false),
    ("shop.", A, true),
    ("shop.", AAAA, false),
    ("any.apps.", A, true),
    ("any.apps.", MX, false),
    ("mail.", A, true),
    ("x.wild.", TXT, true),
    ("host.old.", A, true),
    ("here.", TXT, true),
    ("cut.", DS, false),
    ("securecut.", DS, true),
];

pub(crate) struct Scene {
    pub(crate) parent_files: Files,
    pub(crate) parent: Node,
    pub(crate) files: Arc<Files>,
    pub(crate) node: Node,
    /// The DS records that the parent holds, by zone.
    held: [Vec<String>; 2],
}

fn head(ns: &str) -> String {
    format!("$TTL {TTL}\n@ SOA {ns} hostmaster 1 3600 600 604800 {TTL}\n@ NS {ns}\n{ns} A 127.0.0.1\n")
}

fn parent_zone(held: &[Vec<String>; 2]) -> String {
    let mut zone = head("ns1");
    for (origin, held) in ZONES.iter().zip(held) {
        let label = origin.split('.').next().unwrap();
        zone.extend([label, " NS ns1.", label, "\nns1.", label, " A 127.0.0.1\n"]);
        for ds in held {
            zone.extend([label, " DS ", ds, "\n"]);
        }
    }
    zone
}

/// The files of a zone below. Every other turn has other TTLs, and begins the canary anew.
fn zone_files(parent: SocketAddr, [fra, iad]: [SocketAddr; 2], turn: u32) -> [String; 2] {
    let (ttl, step) = if turn.is_multiple_of(2) { (TTL, 20) } else { (TTL - 1, 30) };
    let (fra, iad) = (member(fra), member(iad));
    let steered = format!(
        r#"
ttl = {ttl}
ttl_min = 1
[dnssec]
enabled = true
propagation = "{PROPAGATION}s"
ds_ttl = "{TTL}s"
parent = ["{parent}"]
[monitors.web]
type = "http"
interval = "300ms"
timeout = "250ms"
rise = 1
fall = 1
[pools.web]
monitor = "web"
endpoints.fra = [{fra}]
endpoints.iad = [{iad}]
[pools.blue]
endpoints = ["192.0.2.1", "192.0.2.2"]
[pools.green]
endpoints = ["192.0.2.3"]
[names.www]
pools = ["web"]
https = {{ alpn = ["h2"] }}
[names."*.apps"]
pools = ["web"]
[names.shop]
pools = ["blue", "green"]
canary = {{ pool = "green", steps = [{step}, 60, 100], hold = "1s" }}
[datacenters]
{datacenters}
"#,
        datacenters = places!().split("[datacenters]\n").nth(1).expect("they come last")
    );
    let records = format!(
        "$TTL {ttl}\n@ SOA ns1 hostmaster 1 3600 600 604800 {TTL}\n@ NS ns1\nns1 A 127.0.0.1\nmail A 192.0.2.25\n@ MX 10 mail\n\
         *.wild TXT wild\nold DNAME new\nhost.new A 192.0.2.31\ncut NS ns.cut\nns.cut A 192.0.2.54\nsecurecut NS ns.cut\n\
         securecut DS 12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n"
    );
    [steered, records]
}

/// Writes the files of both zones below.
pub(crate) fn write_zones(files: &Files, parent: SocketAddr, endpoints: [SocketAddr; 2], turn: u32) {
    let [steered, records] = zone_files(parent, endpoints, turn);
    for origin in ZONES {
        files.write(&format!("zones/{origin}.zone"), &records);
        files.write(&format!("zones/{origin}.toml"), &steered);
    }
}

impl Scene {
    /// Starts both nodes. `more` is added to the server file of the node of the zones below.
    pub(crate) fn begin(endpoints: [SocketAddr; 2], more: &str) -> Self {
        let parent_files = Files::new(
            &format!("{SERVER}[dnssec]\nenabled = true\n"),
            &[("example.zone", &parent_zone(&Default::default()))],
        );
        let created = parent_files.run(&format!("dnssec create example --ttl {TTL}"));
        assert_eq!(created.code, Some(0), "{created:?}");
        let parent = parent_files.serve();
        let files = Arc::new(Files::new(&format!("{SERVER}{RELOAD}[admin]\nlisten = \"127.0.0.1:0\"\n{more}"), &[]));
        write_zones(&files, parent.address(), endpoints, 0);
        let created = files.run(&format!("dnssec create {} --ttl {TTL}", ZONES[0]));
        assert_eq!(created.code, Some(0), "{created:?}");
        make_pair(&files);
        make_old(&files);
        let mut node = files.serve();
        node.wait_for_admin();
        for origin in ZONES {
            let ran = files.run(&format!("txt set here.{origin} token --node {}", node.admin()));
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        let mut scene = Self { parent_files, parent, files, node, held: Default::default() };
        scene.act_as_parent();
        scene
    }

    /// Gives the parent the DS records that CDS records ask for. Returns once it answers with them.
    pub(crate) fn act_as_parent(&mut self) {
        let mut changed = false;
        for (zone, held) in ZONES.iter().zip(&mut self.held) {
            let reply = self.node.dig(&format!("{zone} CDS"));
            let mut asked: Vec<String> = reply.data().into_iter().map(str::to_owned).collect();
            asked.sort_unstable();
            assert!(!asked.is_empty(), "{zone}: {reply:?}");
            if *held != asked {
                *held = asked;
                changed = true;
            }
        }
        if changed {
            self.parent_files.write("zones/example.zone", parent_zone(&self.held));
            self.parent.signal("HUP");
            for (zone, held) in ZONES.iter().zip(&self.held) {
                let expected: Vec<&str> = held.iter().map(String::as_str).collect();
                self.parent.comes_to_answer(&format!("{zone} DS"), &expected);
            }
        }
    }

    pub(crate) fn status(&self) -> String {
        let status = self.files.run("dnssec status");
        assert_eq!(status.code, Some(0), "{status:?}");
        status.stdout
    }

    /// The keys of a zone that the node publishes: flags, algorithm and key.
    pub(crate) fn keys(&self, zone: &str) -> Vec<String> {
        self.node.dig(&format!("{zone} DNSKEY")).data().into_iter().map(str::to_owned).collect()
    }
}

/// Makes a KSK and a ZSK with BIND's program, and takes them in.
fn make_pair(files: &Files) {
    let folder = files.path("bind");
    fs::create_dir(&folder).unwrap();
    for words in ["-f KSK", ""] {
        let mut command = Command::new("dnssec-keygen");
        command.args(["-q", "-a", "ECDSAP256SHA256", "-L", &TTL.to_string(), "-K"]).arg(&folder);
        let made = command.args(words.split_whitespace()).arg(ZONES[1]).output();
        let made = made.expect("dnssec-keygen is installed: apt-get install bind9-utils");
        assert!(made.status.success(), "{made:?}");
        let path = folder.join(String::from_utf8(made.stdout).unwrap().trim());
        let imported = files.run(&format!("dnssec import {} {}.key", ZONES[1], path.display()));
        assert_eq!(imported.code, Some(0), "{imported:?}");
    }
}

/// Lets the first keys be made long ago: keys that are made together are published together.
pub(crate) fn make_old(files: &Files) {
    for entry in fs::read_dir(files.path("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|own| own == "private") {
            let text = fs::read_to_string(&path).unwrap();
            let old = |line: &str| match line.split_once(": ") {
                Some((name @ ("Publish" | "Activate" | "SyncPublish"), _)) => format!("{name}: 20260101000000\n"),
                _ => format!("{line}\n"),
            };
            fs::write(&path, text.lines().map(old).collect::<String>()).unwrap();
        }
    }
}

/// Tells the others when its thread fails.
pub(crate) struct Fuse<'a>(pub(crate) &'a AtomicBool);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Asks a validator until it is told to stop, or until another asker fails.
pub(crate) fn ask_on(validator: &Validator, is_tcp: bool, seed: u64, is_done: &AtomicBool, asked: &AtomicUsize) {
    let _fuse = Fuse(is_done);
    let mut client = validator.client(is_tcp);
    let mut random = fastrand::Rng::with_seed(seed);
    while !is_done.load(Ordering::Relaxed) {
        let (prefix, mut rtype, mut exists) = ASKED[random.usize(..ASKED.len())];
        let zone = ZONES[random.usize(..ZONES.len())];
        let mut name = format!("{prefix}{zone}.");
        match random.usize(..8) {
            0 => (name, exists) = (format!("n{}.{zone}.", random.u32(..)), false),
            1 => (name, rtype, exists) = (format!("w{}.wild.{zone}.", random.u32(..)), TXT, true),
            2 => (name, rtype, exists) = (format!("a{}.apps.{zone}.", random.u32(..)), A, true),
            _ => {}
        }
        let reply = client.ask(&name, rtype);
        assert!(is_authentic(&reply), "{}: {name} {rtype}: {reply}\n{}", client.name, validator.log());
        // RFC 8198: no proof hides what exists.
        let is_there = reply.answers.iter().any(|record| record.record_type() == rtype);
        assert_eq!(is_there, exists, "{}: {name} {rtype}: {reply}", client.name);
        asked.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAUSE);
    }
}
