//! The admin HTTP server: shows the state of a node, and takes orders.
//!
//! ```text
//!   listener ─► hall ─► head ─► gate ──────────► room ─────► route ─► answer
//!     TLS off     5 s    5 s    host, origin,     by what is  │
//!     loopback                  token or          asked       │
//!                               certificate                   ├─ reads: the published snapshot, control's survey
//!                                                             ├─ orders: to the loop that reads files, each with a reply
//!                                                             └─ events: the journal, as it is written
//! ```
//!
//! Everybody who reaches a listener can connect, so everything has a limit: the connections of each kind ([`rooms`]),
//! the size and the time of each part of a request, the clients that follow events. A connection serves one request.
//! Other threads and tasks answer DNS, and nothing that they need waits for this server.

mod body;
mod connection;
mod effect;
mod encryption;
mod events;
mod external_dns;
mod file_listener;
mod gate;
mod healthz;
mod journal;
mod latency;
mod leases;
mod metrics;
mod order;
mod overrides;
mod overview;
mod page;
mod process;
mod refusal;
mod reports;
mod rollouts;
mod rooms;
mod routes;
mod tell;
mod txt;
mod zones;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tracing::warn;

use crate::config::{Admin, AdminTls, is_loopback};
use crate::control::{Handle, Shared};
use crate::counters::NodeCounters;
use crate::dnssec::Signatures;
use crate::handover::{Inherited, Label, Labelled, PrivateSocket, Role};
use crate::limiter::{ConnectionLimiter, Losses, Occupancy};
use crate::report::{FilesStatus, FleetShare, LastDecisions, Tallies, Traffic};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::vital::Alarm;
use crate::watch::{Lateness, ProbeCounters, ProbeHistory};
use encryption::Encryption;
use file_listener::FileListener;
use gate::{Gate, Way};
use healthz::SelfChecks;
use refusal::ApiError;
use rooms::Rooms;
use tell::{evictions, tell};

pub use journal::Journal;
pub use order::{
    ExternalDnsError, ExternalDnsOrder, LeaseDone, LeaseOrder, Loaded, Order, OrderReceivers, Reloaded, TxtDone,
    TxtOrder, ZonesError, ZonesOrder, ZonesPush, ZonesPushed, ZonesView,
};

/// How long a stop waits for answers in progress.
const GRACE: Duration = Duration::from_secs(1);

/// How long an order waits until it is on disk. A commit takes some 10 ms, and much longer on a disk that is busy with
/// other work.
const DISK: Duration = Duration::from_secs(10);

/// How long an order waits until the fleet has it. A stream confirms within the time that a message takes there and back.
const STREAM: Duration = Duration::from_secs(2);

/// Maximum number of orders that wait for the loop that executes them. Further ones are refused.
const ORDERS: usize = 16;

/// Maximum number of claims and releases of leases that wait for it. They take microseconds, but wait during a reload.
const LEASES: usize = 1024;

/// Everything that the answers to requests are made from.
#[derive(Debug)]
struct AppState {
    published: Arc<ArcSwap<Snapshot>>,
    control: Handle,
    orders: mpsc::Sender<Order>,
    leases: mpsc::Sender<Order>,
    journal: Arc<Journal>,
    store: Arc<Store>,
    limiter: Arc<ConnectionLimiter>,
    losses: Arc<Losses>,
    signatures: Arc<Signatures>,
    tallies: Arc<Tallies>,
    counters: Arc<NodeCounters>,
    probes: Arc<ProbeCounters>,
    history: Arc<ProbeHistory>,
    lateness: Arc<Lateness>,
    decisions: LastDecisions,
    /// The rooms of clients on the network, and those of clients on the socket in the file system.
    rooms: [Arc<Rooms>; 2],
    gate: ArcSwap<Gate>,
    encryption: Arc<Encryption>,
    self_checks: SelfChecks,
    /// The permit for long work, such as parsing measurements or printing the whole status. There is only one, so that
    /// the other processors can read the heads of other requests in the meantime.
    long_work: Semaphore,
    started: Instant,
    /// Changes or closes when the server stops.
    stopping: watch::Receiver<()>,
}

/// Sockets that are bound, but not served yet.
#[derive(Debug)]
pub struct Bound {
    /// Each with its configured address, and with the address that has the port that the kernel chose.
    listeners: Vec<(SocketAddr, SocketAddr, TcpListener)>,
    socket: Option<(PrivateSocket, UnixListener)>,
}

/// The reason why the server cannot listen on an address or a path.
#[derive(Debug)]
pub struct BindError {
    place: String,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the admin server cannot listen on {}: {}", self.place, self.error)
    }
}

impl std::error::Error for BindError {}

/// The parts of the node that the server uses.
#[derive(Debug)]
pub struct Node {
    /// The snapshot that queries are answered from.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// The handle of control.
    pub control: Handle,
    /// The events for followers.
    pub journal: Arc<Journal>,
    /// The addresses that answer DNS.
    pub dns: Vec<SocketAddr>,
    /// The store that keeps orders for the next run.
    pub store: Arc<Store>,
    /// The limiter of DNS connections.
    pub limiter: Arc<ConnectionLimiter>,
    /// The counters of lost queries and connections.
    pub losses: Arc<Losses>,
    /// The signatures that are kept.
    pub signatures: Arc<Signatures>,
    /// The counters of queries and answers.
    pub tallies: Arc<Tallies>,
    /// Facts about the node.
    pub counters: Arc<NodeCounters>,
    /// Outcomes of probes.
    pub probes: Arc<ProbeCounters>,
    /// The latest outcomes of each probe.
    pub history: Arc<ProbeHistory>,
    /// How late probes started.
    pub lateness: Arc<Lateness>,
    /// Approximate maximum number of connections to the admin server.
    pub connections: usize,
    /// The alarm for listeners that end unexpectedly.
    pub alarm: Alarm,
}

/// A running server. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    app: Arc<AppState>,
    addresses: Vec<SocketAddr>,
    socket: Option<FileListener>,
    /// The listening sockets on the network, for a process that replaces this one.
    sockets: Vec<Labelled>,
    /// Listeners and connections hold a receiver as long as they have a socket.
    stopping: watch::Sender<()>,
}

impl Bound {
    /// Binds every address and the socket in the file system. For port 0 the kernel chooses one. Uses the sockets of
    /// another process where it has any.
    pub fn new(admin: &Admin, inherited: &mut Inherited) -> Result<Self, BindError> {
        let bind = |&configured: &SocketAddr| {
            let of_other = inherited.take(Role::Admin, configured).into_iter().next();
            let bound = of_other.map_or_else(|| connection::bind(configured), connection::adopt);
            let (address, listener) = bound.map_err(|error| BindError { place: configured.to_string(), error })?;
            Ok((configured, address, listener))
        };
        let listeners = admin.listen.iter().map(bind).collect::<Result<_, _>>()?;
        let bind = |path: &Path| {
            let of_other = inherited.take(Role::AdminFile, Label::of_file(path)).into_iter().next();
            bind_file(path, of_other).map_err(|error| BindError { place: path.display().to_string(), error })
        };
        Ok(Self { listeners, socket: admin.socket.as_deref().map(bind).transpose()? })
    }

    /// Returns copies of the TCP listeners. Fails if the system has no descriptors left.
    pub fn listeners(&self) -> io::Result<Vec<TcpListener>> {
        self.listeners.iter().map(|(.., listener)| listener.try_clone()).collect()
    }

    /// Leaves the file of the socket to the process that it was inherited from.
    pub fn leave(self) {
        if let Some((file, _)) = self.socket {
            file.leave();
        }
    }

    /// Starts to answer on the current tokio runtime. With `tls`, connections to addresses that are not on loopback are
    /// encrypted. Returns the receivers of orders.
    pub fn start(self, admin: &Admin, tls: Option<&AdminTls>, node: Node) -> io::Result<(Running, OrderReceivers)> {
        let (stopping, stop) = watch::channel(());
        let (orders, received) = mpsc::channel(ORDERS);
        let (leases, of_leases) = mpsc::channel(LEASES);
        let received = OrderReceivers { orders: received, leases: of_leases };
        let Node { published, control, journal, dns, store, limiter, losses, signatures, .. } = node;
        let Node { tallies, counters, probes, history, lateness, connections, alarm, .. } = node;
        // A flood from the network cannot fill the rooms of the socket.
        let rooms = [Rooms::new(connections), Rooms::new(0)].map(Arc::new);
        let [over_network, over_file] = rooms.clone();
        let app = Arc::new(AppState {
            published,
            control,
            orders,
            leases,
            journal,
            store,
            limiter,
            losses,
            signatures,
            tallies,
            counters,
            probes,
            history,
            lateness,
            decisions: LastDecisions::default(),
            rooms: rooms.clone(),
            gate: ArcSwap::from_pointee(Gate::new(admin)),
            encryption: Arc::new(Encryption::new(tls)),
            self_checks: SelfChecks::new(dns),
            long_work: Semaphore::new(1),
            started: Instant::now(),
            stopping: stop,
        });
        let (mut addresses, mut sockets) = (Vec::new(), Vec::new());
        for (configured, address, listener) in self.listeners {
            addresses.push(address);
            sockets.push(Labelled::new(Role::Admin, configured, listener.try_clone()?));
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let (way, encryption) =
                if is_loopback(address) { (Way::Loopback, None) } else { (Way::Network, Some(app.encryption.clone())) };
            let (routes, rooms) = (routes::all(app.clone(), way), over_network.clone());
            let accepting = connection::accept(listener, encryption, routes, rooms, stopping.subscribe());
            tokio::spawn(alarm.part("a listener of the admin server").run(accepting));
        }
        let mut socket = None;
        if let Some((file, listener)) = self.socket {
            let (file, listeners) = FileListener::start(file, listener)?;
            let routes = routes::all(app.clone(), Way::File);
            let accepting = file_listener::accept(listeners, routes, over_file, stopping.subscribe());
            tokio::spawn(alarm.part("the admin server's socket").run(accepting));
            socket = Some(file);
        }
        let telling = tell(rooms, stopping.subscribe());
        tokio::spawn(alarm.part("the task that logs the admin server's clients").run(telling));
        Ok((Running { app, addresses, socket, sockets, stopping }, received))
    }
}

impl Running {
    /// Returns the addresses in the given order, with the ports that the kernel chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the path of the socket in the file system; `None` without one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(FileListener::path)
    }

    /// From now on, uses the tokens, hosts and clients of this configuration, and its certificates for new connections.
    pub fn admit(&self, admin: &Admin, tls: Option<&AdminTls>) {
        // In this order: clients of a new authority must not get permissions while connections still accept clients of
        // the old one.
        self.app.encryption.exchange(tls);
        self.app.gate.store(Arc::new(Gate::new(admin)));
    }

    /// Returns all listening sockets, for a process that replaces this one.
    pub fn sockets(&self) -> io::Result<Vec<Labelled>> {
        let of_file = self.socket.iter().map(FileListener::labelled);
        self.sockets.iter().map(Labelled::try_clone).chain(of_file).collect()
    }

    /// Does the same as [`Running::stop`], but leaves the file of the socket to the process that replaced this one.
    pub async fn retire(mut self) {
        if let Some(file) = self.socket.take() {
            file.leave();
        }
        self.stop().await;
    }

    /// Answers the requests in progress, closes everything, and returns when the ports are free, at the latest after a
    /// second.
    pub async fn stop(self) {
        let Self { app, addresses: _, socket, sockets, stopping } = self;
        drop((socket, sockets));
        // The state holds a receiver too.
        drop(app);
        stopping.send_replace(());
        // Connections that take longer end with the process.
        let _ = timeout(GRACE, stopping.closed()).await;
    }
}

impl AppState {
    /// Returns the state of the files on disk.
    fn files(&self) -> FilesStatus {
        let NodeCounters { is_last_load_bad, loaded_at, .. } = &*self.counters;
        FilesStatus { would_fail: is_last_load_bad.load(Relaxed), read_at: loaded_at.load(Relaxed) }
    }

    /// Returns the numbers of connections and losses.
    fn traffic(&self) -> Traffic {
        let Occupancy { taken, count, evictions: closed } = self.limiter.occupancy();
        let Losses { queries, connections, admin_connections, transfers, slipped, limited } = &*self.losses;
        Traffic {
            connections: taken,
            most_connections: count,
            closed_connections: closed,
            dropped_queries: queries.load(Relaxed),
            refused_connections: connections.load(Relaxed),
            refused_admin_connections: admin_connections.load(Relaxed),
            cut_transfers: transfers.load(Relaxed),
            closed_admin_connections: evictions(&self.rooms),
            slipped_responses: slipped.load(Relaxed),
            limited_responses: limited.load(Relaxed),
        }
    }

    /// Waits until DNS answers follow the last order and the order is on disk. Returns false if it cannot be written to
    /// disk; it is in force nevertheless. Returns also whether the fleet has it. Fails if the node is stopping.
    async fn settled(&self) -> Result<(bool, Option<FleetShare>), ApiError> {
        self.control.published().await.ok_or_else(ApiError::stopping)?;
        let fleet = self.shared().await;
        Ok((self.on_disk().await, fleet))
    }

    /// Returns whether the fleet has the last order, as soon as that is known, and not later than after [`STREAM`]. `None`
    /// without a fleet.
    async fn shared(&self) -> Option<FleetShare> {
        match timeout(STREAM, self.control.shared()).await {
            Ok(None | Some(Shared::NoFleet)) => None,
            Ok(Some(Shared::Yes)) => Some(FleetShare { shared: true, why: None }),
            Ok(Some(Shared::No(why))) => Some(FleetShare { shared: false, why: Some(why.into()) }),
            Err(_) => Some(FleetShare { shared: false, why: Some("it is not confirmed yet".to_owned()) }),
        }
    }

    /// Returns true as soon as the last order is on disk. Returns false after [`DISK`], or at once if the disk is known
    /// to be broken or to hang.
    async fn on_disk(&self) -> bool {
        let kept = timeout(DISK, self.store.settled()).await.unwrap_or(false);
        if !kept {
            warn!("an order is in force but not on disk: a restart would lose it");
        }
        kept
    }
}

/// Binds the socket in the file system, or uses the one of another process.
fn bind_file(path: &Path, of_other: Option<OwnedFd>) -> io::Result<(PrivateSocket, UnixListener)> {
    let (file, listener) = match of_other {
        Some(socket) => (PrivateSocket::inherit(path), socket.into()),
        None => PrivateSocket::bind(path)?,
    };
    listener.set_nonblocking(true)?;
    Ok((file, listener))
}
