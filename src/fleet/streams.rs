//! The streams of the fleet's orders, over JetStream: entries go out, and those of all nodes come in the order of the stream.
//!
//! Each stream keeps the last message of each subject, and is read from its beginning whenever it is opened. It is created if
//! it does not exist. An operator may change it, such as the number of its copies, and that stays. The stream of the versions of
//! the zones also holds the versions themselves (`versions`).

use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::context::{
    GetStreamError, GetStreamErrorKind, PublishErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, header, jetstream};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::MAX_PAYLOAD;
use super::encoding::{Unreadable, decode_entry, encode_entry};
use super::session::{Told, deepest};
use super::subjects::Subjects;
use super::versions::Job;
use crate::config::Fleet;
use crate::counters::FleetCounters;
use crate::ledger::{Book, MatterKey, Publish, StreamEvent};
use crate::printable::Printable;
use crate::versions::{KEPT, MAX_OCTETS, PART};

/// Longest time for an answer of JetStream.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// How long the stream of what passes keeps a message: longer than any TXT record or lease lasts.
const PASSES_AFTER: Duration = Duration::from_secs(8 * 24 * 3600);

/// Most messages in the stream of the versions: enough for all that are kept, even if each is as large as it may be.
const MAX_PARTS: usize = KEPT * 2 * MAX_OCTETS.div_ceil(PART);

/// How long the server knows the ids of messages, so that one that is sent twice is stored once.
const SENT_TWICE: Duration = Duration::from_secs(120);

/// The pause after the first failure. It doubles with each further one, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often a node looks whether the stream is still the one that it reads.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// After this time the stream is read from its beginning again, so that what it has forgotten is forgotten here too.
const READ_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// Confirmations that are awaited at a time: more than there are entries on their way, even if all are sent again.
const UNCONFIRMED: usize = 1024;

/// The streams, as one connection sees them.
pub(super) struct Streams<'a> {
    pub(super) context: Context,
    pub(super) subjects: &'a Subjects,
    replicas: usize,
    pub(super) counters: &'a FleetCounters,
}

impl<'a> Streams<'a> {
    pub(super) fn new(client: Client, fleet: &Fleet, subjects: &'a Subjects, counters: &'a FleetCounters) -> Self {
        let builder = jetstream::context::ContextBuilder::new().timeout(ANSWER).max_ack_inflight(UNCONFIRMED);
        let context = match &fleet.jetstream_domain {
            Some(domain) => builder.domain(&**domain).build(client),
            None => builder.build(client),
        };
        Self { context, subjects, replicas: fleet.replicas, counters }
    }

    /// Reads these streams, submits entries, and stores and fetches versions, for as long as the connection lasts.
    pub(super) async fn share<F: Future<Output = ()>>(
        &self,
        books: &[Book],
        entries: &mut mpsc::Receiver<Vec<Publish>>,
        jobs: &mut mpsc::Receiver<Job>,
        tell: &impl Fn(Told) -> F,
    ) -> Infallible {
        let [lasting, passing, zones] = Book::ALL.map(|book| self.follow(book, tell));
        let reads = |book| books.contains(&book);
        tokio::select! {
            never = lasting, if reads(Book::Lasting) => never,
            never = passing, if reads(Book::Passing) => never,
            never = zones, if reads(Book::Zones) => never,
            never = self.submit(entries, tell) => never,
            never = self.work(jobs) => never,
        }
    }

    /// Reads a stream; begins anew when that fails.
    async fn follow<F: Future<Output = ()>>(&self, book: Book, tell: &impl Fn(Told) -> F) -> Infallible {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let Some(why) = self.read(book, tell).await.err() else { continue };
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tell(Told::Stream(StreamEvent::Closed(book, why))).await;
            sleep(pause.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads a stream until it is time to begin anew. Fails with a sentence for operators.
    async fn read<F: Future<Output = ()>>(&self, book: Book, tell: &impl Fn(Told) -> F) -> Result<(), Box<str>> {
        let stream = self.open(book).await?;
        let info = stream.cached_info();
        let (identity, last) = (info.created.unix_timestamp_nanos().unsigned_abs(), info.state.last_sequence);
        let config = OrderedConfig {
            deliver_subject: self.context.client().new_inbox(),
            deliver_policy: DeliverPolicy::All,
            filter_subject: self.subjects.entries(book),
            ..OrderedConfig::default()
        };
        let consumer = timeout(ANSWER, stream.create_consumer(config)).await;
        let consumer = consumer.map_err(|_| silent())?.map_err(|error| {
            format!("the stream {} cannot be read: {}", info.config.name, deepest(&error)).into_boxed_str()
        })?;
        let mut is_read = consumer.cached_info().num_pending == 0;
        let messages = timeout(ANSWER, consumer.messages()).await.map_err(|_| silent())?;
        let mut messages = messages.map_err(|error| deepest(&error).into_boxed_str())?;
        tell(Told::Stream(StreamEvent::Opened { book, identity, last })).await;
        if is_read {
            tell(Told::Stream(StreamEvent::Read(book))).await;
        }
        let (mut look_at, again_at) = (Instant::now() + LOOK_EVERY, Instant::now() + READ_AGAIN);
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = sleep_until(look_at) => {
                    if again_at <= look_at {
                        return Ok(());
                    }
                    look_at += LOOK_EVERY;
                    self.look(&stream).await?;
                    continue;
                }
            };
            let message = message.ok_or("the stream is no longer read")?.map_err(|error| deepest(&error))?;
            let Ok((sequence, pending)) = message.info().map(|info| (info.stream_sequence, info.pending)) else {
                continue;
            };
            self.counters.heard.fetch_add(1, Relaxed);
            self.counters.heard_octets.fetch_add(message.payload.len() as u64, Relaxed);
            match decode_entry(&message.payload) {
                Ok(entry) if self.subjects.entry(&entry) == message.subject.as_str() => {
                    let entry = Box::new(entry);
                    tell(Told::Stream(StreamEvent::Heard { sequence, entry })).await;
                }
                Ok(_) | Err(Unreadable::Malformed) => _ = self.counters.malformed.fetch_add(1, Relaxed),
                Err(Unreadable::Foreign) => _ = self.counters.foreign.fetch_add(1, Relaxed),
            }
            if !is_read && pending == 0 {
                is_read = true;
                tell(Told::Stream(StreamEvent::Read(book))).await;
            }
        }
    }

    /// Fails if the stream is another one than before.
    async fn look(&self, stream: &Stream) -> Result<(), Box<str>> {
        let info = timeout(ANSWER, stream.get_info()).await.map_err(|_| silent())?;
        let info = info.map_err(|error| format!("the stream cannot be found: {}", deepest(&error)))?;
        let is_same = info.created == stream.cached_info().created;
        if is_same { Ok(()) } else { Err("the stream was replaced by another one".into()) }
    }

    /// Finds or creates a stream.
    pub(super) async fn open(&self, book: Book) -> Result<Stream, Box<str>> {
        let name = self.subjects.stream(book);
        let found = timeout(ANSWER, self.context.get_stream(&name)).await.map_err(|_| silent())?;
        let stream = match found {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    let created = timeout(ANSWER, self.context.create_stream(self.config(book))).await;
                    created.map_err(|_| silent())?.map_err(|error| {
                        format!("the stream {name} cannot be created: {}", deepest(&error)).into_boxed_str()
                    })?
                }
                GetStreamErrorKind::JetStream(why)
                    if [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT]
                        .contains(&why.error_code()) =>
                {
                    return Err(off());
                }
                GetStreamErrorKind::JetStream(why) => {
                    return Err(format!("the stream {name} cannot be found: {}", Printable(&why)).into());
                }
                _ if is_nobody(&error) => return Err(off()),
                _ => return Err(format!("the stream {name} cannot be found: {}", deepest(&error)).into()),
            },
        };
        let config = &stream.cached_info().config;
        if config.max_messages_per_subject != 1 || !config.subjects.contains(&self.subjects.stored(book)) {
            return Err(format!("the stream {name} is not one of truenorth: it has other subjects, or keeps more than the last message of each").into());
        }
        Ok(stream)
    }

    fn config(&self, book: Book) -> Config {
        Config {
            name: self.subjects.stream(book),
            description: Some("what is ordered in a fleet of truenorth".to_owned()),
            subjects: vec![self.subjects.stored(book)],
            max_messages_per_subject: 1,
            // The oldest parts go first. What is current is always later than its parts.
            max_messages: if book == Book::Zones { i64::try_from(MAX_PARTS).unwrap_or(-1) } else { -1 },
            max_message_size: i32::try_from(MAX_PAYLOAD).unwrap_or(-1),
            max_age: if book == Book::Passing { PASSES_AFTER } else { Duration::ZERO },
            duplicate_window: SENT_TWICE,
            num_replicas: self.replicas,
            ..Config::default()
        }
    }

    /// Submits entries, and tells which of them the streams do not take. Those that they take are heard.
    async fn submit<F: Future<Output = ()>>(
        &self,
        entries: &mut mpsc::Receiver<Vec<Publish>>,
        tell: &impl Fn(Told) -> F,
    ) -> Infallible {
        let mut confirmations: JoinSet<(MatterKey, Result<(), PublishErrorKind>)> = JoinSet::new();
        loop {
            let batch = tokio::select! {
                batch = entries.recv() => match batch {
                    Some(batch) => batch,
                    // The node stops.
                    None => std::future::pending().await,
                },
                Some(confirmed) = confirmations.join_next() => {
                    if let Ok((key, Err(why))) = confirmed {
                        tell(Told::Stream(refusal(key, why))).await;
                    }
                    continue;
                }
            };
            for Publish { entry, expects } in batch {
                let key = entry.key();
                let (payload, origin) = (encode_entry(&entry), entry.origin());
                let octets = payload.len() as u64;
                let id = format!("{}-{}-{}", origin.node, origin.run, origin.number);
                let message = PublishMessage::build().payload(payload.into()).message_id(id);
                let message = match expects {
                    Some(expects) => {
                        message.header(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expects.to_string().as_str())
                    }
                    None => message,
                };
                match self.context.send_publish(self.subjects.entry(&entry), message).await {
                    Ok(confirmation) => {
                        self.counters.sent.fetch_add(1, Relaxed);
                        self.counters.sent_octets.fetch_add(octets, Relaxed);
                        confirmations.spawn(async move {
                            let confirmed = timeout(ANSWER, confirmation.into_future()).await;
                            (
                                key,
                                match confirmed {
                                    Ok(Ok(_)) => Ok(()),
                                    Ok(Err(error)) => Err(error.kind()),
                                    Err(_) => Err(PublishErrorKind::TimedOut),
                                },
                            )
                        });
                    }
                    Err(error) => tell(Told::Stream(refusal(key, error.kind()))).await,
                }
            }
        }
    }
}

/// The event of an entry that was not taken.
fn refusal(key: MatterKey, why: PublishErrorKind) -> StreamEvent {
    match why {
        PublishErrorKind::WrongLastSequence => StreamEvent::Overtaken(key),
        PublishErrorKind::TimedOut | PublishErrorKind::StreamNotFound => {
            let why = "the stream does not confirm it: check the permissions of this node's user, and the stream";
            StreamEvent::Refused(key, why.into())
        }
        PublishErrorKind::MaxPayloadExceeded => StreamEvent::Refused(key, "it is too long for the NATS server".into()),
        other => StreamEvent::Refused(key, other.to_string().into()),
    }
}

/// True if nobody answers for JetStream.
fn is_nobody(error: &GetStreamError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<RequestError>());
    source.is_some_and(|source| source.kind() == RequestErrorKind::NoResponders)
}

pub(super) fn silent() -> Box<str> {
    "JetStream does not answer: check the permissions of this node's user, and that the servers of the stream run"
        .into()
}

fn off() -> Box<str> {
    "JetStream is not enabled on the NATS server, or not for this account".into()
}
