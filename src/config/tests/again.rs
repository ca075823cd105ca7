//! Configurations that are read a second time: unchanged zones are not parsed again, and their faults are reported as
//! if they were.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config::{Known, LastServed, load_again};
use crate::name::Name;
use crate::snapshot::ZoneSpec;
use crate::wire::Rtype;

const HEAD: &str = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n";

/// A folder with a server file and zones, and the cache of the last reading.
struct Scene {
    folder: TempDir,
    known: Known,
}

impl Scene {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("zones")).unwrap();
        fs::write(folder.path().join("truenorth.toml"), "").unwrap();
        let scene = Self { folder, known: Known::default() };
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

    /// Reads everything again and returns the number of zones that were parsed. Checks that the faults are the same as
    /// without the cache.
    #[track_caller]
    fn read(&mut self, last: Option<LastServed>) -> usize {
        let server = self.folder.path().join("truenorth.toml");
        let again = load_again(&server, &Disk::new(), &|_| last, &mut self.known);
        let anew = load(&server, &Disk::new(), &|_| last);
        let specs = |loaded: &Result<Config, Faults>| -> Vec<_> {
            let zones = loaded.iter().flat_map(|config| &config.world.zones);
            // The draft has the serial; the tree may hold an earlier one.
            let records = |zone: &ZoneSpec| zone.tree.records().into_iter().filter(|record| record.rtype != Rtype::SOA);
            zones
                .map(|zone| (zone.origin.clone(), zone.serial, zone.contents, records(zone).collect::<Vec<_>>()))
                .collect()
        };
        assert_eq!(specs(&again), specs(&anew));
        assert_eq!(told(again), told(anew));
        self.known.read()
    }
}

#[test]
fn zones_whose_texts_are_the_same_are_not_parsed_again() {
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
    assert_eq!(scene.read(None), 4);
    assert_eq!(scene.read(None), 1, "the steered one depends on more than its files");
    // A zone that points at another zone is checked again when that one changes.
    scene.write("b.example.toml", &static_toml.replace("www", "web"));
    assert_eq!(scene.read(None), 2);
    scene.write("part", "d CNAME e\n");
    assert_eq!(scene.read(None), 2);
    fs::remove_file(scene.path("b.example.zone")).unwrap();
    assert_eq!(scene.read(None), 2);
    // A missing included file is an error, and the zone is not in the cache afterwards.
    fs::remove_file(scene.path("part")).unwrap();
    assert_eq!(scene.read(None), 2);
    scene.write("part", "");
    assert_eq!(scene.read(None), 2);
    assert_eq!(scene.read(None), 1);
    fs::write(scene.folder.path().join("truenorth.toml"), "[broken\n").unwrap();
    assert_eq!(scene.read(None), 1, "nothing was read since");
    fs::write(scene.folder.path().join("truenorth.toml"), "").unwrap();
    assert_eq!(scene.read(None), 1);
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
