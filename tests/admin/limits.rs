//! What a client may take up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Scene;
use crate::harness::random;
use crate::http::{Response, connect, get, receive, send};

/// Connections at once, as src/admin/connection.rs has it.
const CONNECTIONS: usize = 64;

/// How long a head may take, and a body, as src/admin has it; and what the machine may add to it.
const TIME: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(5);

#[test]
fn heads_and_bodies_have_sizes() {
    let scene = Scene::plain();
    let status = |octets: String| send(scene.admin, octets).map(|response| response.status);
    let long = "x".repeat(20_000);
    assert_eq!(status(format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n")), Some(431));
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n")), Some(431));
    let many = (0..100).map(|number| format!("X-{number}: y\r\n")).collect::<Vec<_>>().concat();
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")), Some(431));
    let post = "POST /v1/txt HTTP/1.1\r\nHost: localhost\r\n";
    let told = send(scene.admin, format!("{post}Content-Length: 70000\r\n\r\n")).expect("a response");
    assert_eq!((told.status, told.error().as_str()), (413, "a body has at most 65536 octets here"));
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(0x1000)).repeat(17);
    assert_eq!(status(format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")), Some(413));
    assert_eq!(get(scene.admin, "/healthz").status, 200);
}

#[test]
fn who_is_slow_is_left() {
    let scene = Scene::plain();
    let begin = |octets: &str| {
        let mut stream = connect(scene.admin);
        stream.write_all(octets.as_bytes()).unwrap();
        stream
    };
    let start = Instant::now();
    let silent = begin("");
    let mut trickling = begin("GET /v1/status HTTP/1.1\r\nHo");
    let without_body = begin("POST /v1/txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{\"n");
    // An octet a second is no progress.
    while start.elapsed() < TIME - Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(250));
        trickling.write_all(b"o").unwrap();
    }
    assert_eq!(receive(without_body).map(|response| response.status), Some(408));
    // hyper may say 408 to a head that does not come, or just close.
    for stream in [silent, trickling] {
        let told: Option<Response> = receive(stream);
        assert!(told.as_ref().is_none_or(|response| response.status == 408), "{told:?}");
    }
    assert!((TIME - SLACK / 10..TIME + SLACK).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[test]
fn connections_beyond_the_limit_are_told_so_and_dns_goes_on() {
    let scene = Scene::plain();
    let mut idle: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(scene.admin)).collect();
    let told = get(scene.admin, "/v1/status");
    assert_eq!((told.status, told.error().as_str()), (503, "there are 64 connections already"));
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.1"]);
    // Far more than that are closed.
    idle.extend((0..4 * CONNECTIONS).map(|_| connect(scene.admin)));
    let mut last = idle.pop().expect("there are some");
    assert_eq!(last.read(&mut [0; 1]).ok().filter(|&length| length > 0), None);
    drop(idle);
    let start = Instant::now();
    while get_if_any(&scene).is_none_or(|status| status != 200) {
        assert!(start.elapsed() < SLACK, "there is room again");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get_if_any(scene: &Scene) -> Option<u16> {
    let request = format!("GET /v1/status HTTP/1.1\r\nHost: {}\r\n\r\n", scene.admin);
    send(scene.admin, request).map(|response| response.status)
}

#[test]
fn garbage_does_no_harm() {
    let mut scene = Scene::plain();
    let mut random = random();
    let good = format!("POST /v1/txt HTTP/1.1\r\nHost: {}\r\nContent-Length: 20\r\n\r\n", scene.admin);
    for _ in 0..200 {
        let length = random.usize(1..400);
        let noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        let octets = if random.bool() { noise } else { [good.as_bytes(), &noise].concat() };
        let mut stream = connect(scene.admin);
        let _ = stream.write_all(&octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let told = receive(stream);
        assert!(told.as_ref().is_none_or(|response| (400..=422).contains(&response.status)), "{told:?} to {octets:?}");
    }
    for body in ["{", "[]", "{}", "null", "{\"name\": 1}", "{\"name\": \"x\", \"colour\": \"blue\"}", "\u{0}"] {
        let response = crate::http::post(scene.admin, "/v1/txt", body);
        assert_eq!(response.status, 400, "{body}: {response:?}");
    }
    assert_eq!(get(scene.admin, "/healthz").status, 200);
    assert!(scene.node.is_running());
}
