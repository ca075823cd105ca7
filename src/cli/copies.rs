//! Versions of the zones on disk, as configurations are read with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::{Loaded, Loader};
use crate::config::{self, Faults, LastServed, ZonesCopy};
use crate::control::ZonesNews;
use crate::disk::{Disk, Reads};
use crate::name::Name;
use crate::store::{Copies, CopyError};
use crate::versions::{Bundle, Digest, Files, Release, ZoneLine};

/// The version that a node began with.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) copies: Copies,
    /// The version that is served, and how it is read.
    pub(super) serves: Option<(Release, ZonesCopy)>,
    /// Why the last version is not the one that is served.
    pub(super) fell_back: Option<ZonesNews>,
}

/// Returns a version on disk, and how it is read.
pub(super) fn open(copies: &Copies, id: Digest) -> Result<(Bundle, ZonesCopy), CopyError> {
    let bundle = copies.get(id)?;
    let folder = copies.unpack(id, bundle.files())?;
    let copy = copy_of(folder, bundle.files(), bundle.zones());
    Ok((bundle, copy))
}

/// The version that the node of this server file serves, for commands that read files; `None` if it takes none from a fleet, or
/// if it cannot be read.
pub(super) fn of_command(path: &Path) -> Option<ZonesCopy> {
    let early = config::load_early(path).ok().filter(|early| early.takes_zones)?;
    let copies = Copies::of(&early.state);
    let served = copies.served().into_iter().next()?;
    Some(open(&copies, served.id).ok()?.1)
}

/// How files in this folder are read, with these serials.
pub(super) fn copy_of(folder: PathBuf, files: &Files, zones: &[ZoneLine]) -> ZonesCopy {
    ZonesCopy {
        folder,
        files: Arc::new(files.iter().map(|(path, _)| PathBuf::from(path.as_str())).collect()),
        serials: Arc::new(zones.iter().map(|zone| (zone.origin.clone(), zone.serial)).collect()),
    }
}

/// Reads everything: the zones are those of the version that was served last, if the node takes them from a fleet.
pub(super) fn load_first(
    loader: &mut Loader,
    copies: Option<Copies>,
    last_served: &dyn Fn(&Name) -> Option<LastServed>,
) -> Result<(Loaded, Reads, Option<Begun>), Faults> {
    if let Some(copies) = copies {
        let (loaded, reads, begun) = load_last(loader, copies, last_served)?;
        return Ok((loaded, reads, Some(begun)));
    }
    let disk = Disk::new();
    let loaded = loader.load(&disk, last_served, None)?;
    Ok((loaded, disk.into_reads(), None))
}

/// Reads everything with the version that was served last, or with the one before if that cannot be used, or with the zones
/// folder if there is none. Fails with the faults of the last one.
fn load_last(
    loader: &mut Loader,
    copies: Copies,
    last_served: &dyn Fn(&Name) -> Option<LastServed>,
) -> Result<(Loaded, Reads, Begun), Faults> {
    let mut refused: Option<(Box<str>, Option<Faults>)> = None;
    for (place, release) in copies.served().into_iter().enumerate() {
        let copy = match open(&copies, release.id) {
            Ok((_, copy)) => copy,
            Err(error) => {
                refused.get_or_insert_with(|| (error.to_string().into(), None));
                continue;
            }
        };
        loader.use_copy(Some(copy.clone()));
        let disk = Disk::new();
        // A node that falls back serves the serials of that version: secondaries keep the later zones that they have, and the
        // node agrees with the others again once it has the later version.
        let last_served: &dyn Fn(&Name) -> Option<LastServed> = if place == 0 { last_served } else { &|_| None };
        match loader.load(&disk, last_served, None) {
            Ok(loaded) => {
                let fell_back = refused.map(|(why, _)| ZonesNews::FellBack(Some(release.number), why));
                return Ok((loaded, disk.into_reads(), Begun { copies, serves: Some((release, copy)), fell_back }));
            }
            Err(faults) => _ = refused.get_or_insert_with(|| (faults.first().into(), Some(faults))),
        }
    }
    let (why, faults) = refused.unzip();
    if let Some(faults) = faults.flatten() {
        return Err(faults);
    }
    loader.use_copy(None);
    let disk = Disk::new();
    let loaded = loader.load(&disk, last_served, None)?;
    let fell_back = why.map(|why| ZonesNews::FellBack(None, why));
    Ok((loaded, disk.into_reads(), Begun { copies, serves: None, fell_back }))
}
