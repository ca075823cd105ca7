//! Which file `$INCLUDE` means.
//!
//! Whoever may write a zone file may not read the rest of the machine through it: all that is included lies in the
//! zones folder, whatever the path says and wherever its links lead.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::config::source::Source;
use crate::disk::Disk;

/// Where included files lie, and how they are read.
#[derive(Clone, Copy)]
pub(in crate::config) struct Includes<'a> {
    /// The zones folder, where their paths begin.
    pub(in crate::config) folder: &'a Path,
    /// The way to them.
    pub(in crate::config) disk: &'a Disk,
}

impl Includes<'_> {
    /// The canonical path of what is `written`, or why it may not be included.
    pub(in crate::config) fn find(&self, written: &str) -> Result<PathBuf, String> {
        let path = Path::new(written);
        let mut depth = 0_usize;
        for component in path.components() {
            match component {
                Component::Normal(_) => depth += 1,
                Component::CurDir => {}
                Component::ParentDir => depth = depth.checked_sub(1).ok_or("this path leaves the zones folder")?,
                Component::RootDir | Component::Prefix(_) => {
                    return Err("an included file's path begins at the zones folder, so it is not absolute".to_owned());
                }
            }
        }
        let path = self.folder.join(path);
        // Links on the way may be turned.
        self.disk.look(&path).map_err(|error| cannot(&path, &error))?;
        let canonical = |path: &Path| self.disk.canonicalize(path).map_err(|error| cannot(path, &error));
        let file = canonical(&path)?;
        if !file.starts_with(canonical(self.folder)?) {
            return Err("this path leaves the zones folder through a symbolic link".to_owned());
        }
        match self.disk.metadata(&file) {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(format!("{written} is no file")),
            Err(error) => Err(cannot(&file, &error)),
        }
    }

    /// What a file holds that was found under what is `written`.
    pub(in crate::config) fn source(&self, written: &str, file: &Path) -> Result<Arc<Source>, String> {
        let contents = self.disk.read(file).map_err(|error| cannot(file, &error))?;
        let text = String::from_utf8(contents.octets)
            .map_err(|_| format!("{} cannot be included: it is not UTF-8", file.display()))?;
        Ok(Arc::new(Source::new(self.folder.join(written), text)))
    }
}

fn cannot(file: &Path, error: &io::Error) -> String {
    format!("{} cannot be included: {error}", file.display())
}
