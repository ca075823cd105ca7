//! Writes key files as a whole, so that a stop at any moment, or a full disk, leaves the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

/// A user and a group.
pub(super) type Owner = (u32, u32);

/// Writes a file with this mode, in the place of another one or as a new one. It belongs to `owner`, or else to the user of the
/// process.
pub(super) fn put(path: &Path, mode: u32, contents: &str, owner: Option<Owner>) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = write(&new, mode, contents, owner).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The first error tells more. What is left is ignored, and removed the next time.
        let _ = fs::remove_file(&new);
    }
    written?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn write(path: &Path, mode: u32, contents: &str, owner: Option<Owner>) -> io::Result<()> {
    // One that a stop left behind.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(contents.as_bytes())?;
    let own = file.metadata()?;
    if let Some((user, group)) = owner.filter(|&owner| owner != (own.uid(), own.gid())) {
        chown(path, Some(user), Some(group))?;
    }
    file.sync_all()
}
