//! Moves measured round trips between control and the state folder.
//!
//! To pack a million networks takes about a second, so a separate thread does that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::control::{Event, Handle, Now};
use crate::latency::{LatencyTable, Record};
use crate::store::{Batch, LATENCY, LatencyRecord, Store};

/// The part of the state folder that holds the latency table.
#[derive(Clone, Debug)]
pub(super) struct KeptLatency {
    store: Arc<Store>,
    /// The blocks in the store; `None` until they were read. Nothing is written before that. A writer holds the lock.
    blocks: Arc<Mutex<Option<BTreeSet<String>>>>,
    /// The threads that write, or wait for their turn.
    writing: Arc<Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl KeptLatency {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, blocks: Arc::default(), writing: Arc::default() }
    }

    /// Sends control the round trips that an earlier process kept.
    pub(super) fn recall(&self, control: &Handle) -> JoinHandle<()> {
        let (kept, control) = (self.clone(), control.clone());
        tokio::spawn(async move {
            let (done, read) = oneshot::channel();
            spawn(move || {
                let now = crate::clock::wall();
                let blocks = kept.store.all(&LATENCY);
                let records: Vec<Record> =
                    blocks.iter().flat_map(|(block, record)| record.unpack(block, now)).collect();
                *kept.blocks() = Some(blocks.into_keys().collect());
                // The node may have stopped in the meantime.
                let _ = done.send(records);
            });
            if let Ok(records) = read.await {
                control.tell(Event::KeptLatency(records)).await;
            }
        })
    }

    /// Replaces the stored table on a separate thread. [`finish`](Self::finish) waits for that thread.
    pub(super) fn keep(&self, table: LatencyTable, now: Now) {
        let kept = self.clone();
        let thread = spawn(move || {
            let mut known = kept.blocks();
            let Some(blocks) = &mut *known else { return };
            let packed = LatencyRecord::pack(table.records(now.elapsed), now.wall);
            let mut batch = Batch::default();
            for gone in blocks.iter().filter(|block| !packed.contains_key(*block)) {
                batch.delete(&LATENCY, gone);
            }
            for (block, record) in &packed {
                batch.put(&LATENCY, block, record);
            }
            kept.store.write(batch);
            *blocks = packed.into_keys().collect();
        });
        let mut writing = self.writing();
        writing.retain(|thread| !thread.is_finished());
        writing.extend(thread);
    }

    /// Waits until all tables are in the store.
    pub(super) fn finish(&self) {
        let writing = std::mem::take(&mut *self.writing());
        for thread in writing {
            // A panic of the thread was logged. The next run starts without that table.
            let _ = thread.join();
        }
    }

    fn writing(&self) -> MutexGuard<'_, Vec<thread::JoinHandle<()>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blocks(&self) -> MutexGuard<'_, Option<BTreeSet<String>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs work on a separate thread. If no thread can be started, it logs that and skips the work: the next table is
/// stored instead.
fn spawn(work: impl FnOnce() + Send + 'static) -> Option<thread::JoinHandle<()>> {
    let spawned = thread::Builder::new().name("latency".to_owned()).spawn(work);
    spawned.inspect_err(|error| warn!(%error, "measured round trips are not saved: cannot start a thread")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Message;
    use crate::latency::{Sample, Widths};

    const NOW: std::time::Duration = std::time::Duration::from_secs(1_790_000_000);

    fn table(networks: &[&str]) -> LatencyTable {
        let mut table = LatencyTable::default();
        table.adopt(["fra"], Widths::default());
        for network in networks {
            let sample = Sample::try_new(network.parse().unwrap(), "fra", 20.0).unwrap();
            table.feed(&sample, &crate::geo::Location::default(), NOW);
        }
        table
    }

    /// The round trips that a node receives when it starts with this folder.
    async fn recalled(kept: &KeptLatency) -> Vec<String> {
        let (control, mut received) = Handle::new();
        kept.recall(&control).await.unwrap();
        match received.receive().await {
            Some(Message::Event(Event::KeptLatency(records))) => {
                records.iter().map(|record| record.clients.to_string()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
    }

    fn keep(kept: &KeptLatency, networks: &[&str]) {
        kept.keep(table(networks), NOW.into());
        kept.finish();
    }

    #[test]
    fn the_last_table_is_what_is_recalled() {
        let folder = tempfile::tempdir().unwrap();
        let open = || KeptLatency::new(Arc::new(Store::open(folder.path()).unwrap()));
        let first = open();
        run(async { assert_eq!(recalled(&first).await, Vec::<String>::new()) });
        keep(&first, &["198.51.100.0/24", "203.0.113.0/24"]);
        keep(&first, &["198.51.100.0/24", "2001:db8::/48"]);
        drop(first);
        let second = open();
        keep(&second, &["192.0.2.0/24"]);
        run(async {
            assert_eq!(recalled(&second).await, ["198.51.100.0/24", "2001:db8::/48"], "nothing was written before");
        });
    }
}
