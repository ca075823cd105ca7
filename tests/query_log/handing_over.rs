//! Reloads and replacements: no query is missing, and no file is garbled.

use std::fs;

use hickory_proto::rr::RecordType;

use crate::harness::Load;
use crate::{WRITTEN, configuration, get, lines, read_dnstap, server, told, wait_until};

#[test]
fn reloads_to_other_sinks_and_formats_lose_no_query() {
    let sinks =
        ["sink = \"one.json\"\nformat = \"json\"", "sink = \"two.tap\"", "sink = \"three.json\"\nformat = \"json\""];
    let files = configuration(sinks[0]);
    let mut node = files.serve();
    let load = Load::start(node.address(), "www.example.com.");
    for (times, sink) in (2..).zip(&sinks[1..]) {
        wait_until("some are logged", || files.path("one.json").metadata().is_ok_and(|file| file.len() > 0));
        files.write("truenorth.toml", server(sink));
        told(&mut node, WRITTEN, times);
    }
    wait_until("the last sink is used", || !lines(&files.path("three.json")).is_empty());
    let tally = load.stop();
    assert_eq!(node.terminate().code(), Some(0));
    let dnstap = read_dnstap(&files.path("two.tap"));
    assert_eq!(dnstap.len() % 2, 0);
    let logged = lines(&files.path("one.json")).len() + dnstap.len() / 2 + lines(&files.path("three.json")).len();
    assert_eq!((logged as u64, tally.lost), (tally.answered(), 0));
}

#[test]
fn a_log_that_is_turned_off_and_on_has_what_was_asked_while_it_was_on() {
    let section = "sink = \"queries.json\"\nformat = \"json\"";
    let files = configuration("");
    let mut node = files.serve();
    let mut asker = node.asker();
    asker.ask("www.example.com.", RecordType::A, None);
    files.write("truenorth.toml", server(section));
    told(&mut node, WRITTEN, 1);
    asker.ask("www.example.com.", RecordType::AAAA, None);
    wait_until("it is logged", || lines(&files.path("queries.json")).len() == 1);
    files.write("truenorth.toml", server(""));
    node.log.wait_for("configuration reloaded");
    wait_until("it is off", || !get(node.admin(), "/metrics").contains("truenorth_query_log_up"));
    asker.ask("www.example.com.", RecordType::A, None);
    assert_eq!(node.terminate().code(), Some(0));
    let lines = lines(&files.path("queries.json"));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["type"], "AAAA");
}

#[test]
fn a_replacement_writes_a_file_of_its_own_and_both_are_whole() {
    for section in ["sink = \"queries\"\nformat = \"json\"", "sink = \"queries\""] {
        let files = configuration(section);
        let mut old = files.serve();
        let load = Load::start(old.address(), "www.example.com.");
        wait_until("some are logged", || files.path("queries").metadata().is_ok_and(|file| file.len() > 1000));
        let new = files.replace();
        assert_eq!(old.wait().code(), Some(0), "{:?}", old.log.lines());
        let aside = fs::metadata(files.path("queries.1")).unwrap().len();
        let length = || fs::metadata(files.path("queries")).map_or(0, |file| file.len());
        let before = length();
        wait_until("the new process logs", || length() > before);
        let tally = load.stop();
        assert_eq!(new.terminate().code(), Some(0));
        assert_eq!(fs::metadata(files.path("queries.1")).unwrap().len(), aside, "the old process has ended");
        let count = |name: &str| {
            if section.contains("json") {
                lines(&files.path(name)).len()
            } else {
                read_dnstap(&files.path(name)).len() / 2
            }
        };
        assert!(count("queries") > 0 && count("queries.1") > 0);
        assert_eq!(((count("queries") + count("queries.1")) as u64, tally.lost), (tally.answered(), 0), "{section}");
        assert!(!files.path("queries.2").exists());
    }
}
