//! DNS over TCP (RFC 7766): a task for each listener, a task for each connection.
//!
//! A connection asks as often as it likes, one query behind the other without waiting; its answers come in order. While
//! an answer cannot be written, nothing more is read: what a connection takes up is its two buffers, whatever its client
//! does.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::seats::{Seat, Seats};
use crate::answer::{Asker, Outcome, Rotation, Transport, Worker, answer};
use crate::snapshot::Snapshot;
use crate::wire::{HEADER_LENGTH, MAX_MESSAGE};

/// How long nothing is accepted when there are no descriptors or no memory left for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Octets of a message's length, which goes before it (RFC 1035, section 4.2.2).
const LENGTH: usize = 2;

/// What TCP clients may take up. The default is what suits resolvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one client: an IPv4 address or an IPv6 /64.
    pub connections_per_client: usize,
    /// How long a connection without a query stays open.
    pub idle: Duration,
    /// How long a message may take from its first octet to its last one.
    pub query: Duration,
    /// How long a client may take to make room for an answer.
    pub answer: Duration,
}

impl Default for TcpLimits {
    /// 512 connections leave half of the 1024 descriptors that a process usually has. RFC 7766, section 6.2.2, allows limits
    /// for each client; section 6.2.3 recommends an idle time "of the order of a few seconds".
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_client: 64,
            idle: Duration::from_secs(10),
            query: Duration::from_secs(5),
            answer: Duration::from_secs(5),
        }
    }
}

/// What answers are made from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) published: Arc<ArcSwap<Snapshot>>,
    pub(super) rotation: Arc<Rotation>,
}

/// Accepts the connections of one listener. The listener is dropped first: who waits for `stopping` finds the port free.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) source: Source,
    pub(super) seats: Arc<Seats>,
    pub(super) limits: TcpLimits,
    /// Changed or closed: time to end.
    pub(super) stopping: watch::Receiver<()>,
}

impl Acceptor {
    /// Accepts until told to end.
    pub(super) async fn run(mut self) {
        let mut is_failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stopping.changed() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.receive(stream, peer.ip());
                }
                // The client has gone already.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "accepting connections over TCP fails");
                    }
                    is_failing = true;
                    // The connection remains in the kernel's queue: asking at once for it again would fail again.
                    self.seats.free_one();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn receive(&self, stream: TcpStream, client: IpAddr) {
        // Without it an answer waits for the acknowledgement of the one before. Only a dead connection refuses it.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let seat = self.seats.take(client);
        let connection = Connection {
            stream,
            asker: Asker { address: client, transport: Transport::Tcp, idle: Some(self.limits.idle) },
            inbox: Inbox::new(),
            outbox: vec![0; LENGTH + MAX_MESSAGE].into(),
            source: self.source.clone(),
            worker: Worker::new(self.source.rotation.clone()),
            limits: self.limits,
            stopping: self.stopping.clone(),
        };
        tokio::spawn(connection.run(seat));
    }
}

struct Connection {
    stream: TcpStream,
    asker: Asker,
    inbox: Inbox,
    /// An answer behind its length.
    outbox: Box<[u8]>,
    source: Source,
    worker: Worker,
    limits: TcpLimits,
    stopping: watch::Receiver<()>,
}

/// A connection is to be closed: its client went, took too long, or does not speak DNS.
struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Connection {
    async fn run(mut self, seat: Seat) {
        tokio::select! {
            Over = self.converse(&seat) => {}
            () = seat.evicted() => {}
        }
    }

    async fn converse(&mut self, seat: &Seat) -> Over {
        loop {
            let Ok(query) = self.next_query().await else { return Over };
            seat.touch();
            if let Err(over) = self.answer(query).await {
                return over;
            }
        }
    }

    /// Where in the inbox the next query stands.
    async fn next_query(&mut self) -> Result<Range<usize>, Over> {
        let mut began = !self.inbox.is_empty();
        let mut deadline = Instant::now() + if began { self.limits.query } else { self.limits.idle };
        loop {
            if let Some(query) = self.inbox.take()? {
                return Ok(query);
            }
            let read = tokio::select! {
                // What can be read is read, even at the end.
                biased;
                read = self.stream.read(self.inbox.room()) => read?,
                () = sleep_until(deadline) => return Err(Over),
                // What has begun may be completed; whoever ends all of this sets a limit.
                _ = self.stopping.changed(), if !began => return Err(Over),
            };
            if read == 0 {
                return Err(Over);
            }
            self.inbox.end += read;
            if !began {
                began = true;
                deadline = Instant::now() + self.limits.query;
            }
        }
    }

    /// Writes length and answer together: in two segments they would cost the client two wake-ups (RFC 7766, section 8).
    async fn answer(&mut self, query: Range<usize>) -> Result<(), Over> {
        let (length, message) = self.outbox.split_at_mut(LENGTH);
        let query = &self.inbox.octets[query];
        let (snapshot, now) = (self.source.published.load(), super::unix_time());
        let outcome = answer(&snapshot, &mut self.worker, query, self.asker, now, message);
        let Outcome::Reply { length: written, .. } = outcome else { return Ok(()) };
        length.copy_from_slice(&(written as u16).to_be_bytes());
        let answer = &self.outbox[..LENGTH + written];
        timeout(self.limits.answer, self.stream.write_all(answer)).await.map_err(|_| Over)?.map_err(Over::from)
    }
}

/// What was read and not answered yet; there is room for one message of any length.
struct Inbox {
    octets: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    fn new() -> Self {
        Self { octets: vec![0; LENGTH + MAX_MESSAGE].into(), start: 0, end: 0 }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Where the next message stands, if all of it is there. One that is shorter than a header is no DNS message, and
    /// nothing after it can be trusted.
    fn take(&mut self) -> Result<Option<Range<usize>>, Over> {
        let Some((length, rest)) = self.octets[self.start..self.end].split_first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if length < HEADER_LENGTH {
            return Err(Over);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let message = self.start + LENGTH..self.start + LENGTH + length;
        self.start = message.end;
        Ok(Some(message))
    }

    /// Room to read into; never empty while no whole message is there.
    fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.octets.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.octets[self.end..]
    }
}
