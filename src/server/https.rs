//! Connections of DNS over HTTPS (RFC 8484): HTTP/1.1 and HTTP/2, as the client chooses in its handshake.
//!
//! An idle connection is closed after a while, like a plain DNS connection. Its memory is bounded: headers by
//! [`MAX_HEADERS`] and [`WAITING_TARGETS`], bodies by the number that are read at the same time, answers by the number
//! of octets that the client may leave unread. If a client makes no room for an answer, its connection is closed.

use std::convert::Infallible;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::BufWriter;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use super::answer_records::AnswerRecords;
use super::doh::{self, Rejection};
use super::service::{Answer, Peer, Service, SharedResponder, TcpLimits};
use crate::limiter::Permit;
use crate::tls::HTTP_2;

/// Maximum length of a request's head in octets: a path with a query of a few hundred octets, and the headers that
/// browsers add.
const MAX_HEADERS: usize = 16 * 1024;

/// Maximum number of simultaneous requests of a connection (RFC 9113, section 6.5.2, recommends at least 100).
const MAX_STREAMS: u32 = 100;

/// Maximum total length in octets of the targets of waiting requests. A target holds the query of a GET. Only a client
/// that does not read its answers reaches this limit.
const WAITING_TARGETS: usize = 64 * 1024;

/// Octets that a client may send ahead: on each stream, and on a connection.
const STREAM_WINDOW: u32 = 16 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// Octets of TLS records that a connection collects before it sends them: some ten answers.
pub(super) const UNSENT: usize = 4 * 1024;

/// Serves a connection until one side closes it.
pub(super) async fn converse(
    stream: TlsStream<BufWriter<TcpStream>>,
    peer: Peer,
    mut service: Service,
    permit: &Permit,
) {
    let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
    let limits = service.limits;
    let session = Arc::new(Session {
        peer,
        limits,
        responder: SharedResponder::new(service.clone()),
        targets: Semaphore::new(WAITING_TARGETS),
        stalled: Notify::new(),
        activity: Mutex::new(Activity { requests: 0, since: Instant::now() }),
    });
    let serve = service_fn(|request| {
        permit.touch();
        session.clone().respond(request)
    });
    let builder = builder(is_http_2, limits.query);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(AnswerRecords::new(stream, is_http_2)), serve));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = session.stalled.notified() => return,
        () = session.idle() => {}
        _ = service.stopping.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that does not read its last answers in time loses them.
    let _ = timeout(limits.answer, connection).await;
}

fn builder(is_http_2: bool, head_time: Duration) -> Builder<RunOrSpawn> {
    let mut builder = Builder::new(RunOrSpawn);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if is_http_2 { builder.http2_only() } else { builder.http1_only() }
}

/// Runs the future of a request at once, in the task of its connection. Nearly all requests are answered without waiting; a
/// task of its own costs more than the answer. A request that waits gets one.
#[derive(Clone, Copy)]
struct RunOrSpawn;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for RunOrSpawn {
    fn execute(&self, request: F) {
        let mut request = Box::pin(request);
        // The task polls it again, with a waker of its own.
        let mut context = Context::from_waker(Waker::noop());
        let polled = panic::catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(&mut context)));
        // After a panic, dropping the request resets its stream; the others of the connection go on.
        if let Ok(Poll::Pending) = polled {
            tokio::spawn(request);
        }
    }
}

/// State that the requests of one connection share.
struct Session {
    peer: Peer,
    limits: TcpLimits,
    responder: SharedResponder,
    targets: Semaphore,
    /// Signals that the client did not make room for an answer in time.
    stalled: Notify,
    activity: Mutex<Activity>,
}

struct Activity {
    /// Number of requests in progress.
    requests: usize,
    /// When the last of them began or ended.
    since: Instant,
}

impl Session {
    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let _busy = Busy::begin(&self);
        let is_head = request.method() == hyper::Method::HEAD;
        Ok(match self.admit(request).await {
            Ok(answer) => doh::response(answer, is_head),
            Err(rejection) => rejection.response(is_head),
        })
    }

    /// Answers a request. Refuses it if its `Host` is not valid, or if the targets of the connection's other requests
    /// leave no room for its own.
    async fn admit(&self, request: Request<Incoming>) -> Result<Answer, Rejection> {
        doh::check_host(&request)?;
        let Ok(_target) = self.targets.try_acquire_many(target_length(&request)) else { return Err(Rejection::Busy) };
        self.answer(without_fields(request)).await
    }

    /// Reads the query and makes the answer. The request keeps its turn until then, so the number of turns limits how
    /// many answers wait for room.
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Rejection> {
        let Ok(_turn) = timeout(self.limits.answer, self.responder.turn()).await else { return Err(self.give_up()) };
        let reading = doh::read_query(request, &self.responder);
        let query = timeout(self.limits.query, reading).await.unwrap_or(Err(Rejection::Timeout))?;
        let Ok(answer) = timeout(self.limits.answer, self.responder.answer(&query, self.peer)).await else {
            return Err(self.give_up());
        };
        answer.ok_or(Rejection::NotAQuery)
    }

    /// Makes the connection close.
    fn give_up(&self) -> Rejection {
        self.stalled.notify_one();
        Rejection::Busy
    }

    /// Returns when no request was in progress for a while.
    async fn idle(&self) {
        loop {
            let deadline = {
                let activity = self.activity();
                let since = if activity.requests > 0 { Instant::now() } else { activity.since };
                since + self.limits.idle
            };
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target_length(request: &Request<Incoming>) -> u32 {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    u32::try_from(target).unwrap_or(u32::MAX)
}

/// Drops all header fields of a request, so that waiting requests take little memory. Keeps only the media type, and
/// only if the body can be read as a message: then no other field matters.
fn without_fields(request: Request<Incoming>) -> Request<Incoming> {
    let is_message = doh::is_message(&request);
    let (mut parts, body) = request.into_parts();
    let media_type = parts.headers.remove(CONTENT_TYPE).filter(|_| is_message);
    parts.headers = media_type.into_iter().map(|value| (CONTENT_TYPE, value)).collect();
    Request::from_parts(parts, body)
}

/// Counts a request as in progress while it exists.
struct Busy<'a>(&'a Session);

impl<'a> Busy<'a> {
    fn begin(session: &'a Session) -> Self {
        session.activity().requests += 1;
        Self(session)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.requests -= 1;
        activity.since = Instant::now();
    }
}
