//! The folder of keys: finds those of a zone, and writes new ones.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::put::{Owner, put};
use crate::disk::Disk;
use crate::dnssec::{SigningKey, ZoneKeys, key_file};
use crate::name::Name;
use crate::vital;

/// Permission bits of a private key's file that must not be set: those of its group and of others.
const OF_OTHERS: u32 = 0o077;

/// Permission bits of the folder that must not be set: others could put keys of their own there.
const OTHERS_WRITE: u32 = 0o022;

/// The user that may own every file.
const ROOT: u32 = 0;

/// The mode of new private keys.
pub(super) const PRIVATE: u32 = 0o600;

/// The mode of new public keys.
const PUBLIC: u32 = 0o644;

/// The mode of a new folder.
const FOLDER: u32 = 0o700;

/// A key of the folder.
#[derive(Debug)]
pub struct StoredKey {
    /// The key.
    pub key: SigningKey,
    /// The path of its public file. The private one is beside it.
    pub path: PathBuf,
}

/// The folder of keys, and the files in it.
#[derive(Debug)]
pub(super) struct KeyFolder {
    path: PathBuf,
    /// The user that it belongs to.
    owner: u32,
    /// The paths of public keys, by their names.
    files: BTreeMap<String, PathBuf>,
}

impl fmt::Display for KeyFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// True if a file's name is that of a public key.
fn is_key_file(name: &OsStr) -> bool {
    let is_key = Path::new(name).extension().is_some_and(|extension| extension == "key");
    is_key && name.as_encoded_bytes().starts_with(b"K")
}

impl KeyFolder {
    /// Lists the folder. Fails with the reason.
    pub(super) fn read(path: &Path, disk: &Disk) -> Result<Self, String> {
        let shown = path.display();
        let metadata = match disk.metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return Err(format!("cannot read the folder of keys {shown}: {error}")),
        };
        if metadata.mode() & OTHERS_WRITE != 0 {
            return Err(format!("others can write to the folder of keys {shown}: run `chmod go-w` on it"));
        }
        let paths = disk.list(path, is_key_file).map_err(|error| format!("cannot list {shown}: {error}"))?;
        let name = |path: &PathBuf| path.file_name().and_then(OsStr::to_str).map(str::to_owned);
        let files = paths.into_iter().filter_map(|path| Some((name(&path)?, path))).collect();
        Ok(Self { path: path.to_owned(), owner: metadata.uid(), files })
    }

    /// Reads all keys of a zone. Fails with the reason if one of them cannot be used.
    pub(super) fn keys(&self, zone: &Name, disk: &Disk) -> Result<Vec<StoredKey>, String> {
        let of_zone = self.files.iter().filter_map(|(name, path)| Some((path, key_file::is_key_of(name, zone)?)));
        of_zone.map(|(path, named)| self.key(zone, path, named, disk)).collect()
    }

    fn key(&self, zone: &Name, path: &Path, named: (u8, u16), disk: &Disk) -> Result<StoredKey, String> {
        let private = path.with_extension("private");
        let text = |path: &Path| {
            let contents = disk.read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            Ok::<_, String>(String::from_utf8_lossy(&contents.octets).into_owned())
        };
        let (public_text, private_text) = (text(path)?, text(&private)?);
        let metadata =
            disk.metadata(&private).map_err(|error| format!("cannot look at {}: {error}", private.display()))?;
        self.check(&private, &metadata)?;
        let key = key_file::read(zone, &public_text, &private_text).map_err(|error| {
            let of_private = matches!(error, key_file::BadKeyFile::Field(_) | key_file::BadKeyFile::Mismatch);
            format!("{} {error}", if of_private { &private } else { path }.display())
        })?;
        let is = (key.public().algorithm().number(), key.public().tag());
        if is != named {
            return Err(format!("{} holds the key +{:03}+{:05}", path.display(), is.0, is.1));
        }
        Ok(StoredKey { key, path: path.to_owned() })
    }

    /// Checks who can read a private key, and whom it belongs to.
    fn check(&self, private: &Path, metadata: &Metadata) -> Result<(), String> {
        let shown = private.display();
        if metadata.mode() & OF_OTHERS != 0 {
            return Err(format!("others can read the private key {shown}: run `chmod 600` on it"));
        }
        let own = rustix::process::geteuid().as_raw();
        if ![ROOT, own, self.owner].contains(&metadata.uid()) {
            return Err(format!("the private key {shown} belongs to another user than its folder"));
        }
        Ok(())
    }
}

/// Reads all keys of a zone in a folder. Fails with the reason if one of them cannot be used.
pub fn read_keys(folder: &Path, zone: &Name) -> Result<Vec<StoredKey>, String> {
    let disk = Disk::new();
    KeyFolder::read(folder, &disk)?.keys(zone, &disk)
}

/// Reads the same keys, without the paths of their files.
pub fn read_signing_keys(folder: &Path, zone: &Name) -> Result<Vec<SigningKey>, String> {
    Ok(read_keys(folder, zone)?.into_iter().map(|stored| stored.key).collect())
}

/// Returns the keys of these zones whose files in a folder are others now, with their parts at the time `now` in Unix seconds. A zone
/// whose files cannot be used is left out.
pub fn read_changed(folder: &Path, zones: &[Arc<ZoneKeys>], disk: &Disk, now: u64) -> Vec<ZoneKeys> {
    let Ok(folder) = KeyFolder::read(folder, disk) else { return Vec::new() };
    let changed = |keys: &Arc<ZoneKeys>| {
        let stored = folder.keys(keys.apex(), disk).ok()?.into_iter().map(|stored| stored.key).collect();
        keys.with_keys(stored, now).ok().filter(|new| *new != keys.at(now))
    };
    zones.iter().filter_map(changed).collect()
}

/// Writes the files of a key, and makes the folder if there is none. They belong to the owner of the folder if root writes
/// them. Fails if a file of that name exists. Returns the path of the public key.
pub fn write_key(folder: &Path, files: &key_file::KeyFiles) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(folder)?;
    let owner = fs::metadata(folder)?;
    let gives = rustix::process::geteuid().is_root() && owner.uid() != ROOT;
    let owner: Option<Owner> = gives.then(|| (owner.uid(), owner.gid()));
    let [private, public] = ["private", "key"].map(|extension| folder.join(format!("{}.{extension}", files.stem)));
    for path in [&private, &public] {
        if fs::exists(path)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
    }
    // A public key without the private one would be a fault, so it comes last.
    put(&private, PRIVATE, &files.private, owner)?;
    vital::holding_point("private key written");
    if let Err(error) = put(&public, PUBLIC, &files.public, owner) {
        // A private key alone is ignored, and of no use.
        let _ = fs::remove_file(&private);
        return Err(error);
    }
    Ok(public)
}

/// Locks the folder of keys against others that change keys, until the returned file is closed. Waits for them.
pub fn lock_keys(folder: &Path) -> Result<File, String> {
    let lock = || {
        let file = File::open(folder)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|error: io::Error| format!("cannot lock the folder of keys {}: {error}", folder.display()))
}
