//! The file `lock`: only one process at a time holds a state folder.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

const LOCK: &str = "lock";

/// Maximum number of octets of a process id with its line break.
const MOST_DIGITS: u64 = 16;

/// The reason why a folder is not held.
#[derive(Debug)]
pub(super) enum NotHeld {
    /// Another process holds it.
    Taken(Held),
    /// The folder or the file in it cannot be created or locked.
    Unusable(PathBuf, io::Error),
}

/// Another process holds the state folder.
#[derive(Debug)]
pub struct Held {
    folder: PathBuf,
    /// The id of the other process; `None` if that process could not write it into the file.
    by: Option<u32>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: another truenorth uses this state folder", self.folder.display())?;
        self.by.map_or(Ok(()), |by| write!(f, ": process {by}"))
    }
}

impl std::error::Error for Held {}

impl fmt::Display for NotHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(held) => held.fmt(f),
            Self::Unusable(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

/// Permissions of files in the folder: only for their owner. They contain operators' orders with their reasons, and the
/// values of ACME challenges.
const PRIVATE: u32 = 0o600;

/// Opens a file that only its owner can read. If an earlier version left it open to others, its permissions are
/// changed.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(PRIVATE).open(path)?;
    if file.metadata()?.permissions().mode() & !PRIVATE & 0o777 != 0 {
        file.set_permissions(Permissions::from_mode(PRIVATE))?;
    }
    Ok(file)
}

/// Locks a folder until the returned file is closed. Creates the folder if it does not exist. Writes the process id
/// into the file. Fails if another process holds the folder, or if it cannot be created or locked. Blocks its thread as
/// long as the file system takes.
pub(super) fn hold(folder: &Path) -> Result<File, NotHeld> {
    fs::create_dir_all(folder).map_err(|error| NotHeld::Unusable(folder.to_owned(), error))?;
    let path = folder.join(LOCK);
    let opened = open_private(&path, File::options().create(true).truncate(false).read(true).write(true));
    // In a folder that is read-only, the file may exist from an earlier run.
    let opened = opened.or_else(|error| File::open(&path).map_err(|_| error));
    let mut lock = opened.map_err(|error| NotHeld::Unusable(path.clone(), error))?;
    match lock.try_lock() {
        Ok(()) => {
            sign(&mut lock);
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = lock.take(MOST_DIGITS).read_to_string(&mut text);
            let by = read.ok().and_then(|_| text.trim().parse().ok());
            Err(NotHeld::Taken(Held { folder: folder.to_owned(), by }))
        }
        Err(TryLockError::Error(error)) => Err(NotHeld::Unusable(path, error)),
    }
}

/// Writes the id of this process into a file that it has locked. Ignores a disk that is full or read-only: the id only
/// makes the message clearer for a process that finds the folder taken.
pub(super) fn sign(lock: &mut File) {
    let _ = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", process::id()));
}
