//! The server file that a command reads.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::disk::{Disk, Seen};

/// The environment variable that names the server file if no option does.
const VARIABLE: &str = "TRUENORTH_CONFIG";

/// The paths where the server file is looked for if nothing names it. If there is none, the first path is reported as
/// missing.
const PLACES: [&str; 2] = ["truenorth.toml", "/etc/truenorth/truenorth.toml"];

/// The path of the server file.
#[derive(Clone, Debug, Args)]
pub(super) struct ConfigFile {
    /// The server file [default: $TRUENORTH_CONFIG, else truenorth.toml, else /etc/truenorth/truenorth.toml]
    #[arg(long = "config", value_name = "FILE")]
    option: Option<PathBuf>,
}

impl ConfigFile {
    /// Returns the path: that of the option, else that of the environment, else the first file that exists.
    pub(super) fn path(&self) -> PathBuf {
        find(self.option.as_deref(), env::var_os(VARIABLE), is_there)
    }
}

/// True if the file exists. A file whose file system hangs counts as existing.
pub(super) fn is_there(path: &Path) -> bool {
    !matches!(Disk::new().look(path), Ok(Seen::Missing(_)))
}

/// Returns the path that the option names, else that of the variable, else the first place that exists.
fn find(option: Option<&Path>, variable: Option<OsString>, exists: impl Fn(&Path) -> bool) -> PathBuf {
    let named = option.map(Path::to_owned);
    // An empty variable counts as absent, as for other programs.
    let named = named.or_else(|| variable.filter(|path| !path.is_empty()).map(PathBuf::from));
    let found = || PLACES.iter().map(PathBuf::from).find(|path| exists(path));
    named.or_else(found).unwrap_or_else(|| PLACES[0].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_first_and_what_exists_last() {
        let here = |path: &Path| path == Path::new(PLACES[0]);
        let nowhere = |_: &Path| false;
        let option = Some(Path::new("given.toml"));
        let variable = || Some(OsString::from("named.toml"));
        assert_eq!(find(option, variable(), here), Path::new("given.toml"));
        assert_eq!(find(None, variable(), here), Path::new("named.toml"));
        assert_eq!(find(None, Some(OsString::new()), here), Path::new(PLACES[0]));
        assert_eq!(find(None, None, here), Path::new(PLACES[0]));
        assert_eq!(find(None, None, |path| path == Path::new(PLACES[1])), Path::new(PLACES[1]));
        assert_eq!(find(None, None, |_| true), Path::new(PLACES[0]));
        assert_eq!(find(None, None, nowhere), Path::new(PLACES[0]));
    }
}
