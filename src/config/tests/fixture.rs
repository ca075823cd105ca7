//! Worlds for the unit tests of other rooms, from files as operators write them.

use std::fs;

use crate::config::load;
use crate::disk::Disk;
use crate::snapshot::World;

/// Loads a server file and files of the zones folder, each with its name. Panics with the faults if there are any
/// errors.
pub(crate) fn world(server: &str, zones: &[(&str, &str)]) -> World {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(folder.path().join("truenorth.toml"), server).unwrap();
    for (name, text) in zones {
        fs::write(folder.path().join("zones").join(name), text).unwrap();
    }
    let config = load(&folder.path().join("truenorth.toml"), &Disk::new(), &|_| None);
    config.unwrap_or_else(|faults| panic!("{}", faults.render(false))).world
}
