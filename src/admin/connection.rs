//! Listeners and connections, and what a client may take up with them.
//!
//! A connection serves one request and ends: so its time is that of its request, and nobody holds a seat who asks nothing.
//! While all seats are taken, some newcomers are told so; those beyond are closed at once.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::IntoResponse;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Sleep, sleep};

use super::events::Endless;
use super::refusal::Refusal;

/// Connections at once: operators, a page, a scraper, followers of events.
pub(super) const CONNECTIONS: usize = 64;

/// Connections beyond them that are told that there are too many.
const TOLD: usize = 16;

/// Octets of a request's head: a path with a query of a few hundred octets, a token, and what browsers add. hyper's least is
/// 8 KiB.
const MAX_HEAD: usize = 16 * 1024;

/// Fields of a head.
const MAX_FIELDS: usize = 64;

/// How long a head may take from the connection's beginning to its last octet.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long a client may take to make room for what is written to it.
const STALL_TIME: Duration = Duration::from_secs(10);

/// How long a request may take in all, unless its answer has no end: a big configuration takes a while to load, and its
/// first probes 5 s more.
const WHOLE_TIME: Duration = Duration::from_secs(60);

/// Connections that the kernel keeps until they are accepted.
const LISTEN_BACKLOG: i32 = 64;

/// How long nothing is accepted when there are no descriptors or no memory left for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener and the address that it has, its port chosen by the kernel if it was 0.
pub(super) fn bind(address: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // As for DNS: IPv4 has sockets of its own.
        socket.set_only_v6(true)?;
    }
    // Connections of a process that has just ended do not keep its port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    let listener: TcpListener = socket.into();
    Ok((listener.local_addr()?, listener))
}

/// Accepts the connections of one listener.
pub(super) struct Acceptor {
    listener: tokio::net::TcpListener,
    routes: Router,
    seats: Arc<Semaphore>,
    /// Seats of those who are told that there is none.
    door: Arc<Semaphore>,
    stopping: watch::Receiver<()>,
}

impl Acceptor {
    pub(super) fn new(
        listener: tokio::net::TcpListener,
        routes: Router,
        seats: Arc<Semaphore>,
        stopping: watch::Receiver<()>,
    ) -> Self {
        Self { listener, routes, seats, door: Arc::new(Semaphore::new(TOLD)), stopping }
    }

    /// Accepts until told to end.
    pub(super) async fn run(mut self) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stopping.changed() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.receive(stream),
                // The client has gone already.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                // The connection remains in the kernel's queue: asking at once for it again would fail again. DNS tells of it.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn receive(&self, stream: TcpStream) {
        let (routes, seat) = match self.seats.clone().try_acquire_owned() {
            Ok(seat) => (self.routes.clone(), seat),
            Err(_) => match self.door.clone().try_acquire_owned() {
                Ok(seat) => (Router::new().fallback(full), seat),
                Err(_) => return,
            },
        };
        tokio::spawn(converse(stream, routes, self.stopping.clone(), seat));
    }
}

async fn full() -> impl IntoResponse {
    Refusal::unavailable(format!("there are {CONNECTIONS} connections already"))
}

async fn converse(stream: TcpStream, routes: Router, mut stopping: watch::Receiver<()>, _seat: OwnedSemaphorePermit) {
    let endless = Endless::default();
    let service = TowerToHyperService::new(routes.layer(Extension(endless.clone())));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    builder.keep_alive(false);
    let stream = TokioIo::new(Patient { stream, stalled: None });
    let mut connection = pin!(builder.serve_connection(stream, service));
    let too_long = async {
        sleep(WHOLE_TIME).await;
        if endless.is_set() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // What a client does wrong is told to it, and to nobody else.
        _ = connection.as_mut() => return,
        () = too_long => return,
        _ = stopping.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    // The node ends soon, and this with it.
    let _ = connection.await;
}

/// A stream that gives up on a client which makes no room.
struct Patient {
    stream: TcpStream,
    /// Runs while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_TIME)));
        stalled.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.judge(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
