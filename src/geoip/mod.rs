//! GeoIP databases (MMDB files), read once into [`Locations`].
//!
//! ```text
//!   file -> database: walk the search tree -> runs of record numbers
//!                     decode each distinct record once (record) -> a table of distinct locations (table)
//!   files -> merge: later ones fill in what earlier ones lack; then continents and points of known countries
//! ```
//!
//! A look-up in a database at each query would cost several times what a look-up in runs costs, and could not tell how
//! far around an address its answer holds. So a file is read whole, turned into runs and dropped.
//!
//! What a file holds is not trusted. A record of a shape nobody knows says nothing; a file whose search tree or records
//! are broken is a fault, and nothing of it is used.

mod database;
mod merge;
mod record;
mod table;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use self::table::Tale;
use crate::disk::Disk;
use crate::geo::Locations;

/// The contents of all databases, merged.
#[derive(Debug)]
pub struct Loaded {
    /// Where clients are.
    pub locations: Locations,
    /// Files that locate nobody: sound ones, but empty, or of a kind that tells other things.
    pub mute: Vec<PathBuf>,
}

/// What the databases at `paths` say together. Each field of a location is from the first database that knows it; what
/// a country alone tells, its continent and the point of its people, stands in where none does. Without paths nothing is known.
///
/// Every file's fault is told, not only the first one's.
pub fn load<P: AsRef<Path>>(disk: &Disk, paths: &[P]) -> Result<Loaded, Vec<GeoipFault>> {
    let mut merged: Option<Tale> = None;
    let (mut mute, mut faults) = (Vec::new(), Vec::new());
    for path in paths.iter().map(AsRef::as_ref) {
        match database::read(disk, path) {
            Ok(later) => {
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
    Ok(Loaded { locations: merge::complete(merged.unwrap_or_else(Tale::empty)), mute })
}

/// What is wrong with a database file.
#[derive(Debug)]
pub enum GeoipFault {
    /// The file is missing, or the system does not let it be read.
    Unreadable {
        /// Where the file should be.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file has no usable MMDB metadata, which stand at its end: it is of another kind, or it was cut off.
    NotMmdb {
        /// Where the file is.
        path: PathBuf,
        /// What was missed.
        reason: String,
    },
    /// The file says it is an MMDB, but its search tree or its records are broken.
    Corrupt {
        /// Where the file is.
        path: PathBuf,
        /// What is broken.
        reason: String,
    },
}

impl GeoipFault {
    /// The file it is about.
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
            Self::NotMmdb { reason, .. } => write!(f, "is not an MMDB file, or was cut off: {reason}"),
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
