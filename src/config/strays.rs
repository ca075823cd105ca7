//! Files in the zones folder that are not read but look like zones, and files that are read but are not zones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;

use super::code::Code;
use super::fault::{Fault, Faults, Severity};
use super::files::ZoneFiles;
use super::source::{Place, Source};
use super::suggest::list_of;

/// The extensions of zone files.
const READ: [&str; 2] = ["toml", "zone"];

/// Extensions that are probably misspellings of `.toml` or `.zone`.
const MISSPELLED: [&str; 8] = ["tml", "tom", "toml.txt", "zone.txt", "zon", "zones", "yaml", "yml"];

/// Texts near the beginning of a file that show that it holds a zone.
const SIGNS: [&str; 5] = ["[nameservers]", "[names.", "[records.", " SOA ", "\tSOA\t"];

/// Octets at the beginning of a file that are searched for such a text.
const LOOKED_AT: u64 = 16 * 1024;

/// Maximum number of files that a warning lists.
const MAX_LISTED: usize = 4;

/// Warns of files in the zones folder that look like zones but are not read. `used` holds the files that the
/// configuration includes or names.
pub(super) fn check(folder: &Path, place: Option<&Place>, used: HashSet<PathBuf>, disk: &Disk, faults: &mut Faults) {
    // A folder that cannot be listed was reported when the zones were read.
    let strays = disk.ask(folder, move |folder| find_strays(folder, &used)).unwrap_or_default();
    if strays.is_empty() {
        return;
    }
    let listed: Vec<&str> = strays.iter().take(MAX_LISTED).map(String::as_str).collect();
    let more = strays.len() - listed.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let verb = if strays.len() == 1 { "is" } else { "are" };
    let message = format!("{}{more} in {} {verb} not read", list_of(&listed), folder.display());
    let fault = Fault { severity: Severity::Warning, place: place.cloned(), ..Fault::without_place(message) };
    faults.push(fault.code(Code::File).help("a zone's file ends in .toml or .zone"));
}

/// Returns the names of these files in ascending order.
fn find_strays(folder: &Path, used: &HashSet<PathBuf>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_unused_file = |entry: &fs::DirEntry| {
        !used.contains(&entry.path()) && entry.metadata().is_ok_and(|metadata| metadata.is_file())
    };
    let mut strays: Vec<String> = entries
        .flatten()
        .filter_map(|entry| match entry.file_name().into_string() {
            // Most files are zones, of which nothing needs to be known.
            Ok(name) if has_ending(&name, &READ) => None,
            Ok(name) => (is_unused_file(&entry) && is_stray(&name, &entry.path())).then_some(name),
            // This name is not UTF-8. Zones have names in UTF-8, so the file is never read.
            Err(name) => {
                let name = name.to_string_lossy().into_owned();
                let looks_like_zone = !name.starts_with('.') && has_ending(&name, &READ);
                (looks_like_zone && is_unused_file(&entry)).then_some(name)
            }
        })
        .collect();
    strays.sort();
    strays
}

/// True if a file whose name is not that of a zone file probably holds a zone. Backups of editors and package managers have other extensions
/// and are kept on purpose.
fn is_stray(name: &str, path: &Path) -> bool {
    if name.starts_with('.') {
        return false;
    }
    let is_kept =
        name.starts_with('#') || name.ends_with(['~', '#']) || name.contains(".toml.") || name.contains(".zone.");
    let lower = name.to_ascii_lowercase();
    let is_misspelled = has_ending(&lower, &MISSPELLED);
    let is_capital = has_ending(&lower, &READ);
    is_misspelled || is_capital || (!is_kept && has_sign(path))
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.')))
}

fn has_sign(path: &Path) -> bool {
    let mut octets = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut octets));
    let text = String::from_utf8_lossy(&octets);
    read.is_ok() && SIGNS.iter().any(|sign| text.contains(sign))
}

/// The signs in a master file of which files are parts of others.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The stems of files that it includes and that are named like zones, with the octets of the directives.
    included: Vec<(String, Range<usize>)>,
    /// True if it may be a zone by itself.
    may_be_zone: bool,
}

impl Parts {
    pub(super) fn of(source: &Source) -> Self {
        if source.path.extension().is_none_or(|extension| extension != "zone") {
            return Self::default();
        }
        let (text, mut included) = (source.text(), Vec::new());
        for (sign, _) in text.match_indices('$') {
            let at = text[..sign].rfind('\n').map_or(0, |end| end + 1);
            // A directive is the first word of its line.
            if !text[at..sign].trim_ascii().is_empty() {
                continue;
            }
            let line = text[at..].split_inclusive('\n').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let is_include = words.next().is_some_and(|word| word.eq_ignore_ascii_case("$INCLUDE"));
            if let Some(stem) =
                words.next().filter(|_| is_include).and_then(|path| path.trim_matches('"').strip_suffix(".zone"))
            {
                included.push((stem.trim_start_matches("./").to_owned(), at..at + line.trim_end().len()));
            }
        }
        Self { included, may_be_zone: text.contains("SOA") }
    }
}

/// Finds master files that another one includes and that are not zones by themselves. Returns the place of the
/// directive by the file's stem.
pub(super) fn included(files: &BTreeMap<String, ZoneFiles>) -> HashMap<String, Place> {
    let mut included = HashMap::new();
    for master in files.values().filter_map(|files| files.master.as_ref()) {
        for (stem, span) in &master.parts.included {
            let place = || Place { source: master.source.clone(), span: span.clone() };
            included.entry(stem.clone()).or_insert_with(place);
        }
    }
    let is_part = |stem: &String| {
        files.get(stem).is_some_and(|files| {
            files.toml.is_none() && files.master.as_ref().is_some_and(|master| !master.parts.may_be_zone)
        })
    };
    included.retain(|stem, _| is_part(stem));
    included
}

/// Reports a file that is part of another one but is named like a zone.
pub(super) fn refuse_part(files: &ZoneFiles, at: &Place, faults: &mut Faults) {
    let Some(master) = &files.master else { return };
    let place = Place { source: Arc::clone(&master.source), span: 0..0 };
    let message =
        format!("{} is part of another zone, but has the name of a zone of its own", master.source.path.display());
    let fault = Fault::error(&place, message, "it has no SOA record").code(Code::File).related(at, "included here");
    faults.push(fault.help("give it another ending, such as .inc"));
}
