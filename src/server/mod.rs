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

mod ahead;
mod answer_records;
mod batch;
mod bind;
mod doh;
mod doq;
mod https;
mod memory;
mod pressure;
mod pulse;
mod quic;
mod rate_limit;
mod recorder;
mod running;
mod service;
mod stream;
mod tcp;
mod udp;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::answer::{Ahead, Rotation, Transport, Worker};
use crate::counters::{Tally, Traffic};
use crate::handover::{Inherited, Labelled, Role};
use crate::limiter::{ConnectionLimiter, Losses};
use crate::snapshot::Snapshot;
use crate::tap::{Producer, SharedProducers};
use crate::tls::{self, Shown};
use crate::vital::{self, Alarm, Part};
pub use ahead::{AheadBell, AheadRings, ahead_bell};
pub use bind::{BindError, BindFailure};
use bind::{Listener, Sockets};
pub use memory::share_heap;
use pressure::Pressure;
pub use pulse::WorkerPulse;
use quic::QuicAcceptor;
use rate_limit::RateLimiter;
use recorder::Recorder;
pub use running::{DRAIN, GRACE, LAST_GRACE, Running};
use service::Service;
pub use service::TcpLimits;
use tcp::{Acceptor, Protocol};
pub use udp::UdpWorker;

/// Bound sockets, on which no query is answered yet.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<Sockets>,
    workers: NonZeroUsize,
    encrypted: Option<Encrypted>,
    /// Listeners of the admin server, to count the connections that the kernel refuses there.
    admin: Vec<TcpListener>,
    limits: TcpLimits,
    alarm: Alarm,
    /// `None` if nobody counts.
    traffic: Option<Arc<Traffic>>,
    inherited: Inherited,
    /// Becomes true when the sockets of QUIC may be read; `None` if they may be read at once.
    quic_gate: Option<watch::Receiver<bool>>,
    /// The rings of the query log, for UDP workers one each; `None` if nobody reads it.
    taps: Option<Taps>,
    /// `None` if nothing is signed ahead.
    ahead: Option<AheadRings>,
}

/// The writing ends of the query log.
#[derive(Debug)]
pub struct Taps {
    /// One for each UDP worker of each address. If there are more workers than these, the others use those of
    /// connections.
    pub workers: Vec<Producer>,
    /// The producers that all connections share.
    pub connections: SharedProducers,
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
    tls: Vec<Listener<TcpListener>>,
    https: Vec<Listener<TcpListener>>,
    quic: Vec<Listener<UdpSocket>>,
    shown: Arc<Shown>,
}

impl Bound {
    /// Binds every address over UDP, with a socket for each worker, and over TCP. For port 0 the kernel chooses a port,
    /// the same for both.
    pub fn new(addresses: &[SocketAddr], workers: NonZeroUsize) -> Result<Self, BindError> {
        Self::inheriting(Inherited::default(), addresses, workers)
    }

    /// Binds every address as [`new`](Self::new) does, but uses the sockets of another process where there are any.
    pub fn inheriting(
        mut inherited: Inherited,
        addresses: &[SocketAddr],
        workers: NonZeroUsize,
    ) -> Result<Self, BindError> {
        let bind = |&address: &SocketAddr| Sockets::bind(address, workers, &mut inherited);
        let sockets = addresses.iter().map(bind).collect::<Result<_, _>>()?;
        let (limits, alarm) = (TcpLimits::default(), vital::alarm().0);
        Ok(Self {
            sockets,
            workers,
            encrypted: None,
            admin: Vec::new(),
            limits,
            alarm,
            traffic: None,
            inherited,
            quic_gate: None,
            taps: None,
            ahead: None,
        })
    }

    /// Also binds the addresses of encrypted transports, which show this certificate.
    pub fn with_encrypted(
        mut self,
        addresses: &EncryptedAddresses,
        credentials: Arc<CertifiedKey>,
    ) -> Result<Self, BindError> {
        let EncryptedAddresses { tls, https, quic } = addresses;
        let inherited = &mut self.inherited;
        let mut streams = |addresses: &[SocketAddr], transport, role| {
            let bind = |&address: &SocketAddr| bind::bind_stream(address, transport, role, inherited);
            addresses.iter().map(bind).collect::<Result<_, _>>()
        };
        let (tls, https) = (streams(tls, Transport::Tls, Role::Tls)?, streams(https, Transport::Https, Role::Https)?);
        let quic = quic.iter().map(|&address| bind::bind_quic(address, inherited)).collect::<Result<_, _>>()?;
        self.encrypted = Some(Encrypted { tls, https, quic, shown: Arc::new(Shown::new(credentials)) });
        Ok(self)
    }

    /// Takes the inherited sockets that no DNS address uses.
    pub fn take_inherited(&mut self) -> Inherited {
        std::mem::take(&mut self.inherited)
    }

    /// Does not read the sockets of QUIC before `gate` holds true, or its sender is gone. Until then another process
    /// has connections there, and this process could not handle their packets.
    pub fn with_quic_gate(self, gate: watch::Receiver<bool>) -> Self {
        Self { quic_gate: Some(gate), ..self }
    }

    /// Also counts the connections that the kernel refuses at these listeners of the admin server.
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

    /// Passes queries and answers to the query log, where the snapshot asks for it.
    pub fn with_taps(self, taps: Taps) -> Self {
        Self { taps: Some(taps), ..self }
    }

    /// Signs likely answers ahead whenever this bell rings.
    pub fn with_ahead(self, rings: AheadRings) -> Self {
        Self { ahead: Some(rings), ..self }
    }

    /// Returns the addresses in the given order, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|sockets| sockets.address).collect()
    }

    /// Returns the addresses of encrypted transports in the given order, with the ports that the kernel chose.
    pub fn encrypted_addresses(&self) -> io::Result<EncryptedAddresses> {
        let Some(Encrypted { tls, https, quic, shown: _ }) = &self.encrypted else {
            return Ok(EncryptedAddresses::default());
        };
        let of = |listeners: &[Listener<TcpListener>]| {
            listeners.iter().map(|listener| listener.socket.local_addr()).collect::<Result<_, _>>()
        };
        let quic = quic.iter().map(|listener| listener.socket.local_addr()).collect::<Result<_, _>>()?;
        Ok(EncryptedAddresses { tls: of(tls)?, https: of(https)?, quic })
    }

    /// Returns copies of all listening sockets, with their labels.
    fn labelled(&self) -> io::Result<Vec<Labelled>> {
        let mut labelled = Vec::new();
        for Sockets { configured, udp, tcp, .. } in &self.sockets {
            for socket in udp {
                labelled.push(Labelled::new(Role::Udp, configured, socket.try_clone()?));
            }
            labelled.push(Labelled::new(Role::Tcp, configured, tcp.try_clone()?));
        }
        if let Some(Encrypted { tls, https, quic, shown: _ }) = &self.encrypted {
            for (listeners, role) in [(tls, Role::Tls), (https, Role::Https)] {
                for Listener { configured, socket } in listeners {
                    labelled.push(Labelled::new(role, configured, socket.try_clone()?));
                }
            }
            for Listener { configured, socket } in quic {
                labelled.push(Labelled::new(Role::Quic, configured, socket.try_clone()?));
            }
        }
        Ok(labelled)
    }

    /// Returns a worker for the first address that has no thread, for measurements. It answers when
    /// [`UdpWorker::answer_waiting`] is called.
    pub fn worker(&mut self, published: Arc<ArcSwap<Snapshot>>, rotation: Arc<Rotation>) -> UdpWorker {
        let (sockets, (_, stopping)) = (&self.sockets[0], watch::channel(()));
        let worker = Worker::new(rotation);
        let tally = self.traffic.as_ref().map(|traffic| Tally::of_worker(traffic, 0));
        let worker = tally.into_iter().fold(worker, Worker::counting);
        let producer = self.taps.as_mut().and_then(|taps| taps.workers.pop());
        let recorder = producer.map_or(Recorder::Nobody, Recorder::Alone);
        let (limiter, beat) = (Arc::new(RateLimiter::new(Arc::default())), WorkerPulse::default().add());
        let socket = (sockets.udp[0].clone(), sockets.address);
        UdpWorker::new(socket, published, worker, recorder, limiter, beat, stopping)
    }

    /// Begins to answer from the `published` snapshot, in new threads and on the current tokio runtime. Fails if the
    /// system has no threads or descriptors left.
    pub fn start(self, published: Arc<ArcSwap<Snapshot>>, rotation: Arc<Rotation>) -> io::Result<Running> {
        let labelled = self.labelled()?;
        let Self { sockets, workers, encrypted, admin, limits, alarm, traffic, inherited: _, quic_gate, taps, ahead } =
            self;
        let (own_taps, shared) = taps.map(|Taps { workers, connections }| (workers, Arc::new(connections))).unzip();
        let mut own_taps = own_taps.into_iter().flatten();
        let (stopping, stop) = watch::channel(());
        let (closing, close) = watch::channel(());
        let limiter = Arc::new(ConnectionLimiter::new(limits.connections, limits.connections_per_client));
        let shown = encrypted.as_ref().map(|encrypted| encrypted.shown.clone());
        let losses = Arc::new(Losses::default());
        let service = Service {
            published,
            rotation,
            signatures: Arc::default(),
            traffic,
            taps: shared,
            limits,
            responders: Arc::default(),
            limiter: limiter.clone(),
            losses: losses.clone(),
            stopping: stop,
            closing: close,
        };
        let mut running = Running {
            limiter: limiter.clone(),
            losses: losses.clone(),
            signatures: service.signatures.clone(),
            shown,
            sockets: labelled,
            quic: Vec::new(),
            workers: WorkerPulse::default(),
            stopping,
            closing,
        };
        let mut pressure = Pressure::new(limiter, losses.clone(), service.stopping.clone());
        for listener in admin {
            pressure.look_at_admin_connections(listener);
        }
        let limiter = Arc::new(RateLimiter::new(losses));
        let telling = rate_limit::tell(limiter.clone(), service.stopping.clone());
        tokio::spawn(alarm.part("the task that logs rate limits").run(telling));
        let mut tallies = (0..).map(|number| Some(Tally::of_worker(service.traffic.as_ref()?, number)));
        for sockets in sockets {
            sockets.udp.iter().for_each(|socket| pressure.look_at_queries(socket.clone()));
            for (socket, number) in sockets.udp.iter().cycle().cloned().zip(0..sockets.workers(workers)) {
                let (published, stopping) = (service.published.clone(), service.stopping.clone());
                let (limiter, beat) = (limiter.clone(), running.workers.add());
                let worker = Worker::new(service.rotation.clone()).sharing(service.signatures.clone());
                let worker = tallies.next().flatten().into_iter().fold(worker, Worker::counting);
                let recorder = own_taps.next().map_or_else(|| service.recorder(), Recorder::Alone);
                let socket = (socket, sockets.address);
                let worker = UdpWorker::new(socket, published, worker, recorder, limiter, beat, stopping);
                spawn(number, worker, alarm.part(udp::WORKER))?;
            }
            pressure.look_at_connections(&sockets.tcp)?;
            accept(sockets.tcp, Protocol::Dns, &service, &alarm)?;
        }
        if let Some(encrypted) = encrypted {
            for Listener { socket, .. } in &encrypted.quic {
                pressure.look_at_queries(Arc::new(socket.try_clone()?.into()));
            }
            for listener in encrypted.tls.iter().chain(&encrypted.https) {
                pressure.look_at_connections(&listener.socket)?;
            }
            running.quic = encrypted.start(&service, quic_gate.as_ref(), &alarm)?;
        }
        if let Some(rings) = ahead {
            sign_ahead(rings, &service)?;
        }
        tokio::spawn(alarm.part("the task that logs overload").run(pressure.tell()));
        tokio::spawn(alarm.part("the task that returns memory").run(memory::give_back(service.stopping)));
        Ok(running)
    }
}

impl Encrypted {
    /// Starts the listeners. Returns the tasks of QUIC's sockets.
    fn start(
        self,
        service: &Service,
        quic_gate: Option<&watch::Receiver<bool>>,
        alarm: &Alarm,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let acceptor = |protocols| TlsAcceptor::from(tls::over_tcp(&self.shown, protocols, None));
        let over_tls = Protocol::DnsOverTls(acceptor(tls::DOT));
        let over_https = Protocol::DnsOverHttps(acceptor(tls::HTTP));
        for listener in self.tls {
            accept(listener.socket, over_tls.clone(), service, alarm)?;
        }
        for listener in self.https {
            accept(listener.socket, over_https.clone(), service, alarm)?;
        }
        let mut tasks = Vec::new();
        for Listener { socket, .. } in self.quic {
            let part = alarm.part("a listener for QUIC");
            let Some(gate) = quic_gate.cloned() else {
                let acceptor = QuicAcceptor::new(socket, &self.shown, service.clone())?;
                tasks.push(tokio::spawn(part.run(acceptor.run())));
                continue;
            };
            let behind = quic::run_behind(gate, socket, self.shown.clone(), service.clone());
            tasks.push(tokio::spawn(part.run(behind)));
        }
        Ok(tasks)
    }
}

/// Starts the task of a listener.
fn accept(listener: TcpListener, protocol: Protocol, service: &Service, alarm: &Alarm) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = Acceptor { listener, protocol, service: service.clone() };
    tokio::spawn(alarm.part("a listener for TCP").run(acceptor.run()));
    Ok(())
}

/// Starts the thread that signs ahead.
fn sign_ahead(rings: AheadRings, service: &Service) -> io::Result<()> {
    let Service { published, rotation, signatures, traffic, .. } = service.clone();
    let (ahead, tally) = (Ahead::new(rotation, signatures), traffic.map(|traffic| Tally::of_stream(&traffic)));
    let work = move || ahead::run(rings, &published, ahead, tally.as_ref());
    std::thread::Builder::new().name("sign-ahead".to_owned()).spawn(work).map(drop)
}

/// Starts the thread of a worker, named `udp-0` and so on for each address.
fn spawn(number: usize, worker: UdpWorker, part: Part) -> io::Result<()> {
    let work = || {
        let _part = part;
        worker.run();
    };
    std::thread::Builder::new().name(format!("udp-{number}")).spawn(work).map(drop)
}
