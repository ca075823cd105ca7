//! A worker: one thread with one socket, which answers datagrams in batches.
//!
//! ```text
//!   receive ──► load the snapshot ──► answer each ──► send
//!      ▲                                                │
//!      └────────────────────────────────────────────────┘
//! ```
//!
//! The snapshot is loaded once for a batch, after its queries were received, so that no query is answered from a
//! snapshot that had been replaced before. A worker without queries wakes up regularly and does the same, so that it
//! does not hold an old snapshot.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use socket2::Socket;
use std::os::fd::AsFd;
use tokio::sync::watch;

use super::batch::{BATCH, Batch, Datagram, Wait};
use super::pulse::Beat;
use super::rate_limit::{RateDecision, RateLimiter};
use super::recorder::{Ends, Exchanged, Recorder};
use crate::answer::{Transport, Worker, answer_datagram, prefetch, truncate_datagram};
use crate::clock::wall;
use crate::counters::Tally;
use crate::snapshot::Snapshot;
use crate::tap::Fate;
use crate::vital;

/// The name of a worker as a part of the node.
pub(super) const WORKER: &str = "a worker for UDP";

/// Maximum time that a worker waits for a query before it looks for a new snapshot, and for the signal to stop.
pub(super) const RECEIVE_TIMEOUT: Duration = Duration::from_millis(200);

/// Pause of a worker when receiving fails repeatedly, so that a broken socket does not use up a processor.
const FAILURE_PAUSE: Duration = Duration::from_millis(50);

/// Maximum number of queries that are answered after the signal to stop. Fewer than that are waiting then, unless they
/// are a flood.
const LAST_QUERIES: usize = 8192;

/// Everything that a worker's thread owns. The socket is the first field, so it is dropped before the receiver
/// `stopping`: when no receiver is left, the port is free.
pub struct UdpWorker {
    socket: Arc<Socket>,
    batch: Batch,
    snapshots: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    worker: Worker,
    limiter: Arc<RateLimiter>,
    recorder: Recorder,
    /// The address that the socket is bound to.
    address: SocketAddr,
    beat: Arc<Beat>,
    /// Changed or closed when the server stops.
    stopping: watch::Receiver<()>,
}

impl UdpWorker {
    /// Makes a worker for a socket that is bound to this address.
    pub(super) fn new(
        (socket, address): (Arc<Socket>, SocketAddr),
        published: Arc<ArcSwap<Snapshot>>,
        worker: Worker,
        recorder: Recorder,
        limiter: Arc<RateLimiter>,
        beat: Arc<Beat>,
        stopping: watch::Receiver<()>,
    ) -> Self {
        let (batch, snapshots, worker) = (Batch::new(), Cache::new(published), worker.recalling());
        Self { socket, batch, snapshots, worker, limiter, recorder, address, beat, stopping }
    }

    /// Answers queries until the server stops, then answers those that have arrived.
    pub(super) fn run(mut self) {
        let mut failures = 0_u32;
        while !is_stopping(&self.stopping) {
            match self.turn(Wait::ForOne, wall) {
                Ok(()) => failures = 0,
                // The kernel may report an ICMP message about an earlier answer as an error of the next call. That
                // happens once.
                Err(error) => {
                    failures += 1;
                    if failures == 2 {
                        tracing::error!(%error, "cannot receive queries over UDP; the worker keeps trying");
                    }
                    if failures > 1 {
                        std::thread::sleep(FAILURE_PAUSE);
                    }
                }
            }
        }
        for _ in 0..LAST_QUERIES / BATCH {
            if self.turn(Wait::Not, wall).is_err() || self.batch.is_empty() {
                break;
            }
        }
    }

    /// Answers the queries that have arrived, at most a batch, in the caller's thread. `clock` returns the time since
    /// the Unix epoch. For measurements: [`Bound::start`](super::Bound::start) gives each worker a thread of its own.
    pub fn answer_waiting(&mut self, clock: fn() -> Duration) -> std::io::Result<()> {
        self.turn(Wait::Not, clock)
    }

    /// Receives, answers and sends one batch. The bench `instructions` counts the instructions of this function.
    #[inline(never)]
    fn turn(&mut self, wait: Wait, clock: fn() -> Duration) -> std::io::Result<()> {
        vital::breaking_point(WORKER);
        let received = self.batch.receive(self.socket.as_fd(), wait);
        let snapshot = self.snapshots.load();
        let received_at = clock();
        let now = received_at.as_secs();
        self.beat.at(now);
        match received {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(error) => return Err(error),
        }
        let (worker, recorder, bound) = (&mut self.worker, &mut self.recorder, self.address);
        worker.at(now);
        let limit = snapshot.world().protocol.rate_limit.as_ref().map(|limit| (limit, self.limiter.now()));
        // A query that makes this panic makes the answer panic too, and is counted there.
        let _ = catch_unwind(AssertUnwindSafe(|| prefetch(snapshot, self.batch.len(), self.batch.queries(), worker)));
        let panics = answer_all(&mut self.batch, |datagram, out| {
            let sent = (datagram.octets, datagram.address);
            let Some((reply, is_proven)) = answer_datagram(snapshot, sent, now, worker, out) else {
                count(worker, Tally::ignored);
                return 0;
            };
            let decision = match limit.filter(|_| !is_proven) {
                Some((limit, time)) => self.limiter.count(limit, datagram.address, reply.class, time),
                None => RateDecision::Send,
            };
            let (length, fate) = match decision {
                RateDecision::Send => (reply.length, Fate::Sent),
                RateDecision::Slip => (truncate_datagram(snapshot, sent, now, out), Fate::Slipped),
                RateDecision::Drop => (0, Fate::Dropped),
            };
            let (received, transport) = (received_at, Transport::Udp);
            let exchanged = Exchanged { received, transport, fate, query: datagram.octets, response: &out[..length] };
            recorder.record(worker, &exchanged, || {
                let server = datagram.destination().unwrap_or(bound.ip());
                Ends { client: datagram.source(), server: Some((server, bound.port()).into()) }
            });
            length
        });
        (0..panics).for_each(|_| count(worker, Tally::panicked));
        self.batch.send(self.socket.as_fd());
        Ok(())
    }
}

fn count(worker: &Worker, count: impl FnOnce(&Tally)) {
    worker.tally().map(count);
}

/// Answers the queries of a batch. Returns how many of these answers were lost by a panic. A panic is a bug, and its
/// message is on standard error. But it must not cost the other queries in the batch their answers, nor end this socket's
/// worker, because the kernel would go on to give it queries. A panic can leave only two things half-made: the answer,
/// which is not sent, and the worker's random numbers, of which any state is valid.
#[inline]
fn answer_all(batch: &mut Batch, mut answer: impl FnMut(Datagram<'_>, &mut [u8]) -> usize) -> usize {
    let mut panics = 0;
    while catch_unwind(AssertUnwindSafe(|| batch.answer_rest(&mut answer))).is_err() {
        panics += 1;
    }
    panics
}

fn is_stopping(stopping: &watch::Receiver<()>) -> bool {
    !matches!(stopping.has_changed(), Ok(false))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_panic_costs_one_answer() {
        let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        for number in 0..5 {
            client.send_to(&[number], server.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::new();
        batch.receive(server.as_fd(), Wait::ForOne).unwrap();
        let from_client = (0..5).map(|number| (vec![number], client.local_addr().unwrap().ip()));
        assert!(batch.queries().map(|(octets, address)| (octets.to_vec(), address)).eq(from_client));
        let panics = answer_all(&mut batch, |query, answer| {
            assert!(query.octets[0] % 3 != 1, "a bug");
            answer[0] = query.octets[0];
            1
        });
        assert_eq!(panics, 2);
        batch.send(server.as_fd());
        client.set_nonblocking(true).unwrap();
        let mut answer = [0; 2];
        let answers = std::iter::from_fn(|| client.recv(&mut answer).ok().map(|_| answer[0]));
        assert_eq!(answers.collect::<Vec<_>>(), [0, 2, 3]);
    }
}
