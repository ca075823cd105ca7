//! The query log: takes what workers recorded, and writes it to a file or a collector, as dnstap or as JSON lines.
//!
//! ```text
//!   rings ──► a thread of its own ──► encoder ──► a buffer ──► sink: a file, or a collector behind a socket
//! ```
//!
//! Only this thread waits for a disk or a collector. Meanwhile entries wait in the buffer and in the rings; when a ring is
//! full, its worker drops further entries and counts them. A sink that fails is tried again until it works, and the
//! buffer is kept for it.

mod dnstap;
mod encoder;
mod file;
mod frames;
mod json;
mod losses;
mod privacy;
mod sink;
mod stream;
mod writer;

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::config::{self, QueryLogSink};
use crate::counters::{NodeCounters, Traffic};
use crate::tap::{Consumer, Memory};
use losses::Losses;
use writer::Writer;

/// The settings of the log: where it goes, and in which format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The section of the server file.
    pub section: config::QueryLog,
    /// The name of the node, for dnstap.
    pub node: Box<str>,
    /// The program and its version, for dnstap.
    pub program: &'static str,
}

impl Settings {
    /// True if what was encoded by these settings can be written to the sink of the others.
    fn leads_to(&self, other: &Self) -> bool {
        let (here, there) = (&self.section, &other.section);
        let is_same = match (&here.sink, &there.sink) {
            (QueryLogSink::File { path: one, .. }, QueryLogSink::File { path: other, .. }) => one == other,
            (one, other) => one == other,
        };
        is_same && here.format == there.format
    }
}

/// The thread of the query log.
#[derive(Debug)]
pub struct QueryLog {
    orders: mpsc::Sender<Order>,
    thread: Thread,
    memory: Memory,
    ending: Arc<Ending>,
}

/// An order for the thread.
enum Order {
    /// Use these settings from now on; without any, log nothing.
    Use(Option<Box<Settings>>),
    /// Write what is recorded, and end. The sender is told when that is done.
    Finish(mpsc::Sender<()>),
}

/// When the thread has to be done.
#[derive(Debug, Default)]
struct Ending(OnceLock<Instant>);

impl Ending {
    fn is_over(&self) -> bool {
        self.0.get().is_some_and(|end| Instant::now() >= *end)
    }
}

impl QueryLog {
    /// Starts the thread. With `replaces`, another process that still writes the file is about to end: then the file is
    /// put aside for it. Fails if the system cannot start a thread.
    pub fn start(
        consumers: Vec<Consumer>,
        memory: Memory,
        counters: Arc<NodeCounters>,
        traffic: Arc<Traffic>,
        replaces: bool,
    ) -> io::Result<Self> {
        let (orders, received) = mpsc::channel();
        let ending = Arc::new(Ending::default());
        let writer = Writer::new(consumers, counters, Losses::new(traffic), ending.clone(), replaces);
        let spawned = thread::Builder::new().name("query log".to_owned()).spawn(move || writer.run(&received))?;
        Ok(Self { orders, thread: spawned.thread().clone(), memory, ending })
    }

    /// Makes room for entries, if anything is to be logged. Comes before workers record them.
    pub fn prepare(&self, settings: Option<&Settings>) {
        if settings.is_some() {
            self.memory.make(&self.thread);
        }
    }

    /// Uses these settings from now on. What was recorded before is written to the old sink, if that works.
    pub fn use_settings(&self, settings: Option<Settings>) {
        self.order(Order::Use(settings.map(Box::new)));
    }

    /// Writes what is recorded, and closes the sink. Waits no longer than `limit`.
    pub fn finish(&self, limit: Duration) {
        let (done, wait) = mpsc::channel();
        self.ending.0.get_or_init(|| Instant::now() + limit);
        self.order(Order::Finish(done));
        // The rest is lost with the process.
        let _ = wait.recv_timeout(limit);
    }

    fn order(&self, order: Order) {
        // The thread ends only with an order.
        let _ = self.orders.send(order);
        self.thread.unpark();
    }
}
