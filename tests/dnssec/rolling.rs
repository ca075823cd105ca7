//! The commands of roll-overs, and what their files say. Time passes by other times in the files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Files, SERVER, places};
use crate::world::{ZONE, create_key};

fn zone(dnssec: &str) -> String {
    format!("[dnssec]\nenabled = true\n{dnssec}{}[records.www]\nA = [\"192.0.2.1\"]\n", places!())
}

fn files() -> Files {
    let files = Files::new(SERVER, &[("signed.example.toml", &zone(""))]);
    create_key(&files, ZONE);
    files
}

#[track_caller]
fn runs(files: &Files, words: &str) -> String {
    let ran = files.run(words);
    assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
    ran.stdout
}

#[track_caller]
fn refuses(files: &Files, words: &str, why: &str) {
    let ran = files.run(words);
    assert!(ran.code == Some(1) && ran.stderr.contains(why), "{words}: {ran:?}");
}

/// The private files of the keys.
fn private(files: &Files) -> Vec<PathBuf> {
    let paths = fs::read_dir(files.path("keys")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|own| own == "private")).collect()
}

fn tag(path: &std::path::Path) -> String {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    stem.rsplit('+').next().unwrap().trim_start_matches('0').to_owned()
}

/// Gives a key's file these times instead of its own ones of the same names.
fn set_times(path: &PathBuf, times: &[(&str, &str)]) {
    let text = fs::read_to_string(path).unwrap();
    let is_other = |line: &&str| times.iter().all(|(name, _)| !line.starts_with(&format!("{name}: ")));
    let mut kept = text.lines().filter(is_other).flat_map(|line| [line, "\n"]).collect::<String>();
    for (name, date) in times {
        kept.extend([name, ": ", date, "000000\n"]);
    }
    fs::write(path, kept).unwrap();
}

#[test]
fn a_roll_over_waits_for_the_parent_and_tells_it() {
    let files = files();
    let old = private(&files).remove(0);
    set_times(&old, &[("Publish", "20260101"), ("Activate", "20260101")]);
    let begun = runs(&files, "dnssec rollover signed.example");
    let new = private(&files).into_iter().find(|path| *path != old).unwrap();
    let (old_tag, new_tag) = (tag(&old), tag(&new));
    for said in [
        format!("key {new_tag} published, signs the keys"),
        format!("key {new_tag} ready, signs all records"),
        format!("key {old_tag} retired, signs the keys"),
        format!("run `truenorth dnssec ds-seen signed.example. {new_tag}`"),
        "copy these files to every nameserver of the zone before ".to_owned(),
    ] {
        assert!(begun.contains(&said), "{said}: {begun}");
    }
    let status = runs(&files, "dnssec status");
    assert!(status.contains("generated, signs nothing") && status.contains("  next at "), "{status}");
    assert!(runs(&files, "dnssec ds signed.example").contains(&format!(" DS {old_tag} ")));
    refuses(&files, "dnssec rollover signed.example", "a roll-over of signed.example. is under way");
    refuses(&files, "dnssec export signed.example out", "is under way");
    refuses(&files, &format!("dnssec ds-seen signed.example {new_tag}"), "can have a DS record");

    // Months later the parent still has the old record.
    set_times(&old, &[("SyncDelete", "20260202"), ("Inactive", "20260202"), ("Delete", "20260203")]);
    set_times(&new, &[("Publish", "20260201"), ("Activate", "20260201"), ("SyncPublish", "20260202")]);
    let status = runs(&files, "dnssec status");
    assert!(status.contains("for its DS record at the parent: give the parent zone"), "{status}");
    assert!(!status.contains("next at"), "{status}");
    let check = files.run("check");
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(check.stderr.contains(&format!("key {new_tag} of signed.example. has waited")), "{check:?}");
    assert!(runs(&files, "dnssec ds signed.example").contains(&format!(" DS {new_tag} ")));

    // Both keys are published and sign the keys, before a kill and after it.
    let mut node = files.serve();
    let keys = |node: &crate::harness::Node| {
        let mut keys = node.dig("+dnssec signed.example DNSKEY").answer;
        keys.retain(|record| record.rtype == "DNSKEY");
        keys.sort_unstable_by(|a, b| a.data.cmp(&b.data));
        (keys, node.dig("signed.example CDS").data().join(" ").split(' ').next().unwrap().to_owned())
    };
    let served = keys(&node);
    assert_eq!((served.0.len(), &served.1), (2, &new_tag), "{served:?}");
    node.signal("KILL");
    node.wait();
    let node = files.serve();
    assert_eq!(keys(&node), served);
    drop(node);

    // The record of the parent ends the roll-over.
    let seen = runs(&files, &format!("dnssec ds-seen signed.example {new_tag}"));
    assert!(seen.contains(&format!("wrote {}", new.display())) && seen.contains("removed, signs nothing"), "{seen}");
    let status = runs(&files, "dnssec status");
    assert!(status.contains("active, signs all records") && status.contains("retired, signs the keys"), "{status}");
    set_times(&new, &[("DSPublish", "20260203")]);
    set_times(&old, &[("Delete", "20260204")]);
    let status = runs(&files, "dnssec status");
    assert!(status.contains("removed, signs nothing") && !status.contains("next at"), "{status}");
    assert!(runs(&files, "check").contains(&format!("signed.example. is signed, key {new_tag} (")), "{status}");
    // BIND reads the files with all these times.
    let settime = Command::new("dnssec-settime").args(["-p", "all"]).arg(new.with_extension("key")).output();
    let settime = settime.expect("dnssec-settime is installed: apt-get install bind9-utils");
    assert!(settime.status.success(), "{settime:?}");
}

#[test]
fn a_key_whose_time_is_over_goes_on_and_check_says_so() {
    let files = files();
    let path = private(&files).remove(0);
    let begin = [("Publish", "20260101"), ("Activate", "20260101")];
    set_times(&path, &begin);
    set_times(&path, &[("Inactive", "20260601"), ("Delete", "20260701")]);
    let check = files.run("check");
    assert!(check.code == Some(0) && check.stderr.contains("was over at 2026-06-01T00:00:00Z"), "{check:?}");
    let node = files.serve();
    let answer = node.dig("+dnssec www.signed.example A").answer;
    assert!(answer.iter().any(|record| record.rtype == "RRSIG"), "{answer:?}");
    let begun = runs(&files, "dnssec rollover signed.example --now");
    assert!(begun.contains("published, signs the keys"), "{begun}");
}

#[test]
fn a_key_that_comes_late_is_told() {
    let files = files();
    let old = private(&files).remove(0);
    let mut node = files.serve();
    runs(&files, "dnssec rollover signed.example");
    let new = private(&files).into_iter().find(|path| *path != old).unwrap();
    node.log.wait_for("is generated");
    assert!(!node.log.lines().iter().any(|line| line.contains("comes later")), "it is early");
    node.signal("TERM");
    node.wait();
    // The other one gets it months later.
    let [private, public] = ["private", "key"].map(|extension| new.with_extension(extension));
    let kept = fs::read(&public).unwrap();
    fs::remove_file(&public).unwrap();
    let mut node = files.serve();
    set_times(&private, &[("Publish", "20260101"), ("Activate", "20260101")]);
    fs::write(&public, &kept).unwrap();
    let line = node.log.wait_for("a key comes later than its files say");
    assert!(line.contains(&format!("key={}", tag(&new))) && line.contains("propagation=1h"), "{line}");
}

#[test]
fn a_zone_asks_its_parent_to_let_it_go() {
    let files = files();
    let node = files.serve();
    assert_eq!(node.dig("signed.example CDS").data().len(), 1);
    files.write("zones/signed.example.toml", zone("ds = \"remove\"\n"));
    node.comes_to_answer("signed.example CDS", &["0 0 0 00"]);
    node.comes_to_answer("signed.example CDNSKEY", &["0 3 0 AA=="]);
    assert!(node.dig("+dnssec signed.example CDS").answer.iter().any(|record| record.rtype == "RRSIG"));
    let status = runs(&files, "dnssec status");
    assert!(status.contains("ask the parent to remove all DS records"), "{status}");
    let key = node.dig("signed.example DNSKEY").data().join("");
    files.write("zones/signed.example.toml", zone(""));
    node.comes_to_answer("signed.example CDNSKEY", &[&key]);
}

#[test]
fn exported_keys_are_taken_in_by_others() {
    let files = files();
    let out = files.path("out");
    let said = runs(&files, &format!("dnssec export signed.example {}", out.display()));
    assert!(said.contains("keymgr signed.example. import-bind") && said.contains(" IN DS "), "{said}");
    let public = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    let public = public.filter(|path| path.extension().is_some_and(|own| own == "key")).collect::<Vec<_>>().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let keymgr = |words: &[&str]| {
        let mut command = Command::new("/usr/sbin/keymgr");
        command.arg("-D").arg(folder.path()).arg("signed.example.").args(words);
        let ran = command.output().expect("keymgr is installed: apt-get install knot");
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    keymgr(&["import-bind", public.to_str().unwrap()]);
    let (tag, listed) = (tag(&public), keymgr(&["list"]));
    assert!(listed.contains(&tag), "{tag}: {listed}");
    let dsfromkey = Command::new("dnssec-dsfromkey").arg("-2").arg(&public).output().unwrap();
    let bind = String::from_utf8(dsfromkey.stdout).unwrap();
    assert!(said.contains(bind.trim().split(" DS ").nth(1).unwrap()), "{bind} {said}");
}

#[test]
fn what_cannot_roll_is_refused() {
    let files = files();
    refuses(&files, "dnssec rollover signed.example --zsk", "no ZSK of signed.example. is in use");
    refuses(&files, "dnssec rollover signed.example --ksk", "no KSK of signed.example. is in use");
    let same = "dnssec rollover signed.example --algorithm ecdsap256sha256";
    refuses(&files, same, "has the algorithm ECDSAP256SHA256 already");
    refuses(&files, "dnssec rollover other.example", "the configuration does not sign other.example.");
    assert_eq!(files.run("dnssec rollover signed.example --zsk --csk").code, Some(2));
    assert_eq!(private(&files).len(), 1);
}
