//! Listeners and connections, and the limits of a connection.
//!
//! A connection serves one request and ends, so the time limits of the request are those of the connection.
//! [`rooms`](super::rooms) describes which connection is closed to make room for another.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
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
use tokio_rustls::TlsAcceptor;

use super::encryption::{Encryption, Peer, handshake};
use super::rooms::{Rooms, Visit};

/// Maximum length of a request's head in octets. It holds a path with a query of a few hundred octets, a token, and the
/// fields that browsers add. hyper's minimum is 8 KiB.
const MAX_HEAD: usize = 16 * 1024;

/// Maximum number of fields in a head.
const MAX_FIELDS: usize = 64;

/// Maximum time from the beginning of the connection, or the end of its handshake, to the last octet of the head.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// Maximum time in which a client reads nothing of its answer.
const STALL_TIME: Duration = Duration::from_secs(10);

/// Maximum time of a whole request, unless its answer has no end. A reload is the longest request: a big configuration
/// takes a while to load, and its first probes take 5 s more.
const WHOLE_TIME: Duration = Duration::from_secs(60);

/// Number of connections that the kernel queues until they are accepted; at most `net.core.somaxconn`. The queue is
/// long enough for a burst of idle connections and some real ones.
const LISTEN_BACKLOG: i32 = 1024;

/// Pause of a listener when there are no descriptors or no memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds a listener. Returns it with its address, in which the kernel has chosen a port if it was 0.
pub(super) fn bind(address: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // IPv4 has sockets of its own, as for DNS.
        socket.set_only_v6(true)?;
    }
    // Old connections of a process that has ended do not keep the port in use.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    let listener: TcpListener = socket.into();
    Ok((listener.local_addr()?, listener))
}

/// Uses a listener of another process. Returns it with its address.
pub(super) fn adopt(socket: OwnedFd) -> io::Result<(SocketAddr, TcpListener)> {
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok((listener.local_addr()?, listener))
}

/// Accepts the connections of one listener until the server stops. Each connection begins in the hall. Without
/// `encryption`, connections are not encrypted.
pub(super) async fn accept<L: Listener>(
    listener: L,
    encryption: Option<Arc<Encryption>>,
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
                // The server does not work for any connection in the hall, so it can always close one of them.
                let Some(visit) = rooms.admit(client) else { continue };
                let acceptor = encryption.as_ref().and_then(|encryption| encryption.acceptor());
                tokio::spawn(begin(stream, acceptor, routes.clone(), stopping.clone(), visit));
                // In a burst of connections, let the task of this one read its head before many others are accepted and
                // this one may be closed for them.
                yield_now().await;
            }
            // The client has already closed the connection.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            // The connection stays in the kernel's queue, so another attempt would fail at once. The DNS listeners log
            // the problem.
            Err(_) => {
                rooms.free_one();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A source of connections with their clients' addresses.
pub(super) trait Listener {
    /// The stream of a connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection, and returns it with its client's address. All connections over the file system
    /// count as one client.
    fn accept_one(&self) -> impl Future<Output = io::Result<(Self::Stream, IpAddr)>> + Send;
}

impl Listener for tokio::net::TcpListener {
    type Stream = TcpStream;

    async fn accept_one(&self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, client) = self.accept().await?;
        // Without this option, the end of an answer waits for the acknowledgement of its beginning. Only a dead
        // connection refuses it, and that one ends by itself.
        let _ = stream.set_nodelay(true);
        Ok((stream, client.ip()))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept_one(&self) -> io::Result<(UnixStream, IpAddr)> {
        self.accept().await.map(|(stream, _)| (stream, Ipv4Addr::UNSPECIFIED.into()))
    }
}

/// Does the handshake of a connection, if it is encrypted, and serves the connection.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    acceptor: Option<TlsAcceptor>,
    routes: Router,
    mut stopping: watch::Receiver<()>,
    visit: Arc<Visit>,
) {
    let Some(acceptor) = acceptor else { return converse(stream, Peer::default(), routes, stopping, visit).await };
    let shaken = tokio::select! {
        shaken = handshake(&acceptor, stream) => shaken,
        () = visit.evicted() => return,
        _ = stopping.changed() => return,
    };
    let Some((stream, peer)) = shaken else { return };
    // The client took part in the handshake, so it has not been idle.
    visit.release();
    converse(stream, peer, routes, stopping, visit).await;
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: Peer,
    routes: Router,
    mut stopping: watch::Receiver<()>,
    visit: Arc<Visit>,
) {
    let routes = routes.layer(Extension(peer)).layer(Extension(visit.clone()));
    let service = TowerToHyperService::new(routes);
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
        // Errors of a client are sent to that client and not logged.
        _ = connection.as_mut() => return,
        () = too_long => return,
        () = visit.evicted() => return,
        _ = stopping.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    // The answer is completed. If that takes too long, the connection ends with the process.
    let _ = connection.await;
}

/// A stream that fails if its client reads nothing for too long.
struct Patient<S> {
    stream: S,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Passes the result of a write on. Fails if the stream has taken nothing for [`STALL_TIME`].
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
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(shut, context)
    }
}
