//! Hundreds of thousands of damaged queries: the server answers those that can be answered, and is in the same state
//! afterwards.
//!
//! The test damages valid queries of every kind at random: it flips bits, cuts ends, inserts octets, joins two
//! messages, and sets wrong lengths and counts. A valid query follows each batch. The server answers the messages of a
//! socket in turn, so the answer to the valid query shows that the batch was handled. No answer is lost because a
//! buffer is full.

mod harness;

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use harness::{Asker, Files, Node, addresses, places, random};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::RecordType;
use truenorth::wire::HEADER_LENGTH;

/// Damaged queries over UDP and over TCP.
const OVER_UDP: usize = 400_000;
const OVER_TCP: usize = 20_000;

/// Sockets over UDP at once, each with a thread.
const SOCKETS: usize = 4;

/// Queries of a batch over UDP, and of a connection: their answers fit the buffer of a socket.
const BATCH: usize = 50;

/// Minimum share of damaged queries that get an answer. Messages shorter than a header, and responses, get none. With a
/// lower share, the damage would be so great that the test reaches nothing after the header.
const ANSWERED: f64 = 0.5;

/// Octets by which the process may grow after the first tenth of the queries, because allocators keep memory. A leak of
/// one small answer for each query would be more than twice as much.
const SLACK: u64 = 8 << 20;

/// Maximum time until closed connections are forgotten.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ID of the valid query after each batch. Damaged queries have lower IDs.
const SENTINEL: u16 = 0xffff;

const SERVER: &str = r#"
[identity]
nsid = "ns1"
id = "ns1"
version = "1"
[cookies]
secrets = ["e5e973e5a6b2a43f48e7dc849e37bfcf"]
[transfer]
allow = ["127.0.0.0/8"]
"#;

const STEERED: &str = concat!(
    places!(),
    r#"[regions.near]
clients = ["127.0.0.0/8", "2001:db8::/32"]
prefer = ["fra", "iad"]
[regions.default]
prefer = ["iad", "fra"]
[pools.web]
endpoints.fra = ["192.0.2.1", "2001:db8::1"]
endpoints.iad = ["192.0.2.2"]
[names.www]
pools = ["web"]
steer = ["region"]
[names.whoami]
reflect = true
"#
);

const STATIC: &str = r#"
@ 300 IN SOA ns1 hostmaster 1 3600 600 604800 60
@ 300 IN NS ns1
@ 300 IN MX 10 mail
ns1 300 IN A 192.0.2.53
mail 300 IN AAAA 2001:db8::25
chain 300 IN CNAME www.example.com.
*.apps 300 IN TXT "wild"
sub 300 IN NS ns.sub
ns.sub 300 IN A 192.0.2.54
old 300 IN DNAME example.com.
"#;

const A: u16 = 1;
const SOA: u16 = 6;
const TXT: u16 = 16;
const OPT: u16 = 41;
const TSIG: u16 = 250;
const IXFR: u16 = 251;
const AXFR: u16 = 252;
const ANY: u16 = 255;

const IN: u16 = 1;
const CH: u16 = 3;

/// A sound message: opcode, questions, and the records of the three sections.
fn message(opcode: u8, questions: &[Vec<u8>], sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
    let counts = [questions.len(), sections[0].len(), sections[1].len(), sections[2].len()];
    let counts = counts.map(|count| (count as u16).to_be_bytes()).concat();
    [&[0, 0, opcode << 3 | 1, 0], &counts[..], &questions.concat(), &sections.map(<[_]>::concat).concat()].concat()
}

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect()
}

fn question(text: &str, rtype: u16, class: u16) -> Vec<u8> {
    [&name(text)[..], &rtype.to_be_bytes(), &class.to_be_bytes()].concat()
}

fn record(owner: &[u8], rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let length = (rdata.len() as u16).to_be_bytes();
    [owner, &rtype.to_be_bytes(), &class.to_be_bytes(), &ttl.to_be_bytes(), &length, rdata].concat()
}

fn opt(options: &[(u16, &[u8])]) -> Vec<u8> {
    const DO: u32 = 0x8000;
    let option = |(code, octets): &(u16, &[u8])| {
        [&code.to_be_bytes()[..], &(octets.len() as u16).to_be_bytes(), octets].concat()
    };
    record(&[0], OPT, 1232, DO, &options.iter().map(option).collect::<Vec<_>>().concat())
}

/// Sound queries of every kind.
fn seeds() -> Vec<Vec<u8>> {
    let ask = |text, rtype, additional: &[Vec<u8>]| message(0, &[question(text, rtype, IN)], [&[], &[], additional]);
    let subnet_v4: &[u8] = &[0, 1, 24, 0, 198, 51, 100];
    let subnet_v6: &[u8] = &[0, 2, 48, 0, 0x20, 1, 0x0d, 0xb8, 0, 1];
    let cookie: &[u8] = &[7; 8];
    let full_cookie: &[u8] = &[7; 24];
    // A compression pointer to the question's name is the owner or the zone.
    let back: &[u8] = &[0xc0, 12];
    let soa = record(back, SOA, IN, 0, &[back, back, &[0; 20]].concat());
    let algorithm = name("hmac-sha256.");
    let mac = [&[0, 0, 0x5f, 0, 0, 0, 1, 0x2c, 0, 32][..], &[9; 32], &[0, 0, 0, 0, 0, 0]].concat();
    let tsig = record(&name("key.example."), TSIG, ANY, 0, &[&algorithm[..], &mac].concat());
    let all = opt(&[(3, &[]), (8, subnet_v4), (10, cookie), (11, &[]), (12, &[0; 40]), (0xfde9, &[1, 2, 3])]);
    let notify = [record(back, SOA, IN, 0, &[back, back, &[1; 20]].concat())];
    let zone = [question("static.example.", SOA, IN)];
    let names = ["www.example.com.", "whoami.example.com.", "static.example.", "chain.static.example."];
    let names = names.into_iter().chain(["a.apps.static.example.", "a.sub.static.example.", "www.old.static.example."]);
    let plain = names.flat_map(|name| [A, 28, TXT, ANY, 15].map(|rtype| ask(name, rtype, &[opt(&[])])));
    let rest = [
        ask("www.example.com.", A, &[]),
        ask("www.example.com.", A, &[opt(&[(8, subnet_v4)])]),
        ask("whoami.example.com.", TXT, &[opt(&[(8, subnet_v6)])]),
        ask("www.example.com.", A, &[opt(&[(10, cookie)])]),
        ask("www.example.com.", A, &[opt(&[(10, full_cookie)])]),
        ask("www.example.com.", A, &[opt(&[(3, &[])])]),
        ask("www.example.com.", A, &[opt(&[(12, &[0; 100])])]),
        ask("whoami.example.com.", TXT, std::slice::from_ref(&all)),
        ask("www.example.com.", A, std::slice::from_ref(&tsig)),
        ask("www.example.com.", A, &[all, tsig]),
        ask("static.example.", AXFR, &[opt(&[])]),
        message(0, &[question("static.example.", IXFR, IN)], [&[], std::slice::from_ref(&soa), &[]]),
        message(0, &[question("version.bind.", TXT, CH)], [&[], &[], &[opt(&[])]]),
        message(0, &[], [&[], &[], &[opt(&[(10, cookie)])]]),
        message(0, &[question("www.example.com.", A, IN), [back, &[0, 1, 0, 1]].concat()], [&[], &[], &[]]),
        message(4, &zone, [&notify, &[], &[]]),
        message(5, &zone, [&[], &[record(back, A, IN, 60, &[192, 0, 2, 1])], &[]]),
        message(2, &[], [&[], &[], &[]]),
    ];
    plain.chain(rest).collect()
}

/// Octets with a meaning for a parser: limits of labels, pointers, counts.
const TELLING: [u8; 10] = [0, 1, 2, 12, 41, 0x3f, 0x40, 0x7f, 0xc0, 0xff];

/// A damaged copy of a seed with this ID.
fn damaged(seeds: &[Vec<u8>], id: u16, random: &mut Rng) -> Vec<u8> {
    let mut octets = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=octets.len());
        let part = part(&octets, random);
        match random.u8(..8) {
            0 | 1 if at < octets.len() => octets[at] ^= 1 << random.u8(..8),
            2 if at < octets.len() => octets[at] = TELLING[random.usize(..TELLING.len())],
            3 => octets.truncate(at),
            4 => {
                let inserted: Vec<u8> = (0..random.usize(1..20)).map(|_| random.u8(..)).collect();
                octets.splice(at..at, inserted);
            }
            5 => {
                let other = &seeds[random.usize(..seeds.len())];
                let from = random.usize(..=other.len());
                octets.splice(part, other[from..].iter().copied());
            }
            // A length, a count or a type: right, off by one, or absurd.
            6 if at + 2 <= octets.len() => {
                let left = (octets.len() - at) as u16;
                let length = [0, 1, left - 2, left, left + 1, 0x7fff, 0xffff][random.usize(..7)];
                octets[at..at + 2].copy_from_slice(&length.to_be_bytes());
            }
            _ => {
                let repeated = octets[part].to_vec();
                octets.splice(at..at, repeated);
            }
        }
    }
    if let Some(first) = octets.first_chunk_mut() {
        *first = id.to_be_bytes();
    }
    octets
}

fn part(octets: &[u8], random: &mut Rng) -> Range<usize> {
    let start = random.usize(..=octets.len());
    start..random.usize(start..=octets.len())
}

/// Asserts that a message is a response to one of these queries.
#[track_caller]
fn assert_response(octets: &[u8], ids: &Range<u16>) {
    let response = Message::from_vec(octets).unwrap_or_else(|error| panic!("{error}: {octets:02x?}"));
    assert_eq!(response.metadata.message_type, MessageType::Response);
    assert!(ids.contains(&response.metadata.id), "{}: {octets:02x?}", response.metadata.id);
}

fn sentinel() -> Vec<u8> {
    let mut query = message(0, &[question("ns1.static.example.", A, IN)], [&[], &[], &[]]);
    query[..2].copy_from_slice(&SENTINEL.to_be_bytes());
    query
}

fn is_sentinels(octets: &[u8]) -> bool {
    octets.starts_with(&SENTINEL.to_be_bytes())
}

/// Sends this many damaged queries from one socket, and returns how many were answered.
fn damage_over_udp(node: SocketAddr, count: usize, mut random: Rng) -> usize {
    let (asker, seeds, sentinel) = (Asker::new(node), seeds(), sentinel());
    let mut answered = 0;
    for _ in 0..count / BATCH {
        let ids = 0..BATCH as u16;
        for id in ids.clone() {
            assert!(asker.send(&damaged(&seeds, id, &mut random)));
        }
        assert!(asker.send(&sentinel));
        let mut seen = HashSet::new();
        loop {
            let reply = asker.receive().expect("the server lives, and answers what is sound");
            if is_sentinels(&reply) {
                break;
            }
            assert_response(&reply, &ids);
            assert!(seen.insert([reply[0], reply[1]]), "a query has one answer over UDP");
        }
        answered += seen.len();
    }
    answered
}

/// The same over connections: a batch on each, the last one cut or behind a wrong length.
fn damage_over_tcp(node: SocketAddr, count: usize, mut random: Rng) -> usize {
    let seeds = seeds();
    let mut answered = HashSet::new();
    for batch in 0..count / BATCH {
        let ids = 0..BATCH as u16;
        let mut octets = Vec::new();
        for id in ids.clone() {
            let query = damaged(&seeds, id, &mut random);
            // A message that is shorter than a header ends the connection, so the rest of the batch is lost.
            if query.len() < HEADER_LENGTH {
                continue;
            }
            octets.extend((query.len() as u16).to_be_bytes());
            octets.extend(query);
        }
        let cut = random.usize(..30);
        octets.truncate(octets.len().saturating_sub(cut));
        octets.extend((0..random.usize(..30)).map(|_| random.u8(..)));
        let mut stream = TcpStream::connect(node).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may close before it has received all.
        let _ = stream.write_all(&octets).and_then(|()| stream.shutdown(Shutdown::Write));
        for reply in replies(&mut stream) {
            let id = u16::from_be_bytes([reply[0], reply[1]]);
            // Inserted octets after the last query may be a message with any ID.
            assert_response(&reply, &(0..u16::MAX));
            if ids.contains(&id) {
                answered.insert((batch, id));
            }
        }
    }
    answered.len()
}

/// All whole messages up to the end of a connection.
fn replies(stream: &mut TcpStream) -> Vec<Vec<u8>> {
    let mut octets = Vec::new();
    if let Err(error) = stream.read_to_end(&mut octets) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the server closes in time");
    }
    let (mut replies, mut rest) = (Vec::new(), &octets[..]);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let Some((reply, behind)) = behind.split_at_checked(u16::from_be_bytes(*length).into()) else { break };
        replies.push(reply.to_vec());
        rest = behind;
    }
    replies
}

/// Octets of memory that the process has for itself.
fn resident(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn descriptors(node: &Node) -> usize {
    fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count()
}

/// Damages queries on all sockets at the same time. Returns how many were answered.
fn damage_at_once(node: &Node, count: usize, random: &mut Rng) -> usize {
    let address = node.address();
    let threads: Vec<_> = (0..SOCKETS)
        .map(|_| {
            let random = random.fork();
            thread::spawn(move || damage_over_udp(address, count / SOCKETS, random))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("every answer is sound")).sum()
}

#[test]
fn damaged_queries_do_no_harm() {
    let mut random = random();
    let server = format!("{}{SERVER}", harness::SERVER);
    let mut node = Files::new(&server, &[("example.com.toml", STEERED), ("static.example.zone", STATIC)]).serve();
    let descriptors_before = descriptors(&node);
    let warm = damage_at_once(&node, OVER_UDP / 10, &mut random)
        + damage_over_tcp(node.address(), OVER_TCP / 10, random.fork());
    let resident_before = resident(&node);
    let answered = warm + damage_at_once(&node, OVER_UDP * 9 / 10, &mut random);
    println!("{answered} of {OVER_UDP} were answered over UDP");
    assert!(answered as f64 > ANSWERED * OVER_UDP as f64, "{answered} were answered");
    let answered = damage_over_tcp(node.address(), OVER_TCP * 9 / 10, random.fork());
    println!("{answered} of {} were answered over TCP", OVER_TCP * 9 / 10);
    assert!(answered as f64 > ANSWERED * OVER_TCP as f64, "{answered} were answered");

    assert!(node.is_running());
    let answer = node.asker().ask("www.example.com.", RecordType::A, None);
    let addresses: HashSet<_> = addresses(&answer).into_iter().map(|address| address.to_string()).collect();
    assert!(!addresses.is_empty() && addresses.is_subset(&["192.0.2.1", "192.0.2.2"].map(str::to_owned).into()));
    let (before, after) = (resident_before, resident(&node));
    println!("{} KiB were resident early on, {} KiB at the end", before >> 10, after >> 10);
    assert!(after < before + SLACK, "{before} octets grew to {after}");
    let deadline = Instant::now() + PATIENCE;
    // There may be fewer: when it began to answer, it was still reading files.
    while descriptors(&node) > descriptors_before {
        assert!(Instant::now() < deadline, "{} descriptors, not {descriptors_before}", descriptors(&node));
        thread::sleep(Duration::from_millis(10));
    }
}
