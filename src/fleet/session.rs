//! One connection after the other to a NATS server, and the messages over it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, Subscriber};
use futures_util::StreamExt;
use rustls::crypto::ring;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::encoding::{Unreadable, decode, encode};
use super::streams::Streams;
use super::subjects::Subjects;
use super::versions::Job;
use crate::config::{Fleet, FleetIdentity, FleetLogin};
use crate::counters::{FleetCounters, NodeCounters};
use crate::ledger::{Book, Publish, StreamEvent};
use crate::printable::Printable;
use crate::vantage::{FleetEvent, Letter};

/// Longest time to connect to a server.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest time that a message may wait to be sent. After that the connection is too slow, and the message is lost.
const SEND: Duration = Duration::from_millis(500);

/// Longest time to send the last messages when the node stops.
const FLUSH: Duration = Duration::from_millis(500);

/// The pause after the first failure. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Range of the time between two pings. A connection without an answer to two of them is broken.
const PING: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// Messages that wait to be read.
const UNREAD: usize = 4096;

/// Events of the connection that wait to be read.
const EVENTS: usize = 64;

/// A refusal of the server is told again after this time at the earliest.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);

/// A connection that works.
struct Session {
    client: Client,
    heard: [Subscriber; 5],
    events: mpsc::Receiver<Event>,
    /// The last refusal of the server that was told.
    refusal: Option<(String, Instant)>,
}

/// Why a session ended.
enum End {
    /// The node stops.
    Stopped,
    /// The connection broke.
    Broken(Box<str>),
}

/// What a node has for the others.
#[derive(Debug)]
pub struct Mail {
    /// Messages. They may be lost.
    pub letters: mpsc::Receiver<Vec<Letter>>,
    /// Entries for the streams. Those that are lost are submitted again.
    pub entries: mpsc::Receiver<Vec<Publish>>,
    /// Versions of the zones to store and to fetch. Without a connection they are refused.
    pub jobs: mpsc::Receiver<Job>,
}

/// What this room tells.
#[derive(Debug)]
pub enum Told {
    /// Something about the connection, or a message.
    Fleet(FleetEvent),
    /// Something about the streams of orders.
    Stream(StreamEvent),
}

/// Sends the mail and tells what comes, until there are no more letters. Connects again whenever the connection breaks. Reads
/// these streams.
pub async fn run<F: Future<Output = ()>>(
    fleet: Fleet,
    mut mail: Mail,
    books: &[Book],
    counters: Arc<NodeCounters>,
    tell: impl Fn(Told) -> F,
) {
    let subjects = Subjects::new(&fleet.name, fleet.node.clone());
    let counters = &counters.fleet;
    let (mut told, mut failures) = (None, 0_u32);
    loop {
        let why = match Session::open(&fleet, &subjects).await {
            Ok(mut session) => {
                counters.connections.fetch_add(1, Relaxed);
                let began = Instant::now();
                tell(Told::Fleet(FleetEvent::Connected(session.server()))).await;
                told = None;
                let streams = Streams::new(session.client.clone(), &fleet, &subjects, counters);
                let Mail { letters, entries, jobs } = &mut mail;
                let end = tokio::select! {
                    end = session.converse(&subjects, letters, counters, &tell) => end,
                    never = streams.share(books, entries, jobs, &tell), if !books.is_empty() => match never {},
                };
                let End::Broken(why) = end else { return };
                // A server that breaks each connection at once gets no peace otherwise.
                if began.elapsed() > LONGEST_PAUSE {
                    failures = 0;
                }
                why
            }
            Err(why) => {
                counters.failed_connections.fetch_add(1, Relaxed);
                why
            }
        };
        if told.as_ref() != Some(&why) {
            tell(Told::Fleet(FleetEvent::Disconnected(why.clone()))).await;
            told = Some(why);
        }
        let pause = pause(failures, fastrand::f64());
        failures = failures.saturating_add(1);
        if !wait(pause, &mut mail, counters).await {
            return;
        }
    }
}

/// The pause after this number of earlier failures. `chance`, from 0 to 1, shortens it by up to half, so that nodes that
/// lost their server together do not come back together.
fn pause(failures: u32, chance: f64) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
    full.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}

/// Waits, and drops the mail that comes meanwhile. Returns false if the node stops.
async fn wait(time: Duration, mail: &mut Mail, counters: &FleetCounters) -> bool {
    let over = sleep(time);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return true,
            // They wait in the ledger.
            Some(_) = mail.entries.recv() => {}
            Some(job) = mail.jobs.recv() => job.refuse(),
            lost = mail.letters.recv() => match lost {
                Some(lost) => _ = counters.lost.fetch_add(lost.len() as u64, Relaxed),
                None => return false,
            },
        }
    }
}

impl Session {
    /// Connects to one of the servers. Fails with a sentence for operators.
    async fn open(fleet: &Fleet, subjects: &Subjects) -> Result<Self, Box<str>> {
        let (told, events) = mpsc::channel(EVENTS);
        let options = options(fleet, told)?;
        let servers: Vec<String> = fleet.servers.iter().map(ToString::to_string).collect();
        let client = options.connect(servers).await.map_err(|error| sentence(&error).into_boxed_str())?;
        let [reports, asks, samples, rows, reported] = subjects.heard().map(|subject| client.subscribe(subject));
        let heard = tokio::try_join!(reports, asks, samples, rows, reported).map_err(|error| error.to_string())?;
        // The others hear of this node next: it must hear them by then.
        let flushed = timeout(CONNECT, client.flush()).await;
        flushed.map_err(|_| "the server does not answer")?.map_err(|error| error.to_string())?;
        Ok(Self { client, heard: heard.into(), events, refusal: None })
    }

    /// The server as operators know it.
    fn server(&self) -> Box<str> {
        let info = self.client.server_info();
        let name = if info.server_name.is_empty() { info.server_id } else { info.server_name };
        format!("{} (nats-server {})", Printable(&name), Printable(&info.version)).into()
    }

    /// Sends and hears until the connection breaks or the node stops.
    async fn converse<F: Future<Output = ()>>(
        &mut self,
        subjects: &Subjects,
        letters: &mut mpsc::Receiver<Vec<Letter>>,
        counters: &FleetCounters,
        tell: &impl Fn(Told) -> F,
    ) -> End {
        loop {
            let [reports, asks, samples, rows, reported] = &mut self.heard;
            let message = tokio::select! {
                event = self.events.recv() => match self.judge(event, counters) {
                    Some(end) => return end,
                    None => continue,
                },
                sent = letters.recv() => {
                    let Some(sent) = sent else {
                        // The others learn of the end by silence if this fails.
                        let _ = timeout(FLUSH, self.client.flush()).await;
                        return End::Stopped;
                    };
                    for letter in sent {
                        self.send(subjects, &letter, counters).await;
                    }
                    continue;
                },
                message = reports.next() => message,
                message = asks.next() => message,
                message = samples.next() => message,
                message = rows.next() => message,
                message = reported.next() => message,
            };
            let Some(message) = message else { return End::Broken("the connection was closed".into()) };
            counters.heard.fetch_add(1, Relaxed);
            counters.heard_octets.fetch_add(message.payload.len() as u64, Relaxed);
            match decode(&message.payload) {
                Ok(read) => match subjects.sender(&message.subject, &read) {
                    Some(sender) => tell(Told::Fleet(FleetEvent::Heard(sender, Box::new(read)))).await,
                    None => _ = counters.malformed.fetch_add(1, Relaxed),
                },
                Err(Unreadable::Malformed) => _ = counters.malformed.fetch_add(1, Relaxed),
                Err(Unreadable::Foreign) => _ = counters.foreign.fetch_add(1, Relaxed),
            }
        }
    }

    async fn send(&self, subjects: &Subjects, letter: &Letter, counters: &FleetCounters) {
        let payload = encode(&letter.message);
        let octets = payload.len() as u64;
        match timeout(SEND, self.client.publish(subjects.of(letter), payload.into())).await {
            Ok(Ok(())) => {
                counters.sent.fetch_add(1, Relaxed);
                counters.sent_octets.fetch_add(octets, Relaxed);
            }
            Ok(Err(_)) | Err(_) => _ = counters.lost.fetch_add(1, Relaxed),
        }
    }

    /// Judges an event of the connection. Returns the end of the session if it is one.
    fn judge(&mut self, event: Option<Event>, counters: &FleetCounters) -> Option<End> {
        match event {
            Some(Event::Connected | Event::Draining) => None,
            Some(Event::SlowConsumer(_)) => {
                counters.lost.fetch_add(1, Relaxed);
                None
            }
            Some(Event::ServerError(error)) => {
                let text = Printable(&error).to_string();
                let is_new =
                    self.refusal.as_ref().is_none_or(|(last, at)| *last != text || at.elapsed() > REFUSED_AGAIN);
                if is_new {
                    warn!(error = text, "the NATS server refuses something: check the permissions of this node's user");
                    self.refusal = Some((text, Instant::now()));
                }
                None
            }
            Some(Event::LameDuckMode) => Some(End::Broken("the server is being stopped".into())),
            Some(Event::ClientError(error)) => Some(End::Broken(Printable(&error).to_string().into())),
            Some(Event::Disconnected | Event::Closed) | None => Some(End::Broken("the connection broke".into())),
        }
    }
}

fn options(fleet: &Fleet, told: mpsc::Sender<Event>) -> Result<ConnectOptions, Box<str>> {
    let told = move |event| {
        // The first event that matters ends the session, so later ones may be lost.
        let _ = told.try_send(event);
        std::future::ready(())
    };
    let options = ConnectOptions::new()
        .name(format!("truenorth {}", fleet.node))
        .no_echo()
        .connection_timeout(CONNECT)
        .ping_interval(fleet.interval.clamp(PING[0], PING[1]))
        .subscription_capacity(UNREAD)
        // Each server once: this room pauses between two attempts, and tells why they fail.
        .max_reconnects(fleet.servers.len())
        .reconnect_delay_callback(|_| Duration::ZERO)
        .ignore_discovered_servers()
        .event_callback(told);
    let options = match &fleet.login {
        FleetLogin::Open => options,
        FleetLogin::Nkey(seed) => options.nkey(seed.to_string()),
        FleetLogin::Password(user, password) => options.user_and_password(user.to_string(), password.to_string()),
        FleetLogin::Credentials(credentials) => {
            options.credentials(credentials).map_err(|error| format!("the credentials cannot be used: {error}"))?
        }
    };
    Ok(match tls(fleet)? {
        Some(tls) => options.tls_client_config(tls),
        None => options,
    })
}

/// The settings of TLS; `None` if those of the client will do.
fn tls(fleet: &Fleet) -> Result<Option<ClientConfig>, Box<str>> {
    let Fleet { authorities, identity, .. } = fleet;
    if authorities.is_none() && identity.is_none() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(authorities) => _ = roots.add_parsable_certificates(authorities.iter().cloned()),
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    Ok(Some(match identity {
        Some(FleetIdentity(identity)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone())))
        }
        None => builder.with_no_client_auth(),
    }))
}

/// A failure to connect, in a sentence.
fn sentence(error: &async_nats::ConnectError) -> String {
    let source = error.source().map(|source| format!(": {}", deepest(source))).unwrap_or_default();
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            "the server does not accept this node's credentials".to_owned()
        }
        ConnectErrorKind::TimedOut => "the server does not answer in time".to_owned(),
        ConnectErrorKind::Dns => format!("the server's name cannot be looked up{source}"),
        ConnectErrorKind::Tls => format!("TLS{source}"),
        ConnectErrorKind::MaxReconnects => "no server can be reached".to_owned(),
        ConnectErrorKind::Io | ConnectErrorKind::ServerParse => format!("cannot connect{source}"),
    }
}

/// The innermost cause of an error, which says most.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Printable(innermost).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_are_spread() {
        let longest: Vec<u128> = (0..8).map(|failures| pause(failures, 0.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(pause(u32::MAX, 0.0), LONGEST_PAUSE);
        assert_eq!(pause(6, 1.0), LONGEST_PAUSE / 2);
    }
}
