//! Tells of connections that were closed for new ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::rooms::Rooms;

/// Interval of log lines about connections that were closed for new ones.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Logs how many connections were closed for new ones, until the server stops.
pub(super) async fn tell(rooms: [Arc<Rooms>; 2], mut stopping: watch::Receiver<()>) {
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
                "the limit of connections to the admin server was reached: the node closed those that were idle longest"
            );
        }
        told = evictions;
    }
}

/// Returns the number of connections that were closed for new ones.
pub(super) fn evictions(rooms: &[Arc<Rooms>]) -> u64 {
    rooms.iter().map(|rooms| rooms.evictions()).sum()
}
