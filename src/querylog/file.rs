//! The query log in a file, which is put aside when it is full.
//!
//! ```text
//!   queries.json ──► queries.json.1 ──► queries.json.2 ──► ... ──► removed
//! ```
//!
//! One process writes a file: it holds the file's lock. A process that replaces another one puts the file aside, and the
//! other one writes its last entries there. A file that logrotate or an operator renamed is noticed within a second.
//!
//! A stream of frames has one beginning and one end, so dnstap begins a new file with each start. JSON lines are appended.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::QueryLogFormat;

use super::frames::{Control, control};
use super::sink::Unwritten;

/// Permissions of the file: who asked for what is nobody else's business.
const MODE: u32 = 0o640;

/// Time between two looks whether the path still leads to the file.
const LOOK: Duration = Duration::from_secs(1);

/// Attempts to open a file that others put aside at the same time.
const ATTEMPTS: usize = 5;

/// A file of the log, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileSettings {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) versions: u32,
    pub(super) format: QueryLogFormat,
}

/// An open file, with its lock.
#[derive(Debug)]
pub(super) struct LogFile {
    settings: FileSettings,
    file: File,
    /// Octets in it; all of them are whole entries.
    length: u64,
    looked: Instant,
}

impl LogFile {
    /// Opens the file, or makes it. Fails if another process writes it, unless it is to be put aside for this one.
    pub(super) fn open(settings: &FileSettings, displaces: bool) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut options = OpenOptions::new();
            // A pipe or a device must not block the thread.
            options.read(true).append(true).create(true).mode(MODE).custom_flags(libc::O_NONBLOCK);
            let file = options.open(&settings.path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
            }
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if displaces => {
                    put_aside(&settings.path, settings.versions)?;
                    continue;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process writes it"));
                }
                // Some file systems have no locks.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // Another process may have put it aside before this one had the lock.
            if !is_at(&file, &settings.path) {
                continue;
            }
            if let Some(length) = begin(&file, settings.format)? {
                return Ok(Self { settings: settings.clone(), file, length, looked: Instant::now() });
            }
            put_aside(&settings.path, settings.versions)?;
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "other processes put it aside"))
    }

    /// Writes whole entries, all or none. Begins a new file before, if this one would be too large.
    pub(super) fn write(&mut self, octets: &[u8]) -> Result<(), Unwritten> {
        let none = |error| Unwritten { octets: 0, error, is_open: true };
        self.follow().map_err(none)?;
        if let Err(error) = self.file.write_all(octets) {
            // An entry that is half written would spoil those that come after it.
            let is_open = self.file.set_len(self.length).is_ok();
            return Err(Unwritten { octets: 0, error, is_open });
        }
        self.length += octets.len() as u64;
        if self.length >= self.settings.size {
            // The next attempt reports what is wrong.
            let _ = self.turn_over();
        }
        Ok(())
    }

    /// Ends the file.
    pub(super) fn close(mut self) {
        if self.settings.format == QueryLogFormat::Dnstap {
            // A reader takes the end of the file for the end of the stream, too.
            let _ = self.file.write_all(&control(Control::Stop));
        }
    }

    /// Uses another size and number of older files from now on.
    pub(super) fn set_bounds(&mut self, size: u64, versions: u32) {
        (self.settings.size, self.settings.versions) = (size, versions);
    }

    /// Goes on in a new file if this one is full, or somebody put it aside.
    fn follow(&mut self) -> io::Result<()> {
        if self.length >= self.settings.size {
            return self.turn_over();
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            if !is_at(&self.file, &self.settings.path) {
                self.replace();
            }
        }
        Ok(())
    }

    /// Puts the file aside, and begins a new one.
    fn turn_over(&mut self) -> io::Result<()> {
        // If the path leads elsewhere, somebody has put it aside.
        if is_at(&self.file, &self.settings.path) {
            put_aside(&self.settings.path, self.settings.versions)?;
        }
        self.replace();
        Ok(())
    }

    /// Goes on in the file at the path. If that is not possible, as with the file of a process that replaced this one, goes
    /// on in the old one.
    fn replace(&mut self) {
        if let Ok(next) = Self::open(&self.settings, false) {
            std::mem::replace(self, next).close();
        }
    }
}

/// Makes a file ready for the first entry. Returns its length; `None` if it holds something that nothing can be added to.
fn begin(mut file: &File, format: QueryLogFormat) -> io::Result<Option<u64>> {
    let mut length = file.metadata()?.len();
    match format {
        QueryLogFormat::Dnstap => {
            let (start, stop) = (control(Control::Start), control(Control::Stop));
            if length > (start.len() + stop.len()) as u64 {
                return Ok(None);
            }
            // An earlier stream without an entry.
            file.set_len(0)?;
            file.write_all(&start)?;
            length = start.len() as u64;
        }
        QueryLogFormat::Json if length > 0 => {
            let mut octet = [0];
            file.read_exact(&mut octet)?;
            if octet != *b"{" {
                return Ok(None);
            }
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut octet)?;
            if octet != *b"\n" {
                // The process that wrote it was killed in the middle of a line.
                file.write_all(b"\n")?;
                length += 1;
            }
        }
        QueryLogFormat::Json => {}
    }
    Ok(Some(length))
}

/// True if the path leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (here, there) = (file.metadata().map(identity), fs::metadata(path).map(identity));
    matches!((here, there), (Ok(here), Ok(there)) if here == there)
}

/// Renames the file and the older ones, and removes those that are too many.
fn put_aside(path: &Path, versions: u32) -> io::Result<()> {
    let older = |number: u32| {
        let mut name = OsString::from(path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..versions).rev() {
        match fs::rename(older(number), older(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    // More were kept before a reload.
    let mut surplus = versions + 1;
    while fs::remove_file(older(surplus)).is_ok() {
        surplus += 1;
    }
    match fs::rename(path, older(1)) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}
