//! The cost of a big zone for other zones, and the cost of a change in it: counted by the log, not timed.

use std::fmt::Write;
use std::fs;

use crate::harness::{Files, Node, SERVER};

/// Names of the big zone.
const NAMES: u32 = 100_000;

const SMALL: &str = "$TTL 300\n@ SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\nns1 A 127.0.0.1\nwww A 192.0.2.1\n";

fn big() -> String {
    let mut text =
        "$TTL 300\n@ SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\nns1 A 127.0.0.1\n*.wild A 192.0.2.9\n".to_owned();
    for number in 0..NAMES {
        writeln!(text, "host{number} A 10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255).unwrap();
    }
    text
}

const STEERED: &str =
    "[nameservers]\nns1 = [\"127.0.0.1\"]\n[pools.web]\nendpoints = [\"192.0.2.7\"]\n[names.www]\npools = [\"web\"]\n";

/// The zones of the scene: a big one, a small one, and a steered one whose serial the node counts.
fn files() -> Files {
    let server = format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n[reload]\nwatch = false\n");
    Files::new(
        &server,
        &[("big.example.zone", &big()), ("small.example.zone", SMALL), ("steered.example.toml", STEERED)],
    )
}

/// Returns the numbers that the log gives for the next reload: zones in all, zones that were read, and zones whose
/// names were built.
fn reload(node: &mut Node) -> [usize; 3] {
    node.signal("HUP");
    let line = node.log.wait_for("configuration reloaded");
    ["zones=", "read=", "built="].map(|key| number(&line, key))
}

fn number(line: &str, key: &str) -> usize {
    let (_, rest) = line.split_once(key).unwrap_or_else(|| panic!("no {key} in {line}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// Sets or removes a TXT record by the command. Returns the number of changed names that the log reports.
fn order(node: &mut Node, files: &Files, words: &str) -> usize {
    let ran = files.run(&format!("{words} --node {}", node.admin()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    number(&node.log.wait_for("zone amended"), "names=")
}

#[test]
fn a_reload_reads_the_zones_that_changed_and_builds_no_others() {
    let files = files();
    let mut node = files.serve();
    assert_eq!(node.dig("host99999.big.example").data(), ["10.1.134.159"]);
    assert_eq!(reload(&mut node), [3, 0, 0]);
    files.write(
        "zones/small.example.zone",
        SMALL.replace("192.0.2.1", "192.0.2.2").replace("hostmaster 1", "hostmaster 2"),
    );
    assert_eq!(reload(&mut node), [3, 1, 1]);
    assert_eq!(node.dig("www.small.example").data(), ["192.0.2.2"]);
    assert_eq!(node.dig("host7.big.example").data(), ["10.0.0.7"]);
    // A new comment does not change a zone, and a new file time does not either.
    files.write("zones/small.example.zone", text(&files, "zones/small.example.zone") + "; nothing\n");
    files.write("zones/big.example.zone", text(&files, "zones/big.example.zone"));
    assert_eq!(reload(&mut node), [3, 1, 0]);
    // A changed record means that the whole file is read again, but no other file.
    files.write("zones/big.example.zone", big().replace("hostmaster 1", "hostmaster 2") + "new A 192.0.2.3\n");
    assert_eq!(reload(&mut node), [3, 1, 1]);
    assert_eq!(node.dig("new.big.example").data(), ["192.0.2.3"]);
    // Steered zones depend on the server file too.
    files.write("truenorth.toml", text(&files, "truenorth.toml") + "# nothing\n");
    assert_eq!(reload(&mut node), [3, 1, 0]);
    // Faults are reported as if all files were read.
    files.write("zones/small.example.zone", format!("{SMALL}mail MX 10 gone.big.example.\n"));
    node.signal("HUP");
    let line = node.log.wait_for("gone.big.example");
    assert!(
        line.contains("small.example.zone:6:1") && line.contains("which the zone big.example. does not have"),
        "{line}"
    );
    node.log.wait_for("configuration reloaded");
}

fn text(files: &Files, name: &str) -> String {
    fs::read_to_string(files.path(name)).unwrap()
}

#[test]
fn an_order_touches_the_names_that_it_sets_and_survives_reloads() {
    let files = files();
    let mut node = files.serve();
    assert_eq!(order(&mut node, &files, "txt set _acme-challenge.host5.big.example here"), 1);
    assert_eq!(node.dig("_acme-challenge.host5.big.example TXT").data(), ["\"here\""]);
    assert_eq!(node.dig("host99999.big.example").data(), ["10.1.134.159"]);
    // Two names that are new below a wildcard, and the wildcards of both.
    assert_eq!(order(&mut node, &files, "txt set _acme-challenge.a.wild.big.example there"), 5);
    for name in ["a.wild", "_acme-challenge.a.wild", "b.a.wild", "c.wild"] {
        assert_eq!(node.dig(&format!("{name}.big.example")).data(), ["192.0.2.9"], "{name}");
    }
    // A zone whose serial is counted has another apex, too.
    assert_eq!(order(&mut node, &files, "txt set www.steered.example x"), 2);
    let serial = node.dig("steered.example SOA").data()[0].to_owned();
    assert_eq!(reload(&mut node), [3, 0, 0]);
    assert_eq!(node.dig("_acme-challenge.a.wild.big.example TXT").data(), ["\"there\""]);
    assert_eq!(node.dig("www.steered.example TXT").data(), ["\"x\""]);
    assert_eq!(node.dig("steered.example SOA").data(), [serial.as_str()], "the same contents, the same serial");
    assert_eq!(order(&mut node, &files, "txt unset _acme-challenge.a.wild.big.example"), 1);
    assert_eq!(node.dig("a.wild.big.example TXT").data(), [""; 0]);
    assert_eq!(node.dig("_acme-challenge.host5.big.example TXT").data(), ["\"here\""]);
}
