//! Probes: one question to one endpoint, and its outcome.
//!
//! ```text
//!   connect ──► handshake ──► response ──► body
//!     tcp         https         http         expect_body
//!   ◄──────────────── timeout ────────────────────────►
//! ```
//!
//! A probe is one future. Everything it needs, hyper's connection included, is polled inside it and owned by it. When
//! it ends by a verdict, by its time-out or because it is dropped, its socket is closed and nothing is left behind.
//!
//! A connection serves one probe, because an endpoint that keeps old connections but accepts no new ones is down. Only
//! a monitor with `reuse` keeps its connections from one probe to the next.
//!
//! A function that fails returns the [`Failure`] that becomes the outcome of the probe.

mod body;
mod dns;
mod exec;
mod failure;
mod grpc;
mod http;
mod icmp;
mod load;
mod meter;
mod said;
mod tcp;
mod tls;
mod tls_error;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::health::{
    Check, Failure, Finding, GrpcCheck, HttpCheck, Outcome, ProbeAddress, Stage, Target, Times, TlsCheck,
};
use crate::resolver::Resolver;
use exec::Programs;
use http::{Inquiry, Kept};
use tls::Connectors;
use wire::Wire;

pub use icmp::is_allowed as icmp_is_allowed;
pub use tls_error::explain as explain_tls;

/// Probes targets; cheap to clone, shared by all probes. Runs on tokio, with I/O and time enabled.
#[derive(Clone)]
pub struct Prober {
    tls: Arc<Connectors>,
    /// Connections that wait for their target's next probe.
    kept: Arc<Kept>,
    /// Runs programs, a limited number at a time.
    programs: Arc<Programs>,
    /// Looks up the hosts of targets that are names.
    resolver: Resolver,
}

impl Prober {
    /// A prober that trusts the certificate authorities of the system, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    /// Certificates that cannot be read are left out and logged.
    pub fn new() -> Self {
        Self::trusting(tls::system_roots())
    }

    /// A prober that trusts only these certificate authorities: X.509 certificates in DER. Certificates that cannot be
    /// read are left out and logged.
    pub fn with_roots(roots: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::trusting(tls::roots(roots))
    }

    fn trusting(roots: tls::Roots) -> Self {
        let (kept, programs, resolver) = (Arc::default(), Arc::default(), Resolver::default());
        Self { tls: Arc::new(Connectors::new(roots)), kept, programs, resolver }
    }

    /// The same with this resolver.
    pub fn resolving(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// Probes the target as its monitor says, and waits no longer than the monitor's `timeout`.
    pub async fn probe(&self, target: &Target) -> Outcome {
        let budget = Budget { started: Instant::now(), timeout: target.monitor.pace.timeout() };
        self.find(target, budget).await.map_or_else(Outcome::Failure, Outcome::Success)
    }

    async fn find(&self, target: &Target, budget: Budget) -> Result<Finding, Failure> {
        let (name, port) = match &target.address {
            ProbeAddress::Ip(address) => return self.find_at((target, *address), budget).await,
            ProbeAddress::Name(name, port) => (name, *port),
        };
        let address = budget.within(Stage::Resolve, self.resolver.look_up(name)).await?;
        let address = SocketAddr::new(address.map_err(|why| Failure::Unresolved(why.to_string()))?, port);
        // Programs, and connections that are kept, belong to the address and not to the name.
        let target = Target { address: address.into(), ..target.clone() };
        // The time to look up the host is none of the endpoint's.
        let budget = Budget { started: Instant::now(), timeout: budget.left() };
        self.find_at((&target, address), budget).await
    }

    async fn find_at(&self, (target, address): (&Target, SocketAddr), budget: Budget) -> Result<Finding, Failure> {
        let at = (target, address);
        match &target.monitor.check {
            Check::Tcp(check) => tcp::probe(address, check, budget).await,
            Check::Http(check) => self.probe_http(at, check, None, budget).await,
            Check::Https(check, tls) => self.probe_http(at, check, Some(tls), budget).await,
            Check::Tls(check, alpn) => self.probe_tls(at, check, alpn, budget).await,
            Check::Dns(check) => dns::probe(address, check, budget).await,
            Check::Grpc(check) => self.probe_grpc(at, check, budget).await,
            Check::Icmp => icmp::probe(address.ip(), budget).await,
            Check::Exec(check) => self.programs.probe(target, check).await,
            // There is nothing to probe: others report the outcomes.
            Check::Push => Err(Failure::Silent),
        }
    }

    async fn probe_http(
        &self,
        at: (&Target, SocketAddr),
        check: &HttpCheck,
        tls: Option<&TlsCheck>,
        budget: Budget,
    ) -> Result<Finding, Failure> {
        Inquiry::new(self, at, check, tls, budget)?.probe().await
    }

    async fn probe_tls(
        &self,
        (target, address): (&Target, SocketAddr),
        check: &TlsCheck,
        alpn: &[Box<str>],
        budget: Budget,
    ) -> Result<Finding, Failure> {
        let (wire, connect) = Wire::connect(address, budget).await?;
        let secured = self.tls.handshake(wire, check, alpn, &target.host, budget).await?;
        if !alpn.is_empty() && secured.protocol().is_none() {
            return Err(tls::no_agreement(alpn));
        }
        let times = Times { connect: Some(connect), handshake: Some(secured.took), first_byte: None };
        let certificate_expires = secured.certificate_expires;
        let took = budget.started.elapsed();
        secured.close(budget).await?;
        Ok(Finding { times, certificate_expires, ..Finding::full(took) })
    }

    async fn probe_grpc(
        &self,
        (target, address): (&Target, SocketAddr),
        check: &GrpcCheck,
        budget: Budget,
    ) -> Result<Finding, Failure> {
        let request = grpc::request(check, &target.host, address.port())?;
        let (wire, connect) = Wire::connect(address, budget).await?;
        let meter = wire.meter();
        let Some(tls) = &check.tls else {
            let first_byte = grpc::exchange(wire, meter, request, check, budget).await?;
            let times = Times { connect: Some(connect), handshake: None, first_byte: Some(first_byte) };
            return Ok(Finding { times, ..Finding::full(budget.started.elapsed()) });
        };
        let secured = self.tls.handshake(wire, tls, &[tls::H2], &target.host, budget).await?;
        let first_byte = grpc::exchange(secured.stream, meter, request, check, budget).await?;
        let times = Times { connect: Some(connect), handshake: Some(secured.took), first_byte: Some(first_byte) };
        let certificate_expires = secured.certificate_expires;
        Ok(Finding { times, certificate_expires, ..Finding::full(budget.started.elapsed()) })
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

/// The time for all stages of one probe.
#[derive(Clone, Copy)]
struct Budget {
    started: Instant,
    timeout: Duration,
}

impl Budget {
    /// The output of the future; a failure if the time ends before.
    async fn within<F: Future>(self, stage: Stage, future: F) -> Result<F::Output, Failure> {
        tokio::time::timeout(self.left(), future).await.map_err(|_| Failure::TimedOut(stage))
    }

    /// The time that is left.
    fn left(self) -> Duration {
        self.timeout.saturating_sub(self.started.elapsed())
    }
}
