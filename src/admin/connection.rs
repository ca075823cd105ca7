//! Listeners and connections, and what a client may take up with them.
//!
//! A connection serves one request and ends: so its time is that of its request. What it waits for, and who gives way to whom
//! meanwhile, is told in [`rooms`](super::rooms).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};

use super::rooms::{Rooms, Visit};

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

/// Connections that the kernel keeps until they are accepted; at most `net.core.somaxconn`. A burst of idle ones leaves room
/// for a sound one.
const LISTEN_BACKLOG: i32 = 1024;

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

/// Accepts the connections of one listener, each to a seat in the hall, until told to end.
pub(super) async fn accept<L: Listener>(
    listener: L,
    routes: Router,
    rooms: Arc<Rooms>,
    mut stopping: watch::Receiver<()>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.changed() => return,
            accepted = listener.accept_one() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                // Nobody in the hall is served yet, so there is a seat for everybody.
                let Some(visit) = rooms.admit(client) else { continue };
                tokio::spawn(converse(stream, routes.clone(), stopping.clone(), visit));
                // In a burst each one has its head read, if that is there, before many others come behind it and it gives way.
                yield_now().await;
            }
            // The client has gone already.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            // The connection remains in the kernel's queue: asking at once for it again would fail again. DNS tells of it.
            Err(_) => {
                rooms.free_one();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Where connections come from, and from whom.
pub(super) trait Listener {
    /// The stream that carries a connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one, and its client's address. All that come over the file system are one client.
    fn accept_one(&self) -> impl Future<Output = io::Result<(Self::Stream, IpAddr)>> + Send;
}

impl Listener for tokio::net::TcpListener {
    type Stream = TcpStream;

    async fn accept_one(&self) -> io::Result<(TcpStream, IpAddr)> {
        self.accept().await.map(|(stream, client)| (stream, client.ip()))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept_one(&self) -> io::Result<(UnixStream, IpAddr)> {
        self.accept().await.map(|(stream, _)| (stream, Ipv4Addr::UNSPECIFIED.into()))
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    routes: Router,
    mut stopping: watch::Receiver<()>,
    visit: Arc<Visit>,
) {
    let service = TowerToHyperService::new(routes.layer(Extension(visit.clone())));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    builder.keep_alive(false);
    let stream = TokioIo::new(Patient { stream, stalled: None });
    let mut connection = pin!(builder.serve_connection(stream, service));
    let too_long = async {
        sleep(WHOLE_TIME).await;
        if visit.is_endless() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // What a client does wrong is told to it, and to nobody else.
        _ = connection.as_mut() => return,
        () = too_long => return,
        () = visit.evicted() => return,
        _ = stopping.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    // The node ends soon, and this with it.
    let _ = connection.await;
}

/// A stream that gives up on a client which makes no room.
struct Patient<S> {
    stream: S,
    /// Runs while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_TIME)));
        stalled.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
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
