//! A configuration whose only zone is a file of any content.

use std::fs;
use std::sync::{Arc, LazyLock};

use tempfile::TempDir;
use truenorth::config;
use truenorth::geo::Locations;
use truenorth::snapshot::Blueprint;

/// One folder for the process, in memory where that is possible: every run writes it anew.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("there is room for a folder");
    fs::create_dir(folder.path().join("zones")).expect("the folder is new");
    fs::write(folder.path().join("truenorth.toml"), "").expect("the folder is writable");
    folder
});

/// Loads the file and compiles what it says, or shows what is wrong with it.
pub fn load(name: &str, content: &[u8]) {
    fs::write(FOLDER.path().join("zones").join(name), content).expect("the folder is writable");
    match config::load(&FOLDER.path().join("truenorth.toml"), &truenorth::disk::Disk::new(), &|_| None) {
        Ok(config) => {
            config.warnings.render(false);
            Blueprint::compile(config.world, Arc::new(Locations::unknown()), None);
        }
        Err(faults) => assert!(!faults.render(false).is_empty(), "who is refused is told why"),
    }
}
