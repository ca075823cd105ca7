//! Roll-overs that begin by themselves: the one node that makes keys does so when their lifetime ends, and no other.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::family::{Fuse, Scene, ZONES, ask_on, make_old};
use crate::harness::{Files, Node, PATIENCE, SERVER, places};
use crate::validators::{Memory, Validator};
use crate::world::{ZONE, create_key, ds, key_paths};

/// The log of a roll-over that begins.
const BEGINS: &str = "a roll-over begins, because the lifetime of a key ends";

/// Time for the roll-overs of all keys, on a busy machine. On an idle one it takes 35 s.
const ROLL: Duration = Duration::from_secs(120);

/// Keys of this server file are used for a month.
const LIFETIME: &str = "[dnssec]\nenabled = true\nksk_lifetime = \"30d\"\npropagation = \"1s\"\n";

fn zone() -> String {
    format!("{}[records.www]\nA = [\"192.0.2.1\"]\n", places!())
}

/// The files of a node, with an old key. `more` follows the settings in the server file.
fn files(more: &str) -> Files {
    let files = Files::new(&format!("{SERVER}{LIFETIME}{more}"), &[("signed.example.toml", &zone())]);
    create_key(&files, ZONE);
    make_old(&files);
    files
}

/// The names of the files in a folder, and their contents.
fn contents(folder: &Path) -> Vec<(String, String)> {
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), read(&path))).collect();
    files.sort_unstable();
    files
}

/// The names of the public keys in a folder.
fn public(folder: &Path) -> Vec<String> {
    contents(folder)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| Path::new(name).extension().is_some_and(|own| own == "key"))
        .collect()
}

/// Waits until a node publishes this number of keys.
#[track_caller]
fn comes_to_publish(node: &mut Node, keys: usize) {
    let end = Instant::now() + PATIENCE;
    while node.dig("signed.example DNSKEY").data().len() != keys {
        assert!(Instant::now() < end, "{:?}", node.log.lines());
        thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn runs(files: &Files, words: &str) -> String {
    let ran = files.run(words);
    assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
    ran.stdout + &ran.stderr
}

#[test]
fn validators_find_every_answer_authentic_while_keys_roll_by_themselves() {
    let [fra, iad] = [(); 2].map(|()| Endpoint::start(ANY_PORT, Script::status(200)));
    // The keys are months old: their lifetimes have ended, but nobody replaces them yet. The new ones outlive the test.
    let settings = "[dnssec]\nenabled = false\nroller = false\nzsk_lifetime = \"1h\"\nksk_lifetime = \"1h\"\n";
    let mut scene = Scene::begin([fra.address(), iad.address()], settings);
    let anchor = ds(&scene.parent_files, "example");
    let (parent, node) = (scene.parent.address(), scene.node.address());
    let zones = [("example", parent), (ZONES[0], node), (ZONES[1], node)];
    let validators = [
        Validator::unbound_for(&zones, &anchor, Memory::Long),
        Validator::named_for(&zones, &anchor, Memory::Long),
        Validator::kresd_for(&zones, &anchor, Memory::Long),
    ];
    let first = key_names(&scene);
    assert_eq!(first.len(), 3, "{first:?}");
    let server = fs::read_to_string(scene.files.path("truenorth.toml")).unwrap();
    scene.files.write("truenorth.toml", server.replace("roller = false", "roller = true"));
    let (is_done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (validator, seed) in validators.iter().zip(1..) {
            let (is_done, asked) = (&is_done, &asked);
            scope.spawn(move || ask_on(validator, seed % 2 == 0, seed, is_done, asked));
        }
        let _fuse = Fuse(&is_done);
        let end = Instant::now() + ROLL;
        let is_over = |scene: &Scene| {
            let now = key_names(scene);
            now.len() == 3
                && now.iter().all(|key| !first.contains(key))
                && scene.status().matches(" rolls at ").count() == 3
        };
        while !is_done.load(Ordering::Relaxed) && !is_over(&scene) {
            assert!(Instant::now() < end, "{}\n{}", scene.status(), scene.node.log.lines().join("\n"));
            scene.act_as_parent();
            thread::sleep(Duration::from_millis(100));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    println!("{asked:?} questions");
    let begun = scene.node.log.lines().iter().filter(|line| line.contains(BEGINS)).count();
    assert_eq!(begun, 3, "a CSK, a ZSK and a KSK: {:?}", scene.node.log.lines());
    let events = runs(&scene.files, &format!("events --event key --node {}", scene.node.admin()));
    assert!(events.contains("is generated"), "{events}");
    let status = runs(&scene.files, &format!("status --all --node {}", scene.node.admin()));
    assert_eq!(status.matches(" active, rolls at ").count(), 3, "{status}");
    let metrics = scene.node.metrics();
    assert_eq!(metrics.matches("truenorth_key_rolls_timestamp_seconds{").count(), 3, "{metrics}");
}

/// The keys of both zones that the node publishes.
fn key_names(scene: &Scene) -> Vec<String> {
    ZONES.iter().flat_map(|zone| scene.keys(zone)).collect()
}

#[test]
fn only_the_roller_makes_keys_and_the_others_follow_its_files() {
    let follower = files("");
    let roller = Files::new(
        &format!("{SERVER}{LIFETIME}roller = true\n[process]\nsandbox = true\n"),
        &[("signed.example.toml", &zone())],
    );
    fs::create_dir(roller.path("keys")).unwrap();
    for path in key_paths(&follower) {
        fs::copy(&path, roller.path("keys").join(path.file_name().unwrap())).unwrap();
    }
    let before = contents(&follower.path("keys"));
    let mut followers_node = follower.serve();
    for files in [&follower, &roller] {
        let check = runs(files, "check");
        assert!(check.contains("the lifetime of key") && check.contains("was over at 2026-01-31T00:00:00Z"), "{check}");
        assert!(check.contains("; key ") && check.contains(" rolls at 2026-01-30T22:59:58Z"), "{check}");
        assert!(runs(files, "dnssec status").contains(" rolls at 2026-01-30T22:59:58Z"));
    }
    let mut rollers_node = roller.serve();
    let line = rollers_node.log.wait_for(BEGINS);
    let new = public(&roller.path("keys")).into_iter().find(|name| !before.iter().any(|(old, _)| old == name)).unwrap();
    assert!(line.contains(&new) && line.contains(&new.replace(".key", ".private")), "{line}");
    // The other one looked at its keys before, and more often.
    assert_eq!(contents(&follower.path("keys")), before);
    assert!(!runs(&roller, "check").contains("was over at"), "a roll-over is under way");
    copy_keys(&roller, &follower);
    comes_to_publish(&mut rollers_node, 2);
    comes_to_publish(&mut followers_node, 2);
    assert_eq!(runs(&follower, "dnssec status"), runs(&roller, "dnssec status"));
}

/// Puts all files of one folder of keys into another one, as operators' programs do.
fn copy_keys(from: &Files, to: &Files) {
    for (name, content) in contents(&from.path("keys")) {
        let mode = fs::metadata(from.path("keys").join(&name)).unwrap().permissions();
        to.write("copied", content);
        fs::set_permissions(to.path("copied"), mode).unwrap();
        fs::rename(to.path("copied"), to.path("keys").join(&name)).unwrap();
    }
}

#[test]
fn keys_are_followed_while_other_files_have_errors() {
    for (file, sound) in [("zones/signed.example.toml", zone()), ("truenorth.toml", format!("{SERVER}{LIFETIME}"))] {
        let (well, ill) = (files(""), files(""));
        fs::remove_dir_all(ill.path("keys")).unwrap();
        fs::create_dir(ill.path("keys")).unwrap();
        copy_keys(&well, &ill);
        let mut node = ill.serve();
        ill.write(file, "= broken");
        node.log.wait_for("configuration not reloaded");
        runs(&well, "dnssec rollover signed.example --now");
        copy_keys(&well, &ill);
        node.log.wait_for("key files changed: they are used, although other files have errors");
        comes_to_publish(&mut node, 2);
        ill.write(file, sound);
        node.log.wait_for("configuration reloaded");
        comes_to_publish(&mut node, 2);
    }
}

#[test]
fn a_roller_that_is_killed_while_it_writes_begins_again() {
    for point in ["old keys written", "private key written"] {
        let files = files("roller = true\n");
        let mut node = files.start_under("TRUENORTH_HOLD", point);
        node.wait_for_answers();
        node.log.wait_for(&format!("holding: {point}"));
        assert!(node.dig("+dnssec www.signed.example").answer.iter().any(|record| record.rtype == "RRSIG"));
        node.signal("KILL");
        node.wait();
        let left = contents(&files.path("keys"));
        assert!(left.iter().any(|(_, text)| text.contains("Delete: ")), "{left:?}");
        assert_eq!(public(&files.path("keys")).len(), 1, "{left:?}");
        runs(&files, "check");

        let mut node = files.serve();
        node.log.wait_for(BEGINS);
        node.log.wait_for("roll-over begun");
        assert_eq!(public(&files.path("keys")).len(), 2);
        node.signal("KILL");
        node.wait();
        // The files say that a roll-over is under way.
        let whole = contents(&files.path("keys"));
        let mut node = files.serve();
        comes_to_publish(&mut node, 2);
        assert_eq!(contents(&files.path("keys")), whole);
    }
}

/// Starts a roller whose folder of keys cannot be written after these commands, and mends it with others.
fn cannot_write(mounts: &str, mend: &str, told: &str) {
    let files = files("roller = true\n");
    let mut node = files.serve_with_mounts(mounts);
    let line = node.log.wait_for("a roll-over that is due cannot begin");
    assert!(line.contains(told), "{line}");
    let folder = node.its_path(&files.path("keys"));
    assert_eq!(fs::read_dir(&folder).unwrap().filter(|entry| is_key(entry.as_ref().unwrap())).count(), 2, "one key");
    assert!(node.dig("+dnssec www.signed.example").answer.iter().any(|record| record.rtype == "RRSIG"));
    let (pid, mend) = (node.pid().to_string(), format!("cd {} && {mend}", files.path("").display()));
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid, "--user", "--preserve-credentials", "--mount", "sh", "-c", &mend]);
    let mended = command.output().unwrap();
    assert!(mended.status.success(), "{mended:?}");
    node.log.wait_for(BEGINS);
    comes_to_publish(&mut node, 2);
    assert_eq!(fs::read_dir(&folder).unwrap().filter(|entry| is_key(entry.as_ref().unwrap())).count(), 4, "two keys");
}

fn is_key(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b"K")
}

#[test]
fn a_folder_that_cannot_be_written_is_tried_again() {
    cannot_write(
        "mount --bind keys keys && mount -o remount,bind,ro keys",
        "mount -o remount,bind,rw keys",
        "Read-only file system",
    );
}

#[test]
fn a_full_disk_leaves_no_part_of_a_key() {
    cannot_write(
        "cp -a keys copy && mount -t tmpfs -o size=32k,mode=700 tmpfs keys && cp -a copy/. keys/ && \
         (cat /dev/zero > keys/filled 2> /dev/null || true)",
        "rm keys/filled",
        "No space left on device",
    );
}

#[test]
fn lifetimes_that_are_too_short_or_have_no_effect_are_told() {
    let files = files("roller = true\n");
    let write = |dnssec: &str| files.write("zones/signed.example.toml", format!("[dnssec]\n{dnssec}{}", zone()));
    write("ksk_lifetime = \"1h\"\n");
    let ran = files.run("check");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    // Twice 1 h for DNSKEY records, 1 d for DS records, and four times 1 s.
    let said = "`ksk_lifetime` (1h) is shorter than a roll-over of signed.example. takes: 27h";
    assert!(ran.stderr.contains(said) && ran.stderr.contains("signed.example.toml:2:16"), "{ran:?}");
    write("zsk_lifetime = \"30d\"\n");
    let ran = files.run("check");
    assert!(ran.code == Some(0) && ran.stderr.contains("`zsk_lifetime` has no effect"), "{ran:?}");
    // The zone has no limit, whatever the server file says.
    write("ksk_lifetime = \"unlimited\"\n");
    assert!(!runs(&files, "check").contains("rolls at"));
    write("roller = true\n");
    assert!(files.run("check").stderr.contains("belongs in `[dnssec]` of the server file"));
}
