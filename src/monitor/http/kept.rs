//! Connections that wait for their target's next probe: one a target, and never another target's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::connection::Connection;
use crate::health::Target;

/// So many intervals a connection waits: when as many have passed without a probe, the target is gone.
const PATIENCE: u32 = 2;

/// The connections of all targets.
#[derive(Default)]
pub(in super::super) struct Kept(Mutex<HashMap<Target, Waiting>>);

struct Waiting {
    connection: Connection,
    /// Ends the wait of a target that is gone; it ends itself when the connection is taken.
    _patience: JoinSet<()>,
}

impl Kept {
    /// Keeps a connection for the target's next probe.
    pub(super) fn keep(self: &Arc<Self>, target: &Target, connection: Connection) {
        let (kept, gone) = (Arc::downgrade(self), target.clone());
        let mut patience = JoinSet::new();
        patience.spawn(async move {
            tokio::time::sleep(gone.monitor.interval * PATIENCE).await;
            if let Some(kept) = kept.upgrade() {
                kept.take(&gone);
            }
        });
        self.waiting().insert(target.clone(), Waiting { connection, _patience: patience });
    }

    /// The connection that waits for this target, if there is one.
    pub(super) fn take(&self, target: &Target) -> Option<Connection> {
        let waiting = self.waiting().remove(target);
        waiting.map(|waiting| waiting.connection)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Target, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
