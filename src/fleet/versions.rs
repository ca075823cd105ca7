//! Versions of the zones in their stream: stored in parts, and fetched.
//!
//! A part is a message of its own, under the digest of the version and the number of the part. Whoever fetches a version
//! puts the parts together and compares the digest, so a part that is missing, damaged or forged is noticed.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::session::deepest;
use super::streams::{ANSWER, Streams, silent};
use crate::ledger::Book;
use crate::versions::{Digest, PART, parts_of};

/// Parts on their way to the stream at a time.
const IN_FLIGHT: usize = 16;

/// Longest time for the next part of a version that is fetched.
const NEXT_PART: Duration = Duration::from_secs(5);

/// Why a version is not stored or fetched, in a sentence.
pub type JobResult<T> = Result<T, Box<str>>;

/// Something to do with a version. Whoever asks waits for the result.
#[derive(Debug)]
pub enum Job {
    /// Store the octets of the version with this digest.
    Store(Digest, Arc<[u8]>, oneshot::Sender<JobResult<()>>),
    /// Store them if the stream does not have them all.
    Keep(Digest, Arc<[u8]>, oneshot::Sender<JobResult<()>>),
    /// Fetch the version with this digest and this number of octets.
    Fetch(Digest, usize, oneshot::Sender<JobResult<Vec<u8>>>),
}

impl Job {
    /// Says that there is no connection.
    pub(super) fn refuse(self) {
        let why = "not connected";
        // Whoever asked may be gone.
        match self {
            Self::Store(.., reply) | Self::Keep(.., reply) => _ = reply.send(Err(why.into())),
            Self::Fetch(.., reply) => _ = reply.send(Err(why.into())),
        }
    }
}

impl Streams<'_> {
    /// Does one job after the other.
    pub(super) async fn work(&self, jobs: &mut mpsc::Receiver<Job>) -> Infallible {
        loop {
            match jobs.recv().await {
                Some(Job::Store(id, octets, reply)) => _ = reply.send(self.store(id, &octets).await),
                Some(Job::Keep(id, octets, reply)) => {
                    let stored = match self.stored_parts(id).await {
                        Ok(stored) if stored == parts_of(octets.len()) => Ok(()),
                        Ok(_) => self.store(id, &octets).await,
                        Err(why) => Err(why),
                    };
                    let _ = reply.send(stored);
                }
                Some(Job::Fetch(id, octets, reply)) => _ = reply.send(self.fetch(id, octets).await),
                // The node stops.
                None => std::future::pending().await,
            }
        }
    }

    async fn store(&self, id: Digest, octets: &[u8]) -> JobResult<()> {
        self.open(Book::Zones).await?;
        let refused = |why: &PublishError| match why.kind() {
            PublishErrorKind::TimedOut => unconfirmed(),
            _ => format!("the version cannot be stored: {}", deepest(why)).into(),
        };
        let confirm = async |confirmation: PublishAckFuture| {
            let confirmed = timeout(ANSWER, confirmation.into_future()).await.map_err(|_| unconfirmed())?;
            confirmed.map(drop).map_err(|error| refused(&error))
        };
        let mut confirmations = Vec::new();
        for (number, part) in octets.chunks(PART).enumerate() {
            let message = PublishMessage::build().payload(part.to_vec().into());
            let sent = timeout(ANSWER, self.context.send_publish(self.subjects.part(id, number), message)).await;
            let sent = sent.map_err(|_| silent())?.map_err(|error| refused(&error))?;
            self.counters.sent.fetch_add(1, Relaxed);
            self.counters.sent_octets.fetch_add(part.len() as u64, Relaxed);
            confirmations.push(sent);
            if confirmations.len() >= IN_FLIGHT {
                for confirmation in confirmations.drain(..) {
                    confirm(confirmation).await?;
                }
            }
        }
        for confirmation in confirmations {
            confirm(confirmation).await?;
        }
        Ok(())
    }

    /// Number of parts of a version that the stream has.
    async fn stored_parts(&self, id: Digest) -> JobResult<usize> {
        let stream = self.open(Book::Zones).await?;
        let consumer = timeout(ANSWER, stream.create_consumer(self.reading(id))).await.map_err(|_| silent())?;
        let consumer = consumer.map_err(|error| deepest(&error))?;
        Ok(usize::try_from(consumer.cached_info().num_pending).unwrap_or(usize::MAX))
    }

    async fn fetch(&self, id: Digest, octets: usize) -> JobResult<Vec<u8>> {
        let stream = self.open(Book::Zones).await?;
        let consumer = timeout(ANSWER, stream.create_consumer(self.reading(id))).await.map_err(|_| silent())?;
        let consumer = consumer.map_err(|error| deepest(&error))?;
        let mut left = consumer.cached_info().num_pending;
        let mut parts: Vec<Option<Vec<u8>>> = vec![None; parts_of(octets)];
        let messages = timeout(ANSWER, consumer.messages()).await.map_err(|_| silent())?;
        let mut messages = messages.map_err(|error| deepest(&error))?;
        while left > 0 && parts.iter().any(Option::is_none) {
            let message = timeout(NEXT_PART, messages.next()).await.map_err(|_| silent())?;
            let message = message.ok_or("the stream is no longer read")?.map_err(|error| deepest(&error))?;
            left -= 1;
            self.counters.heard.fetch_add(1, Relaxed);
            self.counters.heard_octets.fetch_add(message.payload.len() as u64, Relaxed);
            let place = self.subjects.part_number(id, &message.subject).and_then(|number| parts.get_mut(number));
            match place {
                Some(place) if message.payload.len() <= PART => *place = Some(message.payload.to_vec()),
                _ => _ = self.counters.malformed.fetch_add(1, Relaxed),
            }
        }
        let missing = parts.iter().filter(|part| part.is_none()).count();
        if missing > 0 {
            return Err(format!("the stream lacks {missing} of its {} parts", parts.len()).into());
        }
        Ok(parts.into_iter().flatten().flatten().collect())
    }

    fn reading(&self, id: Digest) -> OrderedConfig {
        OrderedConfig {
            deliver_subject: self.context.client().new_inbox(),
            deliver_policy: DeliverPolicy::All,
            filter_subject: self.subjects.parts(id),
            ..OrderedConfig::default()
        }
    }
}

fn unconfirmed() -> Box<str> {
    "the stream does not confirm the version: check the permissions of this node's user, and the stream".into()
}
