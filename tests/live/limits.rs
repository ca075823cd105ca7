//! Limits that clients reach: response rate limiting, as a victim of spoofed queries would see it, and connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::harness::{Asker, Files, Node, SERVER, query};

const ZONE: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"192.0.2.1\"]\n";

/// Ten at once and ten a second; every other one above is cut.
const LIMIT: &str = "[rate_limit]\nresponses_per_second = 10\nwindow = 1\nslip = 2\n";

/// Queries of the flood: their answers fit the buffer of one socket. They are sent within a second, but if it takes two,
/// ten more are answered.
const FLOOD: u16 = 200;

const TC: u8 = 0x02;

/// Idle time of connections without `[connections]`, and an allowance for the machine.
const BY_DEFAULT: Duration = Duration::from_secs(10);
const LONGER_THAN_BY_DEFAULT: Duration = Duration::from_secs(20);

fn serve(more: &str) -> Node {
    Files::new(&format!("{SERVER}{LIMIT}{more}"), &[("example.com.toml", ZONE)]).serve()
}

/// Returns how many responses to a flood are whole, and how many are cut.
fn flood(node: &Node, octets: impl Fn(u16) -> Vec<u8>) -> (u16, u16) {
    let asker = Asker::new(node.address());
    let (mut whole, mut cut) = (0, 0);
    for id in 0..FLOOD {
        assert!(asker.send(&octets(id)));
    }
    asker.wait_at_most(Duration::from_secs(2));
    while let Some(reply) = asker.receive() {
        match reply[2] & TC {
            0 => whole += 1,
            _ => cut += 1,
        }
    }
    (whole, cut)
}

fn question(id: u16) -> Vec<u8> {
    query(id, "www.example.com.", RecordType::A, None)
}

#[test]
fn a_flood_is_answered_at_its_rate_and_told() {
    let mut node = serve("");
    let (whole, cut) = flood(&node, question);
    assert!((10..=40).contains(&whole), "{whole}");
    assert!((70..=95).contains(&cut), "every other one of the rest: {cut}");
    node.log.wait_for("responses over the rate limit");
    // Over TCP the address is the asker's own.
    assert_eq!(node.dig("www.example.com +tcp").status, "NOERROR");
}

#[test]
fn classes_are_limited_apart() {
    let node = serve("");
    flood(&node, question);
    let (whole, _) = flood(&node, |id| query(id, "nothing.example.com.", RecordType::A, None));
    assert!(whole >= 10, "{whole}");
}

#[test]
fn exempt_networks_and_cookie_holders_are_not_limited() {
    let node = serve("exempt = [\"127.0.0.0/8\"]\n");
    assert_eq!(flood(&node, question), (FLOOD, 0));

    let node = serve("");
    let reply = node.asker().ask_with_cookie("www.example.com.", &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(reply.len(), 24, "16 octets of the server stand behind the client's 8");
    let (whole, cut) = flood(&node, |id| crate::harness::query_with_cookie(id, "www.example.com.", &reply));
    assert_eq!((whole, cut), (FLOOD, 0));
}

/// Descriptors of a process that has few; its connections would take all of them if they knew no limit.
const FEW_DESCRIPTORS: usize = 200;

#[test]
fn connections_leave_descriptors_to_others() {
    let files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    let mut node = files.serve_with_descriptors(FEW_DESCRIPTORS);
    let held: Vec<TcpStream> =
        (0..2 * FEW_DESCRIPTORS).map(|_| TcpStream::connect(node.address()).expect("it listens")).collect();
    assert_eq!(node.dig("www.example.com +tcp").data(), ["192.0.2.1"]);
    node.log.wait_for("the limit of DNS connections was reached");
    drop(held);
    let log = node.log.lines().join("\n");
    assert!(!log.contains("cannot accept connections over TCP"), "{log}");
    // Files can still be read.
    node.signal("HUP");
    node.log.wait_for("configuration reloaded");
}

#[test]
fn connections_are_limited_as_the_file_says() {
    let limits = "[connections]\nmax = 4\nper_client = 2\nidle = \"1s\"\n";
    let node = Files::new(&format!("{SERVER}{limits}"), &[("example.com.toml", ZONE)]).serve();
    let connect = || {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream.set_read_timeout(Some(LONGER_THAN_BY_DEFAULT)).unwrap();
        let query = question(1);
        stream.write_all(&[&(query.len() as u16).to_be_bytes(), &query[..]].concat()).unwrap();
        let mut reply = [0; 512];
        assert!(stream.read(&mut reply).unwrap() > 12);
        stream
    };
    let closes = |stream: &mut TcpStream| stream.read(&mut [0]).unwrap_or(0) == 0;
    let [mut first, mut second, mut third] = [(); 3].map(|()| connect());
    let start = Instant::now();
    assert!(closes(&mut first), "it was idle longest");
    assert!(closes(&mut second) && closes(&mut third));
    assert!(start.elapsed() < BY_DEFAULT, "idle for longer than a second");
}
