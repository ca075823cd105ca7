//! The number of user instructions of a query over UDP, counted by valgrind's callgrind: unlike times, they are the same
//! on a busy machine. `cargo bench --bench instructions` prints a line for each kind of question, and fails if a kind
//! needs more than its bound.
//!
//! The bench runs itself under callgrind. There one worker answers queries that wait at its socket, in batches as on a
//! busy server, with all counters. Everything that the worker does for a batch is counted: it receives the batch, loads
//! the snapshot, answers, counts, asks the rate limiter and writes the query log where they are set, and sends. Not counted are the kernel's work,
//! which callgrind cannot see, and reading the clock, which the bench replaces: a run has the same second throughout.
//! The counts are those of this machine's compiler and C library: another version may move them by a few instructions.
//!
//! Needs Debian's `valgrind`; fails and says so if that is not there.

mod world;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, thread};

use arc_swap::ArcSwap;
use hickory_proto::rr::RecordType;
use truenorth::answer::Rotation;
use truenorth::counters::Traffic;
use truenorth::server::{Bound, Taps};
use truenorth::tap::{Parts, Rings, SharedProducers};

/// Queries of a run. Counters locate the first 512 clients of a second, and then one of 16: with so many queries the
/// first ones hardly matter, as on a busy server.
const QUERIES: u32 = 16_384;

/// Queries that wait at the worker's socket: a whole batch.
const BATCH: u32 = 32;

/// Different queries of a kind.
const VARIETY: u32 = 256;

const NETWORKS: u32 = 20_000;

/// The function whose instructions are counted, with those that it calls.
const COUNTED: &str = "truenorth::server::udp::UdpWorker::turn";

/// A kind of question.
struct Kind {
    title: &'static str,
    name: &'static str,
    rtype: RecordType,
    has_subnet: bool,
    /// Queries in a batch.
    batch: u32,
    /// The server file.
    server: &'static str,
    /// Maximum number of instructions.
    bound: u64,
}

const PLAIN: Kind = Kind {
    title: "static",
    name: "static",
    rtype: RecordType::A,
    has_subnet: false,
    batch: BATCH,
    server: "",
    bound: 605,
};

const SUBNET: Kind = Kind { title: "steered, Client Subnet", name: "www", has_subnet: true, bound: 1150, ..PLAIN };

const KINDS: &[Kind] = &[
    PLAIN,
    Kind { title: "steered", name: "www", bound: 975, ..PLAIN },
    SUBNET,
    Kind { title: "steered, Client Subnet, one in a batch", batch: 1, bound: 1410, ..SUBNET },
    Kind { title: "steered, Client Subnet, rate limit", server: RATE_LIMIT, bound: 1265, ..SUBNET },
    Kind { title: "steered, sticky, Client Subnet", name: "sticky", bound: 2840, ..SUBNET },
    Kind { title: "steered, HTTPS", rtype: RecordType::HTTPS, bound: 3800, ..SUBNET },
    Kind { title: "alias of a steered name", name: "alias", bound: 3430, ..SUBNET },
    Kind { title: "steered, Client Subnet, logged 1 in 100", server: LOG_FEW, bound: 2720, ..SUBNET },
    Kind { title: "steered, Client Subnet, logged", server: LOG_ALL, bound: 5830, ..SUBNET },
    Kind { title: "no data", rtype: RecordType::MX, bound: 615, ..PLAIN },
    Kind { title: "no such name", name: "none", bound: 2120, ..PLAIN },
    Kind { title: "referral", name: "below.child", bound: 3370, ..PLAIN },
];

/// A limit that no run reaches.
const RATE_LIMIT: &str = "[rate_limit]\nresponses_per_second = 1000000\n";

/// Query logs of a sample, and of everything.
const LOG_FEW: &str = "[query_log]\nsink = \"queries\"\nsample = 100\n";
const LOG_ALL: &str = "[query_log]\nsink = \"queries\"\n";

/// Added to [`world::ZONE`].
const NAMES: &str = r#"
[names.www]
pools = ["web"]
steer = ["region", "distance"]
https = { alpn = ["h2"] }
[names.sticky]
pools = ["web"]
steer = ["region"]
pick = "sticky"
[records.alias]
CNAME = ["www"]
[records.child]
NS = ["ns.child"]
[records."ns.child"]
A = ["192.0.2.54"]
"#;

/// Answers the queries of a kind.
fn work(kind: &Kind) {
    let traffic = Arc::new(Traffic::new(1));
    let snapshot = world::snapshot_with(kind.server, &[world::ZONE, NAMES].concat(), NETWORKS);
    let snapshot = Arc::new(ArcSwap::from_pointee(world::counted(&snapshot, &traffic)));
    let bound = Bound::new(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], NonZeroUsize::MIN).unwrap();
    let Rings { producers, mut consumers, memory } = Rings::new(1);
    memory.make(&thread::current());
    let taps = Taps { workers: producers, connections: SharedProducers::new(Vec::new()) };
    let mut bound = bound.with_counters(traffic.clone()).with_taps(taps);
    let mut worker = bound.worker(snapshot, Arc::new(Rotation::with_seed(1)));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(bound.addresses()[0]).unwrap();
    socket.set_nonblocking(true).unwrap();
    let client = |number| kind.has_subnet.then(|| world::client(number));
    let queries: Vec<Vec<u8>> =
        (0..VARIETY).map(|number| world::query(kind.name, kind.rtype, client(number))).collect();
    let (mut answer, mut parts) = ([0; 4096], Parts::default());
    for number in (0..QUERIES).step_by(kind.batch as usize) {
        for query in number..number + kind.batch {
            socket.send(&queries[(query % VARIETY) as usize]).unwrap();
        }
        worker.answer_waiting(|| Duration::from_secs(1)).unwrap();
        // Another thread of a node does this.
        while consumers[0].take(&mut parts, |_| ()).is_some() {}
        for _ in 0..kind.batch {
            socket.recv(&mut answer).expect("loopback loses nothing");
        }
    }
    assert_eq!(traffic.sums().all_responses(), u64::from(QUERIES));
}

/// Returns the instructions of a query of this kind.
fn count(folder: &Path, kind: usize) -> u64 {
    let out = folder.join("callgrind");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", &format!("--toggle-collect={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().unwrap())
        .args(["work", &kind.to_string()])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let profile = fs::read_to_string(&out).unwrap();
    let total = profile.lines().find_map(|line| line.strip_prefix("summary: "));
    let total: u64 = total.expect("callgrind sums up").trim().parse().unwrap();
    assert!(total > 0, "{COUNTED} is counted");
    total / u64::from(QUERIES)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    if let [_, word, kind] = arguments.as_slice()
        && word == "work"
    {
        work(&KINDS[kind.parse::<usize>().unwrap()]);
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("valgrind is needed: apt-get install valgrind");
        return ExitCode::FAILURE;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut is_within = true;
    for (number, Kind { title, bound, .. }) in KINDS.iter().enumerate() {
        let instructions = count(folder.path(), number);
        let verdict = if instructions > *bound { "  TOO MANY" } else { "" };
        is_within &= instructions <= *bound;
        println!("{title:<40} {instructions:>6} instructions a query, at most {bound}{verdict}");
    }
    if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
