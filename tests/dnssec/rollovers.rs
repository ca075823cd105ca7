//! Keys roll while validators ask and everything else changes too: time is sped up by TTLs of seconds.
//!
//! Two nodes serve a parent zone and two zones below it. The test is the parent's agent: it reads CDS records, and puts DS
//! records into the parent zone (RFC 7344). The node of the zones asks the parent by itself. Meanwhile endpoints fall and return,
//! canaries run, TTLs change, and TXT records come and go.
//!
//! `TRUENORTH_QUESTIONS=200000` goes on with further roll-overs until so many questions are answered.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType::{self, A, AAAA, CDS, DNSKEY, DS, HTTPS, MX, SOA, TXT};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::harness::{Files, Node, SERVER, member, places};
use crate::validators::{Memory, Validator, is_authentic};
use crate::world::ds;

/// TTL of all records in seconds, at most.
const TTL: u32 = 2;

/// Time for one roll-over, on a busy machine. On an idle one it takes 30 s at most.
const ROLL: Duration = Duration::from_secs(120);

/// Pause of an asker between two questions.
const PAUSE: Duration = Duration::from_millis(3);

/// Pause between two changes of the world.
const CHANGE: Duration = Duration::from_millis(200);

/// Number of questions that are asked at least.
const QUESTIONS: usize = 20_000;

/// Files change all the time here, and must not wait for one another: keys have 3 s to be served by all nodes.
const RELOAD: &str = "[reload]\nquiet = \"100ms\"\n";

/// A zone of one key, which signs everything, and a zone with a KSK and a ZSK.
const ZONES: [&str; 2] = ["single.example", "pair.example"];

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

struct Scene {
    parent_files: Files,
    parent: Node,
    files: Arc<Files>,
    node: Node,
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
propagation = "3s"
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
fn write_zones(files: &Files, parent: SocketAddr, endpoints: [SocketAddr; 2], turn: u32) {
    let [steered, records] = zone_files(parent, endpoints, turn);
    for origin in ZONES {
        files.write(&format!("zones/{origin}.zone"), &records);
        files.write(&format!("zones/{origin}.toml"), &steered);
    }
}

/// Changes everything but keys until it is told to stop: endpoints, canaries, TTLs and TXT records.
fn change_on(
    files: &Files,
    admin: SocketAddr,
    parent: SocketAddr,
    [fra, iad]: [&mut Endpoint; 2],
    is_done: &AtomicBool,
) {
    let addresses = [fra.address(), iad.address()];
    let mut turn = 0;
    while !is_done.load(Ordering::Relaxed) {
        turn += 1;
        match turn % 4 {
            1 => fra.stop_listening(),
            2 => fra.listen_again(),
            3 => iad.stop_listening(),
            _ => iad.listen_again(),
        }
        if turn % 8 == 0 {
            write_zones(files, parent, addresses, turn / 8);
        }
        for origin in ZONES {
            let (verb, value) = if turn % 2 == 1 { ("set", "token") } else { ("unset", "") };
            let ran = files.run(&format!("txt {verb} _acme-challenge.www.{origin} {value} --node {admin}"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        thread::sleep(CHANGE);
    }
}

impl Scene {
    fn begin(endpoints: [SocketAddr; 2]) -> Self {
        let parent_files = Files::new(
            &format!("{SERVER}[dnssec]\nenabled = true\n"),
            &[("example.zone", &parent_zone(&Default::default()))],
        );
        let created = parent_files.run(&format!("dnssec create example --ttl {TTL}"));
        assert_eq!(created.code, Some(0), "{created:?}");
        let parent = parent_files.serve();
        let files = Arc::new(Files::new(&format!("{SERVER}{RELOAD}[admin]\nlisten = \"127.0.0.1:0\"\n"), &[]));
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
    fn act_as_parent(&mut self) {
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

    fn status(&self) -> String {
        let status = self.files.run("dnssec status");
        assert_eq!(status.code, Some(0), "{status:?}");
        status.stdout
    }

    /// Begins roll-overs, and plays the parent until they are over.
    fn roll(&mut self, commands: &[&str]) {
        for words in commands {
            let ran = self.files.run(&format!("dnssec rollover {words} --now"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        let end = Instant::now() + ROLL;
        loop {
            self.act_as_parent();
            let status = self.status();
            // The command reads the files; the node looks at the clock once a second.
            let is_over = !status.contains("next at") && !status.contains("waits since");
            let published = ZONES.map(|zone| self.keys(zone).len());
            if is_over && published == [1, 2] {
                return;
            }
            assert!(Instant::now() < end, "{published:?} {status}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Checks that events and metrics tell what happened, and that the parent's word counts.
    fn tells(&self) {
        let admin = self.node.admin();
        let events = self.files.run(&format!("events --event key --node {admin}"));
        for said in
            ["is published", "is ready", "; it waits for its DS record at the parent", "is active", "is removed"]
        {
            assert!(events.stdout.contains(said), "{said}: {events:?}");
        }
        let metrics = self.node.metrics();
        let states = metrics.lines().filter(|line| line.starts_with("truenorth_key_state{"));
        let active: Vec<&str> = states.filter(|line| line.contains("state=\"active\"")).collect();
        assert_eq!(active.len(), 3, "{active:?}");
        let single = active.iter().find(|line| line.contains("single.example.")).unwrap();
        let tag = single.split("key=\"").nth(1).unwrap().split('"').next().unwrap();
        let seen = self.files.run(&format!("dnssec ds-seen single.example {tag}"));
        assert!(seen.code == Some(1) && seen.stderr.contains("not all nameservers of the parent"), "{seen:?}");
    }

    /// The keys of a zone that the node publishes: flags, algorithm and key.
    fn keys(&self, zone: &str) -> Vec<String> {
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
fn make_old(files: &Files) {
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
struct Fuse<'a>(&'a AtomicBool);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Asks a validator until it is told to stop, or until another asker fails.
fn ask_on(validator: &Validator, is_tcp: bool, seed: u64, is_done: &AtomicBool, asked: &AtomicUsize) {
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

/// Fails unless all keys of a zone are others.
#[track_caller]
fn are_others(before: &[String], after: &[String]) {
    assert!(!after.is_empty() && after.iter().all(|key| !before.contains(key)), "{before:?} {after:?}");
}

#[test]
fn validators_find_every_answer_authentic_while_all_keys_roll() {
    let [mut fra, mut iad] = [(); 2].map(|()| Endpoint::start(ANY_PORT, Script::status(200)));
    let mut scene = Scene::begin([fra.address(), iad.address()]);
    let anchor = ds(&scene.parent_files, "example");
    let (parent, node) = (scene.parent.address(), scene.node.address());
    let zones: [(&str, SocketAddr); 3] = [("example", parent), (ZONES[0], node), (ZONES[1], node)];
    let validators = [
        Validator::unbound_for(&zones, &anchor, Memory::Long),
        Validator::named_for(&zones, &anchor, Memory::Long),
        Validator::kresd_for(&zones, &anchor, Memory::Long),
    ];
    let wanted = std::env::var("TRUENORTH_QUESTIONS").map_or(QUESTIONS, |count| count.parse().expect("a number"));
    let (is_done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (files, admin) = (scene.files.clone(), scene.node.admin());
    let ends = thread::scope(|scope| {
        let changing = scope.spawn(|| change_on(&files, admin, parent, [&mut fra, &mut iad], &is_done));
        let asking: Vec<_> = validators
            .iter()
            .flat_map(|validator| [(validator, false), (validator, true)])
            .zip(1..)
            .map(|((validator, is_tcp), seed)| {
                let (is_done, asked) = (&is_done, &asked);
                scope.spawn(move || ask_on(validator, is_tcp, seed, is_done, asked))
            })
            .collect();
        // The askers end also if the story fails.
        let rolled = scope.spawn(|| {
            let [single, pair] = ZONES.map(|zone| scene.keys(zone));
            assert_eq!((single.len(), pair.len()), (1, 2), "{single:?} {pair:?}");
            // A CSK and a ZSK.
            scene.roll(&ZONES);
            let [first, second] = ZONES.map(|zone| scene.keys(zone));
            are_others(&single, &first);
            assert_eq!(second.iter().filter(|key| pair.contains(key)).count(), 1, "{pair:?} {second:?}");
            // An algorithm, and a KSK.
            scene.roll(&["single.example --algorithm ed25519", "pair.example --ksk"]);
            let [third, fourth] = ZONES.map(|zone| scene.keys(zone));
            are_others(&first, &third);
            assert!(third.iter().all(|key| key.starts_with("257 3 15 ")), "{third:?}");
            are_others(&pair, &fourth);
            scene.node.log.wait_for("the parent holds the DS record of the new key");
            scene.tells();
            while asked.load(Ordering::Relaxed) < wanted && !is_done.load(Ordering::Relaxed) {
                scene.roll(&ZONES);
            }
            let published = scene.node.count("truenorth_publications_total");
            assert!(published > 50, "{published}: the world has hardly changed");
        });
        let rolled = rolled.join();
        is_done.store(true, Ordering::Relaxed);
        let ends = asking.into_iter().chain([changing]).map(thread::ScopedJoinHandle::join);
        ends.chain([rolled]).collect::<Vec<_>>()
    });
    for end in ends {
        end.unwrap_or_else(|panic| {
            eprintln!("{}", scene.node.log.lines().join("\n"));
            std::panic::resume_unwind(panic)
        });
    }
    println!("{asked:?} questions");
}
