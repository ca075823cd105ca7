//! The parts that the connections of all transports share: the snapshots, the limits, and the signal to stop.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};

use super::recorder::{Ends, Exchanged, Recorder};
use crate::answer::{Asker, Exchange, Reply, Rotation, Transfer, Transport, Worker, answer};
use crate::counters::{Tally, Traffic};
use crate::dnssec::Signatures;
use crate::limiter::{ConnectionLimiter, Losses};
use crate::snapshot::Snapshot;
use crate::tap::{Fate, SharedProducers};
use crate::wire::{MAX_MESSAGE, Query};

/// Length in octets of a message's length field, which comes before it on a stream (RFC 1035, section 4.2.2; RFC 9250,
/// section 4.2).
pub(super) const LENGTH: usize = 2;

/// Maximum number of messages of one connection that are read and answered at the same time, if its protocol has many
/// streams. Each message has a buffer of its own, so this limits the memory of a connection. A client that does not
/// complete its messages delays only itself.
const MESSAGES_AT_ONCE: usize = 16;

/// A connection reads only one query at a time that is longer than this number of octets. Valid queries are much
/// shorter, even with every option and a name of 255 octets.
pub(super) const SHORT_QUERY: usize = 4096;

/// Number of octets of answers that one connection may leave unread, if its protocol has many streams: two answers of
/// maximum length. As the client reads them, it gets the next ones.
const UNREAD: usize = 2 * MAX_MESSAGE;

/// Limits for clients over TCP, TLS, HTTPS and QUIC together. The default suits resolvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of connections of one client: an IPv4 address or an IPv6 /64.
    pub connections_per_client: usize,
    /// Maximum time for a handshake of TLS or QUIC.
    pub handshake: Duration,
    /// Maximum time without a query.
    pub idle: Duration,
    /// Maximum time from the first octet of a message to its last one.
    pub query: Duration,
    /// Maximum time for a client to make room for an answer.
    pub answer: Duration,
    /// Maximum time for a zone transfer. The transfer holds its snapshot for that long.
    pub transfer: Duration,
}

impl Default for TcpLimits {
    /// Returns limits for a busy server: its resolvers keep about 512 connections open. RFC 7766, section 6.2.2, allows
    /// limits for each client; section 6.2.3 recommends an idle time "of the order of a few seconds". In 15 minutes a
    /// line of 1 Mbit/s carries a zone of three million records. A transfer that takes longer would keep old zones in
    /// memory.
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_client: 64,
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(10),
            query: Duration::from_secs(5),
            answer: Duration::from_secs(5),
            transfer: Duration::from_secs(15 * 60),
        }
    }
}

impl TcpLimits {
    /// Lowers the total number of connections to this number. The limit for one client shrinks in proportion, but never below
    /// an eighth of the total, which is the proportion of the default.
    pub fn within(self, connections: usize) -> Self {
        if connections >= self.connections {
            return self;
        }
        let share = self.connections_per_client * connections / self.connections;
        let share = share.max(self.connections_per_client.min(connections / 8));
        Self { connections, connections_per_client: share.max(1), ..self }
    }
}

/// Number of responders that are kept for the next queries. Beyond it, they are made as they are needed.
const SPARE: usize = 32;

/// Everything that a listener needs to serve its connections.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) published: Arc<ArcSwap<Snapshot>>,
    pub(super) rotation: Arc<Rotation>,
    pub(super) signatures: Arc<Signatures>,
    /// `None` if nobody counts.
    pub(super) traffic: Option<Arc<Traffic>>,
    /// `None` if nobody reads the query log.
    pub(super) taps: Option<Arc<SharedProducers>>,
    pub(super) limits: TcpLimits,
    pub(super) responders: Arc<Responders>,
    pub(super) limiter: Arc<ConnectionLimiter>,
    pub(super) losses: Arc<Losses>,
    /// Changes or closes when the server stops. Everything that has a socket holds a receiver.
    pub(super) stopping: watch::Receiver<()>,
    /// Changes or closes when connections over TCP and TLS must end: together with `stopping`, or later if another
    /// process replaced this one.
    pub(super) closing: watch::Receiver<()>,
}

impl Service {
    /// Returns the access of a connection to the query log.
    pub(super) fn recorder(&self) -> Recorder {
        self.taps.clone().map_or(Recorder::Nobody, Recorder::Shared)
    }

    /// Lends a responder for one query.
    pub(super) fn responder(&self) -> LentResponder {
        let spare = self.responders.spare().pop();
        let responder = spare.unwrap_or_else(|| self.new_responder());
        LentResponder { responder: Some(responder), responders: self.responders.clone() }
    }

    fn new_responder(&self) -> Responder {
        let worker = Worker::new(self.rotation.clone()).sharing(self.signatures.clone());
        let worker = match &self.traffic {
            Some(traffic) => worker.counting(Tally::of_stream(traffic)),
            None => worker,
        };
        Responder {
            published: self.published.clone(),
            worker: Box::new(worker),
            recorder: self.recorder(),
            outbox: vec![0; LENGTH + MAX_MESSAGE].into(),
        }
    }
}

/// The responders of all connections that none of them uses at the moment. So a connection that is idle has none: it would be
/// the greatest part of the connection's memory.
#[derive(Debug, Default)]
pub(super) struct Responders(Mutex<Vec<Responder>>);

impl Responders {
    fn spare(&self) -> MutexGuard<'_, Vec<Responder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A responder that goes back to the others when it is dropped.
#[derive(Debug)]
pub(super) struct LentResponder {
    /// `None` only while it is dropped.
    responder: Option<Responder>,
    responders: Arc<Responders>,
}

impl Deref for LentResponder {
    type Target = Responder;

    fn deref(&self) -> &Responder {
        self.responder.as_ref().expect("it is taken only by drop")
    }
}

impl DerefMut for LentResponder {
    fn deref_mut(&mut self) -> &mut Responder {
        self.responder.as_mut().expect("it is taken only by drop")
    }
}

impl Drop for LentResponder {
    fn drop(&mut self) {
        let mut spare = self.responders.spare();
        if spare.len() < SPARE {
            spare.extend(self.responder.take());
        }
    }
}

/// The sender of a query over a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) transport: Transport,
    pub(super) ends: Ends,
    /// How long the connection may stay idle (RFC 7828); `None` if it is not for DNS alone.
    pub(super) idle: Option<Duration>,
}

impl Peer {
    /// Returns the properties of the sender that answers depend on.
    pub(super) fn asker(&self) -> Asker {
        Asker { address: self.ends.client.ip(), transport: self.transport, idle: self.idle }
    }
}

/// Makes answers, one at a time. A panic can only leave an unfinished answer, which is not sent.
#[derive(Debug)]
pub(super) struct Responder {
    published: Arc<ArcSwap<Snapshot>>,
    /// It is large, and a responder is moved when it is lent.
    worker: Box<Worker>,
    recorder: Recorder,
    /// An answer with its length in front.
    outbox: Box<[u8]>,
}

impl Responder {
    /// Returns the answer with its length in front, and the time in seconds for which it may be cached, if it may.
    /// `None` if the query violates the rules of its transport. `octets` are the query as it was received.
    pub(super) fn answer(&mut self, query: &Query<'_>, octets: &[u8], peer: Peer) -> Option<(&[u8], Option<u32>)> {
        let snapshot = self.published.load();
        let received = crate::clock::wall();
        let now = received.as_secs();
        self.worker.at(now);
        let exchange = Exchange::new(&snapshot, query, peer.asker(), now);
        if exchange.breaks_protocol() {
            return None;
        }
        let (length, message) = self.outbox.split_at_mut(LENGTH);
        let Reply { length: written, ttl, .. } = answer(&exchange, &mut self.worker, message);
        length.copy_from_slice(&(written as u16).to_be_bytes());
        self.record(received, octets, written, peer);
        Some((&self.outbox[..LENGTH + written], ttl))
    }

    /// Passes a query, and the message of this length in the outbox, to the query log.
    fn record(&mut self, received: Duration, query: &[u8], length: usize, peer: Peer) {
        let response = &self.outbox[LENGTH..LENGTH + length];
        let exchanged = Exchanged { received, transport: peer.transport, fate: Fate::Sent, query, response };
        self.recorder.record(&mut self.worker, &exchanged, || peer.ends);
    }

    /// Returns the snapshot that is published now, for a transfer.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Returns the transfer that a query asks for; `None` if it asks for none, or may not have it.
    pub(super) fn transfer<'s>(&mut self, exchange: &'s Exchange<'s>) -> Option<Transfer<'s>> {
        Transfer::new(exchange, &mut self.worker)
    }

    /// Returns the next message of a transfer with its length in front; `None` after the last one. `octets` are the
    /// query as it was received: the query log has it with the first message.
    pub(super) fn next_of(&mut self, transfer: &mut Transfer<'_>, octets: &[u8], peer: Peer) -> Option<&[u8]> {
        let received = crate::clock::wall();
        let (length, message) = self.outbox.split_at_mut(LENGTH);
        let written = transfer.next(message)?;
        length.copy_from_slice(&(written as u16).to_be_bytes());
        self.record(received, octets, written, peer);
        Some(&self.outbox[..LENGTH + written])
    }
}

/// Makes the answers of a connection with simultaneous queries.
#[derive(Debug)]
pub(super) struct SharedResponder {
    service: Service,
    turns: Semaphore,
    long_query: Semaphore,
    /// Number of octets of answers that may be made before the client reads some.
    room: Arc<Semaphore>,
}

/// An answer without its length.
pub(super) struct Answer {
    pub(super) message: Bytes,
    /// Time for which it may be cached, in seconds; `None` for failures and referrals.
    pub(super) ttl: Option<u32>,
}

/// An answer that the client has not read yet, with its part of the room for answers. The part becomes free when the
/// transport drops the answer.
struct Unread {
    answer: Box<[u8]>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl SharedResponder {
    pub(super) fn new(service: Service) -> Self {
        Self {
            service,
            turns: Semaphore::new(MESSAGES_AT_ONCE),
            long_query: Semaphore::new(1),
            room: Arc::new(Semaphore::new(UNREAD)),
        }
    }

    /// Waits until another message may be read.
    pub(super) async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("nothing closes the semaphore")
    }

    /// Waits until a query of more than [`SHORT_QUERY`] octets may be read on.
    pub(super) async fn long_turn(&self) -> SemaphorePermit<'_> {
        self.long_query.acquire().await.expect("nothing closes the semaphore")
    }

    /// Returns the answer; `None` if the message is not a query, or violates the rules of its transport. Waits for room
    /// while the client leaves other answers unread.
    pub(super) async fn answer(&self, octets: &[u8], peer: Peer) -> Option<Answer> {
        let query = Query::parse(octets)?;
        let room = self.room.clone().acquire_many_owned(MAX_MESSAGE as u32).await;
        let mut room = room.expect("nothing closes the semaphore");
        let (answer, ttl): (Box<[u8]>, _) = {
            let mut responder = self.service.responder();
            let (answer, ttl) = responder.answer(&query, octets, peer)?;
            (answer[LENGTH..].into(), ttl)
        };
        drop(room.split(MAX_MESSAGE - answer.len()));
        Some(Answer { message: Bytes::from_owner(Unread { answer, _room: room }), ttl })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_shrink_the_limits() {
        let within = |connections, per_client, descriptors| {
            let limits = TcpLimits { connections, connections_per_client: per_client, ..TcpLimits::default() };
            let limits = limits.within(descriptors);
            (limits.connections, limits.connections_per_client)
        };
        assert_eq!(within(512, 64, 48), (48, 6));
        assert_eq!(within(512, 64, 1), (1, 1));
        assert_eq!(within(512, 64, 512), (512, 64));
        assert_eq!(within(12_000, 64, 4_992), (4_992, 64), "an eighth is more");
        assert_eq!(within(1_000, 1_000, 500), (500, 500));
    }
}
