//! The state folder: what a node keeps from run to run.
//!
//! One process at a time holds it. `lock` is locked by that process as long as it lives, however it ends; `serials.json`
//! holds the SOA serial last served for each zone, so that a serial never runs backwards.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The state folder, held by this process.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

/// Why the state folder cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// Another process holds it.
    Held(PathBuf),
    /// It, or a file in it, cannot be made, read or written.
    Unusable(PathBuf, io::Error),
    /// A file in it holds what truenorth did not write.
    Corrupt(PathBuf, serde_json::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(folder) => {
                write!(f, "{}: another truenorth runs on this state folder", folder.display())
            }
            Self::Unusable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Corrupt(path, error) => {
                write!(f, "{}: {error}; delete the file to begin without it", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {}

/// The serial last served, by origin.
pub type Serials = BTreeMap<String, u32>;

impl Store {
    /// Takes hold of a folder, which is made if it is not there.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::Unusable(path, error)
        };
        fs::create_dir_all(folder).map_err(unusable(folder))?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(unusable(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Held(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(StoreError::Unusable(path, error)),
        }
    }

    /// The serials last served; none in a new folder.
    pub fn serials(&self) -> Result<Serials, StoreError> {
        let path = self.serials_path();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| StoreError::Corrupt(path, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Serials::new()),
            Err(error) => Err(StoreError::Unusable(path, error)),
        }
    }

    /// Keeps the serials. What was kept before stays whole until the new file is.
    pub fn keep_serials(&self, serials: &Serials) -> Result<(), StoreError> {
        let path = self.serials_path();
        let beside = path.with_extension("new");
        let text = serde_json::to_vec_pretty(serials).map_err(|error| StoreError::Corrupt(path.clone(), error))?;
        fs::write(&beside, text)
            .and_then(|()| File::open(&beside)?.sync_all())
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(|error| StoreError::Unusable(path, error))
    }

    fn serials_path(&self) -> PathBuf {
        self.folder.join("serials.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        assert!(matches!(Store::open(&folder.path().join("state")), Err(StoreError::Held(_))));
        drop(store);
        assert!(Store::open(&folder.path().join("state")).is_ok());
    }

    #[test]
    fn serials_are_kept_and_a_corrupt_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.serials().unwrap().is_empty());
        let serials = Serials::from([("example.com.".to_owned(), 7)]);
        store.keep_serials(&serials).unwrap();
        assert_eq!(store.serials().unwrap(), serials);
        fs::write(folder.path().join("serials.json"), "{").unwrap();
        assert!(matches!(store.serials(), Err(StoreError::Corrupt(..))));
    }
}
