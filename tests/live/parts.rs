//! Parts of a node that end unexpectedly, and ignored signals.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rcgen::{CertificateParams, KeyPair};

use crate::harness::{Files, Node, SERVER, shipped_database};

const ZONE: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"192.0.2.1\"]\n";

/// The variable that lets a part of the node panic a second after it began, in builds that check assertions.
const BREAK: &str = "TRUENORTH_BREAK";

/// The variable that lets one do nothing for twelve seconds.
const STALL: &str = "TRUENORTH_STALL";

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

/// Maximum time that a test waits for an event, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(50);

/// A node that has an admin server.
fn files() -> Files {
    Files::new(&format!("{SERVER}{ADMIN}"), &[("example.com.toml", ZONE)])
}

/// The same, and it answers over QUIC too.
fn files_with_quic() -> Files {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["dns.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    let quic = "quic = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    let files = Files::new(&format!("{SERVER}{quic}{ADMIN}"), &[("example.com.toml", ZONE)]);
    files.write("cert.pem", certificate.pem());
    files.write("key.pem", key.serialize_pem());
    files
}

fn is_answering(node: &Node) -> bool {
    node.asker().try_ask("www.example.com.", RecordType::A, None).is_some_and(|reply| reply.answers.len() == 1)
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(LOOK);
    }
    start.elapsed()
}

#[test]
fn a_part_that_panics_is_told_and_ends_the_node() {
    let files = files_with_quic();
    let parts = [
        "control",
        "the task that delivers events",
        "the task that logs rate limits",
        "the task that logs overload",
        "the task that returns memory",
        "the task that logs the admin server's clients",
        "a worker for UDP",
        "a listener for TCP",
        "a listener for QUIC",
        "a listener of the admin server",
    ];
    for part in parts {
        let mut node = files.start_under(BREAK, part);
        node.log.wait_for("a thread panicked, which is a bug of truenorth: asked to by TRUENORTH_BREAK");
        node.log.wait_for(&format!("ERROR {part} panicked"));
        node.log.wait_for(&format!("truenorth: the node ended: {part} panicked"));
        assert_eq!(node.wait().code(), Some(1), "{part}");
    }
    // The next process finds the state folder free, with all rows that were kept.
    let node = files.serve();
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
}

#[test]
fn control_that_is_silent_makes_healthz_bad_and_stops_no_answer() {
    let files = files();
    let mut node = files.serve_under(&[(STALL, Path::new("control"))]);
    assert!(node.healthz().starts_with("HTTP/1.1 200 "), "{}", node.healthz());
    let is = |status: &str| node.healthz().starts_with(&format!("HTTP/1.1 {status} "));
    let alive = wait_until("silence is told", || {
        assert!(is_answering(&node));
        is("503")
    });
    assert!(alive >= Duration::from_secs(9), "not for a silence that is short: {alive:?}");
    assert!(node.healthz().contains("control was silent for too long"), "{}", node.healthz());
    let bad = wait_until("it recovers", || {
        assert!(is_answering(&node));
        is("200")
    });
    assert!(bad >= Duration::from_secs(4), "not before it was steady: {bad:?}");
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    assert_eq!(node.terminate().code(), Some(0));
}

#[test]
fn a_query_over_quic_that_panics_is_lost_alone() {
    let files = files_with_quic();
    let mut node = files.serve_under(&[(BREAK, Path::new("a query over QUIC"))]);
    let line = node.log.wait_for("answering encrypted");
    let port = line.rsplit_once("quic=[127.0.0.1:").and_then(|(_, rest)| rest.split(']').next());
    let port = port.expect("the line holds the address").to_owned();
    let ask = || {
        let words = ["@127.0.0.1", "-p", &port, "+quic", "+short", "+timeout=2", "+retry=0", "www.example.com"];
        let output = Command::new("kdig").args(words).output().expect("kdig of Debian's knot-dnsutils is needed");
        String::from_utf8(output.stdout).unwrap().trim() == "192.0.2.1"
    };
    wait_until("one is lost", || !ask());
    node.log.wait_for("a thread panicked, which is a bug of truenorth: asked to by TRUENORTH_BREAK");
    assert!(ask(), "the next one is answered");
    assert!(is_answering(&node));
    assert!(node.healthz().starts_with("HTTP/1.1 200 "));
    assert_eq!(node.terminate().code(), Some(0));
}

#[test]
fn a_writer_of_state_that_panics_goes_on_and_nothing_is_lost() {
    let files = files();
    let mut node = files.serve_under(&[(BREAK, Path::new("the writer of state"))]);
    let admin = format!("--node {}", node.admin());
    let start = Instant::now();
    while !node.log.lines().iter().any(|line| line.contains("the writer panicked")) {
        assert!(start.elapsed() < PATIENCE, "{:?}", node.log.lines());
        // The next row to keep breaks the writer.
        assert_eq!(files.run(&format!("txt set _a.example.com {:?} {admin}", start.elapsed())).code, Some(0));
        assert!(is_answering(&node) && node.healthz().starts_with("HTTP/1.1 200 "));
    }
    node.log.wait_for("state is kept again");
    assert_eq!(files.run(&format!("txt set _b.example.com kept {admin}")).code, Some(0));
    assert_eq!(node.terminate().code(), Some(0));
    let node = files.serve();
    assert_eq!(node.dig("_b.example.com TXT").data(), ["\"kept\""]);
    assert!(!node.dig("_a.example.com TXT").data().is_empty());
}

#[test]
fn a_start_without_enough_threads_ends_and_says_so() {
    let files = files();
    let mut refused = 0;
    for most in 1..=20 {
        let mut node = files.start_as_another(&format!("prlimit --nproc={most}:"));
        if node.answers_or_ends() {
            break;
        }
        refused += 1;
        let code = node.wait().code();
        let told = node.log.read_to_end();
        assert_eq!(code, Some(1), "{most} threads: {told:?}");
        let says_why = told.iter().any(|line| line.contains("thread") || line.contains("os error 11"));
        assert!(says_why, "{most} threads: {told:?}");
    }
    assert!(refused > 5, "it answers with {refused} threads");
}

#[test]
fn threads_that_are_refused_stop_nothing() {
    let files = files();
    let mut node = files.serve_as_another();
    let admin = node.admin();
    node.limit_threads(1);
    node.signal("HUP");
    node.log.wait_for("the files were not read: cannot start a thread");
    node.log.wait_for("the old one stays in use");
    for _ in 0..3 {
        assert!(is_answering(&node));
        assert_eq!(node.dig("www.example.com +tcp").data(), ["192.0.2.1"]);
    }
    assert!(node.healthz().starts_with("HTTP/1.1 200 "), "{}", node.healthz());
    // Orders still take effect, are stored, and get their response in time.
    let start = Instant::now();
    let ran = files.run(&format!("txt set _a.example.com value --node {admin}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    assert_eq!(node.dig("_a.example.com TXT").data(), ["\"value\""]);
    node.limit_threads(1000);
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    node.limit_threads(1);
    assert_eq!(node.terminate().code(), Some(0));
}

#[test]
fn signals_that_mean_nothing_do_nothing() {
    let files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    let mut node = files.serve();
    let address: SocketAddr = node.address();
    for signal in ["ALRM", "VTALRM", "PROF", "IO", "PWR", "16", "XCPU", "XFSZ", "PIPE", "WINCH", "URG"] {
        node.signal(signal);
    }
    // 16 above is SIGSTKFLT, which the shell does not know by name. The following are realtime signals that glibc
    // leaves to programs.
    for number in ["34", "49", "64"] {
        node.signal(number);
    }
    // Signals come in the order of their numbers at worst, so the reaction to this one comes last.
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
    assert!(node.is_running());
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"], "{address}");
    node.signal("QUIT");
    node.log.wait_for("stopping");
    assert_eq!(node.wait().code(), Some(0));
}

#[test]
fn a_start_and_a_summary_say_what_the_node_has() {
    let zone = format!("{ZONE}[pools.web]\nendpoints = [\"192.0.2.7\"]\n[names.pooled]\npools = [\"web\"]\n");
    let database = shipped_database();
    let server = format!("{SERVER}[geoip]\ndatabases = [{database:?}]\n");
    let files = Files::new(&server, &[("example.com.toml", &zone)]);
    let mut node = files.serve();
    let lines = node.log.lines().join("\n");
    for words in ["starting version=\"", "kept state taken over endpoints=0", "country.mmdb built=\"20"] {
        assert!(lines.contains(words), "{words}: {lines}");
    }
    node.signal("USR1");
    node.log.wait_for("summary version=\"");
    node.log.wait_for("summary of endpoints up=1 down=0 out=0");
    node.log.wait_for("summary of orders in force overrides=0 txt=0");
    node.log.wait_for("summary of clients queries=0 connections=0");
    node.signal("INT");
    node.log.wait_for("received SIGINT");
    assert_eq!(node.wait().code(), Some(0));
}
