//! Watches for overload of the node, logs it, and counts it for `status`.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::Socket;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::batch;
use crate::limiter::{ConnectionLimiter, Losses};

/// Time between two checks.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Checks sockets, connections and losses.
pub(super) struct Pressure {
    queries: Vec<LookedAt>,
    connections: Vec<LookedAt>,
    admin_connections: Vec<LookedAt>,
    limiter: Arc<ConnectionLimiter>,
    losses: Arc<Losses>,
    /// The number of evictions at the last check.
    evictions: u64,
    transfers: u64,
    /// Dropped after the sockets: when it is closed, the ports are free.
    stopping: watch::Receiver<()>,
}

/// A socket, and the number of drops at its last check.
struct LookedAt {
    socket: Arc<Socket>,
    dropped: u32,
}

impl LookedAt {
    /// Begins with the present count, which is not 0 if the socket comes from another process.
    fn new(socket: Arc<Socket>) -> Self {
        let dropped = batch::drops(socket.as_fd()).unwrap_or(0);
        Self { socket, dropped }
    }
}

impl Pressure {
    pub(super) fn new(limiter: Arc<ConnectionLimiter>, losses: Arc<Losses>, stopping: watch::Receiver<()>) -> Self {
        Self {
            queries: Vec::new(),
            connections: Vec::new(),
            admin_connections: Vec::new(),
            limiter,
            losses,
            evictions: 0,
            transfers: 0,
            stopping,
        }
    }

    /// Checks a UDP socket from now on.
    pub(super) fn look_at_queries(&mut self, socket: Arc<Socket>) {
        self.queries.push(LookedAt::new(socket));
    }

    /// Checks a listener of DNS from now on.
    pub(super) fn look_at_connections(&mut self, listener: &TcpListener) -> io::Result<()> {
        self.connections.push(LookedAt::new(Arc::new(listener.try_clone()?.into())));
        Ok(())
    }

    /// Checks a listener of the admin server from now on.
    pub(super) fn look_at_admin_connections(&mut self, listener: TcpListener) {
        self.admin_connections.push(LookedAt { socket: Arc::new(listener.into()), dropped: 0 });
    }

    /// Logs overload until the server stops.
    pub(super) async fn tell(mut self) {
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = self.stopping.changed() => return,
            }
            self.look();
        }
    }

    fn look(&mut self) {
        let (dropped, since_start) = count(&mut self.queries, &self.losses.queries);
        if dropped > 0 {
            warn!(dropped, since_start, "the kernel dropped queries: more came over UDP than the workers could read");
        }
        let (refused, since_start) = count(&mut self.connections, &self.losses.connections);
        if refused > 0 {
            warn!(refused, since_start, "the kernel refused connections: more came than could be accepted");
        }
        let (refused, since_start) = count(&mut self.admin_connections, &self.losses.admin_connections);
        if refused > 0 {
            warn!(
                refused,
                since_start, "the kernel refused connections to the admin server: more came than could be accepted"
            );
        }
        let occupancy = self.limiter.occupancy();
        if occupancy.evictions > self.evictions {
            warn!(
                closed = occupancy.evictions - self.evictions,
                most = occupancy.count,
                "the limit of DNS connections was reached: the node closed those that were idle longest"
            );
        }
        self.evictions = occupancy.evictions;
        let transfers = self.losses.transfers.load(Ordering::Relaxed);
        if transfers > self.transfers {
            warn!(
                cut = transfers - self.transfers,
                since_start = transfers,
                "zone transfers took too long, so the node cut them off"
            );
        }
        self.transfers = transfers;
    }
}

/// Returns how many datagrams or connections the kernel dropped at these sockets: since the last check, and since the
/// start. Adds the first number to `all`. The kernel has a counter for each socket (sk_drops, by SO_MEMINFO). That of a
/// listener counts the connections that found its queue full.
fn count(sockets: &mut [LookedAt], all: &AtomicU64) -> (u64, u64) {
    let mut sum = 0;
    for LookedAt { socket, dropped } in sockets {
        // Kernels before 4.12 do not have the counter.
        let Ok(now) = batch::drops(socket.as_fd()) else { continue };
        sum += u64::from(now.wrapping_sub(*dropped));
        *dropped = now;
    }
    (sum, all.fetch_add(sum, Ordering::Relaxed) + sum)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use socket2::{Domain, Type};

    use super::*;

    #[test]
    fn connections_that_find_the_queue_full_are_counted() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(1).unwrap();
        let listener: TcpListener = socket.into();
        let (losses, (_stop, stopping)) = (Arc::new(Losses::default()), watch::channel(()));
        let mut pressure = Pressure::new(Arc::new(ConnectionLimiter::new(1, 1)), losses.clone(), stopping);
        pressure.look_at_connections(&listener).unwrap();
        pressure.look();
        assert_eq!(losses.connections.load(Ordering::Relaxed), 0);
        // A queue of one holds two; further connections get no response.
        let address = listener.local_addr().unwrap();
        let _waiting: Vec<_> =
            (0..4).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100))).collect();
        pressure.look();
        let counted = losses.connections.load(Ordering::Relaxed);
        assert!(counted >= 1, "{counted}");
        pressure.look();
        assert!(losses.connections.load(Ordering::Relaxed) >= counted);
    }
}
