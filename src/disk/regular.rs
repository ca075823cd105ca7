//! Reads regular files that fit into the memory, and refuses everything else.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::memory;
use super::reads::Seen;

/// Largest file in octets. The largest GeoIP databases are a tenth of it.
pub(super) const MOST_OCTETS: u64 = 8 << 30;

/// One file may fill the free memory divided by this. The texts of zones take several times as much memory when they
/// are parsed, and an endless or sparse file must not end the process.
const SHARE_OF_MEMORY: u64 = 2;

/// Octets of a file that there is always room for. Finding out how much memory is free takes longer than reading a small
/// file.
const ALWAYS: u64 = 1 << 20;

/// Octets by which a file may grow while it is read. The kernel reports size 0 for its own files, and some of them have
/// no end.
const GROWTH: u64 = 64 << 20;

/// Octets that are read in one step.
const STEP: usize = 1 << 20;

/// A file that was read.
#[derive(Debug)]
pub struct Contents {
    /// All of it.
    pub octets: Vec<u8>,
    /// The time of its last change.
    pub modified: SystemTime,
    /// The identity by which the same contents can be recognised later; `None` if the file changed so recently that a later
    /// change may have the same time.
    pub identity: Option<Seen>,
}

/// The result of reading a file whose earlier contents are known.
#[derive(Debug)]
pub enum Reading {
    /// The file is the known one, and was not read again.
    Same,
    /// These are its contents.
    New(Contents),
}

/// Reads a regular file on this thread, however long it takes, for whoever has a thread for that. Fails as
/// [`Disk::read`] does for anything else, and for a file that memory has no room for.
pub fn read_patiently(path: &Path) -> io::Result<Vec<u8>> {
    read_regular(path, &AtomicU64::new(0)).1.map(|contents| contents.octets)
}

/// Reads a file and returns its identity.
pub(super) fn read_regular(path: &Path, progress: &AtomicU64) -> (Seen, io::Result<Contents>) {
    let (seen, read) = read_unless(path, (None, Duration::MAX), progress);
    let contents = read.and_then(|read| match read {
        Reading::New(contents) => Ok(contents),
        Reading::Same => Err(io::Error::other("nothing is known of it")),
    });
    (seen, contents)
}

/// Reads a file unless it is the known one, and returns its identity. `settles` is the time after a change from which on every later
/// change shows. It is opened in either case: a network file system then
/// asks its server for the identity. Opening does not block: a pipe without a writer would.
pub(super) fn read_unless(
    path: &Path,
    (known, settles): (Option<&Seen>, Duration),
    progress: &AtomicU64,
) -> (Seen, io::Result<Reading>) {
    let now = SystemTime::now();
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
    let seen = Seen::of(&metadata);
    let read = match irregular(metadata.file_type()) {
        Some(error) => Err(error),
        None if known == Some(&seen) => Ok(Reading::Same),
        None => read_all(&file, &metadata, || memory::available() / SHARE_OF_MEMORY, progress).map(|contents| {
            Reading::New(Contents { identity: seen.is_settled(now, settles).then(|| seen.clone()), ..contents })
        }),
    };
    (seen, read)
}

/// Reads a file that may have [`ALWAYS`] octets, or as many as `room` returns.
pub(super) fn read_all(
    file: &File,
    metadata: &Metadata,
    room: impl Fn() -> u64,
    progress: &AtomicU64,
) -> io::Result<Contents> {
    let modified = metadata.modified()?;
    let size = metadata.len();
    if size > MOST_OCTETS {
        return Err(too_large("it is larger than 8 GiB".to_owned()));
    }
    let mut most = size.max(ALWAYS);
    if size > ALWAYS {
        let room = room();
        if size > room {
            let (size, room) = (size >> 20, room >> 20);
            return Err(too_large(format!("it has {size} MiB, and there is memory for a file of {room} MiB")));
        }
    }
    let mut octets = Vec::new();
    octets.try_reserve(usize::try_from(size).unwrap_or(usize::MAX))?;
    loop {
        let length = file.take(STEP as u64).read_to_end(&mut octets)?;
        if length == 0 {
            return Ok(Contents { octets, modified, identity: None });
        }
        progress.fetch_add(length as u64, Ordering::Relaxed);
        if octets.len() as u64 > most {
            // It grows: its size was not known.
            most = room().min(size.saturating_mul(2).saturating_add(GROWTH));
        }
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
