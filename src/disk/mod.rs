//! Access to the operator's files for reading a configuration.
//!
//! ```text
//!   read, list, ... ─► a thread of its own ─► the file system
//!         │                                    within a deadline, regular files only
//!         └─► reads: what was read, and which file that was
//! ```
//!
//! A pipe that nobody writes to, a device or a file system that hangs never blocks a caller. The thread that waits for
//! it is abandoned. Every operation fails if the system refuses it, or if the file system does not respond within the
//! deadline: the error names the file.
//!
//! The identities of all files that were read are recorded, so that a later look can find changes without reading.
//!
//! Copies of some files of a folder may be read in their place ([`Disk::lay_over`]): the operator's names of these files stay in
//! messages, and nobody looks at the folder's own files of those names.

mod in_turn;
mod memory;
mod overlay;
mod reads;
mod regular;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{mem, thread};

pub use in_turn::InTurn;
use overlay::Overlay;
pub use reads::{Counts, Reads, Seen};
use regular::read_regular;
pub use regular::{Contents, Reading, read_patiently};

/// Longest time of one step of an operation. A disk that has to spin up takes less.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time after a change of a file from which on every later change shows. Clocks of file systems have ticks of up to two seconds,
/// and writes to a file that a program has mapped into its memory may show only when the system writes them to the disk, after
/// half a minute.
const SETTLES: Duration = Duration::from_secs(60);

/// Maximum number of threads in the whole process that wait for file systems that hang. At this number, nothing is read
/// until one of them returns.
const MOST_LEFT_BEHIND: usize = 8;

/// The number of these threads now.
static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

/// Reads files and records which. Each configuration uses its own `Disk`.
#[derive(Debug)]
pub struct Disk {
    inner: Mutex<Inner>,
    /// The first file that missed the deadline. After it nothing is read.
    stuck: OnceLock<PathBuf>,
    /// Copies that are read in place of a folder's files.
    overlay: OnceLock<Overlay>,
    /// The number of operations so far.
    operations: AtomicU64,
    patience: Duration,
    /// Time after a change of a file from which on every later change shows.
    settles: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    reads: Reads,
    /// The channel to the thread, which the first job starts.
    jobs: Option<Sender<Job>>,
}

/// A job for the thread.
struct Job(Box<dyn FnOnce() + Send>);

impl Disk {
    /// Creates a `Disk` that has read nothing.
    pub fn new() -> Self {
        Self::with_patience(PATIENCE)
    }

    /// Creates one for which every change of a file shows, because whoever makes changes waits for the tick of a clock.
    #[cfg(test)]
    pub(crate) fn of_slow_changes() -> Self {
        Self { settles: Duration::ZERO, ..Self::new() }
    }

    fn with_patience(patience: Duration) -> Self {
        Self {
            inner: Mutex::default(),
            stuck: OnceLock::new(),
            overlay: OnceLock::new(),
            operations: AtomicU64::new(0),
            patience,
            settles: SETTLES,
        }
    }

    /// From now on, reads these files of `folder`, by their paths in it, in the folder `copies`. A listing of `folder` has them
    /// alone. Its other files are read as they are, if somebody names them. Of several calls the first one counts.
    pub fn lay_over(&self, folder: &Path, copies: &Path, files: Arc<BTreeSet<PathBuf>>) {
        self.overlay.get_or_init(|| Overlay::new(folder, copies, files));
    }

    /// Where a path is read.
    pub fn place(&self, path: &Path) -> PathBuf {
        self.overlay.get().and_then(|overlay| overlay.place(path)).unwrap_or_else(|| path.to_owned())
    }

    /// Reads a regular file. Fails for anything else, such as a folder, a pipe or a device, with an error that says so.
    pub fn read(&self, path: &Path) -> io::Result<Contents> {
        let path = self.place(path);
        let (from, progress) = (path.clone(), Arc::new(AtomicU64::new(0)));
        let counted = progress.clone();
        let (seen, contents) = self.run(&path, &progress, move || read_regular(&from, &counted))?;
        self.inner().reads.note(&path, seen);
        contents
    }

    /// Reads many files, each as [`read`](Self::read) does, in this order, but not those that have the known identity. The
    /// thread goes on to read while the caller works on what it has. Nothing is read behind the first file that is not read in
    /// time.
    pub fn read_in_turn(&self, files: Vec<(PathBuf, Option<Seen>)>) -> InTurn<'_> {
        InTurn::begin(self, files)
    }

    /// Opens a file to be read piece by piece, each within the deadline. It may be a pipe: its writer has the same time
    /// for each piece. The file is not recorded as read.
    pub fn open(&self, path: &Path) -> io::Result<Pieces<'_>> {
        let from = self.place(path);
        let file = self.run(path, &AtomicU64::new(0), move || File::open(from))??;
        Ok(Pieces { disk: self, path: path.to_owned(), file: Arc::new(file) })
    }

    /// The paths in a folder whose names match `counts`, in ascending order. Other names are ignored.
    pub fn list(&self, folder: &Path, counts: Counts) -> io::Result<Vec<PathBuf>> {
        if let Some(names) = self.overlay.get().and_then(|overlay| overlay.list(folder, counts)) {
            return Ok(names.into_iter().map(|name| folder.join(name)).collect());
        }
        let from = folder.to_owned();
        let listed = self.run(folder, &AtomicU64::new(0), move || reads::names(&from, counts))?;
        let paths = listed.as_ref().map(|names| names.iter().map(|name| folder.join(name)).collect());
        let paths = paths.map_err(|error| io::Error::new(error.kind(), error.to_string()));
        self.inner().reads.note_folder(folder, counts, listed.ok());
        paths
    }

    /// Looks at the file at a path and records it as read.
    pub fn look(&self, path: &Path) -> io::Result<Seen> {
        let path = self.place(path);
        let at = path.clone();
        let seen = self.run(&path, &AtomicU64::new(0), move || Seen::at(&at))?;
        self.inner().reads.note(&path, seen.clone());
        Ok(seen)
    }

    /// The metadata of a path whose contents are not read.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let at = self.place(path);
        self.run(path, &AtomicU64::new(0), move || fs::metadata(at))?
    }

    /// Runs other work on the file system at `path`, within the same deadline. Nothing is recorded.
    pub fn ask<T: Send + 'static>(&self, path: &Path, work: impl FnOnce(&Path) -> T + Send + 'static) -> io::Result<T> {
        let at = self.place(path);
        self.run(path, &AtomicU64::new(0), move || work(&at))
    }

    /// The canonical path, without links.
    pub fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let at = self.place(path);
        self.run(path, &AtomicU64::new(0), move || at.canonicalize())?
    }

    /// True if a file system hangs. From then on every read fails, and only the first error needs a message.
    pub fn is_stuck(&self) -> bool {
        self.stuck.get().is_some()
    }

    /// The number of operations so far. Work that does not increase it does not depend on the file system.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// The files that were read so far and are of interest.
    pub fn files_read(&self, of_interest: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        self.inner().reads.files().filter(|path| of_interest(path)).map(Path::to_owned).collect()
    }

    /// The files and folders that were read.
    pub fn into_reads(self) -> Reads {
        let mut reads = mem::take(&mut self.inner().reads);
        if let Some(path) = self.stuck.get() {
            reads.note(path, Seen::Unknown);
        }
        reads
    }

    /// The files and folders that were read so far.
    #[cfg(test)]
    pub(crate) fn reads(&self) -> Reads {
        let mut reads = self.inner().reads.clone();
        if let Some(path) = self.stuck.get() {
            reads.note(path, Seen::Unknown);
        }
        reads
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No statement leaves the two parts in an inconsistent state, so a poisoned lock is harmless.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs work on the thread, and waits as long as it makes progress.
    fn run<T: Send + 'static>(
        &self,
        path: &Path,
        progress: &AtomicU64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done, result) = channel();
        let job = move || {
            // The caller may have given up.
            let _ = done.send(work());
        };
        self.submit(Job(Box::new(job)))?;
        match self.wait(|| path.to_owned(), progress, &result) {
            Ok(done) => done,
            Err(error) => {
                leave_behind(result);
                Err(error)
            }
        }
    }

    /// Waits for what the thread found, as long as it makes progress. `path` returns where it is. Returns the outer error if it makes none.
    fn wait<T>(
        &self,
        path: impl Fn() -> PathBuf,
        progress: &AtomicU64,
        result: &Receiver<T>,
    ) -> io::Result<io::Result<T>> {
        let mut made = progress.load(Ordering::Relaxed);
        loop {
            match result.recv_timeout(self.patience) {
                Ok(result) => return Ok(Ok(result)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Err(io::Error::other("the thread that read it panicked")));
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = progress.load(Ordering::Relaxed);
                    if now == made {
                        break;
                    }
                    made = now;
                }
            }
        }
        // Only the first file is recorded.
        let _ = self.stuck.set(path());
        let seconds = self.patience.as_secs();
        Err(timed_out(format!("no data came for {seconds} s: its file system may hang")))
    }

    fn submit(&self, job: Job) -> io::Result<()> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        if let Some(stuck) = self.stuck.get() {
            return Err(timed_out(format!("not tried, because {} could not be read in time", stuck.display())));
        }
        if LEFT_BEHIND.load(Ordering::Relaxed) >= MOST_LEFT_BEHIND {
            return Err(timed_out(
                "not tried, because too many earlier reads still wait for their file systems".to_owned(),
            ));
        }
        let mut inner = self.inner();
        let jobs = if let Some(jobs) = &inner.jobs {
            jobs
        } else {
            let (jobs, received) = channel::<Job>();
            let work = move || received.into_iter().for_each(|Job(job)| job());
            thread::Builder::new().name("disk".to_owned()).spawn(work)?;
            inner.jobs.insert(jobs)
        };
        jobs.send(job).map_err(|_| io::Error::other("the thread that reads panicked"))
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

/// A file that is read piece by piece.
#[derive(Debug)]
pub struct Pieces<'d> {
    disk: &'d Disk,
    path: PathBuf,
    file: Arc<File>,
}

impl Read for Pieces<'_> {
    /// Reads a piece: as much as the buffer of a `BufReader` holds.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (file, length) = (self.file.clone(), into.len());
        let read = move || {
            let mut piece = vec![0; length];
            (&*file).read(&mut piece).map(|read| {
                piece.truncate(read);
                piece
            })
        };
        let piece = self.disk.run(&self.path, &AtomicU64::new(0), read)??;
        into[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// Counts a thread that waits for a file system, until it returns. If no thread can be started to wait for it, it is
/// counted for ever.
fn leave_behind<T: Send + 'static>(result: Receiver<T>) {
    LEFT_BEHIND.fetch_add(1, Ordering::Relaxed);
    let wait = move || {
        // An error means that the thread has ended without a result.
        let _ = result.recv();
        LEFT_BEHIND.fetch_sub(1, Ordering::Relaxed);
    };
    let _ = thread::Builder::new().name("disk-late".to_owned()).spawn(wait);
}

fn timed_out(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}
