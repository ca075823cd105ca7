//! A connection, what is sent on it, and what must come back.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::{Budget, body, connect, failure};
use crate::health::{Failure, Stage, TcpCheck};

/// Octets that are taken from a connection at once.
const PIECE: usize = 4096;

/// Connects, sends and reads what the check asks for.
pub(super) async fn probe(address: SocketAddr, check: &TcpCheck, budget: Budget) -> Result<(), Failure> {
    let mut stream = connect(address, budget).await?;
    if !check.send.is_empty() {
        let sent = budget.within(Stage::Response, stream.write_all(&check.send)).await?;
        sent.map_err(|error| failure::from_io(&error, Stage::Response))?;
    }
    let Some(wanted) = &check.expect else { return Ok(()) };
    match budget.within(Stage::Response, body::holds(&mut Reply(stream), wanted)).await? {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Reply),
        Err(error) => Err(failure::from_io(&error, Stage::Response)),
    }
}

/// What comes on a connection, read as a body is.
struct Reply(TcpStream);

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut piece))?;
        let octets = Bytes::copy_from_slice(piece.filled());
        Poll::Ready((!octets.is_empty()).then(|| Ok(Frame::data(octets))))
    }
}
