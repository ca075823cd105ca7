//! The state folder: what a node keeps from run to run.
//!
//! One process at a time holds it: `lock` is locked by that process as long as it lives, however it ends. `state.redb` holds
//! [tables](Table) of rows. They are all in memory as well: [`Store::write`] changes them there and returns, and a thread of
//! its own brings the file to it. So nobody waits for a disk, and a disk that is full, broken or read-only costs what a
//! restart would know, and nothing else.
//!
//! ```text
//!   mod      the folder, as others see it           contents  all rows, and which of them the file lacks
//!   table    typed tables, batches of changes       writer    the thread, what it does about a broken disk
//!   records  the tables that there are              file      redb
//!   latency  one of them, in blocks
//! ```
//!
//! Another table is a constant of [`StoreTable`] beside those of `records`, and a shape for its rows.

mod contents;
mod file;
mod latency;
mod lock;
mod records;
mod rollouts;
mod table;
mod writer;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::disk::Disk;
use lock::NotHeld;
use writer::{Mailbox, Progress, Writer};

pub use latency::{LATENCY, LatencyRecord};
pub use lock::Held;
pub use records::{
    CONTENTS, HEALTH, HealthRecord, OVERRIDES, OverrideRecord, RECOVERIES, RecoveryRecord, SERIALS, TXT, TxtRecord,
};
pub use rollouts::{ROLLOUTS, RolloutRecord};
pub use table::{Batch, Key, StoreTable};

/// How long the start waits for what an earlier process left; a disk that hangs is not waited for.
const FIRST_READ: Duration = Duration::from_secs(5);

/// How long a stop waits for the last changes to be on disk.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The state folder, held by this process. When it is dropped, what was written last is brought to disk, within a second.
#[derive(Debug)]
pub struct Store {
    mailbox: Arc<Mailbox>,
}

impl Store {
    /// Takes hold of a folder, which is made if it is not there, and reads what an earlier process left. Whatever is wrong
    /// with the folder but that another process holds it is told to the log, and the store works as if nothing had been left.
    /// So it is when the folder's file system hangs, after as long as [`Disk`] waits for one.
    pub fn open(folder: &Path) -> Result<Self, Held> {
        let lock = match Disk::new().ask(folder, lock::hold) {
            Ok(Ok(lock)) => Some(lock),
            Ok(Err(NotHeld::Taken(held))) => return Err(held),
            // The writer tries again, and tells.
            Ok(Err(NotHeld::Unusable(..))) => None,
            // The writer will wait, and tell nothing.
            Err(error) => {
                warn!(folder = %folder.display(), %error, "state is not kept: nobody knows whether the folder is free");
                None
            }
        };
        let mailbox = Arc::new(Mailbox::default());
        let writer = Writer::new(folder, lock, mailbox.clone());
        match thread::Builder::new().name("state".to_owned()).spawn(move || writer.run_for_ever()) {
            Ok(_) => mailbox.wait_while(FIRST_READ, |state| state.progress == Progress::Reading),
            Err(error) => {
                warn!(%error, "state is not kept: no thread for it");
                mailbox.change(|state| state.progress = Progress::Ended);
            }
        }
        Ok(Self { mailbox })
    }

    /// All rows of a table. One that cannot be read is told and taken away.
    pub fn all<K: Key, V: Serialize + DeserializeOwned>(&self, table: &StoreTable<K, V>) -> BTreeMap<K, V> {
        let mut rows = BTreeMap::new();
        let mut unreadable = Batch::default();
        for (key, value) in self.mailbox.state().contents.table(table.name) {
            match StoreTable::row(key, value) {
                Some((key, value)) => _ = rows.insert(key, value),
                None => unreadable.delete_octets(table, key),
            }
        }
        if !unreadable.is_empty() {
            warn!(
                table = table.name,
                rows = unreadable.0.len(),
                "rows of the state file cannot be read, and are taken away"
            );
            self.write(unreadable);
        }
        rows
    }

    /// A row of a table; `None` for one that is not there, or cannot be read.
    pub fn get<K: Key, V: Serialize + DeserializeOwned>(&self, table: &StoreTable<K, V>, key: &K) -> Option<V> {
        let state = self.mailbox.state();
        let key = key.to_octets();
        StoreTable::<K, V>::row(&key, state.contents.row(table.name, &key)?).map(|(_, value)| value)
    }

    /// Keeps changes. They are seen by whoever reads the store when this returns, and on disk soon after.
    pub fn write(&self, Batch(changes): Batch) {
        self.mailbox.change(|state| {
            state.contents.change(changes);
            state.batches += 1;
        });
    }

    /// Returns when all that was written before is on disk, and whether it is: a disk that is known to be broken is not waited
    /// for.
    pub async fn settled(&self) -> bool {
        let batches = self.mailbox.state().batches;
        poll_fn(|context| {
            let mut state = self.mailbox.state();
            let is_on_disk = state.batches_on_disk >= batches;
            if is_on_disk || state.progress != Progress::Writing {
                return Poll::Ready(is_on_disk);
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Store {
    /// Brings what was written last to disk and lets the folder go; within a second, whatever the disk does.
    pub fn close(&self) {
        if self.mailbox.change(|state| std::mem::replace(&mut state.is_stopping, true)) {
            return;
        }
        self.mailbox.wait_while(LAST_WRITE, |state| state.progress != Progress::Ended);
        if self.mailbox.state().progress != Progress::Ended {
            warn!("the last changes of state may not be kept: the disk takes too long");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
