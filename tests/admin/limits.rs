//! Limits for clients of the admin server.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{query, random};
use crate::http::{PATIENCE, Response, connect, get, receive, send};
use crate::{Scene, eventually};

/// Timeouts for a head and a body as in src/admin, and an allowance for the machine.
const TIME: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(15);

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
    assert_eq!(
        (told.status, told.error().as_str()),
        (413, "the body is too long: at most 65536 octets are allowed here")
    );
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
    // One octet per second does not count as progress.
    while start.elapsed() < TIME - Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(250));
        // On a busy machine the timeout may have passed already.
        let _ = trickling.write_all(b"o");
    }
    assert_eq!(receive(without_body).map(|response| response.status), Some(408));
    // hyper may answer an incomplete head with 408, or only close the connection.
    for stream in [silent, trickling] {
        let told: Option<Response> = receive(stream);
        assert!(told.as_ref().is_none_or(|response| response.status == 408), "{told:?}");
    }
    assert!((TIME / 2..TIME + SLACK).contains(&start.elapsed()), "{:?}", start.elapsed());
}

/// Number of connections of an attacker: many times the server's limit.
const HELD: usize = 2000;

/// Number of requests for /healthz during the attack.
const ASKED: usize = 20;

/// Number of tries for each of them.
const TRIES: usize = 3;

/// Lets this process have as many sockets as the tests here need.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the hard limit it may");
}

/// Holds this many connections, each after sending these octets, and reopens closed ones, until dropped.
struct Attack {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Attack {
    fn begin(admin: SocketAddr, octets: &'static [u8]) -> Self {
        raise_limit();
        let is_over = Arc::new(AtomicBool::new(false));
        let (begun, all_there) = mpsc::channel();
        let thread = thread::spawn({
            let is_over = is_over.clone();
            move || {
                let mut held = VecDeque::new();
                while !is_over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(admin) else { continue };
                    let _ = stream.write_all(octets);
                    held.push_back(stream);
                    if held.len() == HELD {
                        let _ = begun.send(());
                    }
                    if held.len() > HELD {
                        held.pop_front();
                        // A client that opens a thousand connections per second.
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        });
        all_there.recv_timeout(PATIENCE).expect("they are all connected");
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

#[track_caller]
fn holds_against(octets: &'static [u8]) -> Scene {
    let scene = Scene::plain();
    let attack = Attack::begin(scene.admin, octets);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", scene.admin);
    for number in 0..ASKED {
        // The attacker has the same address. If the machine is so busy that this thread waits between connecting and
        // sending, its connection is the one that is idle longest.
        let response = (0..TRIES).find_map(|_| send(scene.admin, &request)).expect("one of the tries has a response");
        assert_eq!(response.status, 200, "{number}: {response:?}");
        assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.1"]);
    }
    drop(attack);
    eventually(|| get(scene.admin, "/v1/status").status == 200);
    scene
}

/// The log message when connections were closed to make room.
const TOLD: &str = "the limit of connections to the admin server was reached";

#[test]
fn idle_connections_keep_nobody_from_health() {
    holds_against(b"").node.log.wait_for(TOLD);
}

#[test]
fn slow_heads_keep_nobody_from_health() {
    holds_against(b"GET /healthz HTTP/1.1\r\nHost: local").node.log.wait_for(TOLD);
}

#[test]
fn slow_bodies_keep_nobody_from_health() {
    holds_against(b"POST /v1/txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{").node.log.wait_for(TOLD);
}

#[test]
fn whoever_does_not_read_keeps_nobody_from_health() {
    holds_against(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

/// Number of simultaneous long bodies.
const BODIES: usize = 60;

/// Octets that a node may use for them: a few whole bodies, and one read buffer for each of the others.
const MEMORY: u64 = 48 << 20;

/// The peak memory of a process.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Sends this many simultaneous long bodies; returns how many got each status.
fn send_all(scene: &Scene, path: &str, body: &str) -> BTreeMap<Option<u16>, usize> {
    let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (mut statuses, admin) = (BTreeMap::new(), scene.admin);
    thread::scope(|scope| {
        let send = || scope.spawn(|| send(admin, &request).map(|response| response.status));
        for thread in (0..BODIES).map(|_| send()).collect::<Vec<_>>() {
            *statuses.entry(thread.join().expect("it does not panic")).or_default() += 1;
        }
    });
    statuses
}

#[test]
fn long_bodies_are_bounded_together() {
    let scene = Scene::plain();
    let before = peak(scene.node.pid());
    let measurement = "{\"client\": \"198.51.100.7\", \"datacenter\": \"fra\", \"rtt_ms\": 23.4}\n";
    let list = |item: &str, octets: usize| format!("[{}{item}]", format!("{item},").repeat(octets / item.len() - 2));
    for (path, body) in [
        ("/v1/latency", measurement.repeat((8 << 20) / measurement.len())),
        ("/v1/latency", "x\n".repeat(4 << 20)),
        ("/v1/latency", "x".repeat(8 << 20)),
        ("/v1/reports", list("{\"endpoint\": \"127.0.0.1\", \"ok\": true}", 1 << 20)),
        ("/v1/reports", list("[]", 1 << 20)),
    ] {
        let statuses = send_all(&scene, path, &body);
        assert_eq!(get(scene.admin, "/healthz").status, 200);
        let grown = peak(scene.node.pid()) - before;
        assert!(grown < MEMORY, "{path}: {} MiB more; {statuses:?}", grown >> 20);
    }
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

/// Number of queries that are sent while nobody reads them: many times the capacity of a receive buffer.
const UNREAD: u64 = 20_000;

#[test]
fn queries_that_the_kernel_drops_are_told() {
    let mut scene = Scene::plain();
    let asker = scene.node.asker();
    let octets = query(1, "www.example.com.", RecordType::A, None);
    scene.node.signal("STOP");
    for _ in 0..UNREAD {
        asker.send(&octets);
    }
    scene.node.signal("CONT");
    scene.node.log.wait_for("the kernel dropped queries");
    let dropped = get(scene.admin, "/v1/status").json()["traffic"]["dropped_queries"].as_u64().expect("a number");
    assert!((1..UNREAD).contains(&dropped), "{dropped}");
    let ran = scene.files.run(&format!("status --node {}", scene.admin));
    assert!(ran.stdout.contains("the kernel dropped "), "{ran:?}");
}

#[test]
fn connections_that_the_kernel_refuses_are_counted() {
    raise_limit();
    let mut scene = Scene::plain();
    scene.node.signal("STOP");
    let (mut held, mut refused) = (Vec::new(), 0_u64);
    while refused < 3 {
        match TcpStream::connect_timeout(&scene.admin, Duration::from_millis(200)) {
            Ok(stream) => held.push(stream),
            Err(_) => refused += 1,
        }
        assert!(held.len() < 10_000, "the queue has a limit");
    }
    scene.node.signal("CONT");
    drop(held);
    scene.node.log.wait_for("the kernel refused connections to the admin server");
    let traffic = get(scene.admin, "/v1/status").json()["traffic"].clone();
    assert!(traffic["refused_admin_connections"].as_u64() >= Some(refused), "{traffic}");
    assert_eq!(traffic["refused_connections"], 0, "{traffic}");
}
