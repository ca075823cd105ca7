//! A running server, and the two ways in which it ends: it stops, or another process replaces it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::pulse::WorkerPulse;
use crate::dnssec::Signatures;
use crate::handover::Labelled;
use crate::limiter::{ConnectionLimiter, Losses};
use crate::tls::Shown;

/// Maximum time that stopping waits for half-sent queries and half-read answers.
pub const GRACE: Duration = Duration::from_secs(1);

/// Maximum time that stopping then waits for closed connections, and for workers to answer their last queries.
pub const LAST_GRACE: Duration = Duration::from_secs(1);

/// Maximum time that connections over TCP and TLS are served after another process replaced this one.
pub const DRAIN: Duration = Duration::from_secs(5);

/// A running server. If it is dropped, it stops, but nobody waits for its end.
#[derive(Debug)]
pub struct Running {
    pub(super) limiter: Arc<ConnectionLimiter>,
    pub(super) losses: Arc<Losses>,
    pub(super) signatures: Arc<Signatures>,
    /// The certificate of encrypted transports; `None` without such transports.
    pub(super) shown: Option<Arc<Shown>>,
    /// All listening sockets, for a process that replaces this one.
    pub(super) sockets: Vec<Labelled>,
    /// The tasks of QUIC's sockets.
    pub(super) quic: Vec<JoinHandle<()>>,
    pub(super) workers: WorkerPulse,
    /// Workers, listeners and connections hold a receiver as long as they have a socket.
    pub(super) stopping: watch::Sender<()>,
    /// Tells connections over TCP and TLS to end. They may go on for a while after `stopping`.
    pub(super) closing: watch::Sender<()>,
}

impl Running {
    /// Returns the limiter of all connections.
    pub fn limiter(&self) -> &Arc<ConnectionLimiter> {
        &self.limiter
    }

    /// Returns the counters of lost queries and connections. Losses in the kernel are added every 10 s.
    pub fn losses(&self) -> &Arc<Losses> {
        &self.losses
    }

    /// Returns the signatures that are kept.
    pub fn signatures(&self) -> &Arc<Signatures> {
        &self.signatures
    }

    /// Uses this certificate for new connections from now on; existing connections go on. Without encrypted transports
    /// it has no effect.
    pub fn show(&self, credentials: Arc<CertifiedKey>) {
        if let Some(shown) = &self.shown {
            shown.exchange(credentials);
        }
    }

    /// Returns the signs of life of the workers for UDP.
    pub fn workers(&self) -> WorkerPulse {
        self.workers.clone()
    }

    /// Returns all listening sockets, for a process that replaces this one.
    pub fn sockets(&self) -> &[Labelled] {
        &self.sockets
    }

    /// Leaves all sockets to the process that replaced this one. Ends all connections over QUIC first, and then calls
    /// `quic_is_free`. Connections over TCP and TLS are served until their clients close them, but no longer than
    /// [`DRAIN`]. Then stops as [`Running::stop`] does.
    pub async fn retire(mut self, quic_is_free: impl FnOnce()) {
        self.sockets.clear();
        self.stopping.send_replace(());
        let deadline = Instant::now() + DRAIN;
        for mut task in std::mem::take(&mut self.quic) {
            if timeout(GRACE, &mut task).await.is_err() {
                task.abort();
            }
        }
        quic_is_free();
        let left = deadline.saturating_duration_since(Instant::now());
        if timeout(left, self.stopping.closed()).await.is_err() {
            self.stop().await;
        }
    }

    /// Answers the queries that have arrived, closes everything, and returns when the ports are free. That is at once
    /// if no client is in the middle of a message, and after [`GRACE`] and [`LAST_GRACE`] at the latest.
    pub async fn stop(mut self) {
        self.sockets.clear();
        self.stopping.send_replace(());
        self.closing.send_replace(());
        if timeout(GRACE, self.stopping.closed()).await.is_err() {
            self.limiter.free_all();
            // A task that still runs after that is a bug. It ends with the process.
            let _ = timeout(LAST_GRACE, self.stopping.closed()).await;
        }
    }
}
