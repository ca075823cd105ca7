//! Writes new times to key files, so that a stop at any moment leaves the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use super::folder::{PRIVATE, read_signing_keys};
use crate::dnssec::{KeyTimes, Part, PublicKey, Schedule, Timing, ZoneKeys, key_file};
use crate::name::Name;

/// Gives a key of a zone in this folder other times. Returns the path of its private file. Fails if it cannot be read or
/// replaced.
pub fn set_times(folder: &Path, zone: &Name, key: &PublicKey, timing: Timing) -> io::Result<PathBuf> {
    let stem = key_file::stem(zone, key.algorithm().number(), key.tag());
    let stem = stem.ok_or_else(|| io::Error::other("no file can bear the zone's name"))?;
    let path = folder.join(format!("{stem}.private"));
    replace(&path, &key_file::with_times(&fs::read_to_string(&path)?, timing))?;
    Ok(path)
}

/// Replaces a private file. The new one belongs to the same user.
fn replace(path: &Path, contents: &str) -> io::Result<()> {
    let before = fs::metadata(path)?;
    let new = path.with_extension("private.new");
    // One that a stop left behind.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&new)?;
    file.write_all(contents.as_bytes())?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
        chown(&new, Some(before.uid()), Some(before.gid()))?;
    }
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Records in the key files that the parent was seen, at the time `seen` in Unix seconds, to hold the DS record of the key
/// with this tag and none of those that it replaces. `ttl` is the TTL of the parent's DS records in seconds. Returns the
/// paths of the files that changed. Fails with the reason.
pub fn record_ds(folder: &Path, keys: &ZoneKeys, tag: u16, seen: u64, ttl: u64) -> Result<Vec<PathBuf>, String> {
    let zone = keys.apex();
    // The files may be newer than what is served.
    let stored = read_signing_keys(folder, zone)?;
    let keys = keys.with_keys(stored, seen).map_err(|error| format!("the zone {zone} cannot be signed: {error}"))?;
    let parts: Vec<(KeyTimes, Part)> = keys.parts().map(|(key, part)| (key.times(), *part)).collect();
    let position = keys.parts().position(|(key, part)| key.public().tag() == tag && part.signs_keys);
    let position =
        position.ok_or_else(|| format!("no published key of {zone} with the tag {tag} can have a DS record"))?;
    let schedule = Schedule::ds_seen(&parts, position, seen, ttl, keys.delays());
    let write = |(number, timing): (usize, Timing)| {
        let (key, _) = keys.parts().nth(number).ok_or("a key is gone")?;
        set_times(folder, zone, key.public(), timing)
            .map_err(|error| format!("cannot write the times of key {}: {error}", key.public().tag()))
    };
    schedule.old.into_iter().map(write).collect()
}
