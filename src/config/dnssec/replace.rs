//! Writes new times to key files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::folder::{PRIVATE, lock_keys, read_signing_keys};
use super::put::put;
use crate::dnssec::{PublicKey, Schedule, Timing, ZoneKeys, key_file};
use crate::name::Name;

/// Gives a key of a zone in this folder other times. Returns the path of its private file. Fails if it cannot be read or
/// replaced.
pub fn set_times(folder: &Path, zone: &Name, key: &PublicKey, timing: Timing) -> io::Result<PathBuf> {
    let stem = key_file::stem(zone, key.algorithm().number(), key.tag());
    let stem = stem.ok_or_else(|| io::Error::other("no file can bear the zone's name"))?;
    let path = folder.join(format!("{stem}.private"));
    // The new file belongs to the same user.
    let before = fs::metadata(&path)?;
    let contents = key_file::with_times(&fs::read_to_string(&path)?, timing);
    put(&path, PRIVATE, &contents, Some((before.uid(), before.gid())))?;
    Ok(path)
}

/// Records in the key files that the parent was seen, at the time `seen` in Unix seconds, to hold the DS record of the key
/// with this tag and none of those that it replaces. `ttl` is the TTL of the parent's DS records in seconds. Returns the
/// paths of the files that changed. Fails with the reason.
pub fn record_ds(folder: &Path, keys: &ZoneKeys, tag: u16, seen: u64, ttl: u64) -> Result<Vec<PathBuf>, String> {
    let zone = keys.apex();
    let _locked = lock_keys(folder)?;
    // The files may be newer than what is served.
    let stored = read_signing_keys(folder, zone)?;
    let keys = keys.with_keys(stored, seen).map_err(|error| format!("the zone {zone} cannot be signed: {error}"))?;
    let position = keys.parts().position(|(key, part)| key.public().tag() == tag && part.signs_keys);
    let position =
        position.ok_or_else(|| format!("no published key of {zone} with the tag {tag} can have a DS record"))?;
    let schedule = Schedule::ds_seen(&keys.times_and_parts(), position, seen, ttl, keys.delays());
    let write = |(number, timing): (usize, Timing)| {
        let (key, _) = keys.parts().nth(number).ok_or("a key is gone")?;
        set_times(folder, zone, key.public(), timing)
            .map_err(|error| format!("cannot write the times of key {}: {error}", key.public().tag()))
    };
    schedule.old.into_iter().map(write).collect()
}
