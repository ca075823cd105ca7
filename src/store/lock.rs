//! The file `lock`: one process at a time holds a state folder.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

const LOCK: &str = "lock";

/// Octets of a process's number and the end of its line.
const MOST_DIGITS: u64 = 16;

/// Why a folder is not held.
#[derive(Debug)]
pub(super) enum NotHeld {
    /// Another process holds it.
    Taken(Held),
    /// It, or the file in it, cannot be made or locked.
    Unusable(PathBuf, io::Error),
}

/// Another process holds the state folder.
#[derive(Debug)]
pub struct Held {
    folder: PathBuf,
    /// The other process's number, if it could write it down.
    by: Option<u32>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: another truenorth runs on this state folder", self.folder.display())?;
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

/// Permissions of files in the folder: their owner's alone. They tell who drains what and why, and hold the values of ACME
/// challenges.
const PRIVATE: u32 = 0o600;

/// Opens a file that nobody but its owner can read. One that an earlier version left open to others is closed to them.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(PRIVATE).open(path)?;
    if file.metadata()?.permissions().mode() & !PRIVATE & 0o777 != 0 {
        file.set_permissions(Permissions::from_mode(PRIVATE))?;
    }
    Ok(file)
}

/// Takes hold of a folder, which is made if it is not there, until the file is closed. The file holds the number of the process
/// that has it. It blocks its thread for as long as the file system takes.
pub(super) fn hold(folder: &Path) -> Result<File, NotHeld> {
    fs::create_dir_all(folder).map_err(|error| NotHeld::Unusable(folder.to_owned(), error))?;
    let path = folder.join(LOCK);
    let opened = open_private(&path, File::options().create(true).truncate(false).read(true).write(true));
    // A folder that can only be read may have the file from an earlier run.
    let opened = opened.or_else(|error| File::open(&path).map_err(|_| error));
    let mut lock = opened.map_err(|error| NotHeld::Unusable(path.clone(), error))?;
    match lock.try_lock() {
        Ok(()) => {
            // A disk that is full or read-only keeps nobody from the folder: the number only serves whoever finds it taken.
            let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", process::id()));
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
