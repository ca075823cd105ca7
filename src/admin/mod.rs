//! The admin HTTP server: what a node tells of itself, and what it may be told.
//!
//! ```text
//!   listener ─► hall ─► head ─► gate ──────────► room ─────► route ─► answer
//!                        5 s    host, origin,     by what is  │
//!                               token             asked       │
//!                                                             ├─ reads: the published snapshot, control's survey
//!                                                             ├─ orders: to the loop that reads files, each with a reply
//!                                                             └─ events: the journal, as it is written
//! ```
//!
//! Whoever it may face, it is bounded in everything: connections of each kind ([`rooms`]), the size and the time of each part of
//! a request, followers of events. A connection serves one request. DNS is answered by other threads and tasks, which share
//! nothing with it.

mod body;
mod connection;
mod events;
mod gate;
mod healthz;
mod journal;
mod latency;
mod overrides;
mod refusal;
mod reports;
mod rollouts;
mod rooms;
mod routes;
mod socket;
mod txt;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::config::{Admin, Faults};
use crate::control::{DynamicTxt, Handle, TxtError};
use crate::limiter::{ConnectionLimiter, Losses};
use crate::name::Name;
use crate::report::Summary;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::vital::Alarm;
use gate::{Gate, Way};
use healthz::SelfChecks;
use refusal::ApiError;
use rooms::Rooms;
use socket::Socket;

pub use journal::Journal;

/// How long stopping waits for answers that are under way.
const GRACE: Duration = Duration::from_secs(1);

/// From one look at who gave way to the next one.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How long whoever orders something waits until it is on disk: a hundred times what a commit takes.
const DISK: Duration = Duration::from_secs(1);

/// Orders that wait for the loop that obeys them; those beyond are refused.
const ORDERS: usize = 16;

/// What is to be done where files are read and configurations are made: one thing after another.
#[derive(Debug)]
pub enum Order {
    /// Read all files again.
    Reload {
        /// Whether a configuration without a zone is meant.
        may_be_empty: bool,
        /// Hears what became of it.
        reply: oneshot::Sender<Reloaded>,
    },
    /// Look at, or change, the TXT records that are set.
    Txt(TxtOrder, oneshot::Sender<Result<TxtDone, TxtError>>),
}

/// What became of a reload: the faults that keep the old configuration.
pub type Reloaded = Result<Loaded, Faults>;

/// A configuration that is about to be served.
#[derive(Debug)]
pub struct Loaded {
    /// What works, but probably not as meant.
    pub warnings: Faults,
    /// What there is.
    pub summary: Summary,
    /// Receives the first snapshot of it; nothing if another one goes before it.
    pub served: oneshot::Receiver<Arc<Snapshot>>,
}

/// What is to be done with TXT records.
#[derive(Debug)]
pub enum TxtOrder {
    /// Nothing: tell them.
    List,
    /// Set a value, until this Unix time in seconds.
    Set(Name, String, u64),
    /// Take one value away, or all.
    Unset(Name, Option<String>),
}

/// What came of it.
#[derive(Debug)]
pub struct TxtDone {
    /// All that is set.
    pub records: DynamicTxt,
    /// Receives the first snapshot with the change, if there was one.
    pub served: Option<oneshot::Receiver<Arc<Snapshot>>>,
}

/// What requests are answered from.
#[derive(Debug)]
struct AppState {
    published: Arc<ArcSwap<Snapshot>>,
    control: Handle,
    orders: mpsc::Sender<Order>,
    journal: Arc<Journal>,
    store: Arc<Store>,
    limiter: Arc<ConnectionLimiter>,
    losses: Arc<Losses>,
    /// Where its own clients wait and are served: those of the network, those of the socket in the file system.
    rooms: [Arc<Rooms>; 2],
    gate: ArcSwap<Gate>,
    self_checks: SelfChecks,
    /// Whose turn it is to have something long made: measurements parsed, or all of the status told. That takes one processor
    /// at most, so that the heads of others are read meanwhile.
    long_work: Semaphore,
    started: Instant,
    /// Changed or closed: time to end.
    stopping: watch::Receiver<()>,
}

/// Sockets that nothing is answered on yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(SocketAddr, TcpListener)>,
    socket: Option<(Socket, UnixListener)>,
}

/// Why an address, or a path, cannot be listened on.
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

/// The node that the server is of.
#[derive(Debug)]
pub struct Node {
    /// What queries are answered from.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// The way to control.
    pub control: Handle,
    /// What is told to whoever follows events.
    pub journal: Arc<Journal>,
    /// Where DNS is answered.
    pub dns: Vec<SocketAddr>,
    /// Where orders are kept for the next run.
    pub store: Arc<Store>,
    /// Where connections of DNS are seated.
    pub limiter: Arc<ConnectionLimiter>,
    /// What clients of DNS lost.
    pub losses: Arc<Losses>,
    /// Connections that the admin server may have, about.
    pub connections: usize,
    /// Told of listeners that end although nobody told them to.
    pub alarm: Alarm,
}

/// A server that answers. Dropped, it stops as well, without waiting for it.
#[derive(Debug)]
pub struct Running {
    app: Arc<AppState>,
    addresses: Vec<SocketAddr>,
    socket: Option<Socket>,
    /// Listeners and connections hold a receiver as long as they have a socket.
    stopping: watch::Sender<()>,
}

impl Bound {
    /// Binds every address and the socket in the file system. Port 0 is one that the kernel chooses.
    pub fn new(admin: &Admin) -> Result<Self, BindError> {
        let bind = |&address: &SocketAddr| {
            connection::bind(address).map_err(|error| BindError { place: address.to_string(), error })
        };
        let listeners = admin.listen.iter().map(bind).collect::<Result<_, _>>()?;
        let bind =
            |path: &Path| socket::bind(path).map_err(|error| BindError { place: path.display().to_string(), error });
        Ok(Self { listeners, socket: admin.socket.as_deref().map(bind).transpose()? })
    }

    /// Answers on the tokio runtime that this is called in. What is ordered comes out of the receiver.
    pub fn start(self, admin: &Admin, node: Node) -> io::Result<(Running, mpsc::Receiver<Order>)> {
        let (stopping, stop) = watch::channel(());
        let (orders, received) = mpsc::channel(ORDERS);
        let Node { published, control, journal, dns, store, limiter, losses, connections, alarm } = node;
        // Whoever fills the rooms of the network leaves the command's own alone.
        let rooms = [Rooms::new(connections), Rooms::new(0)].map(Arc::new);
        let [over_network, over_file] = rooms.clone();
        let app = Arc::new(AppState {
            published,
            control,
            orders,
            journal,
            store,
            limiter,
            losses,
            rooms: rooms.clone(),
            gate: ArcSwap::from_pointee(Gate::new(admin)),
            self_checks: SelfChecks::new(dns),
            long_work: Semaphore::new(1),
            started: Instant::now(),
            stopping: stop,
        });
        let mut addresses = Vec::new();
        for (address, listener) in self.listeners {
            addresses.push(address);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let routes = routes::all(app.clone(), Way::Network);
            let accepting = connection::accept(listener, routes, over_network.clone(), stopping.subscribe());
            tokio::spawn(alarm.part("a listener of the admin server").run(accepting));
        }
        let mut socket = None;
        if let Some((file, listener)) = self.socket {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            let routes = routes::all(app.clone(), Way::File);
            let accepting = connection::accept(listener, routes, over_file, stopping.subscribe());
            tokio::spawn(alarm.part("the admin server's socket").run(accepting));
            socket = Some(file);
        }
        let telling = tell(rooms, stopping.subscribe());
        tokio::spawn(alarm.part("the task that tells of the admin server's clients").run(telling));
        Ok((Running { app, addresses, socket, stopping }, received))
    }
}

impl Running {
    /// The addresses in the order given, with the ports that the kernel chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The socket in the file system.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(Socket::path)
    }

    /// Admits from now on whom this section admits.
    pub fn admit(&self, admin: &Admin) {
        self.app.gate.store(Arc::new(Gate::new(admin)));
    }

    /// Answers what is asked already, closes everything and returns when the ports are free; at the latest after a second.
    pub async fn stop(self) {
        let Self { app, addresses: _, socket, stopping } = self;
        drop(socket);
        // It holds a receiver itself.
        drop(app);
        stopping.send_replace(());
        // What is left after that ends with the process.
        let _ = timeout(GRACE, stopping.closed()).await;
    }
}

impl AppState {
    /// Returns when answers show what was ordered, and a restart finds it. A disk that takes too long is not waited for: the
    /// order counts, and the log says that state is not kept.
    async fn settled(&self) -> Result<(), ApiError> {
        self.control.published().await.ok_or_else(ApiError::stopping)?;
        self.on_disk().await;
        Ok(())
    }

    /// Returns when a restart finds what was ordered, or the disk has had its time.
    async fn on_disk(&self) {
        let _ = timeout(DISK, self.store.settled()).await;
    }
}

/// Says when connections gave way to newcomers, and how many; until the server stops.
async fn tell(rooms: [Arc<Rooms>; 2], mut stopping: watch::Receiver<()>) {
    let mut told = 0;
    loop {
        tokio::select! {
            () = sleep(TELL_EVERY) => {}
            _ = stopping.changed() => return,
        }
        let evictions = evictions(&rooms);
        if evictions > told {
            warn!(
                closed = evictions - told,
                "clients of the admin server held more connections than there is room for: the longest idle were closed"
            );
        }
        told = evictions;
    }
}

/// Connections that gave way in any of these.
fn evictions(rooms: &[Arc<Rooms>]) -> u64 {
    rooms.iter().map(|rooms| rooms.evictions()).sum()
}

/// Whole seconds since 1970.
fn unix_time() -> u64 {
    since_epoch().as_secs()
}

/// The time since 1970; a clock that stands before that is taken to stand there.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
