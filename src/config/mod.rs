//! Files to valid types: `truenorth.toml`, `zones/*.toml` and `zones/*.zone` become a [`World`].
//!
//! ```text
//!   files ──► tables with places ──► definitions ──► drafts ──────────────► World
//!             decode                 scope           names know their       targets: a pool's probes depend
//!                                                    pools, zones are       on who uses it; regions are
//!                                                    whole: checks          shared
//! ```
//!
//! A faulty part is told and left out, and what refers to it is not blamed, so that one run finds what there is to find.
//! A world comes out only if nothing was faulty; [`Faults::render`] draws what was.

mod checks;
mod datacenters;
mod decode;
mod fault;
mod files;
mod http_check;
mod master;
mod monitors;
mod names;
mod pools;
mod presentation;
mod records;
mod regions;
mod render;
mod scanner;
mod scope;
mod sections;
mod server;
mod statics;
mod suggest;
mod targets;
#[cfg(test)]
mod tests;
mod zone;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::name::Name;
use crate::snapshot::World;

use decode::{Placed, read_document};
use files::ZoneFiles;
use sections::Drafts;
use server::ServerFile;
use zone::{ZoneDraft, ZoneReader};

pub use fault::{Fault, Faults, Place, Severity, Source};
pub use server::Server;

/// A configuration without errors.
#[derive(Debug)]
pub struct Config {
    /// Where this process finds and keeps its files, and where it listens.
    pub server: Server,
    /// What is served.
    pub world: World,
    /// What works, but probably not as meant.
    pub warnings: Faults,
    /// Files and folders whose change asks for a reload.
    pub watched: Vec<PathBuf>,
}

/// Reads the server file at `path` and all zones. `last_serial` tells the serial that a zone was last served with, so that
/// a new one is never smaller. All that is wrong is told together, warnings included.
pub fn load(path: &Path, last_serial: &dyn Fn(&Name) -> Option<u32>) -> Result<Config, Faults> {
    let mut faults = Faults::default();
    let loaded = load_all(path, last_serial, &mut faults);
    faults.sort();
    match loaded {
        Some((server, world)) if !faults.has_errors() => {
            let mut watched = vec![path.to_owned(), server.zones.clone()];
            watched.extend(server.databases.iter().cloned());
            Ok(Config { server, world, warnings: faults, watched })
        }
        _ => Err(faults),
    }
}

fn load_all(path: &Path, last_serial: &dyn Fn(&Name) -> Option<u32>, faults: &mut Faults) -> Option<(Server, World)> {
    let mut drafts = Drafts::default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let source = files::read_file(path, faults)?.source;
    let server = read_document(&source, "the server file", faults, |table, faults| {
        server::read(table, folder, &mut drafts, faults)
    })?;
    let zones = files::read_zones(&server.server.zones, faults);
    let reader = ZoneReader { folder: &server.server.zones, shared: &server.sections, last_serial };
    let zones = read_zones(&reader, &zones, &mut drafts, faults);
    warn_unused(&server, &zones, faults);
    let node = node(server.site.as_ref(), &drafts, faults);
    let mut regions = HashSet::new();
    let world = World {
        datacenters: drafts.places.list,
        pools: targets::finish(drafts.pools, faults),
        zones: zones.into_iter().map(|zone| zone.finish(&mut regions)).collect(),
        ecs: server.ecs,
        node,
    };
    Some((server.server, world))
}

fn read_zones(
    reader: &ZoneReader<'_>,
    files: &BTreeMap<String, ZoneFiles>,
    drafts: &mut Drafts,
    faults: &mut Faults,
) -> Vec<ZoneDraft> {
    let mut zones: Vec<ZoneDraft> = Vec::new();
    let mut defined: HashMap<Name, Place> = HashMap::new();
    for (stem, files) in files {
        let Some(zone) = reader.read(stem, files, drafts, faults) else { continue };
        if let Some(first) = defined.get(&zone.origin) {
            let message = format!("the zone {} is defined twice", zone.origin);
            faults.push(Fault::error(&zone.place, message, "again").related(first, "first defined here"));
        }
        defined.entry(zone.origin.clone()).or_insert_with(|| zone.place.clone());
        zones.push(zone);
    }
    let contents = zones.iter().map(|zone| (zone.records.as_slice(), zone.owners.as_slice()));
    checks::check_targets(contents, faults);
    zones
}

fn warn_unused(server: &ServerFile, zones: &[ZoneDraft], faults: &mut Faults) {
    let site = server.site.as_ref().map(|site| site.value.as_str());
    for sections in zones.iter().filter_map(|zone| zone.sections.as_ref()) {
        sections.warn_unused(site, faults);
    }
    server.sections.warn_unused(site, faults);
}

/// What this node calls itself: its `site`, else its host name.
fn node(site: Option<&Placed<String>>, drafts: &Drafts, faults: &mut Faults) -> Box<str> {
    if let Some(site) = site {
        if drafts.places.find(&site.value).is_none() {
            let names = drafts.places.list.iter().map(|datacenter| &*datacenter.name);
            let label = suggest::did_you_mean(&site.value, names);
            let label = label.map_or("not a datacenter".to_owned(), |meant| format!("did you mean `{meant}`?"));
            faults.push(Fault::error(&site.place, format!("there is no datacenter `{}`", site.value), label));
        }
        return site.value.as_str().into();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.as_deref().map(str::trim).filter(|host| !host.is_empty());
    host.unwrap_or("truenorth").into()
}
