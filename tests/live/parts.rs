//! Parts of a node that end by themselves, and signals that mean nothing.

use std::net::SocketAddr;

use crate::harness::{Files, SERVER};

const ZONE: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"192.0.2.1\"]\n";

/// The variable that lets a part of the node panic a second after it began, in builds that check assertions.
const BREAK: &str = "TRUENORTH_BREAK";

#[test]
fn a_part_that_panics_is_told_and_ends_the_node() {
    let server = format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n");
    let files = Files::new(&server, &[("example.com.toml", ZONE)]);
    let parts = [
        "control",
        "the task that tells what happens",
        "the task that tells of rate limits",
        "a listener for TCP",
        "a listener of the admin server",
    ];
    for part in parts {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut log = crate::harness::Log::read(reader);
        let mut node = files.serve_logging_to(writer, Some((BREAK, part)));
        log.wait_for("a thread panicked, which is a bug of truenorth: asked to by TRUENORTH_BREAK");
        log.wait_for(&format!("ERROR {part} panicked"));
        log.wait_for(&format!("truenorth: the node ended: {part} panicked"));
        assert_eq!(node.wait().code(), Some(1), "{part}");
    }
    // Whatever starts it again finds the state folder free, and all that was kept.
    let node = files.serve();
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
}

#[test]
fn signals_that_mean_nothing_do_nothing() {
    let files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    let mut node = files.serve();
    let address: SocketAddr = node.address();
    for signal in ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "16", "XCPU", "XFSZ", "PIPE", "WINCH", "URG"]
    {
        node.signal(signal);
    }
    // SIGSTKFLT was one by its number, for want of a name. These are realtime signals that glibc leaves to programs.
    for number in ["34", "49", "64"] {
        node.signal(number);
    }
    // Signals come in the order of their numbers at worst: the answer to this one comes after all.
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    assert!(node.is_running());
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"], "{address}");
    node.signal("QUIT");
    node.log.wait_for("stopping");
    assert_eq!(node.wait().code(), Some(0));
}
