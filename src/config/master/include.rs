//! Finds the file that `$INCLUDE` names.
//!
//! A person who may write a zone file must not read the rest of the machine through it. All included files are
//! therefore in the zones folder, whatever the path says and wherever its links lead.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::config::source::Source;
use crate::disk::Disk;

/// The folder of included files, and the access to it.
#[derive(Clone, Copy)]
pub(in crate::config) struct Includes<'a> {
    /// The zones folder. Paths in directives are relative to it.
    pub(in crate::config) folder: &'a Path,
    /// The access to the files.
    pub(in crate::config) disk: &'a Disk,
}

impl Includes<'_> {
    /// Returns the canonical path of `written`. Fails with the reason why it may not be included.
    pub(in crate::config) fn find(&self, written: &str) -> Result<PathBuf, String> {
        let path = Path::new(written);
        let mut depth = 0_usize;
        for component in path.components() {
            match component {
                Component::Normal(_) => depth += 1,
                Component::CurDir => {}
                Component::ParentDir => depth = depth.checked_sub(1).ok_or("this path leaves the zones folder")?,
                Component::RootDir | Component::Prefix(_) => {
                    return Err("an included file's path must be relative to the zones folder".to_owned());
                }
            }
        }
        let path = self.folder.join(path);
        // Links on the way can change between checks, so the canonical path counts.
        self.disk.look(&path).map_err(|error| cannot(&path, &error))?;
        let canonical = |path: &Path| self.disk.canonicalize(path).map_err(|error| cannot(path, &error));
        let file = canonical(&path)?;
        if !file.starts_with(canonical(self.folder)?) {
            return Err("this path leaves the zones folder through a symbolic link".to_owned());
        }
        match self.disk.metadata(&file) {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(format!("{written} is not a file")),
            Err(error) => Err(cannot(&file, &error)),
        }
    }

    /// Reads the file that `written` names. Fails with the reason if it cannot be read, or is no text.
    pub(in crate::config) fn source(&self, written: &str, file: &Path) -> Result<Arc<Source>, String> {
        let contents = self.disk.read(file).map_err(|error| cannot(file, &error))?;
        let source = Source::master(self.folder.join(written), contents.octets);
        let source = source.map_err(|why| format!("{} cannot be included: {why}", file.display()))?;
        source.found_at(self.disk.place(file));
        Ok(Arc::new(source))
    }
}

fn cannot(file: &Path, error: &io::Error) -> String {
    format!("{} cannot be included: {error}", file.display())
}
