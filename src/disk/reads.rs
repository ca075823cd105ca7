//! The identities of files that were read, so that a later look can tell if they are still the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A function that tests if a name in a folder is of interest.
pub type Counts = fn(&OsStr) -> bool;

/// The result of a look at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A file, by its identity and its times. The time of the last change of any kind reveals contents that were
    /// replaced while the time of modification was kept, as `cp -p` does.
    File {
        /// Device and inode.
        identity: (u64, u64),
        /// In octets.
        size: u64,
        /// Time of modification, in seconds and nanoseconds since 1970.
        modified: (i64, i64),
        /// Time of the last change of any kind, in the same units.
        changed: (i64, i64),
    },
    /// Nothing that could be looked at.
    Missing(io::ErrorKind),
    /// Unknown, because the file system did not respond. It never equals anything.
    Unknown,
}

/// The files and folders that were read, by the paths that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    files: BTreeMap<PathBuf, Seen>,
    folders: BTreeMap<PathBuf, Folder>,
}

/// A folder that was listed.
#[derive(Clone, Debug)]
struct Folder {
    counts: Counts,
    /// The names of interest; `None` if it could not be listed.
    names: Option<BTreeSet<OsString>>,
}

impl Seen {
    /// True if the last change of the file is longer ago than `settles`.
    pub(super) fn is_settled(&self, now: SystemTime, settles: Duration) -> bool {
        let Self::File { changed: (seconds, nanoseconds), .. } = self else { return false };
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(*seconds), u32::try_from(*nanoseconds)) else {
            return false;
        };
        let changed = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        // A change in the future is one by a clock that was set since then.
        now.duration_since(changed).is_ok_and(|since| since >= settles)
    }

    /// Looks at the file at a path. Links are followed.
    pub(super) fn at(path: &Path) -> Self {
        fs::metadata(path).map_or_else(|error| Self::Missing(error.kind()), |metadata| Self::of(&metadata))
    }

    pub(super) fn of(metadata: &Metadata) -> Self {
        Self::File {
            identity: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The names of interest in a folder.
pub(super) fn names(folder: &Path, counts: Counts) -> io::Result<BTreeSet<OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    names.filter(|name| name.as_ref().map_or(true, |name| counts(name))).collect()
}

impl Reads {
    /// Records what was seen at a path. The first record stays: a change between two reads of one file is a change
    /// since then.
    pub(super) fn note(&mut self, path: &Path, seen: Seen) {
        self.files.entry(absolute(path)).or_insert(seen);
    }

    pub(super) fn note_folder(&mut self, path: &Path, counts: Counts, names: Option<BTreeSet<OsString>>) {
        self.folders.entry(absolute(path)).or_insert(Folder { counts, names });
    }

    /// Looks at the same paths again. Blocks if a file system hangs.
    #[must_use]
    pub fn look_again(&self) -> Self {
        let folder = |(path, folder): (&PathBuf, &Folder)| {
            let counts = folder.counts;
            (path.clone(), Folder { counts, names: names(path, counts).ok() })
        };
        Self {
            files: self.files.keys().map(|path| (path.clone(), Seen::at(path))).collect(),
            folders: self.folders.iter().map(folder).collect(),
        }
    }

    /// True if nothing changed between the two.
    pub fn is_same(&self, other: &Self) -> bool {
        let names = |reads: &Self| -> Vec<_> {
            reads.folders.iter().map(|(path, folder)| (path.clone(), folder.names.clone())).collect()
        };
        self.files == other.files && names(self) == names(other)
    }

    /// The files that were read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// The folders that were listed, and the tests for their names of interest.
    pub fn folders(&self) -> impl Iterator<Item = (&Path, Counts)> {
        self.folders.iter().map(|(path, folder)| (path.as_path(), folder.counts))
    }
}

/// The absolute form of a path, which does not depend on the working directory.
fn absolute(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::Disk;
    use super::*;

    fn is_toml(name: &OsStr) -> bool {
        Path::new(name).extension().is_some_and(|extension| extension == "toml")
    }

    #[test]
    fn a_look_tells_of_whatever_reading_would_find() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for release in ["one", "two"] {
            fs::create_dir_all(at(release).join("zones")).unwrap();
            fs::write(at(release).join("zones/a.toml"), release).unwrap();
        }
        symlink("one", at("current")).unwrap();
        let disk = Disk::new();
        disk.list(&at("current/zones"), is_toml).unwrap();
        disk.read(&at("current/zones/a.toml")).unwrap();
        assert!(disk.read(&at("key")).is_err());
        let reads = disk.reads();
        let expect = |is_same: bool| assert_eq!(reads.look_again().is_same(&reads), is_same);
        expect(true);
        fs::write(at("one/zones/a.tml"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        expect(true);
        // A link in the path is redirected, and restored.
        symlink("two", at("new")).unwrap();
        fs::rename(at("new"), at("current")).unwrap();
        expect(false);
        symlink("one", at("new")).unwrap();
        fs::rename(at("new"), at("current")).unwrap();
        expect(true);
        // A matching name is added and removed; a missing file is added and removed.
        for path in ["one/zones/b.toml", "key"] {
            fs::write(at(path), "").unwrap();
            expect(false);
            fs::remove_file(at(path)).unwrap();
            expect(true);
        }
        // The folder is replaced by another one with the same contents.
        fs::create_dir(at("zones.new")).unwrap();
        fs::write(at("zones.new/a.toml"), "one").unwrap();
        fs::rename(at("one/zones"), at("zones.old")).unwrap();
        fs::rename(at("zones.new"), at("one/zones")).unwrap();
        expect(false);
    }

    #[test]
    fn contents_with_the_time_of_those_before_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let disk = Disk::new();
        let modified = disk.read(&path).unwrap().modified;
        let reads = disk.reads();
        // Longer than a tick of the kernel's clock.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, "2").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(!reads.look_again().is_same(&reads));
    }
}
