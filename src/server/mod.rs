//! The sockets around [`answer`](crate::answer::answer): UDP and TCP on port 53.
//!
//! ```text
//!   Bound ── start ──► Running ── stop ──► ports are free
//!                        │
//!                        ├─ a thread for each worker and address: UDP, in batches
//!                        └─ tasks on tokio: a listener for each address, its connections
//! ```
//!
//! UDP has threads of its own, which wait in the kernel: nothing else that the process does runs on them. The kernel deals
//! datagrams out to an address's sockets by a hash of both ends (SO_REUSEPORT). Both ways read the snapshot that is
//! published at the time and know nothing of where it comes from.

mod batch;
mod bind;
mod seats;
mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::answer::Rotation;
use crate::snapshot::Snapshot;
use bind::Sockets;
pub use bind::{BindError, BindFailure};
use seats::Seats;
pub use tcp::TcpLimits;
use tcp::{Acceptor, Source};
use udp::UdpWorker;

/// How long stopping waits for queries that are half sent and answers that are half read.
pub const GRACE: Duration = Duration::from_secs(1);

/// How long it waits beyond that for connections that were closed and workers that see the end of their queries.
pub const LAST_GRACE: Duration = Duration::from_secs(1);

/// Sockets that nothing is answered on yet.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<Sockets>,
    limits: TcpLimits,
}

/// A server that answers. Dropped, it stops as well, without waiting for it.
#[derive(Debug)]
pub struct Running {
    seats: Arc<Seats>,
    /// Workers, listeners and connections hold a receiver as long as they have a socket.
    stopping: watch::Sender<()>,
}

impl Bound {
    /// Binds every address over UDP, with a socket for each worker, and over TCP. Port 0 is one that the kernel chooses, the
    /// same for both.
    pub fn new(addresses: &[SocketAddr], workers: NonZeroUsize) -> Result<Self, BindError> {
        let sockets = addresses.iter().map(|&address| Sockets::bind(address, workers)).collect::<Result<_, _>>()?;
        Ok(Self { sockets, limits: TcpLimits::default() })
    }

    /// With other limits for TCP than the default.
    pub fn with_tcp_limits(self, limits: TcpLimits) -> Self {
        Self { limits, ..self }
    }

    /// The addresses in the order given, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|sockets| sockets.address).collect()
    }

    /// Answers from what is `published`, on threads of its own and on the tokio runtime that this is called in. Fails when the
    /// system has no threads or descriptors left.
    pub fn start(self, published: Arc<ArcSwap<Snapshot>>, rotation: Arc<Rotation>) -> io::Result<Running> {
        let (stopping, stop) = watch::channel(());
        let running = Running {
            seats: Arc::new(Seats::new(self.limits.connections, self.limits.connections_per_client)),
            stopping,
        };
        let source = Source { published, rotation };
        for sockets in self.sockets {
            for (socket, number) in sockets.udp.into_iter().zip(0..) {
                let (published, rotation) = (source.published.clone(), source.rotation.clone());
                let worker = UdpWorker::new(socket, published, rotation, stop.clone());
                spawn(number, worker)?;
            }
            let acceptor = Acceptor {
                listener: tokio::net::TcpListener::from_std(sockets.tcp)?,
                source: source.clone(),
                seats: running.seats.clone(),
                limits: self.limits,
                stopping: stop.clone(),
            };
            tokio::spawn(acceptor.run());
        }
        Ok(running)
    }
}

/// Seconds since 1970, for cookies. A clock that stands before that makes cookies that are valid there.
fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Starts a worker's thread, named `udp-0` and so on for each address.
fn spawn(number: usize, worker: UdpWorker) -> io::Result<()> {
    std::thread::Builder::new().name(format!("udp-{number}")).spawn(|| worker.run()).map(drop)
}

impl Running {
    /// Answers what has come, closes everything and returns when the ports are free: at once if no client is in the midst of a
    /// message, at the latest after [`GRACE`] and [`LAST_GRACE`].
    pub async fn stop(self) {
        self.stopping.send_replace(());
        if timeout(GRACE, self.stopping.closed()).await.is_err() {
            self.seats.free_all();
            // What is left after that is a bug's, and ends with the process.
            let _ = timeout(LAST_GRACE, self.stopping.closed()).await;
        }
    }
}
