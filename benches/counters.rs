//! The cost of counting: the processor time of a worker for a query over UDP, with counters and without.
//!
//! Two servers of one process answer the same queries over loopback, turn by turn, so that a change of the machine's
//! speed affects both. Only the time of the worker's thread counts, the kernel's work for its packets included.

mod world;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use arc_swap::ArcSwap;
use hickory_proto::rr::RecordType;
use truenorth::answer::Rotation;
use truenorth::counters::Traffic;
use truenorth::server::{Bound, Running};

/// Number of rounds. Each asks both servers for each sort of question.
const ROUNDS: usize = 15;

/// Queries of a server, a round and a sort.
const QUERIES: u32 = 40_000;

/// Queries that wait for their answers at a time: the worker gets them in batches.
const IN_FLIGHT: u32 = 32;

/// Different clients.
const VARIETY: u32 = 256;

const NETWORKS: u32 = 20_000;

const NAMES: &str = "[names.www]\npools = [\"web\"]\nsteer = [\"region\", \"distance\"]\n";

/// A name of the zone, and whether queries have a Client Subnet option.
const SORTS: [(&str, &str, bool); 3] =
    [("static", "static", false), ("steered", "www", false), ("steered, Client Subnet", "www", true)];

/// A server with one worker.
struct Server {
    address: SocketAddr,
    /// The worker's thread.
    thread: String,
    _running: Running,
}

impl Server {
    fn start(is_counting: bool) -> Self {
        let before = workers();
        let snapshot = world::snapshot(&[world::ZONE, NAMES].concat(), NETWORKS);
        let traffic = Arc::new(Traffic::new(1));
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut bound = Bound::new(&[listen], NonZeroUsize::MIN).unwrap();
        let snapshot = if is_counting {
            bound = bound.with_counters(traffic.clone());
            world::counted(&snapshot, &traffic)
        } else {
            snapshot
        };
        let address = bound.addresses()[0];
        let running = bound.start(Arc::new(ArcSwap::from_pointee(snapshot)), Arc::new(Rotation::default())).unwrap();
        let thread = loop {
            if let Some(new) = workers().into_iter().find(|thread| !before.contains(thread)) {
                break new;
            }
            thread::sleep(Duration::from_millis(1));
        };
        Self { address, thread, _running: running }
    }

    /// The processor time of the worker so far, in nanoseconds.
    fn time(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.thread)).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }
}

/// The threads of workers.
fn workers() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let is_worker =
        |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("udp-"));
    tasks.filter(is_worker).map(|task| task.file_name().into_string().unwrap()).collect()
}

/// Asks a server. Returns the nanoseconds of its worker for a query.
fn ask(server: &Server, socket: &UdpSocket, queries: &[Vec<u8>]) -> f64 {
    socket.connect(server.address).unwrap();
    let mut reply = [0; 4096];
    let before = server.time();
    let mut asked = 0;
    while asked < QUERIES {
        for number in asked..asked + IN_FLIGHT {
            socket.send(&queries[(number % VARIETY) as usize]).unwrap();
        }
        for _ in 0..IN_FLIGHT {
            socket.recv(&mut reply).expect("loopback loses nothing");
        }
        asked += IN_FLIGHT;
    }
    (server.time() - before) as f64 / f64::from(asked)
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let servers = [Server::start(false), Server::start(true)];
    for (title, name, has_subnet) in SORTS {
        let client = |number| has_subnet.then(|| world::client(number));
        let queries: Vec<Vec<u8>> =
            (0..VARIETY).map(|number| world::query(name, RecordType::A, client(number))).collect();
        for server in &servers {
            ask(server, &socket, &queries);
        }
        let mut times = [Vec::new(), Vec::new()];
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            // Each is first in every second round.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            let mut pair = [0.0; 2];
            for which in order {
                pair[which] = ask(&servers[which], &socket, &queries);
                times[which].push(pair[which]);
            }
            ratios.push(pair[1] / pair[0]);
        }
        let [off, on] = times.map(median);
        let more = (median(ratios) - 1.0) * 100.0;
        println!(
            "{title:<24} {off:>6.0} ns a query without counters, {on:>6.0} ns with: {more:+.1} % in the middle of {ROUNDS} pairs"
        );
    }
}
