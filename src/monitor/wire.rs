//! The TCP connection of a probe.
//!
//! If an endpoint answers before it has read the whole request, and closes, its kernel sends the answer and then RST
//! (RFC 9293 section 3.10.4; RFC 1122 section 4.2.2.13). The answer can still be read after the RST. But if this node
//! writes first, it gets an error, and depending on the scheduler that error hides the answer. Here, a write that finds
//! the connection ended therefore counts as successful, and everything received is read to the last octet. Then the
//! reader gets the reset.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::meter::{Meter, Unit};
use super::{Budget, failure};
use crate::health::{Failure, Stage};

/// Linux's error for a RST after a FIN: the peer had closed its side in order before.
const BEHIND_FIN: io::ErrorKind = io::ErrorKind::BrokenPipe;

/// A connection to an endpoint, with a meter for its octets.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    meter: Arc<Meter>,
    /// The error with which a write, or the end of connecting, found the connection broken.
    broken: Option<io::ErrorKind>,
}

impl Wire {
    /// Connects. Returns also how long it took until the connection was established.
    pub(super) async fn connect(address: SocketAddr, budget: Budget) -> Result<(Self, Duration), Failure> {
        let failed = |error: io::Error| failure::from_io(&error, Stage::Connect);
        let started = Instant::now();
        let stream = begin(address).map_err(failed)?;
        budget.within(Stage::Connect, stream.writable()).await?.map_err(failed)?;
        let broken = match stream.take_error().map_err(failed)? {
            None => None,
            // The connection was established, and has been reset since. (A RST in answer to the SYN is a refusal.)
            Some(error) if is_break(&error) => Some(error.kind()),
            Some(error) => return Err(failed(error)),
        };
        // On loopback the kernel may choose the probed port itself as the local port. Then both SYNs are ours, and this
        // socket answers itself (RFC 9293 section 3.5, simultaneous open), not an endpoint.
        if stream.local_addr().is_ok_and(|local| local == address) {
            return Err(Failure::Refused);
        }
        Ok((Self { stream, meter: Arc::default(), broken }, started.elapsed()))
    }

    /// Sends each write at once (TCP_NODELAY). Fails if the system refuses it.
    pub(super) fn set_nodelay(&self) -> Result<(), Failure> {
        match self.stream.set_nodelay(true) {
            Err(error) if self.broken.is_none() => Err(failure::from_io(&error, Stage::Handshake)),
            _ => Ok(()),
        }
    }

    /// The meter of this connection.
    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The result of a write. If the connection has ended, all octets count as written.
    fn written(&mut self, outcome: io::Result<usize>, length: usize) -> io::Result<usize> {
        match outcome {
            Err(error) if is_break(&error) => {
                self.broken = Some(error.kind());
                Ok(length)
            }
            other => other,
        }
    }
}

/// A socket that is connecting.
fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    TcpStream::from_std(socket.into())
}

/// True if the peer reset or closed the connection.
fn is_break(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | BEHIND_FIN)
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let came = buffer.filled().len() - before;
        if let Some(reset) = this.broken.filter(|&kind| came == 0 && buffer.remaining() > 0 && kind != BEHIND_FIN) {
            return Poll::Ready(Err(reset.into()));
        }
        this.meter.count(Unit::Octet, came)?;
        this.meter.count(Unit::Piece, 1)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.broken.is_some() {
            return Poll::Ready(Ok(octets.len()));
        }
        let outcome = ready!(Pin::new(&mut this.stream).poll_write(context, octets));
        Poll::Ready(this.written(outcome, octets.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if this.broken.is_some() {
            return Poll::Ready(Ok(length));
        }
        let outcome = ready!(Pin::new(&mut this.stream).poll_write_vectored(context, slices));
        Poll::Ready(this.written(outcome, length))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A connection that has ended cannot be shut down, and need not be.
        Pin::new(&mut self.stream).poll_shutdown(context).map(|_| Ok(()))
    }
}
