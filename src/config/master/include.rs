//! Which file `$INCLUDE` means.
//!
//! Whoever may write a zone file may not read the rest of the machine through it: all that is included lies in the
//! zones folder, whatever the path says and wherever its links lead.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The canonical path of what is `written`, which begins at `zones_folder`, or why it may not be included.
pub(super) fn find(zones_folder: &Path, written: &str) -> Result<PathBuf, String> {
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
    let canonical =
        |path: &Path| path.canonicalize().map_err(|error| format!("{} cannot be included: {error}", path.display()));
    let file = canonical(&zones_folder.join(path))?;
    if !file.starts_with(canonical(zones_folder)?) {
        return Err("this path leaves the zones folder through a symbolic link".to_owned());
    }
    // A folder has no text, and a pipe would be waited on for ever.
    if !file.is_file() {
        return Err(format!("{written} is no file"));
    }
    Ok(file)
}

/// The text of a file that was found.
pub(super) fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{} cannot be included: {error}", file.display()))
}
