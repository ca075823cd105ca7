//! Churn: endpoints that register, renew, die without a word and leave politely, with one kill of the node within.
//!
//! `TRUENORTH_FULL_CHURN=1` runs it in full size: 500 endpoints for ten minutes that renew every 10 s.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use serde_json::json;

use crate::harness::{Asker, Files, addresses, random};
use crate::http::ask;
use crate::{SERVER, Street};

/// Endpoints of a pool. Their addresses fit into one datagram.
const IN_POOL: usize = 50;

/// More than an answer needs.
const PAYLOAD: u16 = 4096;

/// Allowance for a machine that is busy with other tests.
const SLACK: Duration = Duration::from_secs(4);

/// The size of a run.
#[derive(Clone, Copy)]
struct Size {
    pools: usize,
    time: Duration,
    lease: Duration,
    interval: Duration,
    timeout: Duration,
    /// The time for which an endpoint works, from and to.
    life: (Duration, Duration),
}

const FALL: u32 = 2;
const RISE: u32 = 2;

impl Size {
    fn of_this_run() -> Self {
        let (seconds, milliseconds) = (Duration::from_secs, Duration::from_millis);
        if std::env::var_os("TRUENORTH_FULL_CHURN").is_some() {
            let life = (seconds(60), seconds(240));
            let (lease, interval, timeout) = (seconds(30), seconds(5), seconds(2));
            return Self { pools: 10, time: seconds(600), lease, interval, timeout, life };
        }
        let life = (seconds(4), seconds(12));
        let (lease, interval, timeout) = (seconds(4), milliseconds(1000), milliseconds(900));
        Self { pools: 1, time: seconds(25), lease, interval, timeout, life }
    }

    /// An endpoint that has been dead for longer is in no answer.
    fn gone_after(self) -> Duration {
        self.lease + self.interval * FALL + self.timeout + SLACK
    }

    /// An endpoint that has been healthy and registered for longer is in every answer.
    fn there_after(self) -> Duration {
        self.interval * RISE + Duration::from_secs(1) + SLACK
    }

    fn zone(self, port: u16) -> String {
        let head = format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"tcp\"\ninterval = \"{}ms\"\ntimeout = \"{}ms\"\n\
             rise = {RISE}\nfall = {FALL}\nport = {port}\n",
            self.interval.as_millis(),
            self.timeout.as_millis()
        );
        let pool = |pool: usize| {
            format!(
                "[pools.p{pool}]\nmonitor = \"web\"\nregistered = {{ prefixes = [\"127.45.0.0/16\"] }}\n\
                 [names.n{pool}]\npools = [\"p{pool}\"]\nanswers = {IN_POOL}\n"
            )
        };
        std::iter::once(head).chain((0..self.pools).map(pool)).collect()
    }
}

/// What is known of an endpoint.
#[derive(Clone, Copy)]
enum Truth {
    /// It has worked and been registered since then.
    Well(Instant),
    /// It has been dead since then.
    Dead(Instant),
    /// It starts: it may or may not be in answers.
    Starting,
}

/// What the endpoints and the observer share.
struct World {
    size: Size,
    /// Where the node answers and takes claims; another place after its restart.
    node: Mutex<(SocketAddr, SocketAddr)>,
    truths: Mutex<HashMap<IpAddr, Truth>>,
    is_over: AtomicBool,
}

impl World {
    fn truths(&self) -> MutexGuard<'_, HashMap<IpAddr, Truth>> {
        self.truths.lock().unwrap()
    }

    fn places(&self) -> (SocketAddr, SocketAddr) {
        *self.node.lock().unwrap()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Sends a request about a lease. Returns true if the node agrees; false also while it is dead.
    fn about_lease(&self, line: &str, body: &str) -> bool {
        let admin = self.places().1;
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let request = format!("{line} HTTP/1.1\r\nHost: {admin}\r\n{length}Connection: close\r\n\r\n{body}");
        let Ok(mut stream) = std::net::TcpStream::connect(admin) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut reply = Vec::new();
        let sent = std::io::Write::write_all(&mut stream, request.as_bytes());
        let _ = sent.and_then(|()| std::io::Read::read_to_end(&mut stream, &mut reply).map(drop));
        reply.starts_with(b"HTTP/1.1 20")
    }
}

/// One endpoint, life after life.
fn live(world: &World, at: SocketAddr, pool: usize, mut random: fastrand::Rng) {
    let path = format!("/v1/pools/p{pool}/endpoints/e{}", at.ip());
    let lease = format!("{}ms", world.size.lease.as_millis());
    let body = json!({ "address": at.ip().to_string(), "ttl": lease }).to_string();
    let (least, most) = world.size.life;
    let mut draw = |least: Duration, most: Duration| least + (most - least).mul_f64(random.f64());
    thread::sleep(draw(Duration::ZERO, least));
    while !world.is_over() {
        world.truths().insert(at.ip(), Truth::Starting);
        let listener = std::net::TcpListener::bind(at).expect("the address is free");
        listener.set_nonblocking(true).expect("sockets can be");
        let end = Instant::now() + draw(least, most);
        let (mut renew_at, mut renewed_at) = (Instant::now(), Instant::now());
        while Instant::now() < end && !world.is_over() {
            while listener.accept().is_ok() {}
            if Instant::now() >= renew_at {
                let is_held = world.about_lease(&format!("PUT {path}"), &body);
                // On a machine that is too busy to renew in time, the lease may have ended in between.
                let is_late = renewed_at.elapsed() > world.size.lease / 2;
                let mut truths = world.truths();
                let truth = truths.entry(at.ip()).or_insert(Truth::Starting);
                if is_held && (is_late || matches!(truth, Truth::Starting)) {
                    *truth = Truth::Well(Instant::now());
                }
                if is_held {
                    renewed_at = Instant::now();
                }
                renew_at = Instant::now() + if is_held { world.size.lease / 3 } else { world.size.lease / 20 };
            }
            thread::sleep(Duration::from_millis(20));
        }
        // It dies in one of two ways.
        world.truths().insert(at.ip(), Truth::Dead(Instant::now()));
        drop(listener);
        if draw(Duration::ZERO, Duration::from_secs(1)) < Duration::from_millis(500) {
            world.about_lease(&format!("DELETE {path}"), "");
        }
        thread::sleep(draw(Duration::ZERO, world.size.gone_after()));
    }
}

/// Asks for a name with a payload that holds the whole answer.
fn answer_of(asker: &Asker, name: &str) -> Option<Vec<IpAddr>> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    message.set_edns(edns);
    asker.send(&message.to_vec().expect("a question fits")).then_some(())?;
    let reply = Message::from_vec(&asker.receive()?).expect("what comes back is a message");
    assert!(!reply.metadata.truncation, "an answer fits");
    Some(addresses(&reply))
}

/// What an observer saw.
#[derive(Default)]
struct Seen {
    answers: usize,
    /// The longest time for which a dead endpoint was in answers, and a healthy one was in none.
    dead: Duration,
    missing: Duration,
    most: usize,
}

/// Compares an answer of a pool with the truth. `disturbed` is when the node last began to answer, or the machine last stood
/// still: endpoints could not renew before, or failed their probes.
fn compare(world: &World, pool: &[IpAddr], answer: &[IpAddr], asked: Instant, disturbed: Instant, seen: &mut Seen) {
    seen.answers += 1;
    seen.most = seen.most.max(answer.len());
    let truths = world.truths().clone();
    for address in pool {
        match (truths.get(address), answer.contains(address)) {
            (Some(&Truth::Dead(since)), true) => {
                let dead = asked.saturating_duration_since(since.max(disturbed));
                assert!(dead <= world.size.gone_after(), "{address} is dead since {dead:?}, and still in the answer");
                seen.dead = seen.dead.max(dead);
            }
            (Some(&Truth::Well(since)), false) => {
                let missing = asked.saturating_duration_since(since.max(disturbed));
                assert!(
                    missing <= world.size.there_after(),
                    "{address} is well since {missing:?}, and not in the answer"
                );
                seen.missing = seen.missing.max(missing);
            }
            _ => {}
        }
    }
}

#[test]
fn endpoints_come_and_go_and_answers_follow_in_time() {
    let size = Size::of_this_run();
    let street = Street::new([45, 250]);
    let files = Files::new(SERVER, &[("example.com.toml", &size.zone(street.port))]);
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    let world = Arc::new(World {
        size,
        node: Mutex::new((node.address(), admin)),
        truths: Mutex::default(),
        is_over: AtomicBool::new(false),
    });
    let mut seeds = random();
    let mut pools: Vec<Vec<IpAddr>> = Vec::new();
    let mut lives: Vec<JoinHandle<()>> = Vec::new();
    for pool in 0..size.pools {
        let hosts = (1..=IN_POOL as u8).map(|host| IpAddr::from([127, 45, pool as u8, host]));
        pools.push(hosts.clone().collect());
        for host in hosts {
            let (world, at) = (world.clone(), SocketAddr::from((host, street.port)));
            let random = seeds.fork();
            lives.push(thread::spawn(move || live(&world, at, pool, random)));
        }
    }
    let start = Instant::now();
    let (mut seen, mut disturbed, mut was_killed) = (Seen::default(), start, false);
    let mut asker = node.asker();
    let mut looked = start;
    while start.elapsed() < size.time {
        // A machine that stands still for as long as a probe may take makes healthy endpoints fail.
        if looked.elapsed() > size.timeout {
            disturbed = Instant::now();
        }
        looked = Instant::now();
        if !was_killed && start.elapsed() > size.time / 2 {
            was_killed = true;
            // SIGKILL.
            drop(node);
            node = files.serve();
            let admin = node.wait_for_admin();
            *world.node.lock().unwrap() = (node.address(), admin);
            asker = node.asker();
            disturbed = Instant::now();
        }
        for (pool, hosts) in pools.iter().enumerate() {
            let asked = Instant::now();
            let answer = answer_of(&asker, &format!("n{pool}.example.com.")).expect("the node answers");
            compare(&world, hosts, &answer, asked, disturbed, &mut seen);
        }
        thread::sleep(Duration::from_millis(20));
    }
    world.is_over.store(true, Ordering::Relaxed);
    for life in lives {
        life.join().expect("an endpoint does not panic");
    }
    let Seen { answers, dead, missing, most } = seen;
    println!("{answers} answers; dead for {dead:?} at most, missing for {missing:?} at most; {most} endpoints at most");
    assert!(most > IN_POOL / 4, "endpoints were there at all");
    let gone = ask(world.places().1, "GET /v1/leases", &[], "");
    assert_eq!(gone.status, 200, "{gone:?}");
}
