//! Probes: one question to one endpoint, and what came of it.
//!
//! ```text
//!   connect ──► handshake ──► response ──► body
//!     tcp         https         http         expect_body
//!   ◄──────────────── timeout ────────────────────────►
//! ```
//!
//! A probe is one future. Everything it needs, hyper's connection included, is polled inside of it and owned by it; so
//! when it ends, whether by a verdict, by its time-out or because it is dropped, its socket is closed and nothing of it
//! is left. A connection serves one request: an endpoint that keeps old connections but takes no new ones is down.

mod body;
mod failure;
mod http;
mod tls;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::health::{Check, Failure, Finding, HttpCheck, Outcome, Stage, Target, TlsCheck};

/// Probes targets; cheap to clone, shared by all probes. Runs on tokio, with its I/O and its time enabled.
#[derive(Clone)]
pub struct Prober {
    /// Accepts what the trust store vouches for.
    verifying: TlsConnector,
    /// Accepts any certificate.
    unverifying: TlsConnector,
}

impl Prober {
    /// Trusts the certificate authorities of the system, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    /// What cannot be read is left out and logged.
    pub fn new() -> Self {
        Self::trusting(&tls::system_roots())
    }

    /// Trusts these certificate authorities alone, X.509 certificates in DER. What cannot be read is left out and logged.
    pub fn with_roots(roots: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::trusting(&tls::roots(roots))
    }

    fn trusting(roots: &tls::Roots) -> Self {
        Self { verifying: tls::verifying(roots), unverifying: tls::unverifying() }
    }

    /// Asks the target what its monitor asks, and waits no longer than the monitor's `timeout`.
    pub async fn probe(&self, target: &Target) -> Outcome {
        let budget = Budget { started: Instant::now(), timeout: target.monitor.timeout };
        let verdict = match &target.monitor.check {
            Check::Tcp => connect(target.address, budget).await.map(drop),
            Check::Http(check) => self.probe_http(target, check, None, budget).await,
            Check::Https(check, tls) => self.probe_http(target, check, Some(tls), budget).await,
            // There is nothing to ask: what is known of it was reported.
            Check::Push => Err(Failure::Silent),
        };
        match verdict {
            Ok(()) => Outcome::Success(Finding::full(budget.started.elapsed())),
            Err(failure) => Outcome::Failure(failure),
        }
    }

    async fn probe_http(
        &self,
        target: &Target,
        check: &HttpCheck,
        tls: Option<&TlsCheck>,
        budget: Budget,
    ) -> Result<(), Failure> {
        let default_port = if tls.is_some() { http::HTTPS_PORT } else { http::HTTP_PORT };
        let request = http::request(check, &target.host, target.address.port(), default_port)?;
        let stream = connect(target.address, budget).await?;
        let Some(tls) = tls else {
            return http::exchange(stream, request, check, budget).await;
        };
        // Else the request waits until the last octets of the handshake are acknowledged: a round trip or 40 ms more.
        stream.set_nodelay(true).map_err(|error| failure::from_io(&error, Stage::Handshake))?;
        let connector = if tls.verify { &self.verifying } else { &self.unverifying };
        let name = tls::server_name(tls.sni.as_deref().unwrap_or(&target.host))?;
        let stream = budget.within(Stage::Handshake, connector.connect(name, stream)).await?;
        let stream = stream.map_err(|error| failure::from_io(&error, Stage::Handshake))?;
        http::exchange(stream, request, check, budget).await
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

/// The time that one probe has for all its stages.
#[derive(Clone, Copy)]
struct Budget {
    started: Instant,
    timeout: Duration,
}

impl Budget {
    /// The future's output, unless the time is over before.
    async fn within<F: Future>(self, stage: Stage, future: F) -> Result<F::Output, Failure> {
        let left = self.timeout.saturating_sub(self.started.elapsed());
        tokio::time::timeout(left, future).await.map_err(|_| Failure::TimedOut(stage))
    }
}

async fn connect(address: SocketAddr, budget: Budget) -> Result<TcpStream, Failure> {
    let connected = budget.within(Stage::Connect, TcpStream::connect(address)).await?;
    let stream = connected.map_err(|error| failure::from_io(&error, Stage::Connect))?;
    // On loopback the kernel may draw the very port that is probed as the local one. Then both SYNs are ours, and what
    // answers is this socket (RFC 9293 section 3.5, simultaneous open), not an endpoint.
    if stream.local_addr().is_ok_and(|local| local == address) {
        return Err(Failure::Refused);
    }
    Ok(stream)
}
