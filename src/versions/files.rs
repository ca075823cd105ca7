//! The files of a version.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Most octets of all files of a version, and of their paths.
pub const MAX_OCTETS: usize = 16 << 20;

/// Most files of a version.
const MAX_FILES: usize = 20_000;

/// Longest path in octets.
const MAX_PATH: usize = 255;

/// Deepest folder.
const MAX_DEPTH: usize = 8;

/// The endings of files that are zones.
const ZONES: [&str; 2] = [".toml", ".zone"];

/// The path of a file in the zones folder: relative, with `/` between its parts. It never leads out of a folder, and no part
/// of it is hidden.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(Box<str>);

/// The files of a version by their paths: zone files, and files that these include. Not empty. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files(Arc<BTreeMap<FilePath, Box<[u8]>>>);

/// Why files cannot be a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesError {
    /// The path leads out of the folder, is hidden, or no file can have it.
    Path(String),
    /// Two files have the path, or it is that of a folder of another file.
    Twice(FilePath),
    /// There are more files than a version may have.
    TooMany,
    /// All files together are larger than a version may be. Holds their octets.
    TooLarge(usize),
    /// No file is a zone.
    NoZone,
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(
                f,
                "`{path}` cannot be the path of a file: it must be relative, lead out of no folder, and have no hidden part"
            ),
            Self::Twice(path) => write!(f, "{path} is there twice, or is a file and a folder"),
            Self::TooMany => write!(f, "a version has at most {MAX_FILES} files"),
            Self::TooLarge(octets) => {
                write!(f, "the files have {octets} octets together, and a version has at most {MAX_OCTETS}")
            }
            Self::NoZone => f.write_str("there is no zone: a zone's file ends in .toml or .zone, and is in no folder"),
        }
    }
}

impl std::error::Error for FilesError {}

impl FilePath {
    /// Fails if a file may not have this path.
    pub fn try_new(text: &str) -> Result<Self, FilesError> {
        let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        let is_right = text.len() <= MAX_PATH
            && !text.contains('\\')
            && !text.contains(char::is_control)
            && text.split('/').count() <= MAX_DEPTH
            && text.split('/').all(is_plain);
        if is_right { Ok(Self(text.into())) } else { Err(FilesError::Path(text.to_owned())) }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if a file with this path is a zone of its own.
    pub fn is_zone(&self) -> bool {
        !self.0.contains('/')
            && ZONES.iter().any(|ending| self.0.strip_suffix(ending).is_some_and(|stem| !stem.is_empty()))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Files {
    /// Fails if these files cannot be a version.
    pub fn try_new(files: impl IntoIterator<Item = (FilePath, Box<[u8]>)>) -> Result<Self, FilesError> {
        let (mut all, mut octets) = (BTreeMap::new(), 0_usize);
        for (path, contents) in files {
            octets += path.0.len() + contents.len();
            if all.len() >= MAX_FILES {
                return Err(FilesError::TooMany);
            }
            if all.insert(path.clone(), contents).is_some() {
                return Err(FilesError::Twice(path));
            }
        }
        if octets > MAX_OCTETS {
            return Err(FilesError::TooLarge(octets));
        }
        for path in all.keys() {
            let folders = path.0.match_indices('/').map(|(at, _)| FilePath(path.0[..at].into()));
            if let Some(both) = folders.into_iter().find(|folder| all.contains_key(folder)) {
                return Err(FilesError::Twice(both));
            }
        }
        if !all.keys().any(FilePath::is_zone) {
            return Err(FilesError::NoZone);
        }
        Ok(Self(Arc::new(all)))
    }

    /// All files in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&FilePath, &[u8])> {
        self.0.iter().map(|(path, contents)| (path, &**contents))
    }

    /// The contents of a file.
    pub fn get(&self, path: &FilePath) -> Option<&[u8]> {
        self.0.get(path).map(|contents| &**contents)
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
