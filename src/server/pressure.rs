//! What clients ask beyond what the node can give: told to the log, and counted for `status`.

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

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks at sockets, seats and losses.
pub(super) struct Pressure {
    queries: Vec<LookedAt>,
    connections: Vec<LookedAt>,
    limiter: Arc<ConnectionLimiter>,
    losses: Arc<Losses>,
    /// What was told by the last look.
    evictions: u64,
    transfers: u64,
    /// Behind the sockets: who waits for it finds the ports free.
    stopping: watch::Receiver<()>,
}

/// A socket, and what the kernel had dropped at it by the last look.
struct LookedAt {
    socket: Arc<Socket>,
    dropped: u32,
}

impl Pressure {
    pub(super) fn new(limiter: Arc<ConnectionLimiter>, losses: Arc<Losses>, stopping: watch::Receiver<()>) -> Self {
        let (queries, connections) = (Vec::new(), Vec::new());
        Self { queries, connections, limiter, losses, evictions: 0, transfers: 0, stopping }
    }

    /// Looks at a socket that queries come to.
    pub(super) fn look_at_queries(&mut self, socket: Arc<Socket>) {
        self.queries.push(LookedAt { socket, dropped: 0 });
    }

    /// Looks at a socket that connections come to.
    pub(super) fn look_at_connections(&mut self, listener: &TcpListener) -> io::Result<()> {
        self.connections.push(LookedAt { socket: Arc::new(listener.try_clone()?.into()), dropped: 0 });
        Ok(())
    }

    /// Tells what is too much, until the server stops.
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
        let occupancy = self.limiter.occupancy();
        if occupancy.evictions > self.evictions {
            warn!(
                closed = occupancy.evictions - self.evictions,
                most = occupancy.count,
                "clients of DNS held more connections than there is room for: the longest idle were closed"
            );
        }
        self.evictions = occupancy.evictions;
        let transfers = self.losses.transfers.load(Ordering::Relaxed);
        if transfers > self.transfers {
            warn!(
                cut = transfers - self.transfers,
                since_start = transfers,
                "zone transfers took too long and were cut"
            );
        }
        self.transfers = transfers;
    }
}

/// What the kernel dropped at these sockets since the last look, and with it since the start. The kernel counts for each
/// socket; a listener's are the connections that found its queue full (sk_drops, by SO_MEMINFO).
fn count(sockets: &mut [LookedAt], all: &AtomicU64) -> (u64, u64) {
    let mut sum = 0;
    for LookedAt { socket, dropped } in sockets {
        // A kernel before 4.12 does not tell.
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
        // Two fit into a queue of one; whoever finds it full hears nothing.
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
