//! Turns files into valid types: `truenorth.toml`, `zones/*.toml` and `zones/*.zone` become a [`World`].
//!
//! ```text
//!   files ──► tables with places ──► definitions ──► drafts ──────────────► World
//!             decode                 scope           names know their       targets: a pool's probes depend
//!                                                    pools, zones are       on who uses it; regions are
//!                                                    whole: checks          shared
//! ```
//!
//! The loader reports a faulty part and leaves it out. It does not blame what refers to that part. One run therefore
//! finds all faults. A world comes out only if there was no error; [`Faults::render`] draws the faults.

mod addresses;
mod admin;
mod aggregates;
mod certificate;
mod checks;
mod code;
mod connections;
mod datacenters;
mod decode;
mod dnssec;
mod document;
mod external_dns;
mod fault;
mod files;
mod fleet;
mod folder;
mod https;
mod json;
mod kept;
mod known;
mod leads;
mod lints;
mod listen;
mod located;
mod log;
mod master;
mod meant;
mod monitor_tree;
mod monitors;
mod names;
mod nesting;
mod owners;
mod pointers;
mod pools;
mod prefix;
mod presentation;
mod presigned;
mod process;
mod protocol;
mod query_log;
mod records;
mod recovery;
mod regions;
mod render;
mod resolver;
mod rollouts;
mod scope;
mod secrets;
mod sections;
mod serial;
mod server;
mod shadows;
mod site;
mod source;
mod spelling;
mod statics;
mod strays;
mod suggest;
mod syntax;
mod targets;
#[cfg(test)]
pub(crate) mod tests;
mod tolerance;
mod ttls;
mod value;
mod webhooks;
mod windows;
mod zone;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::disk::Disk;
use crate::geo::ClientMatch;
use crate::name::Name;
use crate::snapshot::{Protocol, World};
use crate::steering::Step;

use decode::{Placed, TomlTable};
use document::{read_document, read_document_again};
use files::ZoneFiles;
use regions::PlacedRegion;
use scope::{Definition, View};
use sections::{Drafts, Sections};
use server::ServerFile;
use site::Site;
use zone::{KnownRegions, ZoneDraft, ZoneReader};

pub use admin::{ALL_NODES, Admin, AdminTls, Client, Connect, Grant, Identity, NodeUrl, Purpose, Token, is_loopback};
pub use certificate::{certificate_expires, ends_soon};
pub use code::Code;
pub use connections::Connections;
pub use dnssec::{
    DnssecSettings, ParentSettings, StoredKey, load_dnssec, lock_keys, read_changed, read_keys, read_signing_keys,
    record_ds, set_times, write_key,
};
pub use external_dns::{ExternalDns, Pending, write_records};
pub use fault::{CertificateOf, Fault, Faults, MAX_TOLD, Severity};
pub use fleet::{Fleet, FleetIdentity, FleetLogin};
pub use folder::read_folder;
pub use known::{Known, ZonesCopy};
pub use listen::Listen;
pub use located::Asked;
pub use log::{LogFilter, LogFormat, LogSettings};
pub use process::Process;
pub use query_log::{QueryLog, QueryLogFormat, QueryLogSink};
pub use server::{Server, Watching};
use source::keep_texts;
pub use source::{Place, Position, Source};
pub use webhooks::{EVENTS, FIELDS, Template, Webhook};

/// A configuration without errors.
#[derive(Debug)]
pub struct Config {
    /// The paths and addresses of this process.
    pub server: Server,
    /// The certificate for encrypted transports with its key; `None` if no encrypted transport is configured.
    pub credentials: Option<Arc<CertifiedKey>>,
    /// The certificates of the admin server; `None` if it does not use TLS.
    pub admin_tls: Option<AdminTls>,
    /// The zones, pools and names to serve.
    pub world: World,
    /// The warnings: parts that work, but probably not as the operator meant.
    pub warnings: Faults,
    /// The monitors that send ICMP echoes. A process needs a permission for that.
    pub icmp: Vec<IcmpMonitor>,
    /// The facts about clients that the regions need from the databases.
    pub asked: Asked,
}

/// A monitor that sends ICMP echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpMonitor {
    /// The name that the operator gave it.
    pub name: String,
    /// The place of that name in its file.
    pub place: Place,
}

/// The serial and the contents that a zone was last served with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastServed {
    /// The SOA's serial.
    pub serial: u32,
    /// The value that [`ZoneSpec::contents`](crate::snapshot::ZoneSpec) had then, if it is known.
    pub contents: Option<u64>,
}

/// Reads the server file at `path` and all zones through `disk`. `last_served` returns the serial and contents that a
/// zone was last served with: the serial goes up when the contents change. Fails with all faults at once, warnings
/// included.
pub fn load(path: &Path, disk: &Disk, last_served: &dyn Fn(&Name) -> Option<LastServed>) -> Result<Config, Faults> {
    load_again(path, disk, last_served, &mut Known::default())
}

/// Reads a configuration again, as [`load`] does. Static zones whose files did not change are not parsed again. Updates
/// `known` for the next call. Fails with all faults at once.
pub fn load_again(
    path: &Path,
    disk: &Disk,
    last_served: &dyn Fn(&Name) -> Option<LastServed>,
    known: &mut Known,
) -> Result<Config, Faults> {
    let mut faults = Faults::default();
    let mut drafts = Drafts::default();
    let loaded = load_all(path, disk, last_served, known, &mut drafts, &mut faults);
    faults.settle();
    match loaded {
        Some((ServerFile { server, credentials, admin_tls, .. }, world, icmp, asked)) if !faults.has_errors() => {
            Ok(Config { server, credentials, admin_tls, world, warnings: faults, icmp, asked })
        }
        _ => Err(faults),
    }
}

/// Reads only `[admin]` of the server file at `path`, which says where a running node listens and where others do. Returns `None` if the
/// file has no such section. Fails with the faults of the section, or if the file cannot be read as TOML. Other faults
/// of the file do not matter.
pub fn load_admin(path: &Path) -> Result<Option<Admin>, Faults> {
    let mut faults = Faults::default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let disk = Disk::new();
    let read = |mut table: TomlTable<'_>, faults: &mut Faults| {
        admin::read(table.take("admin"), folder, &Listen::default(), &disk, faults).map(|section| section.admin)
    };
    let source = files::read_file(&disk, path, &mut faults).map(|file| file.source);
    let admin = source.and_then(|source| read_document(&source, "the server file", &mut faults, read));
    if faults.has_errors() { Err(faults) } else { Ok(admin.flatten()) }
}

/// Reads only the folder of the zones from the server file at `path`. Fails if the file cannot be read as TOML.
pub fn load_zones_folder(path: &Path) -> Result<PathBuf, Faults> {
    let mut faults = Faults::default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |mut table: TomlTable<'_>, faults: &mut Faults| {
        let zones = table.take("zones").and_then(|value| value.string(faults));
        folder.join(zones.as_ref().map_or(server::ZONES, |text| &text.value))
    };
    let source = files::read_file(&Disk::new(), path, &mut faults).map(|file| file.source);
    let zones = source.and_then(|source| read_document(&source, "the server file", &mut faults, read));
    zones.filter(|_| !faults.has_errors()).ok_or(faults)
}

/// The part of the server file that is needed before everything else is read.
#[derive(Debug)]
pub struct Early {
    /// The folder of run-time state. The rest of the file can be read only with its contents.
    pub state: PathBuf,
    /// The user of the process, and what it gives up.
    pub process: Process,
    /// The settings of the log.
    pub log: LogSettings,
    /// True if the zones come from the fleet.
    pub takes_zones: bool,
    /// The folders in which the node creates files.
    pub writable: Vec<PathBuf>,
}

/// Reads the early part of the server file at `path`. Fails with its faults.
pub fn load_early(path: &Path) -> Result<Early, Faults> {
    let mut faults = Faults::default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |mut table: TomlTable<'_>, faults: &mut Faults| {
        let state = server::state_folder(&mut table, folder, faults);
        let process = process::read(&mut table, faults);
        let log = log::read(&mut table, faults);
        let admin = table.take("admin").and_then(|value| value.table("`[admin]`", faults));
        let socket = admin.and_then(|mut admin| admin.take("socket")?.string(faults));
        let socket = socket.and_then(|socket| Some(folder.join(&socket.value).parent()?.to_owned()));
        // An empty path is the current folder.
        let or_here = |path: PathBuf| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
        let fleet = table.take("fleet").and_then(|value| value.table("`[fleet]`", faults));
        let takes_zones = fleet.and_then(|mut fleet| fleet.take("zones")?.boolean(faults));
        let takes_zones = takes_zones.is_some_and(|takes| takes.value);
        let log_folder = query_log::writable(table.take("query_log"), folder, faults);
        let keys = dnssec::writable(table.take("dnssec"), folder, faults);
        let writable = [Some(state.clone()), socket, log_folder, keys].into_iter().flatten().map(or_here).collect();
        Early { state, process, log, takes_zones, writable }
    };
    let source = files::read_file(&Disk::new(), path, &mut faults).map(|file| file.source);
    let early = source.and_then(|source| read_document(&source, "the server file", &mut faults, read));
    early.filter(|_| !faults.has_errors()).ok_or(faults)
}

fn load_all(
    path: &Path,
    disk: &Disk,
    last_served: &dyn Fn(&Name) -> Option<LastServed>,
    known: &mut Known,
    drafts: &mut Drafts,
    faults: &mut Faults,
) -> Option<(ServerFile, World, Vec<IcmpMonitor>, Asked)> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let source = files::read_file_again(disk, path, known.server_file(), faults)?;
    let read = |table: TomlTable<'_>, faults: &mut Faults| server::read(table, folder, disk, drafts, faults);
    let again = |table: TomlTable<'_>, faults: &mut Faults| {
        _ = server::read(table, folder, disk, &mut Drafts::default(), faults);
    };
    let Some(mut server) = read_document_again(&source, "the server file", faults, read, again) else {
        if known.copy().is_none() {
            check_syntax(disk, &folder.join(server::ZONES), faults);
        }
        return None;
    };
    if let Some(folder) = known.folder() {
        server.server.zones.clone_from(folder);
        server.zones_place = None;
    }
    let given = read_in_place(&server.server, known.copy(), disk);
    let mut files = files::read_zones(disk, &server.server.zones, server.zones_place.as_ref(), known, faults);
    if let Some(section) = &server.external_dns {
        external_dns::append(section, known.pending(), &mut files, disk, faults);
    }
    let reader = ZoneReader {
        folder: &server.server.zones,
        disk,
        shared: &server.sections,
        regions: &server.regions,
        ecs: server.ecs,
        last_served,
        given: given.as_deref(),
    };
    known.begin(&source, &server.sections.monitors, faults);
    let mut zones = read_zones(&reader, &mut files, drafts, known, faults);
    warn_unused(&server, &zones, faults);
    // A file that could not be read may define the missing part.
    if zones.len() == files.len() && !faults.has_errors() {
        pointers::check(&zones, &drafts.pools, faults);
    }
    let before = faults.0.len();
    let mut keys = dnssec::sign(&server.dnssec, &zones, disk, faults);
    // A zone whose keys cannot be used only looks unsigned.
    if !faults.has_errors_since(before) {
        dnssec::check_nesting(&zones, &keys, faults);
    }
    presigned::warn_of_ends(&zones, faults);
    server.server.parents = server.dnssec.parents(&zones);
    let used = used_files(&zones, disk);
    strays::check(&server.server.zones, server.zones_place.as_ref(), used, disk, faults);
    let asked = asked(&server, &zones);
    // The definitions of a file that could not be read are unknown.
    if let Some(site) = server.site.as_ref().filter(|_| zones.len() == files.len()) {
        site.check(sections(&server, &zones), faults);
    }
    let node = server.site.as_ref().and_then(Site::datacenter).map_or_else(host_name, Into::into);
    let mut icmp: Vec<IcmpMonitor> =
        sections(&server, &zones).flat_map(|sections| monitors::icmp(&sections.monitors)).collect();
    pools::check_files(&drafts.pools, disk, faults);
    let mut regions = KnownRegions::default();
    let places: Vec<_> = zones.iter().map(|zone| zone.place.clone()).collect();
    let mut world = World {
        datacenters: std::mem::take(&mut drafts.places.list),
        pools: targets::finish(&drafts.pools, faults),
        zones: zones
            .iter_mut()
            .enumerate()
            .filter_map(|(number, zone)| zone.finish(&mut regions, keys.remove(&number)))
            .collect(),
        windows: server.windows.iter().map(|window| window.value.clone()).collect(),
        ecs: server.ecs,
        protocol: Protocol { signing: server.dnssec.limits, ..server.protocol.clone() },
        probing: server.probing,
        node,
        site_country: None,
        site_coordinates: None,
    };
    if let Some(query_log) = &server.query_log {
        query_log.check(&server.server, disk, faults);
        // The zones of a file that could not be read are unknown.
        if world.zones.len() == files.len() {
            let served: Vec<Name> = world.zones.iter().map(|zone| zone.tree.apex().clone()).collect();
            world.protocol.query_log = Some(query_log.rule(&served, faults));
        }
    }
    if let Some(site) = &server.site {
        world.site_country = site.country(&world, server.server.fleet.is_none(), faults);
        world.site_coordinates = site.coordinates(&world);
    }
    // The definitions of a file that could not be read are unknown.
    if !faults.has_errors() {
        windows::add_modes(&mut world, &places, faults);
        windows::check(&server.windows, &world, faults);
    }
    faults.keep_texts();
    keep_texts(icmp.iter_mut().map(|monitor| &mut monitor.place));
    known.end(zones);
    Some((server, world, icmp, asked))
}

/// Lets the files of a version be read in place of those of the zones folder, and returns the serials that it gives. A node
/// that takes its zones from a fleet, and has none yet, needs no folder.
fn read_in_place(server: &Server, copy: Option<&ZonesCopy>, disk: &Disk) -> Option<Arc<HashMap<Name, u32>>> {
    if let Some(copy) = copy {
        disk.lay_over(&server.zones, &copy.folder, copy.files.clone());
        return Some(copy.serials.clone());
    }
    server.fleet.as_ref().filter(|fleet| fleet.takes_zones)?;
    if disk.metadata(&server.zones).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        disk.lay_over(&server.zones, &server.zones, Arc::default());
    }
    Some(Arc::default())
}

/// Checks zones without a server file: reports files that are not TOML.
fn check_syntax(disk: &Disk, folder: &Path, faults: &mut Faults) {
    // The broken server file may name another folder, so a missing folder here is no fault.
    for files in files::read_zones(disk, folder, None, &Known::default(), &mut Faults::default()).values() {
        if let Some(toml) = &files.toml {
            read_document(&toml.source, "a zone file", faults, |_, _| ());
        }
    }
}

fn read_zones(
    reader: &ZoneReader<'_>,
    files: &mut BTreeMap<String, ZoneFiles>,
    drafts: &mut Drafts,
    known: &mut Known,
    faults: &mut Faults,
) -> Vec<ZoneDraft> {
    let mut zones: Vec<ZoneDraft> = Vec::new();
    let mut defined: HashMap<Name, Place> = HashMap::new();
    let parts = strays::included(files);
    for (stem, files) in files {
        if let Some(at) = parts.get(stem) {
            strays::refuse_part(files, at, faults);
            continue;
        }
        let Some(zone) = known.zone(stem, files, reader, drafts, faults) else { continue };
        if let Some(first) = defined.get(&zone.origin) {
            let message = format!("the zone {} is given twice", zone.origin);
            faults.push(
                Fault::error(&zone.place, message, "again").code(Code::Duplicate).related(first, "first defined here"),
            );
        }
        defined.entry(zone.origin.clone()).or_insert_with(|| zone.place.clone());
        zones.push(zone);
    }
    let contents = zones.iter().map(|zone| (zone.leads.as_slice(), zone.owners.as_slice()));
    checks::check_targets(contents, faults);
    nesting::check(&zones, faults);
    zones
}

/// The files that were read through `disk` and do not have the names of zone files, and those that zones include, with their
/// paths as they are written.
fn used_files(zones: &[ZoneDraft], disk: &Disk) -> HashSet<PathBuf> {
    let included = zones.iter().flat_map(|zone| &zone.included).map(|file| file.source.path.clone());
    disk.files_read(|path| !path.file_name().is_some_and(files::is_zone_file)).into_iter().chain(included).collect()
}

/// Collects the facts about clients that the regions need from the databases.
fn asked(server: &ServerFile, zones: &[ZoneDraft]) -> Asked {
    let mut asked = Asked { databases: server.database_places.clone(), ..Asked::default() };
    // Many zones see the regions of the server file. Each region is asked about once.
    let mut seen: HashSet<*const Definition<PlacedRegion>> = HashSet::new();
    for zone in zones {
        let by = |step| zone.steers_by(step);
        if asked.distance.is_none() {
            asked.distance = by(Step::Distance).cloned();
        }
        if by(Step::Region).is_none() {
            continue;
        }
        let regions = zone
            .sections
            .as_ref()
            .map(|sections| View { own: &sections.regions, shared: Some(&server.sections.regions) });
        let regions =
            regions.into_iter().flat_map(View::visible).filter(|region| seen.insert(std::ptr::from_ref(region)));
        let regions = regions.filter_map(|region| region.value.as_ref());
        let is_located = |client: &&Placed<ClientMatch>| !matches!(client.value, ClientMatch::Prefix(_));
        asked.clients.extend(regions.flat_map(PlacedRegion::clients).filter(is_located).cloned());
    }
    asked
}

/// Warns of definitions that nothing uses. Does nothing after an error, because a faulty part refers to nothing.
fn warn_unused(server: &ServerFile, zones: &[ZoneDraft], faults: &mut Faults) {
    let site = server.site.as_ref().and_then(Site::datacenter);
    let any_errors = faults.has_errors();
    for zone in zones {
        if let Some(sections) = zone.sections.as_ref().filter(|_| !faults.has_errors_in(&zone.place.source)) {
            sections.warn_unused(site, faults);
        }
    }
    if !any_errors && !zones.is_empty() {
        server.sections.warn_unused(site, faults);
    }
}

fn sections<'a>(server: &'a ServerFile, zones: &'a [ZoneDraft]) -> impl Iterator<Item = &'a Sections> {
    zones.iter().filter_map(|zone| zone.sections.as_ref()).chain([&server.sections])
}

/// The name of this node if `site` is not set.
fn host_name() -> Box<str> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.as_deref().map(str::trim).filter(|host| !host.is_empty());
    host.unwrap_or("truenorth").into()
}
