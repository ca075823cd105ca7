//! Copies of files that are read in place of those of a folder.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf, absolute};
use std::sync::Arc;

use super::reads::Counts;

/// Copies of files, in a folder of their own.
#[derive(Debug)]
pub(super) struct Overlay {
    /// The folder whose files are not read, without `.` and `..`.
    folder: PathBuf,
    copies: PathBuf,
    /// The paths in the folder.
    files: Arc<BTreeSet<PathBuf>>,
}

impl Overlay {
    pub(super) fn new(folder: &Path, copies: &Path, files: Arc<BTreeSet<PathBuf>>) -> Self {
        let copies = absolute(copies).unwrap_or_else(|_| copies.to_owned());
        Self { folder: plain(folder), copies, files }
    }

    /// Where a path is read instead; `None` if it is read as it is.
    pub(super) fn place(&self, path: &Path) -> Option<PathBuf> {
        let path = plain(path);
        let inside = path.strip_prefix(&self.folder).ok()?;
        let is_folder = inside.as_os_str().is_empty();
        (is_folder || self.files.contains(inside)).then(|| self.copies.join(inside))
    }

    /// The names of interest in this folder, in ascending order; `None` if it is another one.
    pub(super) fn list(&self, folder: &Path, counts: Counts) -> Option<Vec<OsString>> {
        let is_own = |file: &&PathBuf| file.components().count() == 1 && counts(file.as_os_str());
        (plain(folder) == self.folder)
            .then(|| self.files.iter().filter(is_own).map(|file| file.clone().into_os_string()).collect())
    }
}

/// The absolute form of a path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn copies_are_read_in_place_of_the_files_of_a_folder_and_of_those_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for (path, text) in [
            ("zones/a.toml", "local"),
            ("zones/b.toml", "local"),
            ("zones/ca.pem", "local"),
            ("ca.pem", "beside"),
            ("copies/a.toml", "copy"),
            ("copies/parts/x.inc", "copy"),
            ("copies/ca.pem", "a trap"),
        ] {
            std::fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            std::fs::write(at(path), text).unwrap();
        }
        let disk = Disk::new();
        let files = ["a.toml", "parts/x.inc"].map(PathBuf::from);
        disk.lay_over(&at("zones"), &at("copies"), Arc::new(files.into()));
        let read = |path: &str| {
            let contents = disk.read(&at(path)).map(|contents| String::from_utf8(contents.octets).unwrap());
            contents.unwrap_or_default()
        };
        assert_eq!(disk.list(&at("zones"), |_| true).unwrap(), [at("zones/a.toml")]);
        assert_eq!([read("zones/a.toml"), read("zones/parts/x.inc")], ["copy", "copy"]);
        assert_eq!([read("zones/./parts/../a.toml"), read("zones/../ca.pem")], ["copy", "beside"]);
        assert_eq!([read("zones/b.toml"), read("zones/ca.pem")], ["local", "local"]);
        assert_eq!(disk.canonicalize(&at("zones")).unwrap(), at("copies").canonicalize().unwrap());
        // The folder's own files of these names may change.
        let reads = disk.reads();
        std::fs::write(at("zones/a.toml"), "other").unwrap();
        std::fs::write(at("zones/c.toml"), "other").unwrap();
        assert!(reads.look_again().is_same(&reads));
    }
}
