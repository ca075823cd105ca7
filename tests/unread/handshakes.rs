//! Handshakes that never end, and certificates that change while others shake hands.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::streams::quic_config;
use super::*;
use crate::encrypted::{ask, quic, tls};

/// Handshakes of each kind that are begun.
const HALVES: usize = 2000;

/// Handshakes that each client begins: fewer than the connections that it may have.
const OF_A_CLIENT: usize = 50;

/// A question for the address of `www`.
fn question() -> hickory_proto::op::Message {
    hickory_proto::op::Message::from_vec(&query(0, "www.example.com.", RecordType::A, None)).unwrap()
}

/// Asks over TLS as an honest client does, with one of these certificates.
fn asks(server: SocketAddr, identities: &[&Identity], alpn: &str) {
    let stream = TcpStream::connect(server).unwrap();
    let mut stream = tls(stream, trusting(identities, &[alpn])).expect("a handshake");
    if alpn == "dot" {
        assert_eq!(ask(&mut stream, &question()).answers.len(), 1);
    }
}

/// The first half of a ClientHello, as an independent client sends it.
fn half_a_hello(identity: &Identity) -> Vec<u8> {
    let config = trusting(&[identity], &["dot", "http/1.1"]);
    let mut connection = rustls::ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello.truncate(hello.len() / 2);
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn of_tls_that_stop_in_the_midst() {
    let scene = Scene::new();
    let at_rest = scene.resident();
    let hello = half_a_hello(&scene.identity);
    for (way, server, alpn) in [("TLS", scene.tls, "dot"), ("HTTPS", scene.https, "http/1.1")] {
        let mut halves = Vec::new();
        for number in 0..HALVES {
            let mut stream = connect(server, number / OF_A_CLIENT * OF_A_CLIENT);
            // A part of them sends nothing at all, and the node may have closed it for others.
            let _ = stream.write_all(&hello[..number % 3 * hello.len() / 2]);
            halves.push(stream);
            if number % 200 == 0 {
                asks(server, &[&scene.identity], alpn);
            }
        }
        scene.is_bounded(way);
        asks(server, &[&scene.identity], alpn);
    }
    scene.gives_back(at_rest).await;
}

/// Each datagram is the valid first one of a client that is never heard of again.
#[tokio::test(flavor = "multi_thread")]
async fn of_quic_that_stop_after_the_first_datagram() {
    let scene = Scene::new();
    let at_rest = scene.resident();
    // What clients send to somebody who does not answer.
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    sink.set_nonblocking(true).unwrap();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut first = Vec::new();
    while first.len() < HALVES {
        let connecting = endpoint.connect_with(quic_config(&scene), sink.local_addr().unwrap(), NAME).unwrap();
        let mut datagram = [0; 2048];
        let length = loop {
            match sink.recv(&mut datagram) {
                // Only first datagrams are padded (RFC 9000, section 14.1).
                Ok(length) if length >= 1200 => break length,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        first.push(datagram[..length].to_vec());
        drop(connecting);
    }
    for (number, datagram) in first.iter().enumerate() {
        let client = Ipv4Addr::new(127, 0, 4, (1 + number / OF_A_CLIENT) as u8);
        UdpSocket::bind((client, 0)).unwrap().send_to(datagram, scene.quic).unwrap();
        if number % 200 == 0 {
            quic(scene.quic, &scene.identity).await.expect("honest clients are let in");
        }
    }
    scene.is_bounded("QUIC, first datagrams alone");
    quic(scene.quic, &scene.identity).await.expect("honest clients are let in");
    scene.gives_back(at_rest).await;
}

/// The files of a certificate change one after the other. Whoever shakes hands meanwhile gets the old pair or the new one.
#[test]
fn while_the_certificate_is_replaced() {
    let mut scene = Scene::new();
    let path = |scene: &Scene, name: &str| scene.files.path(name);
    let mut shown = Identity::new();
    std::mem::swap(&mut shown, &mut scene.identity);
    for round in 0..5 {
        let next = Identity::new();
        // A new key with the old certificate, and then the other way round.
        let files = [("key.pem", next.key_pem()), ("cert.pem", next.certificate_pem.clone())];
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for (step, &file) in order.iter().enumerate() {
            scene.files.write(files[file].0, &files[file].1);
            if step == 0 && round < 2 {
                scene.node.log.wait_for("configuration not reloaded");
            }
            for _ in 0..20 {
                asks(scene.tls, &[&shown, &next], "dot");
            }
        }
        comes_to_show(&scene, &next);
        shown = next;
    }

    // A pipe is not read, and nobody waits for it.
    let certificate = path(&scene, "cert.pem");
    fs::remove_file(&certificate).unwrap();
    assert!(Command::new("mkfifo").arg(&certificate).status().unwrap().success());
    scene.node.log.wait_for("configuration not reloaded");
    asks(scene.tls, &[&shown], "dot");
    assert_eq!(scene.node.dig("www.example.com").data(), ["192.0.2.1"]);

    // A link that is turned, as certbot and Kubernetes do.
    let next = Identity::new();
    for (name, identity) in [("one", &shown), ("two", &next)] {
        fs::create_dir(path(&scene, name)).unwrap();
        scene.files.write(&format!("{name}/cert.pem"), &identity.certificate_pem);
        scene.files.write(&format!("{name}/key.pem"), identity.key_pem());
    }
    let turn = |to: &str| {
        symlink(to, path(&scene, "live.new")).unwrap();
        fs::rename(path(&scene, "live.new"), path(&scene, "live")).unwrap();
    };
    turn("one");
    for name in ["cert.pem", "key.pem"] {
        let link = path(&scene, &format!("{name}.new"));
        symlink(format!("live/{name}"), &link).unwrap();
        fs::rename(&link, path(&scene, name)).unwrap();
    }
    comes_to_show(&scene, &shown);
    turn("two");
    comes_to_show(&scene, &next);
}

/// Waits until handshakes use this certificate.
#[track_caller]
fn comes_to_show(scene: &Scene, identity: &Identity) {
    let begun = Instant::now();
    while tls(TcpStream::connect(scene.tls).unwrap(), trusting(&[identity], &["dot"])).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the old certificate is still shown");
        std::thread::sleep(Duration::from_millis(50));
    }
}
