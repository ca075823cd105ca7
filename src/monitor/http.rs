//! One HTTP request and its response, over a new connection or a kept one.
//!
//! ```text
//!   kept? ──► request ──► verdict
//!     │          ├─ dead, or 408: once more, on a new one
//!     │          └─ silent for a quarter of the time: on a new one too, and whichever answers first counts
//!     └─ no ─► connect ─► handshake ─► request ──► verdict ──► keep, if the monitor says so
//! ```
//!
//! An idle connection dies when its peer times out or restarts, or when a device on the way silently forgets it. None
//! of that says anything about the endpoint now. An error on a kept connection before a verdict therefore does not
//! count.

mod connection;
mod driver;
mod http1;
mod http2;
mod kept;
mod request;
mod verdict;

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::http::uri::Scheme;

use super::body::Body;
use super::tls::{self, Secured};
use super::wire::Wire;
use super::{Budget, Prober};
use crate::health::{Failure, Finding, HttpCheck, HttpVersion, Target, Times, TlsCheck};
use connection::Connection;
use request::Request;
use verdict::Judgement;

pub(super) use kept::Kept;
pub(super) use request::{HTTP_PORT, HTTPS_PORT, PRODUCT, host_field};

/// The time to read the rest of a response, so that the connection can be kept. After that it is closed.
const DRAIN: Duration = Duration::from_millis(100);

/// If a kept connection is silent for this part (1/4) of the time, a new connection is tried too: it then still has
/// most of the time.
const SILENCE: u32 = 4;

/// RFC 9110 section 15.5.9: the endpoint "is terminating the connection because no request was received", and "the client MAY
/// repeat that request on a new connection".
const REQUEST_TIMEOUT: u16 = 408;

/// A target, and the request to it.
pub(super) struct Inquiry<'a> {
    prober: &'a Prober,
    target: &'a Target,
    address: SocketAddr,
    check: &'a HttpCheck,
    /// TLS settings; `None` without TLS.
    tls: Option<&'a TlsCheck>,
    budget: Budget,
    request: Request<'a>,
}

impl<'a> Inquiry<'a> {
    /// The request that the check makes to the target. Fails if it cannot be sent.
    pub(super) fn new(
        prober: &'a Prober,
        (target, address): (&'a Target, SocketAddr),
        check: &'a HttpCheck,
        tls: Option<&'a TlsCheck>,
        budget: Budget,
    ) -> Result<Self, Failure> {
        let request = Request::new(check, &target.host, address.port(), scheme(tls))?;
        Ok(Self { prober, target, address, check, tls, budget, request })
    }

    /// Sends the request, and judges the response.
    pub(super) async fn probe(&self) -> Result<Finding, Failure> {
        let Some(kept) = self.kept() else { return self.ask_anew().await };
        let mut by_kept = pin!(self.ask_kept(kept));
        let patience = self.budget.timeout / SILENCE;
        let found = if let Ok(found) = tokio::time::timeout(patience, &mut by_kept).await {
            found
        } else {
            let mut anew = pin!(self.ask_anew());
            tokio::select! {
                found = &mut by_kept => if found.is_some() { found } else { Some(anew.await) },
                found = &mut anew => Some(found),
            }
        };
        match found {
            Some(found) => found,
            None => self.ask_anew().await,
        }
    }

    /// Sends the request on a new connection.
    async fn ask_anew(&self) -> Result<Finding, Failure> {
        // On the heap: otherwise every probe would be as large as the state of the handshakes of all protocols.
        let connection = Box::pin(self.open()).await?;
        self.ask_on(connection).await
    }

    /// Sends the request on a kept connection. Returns `None` if this gives no verdict.
    async fn ask_kept(&self, kept: Connection) -> Option<Result<Finding, Failure>> {
        match self.ask_on(kept).await {
            Err(Failure::Status(REQUEST_TIMEOUT)) => None,
            verdict @ (Ok(_) | Err(Failure::Status(_) | Failure::Body)) => Some(verdict),
            Err(_) => None,
        }
    }

    /// Sends the request on this connection and judges the response. Keeps the connection if the monitor says so and it
    /// is reusable.
    async fn ask_on(&self, mut connection: Connection) -> Result<Finding, Failure> {
        let answer = connection.ask(&self.request, scheme(self.tls), self.budget).await?;
        if answer.status == REQUEST_TIMEOUT && connection.times == Times::UNKNOWN {
            return Err(Failure::Status(REQUEST_TIMEOUT));
        }
        let mut body = Body::new(&mut connection);
        let Judgement { share, load, first_byte } = verdict::judge(answer, &mut body, self.check, self.budget).await?;
        let took = self.budget.started.elapsed();
        let is_ready = self.check.reuse && {
            let rest = async {
                match body.drained().await {
                    Some(connection) => connection.is_ready().await,
                    None => false,
                }
            };
            tokio::time::timeout(self.budget.left().min(DRAIN), rest).await == Ok(true)
        };
        let times = Times { first_byte: Some(first_byte), ..connection.times };
        let certificate_expires = connection.certificate_expires;
        if is_ready {
            connection.times = Times::UNKNOWN;
            self.prober.kept.keep(self.target, connection);
        }
        Ok(Finding { took, times, share, load, certificate_expires })
    }

    /// The kept connection, unless its certificate has expired since.
    fn kept(&self) -> Option<Connection> {
        let connection = self.check.reuse.then(|| self.prober.kept.take(self.target))??;
        let is_verified = self.tls.is_some_and(|tls| tls.verify);
        let holds = !is_verified || connection.certificate_expires.is_none_or(|expires| expires > crate::clock::wall());
        holds.then_some(connection)
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let (wire, connect) = Wire::connect(self.address, self.budget).await?;
        let meter = wire.meter();
        let Some(tls) = self.tls else {
            let version = self.check.version.unwrap_or(HttpVersion::Http1);
            let mut connection = Connection::speak(Box::new(wire), meter, version, self.budget).await?;
            connection.times.connect = Some(connect);
            return Ok(connection);
        };
        let offered = match self.check.version {
            None => &[tls::H2, tls::HTTP_1_1][..],
            Some(HttpVersion::Http1) => &[tls::HTTP_1_1],
            Some(HttpVersion::Http2) => &[tls::H2],
        };
        let secured = self.prober.tls.handshake(wire, tls, offered, &self.target.host, self.budget).await?;
        let version = agreed(&secured, self.check.version)?;
        let Secured { stream, took, certificate_expires } = secured;
        let mut connection = Connection::speak(Box::new(stream), meter, version, self.budget).await?;
        connection.times = Times { connect: Some(connect), handshake: Some(took), first_byte: None };
        connection.certificate_expires = certificate_expires;
        Ok(connection)
    }
}

fn scheme(tls: Option<&TlsCheck>) -> &'static Scheme {
    if tls.is_some() { &Scheme::HTTPS } else { &Scheme::HTTP }
}

/// The version that the handshake agreed on. An endpoint without ALPN speaks HTTP/1.1.
fn agreed(secured: &Secured, wanted: Option<HttpVersion>) -> Result<HttpVersion, Failure> {
    let version = if secured.protocol() == Some(tls::H2) { HttpVersion::Http2 } else { HttpVersion::Http1 };
    match wanted {
        Some(HttpVersion::Http2) if version != HttpVersion::Http2 => Err(tls::no_agreement(&[tls::H2])),
        _ => Ok(version),
    }
}
