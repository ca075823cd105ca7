//! What clients ask beyond what the node can give: told to the log, and counted for `status`.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::Socket;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::batch;
use crate::seats::Seats;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks at sockets and seats.
pub(super) struct Pressure {
    /// Sockets that queries come to, and what the kernel had dropped at each by the last look.
    sockets: Vec<(Arc<Socket>, u32)>,
    seats: Arc<Seats>,
    /// Queries that the kernel dropped since the start.
    dropped: Arc<AtomicU64>,
    stopping: watch::Receiver<()>,
}

impl Pressure {
    pub(super) fn new(
        sockets: Vec<Arc<Socket>>,
        seats: Arc<Seats>,
        dropped: Arc<AtomicU64>,
        stopping: watch::Receiver<()>,
    ) -> Self {
        Self { sockets: sockets.into_iter().map(|socket| (socket, 0)).collect(), seats, dropped, stopping }
    }

    /// Tells what is too much, until the server stops.
    pub(super) async fn tell(mut self) {
        let mut evictions = 0;
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = self.stopping.changed() => return,
            }
            let dropped = self.count_drops();
            if dropped > 0 {
                let all = self.dropped.load(Ordering::Relaxed);
                warn!(
                    dropped,
                    since_start = all,
                    "the kernel dropped queries: more came over UDP than the workers could read"
                );
            }
            let occupancy = self.seats.occupancy();
            if occupancy.evictions > evictions {
                warn!(
                    closed = occupancy.evictions - evictions,
                    most = occupancy.count,
                    "clients of DNS held more connections than there is room for: the longest idle were closed"
                );
            }
            evictions = occupancy.evictions;
        }
    }

    /// Queries that the kernel dropped since the last look.
    fn count_drops(&mut self) -> u64 {
        let mut sum = 0;
        for (socket, last) in &mut self.sockets {
            // A kernel before 4.12 does not tell.
            let Ok(now) = batch::drops(socket.as_fd()) else { continue };
            sum += u64::from(now.wrapping_sub(*last));
            *last = now;
        }
        self.dropped.fetch_add(sum, Ordering::Relaxed);
        sum
    }
}
