//! A steady load from several ports, with several queries on the way at a time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::harness::{addresses, query};

/// Ports: the kernel spreads them over the sockets of a node.
const PORTS: u32 = 8;

/// Maximum number of queries of a port on the way. All together fit into the buffer of one socket, however long a
/// process is kept waiting by a busy machine.
const WINDOW: usize = 24;

/// A query without an answer for this long is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client waits for answers before it sends more queries.
const PAUSE: Duration = Duration::from_millis(1);

/// Queries per second that every machine can answer, even with a debug build.
const RATE: u32 = 2000;

/// Returns how many queries a second a test asks: `TRUENORTH_RATE`, or a few.
fn rate() -> u32 {
    std::env::var("TRUENORTH_RATE").map_or(RATE, |rate| rate.parse().expect("TRUENORTH_RATE is a number"))
}

/// Questions that are asked until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
    start: Instant,
}

/// The results of the questions.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Number of times that each address was the whole answer.
    pub(crate) answers: BTreeMap<IpAddr, u64>,
    /// Answers of another kind, by their code.
    pub(crate) other: BTreeMap<String, u64>,
    /// Questions without an answer.
    pub(crate) lost: u64,
}

impl Tally {
    pub(crate) fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Every question has an answer with one of these hosts of 192.0.2.0/24.
    #[track_caller]
    pub(crate) fn assert_lossless(&self, hosts: impl IntoIterator<Item = u8>) {
        let known: Vec<IpAddr> = hosts.into_iter().map(|host| IpAddr::from([192, 0, 2, host])).collect();
        assert_eq!((self.lost, self.other.len()), (0, 0), "{self:?}");
        assert!(self.answers.keys().all(|address| known.contains(address)), "{self:?}");
        assert!(self.answered() > 100, "{self:?} is no load");
    }

    fn add(mut self, other: Self) -> Self {
        other.answers.into_iter().for_each(|(address, count)| *self.answers.entry(address).or_default() += count);
        other.other.into_iter().for_each(|(code, count)| *self.other.entry(code).or_default() += count);
        Self { lost: self.lost + other.lost, ..self }
    }
}

impl Load {
    /// Asks for the address of a name.
    pub(crate) fn start(node: SocketAddr, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let interval = Duration::from_secs(1) * PORTS / rate();
        let client = |_| {
            let (stop, name) = (stop.clone(), name.to_owned());
            thread::spawn(move || Client::new(node, &name, interval).run(&stop))
        };
        Self { threads: (0..PORTS).map(client).collect(), start: Instant::now(), stop }
    }

    /// Stops, and returns the results of the questions.
    pub(crate) fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let tallies = self.threads.into_iter().map(|thread| thread.join().expect("asking does not panic"));
        let tally = tallies.fold(Tally::default(), Tally::add);
        println!("{:.0} queries a second", tally.answered() as f64 / self.start.elapsed().as_secs_f64());
        tally
    }
}

/// One port.
struct Client {
    socket: UdpSocket,
    query: Vec<u8>,
    interval: Duration,
    /// The queries on the way, by their ID, with the time of each.
    waiting: BTreeMap<u16, Instant>,
    tally: Tally,
}

impl Client {
    fn new(node: SocketAddr, name: &str, interval: Duration) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(node).unwrap();
        socket.set_read_timeout(Some(PAUSE)).unwrap();
        let query = query(0, name, RecordType::A, None);
        Self { socket, query, interval, waiting: BTreeMap::new(), tally: Tally::default() }
    }

    fn run(mut self, stop: &AtomicBool) -> Tally {
        let (mut due, mut id) = (Instant::now(), 0_u16);
        loop {
            let is_over = stop.load(Ordering::Relaxed);
            let now = Instant::now();
            while !is_over && due <= now && self.waiting.len() < WINDOW {
                id = id.wrapping_add(1);
                self.query[..2].copy_from_slice(&id.to_be_bytes());
                // Refused: the port had no owner for a moment. The query counts as lost.
                let _ = self.socket.send(&self.query);
                self.waiting.insert(id, Instant::now());
                due += self.interval;
            }
            // A client that was delayed does not send the missed queries at once.
            due = due.max(now.checked_sub(PAUSE).unwrap_or(now));
            self.receive();
            let before = self.waiting.len();
            self.waiting.retain(|_, asked| asked.elapsed() < PATIENCE);
            self.tally.lost += (before - self.waiting.len()) as u64;
            if is_over && self.waiting.is_empty() {
                return self.tally;
            }
        }
    }

    /// Takes in the answers that have arrived.
    fn receive(&mut self) {
        let mut octets = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut octets) {
            let reply = Message::from_vec(&octets[..length]).expect("what comes back is a message");
            if self.waiting.remove(&reply.metadata.id).is_none() {
                continue;
            }
            let code = reply.metadata.response_code;
            match addresses(&reply)[..] {
                [address] if code == ResponseCode::NoError => *self.tally.answers.entry(address).or_default() += 1,
                _ => *self.tally.other.entry(code.to_string()).or_default() += 1,
            }
            if self.waiting.is_empty() {
                return;
            }
        }
    }
}
