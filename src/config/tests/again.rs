//! Configurations that are read a second time: unchanged zones are not parsed again, and their faults are reported as
//! if they were.

use std::fmt::Debug;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::config::{Known, LastServed, load_again};
use crate::name::Name;
use crate::snapshot::{Steering, ZoneSpec};
use crate::wire::Rtype;

const HEAD: &str = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n";

/// A folder with a server file and zones, and the cache of the last reading.
struct Scene {
    folder: TempDir,
    known: Known,
    /// Makes what the files are read through.
    disk: fn() -> Disk,
}

/// Longer than a tick of the clock of a file system.
const TICK: Duration = Duration::from_millis(20);

impl Scene {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("zones")).unwrap();
        fs::write(folder.path().join("truenorth.toml"), "").unwrap();
        let scene = Self { folder, known: Known::default(), disk: Disk::new };
        for (name, text) in files {
            scene.write(name, text);
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("zones").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn write_server(&self, text: &str) {
        fs::write(self.folder.path().join("truenorth.toml"), text).unwrap();
    }

    /// Reads everything again and returns the number of zones that were parsed. Checks that the faults are the same as
    /// without the cache.
    #[track_caller]
    fn read(&mut self, last: Option<LastServed>) -> usize {
        let server = self.folder.path().join("truenorth.toml");
        let again = load_again(&server, &(self.disk)(), &|_| last, &mut self.known);
        let anew = load(&server, &Disk::new(), &|_| last);
        if let (Ok(again), Ok(anew)) = (&again, &anew) {
            assert_eq!(zones(again), zones(anew));
            assert_eq!(again.world.pools, anew.world.pools);
            assert_eq!(again.world.datacenters, anew.world.datacenters);
            assert_eq!(again.icmp, anew.icmp);
            assert_eq!(format!("{:?}", again.asked), format!("{:?}", anew.asked));
        }
        assert_eq!(told(again), told(anew));
        self.known.read()
    }
}

/// The zones of a configuration, with all that answers depend on.
fn zones(config: &Config) -> Vec<impl PartialEq + Debug + use<>> {
    // The draft has the serial; the tree may hold an earlier one.
    let records = |zone: &ZoneSpec| -> Vec<_> {
        zone.tree.records().into_iter().filter(|record| record.rtype != Rtype::SOA).collect()
    };
    let zones = config.world.zones.iter().map(|zone| {
        let of_files = (zone.origin.clone(), zone.serial, zone.contents, records(zone));
        (of_files, zone.regions.list().to_vec(), zone.names.clone(), zone.reflect.clone(), zone.tree.is_static())
    });
    zones.collect()
}

#[test]
fn zones_whose_texts_are_the_same_are_not_parsed_again() {
    edit_and_read_again(Disk::new, Duration::ZERO);
}

#[test]
fn zones_whose_files_are_the_same_are_not_read_again() {
    edit_and_read_again(Disk::of_slow_changes, TICK);
}

/// `tick` is the time that each edit takes.
fn edit_and_read_again(disk: fn() -> Disk, tick: Duration) {
    let warned = format!(
        "{HEAD}a 60 A 192.0.2.2\na 90 A 192.0.2.3\na 60 A 192.0.2.2\nb 60 MX 10 c\nb 60 MX 10 C\nb 60 MX 5 nowhere\n\
         $INCLUDE part\n"
    );
    let static_toml =
        "[nameservers]\nns1 = [\"192.0.2.53\"]\n[records.www]\nA = [\"192.0.2.5\"]\nMX = [\"10 nowhere\"]\n";
    let steered = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.web]\nendpoints = [\"192.0.2.6\"]\n[names.www]\npools = [\"web\"]\n";
    let mut scene = Scene::new(&[
        ("a.example.zone", &warned),
        ("part", "d CNAME e\ne CNAME d\nf MX 10 www.b.example.\n"),
        ("b.example.toml", static_toml),
        ("b.example.zone", "alias CNAME gone\nmail MX 10 alias\n"),
        ("c.example.toml", steered),
        ("d.a.example.zone", HEAD),
    ]);
    scene.disk = disk;
    sleep(tick);
    assert_eq!(scene.read(None), 4);
    assert_eq!(scene.read(None), 0);
    // A zone that points at another zone is checked again when the other zone changes.
    scene.write("b.example.toml", &static_toml.replace("www", "web"));
    sleep(tick);
    assert_eq!(scene.read(None), 1);
    scene.write("part", "d CNAME e\n");
    sleep(tick);
    assert_eq!(scene.read(None), 1);
    fs::remove_file(scene.path("b.example.zone")).unwrap();
    sleep(tick);
    assert_eq!(scene.read(None), 1);
    // A missing included file is an error, and the zone is not in the cache afterwards.
    fs::remove_file(scene.path("part")).unwrap();
    sleep(tick);
    assert_eq!(scene.read(None), 1);
    scene.write("part", "");
    sleep(tick);
    assert_eq!(scene.read(None), 1);
    assert_eq!(scene.read(None), 0);
    scene.write_server("[broken\n");
    sleep(tick);
    assert_eq!(scene.read(None), 0, "nothing was read since");
    scene.write_server("");
    sleep(tick);
    assert_eq!(scene.read(None), 0);
    scene.write_server("[ecs]\nmax_source_v4 = 20\n");
    sleep(tick);
    assert_eq!(scene.read(None), 1, "the steered one depends on the server file");
}

#[test]
fn a_zone_that_its_file_has_signed_keeps_its_chain() {
    let signed = include_str!("../../../tests/allocation/nsec3.zone");
    // A signature that covers nothing is warned of.
    let stray = signed.replacen(
        "RRSIG\tMX 13 2 300 (",
        "RRSIG\tHINFO 13 2 300 0 0 1 example.com. AAAA\n\t\t\tRRSIG\tMX 13 2 300 (",
        1,
    );
    let mut scene = Scene::new(&[("example.com.zone", &stray)]);
    for (text, parsed) in [(&*stray, 1), (&stray, 0), (&format!("{stray}; a comment\n"), 1), (signed, 1), (signed, 0)] {
        scene.write("example.com.zone", text);
        assert_eq!(scene.read(None), parsed);
        let server = scene.folder.path().join("truenorth.toml");
        let config = load_again(&server, &Disk::new(), &|_| None, &mut scene.known).unwrap();
        let links = config.world.zones[0].tree.links();
        assert!(links.len() > 5 && links.iter().all(|link| link.signatures.is_some()));
        assert_eq!(config.warnings.0.len(), usize::from(text != signed), "{}", config.warnings.render(false));
    }
}

#[test]
fn names_that_refer_to_a_faulty_definition_come_back_with_it() {
    let names = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[names.www]\npools = [\"web\"]\n";
    let mut scene = Scene::new(&[("a.example.toml", names), ("b.example.toml", names)]);
    let server = "[pools.web]\nendpoints = [\"192.0.2.6\"]\n";
    scene.write_server(&server.replace("192.0.2.6", "192.0.2.666"));
    assert_eq!(scene.read(None), 2);
    scene.write_server(server);
    assert_eq!(scene.read(None), 2);
    assert_eq!(scene.read(None), 0);
}

#[test]
fn a_zone_whose_monitors_name_files_is_read_each_time() {
    let zone = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[monitors.run]\ntype = \"exec\"\ncommand = [\"./probe\"]\n\
                [pools.web]\nmonitor = \"run\"\nendpoints = [\"192.0.2.6\"]\n[names.www]\npools = [\"web\"]\n";
    let mut scene = Scene::new(&[("a.example.toml", zone)]);
    assert_eq!(scene.read(None), 1);
    scene.write("probe", "");
    assert_eq!(scene.read(None), 1);
    fs::set_permissions(scene.path("probe"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(scene.read(None), 1);
}

#[test]
fn rules_of_names_are_shared_until_pools_of_zones_before_them_move() {
    let zone = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.web]\nendpoints = [\"192.0.2.6\"]\n[names.www]\npools = [\"web\"]\n";
    let mut scene = Scene::new(&[("a.example.toml", zone), ("b.example.toml", zone)]);
    let rules = |scene: &mut Scene| {
        let server = scene.folder.path().join("truenorth.toml");
        let config = load_again(&server, &Disk::new(), &|_| None, &mut scene.known).unwrap();
        config.world.zones[1].names[0].steering.clone()
    };
    let first = rules(&mut scene);
    scene.write("a.example.toml", &zone.replace("192.0.2.6", "192.0.2.7"));
    let second = rules(&mut scene);
    assert_eq!((scene.known.read(), Arc::ptr_eq(&first, &second)), (1, true));
    scene.write("a.example.toml", &format!("{zone}[pools.more]\nendpoints = [\"192.0.2.7\"]\n"));
    let third = rules(&mut scene);
    let position = |steering: &Steering| steering.pools[0].pool.index();
    assert_eq!((scene.known.read(), position(&third)), (1, position(&second) + 1));
    assert!(Arc::ptr_eq(&third, &rules(&mut scene)));
}

/// The server files of [`any_edits`].
const SERVERS: [&str; 8] = [
    "",
    "[datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\niad = { latitude = 38.95, longitude = -77.45 }\n\
     [monitors.web]\ntype = \"http\"\n[monitors.spare]\ntype = \"tcp\"\nport = 1\n\
     [regions.europe]\nclients = [\"continent:EU\", \"192.0.2.0/24\"]\nprefer = [\"fra\"]\n\
     [regions.default]\nprefer = [\"iad\"]\n\
     [pools.web]\nmonitor = \"web\"\nendpoints.fra = [\"192.0.2.1\"]\nendpoints.iad = [\"192.0.2.2\"]\n\
     [pools.last]\nendpoints = [\"192.0.2.3\"]\n[pools.alias]\nendpoints = [{ cname = \"a.cdn.example.\" }]\n",
    "[datacenters]\nsin = { latitude = 1.35, longitude = 103.99 }\nfra = { latitude = 50.11, longitude = 8.68 }\n\
     iad = { latitude = 38.95, longitude = -77.45 }\n[monitors.web]\ntype = \"exec\"\ncommand = [\"./probe\"]\nhost = \"h.example\"\n\
     [regions.default]\nprefer = [\"iad\"]\n[pools.more]\nendpoints = [\"192.0.2.9\"]\n\
     [pools.web]\nmonitor = \"web\"\nendpoints.fra = [\"192.0.2.1\"]\nendpoints.iad = [\"192.0.2.2\"]\n\
     [pools.last]\nendpoints = [{ cname = \"www.b.example.\" }]\n[pools.alias]\nendpoints = [\"192.0.2.4\"]\n",
    "[pools.web]\nendpoints = [\"192.0.2.666\"]\n[pools.last]\nendpoints = [\"192.0.2.3\"]\n",
    "[broken\n",
    "site = \"iad\"\n[ecs]\nmax_source_v4 = 20\n[pools.web]\nendpoints = [\"192.0.2.3\", \"2001:db8::1\"]\n\
     [pools.last]\nendpoints = [\"192.0.2.3\"]\n[pools.alias]\nendpoints = [\"192.0.2.4\"]\n",
    "[monitors.tls]\ntype = \"https\"\nca = \"zones/part\"\n[pools.web]\nmonitor = \"tls\"\nendpoints = [\"192.0.2.3\"]\n",
    "[listen]\ntls = [\"127.0.0.1:853\"]\n[pools.web]\nendpoints = [\"192.0.2.3\"]\n[pools.last]\nendpoints = [\"192.0.2.3\"]\n",
];

/// The zones' files, and their texts. An empty text removes the file.
const ZONES: [(&str, &[&str]); 6] = [
    (
        "a.example.toml",
        &[
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[names.www]\npools = [\"web\"]\nfallback = \"last\"\n[names.\"*.w\"]\npools = [\"last\"]\n",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = { latitude = 50.11, longitude = 8.68, country = \"DE\" }\n\
         ams = { latitude = 52.31, longitude = 4.76 }\n[pools.own]\nendpoints.fra = [\"192.0.2.5\"]\nendpoints.ams = [\"192.0.2.6\"]\n\
         [names.www]\npools = [\"own\"]\nttl = 0\n",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.own]\nendpoints = [\"192.0.2.5\"]\n[pools.unused]\nendpoints = [\"192.0.2.5\"]\n\
         [names.www]\npools = [\"own\", \"web\"]\nsteer = [\"weight\", \"sticky\"]\n[names.me]\nreflect = true\n",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[records.www]\nA = [\"192.0.2.1\"]\nMX = [\"10 www.b.example.\"]\n",
            "",
        ],
    ),
    (
        "b.example.toml",
        &[
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[names.www]\npools = [\"alias\"]\n[names.x]\npools = [\"web\"]\nsteer = []\n",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = { latitude = 1.0, longitude = 8.68 }\n",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[regions.own]\nclients = [\"192.0.2.0/25\", \"country:FR\"]\nprefer = [\"fra\"]\n\
         [monitors.both]\ntype = \"all\"\nof = [\"web\", \"spare\"]\n[pools.own]\nmonitor = \"both\"\nendpoints.fra = [\"192.0.2.7\"]\n\
         endpoints.iad = [\"192.0.2.8\"]\n[names.www]\npools = [\"own\"]\nprefer = { own = [\"iad\"] }\n",
            "[pools.own]\nendpoints = [{ cname = \"gone.a.example.\" }]\n[names.www]\npools = [\"own\"]\n",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[names.y]\npools = [\"wbe\"]\n",
            "not toml\n",
            "",
        ],
    ),
    ("b.example.zone", &["", "$TTL 60\nm MX 10 www.a.example.\n$INCLUDE part\n", "q CNAME www\n"]),
    (
        "c.b.example.toml",
        &[
            "",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[monitors.own]\ntype = \"exec\"\ncommand = [\"./probe\"]\n\
         [pools.own]\nmonitor = \"own\"\nendpoints = [\"192.0.2.9\"]\n[names.www]\npools = [\"own\"]\n",
            "[nameservers]\nns1 = [\"192.0.2.53\"]\n[pools.web]\nmin_healthy = 0.5\nendpoints = [\"192.0.2.9\"]\n[names.www]\npools = [\"web\"]\nfallback = \"last\"\n",
        ],
    ),
    ("part", &["", "t TXT \"text\"\n", "u CNAME nowhere\n"]),
    ("probe", &["", "#!/bin/sh\n"]),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]
    /// Any sequence of edits leads to the same world and the same faults as a start with the files as they are then.
    #[test]
    fn any_edits(edits in proptest::collection::vec((0..=ZONES.len(), 0..8_usize), 1..24)) {
        let mut scene = Scene::new(&[("a.example.toml", ZONES[0].1[0]), ("b.example.toml", ZONES[1].1[0])]);
        scene.write_server(SERVERS[1]);
        scene.read(None);
        for (file, text) in edits {
            match ZONES.get(file) {
                None => scene.write_server(SERVERS[text % SERVERS.len()]),
                Some((name, texts)) => match texts[text % texts.len()] {
                    "" => _ = fs::remove_file(scene.path(name)),
                    text => scene.write(name, text),
                },
            }
            scene.read(None);
            scene.read(None);
        }
    }
}

#[test]
fn serials_are_judged_and_counted_by_what_was_served_last() {
    let mut scene =
        Scene::new(&[("a.example.zone", HEAD), ("b.example.toml", "[nameservers]\nns1 = [\"192.0.2.53\"]\n")]);
    assert_eq!(scene.read(None), 2);
    for (serial, contents) in [(1, None), (7, Some(1)), (2_000_000_000, Some(2)), (1, Some(3))] {
        assert_eq!(scene.read(Some(LastServed { serial, contents })), 0);
    }
}

#[test]
fn a_serial_that_alone_was_changed_stays() {
    let mut scene = Scene::new(&[("a.example.zone", HEAD)]);
    assert_eq!(scene.read(None), 1);
    scene.write("a.example.zone", &HEAD.replace("host 1 ", "host 2 "));
    assert_eq!([scene.read(None), scene.read(None)], [1, 0]);
    let server = scene.folder.path().join("truenorth.toml");
    let config = load_again(&server, &Disk::new(), &|_| None, &mut scene.known).unwrap();
    assert_eq!(config.world.zones[0].serial, 2);
}

#[test]
fn a_zone_that_says_the_same_shares_its_names() {
    let mut scene = Scene::new(&[("a.example.zone", HEAD)]);
    let tree = |scene: &mut Scene| {
        let server = scene.folder.path().join("truenorth.toml");
        let config = load_again(&server, &Disk::new(), &|_| None, &mut scene.known).unwrap();
        config.world.zones[0].tree.clone()
    };
    let first = tree(&mut scene);
    scene.write("a.example.zone", &format!("; a comment\n{}", HEAD.replace("host 1", "host 2")));
    let second = tree(&mut scene);
    assert_eq!((scene.known.read(), Arc::ptr_eq(&first, &second)), (1, true));
    scene.write("a.example.zone", &format!("{HEAD}b A 192.0.2.2\n"));
    let third = tree(&mut scene);
    assert!(!Arc::ptr_eq(&second, &third));
    assert!(third.find(&Name::parse("b.a.example", &Name::root()).unwrap().to_key()).is_some());
}

#[test]
fn rrsets_that_fit_no_message_are_told_with_their_place_whatever_their_type() {
    let many = |line: &dyn Fn(usize) -> String| (0..6000).map(line).collect::<Vec<_>>().concat();
    for (rtype, text) in [
        ("MX", many(&|number| format!("big MX 10 mail-server-number-{number}.example.net.\n"))),
        ("NS", many(&|number| format!("big NS name-server-number-{number}.example.net.\n"))),
        ("PTR", many(&|number| format!("big PTR host-number-{number}.example.net.\n"))),
        ("A", many(&|number| format!("big A 10.0.{}.{}\n", number >> 8, number & 255))),
    ] {
        let mut scene = Scene::new(&[("a.example.zone", &format!("{HEAD}{text}"))]);
        assert_eq!(scene.read(None), 1);
        let faults = load(&scene.folder.path().join("truenorth.toml"), &Disk::new(), &|_| None).unwrap_err();
        let told = lines(&faults);
        let expected = format!("5:1 error: the 6000 {rtype} records of big.a.example. do not fit into a message");
        assert!(told.iter().any(|line| line.starts_with(&expected)), "{told:?}");
    }
    // Names that end in the zone's name are compressed in a message.
    let records: Vec<String> = (0..1500).map(|number| format!("big MX 10 m{number}\n")).collect();
    let near = "$ORIGIN a-zone-whose-name-is-long-and-long-and-long-and-long.example.\n".to_owned();
    let text = near + HEAD + &records.concat();
    let mut scene = Scene::new(&[("a-zone-whose-name-is-long-and-long-and-long-and-long.example.zone", &text)]);
    assert_eq!(scene.read(None), 1);
    assert!(load(&scene.folder.path().join("truenorth.toml"), &Disk::new(), &|_| None).is_ok());
}
