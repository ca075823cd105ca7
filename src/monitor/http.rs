//! One request and one response of HTTP, over a connection of its own or one that was kept.
//!
//! ```text
//!   kept? ──► request ──► dead: once more, on a new one
//!     └─ no ─► connect ─► handshake ─► request ──► verdict ──► keep, if the monitor says so
//! ```

mod connection;
mod driver;
mod kept;
mod request;
mod verdict;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::http::uri::Scheme;

use super::body::Body;
use super::tls::{self, Secured};
use super::{Budget, Prober, connect};
use crate::health::{Failure, Finding, HttpCheck, HttpVersion, Target, Times, TlsCheck};
use connection::{Answer, Connection};
use verdict::Verdict;

pub(super) use kept::Kept;
pub(super) use request::{HTTP_PORT, HTTPS_PORT, PRODUCT, host_field};

/// What the rest of a response may take until a connection is given up that was to be kept.
const DRAIN: Duration = Duration::from_millis(100);

/// A target, and what is asked of it.
pub(super) struct Inquiry<'a> {
    pub(super) prober: &'a Prober,
    pub(super) target: &'a Target,
    pub(super) check: &'a HttpCheck,
    /// How TLS is spoken, if it is.
    pub(super) tls: Option<&'a TlsCheck>,
    pub(super) budget: Budget,
}

impl Inquiry<'_> {
    /// Asks, and judges the response.
    pub(super) async fn probe(&self) -> Result<Finding, Failure> {
        let scheme = if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let port = self.target.address.port();
        let request = request::for_http1(self.check, &self.target.host, port, &scheme)?;
        let (mut connection, answer) = self.ask(&request, &scheme).await?;
        let judging = verdict::judge(answer, self.check, self.budget);
        let Verdict { share, load, first_byte, body } = connection.wait(judging).await?;
        let finding = Finding {
            took: self.budget.started.elapsed(),
            times: Times { first_byte: Some(first_byte), ..connection.times },
            share,
            load,
            certificate_expires: connection.certificate_expires,
        };
        if self.check.reuse {
            self.keep(connection, body).await;
        }
        Ok(finding)
    }

    async fn ask(&self, request: &Request<Empty<Bytes>>, scheme: &Scheme) -> Result<(Connection, Answer), Failure> {
        if let Some(mut connection) = self.kept() {
            match connection.ask(request, scheme, self.budget).await {
                Ok(answer) => return Ok((connection, answer)),
                Err(over @ Failure::TimedOut(_)) => return Err(over),
                // Connections that idle die, by a peer's time-out or its restart; that says nothing of what is there now.
                Err(_) => {}
            }
        }
        let mut connection = self.open().await?;
        let answer = connection.ask(request, scheme, self.budget).await?;
        Ok((connection, answer))
    }

    /// The connection that was kept, unless its certificate has expired since.
    fn kept(&self) -> Option<Connection> {
        let connection = self.check.reuse.then(|| self.prober.kept.take(self.target))??;
        let is_verified = self.tls.is_some_and(|tls| tls.verify);
        let holds = !is_verified || connection.certificate_expires.is_none_or(|expires| expires > tls::unix_time());
        holds.then_some(connection)
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let (stream, connect) = connect(self.target.address, self.budget).await?;
        let Some(tls) = self.tls else {
            let version = self.check.version.unwrap_or(HttpVersion::Http1);
            let mut connection = Connection::speak(stream, version, self.budget).await?;
            connection.times.connect = Some(connect);
            return Ok(connection);
        };
        let offered = match self.check.version {
            None => &[tls::H2, tls::HTTP_1_1][..],
            Some(HttpVersion::Http1) => &[tls::HTTP_1_1],
            Some(HttpVersion::Http2) => &[tls::H2],
        };
        let secured = self.prober.tls.handshake(stream, tls, offered, &self.target.host, self.budget).await?;
        let version = agreed(&secured, self.check.version)?;
        let Secured { stream, took, certificate_expires } = secured;
        let mut connection = Connection::speak(stream, version, self.budget).await?;
        connection.times = Times { connect: Some(connect), handshake: Some(took), first_byte: None };
        connection.certificate_expires = certificate_expires;
        Ok(connection)
    }

    /// Keeps a connection for the next probe, if what is left of the response ends soon.
    async fn keep(&self, mut connection: Connection, mut body: Body) {
        let rest = async {
            let read = connection.wait(body.whole()).await.is_ok();
            drop(body);
            read && connection.is_ready().await
        };
        let left = self.budget.left().min(DRAIN);
        if tokio::time::timeout(left, rest).await == Ok(true) {
            connection.times = Times::UNKNOWN;
            self.prober.kept.keep(self.target, connection);
        }
    }
}

/// The version that a handshake came to. An endpoint that knows nothing of ALPN speaks HTTP/1.1.
fn agreed(secured: &Secured, wanted: Option<HttpVersion>) -> Result<HttpVersion, Failure> {
    let version = if secured.protocol() == Some(tls::H2) { HttpVersion::Http2 } else { HttpVersion::Http1 };
    match wanted {
        Some(HttpVersion::Http2) if version != HttpVersion::Http2 => Err(tls::no_agreement(&[tls::H2])),
        _ => Ok(version),
    }
}
