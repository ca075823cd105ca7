//! Measured round trips, from control to the state folder and back.
//!
//! A million networks take a second or so to be packed, so that is done on a thread of its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::control::{Event, Handle, Now};
use crate::latency::{LatencyTable, Record};
use crate::store::{Batch, LATENCY, LatencyRecord, Store};

/// What the state folder holds of the latency table.
#[derive(Clone, Debug)]
pub(super) struct KeptLatency {
    store: Arc<Store>,
    /// The blocks that are there, once they were read; nothing is written over what was not. Whoever writes holds them.
    blocks: Arc<Mutex<Option<BTreeSet<String>>>>,
    /// The threads that write, or wait for their turn.
    writing: Arc<Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl KeptLatency {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, blocks: Arc::default(), writing: Arc::default() }
    }

    /// Tells control what an earlier process kept.
    pub(super) fn recall(&self, control: &Handle) -> JoinHandle<()> {
        let (kept, control) = (self.clone(), control.clone());
        tokio::spawn(async move {
            let (done, read) = oneshot::channel();
            spawn(move || {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let blocks = kept.store.all(&LATENCY);
                let records: Vec<Record> =
                    blocks.iter().flat_map(|(block, record)| record.unpack(block, now)).collect();
                *kept.blocks() = Some(blocks.into_keys().collect());
                // The node may have stopped meanwhile.
                let _ = done.send(records);
            });
            if let Ok(records) = read.await {
                control.tell(Event::KeptLatency(records)).await;
            }
        })
    }

    /// Puts a table in the place of the one that is kept, on a thread that [`finish`](Self::finish) waits for.
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

    /// Waits until all tables have come to the store.
    pub(super) fn finish(&self) {
        let writing = std::mem::take(&mut *self.writing());
        for thread in writing {
            // One that panicked was logged, and the next run does without its table.
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

/// Does work on a thread of its own. Without one it is not done, which is told: the next table is kept instead.
fn spawn(work: impl FnOnce() + Send + 'static) -> Option<thread::JoinHandle<()>> {
    let spawned = thread::Builder::new().name("latency".to_owned()).spawn(work);
    spawned.inspect_err(|error| warn!(%error, "round trips are not kept: there is no thread for it")).ok()
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

    /// What a node that begins with this folder is told.
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
