//! The operator's files, as a configuration reads them.
//!
//! ```text
//!   read, list, ... ─► a thread of its own ─► the file system
//!         │                                    within a deadline, regular files only
//!         └─► reads: what was read, and which file that was
//! ```
//!
//! Whoever reads is never kept by a pipe that nobody writes to, a device, or a file system that hangs: the thread that waits
//! for it is left behind, and the error says which file it was. What was read is written down, so that a later look tells
//! whether reading it again would find anything else.

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

/// How long the file system may take for the next step of anything. A disk that has to spin up takes less.
const PATIENCE: Duration = Duration::from_secs(10);

/// Octets of a file at most. The largest GeoIP databases have a tenth of it.
const MOST_OCTETS: u64 = 8 << 30;

/// Octets that are read in one step.
const STEP: usize = 1 << 20;

/// Threads that wait for file systems that hang, in the whole process, at most. Beyond that nothing is read until one
/// comes back.
const MOST_LEFT_BEHIND: usize = 8;

/// Threads left behind now.
static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

/// Reads files, and writes down which. One is for one configuration.
#[derive(Debug)]
pub struct Disk {
    inner: Mutex<Inner>,
    /// The file that did not come within the deadline. After it nothing is read.
    stuck: OnceLock<PathBuf>,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    reads: Reads,
    /// The way to the thread; made with the first job.
    jobs: Option<Sender<Job>>,
}

/// A file that was read.
#[derive(Debug)]
pub struct Contents {
    /// All of it.
    pub octets: Vec<u8>,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// Work for the thread.
struct Job(Box<dyn FnOnce() + Send>);

impl Disk {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self::with_patience(PATIENCE)
    }

    fn with_patience(patience: Duration) -> Self {
        Self { inner: Mutex::default(), stuck: OnceLock::new(), patience }
    }

    /// Reads a regular file. What is none, such as a folder, a pipe or a device, is an error that says so.
    pub fn read(&self, path: &Path) -> io::Result<Contents> {
        let (from, progress) = (path.to_owned(), Arc::new(AtomicU64::new(0)));
        let counted = progress.clone();
        let (seen, contents) = self.run(path, &progress, move || read_regular(&from, &counted))?;
        self.inner().reads.note(path, seen);
        contents
    }

    /// Opens a file that is read piece by piece, each within the deadline. It may be a pipe, whose writer has the same time for
    /// each piece. It does not count as read.
    pub fn open(&self, path: &Path) -> io::Result<Pieces<'_>> {
        let from = path.to_owned();
        let file = self.run(path, &AtomicU64::new(0), move || File::open(from))??;
        Ok(Pieces { disk: self, path: path.to_owned(), file: Arc::new(file) })
    }

    /// The paths in a folder whose names count, in order. Other names are as if they were not there.
    pub fn list(&self, folder: &Path, counts: Counts) -> io::Result<Vec<PathBuf>> {
        let from = folder.to_owned();
        let listed = self.run(folder, &AtomicU64::new(0), move || reads::names(&from, counts))?;
        let paths = listed.as_ref().map(|names| names.iter().map(|name| folder.join(name)).collect());
        let paths = paths.map_err(|error| io::Error::new(error.kind(), error.to_string()));
        self.inner().reads.note_folder(folder, counts, listed.ok());
        paths
    }

    /// Which file stands there now; it counts as read.
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

    /// Does anything else with the file system at `path`, within the same deadline. It does not count as read.
    pub fn ask<T: Send + 'static>(&self, path: &Path, work: impl FnOnce(&Path) -> T + Send + 'static) -> io::Result<T> {
        let at = path.to_owned();
        self.run(path, &AtomicU64::new(0), move || work(&at))
    }

    /// A path without links.
    pub fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let at = path.to_owned();
        self.run(path, &AtomicU64::new(0), move || at.canonicalize())?
    }

    /// Whether a file system hangs: from then on every read is an error, and only the first of them is worth telling.
    pub fn is_stuck(&self) -> bool {
        self.stuck.get().is_some()
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
        // Both of its parts are whole between any two statements.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread do this, and waits as long as it makes progress.
    fn run<T: Send + 'static>(
        &self,
        path: &Path,
        progress: &AtomicU64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        if let Some(stuck) = self.stuck.get() {
            return Err(timed_out(format!("it was not tried, for {} did not come", stuck.display())));
        }
        let (done, result) = channel();
        let job = move || {
            // Whoever waited may have given up.
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
        // Only the first file is told by its name.
        let _ = self.stuck.set(path.to_owned());
        leave_behind(result);
        let seconds = self.patience.as_secs();
        Err(timed_out(format!("nothing of it came for {seconds} s: its file system may hang")))
    }

    fn submit(&self, job: Job) -> io::Result<()> {
        if LEFT_BEHIND.load(Ordering::Relaxed) >= MOST_LEFT_BEHIND {
            return Err(timed_out("it was not tried, for too many earlier ones have not come yet".to_owned()));
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
    /// Reads a piece: what `BufReader` has room for at a time.
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

/// Counts a thread that waits for a file system until it comes back. If there is no thread to wait with it, it counts for
/// ever.
fn leave_behind<T: Send + 'static>(result: Receiver<T>) {
    LEFT_BEHIND.fetch_add(1, Ordering::Relaxed);
    let wait = move || {
        // It comes, or its thread is gone.
        let _ = result.recv();
        LEFT_BEHIND.fetch_sub(1, Ordering::Relaxed);
    };
    let _ = thread::Builder::new().name("disk-late".to_owned()).spawn(wait);
}

fn timed_out(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

/// Reads a file, and tells which one that was. Opening waits for nobody: a pipe without a writer would be waited for.
fn read_regular(path: &Path, progress: &AtomicU64) -> (Seen, io::Result<Contents>) {
    // A device may do something when it is opened, so it is looked at first.
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
    // Seen before it is read: what changes meanwhile is another file.
    let contents = match irregular(metadata.file_type()) {
        Some(error) => Err(error),
        None => read_all(&file, &metadata, progress),
    };
    (Seen::of(&metadata), contents)
}

fn read_all(file: &File, metadata: &Metadata, progress: &AtomicU64) -> io::Result<Contents> {
    let modified = metadata.modified()?;
    let mut octets = Vec::new();
    octets.try_reserve(usize::try_from(metadata.len().min(MOST_OCTETS)).unwrap_or(usize::MAX))?;
    loop {
        let length = file.take(STEP as u64).read_to_end(&mut octets)?;
        if length == 0 {
            return Ok(Contents { octets, modified });
        }
        progress.fetch_add(length as u64, Ordering::Relaxed);
        if octets.len() as u64 > MOST_OCTETS {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 8 GiB"));
        }
    }
}

/// Why what is of this type is not read.
fn irregular(kind: FileType) -> Option<io::Error> {
    let what = if kind.is_file() {
        return None;
    } else if kind.is_dir() {
        return Some(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder and no regular file"));
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Some(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what} and no regular file")))
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
            assert_eq!(error.to_string(), format!("it is {what} and no regular file"));
        }
        assert_eq!(disk.read(&at("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.read(&at("file")).unwrap().octets, b"text");
        assert!(!disk.is_stuck());
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
        assert!(other.to_string().contains("file did not come"), "{other}");
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
