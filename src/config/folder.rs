//! The files of a zones folder that make a version for a fleet: the zones, and what their master files include.
//!
//! Everything else that a zone names, such as certificates, keys, programs and lists of endpoints, is each node's own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use crate::disk::{Disk, Reading};
use crate::name::Name;
use crate::versions::{FilePath, Files};

use super::code::Code;
use super::fault::{Fault, Faults};
use super::files::is_zone_file;
use super::master::{Included, Includes, parse_master_file};
use super::source::Source;
use super::statics::RECORD_TTL;

/// The endings of files that may include others.
const MASTER: &str = ".zone";

/// Reads the files of a folder. Files that cannot be included are left out: whoever reads the zones reports them. Fails with
/// the faults of files that cannot be read, or if the files cannot be a version.
pub fn read_folder(folder: &Path, disk: &Disk) -> Result<Files, Faults> {
    let fault = |message: String| Faults(vec![Fault::without_place(message).code(Code::File)]);
    let cannot = |path: &Path, error: &io::Error| fault(format!("cannot read {}: {error}", path.display()));
    let paths = disk.list(folder, is_zone_file).map_err(|error| cannot(folder, &error))?;
    let includes = Includes { folder, disk };
    let mut files: BTreeMap<FilePath, Box<[u8]>> = BTreeMap::new();
    for (path, read) in disk.read_in_turn(paths.into_iter().map(|path| (path, None)).collect()) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let contents = match read {
            Ok(Reading::New(contents)) => contents.octets,
            // Nothing is known of any file.
            Ok(Reading::Same) => continue,
            // A folder is never a zone, whatever its name.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => continue,
            Err(error) => return Err(cannot(&path, &error)),
        };
        if let Some(stem) = name.strip_suffix(MASTER) {
            for (path, contents) in included(&path, stem, &contents, includes) {
                files.insert(path, contents);
            }
        }
        files.insert(FilePath::try_new(name).map_err(|error| fault(error.to_string()))?, contents.into());
    }
    Files::try_new(files).map_err(|error| fault(format!("{}: {error}", folder.display())))
}

/// The files that a master file includes, and those that they include, as far as they can be read.
fn included(path: &Path, stem: &str, octets: &[u8], includes: Includes<'_>) -> Vec<(FilePath, Box<[u8]>)> {
    let Ok(source) = Source::master(path, octets.to_vec()).map(Arc::new) else { return Vec::new() };
    let origin = Name::parse(stem, &Name::root()).unwrap_or_else(|_| Name::root());
    let master = parse_master_file(&source, &origin, RECORD_TTL, includes, &mut Faults::default());
    let read = |Included { written, .. }: Included| {
        let file = includes.find(&written).ok()?;
        Some((plain(&written)?, includes.disk.read(&file).ok()?.octets.into()))
    };
    master.included.into_iter().filter_map(read).collect()
}

/// The path without `.` and `..`; `None` if it cannot be in a version.
fn plain(written: &str) -> Option<FilePath> {
    let mut parts: Vec<&str> = Vec::new();
    for component in Path::new(written).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => _ = parts.pop()?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    FilePath::try_new(&parts.join("/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_what_they_include_are_a_version_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a.toml", "ttl = 5\n"),
            ("b.zone", "$INCLUDE parts/../parts/x.inc\n$INCLUDE \"gone.inc\"\n$INCLUDE ../outside\n"),
            ("parts/x.inc", "$include ./y.inc ; a comment\n"),
            ("y.inc", "a A 192.0.2.1\n"),
            ("client.key", "a secret"),
            (".hidden.toml", ""),
            ("note.txt", ""),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir(folder.path().join("c.toml")).unwrap();
        let files = read_folder(folder.path(), &Disk::new()).unwrap();
        let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a.toml", "b.zone", "parts/x.inc", "y.inc"]);
        let none = tempfile::tempdir().unwrap();
        assert!(read_folder(none.path(), &Disk::new()).is_err());
    }
}
