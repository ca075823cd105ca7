//! Runs every command with a standard output whose reader has gone, or whose disk is full.

use std::fs::File;
use std::process::Stdio;

use crate::harness::{Files, Ran, run_to};

const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n";

const ZONE: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = { latitude = 50, longitude = 8 }\n\
                    [regions.default]\nprefer = [\"fra\"]\n[pools.web]\ndatacenter = \"fra\"\nendpoints = [\"192.0.2.1\"]\n\
                    [names.www]\npools = [\"web\"]\n";

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Runs a command with both. If the reader has gone, the exit code is that of the command.
fn expect_civil(words: &str, code: i32) {
    let without_panic = |ran: &Ran| {
        assert!(!ran.stderr.contains("panicked"), "{words}: {ran:?}");
    };
    let ran = run_to(words.split_whitespace(), closed());
    without_panic(&ran);
    assert_eq!(ran.code, Some(code), "{words}: {ran:?}");
    let ran = run_to(words.split_whitespace(), full());
    without_panic(&ran);
    assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
    assert!(ran.stderr.contains("cannot write to standard output: No space left on device"), "{words}: {ran:?}");
}

#[test]
fn a_reader_that_has_gone_is_no_fault_and_a_full_disk_is_one() {
    let files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    files.write("queries", "{\"client\": \"192.0.2.0/24\", \"name\": \"www.example.com\"}\n");
    let queries = files.path("queries");
    let config = files.path("truenorth.toml");
    let config = config.to_str().unwrap();
    for words in ["check", "check --json"] {
        expect_civil(&format!("{words} --config {config}"), 0);
    }
    expect_civil(&format!("simulate --log {} --config {config}", queries.display()), 0);
    expect_civil(&format!("explain www.example.com --client 192.0.2.1 --offline --config {config}"), 0);
    expect_civil(&format!("diff {config} {config}"), 0);
    for words in ["--help", "--version", "check --help"] {
        expect_civil(words, 0);
    }
    files.write("zones/example.com.toml", "ttl = \"long\"\n");
    expect_civil(&format!("check --json --config {config}"), 1);
}

#[test]
fn commands_to_a_node_keep_their_verdict() {
    let files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    let mut node = files.serve();
    node.log.wait_for("admin server listening");
    let config = files.path("truenorth.toml");
    let rest = format!("--node {} --config {}", node.admin(), config.display());
    let commands = [
        "status",
        "status --json",
        "overrides",
        "reload",
        "events",
        "drain dc:fra --yes",
        "lift dc:fra",
        "rollout",
        "txt list",
    ];
    for words in commands {
        let ran = run_to(format!("{words} {rest}").split_whitespace(), closed());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words}: {ran:?}");
    }
    for words in commands {
        let ran = run_to(format!("{words} {rest}").split_whitespace(), full());
        assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
        assert!(ran.stderr.contains("cannot write to standard output"), "{words}: {ran:?}");
    }
}
