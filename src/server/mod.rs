//! The sockets around [`answer`](crate::answer::answer): UDP, TCP, TLS, HTTPS and QUIC.
//!
//! ```text
//!   Bound ── start ──► Running ── stop ──► ports are free
//!                        │
//!                        ├─ a thread for each worker and address: UDP, in batches
//!                        └─ tasks on tokio: one for each listener and each connection
//!
//!                tcp ─┬──────────────► stream: messages behind their length
//!                     ├─ tls ────────►   "
//!                     └─ tls ► https ► doh: messages in HTTP
//!                quic ────────────────► doq: a message on each stream
//! ```
//!
//! UDP workers are threads of their own, which wait in the kernel; nothing else of the process runs on them. The kernel
//! distributes datagrams over an address's sockets by a hash of both ends (SO_REUSEPORT). All connections, whatever
//! their transport, share one connection limiter and one set of limits. All transports read the snapshot that is
//! published at the time, and do not know where it comes from.

mod batch;
mod bind;
mod doh;
mod doq;
mod https;
mod memory;
mod pressure;
mod quic;
mod rate_limit;
mod service;
mod stream;
mod tcp;
mod tls;
mod udp;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::answer::{Rotation, Transport};
use crate::counters::{Tally, Traffic};
use crate::limiter::{ConnectionLimiter, Losses};
use crate::snapshot::Snapshot;
use crate::vital::{self, Alarm, Part};
use bind::Sockets;
pub use bind::{BindError, BindFailure};
use pressure::Pressure;
use quic::QuicAcceptor;
use rate_limit::RateLimiter;
use service::Service;
pub use service::TcpLimits;
use tcp::{Acceptor, Protocol};
use tls::Shown;
use udp::UdpWorker;

/// Maximum time that stopping waits for half-sent queries and half-read answers.
pub const GRACE: Duration = Duration::from_secs(1);

/// Maximum time that stopping then waits for closed connections, and for workers to answer their last queries.
pub const LAST_GRACE: Duration = Duration::from_secs(1);

/// Bound sockets, on which no query is answered yet.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<Sockets>,
    encrypted: Option<Encrypted>,
    /// Listeners of the admin server, to count the connections that the kernel refuses there.
    admin: Vec<TcpListener>,
    limits: TcpLimits,
    alarm: Alarm,
    /// `None` if nobody counts.
    traffic: Option<Arc<Traffic>>,
}

/// The addresses of encrypted DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncryptedAddresses {
    /// DNS over TLS (RFC 7858).
    pub tls: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484).
    pub https: Vec<SocketAddr>,
    /// DNS over QUIC (RFC 9250).
    pub quic: Vec<SocketAddr>,
}

/// The sockets of encrypted transports, and their certificate.
#[derive(Debug)]
struct Encrypted {
    tls: Vec<TcpListener>,
    https: Vec<TcpListener>,
    quic: Vec<UdpSocket>,
    shown: Arc<Shown>,
}

/// A running server. If dropped, it stops too, but nobody waits for its end.
#[derive(Debug)]
pub struct Running {
    limiter: Arc<ConnectionLimiter>,
    losses: Arc<Losses>,
    /// The certificate of encrypted transports; `None` without such transports.
    shown: Option<Arc<Shown>>,
    /// Workers, listeners and connections hold a receiver as long as they have a socket.
    stopping: watch::Sender<()>,
}

impl Bound {
    /// Binds every address over UDP, with a socket for each worker, and over TCP. For port 0 the kernel chooses a port,
    /// the same for both.
    pub fn new(addresses: &[SocketAddr], workers: NonZeroUsize) -> Result<Self, BindError> {
        let sockets = addresses.iter().map(|&address| Sockets::bind(address, workers)).collect::<Result<_, _>>()?;
        let (limits, alarm) = (TcpLimits::default(), vital::alarm().0);
        Ok(Self { sockets, encrypted: None, admin: Vec::new(), limits, alarm, traffic: None })
    }

    /// Binds the addresses of encrypted transports too, with this certificate.
    pub fn with_encrypted(
        self,
        addresses: &EncryptedAddresses,
        credentials: Arc<CertifiedKey>,
    ) -> Result<Self, BindError> {
        let EncryptedAddresses { tls, https, quic } = addresses;
        let streams = |addresses: &[SocketAddr], transport| {
            addresses.iter().map(|&address| bind::bind_stream(address, transport)).collect::<Result<_, _>>()
        };
        let encrypted = Encrypted {
            tls: streams(tls, Transport::Tls)?,
            https: streams(https, Transport::Https)?,
            quic: quic.iter().map(|&address| bind::bind_quic(address)).collect::<Result<_, _>>()?,
            shown: Arc::new(Shown::new(credentials)),
        };
        Ok(Self { encrypted: Some(encrypted), ..self })
    }

    /// Counts the connections that the kernel refuses at these listeners of the admin server too.
    pub fn with_admin(self, admin: Vec<TcpListener>) -> Self {
        Self { admin, ..self }
    }

    /// Sets the limits for connections.
    pub fn with_tcp_limits(self, limits: TcpLimits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the alarm, which is called when a worker or listener ends unexpectedly.
    pub fn with_alarm(self, alarm: Alarm) -> Self {
        Self { alarm, ..self }
    }

    /// Counts queries and answers. `traffic` has a shard for each worker of each address.
    pub fn with_counters(self, traffic: Arc<Traffic>) -> Self {
        Self { traffic: Some(traffic), ..self }
    }

    /// Returns the addresses in the given order, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|sockets| sockets.address).collect()
    }

    /// Returns the addresses of encrypted transports in the same way.
    pub fn encrypted_addresses(&self) -> io::Result<EncryptedAddresses> {
        let Some(Encrypted { tls, https, quic, shown: _ }) = &self.encrypted else {
            return Ok(EncryptedAddresses::default());
        };
        let of = |listeners: &[TcpListener]| listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>();
        let quic = quic.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        Ok(EncryptedAddresses { tls: of(tls)?, https: of(https)?, quic })
    }

    /// Answers from the `published` snapshot, in threads of its own and on the tokio runtime that this is called in.
    /// Fails if the system has no threads or descriptors left.
    pub fn start(self, published: Arc<ArcSwap<Snapshot>>, rotation: Arc<Rotation>) -> io::Result<Running> {
        let Self { sockets, encrypted, admin, limits, alarm, traffic } = self;
        let (stopping, stop) = watch::channel(());
        let limiter = Arc::new(ConnectionLimiter::new(limits.connections, limits.connections_per_client));
        let shown = encrypted.as_ref().map(|encrypted| encrypted.shown.clone());
        let losses = Arc::new(Losses::default());
        let running = Running { limiter: limiter.clone(), losses: losses.clone(), shown, stopping };
        let service = Service {
            published,
            rotation,
            traffic,
            limits,
            limiter: limiter.clone(),
            losses: losses.clone(),
            stopping: stop,
        };
        let mut pressure = Pressure::new(limiter, losses.clone(), service.stopping.clone());
        for listener in admin {
            pressure.look_at_admin_connections(listener);
        }
        let limiter = Arc::new(RateLimiter::new(losses));
        let telling = rate_limit::tell(limiter.clone(), service.stopping.clone());
        tokio::spawn(alarm.part("the task that tells of rate limits").run(telling));
        let mut tallies = (0..).map(|number| Some(Tally::of_worker(service.traffic.clone()?, number)));
        for sockets in sockets {
            for (socket, number) in sockets.udp.into_iter().map(Arc::new).zip(0..) {
                pressure.look_at_queries(socket.clone());
                let (published, rotation) = (service.published.clone(), service.rotation.clone());
                let (tally, stopping) = (tallies.next().flatten(), service.stopping.clone());
                let worker = UdpWorker::new(socket, published, rotation, tally, limiter.clone(), stopping);
                spawn(number, worker, alarm.part(udp::WORKER))?;
            }
            pressure.look_at_connections(&sockets.tcp)?;
            accept(sockets.tcp, Protocol::Dns, &service, &alarm)?;
        }
        if let Some(encrypted) = encrypted {
            for socket in &encrypted.quic {
                pressure.look_at_queries(Arc::new(socket.try_clone()?.into()));
            }
            for listener in encrypted.tls.iter().chain(&encrypted.https) {
                pressure.look_at_connections(listener)?;
            }
            encrypted.start(&service, &alarm)?;
        }
        tokio::spawn(alarm.part("the task that tells of pressure").run(pressure.tell()));
        tokio::spawn(alarm.part("the task that gives memory back").run(memory::give_back(service.stopping)));
        Ok(running)
    }
}

impl Encrypted {
    fn start(self, service: &Service, alarm: &Alarm) -> io::Result<()> {
        let acceptor = |protocols| TlsAcceptor::from(tls::over_tcp(&self.shown, protocols));
        let over_tls = Protocol::DnsOverTls(acceptor(tls::DOT));
        let over_https = Protocol::DnsOverHttps(acceptor(tls::HTTP));
        for listener in self.tls {
            accept(listener, over_tls.clone(), service, alarm)?;
        }
        for listener in self.https {
            accept(listener, over_https.clone(), service, alarm)?;
        }
        for socket in self.quic {
            let acceptor = QuicAcceptor::new(socket, &self.shown, service.clone())?;
            tokio::spawn(alarm.part("a listener for QUIC").run(acceptor.run()));
        }
        Ok(())
    }
}

/// Starts the task of a listener.
fn accept(listener: TcpListener, protocol: Protocol, service: &Service, alarm: &Alarm) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = Acceptor { listener, protocol, service: service.clone() };
    tokio::spawn(alarm.part("a listener for TCP").run(acceptor.run()));
    Ok(())
}

/// Starts the thread of a worker, named `udp-0` and so on for each address.
fn spawn(number: usize, worker: UdpWorker, part: Part) -> io::Result<()> {
    let work = || {
        let _part = part;
        worker.run();
    };
    std::thread::Builder::new().name(format!("udp-{number}")).spawn(work).map(drop)
}

impl Running {
    /// Returns the limiter of all connections.
    pub fn limiter(&self) -> &Arc<ConnectionLimiter> {
        &self.limiter
    }

    /// Returns the counters of lost queries and connections; those of the kernel are read every 10 s.
    pub fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// Uses this certificate for new connections from now on; existing connections go on. Returns true if it differs
    /// from the one before. Without encrypted transports it has no effect.
    pub fn show(&self, credentials: Arc<CertifiedKey>) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.exchange(credentials))
    }

    /// Answers the queries that have arrived, closes everything and returns when the ports are free: at once if no
    /// client is in the middle of a message, after [`GRACE`] and [`LAST_GRACE`] at the latest.
    pub async fn stop(self) {
        self.stopping.send_replace(());
        if timeout(GRACE, self.stopping.closed()).await.is_err() {
            self.limiter.free_all();
            // Anything that is left after that is a bug, and ends with the process.
            let _ = timeout(LAST_GRACE, self.stopping.closed()).await;
        }
    }
}
