//! GeoIP databases (MMDB files), read once into [`Locations`].
//!
//! ```text
//!   file -> database: walk the search tree (tree) -> runs of record numbers
//!                     decode each distinct record once (record) -> a table of distinct facts (table)
//!   files -> merge: later ones fill gaps of earlier ones; then add continents and points of known countries
//! ```
//!
//! A look-up in a database for each query would cost several times as much as a look-up in runs. It could also not tell
//! how far around an address its answer is valid. A file is therefore read completely, converted to runs, and dropped.
//!
//! Files are not trusted. A record of an unknown shape has no facts. A file with a broken search tree or broken records
//! is a fault, and nothing in it is used.

mod database;
mod merge;
mod record;
mod table;
mod tree;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::table::FactRuns;
use crate::disk::Disk;
use crate::geo::Locations;

/// The contents of all databases, merged.
#[derive(Debug)]
pub struct Loaded {
    /// The locations of clients.
    pub locations: Locations,
    /// Valid files that give no location: they are empty, or hold facts of another kind.
    pub mute: Vec<PathBuf>,
    /// When each file was made, as the file says: the time since the Unix epoch.
    pub built: Vec<Duration>,
}

/// Loads the databases at `paths`. Each field of a location is from the first database that has it. If none has the
/// continent or the point, those of the country are used. Without paths, nothing is known.
///
/// Fails with the faults of all files, not only the first one.
pub fn load<P: AsRef<Path>>(disk: &Disk, paths: &[P]) -> Result<Loaded, Vec<GeoipFault>> {
    let mut merged: Option<FactRuns> = None;
    let (mut mute, mut faults, mut built) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths.iter().map(AsRef::as_ref) {
        match database::read(disk, path) {
            Ok((later, at)) => {
                built.push(at);
                if later.is_empty() {
                    mute.push(path.to_owned());
                }
                merged = Some(match merged {
                    Some(earlier) => merge::fill_in(&earlier, &later),
                    None => later,
                });
            }
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Loaded { locations: merge::complete(merged.unwrap_or_else(FactRuns::empty)), mute, built })
}

/// The fault of a database file.
#[derive(Debug)]
pub enum GeoipFault {
    /// The file is missing, or the system refuses to read it.
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file has no usable MMDB metadata, which should be at its end: it is of another kind, or it was truncated.
    NotMmdb {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file claims to be an MMDB, but its search tree or its records are broken.
    Corrupt {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl GeoipFault {
    /// The path of the file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Unreadable { path, .. } | Self::NotMmdb { path, .. } | Self::Corrupt { path, .. } => path,
        }
    }
}

impl fmt::Display for GeoipFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path().display())?;
        match self {
            Self::Unreadable { error, .. } => write!(f, "cannot be read: {error}"),
            Self::NotMmdb { reason, .. } => write!(f, "is not an MMDB file, or is truncated: {reason}"),
            Self::Corrupt { reason, .. } => write!(f, "is a corrupt MMDB file: {reason}"),
        }
    }
}

impl std::error::Error for GeoipFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            Self::NotMmdb { .. } | Self::Corrupt { .. } => None,
        }
    }
}
