//! What every connection shares, whatever carries it: where answers come from, the limits, and the word that it is time to
//! end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};

use crate::answer::{Asker, Exchange, Reply, Rotation, Transfer, Worker, answer};
use crate::limiter::{ConnectionLimiter, Losses};
use crate::snapshot::Snapshot;
use crate::wire::{MAX_MESSAGE, Query};

/// Octets of a message's length, which goes before it on a stream (RFC 1035, section 4.2.2; RFC 9250, section 4.2).
pub(super) const LENGTH: usize = 2;

/// Messages of one connection that are read and answered at once, where its protocol has many streams: each has a buffer of
/// its own, and a client that completes none keeps no one waiting but itself.
const MESSAGES_AT_ONCE: usize = 16;

/// Octets of a query beyond which it is read alone on its connection. Sound ones, with every option and 255 octets of name,
/// have far fewer.
pub(super) const SHORT_QUERY: usize = 4096;

/// Octets of answers that one connection may leave unread, where its protocol has many streams: two of any length. A client
/// that reads gets the next ones as it goes.
const UNREAD: usize = 2 * MAX_MESSAGE;

/// What clients may take up, over TCP, TLS, HTTPS and QUIC together. The default is what suits resolvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one client: an IPv4 address or an IPv6 /64.
    pub connections_per_client: usize,
    /// How long a handshake of TLS or QUIC may take.
    pub handshake: Duration,
    /// How long a connection without a query stays open.
    pub idle: Duration,
    /// How long a message may take from its first octet to its last one.
    pub query: Duration,
    /// How long a client may take to make room for an answer.
    pub answer: Duration,
    /// How long a zone transfer may take in all. As long it holds on to the snapshot that it began with.
    pub transfer: Duration,
}

impl Default for TcpLimits {
    /// 512 connections are what resolvers that ask a busy server keep open. RFC 7766, section 6.2.2, allows limits
    /// for each client; section 6.2.3 recommends an idle time "of the order of a few seconds". Within 15 minutes a line of
    /// 1 Mbit/s carries a zone of three million records; what is slower than that keeps old zones in memory.
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
    /// No more connections than this in all; a client's share shrinks with it.
    pub fn within(self, connections: usize) -> Self {
        if connections >= self.connections {
            return self;
        }
        let share = self.connections_per_client * connections / self.connections;
        Self { connections, connections_per_client: share.max(1), ..self }
    }
}

/// What connections are served with.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) published: Arc<ArcSwap<Snapshot>>,
    pub(super) rotation: Arc<Rotation>,
    pub(super) limits: TcpLimits,
    pub(super) limiter: Arc<ConnectionLimiter>,
    pub(super) losses: Arc<Losses>,
    /// Changed or closed: time to end. Held as long as there is a socket.
    pub(super) stopping: watch::Receiver<()>,
}

impl Service {
    /// What one connection makes its answers with.
    pub(super) fn responder(&self) -> Responder {
        Responder {
            published: self.published.clone(),
            worker: Worker::new(self.rotation.clone()),
            outbox: vec![0; LENGTH + MAX_MESSAGE].into(),
        }
    }
}

/// Makes a connection's answers, one at a time.
#[derive(Debug)]
pub(super) struct Responder {
    published: Arc<ArcSwap<Snapshot>>,
    worker: Worker,
    /// An answer behind its length.
    outbox: Box<[u8]>,
}

impl Responder {
    /// The answer behind its length, and for how many seconds it may be kept, if at all. `None` to what breaks the rules of its
    /// transport.
    pub(super) fn answer(&mut self, query: &Query<'_>, asker: Asker) -> Option<(&[u8], Option<u32>)> {
        let snapshot = self.published.load();
        let exchange = Exchange::new(&snapshot, query, asker, super::unix_time());
        if exchange.breaks_protocol() {
            return None;
        }
        let (length, message) = self.outbox.split_at_mut(LENGTH);
        let Reply { length: written, ttl, .. } = answer(&exchange, &mut self.worker, message);
        length.copy_from_slice(&(written as u16).to_be_bytes());
        Some((&self.outbox[..LENGTH + written], ttl))
    }

    /// What is published now, to be copied from as long as that takes.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// The next message of a transfer behind its length; `None` behind the last one.
    pub(super) fn next_of(&mut self, transfer: &mut Transfer<'_>) -> Option<&[u8]> {
        let (length, message) = self.outbox.split_at_mut(LENGTH);
        let written = transfer.next(message)?;
        length.copy_from_slice(&(written as u16).to_be_bytes());
        Some(&self.outbox[..LENGTH + written])
    }
}

/// Makes the answers of a connection whose queries come side by side.
#[derive(Debug)]
pub(super) struct SharedResponder {
    responder: Mutex<Responder>,
    turns: Semaphore,
    long_query: Semaphore,
    /// Octets of answers that may still be made before some are read.
    room: Arc<Semaphore>,
}

/// An answer without its length.
pub(super) struct Answer {
    pub(super) message: Bytes,
    /// Seconds that it may be kept; `None` for failures and referrals.
    pub(super) ttl: Option<u32>,
}

/// An answer, and its part of the room for answers: that is free when whatever carries the answer lets go of it.
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
    pub(super) fn new(responder: Responder) -> Self {
        Self {
            responder: Mutex::new(responder),
            turns: Semaphore::new(MESSAGES_AT_ONCE),
            long_query: Semaphore::new(1),
            room: Arc::new(Semaphore::new(UNREAD)),
        }
    }

    /// Waits until one message more may be read.
    pub(super) async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("nothing closes the semaphore")
    }

    /// Waits until a query of more than [`SHORT_QUERY`] octets may be read on.
    pub(super) async fn long_turn(&self) -> SemaphorePermit<'_> {
        self.long_query.acquire().await.expect("nothing closes the semaphore")
    }

    /// The answer; `None` to what is no query, or breaks the rules of its transport. It is made when there is room for it: while
    /// the client leaves others unread, it waits.
    pub(super) async fn answer(&self, query: &[u8], asker: Asker) -> Option<Answer> {
        let query = Query::parse(query)?;
        let room = self.room.clone().acquire_many_owned(MAX_MESSAGE as u32).await;
        let mut room = room.expect("nothing closes the semaphore");
        let (answer, ttl): (Box<[u8]>, _) = {
            // What a panic could leave half-made is an answer that is not sent.
            let mut responder = self.responder.lock().unwrap_or_else(PoisonError::into_inner);
            let (answer, ttl) = responder.answer(&query, asker)?;
            (answer[LENGTH..].into(), ttl)
        };
        drop(room.split(MAX_MESSAGE - answer.len()));
        Some(Answer { message: Bytes::from_owner(Unread { answer, _room: room }), ttl })
    }
}
