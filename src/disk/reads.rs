//! Which files were read, so that a later look tells whether they are still the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Which names of a folder count.
pub type Counts = fn(&OsStr) -> bool;

/// What stood at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A file, by its identity and its times. The time of its last change of any kind tells of contents that were put in its
    /// place with the time of the contents before, as `cp -p` does.
    File {
        /// Device and inode.
        identity: (u64, u64),
        /// In octets.
        size: u64,
        /// Seconds and nanoseconds since 1970.
        modified: (i64, i64),
        /// The same.
        changed: (i64, i64),
    },
    /// Nothing that could be looked at.
    Missing(io::ErrorKind),
    /// Nobody knows: the file system did not tell. It is never the same as anything else.
    Unknown,
}

/// What was read, by the paths that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    files: BTreeMap<PathBuf, Seen>,
    folders: BTreeMap<PathBuf, Folder>,
}

/// A folder that was listed.
#[derive(Clone, Debug)]
struct Folder {
    counts: Counts,
    /// Those that count; `None` if it could not be listed.
    names: Option<BTreeSet<OsString>>,
}

impl Seen {
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

/// The names in a folder that count.
pub(super) fn names(folder: &Path, counts: Counts) -> io::Result<BTreeSet<OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    names.filter(|name| name.as_ref().map_or(true, |name| counts(name))).collect()
}

impl Reads {
    /// What was seen first holds: what changed between two reads of one file changed since.
    pub(super) fn note(&mut self, path: &Path, seen: Seen) {
        self.files.entry(absolute(path)).or_insert(seen);
    }

    pub(super) fn note_folder(&mut self, path: &Path, counts: Counts, names: Option<BTreeSet<OsString>>) {
        self.folders.entry(absolute(path)).or_insert(Folder { counts, names });
    }

    /// The same paths as they stand now. A file system that hangs is waited for.
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

    /// Whether all is there as it was.
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

    /// The folders that were listed, and which of their names count.
    pub fn folders(&self) -> impl Iterator<Item = (&Path, Counts)> {
        self.folders.iter().map(|(path, folder)| (path.as_path(), folder.counts))
    }
}

/// A path that means the same wherever the process stands.
fn absolute(path: &Path) -> PathBuf {
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
        // A link above is turned, and turned back.
        symlink("two", at("new")).unwrap();
        fs::rename(at("new"), at("current")).unwrap();
        expect(false);
        symlink("one", at("new")).unwrap();
        fs::rename(at("new"), at("current")).unwrap();
        expect(true);
        // A name that counts comes and goes; a file that was missed comes and goes.
        for path in ["one/zones/b.toml", "key"] {
            fs::write(at(path), "").unwrap();
            expect(false);
            fs::remove_file(at(path)).unwrap();
            expect(true);
        }
        // The folder is replaced as a whole, by one that holds the same.
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
        // Longer than the kernel's clock ticks.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, "2").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(!reads.look_again().is_same(&reads));
    }
}
