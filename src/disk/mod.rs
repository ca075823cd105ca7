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

mod memory;
mod reads;

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

pub use reads::{Counts, Reads, Seen};

/// Longest time of one step of an operation. A disk that has to spin up takes less.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest file in octets. The largest GeoIP databases are a tenth of it.
const MOST_OCTETS: u64 = 8 << 30;

/// One file may fill the free memory divided by this. The texts of zones take several times as much memory when they
/// are parsed, and an endless or sparse file must not end the process.
const SHARE_OF_MEMORY: u64 = 2;

/// Octets by which a file may grow while it is read. The kernel reports size 0 for its own files, and some of them have
/// no end.
const GROWTH: u64 = 64 << 20;

/// Octets that are read in one step.
const STEP: usize = 1 << 20;

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
    /// The number of operations so far.
    operations: AtomicU64,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    reads: Reads,
    /// The channel to the thread, which the first job starts.
    jobs: Option<Sender<Job>>,
}

/// A file that was read.
#[derive(Debug)]
pub struct Contents {
    /// All of it.
    pub octets: Vec<u8>,
    /// The time of its last change.
    pub modified: SystemTime,
}

/// A job for the thread.
struct Job(Box<dyn FnOnce() + Send>);

impl Disk {
    /// Creates a `Disk` that has read nothing.
    pub fn new() -> Self {
        Self::with_patience(PATIENCE)
    }

    fn with_patience(patience: Duration) -> Self {
        Self { inner: Mutex::default(), stuck: OnceLock::new(), operations: AtomicU64::new(0), patience }
    }

    /// Reads a regular file. Fails for anything else, such as a folder, a pipe or a device, with an error that says so.
    pub fn read(&self, path: &Path) -> io::Result<Contents> {
        let (from, progress) = (path.to_owned(), Arc::new(AtomicU64::new(0)));
        let counted = progress.clone();
        let (seen, contents) = self.run(path, &progress, move || read_regular(&from, &counted))?;
        self.inner().reads.note(path, seen);
        contents
    }

    /// Opens a file to be read piece by piece, each within the deadline. It may be a pipe: its writer has the same time
    /// for each piece. The file is not recorded as read.
    pub fn open(&self, path: &Path) -> io::Result<Pieces<'_>> {
        let from = path.to_owned();
        let file = self.run(path, &AtomicU64::new(0), move || File::open(from))??;
        Ok(Pieces { disk: self, path: path.to_owned(), file: Arc::new(file) })
    }

    /// The paths in a folder whose names match `counts`, in ascending order. Other names are ignored.
    pub fn list(&self, folder: &Path, counts: Counts) -> io::Result<Vec<PathBuf>> {
        let from = folder.to_owned();
        let listed = self.run(folder, &AtomicU64::new(0), move || reads::names(&from, counts))?;
        let paths = listed.as_ref().map(|names| names.iter().map(|name| folder.join(name)).collect());
        let paths = paths.map_err(|error| io::Error::new(error.kind(), error.to_string()));
        self.inner().reads.note_folder(folder, counts, listed.ok());
        paths
    }

    /// Looks at the file at a path and records it as read.
    pub fn look(&self, path: &Path) -> io::Result<Seen> {
        let at = path.to_owned();
        let seen = self.run(path, &AtomicU64::new(0), move || Seen::at(&at))?;
        self.inner().reads.note(path, seen.clone());
        Ok(seen)
    }

    /// The metadata of a path whose contents are not read.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let at = path.to_owned();
        self.run(path, &AtomicU64::new(0), move || fs::metadata(at))?
    }

    /// Runs other work on the file system at `path`, within the same deadline. Nothing is recorded.
    pub fn ask<T: Send + 'static>(&self, path: &Path, work: impl FnOnce(&Path) -> T + Send + 'static) -> io::Result<T> {
        let at = path.to_owned();
        self.run(path, &AtomicU64::new(0), move || work(&at))
    }

    /// The canonical path, without links.
    pub fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let at = path.to_owned();
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

    /// The files and folders that were read so far.
    pub fn reads(&self) -> Reads {
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
        self.operations.fetch_add(1, Ordering::Relaxed);
        if let Some(stuck) = self.stuck.get() {
            return Err(timed_out(format!("not tried, because {} could not be read in time", stuck.display())));
        }
        let (done, result) = channel();
        let job = move || {
            // The caller may have given up.
            let _ = done.send(work());
        };
        self.submit(Job(Box::new(job)))?;
        let mut made = progress.load(Ordering::Relaxed);
        loop {
            match result.recv_timeout(self.patience) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that read it panicked"));
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
        let _ = self.stuck.set(path.to_owned());
        leave_behind(result);
        let seconds = self.patience.as_secs();
        Err(timed_out(format!("no data came for {seconds} s: its file system may hang")))
    }

    fn submit(&self, job: Job) -> io::Result<()> {
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

/// Reads a regular file on this thread, however long it takes, for whoever has a thread for that. Fails as
/// [`Disk::read`] does for anything else, and for a file that memory has no room for.
pub fn read_patiently(path: &Path) -> io::Result<Vec<u8>> {
    read_regular(path, &AtomicU64::new(0)).1.map(|contents| contents.octets)
}

/// Reads a file and returns its identity. Opening does not block: a pipe without a writer would.
fn read_regular(path: &Path, progress: &AtomicU64) -> (Seen, io::Result<Contents>) {
    // Opening a device may have effects, so the type is checked first.
    let refused = match fs::metadata(path) {
        Ok(metadata) => irregular(metadata.file_type()),
        Err(error) => return (Seen::Missing(error.kind()), Err(error)),
    };
    if let Some(error) = refused {
        return (Seen::at(path), Err(error));
    }
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let (file, metadata) = match opened.and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
        Ok(opened) => opened,
        Err(error) => return (Seen::at(path), Err(error)),
    };
    // The identity is taken before reading: a change in the meantime makes it a different file.
    let contents = match irregular(metadata.file_type()) {
        Some(error) => Err(error),
        None => read_all(&file, &metadata, memory::available() / SHARE_OF_MEMORY, progress),
    };
    (Seen::of(&metadata), contents)
}

/// Reads a file that may have `room` octets.
fn read_all(file: &File, metadata: &Metadata, room: u64, progress: &AtomicU64) -> io::Result<Contents> {
    let modified = metadata.modified()?;
    let size = metadata.len();
    if size > MOST_OCTETS {
        return Err(too_large("it is larger than 8 GiB".to_owned()));
    }
    if size > room {
        let (size, room) = (size >> 20, room >> 20);
        return Err(too_large(format!("it has {size} MiB, and there is memory for a file of {room} MiB")));
    }
    let most = room.min(size.saturating_mul(2).saturating_add(GROWTH));
    let mut octets = Vec::new();
    octets.try_reserve(usize::try_from(size).unwrap_or(usize::MAX))?;
    loop {
        let length = file.take(STEP as u64).read_to_end(&mut octets)?;
        if length == 0 {
            return Ok(Contents { octets, modified });
        }
        progress.fetch_add(length as u64, Ordering::Relaxed);
        if octets.len() as u64 > most {
            return Err(too_large("it grows without end while it is read".to_owned()));
        }
    }
}

fn too_large(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

/// The error for a file of a type that is not read; `None` for a regular file.
fn irregular(kind: FileType) -> Option<io::Error> {
    let what = if kind.is_file() {
        return None;
    } else if kind.is_dir() {
        return Some(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a regular file"));
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Some(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let _socket = UnixListener::bind(at("socket")).unwrap();
        symlink("/dev/null", at("device")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "text").unwrap();
        let disk = Disk::new();
        for (name, what) in [("socket", "a socket"), ("device", "a device"), ("folder", "a folder")] {
            let error = disk.read(&at(name)).unwrap_err();
            assert_eq!(error.to_string(), format!("it is {what}, not a regular file"));
        }
        assert_eq!(disk.read(&at("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.read(&at("file")).unwrap().octets, b"text");
        assert!(!disk.is_stuck());
    }

    #[test]
    fn files_that_do_not_fit_into_memory_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let told = |path: &Path| Disk::new().read(path).unwrap_err().to_string();
        let sparse = File::create_new(at("sparse")).unwrap();
        sparse.set_len(5 << 30).unwrap();
        let metadata = sparse.metadata().unwrap();
        let error = read_all(&sparse, &metadata, 4 << 20, &AtomicU64::new(0)).unwrap_err();
        assert_eq!(error.to_string(), "it has 5120 MiB, and there is memory for a file of 4 MiB");
        File::create_new(at("huge")).unwrap().set_len(MOST_OCTETS + 1).unwrap();
        assert_eq!(told(&at("huge")), "it is larger than 8 GiB");
        // The kernel reports size 0 for this regular file. It has an entry for each page of the address space.
        symlink("/proc/self/pagemap", at("endless")).unwrap();
        assert_eq!(told(&at("endless")), "it grows without end while it is read");
    }

    #[test]
    fn a_file_and_a_pipe_are_read_in_pieces_and_a_pipe_without_a_writer_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let [file, pipe] = ["file", "pipe"].map(|name| folder.path().join(name));
        let text = "one\ntwo\n".repeat(1000);
        fs::write(&file, &text).unwrap();
        let disk = Disk::new();
        let read = |path: &Path| {
            let mut found = String::new();
            io::BufReader::with_capacity(7, disk.open(path)?).read_to_string(&mut found).map(|_| found)
        };
        assert_eq!(read(&file).unwrap(), text);
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (into, written) = (pipe.clone(), text.clone());
        let writer = thread::spawn(move || fs::write(into, written));
        assert_eq!(read(&pipe).unwrap(), text);
        writer.join().unwrap().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&folder.path().join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
        let impatient = Disk::with_patience(Duration::from_millis(50));
        assert_eq!(impatient.open(&pipe).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_file_system_that_hangs_is_waited_for_once_and_is_never_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::with_patience(Duration::from_millis(50));
        let path = folder.path().join("file");
        fs::write(&path, "text").unwrap();
        let (_hangs, never) = channel::<()>();
        let hung = disk.run(&path, &AtomicU64::new(0), move || never.recv().is_ok());
        assert_eq!(hung.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(disk.is_stuck());
        let other = disk.read(&folder.path().join("other")).unwrap_err();
        assert!(other.to_string().contains("file could not be read in time"), "{other}");
        let reads = disk.reads();
        assert!(!reads.look_again().is_same(&reads));
    }

    #[test]
    fn slow_is_not_hung() {
        let disk = Disk::with_patience(Duration::from_millis(200));
        let progress = Arc::new(AtomicU64::new(0));
        let counted = progress.clone();
        let slow = move || {
            for _ in 0..8 {
                thread::sleep(Duration::from_millis(50));
                counted.fetch_add(1, Ordering::Relaxed);
            }
        };
        disk.run(Path::new("slow"), &progress, slow).unwrap();
    }
}
