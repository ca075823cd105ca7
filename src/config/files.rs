//! The files of a configuration, as they are on disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::disk::{Contents, Disk};

use super::code::Code;
use super::fault::{Fault, Faults, Severity};
use super::source::{Place, Source};

/// A file that was read, and the time of its last change.
pub(super) struct ReadFile {
    pub(super) source: Arc<Source>,
    /// Time of the last change: Unix time in seconds modulo 2^32, as serial numbers count it.
    pub(super) changed: u32,
    /// The fingerprint of its contents.
    pub(super) print: u128,
}

/// Returns a fingerprint of a file's contents. It is valid in this process only.
pub(super) fn print(source: &Source) -> u128 {
    // The keys are random, so that an author of zone files cannot make two different texts with one fingerprint.
    static KEYS: LazyLock<[u64; 2]> = LazyLock::new(|| [0, 1].map(|key| RandomState::new().hash_one(key)));
    let mut hasher = SipHasher13::new_with_keys(KEYS[0], KEYS[1]);
    hasher.write_u8(source.is_latin1.into());
    hasher.write(source.text.as_bytes());
    hasher.finish128().as_u128()
}

/// The ending of a master file's name.
const MASTER: &str = "zone";

/// The one or two files of a zone.
#[derive(Default)]
pub(super) struct ZoneFiles {
    /// `gslb.example.com.toml`.
    pub(super) toml: Option<ReadFile>,
    /// `gslb.example.com.zone`, an RFC 1035 master file.
    pub(super) master: Option<ReadFile>,
    /// True if one of them could not be read. The other alone would be a different zone.
    pub(super) unreadable: bool,
}

/// Reads a file. Reports a fault and returns `None` if it cannot be read.
pub(super) fn read_file(disk: &Disk, path: &Path, faults: &mut Faults) -> Option<ReadFile> {
    read(disk, path, None, faults)
}

/// Reads a file that another one names at `place`.
pub(super) fn read_named(disk: &Disk, path: &Path, place: &Place, faults: &mut Faults) -> Option<ReadFile> {
    read(disk, path, Some(place), faults)
}

fn read(disk: &Disk, path: &Path, place: Option<&Place>, faults: &mut Faults) -> Option<ReadFile> {
    take_in(path, disk.read(path), place, faults)
}

/// Takes in what was read at a path. Reports a fault and returns `None` if that failed, or if it is not text.
fn take_in(path: &Path, read: io::Result<Contents>, place: Option<&Place>, faults: &mut Faults) -> Option<ReadFile> {
    match read {
        Ok(Contents { octets, modified }) => {
            let source = text_of(path, octets, faults)?;
            // A date in the future would give a serial that no later change exceeds for years.
            let changed = modified.min(SystemTime::now());
            let changed = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
            let print = print(&source);
            Some(ReadFile { source, changed, print })
        }
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            faults.push(Fault { place: place.cloned(), ..Fault::without_place(message).code(Code::File) });
            None
        }
    }
}

/// The text of a file. Reports a fault and returns `None` if it is not text: a TOML file must be UTF-8.
fn text_of(path: &Path, octets: Vec<u8>, faults: &mut Faults) -> Option<Arc<Source>> {
    if path.extension().is_some_and(|extension| extension == MASTER) {
        let source = Source::master(path, octets).map_err(|why| {
            faults.push(Fault::without_place(format!("cannot read {}: {why}", path.display())).code(Code::File));
        });
        return source.ok().map(Arc::new);
    }
    match String::from_utf8(octets) {
        Ok(text) => Some(Arc::new(Source::new(path, text))),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = Arc::new(Source::new(path, text));
            let place = Place { source, span: at..at + char::REPLACEMENT_CHARACTER.len_utf8() };
            faults.push(Fault::error(&place, "the file is not UTF-8", "this is not a character").code(Code::File));
            None
        }
    }
}

/// Reads the zones of a folder, keyed by the stem of their files' names. Ignores hidden files and files with another
/// ending than `.toml` and `.zone`: editors and version control leave files behind. `place` is where the configuration
/// names the folder.
pub(super) fn read_zones(
    disk: &Disk,
    folder: &Path,
    place: Option<&Place>,
    faults: &mut Faults,
) -> BTreeMap<String, ZoneFiles> {
    let mut zones: BTreeMap<String, ZoneFiles> = BTreeMap::new();
    let paths = match disk.list(folder, is_zone_file) {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("cannot read the zones in {}: {error}", folder.display());
            faults.push(Fault { place: place.cloned(), ..Fault::without_place(message).code(Code::File) });
            return zones;
        }
    };
    for (path, read) in disk.read_in_turn(paths) {
        let Some((stem, extension)) = path.file_name().and_then(|name| name.to_str()).and_then(|n| n.rsplit_once('.'))
        else {
            continue;
        };
        let is_master = extension == MASTER;
        // A folder is never a zone, whatever its name.
        if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::IsADirectory) {
            continue;
        }
        let files = zones.entry(stem.to_owned()).or_default();
        let file = take_in(&path, read, None, faults);
        files.unreadable |= file.is_none();
        if is_master { files.master = file } else { files.toml = file }
    }
    if zones.is_empty() {
        let message = format!("there is no zone in {}", folder.display());
        let place = place.cloned();
        faults.push(Fault { severity: Severity::Warning, place, ..Fault::without_place(message).code(Code::File) });
    }
    zones
}

/// True if a file of this name belongs to a zone.
pub(super) fn is_zone_file(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.rsplit_once('.'));
    parts.is_some_and(|(stem, extension)| {
        !stem.is_empty() && !stem.starts_with('.') && matches!(extension, "toml" | MASTER)
    })
}
