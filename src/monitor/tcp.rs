//! A TCP connection, with octets to send and to expect.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::body::{Body, Source};
use super::wire::Wire;
use super::{Budget, failure};
use crate::health::{Failure, Finding, Stage, TcpCheck, Times};

/// Octets that are read from a connection at a time.
const PIECE: usize = 4096;

/// Connects, sends and reads as the check says.
pub(super) async fn probe(address: SocketAddr, check: &TcpCheck, budget: Budget) -> Result<Finding, Failure> {
    let (mut wire, connect) = Wire::connect(address, budget).await?;
    if !check.send.is_empty() {
        let sent = budget.within(Stage::Response, wire.write_all(&check.send)).await?;
        sent.map_err(|error| failure::from_io(&error, Stage::Response))?;
    }
    if let Some(wanted) = &check.expect
        && !budget.within(Stage::Response, Body::new(&mut wire).holds(wanted)).await??
    {
        return Err(Failure::Reply);
    }
    let times = Times { connect: Some(connect), ..Times::UNKNOWN };
    Ok(Finding { times, ..Finding::full(budget.started.elapsed()) })
}

impl Source for Wire {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = self.read_buf(&mut piece).await.map_err(|error| failure::from_io(&error, Stage::Response))?;
        Ok((read > 0).then(|| piece.freeze()))
    }
}
