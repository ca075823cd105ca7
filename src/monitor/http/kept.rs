//! Connections that wait for their target's next probe: one for each target, never shared between targets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::connection::Connection;
use crate::health::Target;

/// The number of intervals that a connection waits. If no probe came in this time, the target is gone.
const PATIENCE: u32 = 2;

/// The connections of all targets.
#[derive(Default)]
pub(in super::super) struct Kept(Mutex<HashMap<Target, Waiting>>);

struct Waiting {
    connection: Connection,
    /// The task that drops the connection if no probe takes it in time: then the target is gone. Taking the connection
    /// cancels the task.
    _patience: JoinSet<()>,
}

impl Kept {
    /// Keeps a connection for the target's next probe.
    pub(super) fn keep(self: &Arc<Self>, target: &Target, connection: Connection) {
        let (kept, gone) = (Arc::downgrade(self), target.clone());
        let mut patience = JoinSet::new();
        patience.spawn(async move {
            tokio::time::sleep(gone.monitor.pace.interval() * PATIENCE).await;
            if let Some(kept) = kept.upgrade() {
                kept.take(&gone);
            }
        });
        self.waiting().insert(target.clone(), Waiting { connection, _patience: patience });
    }

    /// Takes out the connection that waits for this target, if there is one.
    pub(super) fn take(&self, target: &Target) -> Option<Connection> {
        let waiting = self.waiting().remove(target);
        waiting.map(|waiting| waiting.connection)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Target, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
