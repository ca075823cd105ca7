//! A connection, what is sent on it, and what must come back.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{self, Bytes, Frame};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::body::Body;
use super::{Budget, connect, failure};
use crate::health::{Failure, Finding, Stage, TcpCheck, Times};

/// Octets that are taken from a connection at once.
const PIECE: usize = 4096;

/// Connects, sends and reads what the check asks for.
pub(super) async fn probe(address: SocketAddr, check: &TcpCheck, budget: Budget) -> Result<Finding, Failure> {
    let (mut stream, connect) = connect(address, budget).await?;
    if !check.send.is_empty() {
        let sent = budget.within(Stage::Response, stream.write_all(&check.send)).await?;
        sent.map_err(|error| failure::from_io(&error, Stage::Response))?;
    }
    if let Some(wanted) = &check.expect {
        let holds = budget.within(Stage::Response, Body::new(Reply(stream)).holds(wanted)).await?;
        if !holds.map_err(|error| failure::from_io(&error, Stage::Response))? {
            return Err(Failure::Reply);
        }
    }
    let times = Times { connect: Some(connect), ..Times::UNKNOWN };
    Ok(Finding { times, ..Finding::full(budget.started.elapsed()) })
}

/// What comes on a connection, read as a body is.
struct Reply(TcpStream);

impl body::Body for Reply {
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
