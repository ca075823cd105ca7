//! The files of a zones folder that make a version for a fleet: the zones, and what their master files include.
//!
//! Everything else that a zone names, such as certificates, keys, programs and lists of endpoints, is each node's own.

use std::path::{Component, Path};

use crate::disk::Disk;
use crate::versions::{FilePath, Files};

use super::code::Code;
use super::fault::{Fault, Faults};
use super::files::is_zone_file;
use super::master::Includes;

/// The endings of files that may include others.
const MASTER: &str = ".zone";

/// Reads the files of a folder. Files that cannot be included are left out: whoever reads the zones reports them. Fails with
/// the faults of files that cannot be read, or if the files cannot be a version.
pub fn read_folder(folder: &Path, disk: &Disk) -> Result<Files, Faults> {
    let fault = |message: String| Faults(vec![Fault::without_place(message).code(Code::File)]);
    let cannot = |path: &Path, error: &std::io::Error| fault(format!("cannot read {}: {error}", path.display()));
    let paths = disk.list(folder, is_zone_file).map_err(|error| cannot(folder, &error))?;
    let includes = Includes { folder, disk };
    let (mut files, mut masters) = (Vec::new(), Vec::new());
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // A folder is never a zone, whatever its name.
        if disk.metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            continue;
        }
        let contents = disk.read(&path).map_err(|error| cannot(&path, &error))?.octets;
        if name.ends_with(MASTER) {
            masters.push(contents.clone());
        }
        files.push((FilePath::try_new(name).map_err(|error| fault(error.to_string()))?, contents.into()));
    }
    while let Some(master) = masters.pop() {
        for written in included(&master) {
            let Some(path) = plain(&written).filter(|path| !files.iter().any(|(known, _)| known == path)) else {
                continue;
            };
            let Ok(contents) = includes
                .find(&written)
                .and_then(|file| disk.read(&file).map(|contents| contents.octets).map_err(|error| error.to_string()))
            else {
                continue;
            };
            masters.push(contents.clone());
            files.push((path, contents.into()));
        }
    }
    Files::try_new(files).map_err(|error| fault(format!("{}: {error}", folder.display())))
}

/// The arguments of lines that begin with `$INCLUDE`.
fn included(master: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(master);
    let argument = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let is_include = words.next()?.eq_ignore_ascii_case("$INCLUDE");
        words.next().filter(|_| is_include).map(|path| path.trim_matches('"').to_owned())
    };
    text.lines().filter_map(argument).collect()
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
            ("parts/x.inc", " $include ./y.inc ; a comment\n"),
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
