//! The files of a configuration, as they are on disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::disk::{Contents, Disk, Reading, Seen};

use super::code::Code;
use super::fault::{Fault, Faults, Severity};
use super::known::Known;
use super::source::{Place, Source};
use super::strays::Parts;

/// A file that was read, now or before.
#[derive(Clone, Debug)]
pub(super) struct ReadFile {
    pub(super) source: Arc<Source>,
    /// Time of the last change: Unix time in seconds modulo 2^32, as serial numbers count it.
    pub(super) changed: u32,
    /// The identity by which it can be recognised; `None` if it cannot.
    identity: Option<Seen>,
    /// The parts of other files that it shows, if it is a master file.
    pub(super) parts: Arc<Parts>,
}

impl ReadFile {
    /// Lets another text stand for that of the file, which is read each time.
    pub(super) fn stands_for(&mut self, source: Source) {
        (self.source, self.identity) = (Arc::new(source), None);
    }

    /// Reads the file if its text is not in memory. Reports a fault and returns false if it cannot be read.
    fn read_text(&mut self, disk: &Disk, faults: &mut Faults) -> bool {
        if self.source.has_text() {
            return true;
        }
        let path = &self.source.path;
        let read = take_in(disk, path, disk.read(path), Some((self, true)), None, faults);
        read.map(|read| *self = read).is_some()
    }
}

/// The ending of a master file's name.
const MASTER: &str = "zone";

/// The one or two files of a zone.
#[derive(Clone, Debug, Default)]
pub(super) struct ZoneFiles {
    /// `gslb.example.com.toml`.
    pub(super) toml: Option<ReadFile>,
    /// `gslb.example.com.zone`, an RFC 1035 master file.
    pub(super) master: Option<ReadFile>,
    /// True if one of them could not be read. The other alone would be a different zone.
    pub(super) unreadable: bool,
}

impl ZoneFiles {
    /// Those that were read, the TOML file first.
    pub(super) fn each(&self) -> impl Iterator<Item = &ReadFile> {
        self.toml.iter().chain(&self.master)
    }

    /// True if both have the same files with the same contents.
    pub(super) fn are_like(&self, other: &Self) -> bool {
        let is_like = |one: &Option<ReadFile>, other: &Option<ReadFile>| match (one, other) {
            (Some(one), Some(other)) => one.source == other.source,
            (one, other) => one.is_none() && other.is_none(),
        };
        is_like(&self.toml, &other.toml) && is_like(&self.master, &other.master)
    }

    /// Takes the times and identities of files that [are like](Self::are_like) these. Places still point into these.
    pub(super) fn update(&mut self, other: &Self) {
        for (file, now) in self.toml.iter_mut().chain(&mut self.master).zip(other.each()) {
            *file = ReadFile { source: file.source.clone(), ..now.clone() };
        }
    }

    /// Reads those whose texts are not in memory. Reports a fault and returns false if that fails.
    pub(super) fn read_texts(&mut self, disk: &Disk, faults: &mut Faults) -> bool {
        self.toml.iter_mut().chain(&mut self.master).all(|file| file.read_text(disk, faults))
    }
}

/// Reads a file. Reports a fault and returns `None` if it cannot be read.
pub(super) fn read_file(disk: &Disk, path: &Path, faults: &mut Faults) -> Option<ReadFile> {
    take_in(disk, path, disk.read(path), None, None, faults)
}

/// Does the same. If its contents are those of the known file, the result has the same source.
pub(super) fn read_file_again(
    disk: &Disk,
    path: &Path,
    known: Option<&Arc<Source>>,
    faults: &mut Faults,
) -> Option<Arc<Source>> {
    let file = read_file(disk, path, faults)?;
    let same = known.filter(|known| known.path == file.source.path && known.print() == file.source.print());
    Some(same.cloned().unwrap_or(file.source))
}

/// Reads a file that another one names at `place`.
pub(super) fn read_named(disk: &Disk, path: &Path, place: &Place, faults: &mut Faults) -> Option<ReadFile> {
    take_in(disk, path, disk.read(path), None, Some(place), faults)
}

/// Takes in a file that was just read at a path. `known` is the file that was read there before, and whether its text is needed:
/// if it is still the same, its text is kept only then. Reports a fault and returns `None` if reading failed, or if it is not text.
fn take_in(
    disk: &Disk,
    path: &Path,
    read: io::Result<Contents>,
    known: Option<(&ReadFile, bool)>,
    place: Option<&Place>,
    faults: &mut Faults,
) -> Option<ReadFile> {
    match read {
        Ok(Contents { octets, modified, identity }) => {
            let source = text_of(path, octets, faults)?;
            // A date in the future would give a serial that no later change exceeds for years.
            let changed = modified.min(SystemTime::now());
            let changed = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
            let (source, parts) = match known.filter(|(known, _)| known.source.print() == source.print()) {
                Some((known, needs_text)) => {
                    if needs_text {
                        known.source.take_text_of(&source);
                    }
                    (known.source.clone(), known.parts.clone())
                }
                None => (source.clone(), Arc::new(Parts::of(&source))),
            };
            source.found_at(disk.place(path));
            Some(ReadFile { source, changed, identity, parts })
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
/// names the folder. Files that are `known` and have not changed are not read.
pub(super) fn read_zones(
    disk: &Disk,
    folder: &Path,
    place: Option<&Place>,
    known: &Known,
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
    let all = known.files();
    let known: Vec<_> = paths.iter().map(|path| all.get(path.as_os_str()).copied()).collect();
    let identities = known.iter().map(|known| {
        let (file, needs_text) = (*known)?;
        file.identity.clone().filter(|_| !needs_text)
    });
    for ((path, read), known) in disk.read_in_turn(paths.into_iter().zip(identities).collect()).zip(&known) {
        let Some((stem, is_master)) = stem_of(&path) else { continue };
        // A folder is never a zone, whatever its name.
        if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::IsADirectory) {
            continue;
        }
        let file = match read {
            Ok(Reading::Same) => {
                known.map(|(file, _)| file.clone()).inspect(|file| file.source.found_at(disk.place(&path)))
            }
            Ok(Reading::New(contents)) => take_in(disk, &path, Ok(contents), *known, None, faults),
            Err(error) => take_in(disk, &path, Err(error), None, None, faults),
        };
        let files = zones.entry(stem.to_owned()).or_default();
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

/// The stem of a zone file's name, and whether it is a master file.
fn stem_of(path: &Path) -> Option<(&str, bool)> {
    let (stem, extension) = path.file_name()?.to_str()?.rsplit_once('.')?;
    Some((stem, extension == MASTER))
}

/// True if a file of this name belongs to a zone.
pub(super) fn is_zone_file(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.rsplit_once('.'));
    parts.is_some_and(|(stem, extension)| {
        !stem.is_empty() && !stem.starts_with('.') && matches!(extension, "toml" | MASTER)
    })
}
