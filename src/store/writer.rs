//! The thread that owns the file, and the mailbox in which others leave changes for it.
//!
//! ```text
//!   write ──► mailbox ──► writer ──► state.redb
//!              │  ▲         │
//!              │  └─────────┘ the rows of an earlier process, once
//!              ▼
//!          all, get
//! ```
//!
//! The mailbox is locked only while rows move in memory, never while the disk works. If something is wrong with the
//! disk, the writer logs it once, closes the file, and tries with a new one every five seconds. It logs when that works
//! again.

use std::fs::{self, File};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::contents::Contents;
use super::file::{self, Damage, StateFile, text_of};
use super::lock;
use crate::vital;

/// Interval of attempts while nothing can be written.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// Maximum number of corrupt files that are kept for inspection. Older ones are removed.
const MOST_ASIDE: usize = 3;

/// Time after which a write that is not finished counts as hung.
const HUNG: Duration = Duration::from_secs(10);

/// How often the writer looks if its file is still in its place while there is nothing to write.
const LOOK: Duration = Duration::from_secs(10);

const STATE: &str = "state.redb";
/// The name of a corrupt file that was set aside, followed by the Unix second of that.
const ASIDE: &str = "state.redb.corrupt-";

/// The place where callers and the writer exchange changes.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<WriterState>,
    changed: Condvar,
}

/// The contents of the mailbox.
#[derive(Debug, Default)]
pub(super) struct WriterState {
    pub(super) contents: Contents,
    /// True if the writer is to write the remaining changes and end.
    pub(super) is_stopping: bool,
    /// True if the writer is to write the remaining changes, close the file and wait.
    pub(super) is_pausing: bool,
    /// The lock of the folder once the writer holds it, for a process that replaces this one.
    pub(super) lock: Option<File>,
    pub(super) progress: Progress,
    /// When the writer began to use the disk; `None` while it waits for changes.
    busy_since: Option<Instant>,
    /// Number of batches that were left here.
    pub(super) batches: u64,
    /// Number of batches that are on disk.
    pub(super) batches_on_disk: u64,
    /// Why nothing can be written; `None` if the last attempt succeeded.
    pub(super) trouble: Option<Arc<str>>,
    /// Tasks to wake at the next change.
    pub(super) waiting: Vec<Waker>,
}

impl WriterState {
    /// Why the latest changes are not on disk, and will not be soon; `None` if nothing is wrong.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        let hung = || self.is_hung().then(|| Arc::from("the disk has not finished a write for 10 s"));
        self.trouble.clone().or_else(hung)
    }

    /// True if the disk has not finished a write for a long time.
    pub(super) fn is_hung(&self) -> bool {
        self.busy_since.is_some_and(|since| since.elapsed() >= HUNG)
    }
}

/// The progress of the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// It reads the rows of an earlier process, if possible.
    #[default]
    Reading,
    /// It writes changes.
    Writing,
    /// Its last attempt to write failed.
    InTrouble,
    /// It closed the file, because another process may take the folder over.
    Paused,
    /// It does not run yet: another process still owns the folder.
    Waiting,
    /// It ended after a request to stop, whether it could write the remaining changes or not.
    Ended,
}

impl Mailbox {
    pub(super) fn state(&self) -> MutexGuard<'_, WriterState> {
        // A panic leaves each row either changed or not, so a poisoned lock is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes everybody who waits for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut WriterState) -> T) -> T {
        let (result, waiting) = {
            let mut state = self.state();
            (change(&mut state), mem::take(&mut state.waiting))
        };
        self.changed.notify_all();
        waiting.into_iter().for_each(Waker::wake);
        result
    }

    /// Waits while `is_so` is true, but not longer than `limit`.
    pub(super) fn wait_while(&self, limit: Duration, is_so: impl Fn(&WriterState) -> bool) {
        // The caller checks whether the time ran out.
        let _ = self.changed.wait_timeout_while(self.state(), limit, |state| is_so(state));
    }
}

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    mailbox: Arc<Mailbox>,
    lock: Option<File>,
    file: Option<StateFile>,
    /// True if the rows of an earlier process are in the mailbox, or its file was set aside.
    is_read: bool,
    /// True if the last attempt failed, which was logged.
    in_trouble: bool,
}

impl Writer {
    pub(super) fn new(folder: &Path, lock: Option<File>, mailbox: Arc<Mailbox>) -> Self {
        Self { folder: folder.to_owned(), mailbox, lock, file: None, is_read: false, in_trouble: false }
    }

    /// The writer of a process that has all rows of the one before in memory.
    pub(super) fn of_successor(folder: &Path, lock: Option<File>, mailbox: Arc<Mailbox>) -> Self {
        Self { is_read: true, ..Self::new(folder, lock, mailbox) }
    }

    /// Writes the id of this process into the lock.
    pub(super) fn sign(&mut self) {
        if let Some(lock) = &mut self.lock {
            lock::sign(lock);
        }
    }

    /// Writes until a caller asks it to stop, and writes the remaining changes before it ends. A panic counts as a
    /// broken disk: the file is closed and created again from all rows in memory.
    pub(super) fn run_for_ever(mut self) {
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run())) {
            self.file = None;
            self.tell(Err(self.told(&format!("the writer panicked: {}", text_of(&*panic)))));
            self.mailbox.change(|state| (state.progress, state.busy_since) = (Progress::InTrouble, None));
            if self.mailbox.state().is_stopping {
                break;
            }
            self.wait();
        }
        let Self { file, lock, mailbox, .. } = self;
        // The file is closed before the lock: a process that can lock the folder finds the file closed.
        drop(file);
        drop(lock);
        mailbox.change(|state| {
            state.lock = None;
            state.progress = Progress::Ended;
        });
    }

    fn run(&mut self) {
        self.offer_lock();
        // The first attempt to write reports if that failed.
        let _ = self.read();
        self.mailbox.change(|state| state.progress = Progress::Writing);
        loop {
            // The flags are read before the changes are taken, so that changes from before a request are written.
            let (is_stopping, is_pausing) = {
                let mut state = self.mailbox.state();
                state.busy_since = Some(Instant::now());
                (state.is_stopping, state.is_pausing)
            };
            let result = self.write();
            self.mailbox.state().busy_since = None;
            self.tell(result);
            let progress = if self.in_trouble { Progress::InTrouble } else { Progress::Writing };
            self.mailbox.change(|state| state.progress = progress);
            if is_stopping {
                return;
            }
            if is_pausing && self.pause() {
                return;
            }
            self.wait();
        }
    }

    /// Closes the file, and waits until the folder belongs to this process again. Returns true if the writer is to end
    /// instead: then another process owns the folder, and nothing more may be written.
    fn pause(&mut self) -> bool {
        self.file = None;
        self.mailbox.change(|state| state.progress = Progress::Paused);
        self.mailbox.wait_while(Duration::MAX, |state| state.is_pausing && !state.is_stopping);
        self.mailbox.state().is_pausing
    }

    /// Waits for work; after a failed attempt, waits for the time of the next one.
    fn wait(&self) {
        let is_asked = |state: &WriterState| state.is_stopping || state.is_pausing;
        if self.in_trouble {
            self.mailbox.wait_while(RETRY, |state| !is_asked(state));
        } else {
            self.mailbox.wait_while(LOOK, |state| !is_asked(state) && !state.contents.is_unwritten());
        }
    }

    /// Writes all changes to the file. Without a file, or if somebody moved or removed it, creates one from all rows.
    fn write(&mut self) -> Result<(), String> {
        vital::breaking_point("the writer of state");
        self.read()?;
        if self.file.as_ref().is_some_and(|file| !file.is_at(&self.path())) {
            warn!(file = %self.path().display(), "the state file was moved or removed: it is created again");
            // The folder may be gone too, and the lock with it. A lock that is still there is free only when no
            // descriptor holds it.
            (self.file, self.lock) = (None, None);
            self.mailbox.state().lock = None;
        }
        self.take_hold()?;
        let (changes, batches) = {
            let mut state = self.mailbox.state();
            (state.contents.take_changes(), state.batches)
        };
        let written = match (self.file.take(), changes) {
            (Some(file), Some(changes)) => file.with(&changes),
            (old, _) => {
                drop(old);
                let rows = self.mailbox.state().contents.rows().clone();
                StateFile::create(&self.path(), &rows)
            }
        };
        self.file = Some(written.map_err(|why| self.told(&why))?);
        self.mailbox.change(|state| state.batches_on_disk = batches);
        Ok(())
    }

    /// Reads the rows of an earlier process, if that was not done yet. Sets a corrupt file aside.
    fn read(&mut self) -> Result<(), String> {
        if self.is_read {
            return Ok(());
        }
        match file::read(&self.path()) {
            Ok(rows) => self.mailbox.state().contents.merge(rows),
            Err(Damage::Corrupt(why)) => {
                self.take_hold()?;
                self.set_aside(&why)?;
            }
            Err(Damage::Unusable(why)) => return Err(self.told(&why)),
        }
        self.is_read = true;
        Ok(())
    }

    fn set_aside(&self, why: &str) -> Result<(), String> {
        let seconds = crate::clock::unix_time();
        let aside = self.folder.join(format!("{ASIDE}{seconds}"));
        fs::rename(self.path(), &aside)
            .map_err(|error| self.told(&format!("corrupt ({why}), and it cannot be set aside: {error}")))?;
        // A file of an earlier version may be open to others. If its permissions cannot be changed, they stay.
        let _ = lock::open_private(&aside, File::options().read(true));
        warn!(
            file = %self.path().display(), aside = %aside.display(), error = why,
            "the state file is corrupt: it is set aside and a new one is created; the kept state is lost"
        );
        self.remove_oldest();
        Ok(())
    }

    /// Removes all but the latest of the files that were set aside. Ignores files that cannot be removed.
    fn remove_oldest(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let seconds = |name: &str| name.strip_prefix(ASIDE)?.parse::<u64>().ok();
        let mut aside: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((seconds(entry.file_name().to_str()?)?, entry.path()))
            })
            .collect();
        aside.sort_unstable();
        let surplus = aside.len().saturating_sub(MOST_ASIDE);
        for (_, path) in &aside[..surplus] {
            let _ = fs::remove_file(path);
        }
    }

    /// Locks the folder, if that was not done yet. Fails if another process holds it.
    fn take_hold(&mut self) -> Result<(), String> {
        if self.lock.is_none() {
            self.lock = Some(lock::hold(&self.folder).map_err(|error| error.to_string())?);
            self.offer_lock();
        }
        Ok(())
    }

    fn offer_lock(&self) {
        let lock = self.lock.as_ref().and_then(|lock| lock.try_clone().ok());
        self.mailbox.state().lock = lock;
    }

    /// Logs once that nothing can be written, or that writing works again.
    fn tell(&mut self, result: Result<(), String>) {
        let was_in_trouble = mem::replace(&mut self.in_trouble, result.is_err());
        self.mailbox.state().trouble = result.as_ref().err().map(|error| error.as_str().into());
        match result {
            Err(error) if !was_in_trouble => warn!(
                error, retry = ?RETRY,
                "state is not kept: after a restart the node would not know its present state; \
                 queries are still answered"
            ),
            Ok(()) if was_in_trouble => info!(file = %self.path().display(), "state is kept again"),
            Ok(()) | Err(_) => {}
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(STATE)
    }

    fn told(&self, why: &str) -> String {
        format!("{}: {why}", self.path().display())
    }
}
