//! Configurations as an operator writes them, valid or broken.

mod admin;
mod again;
mod aggregates;
mod checks;
mod discovered;
mod doubts;
mod faults;
mod files;
pub(crate) mod fixture;
mod fleet;
mod listen;
mod many;
mod meanings;
mod monitors;
mod query_log;
mod recovery;
mod registered;
mod serials;
mod told;
mod webhooks;
mod windows;
mod worlds;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;

use super::{Code, Config, Faults, Listen, Severity, Source, load};

/// The server file that most tests use.
const SERVER: &str = "zones = \"zones\"\nsite = \"fra\"\n";

/// Loads files from a temporary folder. Paths in faults begin at that folder.
fn load_files(files: &[(&str, &[u8])]) -> Result<Config, Faults> {
    load_files_by(&Disk::new(), files)
}

/// Does the same through `disk`, which records the files that were read.
fn load_files_by(disk: &Disk, files: &[(&str, &[u8])]) -> Result<Config, Faults> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::write(&path, content).unwrap();
        // Files with secrets that everybody can read get a warning.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    load(&folder.path().join("truenorth.toml"), disk, &|_| None)
}

/// True if a file of this name was read.
fn was_read(disk: &Disk, name: &str) -> bool {
    disk.reads().files().any(|path| path.ends_with(name))
}

/// Loads one zone `example.com` with the usual server file.
fn load_zone(zone: &str) -> Result<Config, Faults> {
    load_files(&[("truenorth.toml", SERVER.as_bytes()), ("zones/example.com.toml", zone.as_bytes())])
}

/// All faults of a configuration, errors and warnings.
fn told(result: Result<Config, Faults>) -> Faults {
    result.map_or_else(|faults| faults, |config| config.warnings)
}

/// The faults, one in a line: `line:column severity message | label | help | related`.
fn lines(faults: &Faults) -> Vec<String> {
    let line = |fault: &super::Fault| {
        assert!(!matches!(fault.code, Code::Invalid | Code::Doubtful), "a code of its own: {}", fault.message);
        let place = fault.place.as_ref().map(|place| format!("{}:{} ", place.line(), place.column()));
        let severity = if fault.severity == Severity::Error { "error" } else { "warning" };
        let label = Some(&fault.label).filter(|label| !label.is_empty()).map(|label| format!(" | {label}"));
        let related = fault.related.as_ref();
        let related = related.map(|(place, label)| format!(" | {}:{} {label}", place.line(), place.column()));
        let help = fault.help.as_ref().map(|help| format!(" | help: {help}"));
        let behind: String = [label, related, help].into_iter().flatten().collect();
        format!("{}{severity}: {}{behind}", place.unwrap_or_default(), fault.message)
    };
    faults.0.iter().map(line).collect()
}

/// The sample configuration at the root of the repository.
fn sample() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("truenorth.toml");
    load(&path, &Disk::new(), &|_| None).unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}
