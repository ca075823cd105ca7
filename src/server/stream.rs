//! DNS on a stream, plain (RFC 7766) or inside of TLS (RFC 7858).
//!
//! A client may send queries without waiting for their answers. The answers come in order. RFC 7766, section 7, allows
//! answers out of order, so that a query that waits for another server delays no others. Here no query waits for
//! another server. Queries behind a zone transfer are answered after it. While the client does not take an answer,
//! nothing more is read from it. So a connection needs two buffers only while a query is answered, a small one between
//! queries, and during a transfer the snapshot that it copies from. The time of a transfer is limited, even if its client
//! reads all the time.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::service::{LENGTH, Peer, Service};
use crate::answer::Exchange;
use crate::limiter::Permit;
use crate::wire::{HEADER_LENGTH, Query};

/// Length of the inbox in octets while no longer message comes.
const SHORT: usize = 2048;

/// One connection after its handshakes.
pub(super) struct Conversation<S> {
    stream: S,
    peer: Peer,
    inbox: Inbox,
    service: Service,
}

/// The connection must be closed: its client has gone, took too long, or does not speak DNS.
struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn new(stream: S, peer: Peer, service: Service) -> Self {
        Self { stream, peer, inbox: Inbox::default(), service }
    }

    /// Answers until one side ends the conversation, and closes the connection properly.
    ///
    /// A future that took the conversation itself would hold it twice.
    pub(super) async fn run(&mut self, permit: &Permit) {
        let Over = self.converse(permit).await;
        // RFC 8446, section 6.1: each side must send `close_notify`, or the end looks like a truncation. A client that
        // does not take it in time does not get it.
        let _ = timeout(self.service.limits.answer, self.stream.shutdown()).await;
    }

    async fn converse(&mut self, permit: &Permit) -> Over {
        loop {
            let Ok(query) = self.next_query().await else { return Over };
            permit.touch();
            if let Err(over) = self.answer(query, permit).await {
                return over;
            }
        }
    }

    /// Waits for the next query, and returns its position in the inbox. Fails if the connection must be closed.
    async fn next_query(&mut self) -> Result<Range<usize>, Over> {
        let limits = self.service.limits;
        let mut began = !self.inbox.is_empty();
        let mut deadline = Instant::now() + if began { limits.query } else { limits.idle };
        loop {
            if let Some(query) = self.inbox.take()? {
                return Ok(query);
            }
            let read = tokio::select! {
                // Queries that have arrived are read, even if the server is told to stop.
                biased;
                read = self.stream.read(self.inbox.room()) => read?,
                () = sleep_until(deadline) => return Err(Over),
                // A query that has begun may be completed. The server limits the time for that.
                _ = self.service.closing.changed(), if !began => return Err(Over),
            };
            if read == 0 {
                return Err(Over);
            }
            self.inbox.end += read;
            if !began {
                began = true;
                deadline = Instant::now() + limits.query;
            }
        }
    }

    async fn answer(&mut self, query: Range<usize>, permit: &Permit) -> Result<(), Over> {
        let octets = &self.inbox.octets[query];
        let limit = self.service.limits.answer;
        let Some(query) = Query::parse(octets) else { return Ok(()) };
        let mut responder = self.service.responder();
        // A transfer holds the snapshot that it began with. Other queries hold none.
        let snapshot = query.asks_for_transfer().then(|| responder.snapshot());
        let exchange = snapshot
            .as_ref()
            .map(|snapshot| Exchange::new(snapshot, &query, self.peer.asker(), crate::clock::unix_time()));
        let Some(mut transfer) = exchange.as_ref().and_then(|exchange| responder.transfer(exchange)) else {
            let Some((answer, _)) = responder.answer(&query, octets, self.peer) else { return Ok(()) };
            return write(&mut self.stream, answer, limit).await;
        };
        let end = Instant::now() + self.service.limits.transfer;
        while let Some(message) = responder.next_of(&mut transfer, octets, self.peer) {
            let left = end.saturating_duration_since(Instant::now());
            let written = write(&mut self.stream, message, limit.min(left)).await;
            if written.is_err() && Instant::now() >= end {
                self.service.losses.transfers.fetch_add(1, Ordering::Relaxed);
            }
            written?;
            // A client that reads its transfer is not idle.
            permit.touch();
        }
        Ok(())
    }
}

/// Writes an answer with its length in front. Both are written together: two segments would wake the client up twice
/// (RFC 7766, section 8). Fails if the client does not take the answer in time.
async fn write(stream: &mut (impl AsyncWrite + Unpin), answer: &[u8], limit: Duration) -> Result<(), Over> {
    let writing = async {
        stream.write_all(answer).await?;
        // TLS buffers data that the socket did not take.
        stream.flush().await
    };
    timeout(limit, writing).await.map_err(|_| Over)?.map_err(Over::from)
}

/// Octets that were read and not answered yet.
///
/// It has room for a few short queries, and grows to the length of a longer one until that is answered.
#[derive(Default)]
struct Inbox {
    octets: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns the position of the next message; `None` if it is not complete. Fails if the message is shorter than a
    /// header: it is not DNS, so the rest of the stream cannot be trusted.
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

    /// Returns the free part of the inbox. It is never empty while there is no complete message.
    fn room(&mut self) -> &mut [u8] {
        self.octets.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let message = self.octets[..self.end].first_chunk::<LENGTH>().map_or(0, |length| u16::from_be_bytes(*length));
        let needed = (LENGTH + usize::from(message)).max(SHORT);
        if self.octets.len() != needed {
            self.octets.resize(needed, 0);
            self.octets.shrink_to_fit();
        }
        &mut self.octets[self.end..]
    }
}
