//! Replaces and reloads under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::endpoint::certificates::params;
use crate::harness::{addresses, query};
use crate::load::Load;
use crate::{Started, files, zone};

/// Duration of a load around an event.
const WHILE: Duration = Duration::from_millis(200);

/// The number of replacements, and of reloads for each of them. `TRUENORTH_SCALE=full` makes 20 replacements and 200
/// reloads in all.
fn scale() -> (u8, u8) {
    if std::env::var("TRUENORTH_SCALE").is_ok_and(|scale| scale == "full") { (20, 10) } else { (4, 3) }
}

#[test]
fn replaces_and_reloads_lose_no_query_and_each_answer_is_of_the_old_or_the_new_files() {
    let (replaces, reloads) = scale();
    let files = files(1);
    let mut node = files.serve();
    let (mut host, mut replaced) = (1, Vec::new());
    for _ in 0..replaces {
        let before = host;
        let load = Load::start(node.address(), "www.example.com.");
        for _ in 0..reloads {
            host += 1;
            files.write("zones/example.com.toml", zone(host));
            node.signal("HUP");
            node.log.wait_for("configuration reloaded reason=\"signal\"");
            node.comes_to_answer("www.example.com", &[&format!("192.0.2.{host}")]);
        }
        // The files change, so the new process reads other files than the old one serves.
        host += 1;
        files.write("zones/example.com.toml", zone(host));
        let new = files.replace();
        assert_eq!(new.address(), node.address());
        node.log.wait_for("replaced: this process serves its open connections, and ends");
        replaced.push(std::mem::replace(&mut node, new));
        thread::sleep(WHILE);
        load.stop().assert_lossless(before..=host);
        assert_eq!(node.dig("www.example.com").data(), [format!("192.0.2.{host}")]);
    }
    for mut old in replaced {
        assert_eq!(old.wait().code(), Some(0));
    }
    assert_eq!(node.terminate().code(), Some(0));
}

#[test]
fn the_installed_program_replaces_its_process_at_sigusr2() {
    let files = files(1);
    let mut node = files.serve();
    let load = Load::start(node.address(), "www.example.com.");
    files.write("zones/example.com.toml", zone(2));
    node.signal("USR2");
    node.log.wait_for("started the program that replaces this process");
    // Both write to the same log.
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(node.wait().code(), Some(0));
    let new = Started::holding(&files);
    node.comes_to_answer("www.example.com", &["192.0.2.2"]);
    load.stop().assert_lossless(1..=2);
    assert_ne!(new.0, node.pid().to_string());
}

/// Asks on an open connection.
fn ask(stream: &mut TcpStream, id: u16) -> Message {
    let query = query(id, "www.example.com.", RecordType::A, None);
    stream.write_all(&[&(query.len() as u16).to_be_bytes()[..], &query].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut octets = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut octets).unwrap();
    let reply = Message::from_vec(&octets).unwrap();
    assert_eq!(reply.metadata.id, id);
    reply
}

#[test]
fn a_connection_that_is_open_goes_on_for_a_while() {
    let files = files(1);
    let mut node = files.serve();
    let mut stream = TcpStream::connect(node.address()).unwrap();
    assert_eq!(addresses(&ask(&mut stream, 1)).len(), 1);
    let new = files.replace();
    node.log.wait_for("replaced: this process serves its open connections, and ends");
    assert_eq!(addresses(&ask(&mut stream, 2)).len(), 1);
    // The server closes the connection properly, so that the client connects again.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(node.wait().code(), Some(0));
    let mut stream = TcpStream::connect(new.address()).unwrap();
    assert_eq!(addresses(&ask(&mut stream, 3)).len(), 1);
}

#[test]
fn encrypted_transports_and_the_admin_server_go_on_at_the_same_addresses() {
    let server = "[listen]\ndns = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\nquic = [\"127.0.0.1:0\"]\n\
                  certificate = \"cert.pem\"\nkey = \"key.pem\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let files = crate::harness::Files::new(server, &[("example.com.toml", &zone(1))]);
    let key = rcgen::KeyPair::generate().unwrap();
    files.write("cert.pem", params("ns1.example.com").self_signed(&key).unwrap().pem());
    files.write("key.pem", key.serialize_pem());
    let mut node = files.serve();
    let encrypted = node.log.wait_for("answering encrypted");
    let ports = |line: &str| -> Vec<String> {
        line.match_indices("127.0.0.1:")
            .map(|(at, _)| line[at + 10..].split([']', ',']).next().unwrap().to_owned())
            .collect()
    };
    let admin = node.wait_for_admin();
    let mut new = files.replace();
    let encrypted_now = new.log.wait_for("answering encrypted");
    assert_eq!(ports(&encrypted), ports(&encrypted_now));
    assert_eq!(new.wait_for_admin(), admin);
    let [tls, quic] = &ports(&encrypted)[..] else { panic!("{encrypted}") };
    assert_eq!(node.wait().code(), Some(0));
    for (how, port) in [("+tls", tls), ("+quic", quic)] {
        let ran = std::process::Command::new("kdig")
            .args([how, "+short", "@127.0.0.1", "-p", port, "www.example.com"])
            .output()
            .expect("kdig is installed");
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "192.0.2.1", "{how}: {ran:?}");
    }
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\n\r\n").as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}
