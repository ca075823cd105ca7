//! Zone transfers: the copy is complete, clients without permission get none, and slow readers harm nobody.

mod encrypted;
mod harness;
mod served;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::Files;
use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use served::{PATIENCE, Server, ask_tcp, ask_udp, connect, framed, next_answer};
use socket2::{Domain, Socket, Type};
use truenorth::config;
use truenorth::geo::Locations;
use truenorth::server::TcpLimits;
use truenorth::snapshot::{Blueprint, EndpointState, Snapshot};

/// Hosts of the big zone: enough for dozens of messages.
const HOSTS: usize = 20_000;

const SERIAL: u32 = 2_026_112_101;

const ALLOWED: &str = "[transfer]\nallow = [\"127.0.0.0/8\", \"2001:db8::/32\"]\n";

/// A zone with a cut, glue, data below the cut and below a DNAME, a wildcard, and types known and unknown.
fn records(hosts: usize) -> Vec<String> {
    let apart = [
        "static.example. 3600 IN NS ns1.static.example.",
        "static.example. 3600 IN NS ns.elsewhere.example.",
        "static.example. 300 IN MX 10 mail.static.example.",
        "ns1.static.example. 3600 IN A 192.0.2.53",
        "*.apps.static.example. 60 IN CNAME host1.static.example.",
        "sub.static.example. 3600 IN NS ns.sub.static.example.",
        "sub.static.example. 3600 IN DS 1 13 1 0123456789ABCDEF0123456789ABCDEF01234567",
        "ns.sub.static.example. 3600 IN A 192.0.2.54",
        "occluded.sub.static.example. 3600 IN TXT \"below the cut\"",
        "old.static.example. 3600 IN DNAME new.static.example.",
        "unknown.static.example. 3600 IN TYPE65280 \\# 3 010203",
    ];
    let hosts = (0..hosts).map(|n| match n % 3 {
        0 => format!("host{n}.static.example. 300 IN TXT \"host {n}\" \"of many\""),
        1 => format!("host{n}.static.example. 300 IN AAAA 2001:db8::{n:x}"),
        _ => format!("a.b.host{n}.static.example. 300 IN SRV 1 2 443 host{}.static.example.", n - 1),
    });
    // One RRset that does not fit into a message of the usual size.
    let long = (0..60).map(|n| format!("long.static.example. 300 IN TXT \"{}\"", format!("{n:02}").repeat(125)));
    apart.map(str::to_owned).into_iter().chain(hosts).chain(long).collect()
}

fn soa(serial: u32) -> String {
    format!("static.example. 3600 IN SOA ns1.static.example. hostmaster.static.example. {serial} 3600 600 604800 60")
}

fn master_file(serial: u32, records: &[String]) -> String {
    format!("{}\n{}\n", soa(serial), records.join("\n"))
}

const STEERED: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[pools.web]\nendpoints = [\"192.0.2.1\"]\n\
                       [names.www]\npools = [\"web\"]\n";

fn files(server: &str, serial: u32, hosts: usize) -> Files {
    let zone = master_file(serial, &records(hosts));
    Files::new(
        &format!("{}{server}", harness::SERVER),
        &[("static.example.zone", &zone), ("steered.example.toml", STEERED)],
    )
}

fn snapshot(server: &str, serial: u32, hosts: usize) -> Arc<Snapshot> {
    snapshot_of(&files(server, serial, hosts))
}

fn snapshot_of(files: &Files) -> Arc<Snapshot> {
    let config = config::load(&files.path("truenorth.toml"), &truenorth::disk::Disk::new(), &|_| None);
    let world = config.unwrap_or_else(|faults| panic!("{}", faults.render(false))).world;
    let blueprint = Blueprint::compile(world, Arc::new(Locations::unknown()), None);
    Arc::new(Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None))
}

/// A server of these zones in this process.
fn serve(server: &str, hosts: usize, limits: TcpLimits) -> Server {
    let running = Server::start_at(&["127.0.0.1:0"], 1, limits);
    running.published.store(snapshot(server, SERIAL, hosts));
    running
}

fn ask(zone: &str, rtype: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(zone).unwrap(), rtype));
    message
}

/// IXFR from this serial on.
fn ask_changes(serial: u32) -> Message {
    let mut message = ask("static.example.", RecordType::IXFR);
    let apex = Name::from_ascii("static.example.").unwrap();
    message.add_authority(Record::from_rdata(
        apex.clone(),
        0,
        RData::SOA(SOA::new(apex.clone(), apex, serial, 0, 0, 0, 0)),
    ));
    message
}

fn is_soa(record: &Record) -> bool {
    record.record_type() == RecordType::SOA
}

/// All messages of a transfer, up to the second SOA.
fn transfer(stream: &mut TcpStream, query: &Message) -> Vec<Message> {
    stream.write_all(&framed(query)).unwrap();
    let (mut messages, mut ends) = (Vec::new(), 0);
    while ends < 2 {
        let message = next_answer(stream);
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        ends += message.answers.iter().filter(|record| is_soa(record)).count();
        messages.push(message);
    }
    messages
}

/// The records in a tool's output, each as `owner ttl class type data` with single blanks.
fn lines(output: &str) -> Vec<String> {
    let records = output.lines().filter(|line| !line.is_empty() && !line.starts_with(';'));
    records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn run(command: &str, words: &[&str]) -> String {
    let output = Command::new(command).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that the copy is the zone: the SOA at both ends, everything else once.
#[track_caller]
fn assert_whole(copied: &[String], hosts: usize) {
    let apex = soa(SERIAL);
    assert_eq!((copied.first(), copied.last()), (Some(&apex), Some(&apex)));
    let inner = &copied[1..copied.len() - 1];
    let unique: BTreeSet<&String> = inner.iter().collect();
    let all = records(hosts);
    let all: BTreeSet<&String> = all.iter().collect();
    let missing: Vec<_> = all.difference(&unique).take(5).collect();
    let surplus: Vec<_> = unique.difference(&all).take(5).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:?}, surplus: {surplus:?}");
    assert_eq!(inner.len(), unique.len(), "every record once");
}

#[test]
fn dig_and_kdig_copy_a_zone_of_many_messages() {
    let identity = encrypted::Identity::new();
    let listen = "tls = [\"127.0.0.1:0\"]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
    let files = files(&format!("{listen}{ALLOWED}"), SERIAL, HOSTS);
    files.write("a.pem", &identity.certificate_pem);
    files.write("a.key", identity.key_pem());
    let mut node = files.serve();
    let (host, port) = (format!("@{}", node.address().ip()), node.address().port().to_string());
    let copied = run("dig", &["-r", &host, "-p", &port, "static.example", "AXFR", "+nocmd", "+noall", "+answer"]);
    assert_whole(&lines(&copied), HOSTS);
    // A client over TLS needs no more than the port (RFC 9103).
    let line = node.log.wait_for("answering encrypted");
    let tls = line.split_once("tls=[").unwrap().1.split_once(']').unwrap().0;
    let port = tls.rsplit_once(':').unwrap().1;
    let copied = run("kdig", &[&host, "-p", port, "+tls", "static.example", "AXFR", "+noall", "+answer"]);
    assert_whole(&lines(&copied), HOSTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc5936_2_2_messages_are_bounded_and_hold_together() {
    let server = serve(ALLOWED, HOSTS, TcpLimits::default());
    let mut stream = connect(server.address());
    let mut query = ask("static.EXAMPLE.", RecordType::AXFR);
    query.edns = Some(Edns::new());
    let messages = transfer(&mut stream, &query);
    assert!(messages.len() > 10, "{} messages", messages.len());
    for message in &messages {
        assert_eq!(message.metadata.id, query.metadata.id);
        assert!(message.metadata.authoritative && !message.metadata.truncation);
        assert!(message.authorities.is_empty() && message.additionals.is_empty());
        assert!(message.to_vec().unwrap().len() < 0x5000);
    }
    assert_eq!(messages[0].queries, query.queries);
    // RFC 6891, section 6.1.1: each of them is a response to a request with an OPT record.
    assert!(messages.iter().all(|message| message.edns.is_some()));
    let (first, last) = (&messages[0].answers[0], messages.last().unwrap().answers.last().unwrap());
    assert!(is_soa(first) && first == last);
    let count: usize = messages.iter().map(|message| message.answers.len()).sum();
    assert_eq!(count, records(HOSTS).len() + 2);
    // The connection stays open after it, and a client may ask for two transfers at once.
    let queries = [framed(&query), framed(&ask("ns1.static.example.", RecordType::A))].concat();
    stream.write_all(&queries).unwrap();
    let mut ends = 0;
    while ends < 2 {
        ends += next_answer(&mut stream).answers.iter().filter(|record| is_soa(record)).count();
    }
    assert_eq!(next_answer(&mut stream).answers.len(), 1);
    server.stop().await;
}

/// RFC 1035, section 4.1.4: a pointer leads to a name in the same message, so records that point at each other are in one.
#[tokio::test(flavor = "multi_thread")]
async fn rfc5936_3_4_names_that_share_their_ends_are_whole_in_every_message() {
    let exchange = |owner: usize, n: usize| {
        format!("mail{owner}.static.example. 300 IN MX {n} a{n}.b{}.c{owner}.elsewhere.test.", n / 7)
    };
    let mut expected: Vec<String> = (0..12).flat_map(|owner| (0..700).map(move |n| exchange(owner, n))).collect();
    expected.push("static.example. 3600 IN NS ns.elsewhere.test.".to_owned());
    let zone = master_file(SERIAL, &expected);
    let files = Files::new(&format!("{}{ALLOWED}", harness::SERVER), &[("static.example.zone", &zone)]);
    let server = Server::start_at(&["127.0.0.1:0"], 1, TcpLimits::default());
    server.published.store(snapshot_of(&files));
    let messages = transfer(&mut connect(server.address()), &ask("static.example.", RecordType::AXFR));
    assert!(messages.len() > 3, "{} messages", messages.len());
    let answers = messages.iter().flat_map(|message| &message.answers);
    let mut copied: Vec<String> = answers.filter(|record| !is_soa(record)).map(ToString::to_string).collect();
    copied.sort_unstable();
    expected.sort_unstable();
    assert!(copied == expected, "{} records and not {}", copied.len(), expected.len());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc1995_4_changes_are_the_whole_zone_or_nothing() {
    let server = serve(ALLOWED, 100, TcpLimits::default());
    let mut stream = connect(server.address());
    let messages = transfer(&mut stream, &ask_changes(SERIAL - 1));
    assert_eq!(messages.iter().map(|message| message.answers.len()).sum::<usize>(), records(100).len() + 2);
    for serial in [SERIAL, SERIAL + 1] {
        let answer = ask_tcp(&mut stream, &ask_changes(serial));
        assert_eq!(answer.answers.len(), 1);
        assert!(is_soa(&answer.answers[0]) && answer.metadata.authoritative);
    }
    let answer = ask_tcp(&mut stream, &ask("static.example.", RecordType::IXFR));
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    server.stop().await;
}

/// The response code over TCP and what Extended DNS Errors say.
fn refusal(server: &Server, zone: &str, rtype: RecordType) -> (ResponseCode, String) {
    let mut query = ask(zone, rtype);
    query.edns = Some(Edns::new());
    let answer = ask_tcp(&mut connect(server.address()), &query);
    assert!(answer.answers.is_empty());
    let edns = answer.edns.expect("the query has an OPT record");
    let text = match edns.option(EdnsCode::Unknown(15)) {
        Some(EdnsOption::Unknown(_, octets)) => String::from_utf8(octets[2..].to_vec()).unwrap(),
        other => panic!("no Extended DNS Error: {other:?}"),
    };
    (answer.metadata.response_code, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_on_the_list_gets_no_copy() {
    for server in ["", "[transfer]\nallow = [\"127.0.0.2/32\", \"::1/128\"]\n"] {
        let server = serve(server, 10, TcpLimits::default());
        for (zone, rtype) in [
            ("static.example.", RecordType::AXFR),
            ("static.example.", RecordType::IXFR),
            ("nowhere.example.", RecordType::AXFR),
        ] {
            assert_eq!(refusal(&server, zone, rtype), (ResponseCode::Refused, "zone transfer".to_owned()));
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_static_zone_here_is_not_copied() {
    let server = serve(ALLOWED, 10, TcpLimits::default());
    let (code, text) = refusal(&server, "steered.example.", RecordType::AXFR);
    assert_eq!(code, ResponseCode::Refused);
    assert!(text.contains("steered"), "{text}");
    for zone in ["ns1.static.example.", "example.", "."] {
        let (code, _) = refusal(&server, zone, RecordType::AXFR);
        assert_eq!(code, ResponseCode::NotAuth, "RFC 5936, section 2.2.1: {zone}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc5936_4_2_there_is_no_transfer_over_udp() {
    let server = serve(ALLOWED, 10, TcpLimits::default());
    for (query, code) in [
        (ask("static.example.", RecordType::AXFR), ResponseCode::FormErr),
        (ask_changes(SERIAL - 1), ResponseCode::Refused),
    ] {
        let (answer, _) = ask_udp(server.address(), &query);
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (code, 0));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_of_one_version_whatever_is_published_meanwhile() {
    let server = serve(ALLOWED, HOSTS, TcpLimits::default());
    // The buffers are very small, so the server writes most of it after the swap.
    let mut stream = connect_with_little_room(server.address());
    stream.write_all(&framed(&ask("static.example.", RecordType::AXFR))).unwrap();
    let first = next_answer(&mut stream);
    server.published.store(snapshot(ALLOWED, SERIAL + 1, 1));
    let mut answers = first.answers;
    while answers.iter().filter(|record| is_soa(record)).count() < 2 {
        answers.extend(next_answer(&mut stream).answers);
    }
    assert_eq!(answers.len(), records(HOSTS).len() + 2);
    assert_eq!(answers.first(), answers.last());
    // The next one is the new version.
    let messages = transfer(&mut stream, &ask("static.example.", RecordType::AXFR));
    assert_eq!(messages.iter().map(|message| message.answers.len()).sum::<usize>(), records(1).len() + 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_left_and_holds_up_nobody() {
    const LIMIT: Duration = Duration::from_millis(300);
    let server = serve(ALLOWED, HOSTS, TcpLimits { answer: LIMIT, ..TcpLimits::default() });
    // More than the kernel's small buffers can hold: the same transfer many times.
    let query = framed(&ask("static.example.", RecordType::AXFR)).repeat(100);
    let mut slow: Vec<TcpStream> = (0..4).map(|_| connect_with_little_room(server.address())).collect();
    for stream in &mut slow {
        stream.write_all(&query).unwrap();
    }
    let asked = Instant::now();
    ask_tcp(&mut connect(server.address()), &ask("ns1.static.example.", RecordType::A));
    assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    std::thread::sleep(5 * LIMIT);
    for stream in &mut slow {
        // The data that was under way arrives, and then the connection ends. A copy that is cut short has no SOA at its
        // end.
        let mut octets = Vec::new();
        let _ = stream.read_to_end(&mut octets);
        assert!(octets.len() < 100 * HOSTS * 20, "{} octets", octets.len());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_but_slow_reader_holds_its_snapshot_for_so_long_at_most() {
    const LIMIT: Duration = Duration::from_millis(300);
    let server = serve(ALLOWED, HOSTS, TcpLimits { transfer: LIMIT, ..TcpLimits::default() });
    let losses = server.running.losses().clone();
    let mut stream = connect_with_little_room(server.address());
    // The first transfers fit into the kernel's buffers, so they arrive at once.
    stream.write_all(&framed(&ask("static.example.", RecordType::AXFR)).repeat(20)).unwrap();
    let (start, mut octets, mut part) = (Instant::now(), 0, [0; 4096]);
    let old = Arc::downgrade(&server.published.load_full());
    // The reader never pauses for as long as an answer may wait.
    while let Ok(read @ 1..) = stream.read(&mut part) {
        octets += read;
        assert!(start.elapsed() < PATIENCE * 10, "{octets} octets, and no end");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.published.store(snapshot(ALLOWED, SERIAL + 1, 1));
    assert_eq!(losses.transfers.load(std::sync::atomic::Ordering::Relaxed), 1, "{octets} octets");
    while old.strong_count() > 0 {
        assert!(start.elapsed() < PATIENCE * 11, "somebody holds the old snapshot");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.stop().await;
}

/// A connection whose client's end buffers next to nothing.
fn connect_with_little_room(server: SocketAddr) -> TcpStream {
    const ROOM: usize = 4096;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(ROOM).unwrap();
    socket.connect_timeout(&server.into(), PATIENCE).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
