//! The state folder: the state that a node keeps from run to run.
//!
//! Only one process at a time holds it. The process locks the file `lock`, and the kernel releases the lock when the
//! process ends in any way. `state.redb` holds [tables](StoreTable) of rows. All rows are also in memory:
//! [`Store::write`] changes them there and returns, and a separate thread writes them to the file. No caller waits for
//! a disk. If the disk is full, broken or read-only, the node only loses this state at its next restart.
//!
//! ```text
//!   mod      the interface of the folder            contents  all rows, and the changes that are not in the file
//!   table    typed tables, batches of changes       writer    the writing thread, and its reaction to a broken disk
//!   records  the tables                             file      redb
//!   latency  the table of round trips, in blocks    rollouts  the table of roll-outs
//!   versions the zones of the fleet, as files
//! ```
//!
//! A process that replaces this one gets all rows and the lock ([`Store::pause`], [`Store::of_successor`]). Only one of
//! the two has the file open at any time.
//!
//! To add a table, add a constant of [`StoreTable`] to `records`, and a shape for its rows.

mod contents;
mod file;
mod latency;
mod lease;
mod ledger;
mod lock;
mod records;
mod rollouts;
mod table;
mod versions;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
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
pub use lease::LeaseRecord;
pub use ledger::{EntryRecord, LEDGER, LedgerRecord, STREAMS};
pub use lock::Held;
pub use records::{
    AGREEMENTS, AgreementRecord, CONTENTS, EVENTS, HEALTH, HealthRecord, LEASES, OVERRIDES, OverrideRecord, RECOVERIES,
    RecoveryRecord, SERIALS, TXT, TxtRecord,
};
pub use rollouts::{ROLLOUTS, RolloutRecord};
pub use table::{Batch, Key, StoreTable};
pub use versions::{Copies, CopyError, PreparedCopies, ReleaseRecord};

/// How long the start waits for the rows of an earlier process. It does not wait for a disk that hangs.
const FIRST_READ: Duration = Duration::from_secs(5);

/// How long a stop waits until the last changes are on disk.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// How long a pause waits until the last changes are on disk and the file is closed.
const PAUSE: Duration = Duration::from_secs(2);

/// The state folder, held by this process. Dropping it writes the last changes to disk, within a second.
#[derive(Debug)]
pub struct Store {
    mailbox: Arc<Mailbox>,
    /// The writer of a process that does not own the folder yet.
    waiting: Mutex<Option<Writer>>,
}

/// The disk takes too long to write the last changes.
#[derive(Debug)]
pub struct DiskHangs;

impl fmt::Display for DiskHangs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk of the state folder takes too long to write the last changes")
    }
}

impl std::error::Error for DiskHangs {}

impl Store {
    /// Locks a folder and reads the rows of an earlier process. Creates the folder if it does not exist. Fails only if
    /// another process holds the folder. Logs any other problem, and then works as if there were no earlier rows. A
    /// file system that hangs is such a problem, after the deadline of [`Disk`].
    pub fn open(folder: &Path) -> Result<Self, Held> {
        let lock = match Disk::new().ask(folder, lock::hold) {
            Ok(Ok(lock)) => Some(lock),
            Ok(Err(NotHeld::Taken(held))) => return Err(held),
            // The writer tries to lock again, and logs the problem.
            Ok(Err(NotHeld::Unusable(..))) => None,
            // The file system hangs: the writer will hang too, and log nothing.
            Err(error) => {
                warn!(
                    folder = %folder.display(),
                    %error,
                    "state is not kept: cannot find out if another process holds the folder"
                );
                None
            }
        };
        let mailbox = Arc::new(Mailbox::default());
        let writer = Writer::new(folder, lock, mailbox.clone());
        let store = Self { mailbox, waiting: Mutex::default() };
        store.start(writer);
        store.mailbox.wait_while(FIRST_READ, |state| state.progress == Progress::Reading);
        if store.mailbox.state().progress == Progress::Reading {
            warn!(folder = %folder.display(), "state is not kept: the disk takes too long to read the last run's state");
        }
        Ok(store)
    }

    /// Opens the folder of a process that hands it over, with that process's rows ([`Store::pack`]) and lock. Nothing
    /// is written before [`Store::own`]. Returns `None` if the octets are no rows.
    pub fn of_successor(folder: &Path, lock: Option<OwnedFd>, rows: &[u8]) -> Option<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let rows = contents::unpack(rows)?;
        mailbox.change(|state| {
            state.contents.replace(rows);
            state.progress = Progress::Waiting;
        });
        let writer = Writer::of_successor(folder, lock.map(File::from), mailbox.clone());
        Some(Self { mailbox, waiting: Mutex::new(Some(writer)) })
    }

    /// Replaces all rows by those that the other process had last. Returns `None` if the octets are no rows.
    pub fn replace(&self, rows: &[u8]) -> Option<()> {
        let rows = contents::unpack(rows)?;
        self.mailbox.change(|state| state.contents.replace(rows));
        Some(())
    }

    /// Begins to write: the other process no longer does. Has no effect if this process owned the folder before.
    pub fn own(&self) {
        let writer = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut writer) = writer {
            writer.sign();
            self.start(writer);
        }
    }

    fn start(&self, writer: Writer) {
        if let Err(error) = thread::Builder::new().name("state".to_owned()).spawn(move || writer.run_for_ever()) {
            warn!(%error, "state is not kept: cannot start a thread");
            self.mailbox.change(|state| state.progress = Progress::Ended);
        }
    }

    /// All rows as octets.
    pub fn pack(&self) -> Vec<u8> {
        contents::pack(self.mailbox.state().contents.rows())
    }

    /// The lock of the folder, for a process that replaces this one; `None` if this process does not hold it.
    pub fn lock(&self) -> Option<OwnedFd> {
        self.mailbox.state().lock.as_ref()?.try_clone().ok().map(OwnedFd::from)
    }

    /// Writes the last changes and closes the file. Blocks its thread for two seconds at most, and fails if the disk
    /// takes longer. Changes are still accepted, and written after [`Store::resume`]. If [`Store::close`] comes first,
    /// they are not written: the folder belongs to another process.
    pub fn pause(&self) -> Result<(), DiskHangs> {
        self.mailbox.change(|state| state.is_pausing = true);
        let is_working = |progress| matches!(progress, Progress::Reading | Progress::Writing | Progress::InTrouble);
        self.mailbox.wait_while(PAUSE, |state| is_working(state.progress));
        if is_working(self.mailbox.state().progress) {
            self.resume();
            return Err(DiskHangs);
        }
        Ok(())
    }

    /// Goes on after [`Store::pause`].
    pub fn resume(&self) {
        self.mailbox.change(|state| state.is_pausing = false);
    }

    /// Returns all rows of a table. Removes rows that cannot be read, and logs that.
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
                "rows of the state file cannot be read and are removed"
            );
            self.write(unreadable);
        }
        rows
    }

    /// True if a table has no rows.
    pub fn is_empty<K, V>(&self, table: &StoreTable<K, V>) -> bool {
        self.mailbox.state().contents.table(table.name).next().is_none()
    }

    /// Returns a row of a table; `None` if it does not exist or cannot be read.
    pub fn get<K: Key, V: Serialize + DeserializeOwned>(&self, table: &StoreTable<K, V>, key: &K) -> Option<V> {
        let state = self.mailbox.state();
        let key = key.to_octets();
        StoreTable::<K, V>::row(&key, state.contents.row(table.name, &key)?).map(|(_, value)| value)
    }

    /// Stores changes. Readers see them when this returns. They are on disk soon after.
    pub fn write(&self, Batch(changes): Batch) {
        self.mailbox.change(|state| {
            state.contents.change(changes);
            state.batches += 1;
        });
    }

    /// Returns whether the last attempt to write succeeded, and the number of batches that are not on disk yet.
    pub fn condition(&self) -> (bool, u64) {
        let state = self.mailbox.state();
        (state.progress == Progress::Writing, state.batches.saturating_sub(state.batches_on_disk))
    }

    /// Returns why the latest changes are not on disk, and will not be soon; `None` if nothing is wrong.
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.mailbox.state().trouble()
    }

    /// Waits until all earlier changes are on disk, and returns true if they are. Does not wait for a disk that is
    /// known to be broken, or that has not finished a write for 10 s.
    pub async fn settled(&self) -> bool {
        let batches = self.mailbox.state().batches;
        poll_fn(|context| {
            let mut state = self.mailbox.state();
            let is_on_disk = state.batches_on_disk >= batches;
            if is_on_disk || state.progress != Progress::Writing || state.is_hung() {
                return Poll::Ready(is_on_disk);
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Store {
    /// Writes the last changes to disk and releases the folder, within a second, whatever the disk does.
    pub fn close(&self) {
        let was_stopping = self.mailbox.change(|state| std::mem::replace(&mut state.is_stopping, true));
        if was_stopping || self.mailbox.state().progress == Progress::Waiting {
            return;
        }
        self.mailbox.wait_while(LAST_WRITE, |state| state.progress != Progress::Ended);
        if self.mailbox.state().progress != Progress::Ended {
            warn!("the last changes of state may be lost: the disk takes too long");
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
