//! The cost of a node that serves many zones: reading them, its memory, a new snapshot, a query beside the same query of a
//! small node, a reload of one zone, and memory after many reloads.
//!
//! A zone has a pool with an endpoint, ten steered names, and a hundred static records. A number after `--` replaces the
//! number of zones.

mod process;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use process::{cpu_time, free_port, mebibytes, seconds, status_field};
use truenorth::answer::{Rotation, Worker, answer_datagram, prefetch};
use truenorth::config;
use truenorth::counters::{Tally, Traffic};
use truenorth::disk::Disk;
use truenorth::geo::Locations;
use truenorth::health::Share;
use truenorth::snapshot::{Blueprint, Dirty, EndpointState, PoolId, Snapshot};

const ZONES: usize = 10_000;

/// Zones of the small node.
const FEW: usize = 10;

/// Steered names and static records of a zone.
const NAMES: usize = 10;
const RECORDS: usize = 100;

/// New snapshots that are measured: as many in which an endpoint goes down as in which it comes back.
const SNAPSHOTS: usize = 100;

/// Queries of a round, and rounds, of which each node has its turn.
const QUERIES: usize = 100_000;
const ROUNDS: usize = 31;

/// Queries that come in a batch.
const BATCH: usize = 32;

/// Zones of the node that reloads many times, and the number of its reloads.
const RELOADED: usize = 1_000;
const RELOADS: usize = 300;

/// Longer than a node waits before it gives free memory back.
const GIVEN_BACK: Duration = Duration::from_secs(35);

/// Maximum time until a node is ready.
const PATIENCE: Duration = Duration::from_secs(600);

const BIN: &str = env!("CARGO_BIN_EXE_truenorth");

/// The zone file with this number. `turn` changes its endpoint and its static records.
fn zone(number: usize, turn: u8) -> String {
    let [.., high, low] = number.to_be_bytes();
    let mut text = format!(
        "[nameservers]\nns1 = [\"192.0.2.53\"]\n[regions.near]\nclients = [\"10.{low}.0.0/16\"]\nprefer = [\"a\", \"b\"]\n\
         [regions.default]\nprefer = [\"b\", \"a\"]\n[pools.web]\nendpoints.a = [\"10.{turn}.{high}.{low}\"]\n[names]\n"
    );
    for name in 0..NAMES {
        writeln!(text, "www{name} = {{ pools = [\"web\"], steer = [\"region\"] }}").expect("memory");
    }
    text.push_str("[records]\n");
    for record in 0..RECORDS {
        writeln!(text, "host{record} = {{ A = [\"10.{turn}.{high}.{record}\"] }}").expect("memory");
    }
    text
}

fn write(folder: &Path, port: u16, zones: usize) {
    let server = format!(
        "[listen]\ndns = [\"127.0.0.1:{port}\"]\n[admin]\nsocket = \"admin.socket\"\n[reload]\nwatch = false\n[datacenters]\n\
         a = {{ latitude = 1, longitude = 1 }}\nb = {{ latitude = 2, longitude = 2 }}\n"
    );
    fs::create_dir_all(folder.join("zones")).expect("a folder");
    fs::write(folder.join("truenorth.toml"), server).expect("a file");
    for number in 0..zones {
        fs::write(folder.join(format!("zones/zone{number}.example.toml")), zone(number, 0)).expect("a file");
    }
}

/// The snapshot of a node with these zones, and the time to read their files and to compile them.
fn snapshot(zones: usize, traffic: &Traffic) -> (Snapshot, [Duration; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), 53, zones);
    let begun = Instant::now();
    let config = config::load(&folder.path().join("truenorth.toml"), &Disk::new(), &|_| None);
    let read = begun.elapsed();
    let world = config.unwrap_or_else(|faults| panic!("{faults:?}")).world;
    let begun = Instant::now();
    let blueprint = Blueprint::compile(world, Arc::new(Locations::unknown()), None).counted(traffic);
    let snapshot = Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None);
    (snapshot, [read, begun.elapsed()])
}

/// Makes snapshots, in each of which an endpoint has gone down or come back. Prints how long that takes. In the last one
/// everything is up again.
fn measure_snapshots(snapshot: Snapshot) -> Snapshot {
    let mut before = snapshot;
    let pools = before.pools().len();
    let mut times: Vec<Duration> = (0..SNAPSHOTS)
        .map(|number| {
            let pool = PoolId::from_index(number / 2 * 7_919 % pools);
            let down = EndpointState { share: Share::NONE, last_up: Duration::ZERO, ..EndpointState::CALM };
            let state = if number.is_multiple_of(2) { down } else { EndpointState::CALM };
            let begun = Instant::now();
            let mut next = before.state().clone();
            next.set_endpoint_states(pool, |_| state);
            before = before.next(next, &Dirty { pools: [pool].into(), ..Dirty::default() });
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let [median, most] = [times[SNAPSHOTS / 2], times[SNAPSHOTS - 1]].map(milliseconds);
    println!("a snapshot after a change of one endpoint: {median}, at most {most}");
    before
}

/// Queries, one after the other in memory as a server reads them. Each apart in the heap, most of what is measured would be
/// the time until the processor sees the query.
struct Queries {
    octets: Vec<u8>,
    lengths: Vec<usize>,
}

impl Queries {
    fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut rest = &*self.octets;
        self.lengths.iter().map(move |length| rest.split_off(..*length).expect("the octets of all"))
    }
}

/// A query with a Client Subnet option for this name.
fn query(name: &str, client: u32) -> Vec<u8> {
    let mut message = b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01".to_vec();
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    let [a, b, c, _] = client.to_be_bytes();
    message.extend([0, 0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, a, b, c]);
    message
}

/// Queries of a kind for the names of this many zones, in an order that looks random.
fn queries(zones: usize, is_steered: bool) -> Queries {
    let scattered = |number: usize| number.wrapping_mul(2_654_435_761) >> 7;
    let name = |number: usize| {
        let (zone, label) = (scattered(number) % zones, scattered(number + 17));
        if is_steered {
            format!("www{}.zone{zone}.example", label % NAMES)
        } else {
            format!("host{}.zone{zone}.example", label % RECORDS)
        }
    };
    let query = |number| query(&name(number), 0x0a00_0000 | scattered(number) as u32 & 0xff_ffff);
    let mut queries = Queries { octets: Vec::new(), lengths: Vec::new() };
    for query in (0..QUERIES).map(query) {
        queries.octets.extend(&query);
        queries.lengths.push(query.len());
    }
    queries
}

/// Answers the queries, and returns the processor time that one takes, in nanoseconds.
fn answer(snapshot: &Snapshot, worker: &mut Worker, queries: &Queries) -> f64 {
    let mut out = [0; 1232];
    let source: IpAddr = Ipv4Addr::LOCALHOST.into();
    let begun = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let mut rest = queries.iter();
    for number in 0..QUERIES {
        if number.is_multiple_of(BATCH) {
            prefetch(snapshot, BATCH, rest.clone().take(BATCH).map(|query| (query, source)), worker);
        }
        let query = rest.next().expect("there are so many");
        let answered = answer_datagram(snapshot, (query, source), 1, worker, &mut out);
        assert!(answered.is_some_and(|(reply, _)| reply.length > query.len()));
    }
    let ended = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let time = (ended.tv_sec - begun.tv_sec) as f64 * 1e9 + (ended.tv_nsec - begun.tv_nsec) as f64;
    time / QUERIES as f64
}

fn measure_queries((many, zones): (&Snapshot, usize), few: &Snapshot, traffic: &Traffic) {
    let mut workers = [0, 1].map(|number| {
        Worker::new(Arc::new(Rotation::default())).counting(Tally::of_worker(traffic, number)).recalling()
    });
    for is_steered in [true, false] {
        // The same number of names in both nodes, and all names of the great one.
        let [of_few, of_many] = [FEW, zones].map(|zones| queries(zones, is_steered));
        let [small, great] = &mut workers;
        let rounds = [(); ROUNDS]
            .map(|()| [answer(few, small, &of_few), answer(many, great, &of_few), answer(many, great, &of_many)]);
        let median = |time: fn(&[f64; 3]) -> f64| {
            let mut times = rounds.each_ref().map(time);
            times.sort_unstable_by(f64::total_cmp);
            times[ROUNDS / 2]
        };
        let [small, same, all] = [median(|times| times[0]), median(|times| times[1]), median(|times| times[2])];
        let ratio = median(|times| times[1] / times[0]);
        let kind = if is_steered { "steered" } else { "static" };
        println!(
            "a query for a {kind} name: {FEW} zones {small:.0} ns; the same names among {zones} zones {same:.0} ns, \
             {ratio:.2} times; all names in turn {all:.0} ns"
        );
    }
}

/// A running node.
struct Node<'f> {
    process: Child,
    folder: &'f Path,
}

impl<'f> Node<'f> {
    fn start(folder: &'f Path, port: u16) -> Self {
        let mut command = Command::new(BIN);
        command.env("RUST_LOG", "error").arg("serve").arg("--config").arg(folder.join("truenorth.toml"));
        let node = Self { process: command.stdout(Stdio::null()).spawn().expect("it starts"), folder };
        let (begun, query) = (Instant::now(), query("host0.zone0.example", 0));
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        while socket.send_to(&query, ("127.0.0.1", port)).and_then(|_| socket.recv(&mut [0; 512])).is_err() {
            assert!(begun.elapsed() < PATIENCE, "it does not answer");
        }
        node
    }

    fn reload(&self) {
        let mut command = Command::new(BIN);
        let reload = command.arg("reload").arg("--config").arg(self.folder.join("truenorth.toml")).output();
        assert!(reload.is_ok_and(|output| output.status.success()));
    }

    fn edit(&self, number: usize, turn: u8) {
        let file = self.folder.join(format!("zones/zone{number}.example.toml"));
        fs::write(file, zone(number, turn)).expect("a file");
    }

    fn cpu(&self) -> Duration {
        cpu_time(self.process.id()).expect("it runs")
    }

    fn memory(&self, field: &str) -> u64 {
        status_field(self.process.id(), field).expect("it runs")
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn measure_node(zones: usize) {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    write(folder.path(), port, zones);
    let begun = Instant::now();
    let node = Node::start(folder.path(), port);
    println!(
        "a node with {zones} zones: answers after {}, processor time {}, most memory {}",
        seconds(begun.elapsed()),
        seconds(node.cpu()),
        mebibytes(node.memory("VmHWM:"))
    );
    for (what, turn) in [("no change", 0), ("a change of one zone", 1)] {
        node.edit(7, turn);
        let (begun, cpu) = (Instant::now(), node.cpu());
        node.reload();
        println!("a reload after {what}: {}, processor time {}", seconds(begun.elapsed()), seconds(node.cpu() - cpu));
    }
    println!("most memory with these reloads: {}", mebibytes(node.memory("VmHWM:")));
}

fn measure_reloads() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    write(folder.path(), port, RELOADED);
    let node = Node::start(folder.path(), port);
    thread::sleep(GIVEN_BACK);
    let first = node.memory("VmRSS:");
    for reload in 0..RELOADS {
        for number in 0..RELOADED / 10 {
            node.edit((reload * 101 + number) % RELOADED, reload as u8);
        }
        node.reload();
    }
    thread::sleep(GIVEN_BACK);
    let last = node.memory("VmRSS:");
    println!(
        "memory of {RELOADED} zones: {}; after {RELOADS} reloads of a tenth of them {}, {:.2} times",
        mebibytes(first),
        mebibytes(last),
        last as f64 / first as f64
    );
}

fn main() {
    let zones = env::args().find_map(|word| word.parse().ok()).unwrap_or(ZONES);
    println!("{zones} zones, {} steered names, {} static records, {zones} endpoints", zones * NAMES, zones * RECORDS);
    let traffic = Traffic::new(2);
    let (few, _) = snapshot(FEW, &traffic);
    let (many, [read, compiled]) = snapshot(zones, &traffic);
    println!("their files are read in {}, and compiled in {}", seconds(read), seconds(compiled));
    let many = measure_snapshots(many);
    measure_queries((&many, zones), &few, &traffic);
    drop(many);
    measure_node(zones);
    measure_reloads();
}
