//! The thread that owns the file, and the desk where others leave changes for it.
//!
//! ```text
//!   write ──► desk ──► writer ──► state.redb
//!             │  ▲       │
//!             │  └───────┘ what an earlier process left, once
//!             ▼
//!        all, get
//! ```
//!
//! A lock on the desk is held for as long as rows are moved in memory, never while a disk is waited for. When something is
//! wrong with the disk the writer says so once, lets the file go, and tries with a new one every five seconds; once that
//! works it says so too.

use std::fs::{self, File};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{info, warn};

use super::contents::Contents;
use super::file::{self, Damage, StateFile, text_of};
use super::lock;
use crate::vital;

/// From one attempt to the next, while nothing can be kept.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// Files that were set aside and are left to be looked at; older ones go.
const MOST_ASIDE: usize = 3;

const STATE: &str = "state.redb";
/// The name of a file that was set aside, up to the Unix second when it was.
const ASIDE: &str = "state.redb.corrupt-";

/// Where callers and the writer meet.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<WriterState>,
    changed: Condvar,
}

/// What lies on the desk.
#[derive(Debug, Default)]
pub(super) struct WriterState {
    pub(super) contents: Contents,
    /// The writer is to write what lies here and end.
    pub(super) is_stopping: bool,
    pub(super) progress: Progress,
    /// Batches of changes that were left here.
    pub(super) batches: u64,
    /// Those of them that are on disk.
    pub(super) batches_on_disk: u64,
    /// Tasks to be woken at the next change.
    pub(super) waiting: Vec<Waker>,
}

/// How far the writer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// It reads what an earlier process left, as far as that can be.
    #[default]
    Reading,
    /// It writes what lies there.
    Writing,
    /// Its last attempt to write failed.
    InTrouble,
    /// It wrote what lay there when it was told to stop, or could not, and ended.
    Ended,
}

impl Mailbox {
    pub(super) fn state(&self) -> MutexGuard<'_, WriterState> {
        // Whoever panicked with it had moved a row or had not; both are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what lies there, and tells whoever waits for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut WriterState) -> T) -> T {
        let (result, waiting) = {
            let mut state = self.state();
            (change(&mut state), mem::take(&mut state.waiting))
        };
        self.changed.notify_all();
        waiting.into_iter().for_each(Waker::wake);
        result
    }

    /// Waits while something is so, for so long at most.
    pub(super) fn wait_while(&self, limit: Duration, is_so: impl Fn(&WriterState) -> bool) {
        // Whether the time ran out is seen by looking.
        let _ = self.changed.wait_timeout_while(self.state(), limit, |state| is_so(state));
    }
}

/// The thread's own.
pub(super) struct Writer {
    folder: PathBuf,
    mailbox: Arc<Mailbox>,
    lock: Option<File>,
    file: Option<StateFile>,
    /// What an earlier process left is on the desk, or set aside.
    is_read: bool,
    /// The last attempt failed, which was told.
    in_trouble: bool,
}

impl Writer {
    pub(super) fn new(folder: &Path, lock: Option<File>, mailbox: Arc<Mailbox>) -> Self {
        Self { folder: folder.to_owned(), mailbox, lock, file: None, is_read: false, in_trouble: false }
    }

    /// Writes until it is told to stop; what lies there then is written before it ends. A panic is taken as a disk that is
    /// broken: the file is let go and made anew, of all that lies on the desk.
    pub(super) fn run_for_ever(mut self) {
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run())) {
            self.file = None;
            self.tell(Err(self.told(&format!("the writer gave up: {}", text_of(&*panic)))));
            self.mailbox.change(|state| state.progress = Progress::InTrouble);
            if self.mailbox.state().is_stopping {
                break;
            }
            self.wait();
        }
        let Self { file, lock, mailbox, .. } = self;
        // The file first: whoever finds the folder free finds the file closed.
        drop(file);
        drop(lock);
        mailbox.change(|state| state.progress = Progress::Ended);
    }

    fn run(&mut self) {
        // Whether that went well is told with the first attempt to write.
        let _ = self.read();
        self.mailbox.change(|state| state.progress = Progress::Writing);
        loop {
            let is_stopping = self.mailbox.state().is_stopping;
            let result = self.write();
            self.tell(result);
            let progress = if self.in_trouble { Progress::InTrouble } else { Progress::Writing };
            self.mailbox.change(|state| state.progress = progress);
            if is_stopping {
                return;
            }
            self.wait();
        }
    }

    /// Waits for work or, after an attempt that failed, for the time of the next one.
    fn wait(&self) {
        if self.in_trouble {
            self.mailbox.wait_while(RETRY, |state| !state.is_stopping);
        } else {
            self.mailbox.wait_while(Duration::MAX, |state| !state.is_stopping && !state.contents.is_unwritten());
        }
    }

    /// Brings the file to what lies on the desk. Without a file one is made of all that lies there.
    fn write(&mut self) -> Result<(), String> {
        vital::breaking_point("the writer of state");
        self.read()?;
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

    /// Reads what an earlier process left, if that was not done. A corrupt file is set aside.
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
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let aside = self.folder.join(format!("{ASIDE}{seconds}"));
        fs::rename(self.path(), &aside)
            .map_err(|error| self.told(&format!("corrupt ({why}), and it cannot be set aside: {error}")))?;
        // One that an earlier version left may be open to others. What cannot be closed to them stays as it is.
        let _ = lock::open_private(&aside, File::options().read(true));
        warn!(
            file = %self.path().display(), aside = %aside.display(), error = why,
            "the state file is corrupt: it is set aside and a new one begins; what it kept is lost"
        );
        self.remove_oldest();
        Ok(())
    }

    /// Leaves the latest of the files that were set aside. What cannot be removed is left as well.
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

    /// Nothing is written to a folder that another process may hold.
    fn take_hold(&mut self) -> Result<(), String> {
        if self.lock.is_none() {
            self.lock = Some(lock::hold(&self.folder).map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    /// Says that nothing can be kept, or that it can be again; each once.
    fn tell(&mut self, result: Result<(), String>) {
        let was_in_trouble = mem::replace(&mut self.in_trouble, result.is_err());
        match result {
            Err(error) if !was_in_trouble => warn!(
                error, retry = ?RETRY,
                "state is not kept: a restart would begin without what is known now; answers go on"
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
