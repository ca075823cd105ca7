//! The number of instructions of a query without sockets, counted by valgrind's callgrind: unlike times, they are the
//! same on a busy machine. `cargo bench --bench instructions` prints a line for each kind of question.
//!
//! Each kind is counted without a query log, and with one of a sample of 1 in 100 and of all. The last one is the cost of an entry,
//! from the notes about what decided to the copy of the messages in the ring.
//!
//! The bench runs itself under callgrind, twice for each kind with different numbers of queries: the difference belongs to
//! the queries alone. Needs Debian's `valgrind`; says so and ends if that is not there.

mod world;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, thread};

use hickory_proto::rr::RecordType;
use truenorth::answer::{Asker, Exchange, Rotation, Transport, Worker, answer};
use truenorth::counters::{Tally, Traffic};
use truenorth::snapshot::LogRule;
use truenorth::tap::{Entry, Fate, Rings};
use truenorth::wire::{MAX_MESSAGE, Query};

/// Queries of the shorter and of the longer run. A ring holds the entries of the longer one.
const QUERIES: [u32; 2] = [500, 2000];

/// Samples of the query log: one answer of so many, or none.
const SAMPLES: [u32; 3] = [0, 100, 1];

/// Different queries of a kind.
const VARIETY: u32 = 256;

const NETWORKS: u32 = 20_000;

/// A question's name, its type, whether it has a Client Subnet option.
type Kind = (&'static str, &'static str, RecordType, bool);

const KINDS: &[Kind] = &[
    ("static", "static", RecordType::A, false),
    ("steered", "www", RecordType::A, false),
    ("steered, Client Subnet", "www", RecordType::A, true),
    ("steered, sticky, Client Subnet", "sticky", RecordType::A, true),
    ("steered, HTTPS", "www", RecordType::HTTPS, true),
    ("alias of a steered name", "alias", RecordType::A, true),
    ("no data", "static", RecordType::MX, false),
    ("no such name", "none", RecordType::A, false),
    ("referral", "below.child", RecordType::A, false),
];

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

/// Answers so many queries of a kind, and logs a sample of them.
fn work(kind: usize, count: u32, sample: u32) {
    let (_, name, rtype, has_subnet) = KINDS[kind];
    let traffic = Arc::new(Traffic::new(1));
    let rule = NonZeroU32::new(sample).map(|every| LogRule { every, classes: [true; 3], zones: None });
    let snapshot = world::logging(&[world::ZONE, NAMES].concat(), NETWORKS, rule);
    let snapshot = world::counted(&snapshot, &traffic);
    let Rings { mut producers, memory, consumers: _ } = Rings::new(1);
    memory.make(&thread::current());
    let mut worker = Worker::new(Arc::new(Rotation::default())).counting(Tally::of_worker(traffic, 0));
    let mut out = vec![0; MAX_MESSAGE];
    let client = |number| has_subnet.then(|| world::client(number));
    let queries: Vec<Vec<u8>> = (0..VARIETY).map(|number| world::query(name, rtype, client(number))).collect();
    for number in 0..count {
        let asker =
            Asker { address: Ipv4Addr::new(192, 0, 2, number as u8).into(), transport: Transport::Udp, idle: None };
        let query = Query::parse(black_box(&queries[(number % VARIETY) as usize])).unwrap();
        let reply = black_box(answer(&Exchange::new(&snapshot, &query, asker, 0), &mut worker, &mut out));
        if let Some(notes) = worker.take_notes() {
            let entry = Entry {
                received: Duration::ZERO,
                answered: Duration::ZERO,
                transport: Transport::Udp as u8,
                fate: Fate::Sent,
                client: (asker.address, 5353).into(),
                server: Some((asker.address, 53).into()),
                notes,
                query: &queries[(number % VARIETY) as usize],
                response: &out[..reply.length],
            };
            assert!(producers[0].record(&entry), "the ring is full");
        }
    }
}

/// Instructions of a run of this program that answers so many queries.
fn count(folder: &Path, kind: usize, queries: u32, sample: u32) -> u64 {
    let out = folder.join("callgrind");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", &format!("--callgrind-out-file={}", out.display())])
        .arg(env::current_exe().unwrap())
        .args(["work", &kind.to_string(), &queries.to_string(), &sample.to_string()])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let profile = fs::read_to_string(&out).unwrap();
    let total = profile.lines().find_map(|line| line.strip_prefix("summary: "));
    total.expect("callgrind sums up").trim().parse().unwrap()
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, word, kind, queries, sample] = arguments.as_slice()
        && word == "work"
    {
        return work(kind.parse().unwrap(), queries.parse().unwrap(), sample.parse().unwrap());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("valgrind is needed: apt-get install valgrind");
    }
    let folder = tempfile::tempdir().unwrap();
    for (kind, (title, ..)) in KINDS.iter().enumerate() {
        let [off, hundredth, all] = SAMPLES.map(|sample| {
            let [few, many] = QUERIES.map(|queries| count(folder.path(), kind, queries, sample));
            (many - few) / u64::from(QUERIES[1] - QUERIES[0])
        });
        println!("{title:<32} {off:>6} instructions a query; logged 1 in 100 {hundredth:>6}, all {all:>6}");
    }
}
