//! The file `state.redb`: each process reads it once and creates a new one.
//!
//! The file of an earlier process is read from a copy in memory. Its rows go into a new file, which replaces the old
//! one when it is complete. An old file is therefore never damaged further, whatever its state is, and no file grows
//! from run to run.
//!
//! redb panics on some contents that it did not write. That must not end a process that answers queries, so every call
//! into it catches panics.

use std::any::Any;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableHandle};

use super::contents::Rows;
use super::lock::open_private;
use super::table::Change;
use crate::disk;

/// Octets of pages that redb may hold in memory. All rows fit in several times.
const CACHE: usize = 16 << 20;

/// The type of every table for redb.
type Octets<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// The reason why a file cannot be used.
#[derive(Debug)]
pub(super) enum Damage {
    /// It cannot be read.
    Unusable(String),
    /// It holds data that truenorth did not write.
    Corrupt(String),
}

/// A file that accepts changes.
#[derive(Debug)]
pub(super) struct StateFile {
    /// `None` only while it is dropped.
    database: Option<Database>,
    /// Its device and inode.
    identity: (u64, u64),
}

impl StateFile {
    /// Creates a new file with these rows, which replaces any other. Fails with the reason.
    pub(super) fn create(path: &Path, rows: &Rows) -> Result<Self, String> {
        let beside = path.with_extension("redb.new");
        let created = fenced(|| {
            let file = open_private(&beside, File::options().read(true).write(true).create(true).truncate(true))?;
            let identity = identity(&file.metadata()?);
            let created = Self { database: Some(builder().create_file(file)?), identity };
            created.write(rows.iter().map(|(table, rows)| {
                let rows = rows.iter().map(|(key, value)| (key.as_slice(), Some(value.as_slice())));
                (table.as_str(), rows)
            }))?;
            fs::rename(&beside, path)?;
            sync_folder(path)?;
            Ok(created)
        });
        // An incomplete file takes up space, and the disk may be full.
        created.inspect_err(|_| _ = fs::remove_file(&beside))
    }

    /// True if the file is still at this path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(metadata) => identity(&metadata) == self.identity,
            // After any other error the file counts as present: if the disk is broken, writing fails and reports it.
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }

    /// Returns the file once all of these changes are on disk. Fails with the reason; then the file is closed, and
    /// perhaps no change is on disk.
    pub(super) fn with(self, changes: &[Change]) -> Result<Self, String> {
        if changes.is_empty() {
            return Ok(self);
        }
        let tables = changes.chunk_by(|one, next| one.table == next.table).map(|changes| {
            let rows = changes.iter().map(|Change { key, value, .. }| (key.as_slice(), value.as_deref()));
            (changes[0].table.as_str(), rows)
        });
        fenced(|| self.write(tables))?;
        Ok(self)
    }

    fn write<'a, R>(&self, tables: impl Iterator<Item = (&'a str, R)>) -> Result<(), Failure>
    where
        R: Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    {
        let Some(database) = &self.database else { return Ok(()) };
        let transaction = database.begin_write()?;
        for (table, rows) in tables {
            let mut table = transaction.open_table(Octets::new(table))?;
            for (key, value) in rows {
                match value {
                    Some(value) => _ = table.insert(key, value)?,
                    None => _ = table.remove(key)?,
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let database = self.database.take();
        // redb writes when it closes. If that fails, the next process reads what was committed.
        let _ = fenced(|| {
            drop(database);
            Ok(())
        });
    }
}

/// Reads a file without changing it. Returns no rows if the file does not exist. Fails if it cannot be read, or is
/// corrupt.
pub(super) fn read(path: &Path) -> Result<Rows, Damage> {
    match disk::read_patiently(path) {
        // Every file was complete before it got its name. redb would take an empty one for a new one.
        Ok(octets) if octets.is_empty() => Err(Damage::Corrupt("it is empty".to_owned())),
        Ok(octets) => fenced(|| rows(octets)).map_err(Damage::Corrupt),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Rows::new()),
        Err(error) => Err(Damage::Unusable(error.to_string())),
    }
}

fn rows(mut octets: Vec<u8>) -> Result<Rows, Failure> {
    distrust(&mut octets);
    let memory = InMemoryBackend::new();
    memory.set_len(octets.len() as u64)?;
    memory.write(0, &octets)?;
    let database = builder().create_with_backend(memory)?;
    let transaction = database.begin_read()?;
    let mut rows = Rows::new();
    for handle in transaction.list_tables()? {
        let table = transaction.open_table(Octets::new(handle.name()))?;
        let in_table = rows.entry(handle.name().to_owned()).or_default();
        for row in table.iter()? {
            let (key, value) = row?;
            in_table.insert(key.value().to_owned(), value.value().to_owned());
        }
    }
    Ok(rows)
}

/// Marks the contents as those of a process that did not end well, so that redb verifies every checksum before it uses
/// a page. Otherwise redb would trust them, and would allocate whatever size a flipped bit says. The two flags are in
/// the octet after the magic number (redb's design.md, "Database header").
fn distrust(octets: &mut [u8]) {
    const FLAGS: usize = 9;
    const RECOVERY_REQUIRED: u8 = 2;
    const TWO_PHASE_COMMIT: u8 = 4;
    if let Some(flags) = octets.get_mut(FLAGS) {
        *flags = (*flags | RECOVERY_REQUIRED) & !TWO_PHASE_COMMIT;
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Syncs the folder of a file: a renamed file survives a crash only when its folder is on disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Any error of redb.
struct Failure(String);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs work and turns a panic into an error.
fn fenced<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, String> {
    // The panic may leave the database and its rows half changed. Both are dropped.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|Failure(why)| why),
        Err(panic) => Err(format!("the database panicked: {}", text_of(&*panic))),
    }
}

/// The text of a panic, for the log.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or_default().escape_debug().to_string()
}
