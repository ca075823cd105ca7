//! A steady load from a thread of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use super::ask::{Asker, addresses};

/// Maximum queries per second: enough to notice a gap of a millisecond, and much less than a node can answer.
const RATE: u32 = 3000;

/// Pause of the load when it is ahead of its rate.
const REST: Duration = Duration::from_millis(1);

/// Questions that are asked until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

/// The results of the questions.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Number of times that each answer came, by its addresses.
    pub(crate) answers: BTreeMap<Vec<IpAddr>, u64>,
    /// Questions without an answer.
    pub(crate) lost: u64,
}

impl Tally {
    /// Questions that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answers.values().sum()
    }
}

impl Load {
    /// Asks for the addresses of a name.
    pub(crate) fn start(node: SocketAddr, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, name) = (stop.clone(), name.to_owned());
        let thread = thread::spawn(move || {
            let mut asker = Asker::new(node);
            let mut tally = Tally::default();
            let start = Instant::now();
            let mut asked = 0;
            while !stopped.load(Ordering::Relaxed) {
                match asker.try_ask(&name, RecordType::A, None) {
                    Some(reply) => *tally.answers.entry(addresses(&reply)).or_default() += 1,
                    None => tally.lost += 1,
                }
                asked += 1;
                while start.elapsed() < asked * Duration::from_secs(1) / RATE {
                    thread::sleep(REST);
                }
            }
            tally
        });
        Self { stop, thread }
    }

    /// Stops, and returns the results of the questions.
    pub(crate) fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("asking does not panic")
    }
}
