//! Collectors: all transports reach them, and whatever they do, answers go on.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rcgen::{CertificateParams, KeyPair};

use crate::harness::{Files, Node};
use crate::{
    FAILING, WRITTEN, ZONE, configuration, lines, metric, metric_at, read_dnstap, server, status, told, wait_until,
};

/// `fstrm_capture`, which writes what it gets to a file. Stopped, it ends the file in order.
struct Capture(Child);

impl Capture {
    fn start(files: &Files) -> Self {
        let child = Command::new("fstrm_capture")
            .args(["-t", "protobuf:dnstap.Dnstap", "-u"])
            .arg(files.path("tap.sock"))
            .arg("-w")
            .arg(files.path("captured"))
            .stderr(Stdio::null())
            .spawn()
            .expect("apt-get install fstrm-bin");
        wait_until("it listens", || files.path("tap.sock").exists());
        Self(child)
    }

    /// Returns the messages that it got.
    fn stop(mut self, files: &Files) -> Vec<String> {
        let kill = format!("kill -s TERM {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.0.wait().unwrap();
        read_dnstap(&files.path("captured"))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn written(node: &Node) -> u64 {
    metric(node, "truenorth_query_log_entries_total{result=\"written\"}")
}

fn lost(node: &Node) -> u64 {
    metric(node, "truenorth_query_log_entries_total{result=\"lost\"}")
}

#[test]
fn every_transport_is_logged_as_what_it_is() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["dns.example.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let listen = "[listen]\ndns = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]\nquic = [\"127.0.0.1:0\"]\n\
                  certificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    let server = format!("{listen}[admin]\nlisten = \"127.0.0.1:0\"\n[query_log]\nsink = \"unix:tap.sock\"\n");
    let files = Files::new(&server, &[("example.com.toml", ZONE)]);
    files.write("cert.pem", certificate.pem());
    files.write("key.pem", key.serialize_pem());
    fs::set_permissions(files.path("key.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let capture = Capture::start(&files);
    let mut node = files.serve();
    let line = node.log.wait_for("answering encrypted");
    let port = |transport: &str| {
        let rest = line.split(&format!("{transport}=[127.0.0.1:")).nth(1).unwrap();
        rest.split(']').next().unwrap().to_owned()
    };
    let admin = node.wait_for_admin();
    let plain = node.address().port().to_string();
    for (way, port) in [
        ("+notcp", &plain),
        ("+tcp", &plain),
        ("+tls", &port("tls")),
        ("+https", &port("https")),
        ("+quic", &port("quic")),
    ] {
        let asked =
            Command::new("kdig").args(["@127.0.0.1", "-p", port, way, "+short", "www.example.com", "A"]).output();
        let asked = asked.expect("apt-get install knot-dnsutils");
        assert!(String::from_utf8_lossy(&asked.stdout).contains("192.0.2.1"), "{way}: {asked:?}");
    }
    let written = "truenorth_query_log_entries_total{result=\"written\"}";
    wait_until("all are written", || metric_at(admin, written) == 5);
    assert_eq!(node.terminate().code(), Some(0));
    let messages = capture.stop(&files);
    assert_eq!(messages.len(), 10, "{messages:#?}");
    // UDP, TCP, DOT, DOH and DOQ in dnstap.proto: BIND's reader has names for the first two alone.
    let mut ways = protocols(&files.path("captured"));
    ways.sort_unstable();
    assert_eq!(ways, [1, 1, 2, 2, 3, 3, 4, 4, 7, 7], "{messages:#?}");
    assert!(messages.iter().all(|message| message.contains(" www.example.com/IN/A")), "{messages:#?}");
}

/// The field `socket_protocol` of each message of a stream, read by a decoder that knows no names.
fn protocols(path: &Path) -> Vec<u8> {
    let stream = fs::read(path).unwrap();
    let (mut rest, mut found) = (&stream[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 {
            // A control frame.
            let (length, after) = after.split_first_chunk::<4>().unwrap();
            rest = &after[u32::from_be_bytes(*length) as usize..];
            continue;
        }
        let (frame, after) = after.split_at(length);
        rest = after;
        let decode = Command::new("protoc").arg("--decode_raw").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut decode = decode.expect("apt-get install protobuf-compiler");
        decode.stdin.take().unwrap().write_all(frame).unwrap();
        let text = String::from_utf8(decode.wait_with_output().unwrap().stdout).unwrap();
        let message = text.split("14 {").nth(1).unwrap_or_else(|| panic!("{text}"));
        found.push(message.lines().find_map(|line| line.strip_prefix("  3: ")).unwrap().parse().unwrap());
    }
    found
}

#[test]
fn what_comes_before_the_collector_waits_for_it() {
    let files = configuration("sink = \"unix:tap.sock\"");
    let mut node = files.serve();
    told(&mut node, FAILING, 1);
    for _ in 0..50 {
        node.asker().ask("www.example.com.", RecordType::A, None);
    }
    assert_eq!((written(&node), metric(&node, "truenorth_query_log_up")), (0, 0));
    assert!(files.run("status").stdout.contains("the query log cannot be written"), "{:?}", files.run("status"));
    let capture = Capture::start(&files);
    told(&mut node, WRITTEN, 1);
    wait_until("all are written", || written(&node) == 50);
    assert_eq!((lost(&node), metric(&node, "truenorth_query_log_up")), (0, 1));
    // It is told once that the sink failed, however often it was tried.
    told(&mut node, FAILING, 1);
    assert_eq!(node.terminate().code(), Some(0));
    assert_eq!(capture.stop(&files).len(), 100);
}

#[test]
fn a_collector_that_comes_back_gets_what_was_asked_meanwhile() {
    let files = configuration("sink = \"unix:tap.sock\"");
    let capture = Capture::start(&files);
    let mut node = files.serve();
    let mut asker = node.asker();
    asker.ask("www.example.com.", RecordType::A, None);
    wait_until("it is written", || written(&node) == 1);
    assert_eq!(capture.stop(&files).len(), 2);
    fs::remove_file(files.path("captured")).unwrap();
    // The next entry finds the connection closed, and waits.
    asker.ask("www.example.com.", RecordType::A, None);
    told(&mut node, FAILING, 1);
    asker.ask("www.example.com.", RecordType::A, None);
    let _ = fs::remove_file(files.path("tap.sock"));
    let capture = Capture::start(&files);
    told(&mut node, WRITTEN, 2);
    wait_until("both that waited are written", || written(&node) == 3);
    assert_eq!((lost(&node), metric(&node, "truenorth_query_log_openings_total")), (0, 2));
    assert_eq!(node.terminate().code(), Some(0));
    assert_eq!(capture.stop(&files).len(), 4);
}

/// A query that fills rings quickly: with 3 KiB of padding (RFC 7830).
fn padded() -> Vec<u8> {
    const PADDING: u16 = 3072;
    let question = b"\x03www\x07example\x03com\0\0\x01\0\x01";
    let [high, low] = PADDING.to_be_bytes();
    let [option_high, option_low] = (PADDING + 4).to_be_bytes();
    let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, option_high, option_low, 0, 12, high, low];
    [&[0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1], &question[..], &opt, &vec![0; PADDING.into()]].concat()
}

/// Floods a node until this is so, and asserts that each question is answered.
fn flood_until(node: &Node, mut is_so: impl FnMut() -> bool) {
    let (asker, query) = (node.asker(), padded());
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < crate::PATIENCE * 4, "it does not come to that");
        for _ in 0..500 {
            assert!(asker.send(&query) && asker.receive().is_some(), "an answer is missing");
        }
    }
}

#[test]
fn a_collector_that_reads_nothing_costs_entries_and_no_answers() {
    let files = configuration("sink = \"unix:tap.sock\"\nformat = \"json\"");
    let listener = UnixListener::bind(files.path("tap.sock")).unwrap();
    let node = files.serve();
    let stalled = listener.accept().unwrap();
    flood_until(&node, || lost(&node) > 0);
    // Health checks, reloads and the end go on too.
    assert!(node.healthz().starts_with("HTTP/1.1 200 "));
    assert_eq!(files.run("reload").code, Some(0));
    let start = Instant::now();
    assert_eq!(node.terminate().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    drop(stalled);
}

#[test]
fn a_collector_that_does_not_answer_or_accepts_something_else_is_told() {
    let files = configuration("sink = \"unix:tap.sock\"");
    let listener = UnixListener::bind(files.path("tap.sock")).unwrap();
    let mut node = files.serve();
    let silent = listener.accept().unwrap();
    told(&mut node, "error=the collector does not answer", 1);
    drop((silent, listener));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    files.write("truenorth.toml", server(&format!("sink = \"tcp:{}\"", listener.local_addr().unwrap())));
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 42]).unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    told(&mut node, "error=it does not speak frame streams", 1);
    assert_eq!(status(&node)["up"], false);
    assert_eq!(node.dig("ns1.example.com A").data(), ["192.0.2.53"]);
}

#[test]
fn json_lines_reach_a_collector_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let files = configuration(&format!("sink = \"tcp:{}\"\nformat = \"json\"", listener.local_addr().unwrap()));
    let node = files.serve();
    let (mut stream, _) = listener.accept().unwrap();
    node.dig("www.example.com A");
    node.dig("www.example.com AAAA +tcp");
    assert_eq!(node.terminate().code(), Some(0));
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let copy = files.path("copy");
    fs::write(&copy, text).unwrap();
    assert_eq!(transports(&copy), ["TCP", "UDP"]);
}

fn transports(path: &Path) -> Vec<String> {
    let mut found: Vec<_> = lines(path).iter().map(|line| line["transport"].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}
