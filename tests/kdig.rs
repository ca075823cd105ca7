//! Runs the real command with a certificate, asks with kdig and dnsperf over encrypted transports, and changes the certificate.
//!
//! kdig is in Debian's package knot-dnsutils, with support for QUIC.

mod encrypted;
mod served;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use encrypted::{Identity, ask, ask_quic, quic, tls, trusting};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use served::{PATIENCE, connect};

const SERVER: &str = r#"
[listen]
dns = ["127.0.0.1:0"]
tls = ["127.0.0.1:0"]
https = ["127.0.0.1:0"]
quic = ["127.0.0.1:0"]
certificate = "cert.pem"
key = "key.pem"
"#;

const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }

[regions.europe]
clients = ["203.0.113.0/24"]
prefer = ["fra", "iad"]

[regions.default]
prefer = ["iad", "fra"]

[pools.web]
endpoints.fra = ["198.51.100.10"]
endpoints.iad = ["192.0.2.10", "2001:db8:1::10"]

[names.www]
pools = ["web"]
steer = ["region"]

[records.version]
TXT = ["one"]
"#;

/// A running `truenorth serve`. Dropping it kills the process.
struct Node {
    process: Child,
    folder: tempfile::TempDir,
    log: Arc<Mutex<String>>,
    dns: SocketAddr,
    tls: SocketAddr,
    https: SocketAddr,
    quic: SocketAddr,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    fn start(identity: &Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("zones")).unwrap();
        fs::write(folder.path().join("zones/example.test.toml"), ZONE).unwrap();
        fs::write(folder.path().join("truenorth.toml"), SERVER).unwrap();
        write_identity(folder.path(), identity);
        let mut process = Command::new(env!("CARGO_BIN_EXE_truenorth"))
            .args(["serve", "--config"])
            .arg(folder.path().join("truenorth.toml"))
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        std::thread::spawn({
            let log = log.clone();
            move || lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().extend([&line, "\n"]))
        });
        wait_for(|| log.lock().unwrap().contains("answering encrypted"));
        let address = |key: &str| {
            let log = log.lock().unwrap();
            let rest = &log[log.find(&format!("{key}=[")).unwrap() + key.len() + 2..];
            rest[..rest.find(']').unwrap()].parse().unwrap()
        };
        let (dns, tls, https, quic) = (address("addresses"), address("tls"), address("https"), address("quic"));
        Self { process, folder, log, dns, tls, https, quic }
    }

    fn has_logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().contains(text)
    }

    /// True if a new client gets this certificate.
    fn shows(&self, identity: &Identity) -> bool {
        tls(connect(self.tls), trusting(&[identity], &["dot"])).is_ok()
    }
}

/// Replaces certificate and key, as a renewal does.
fn write_identity(folder: &Path, identity: &Identity) {
    for (file, content) in [("cert.pem", identity.certificate_pem.clone()), ("key.pem", identity.key_pem())] {
        let new = folder.join(format!("{file}.new"));
        fs::write(&new, content).unwrap();
        fs::rename(new, folder.join(file)).unwrap();
    }
}

fn wait_for(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE * 2;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns kdig's output for an answer, without the parts that differ between transports.
fn kdig(server: SocketAddr, way: &[&str], question: &[&str]) -> String {
    let output = Command::new("kdig")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string(), "+timeout=5", "+retry=0", "+nostats", "+edns"])
        .args(way)
        .args(question)
        .output()
        .expect("kdig of Debian's knot-dnsutils is needed");
    assert!(output.status.success(), "{way:?} {question:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let differs =
        |line: &str| ["session (", "PADDING"].iter().any(|word| line.contains(word)) || line.starts_with(";; WARNING");
    let lines = text.lines().filter(|line| !differs(line));
    let without_id = |line: &str| line.split("; id: ").next().unwrap().to_owned() + "\n";
    lines.map(without_id).collect()
}

#[test]
fn kdig_gets_the_same_answers_by_every_way() {
    let node = Node::start(&Identity::new());
    let questions: &[(&[&str], &[&str])] = &[
        (&["version.example.test", "TXT"], &["status: NOERROR", "\"one\""]),
        (&["www.example.test", "A"], &["status: NOERROR", "192.0.2.10"]),
        (&["www.example.test", "A", "+subnet=203.0.113.0/24"], &["198.51.100.10", "CLIENT-SUBNET: 203.0.113.0/24/24"]),
        (&["www.example.test", "A", "+subnet=198.18.0.0/16"], &["192.0.2.10", "CLIENT-SUBNET: 198.18.0.0/16/"]),
        (&["nothing.example.test", "A"], &["status: NXDOMAIN", "SOA"]),
    ];
    let ways: &[(SocketAddr, &[&str])] = &[
        (node.dns, &["+tcp"]),
        (node.tls, &["+tls"]),
        (node.https, &["+https"]),
        (node.https, &["+https-get"]),
        (node.quic, &["+quic"]),
    ];
    for (question, expected) in questions {
        let over_udp = kdig(node.dns, &["+notcp"], question);
        for text in *expected {
            assert!(over_udp.contains(text), "{over_udp}");
        }
        for (address, way) in ways {
            assert_eq!(kdig(*address, way, question), over_udp, "{way:?}");
        }
    }
}

#[test]
fn kdig_verifies_the_certificate() {
    let node = Node::start(&Identity::new());
    let authority = node.folder.path().join("cert.pem");
    let trust = format!("+tls-ca={}", authority.display());
    let name = format!("+tls-hostname={}", encrypted::NAME);
    for (address, way) in [(node.tls, "+tls"), (node.https, "+https"), (node.quic, "+quic")] {
        let answer = kdig(address, &[&trust, &name, way], &["version.example.test", "TXT"]);
        assert!(answer.contains("\"one\""), "{way}: {answer}");
    }
}

/// dnsperf 2.10 keeps one answer of each TLS record that it reads, and asks no more when too many of its queries wait.
#[test]
fn dnsperf_loses_no_answer_over_https() {
    let node = Node::start(&Identity::new());
    let questions = node.folder.path().join("questions");
    fs::write(&questions, "version.example.test TXT\nwww.example.test A\n".repeat(500)).unwrap();
    let output = Command::new("dnsperf")
        .args(["-m", "doh", "-c", "1", "-q", "20", "-n", "1", "-t", "5", "-d"])
        .arg(&questions)
        .args(["-s", &node.https.ip().to_string(), "-p", &node.https.port().to_string()])
        .arg("-O")
        .arg(format!("doh-uri=https://{}/dns-query", node.https))
        .output()
        .expect("Debian's dnsperf is needed");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Queries completed:    1000 (100.00%)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_changes_is_seen_while_connections_live_on_and_a_broken_one_is_not_taken() {
    let (old, new, newest) = (Identity::new(), Identity::new(), Identity::new());
    let node = Node::start(&old);
    let mut living = tls(connect(node.tls), trusting(&[&old], &["dot"])).unwrap();
    let living_quic = quic(node.quic, &old).await.unwrap();
    ask(&mut living, &version());

    write_identity(node.folder.path(), &new);
    wait_for(|| node.shows(&new));
    assert!(!node.shows(&old));

    // The node does not accept a certificate without its key, and logs that.
    fs::write(node.folder.path().join("cert.pem"), &newest.certificate_pem).unwrap();
    wait_for(|| node.has_logged("key.pem is not the key of "));
    wait_for(|| node.has_logged("configuration not reloaded: the old one stays in use"));
    assert!(node.shows(&new));
    fs::write(node.folder.path().join("key.pem"), newest.key_pem()).unwrap();
    wait_for(|| node.shows(&newest));

    // Idle connections are closed after ten seconds; this has taken less.
    ask(&mut living, &version());
    ask_quic(&living_quic, &version()).await;
    ask_quic(&quic(node.quic, &newest).await.unwrap(), &version()).await;
}

fn version() -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii("version.example.test.").unwrap(), RecordType::TXT));
    message
}
