//! Reads the files of a configuration and compiles them to a blueprint. It is all or nothing: with an error, there is
//! no blueprint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustls::sign::CertifiedKey;

use crate::config::{
    self, AdminTls, Asked, Code, Config, Fault, Faults, IcmpMonitor, Known, LastServed, Pending, Place, Server,
    Severity,
};
use crate::disk::{Disk, Seen};
use crate::geo::Locations;
use crate::geoip::{self, GeoipFault};
use crate::monitor;
use crate::name::Name;
use crate::snapshot::{Blueprint, PoolSpec, Registration, Snapshot};
use crate::suggest::did_you_mean;

/// Reads configurations. It remembers the zones and databases, and reads only those again that changed.
#[derive(Debug)]
pub(super) struct Loader {
    path: PathBuf,
    /// The zones of the last configuration.
    known: Known,
    databases: Option<Databases>,
    /// True for a node that answers nothing: it locates no client.
    observes: bool,
}

/// The databases that were read last, and their files.
#[derive(Debug)]
struct Databases {
    files: Vec<(PathBuf, Option<Seen>)>,
    locations: Arc<Locations>,
    /// Databases that locate no client.
    mute: Vec<PathBuf>,
    /// When each database was built: the time since the Unix epoch.
    built: Vec<Duration>,
}

/// A configuration that can be served.
pub(super) struct Loaded {
    pub(super) server: Server,
    /// The certificate and key, if an encrypted transport is served.
    pub(super) credentials: Option<Arc<CertifiedKey>>,
    /// The certificates of the admin server, if it uses TLS.
    pub(super) admin_tls: Option<AdminTls>,
    pub(super) blueprint: Arc<Blueprint>,
    /// Number of zones that were parsed. The others did not change.
    pub(super) read: usize,
    /// Number of zones that share no tree with the previous snapshot.
    pub(super) built: usize,
    /// The maps that were made because they differ from those of the previous snapshot.
    pub(super) maps: NewMaps,
    pub(super) warnings: Faults,
    /// The databases, and when each was built: the time since the Unix epoch.
    pub(super) databases: Vec<(PathBuf, Duration)>,
    /// The faults of things that the configuration needs, but this process is not permitted to do.
    pub(super) forbidden: Faults,
}

impl Loaded {
    /// Returns the configuration for commands that read files and know no leases: a registered endpoint stands for all
    /// others in each pool that takes them and lists none.
    pub(super) fn offline(&self) -> Arc<Blueprint> {
        let stand_ins = |spec: &PoolSpec| {
            let registration = spec.registration.as_ref().filter(|_| spec.members.len() == 0);
            registration.map_or_else(Vec::new, Registration::stand_ins)
        };
        self.blueprint.with_registered(stand_ins, |_| None).map_or_else(|| self.blueprint.clone(), Arc::new)
    }
}

/// Maps that were made for a configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NewMaps {
    pub(super) count: usize,
    /// True if the databases changed.
    pub(super) are_of_new_databases: bool,
    /// The time that it took to compile the configuration.
    pub(super) took: Duration,
}

impl Loader {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: Known::default(), databases: None, observes: false }
    }

    /// Reads configurations for a node that answers nothing. It opens no database.
    pub(super) fn observing(path: &Path) -> Self {
        Self { observes: true, ..Self::new(path) }
    }

    /// Reads everything as [`load`](Self::load) does, with these records of external-dns in place of those in the files, and
    /// serves nothing of it. Fails with all faults if there is an error.
    pub(super) fn try_records(
        &mut self,
        pending: Pending,
        last_served: &dyn Fn(&Name) -> Option<LastServed>,
    ) -> Result<(), Faults> {
        self.known.try_records(pending);
        let tried = config::load_again(&self.path, &Disk::new(), last_served, &mut self.known);
        self.known.try_records(Pending::new());
        tried.map(|_| ())
    }

    /// Reads everything through `disk`, and compiles it. `last_served` returns the serial and contents that a zone was
    /// last served with. `previous` is the snapshot that is served: the result shares maps and zones with it that are
    /// still valid. Fails with all faults if there is an error.
    pub(super) fn load(
        &mut self,
        disk: &Disk,
        last_served: &dyn Fn(&Name) -> Option<LastServed>,
        previous: Option<&Snapshot>,
    ) -> Result<Loaded, Faults> {
        let Config { server, credentials, admin_tls, world, mut warnings, icmp, asked } =
            config::load_again(&self.path, disk, last_served, &mut self.known)?;
        let paths = if self.observes { &[][..] } else { &server.databases };
        let is_located = !self.observes;
        let databases = self.databases(disk, paths, &asked)?;
        warnings.0.extend(databases.mute.iter().map(|path| mute(path)));
        let locations = databases.locations.clone();
        let made = paths.iter().cloned().zip(databases.built.iter().copied()).collect();
        if is_located {
            warnings.0.extend(asked.check(&locations).0);
        }
        let began = Instant::now();
        let blueprint = Blueprint::compile(world, locations.clone(), previous);
        let maps = previous.map_or_else(NewMaps::default, |previous| NewMaps {
            count: blueprint.maps_since(previous),
            are_of_new_databases: !Arc::ptr_eq(previous.locations(), &locations),
            took: began.elapsed(),
        });
        let forbidden = forbidden(icmp);
        let read = self.known.read();
        let built = previous.map_or(blueprint.zones().len(), |previous| blueprint.built_since(previous.blueprint()));
        Ok(Loaded {
            server,
            credentials,
            admin_tls,
            blueprint: Arc::new(blueprint),
            read,
            built,
            maps,
            warnings,
            databases: made,
            forbidden,
        })
    }

    fn databases(&mut self, disk: &Disk, paths: &[PathBuf], asked: &Asked) -> Result<&Databases, Faults> {
        let files: Vec<_> = paths.iter().map(|path| (path.clone(), disk.look(path).ok())).collect();
        let known = self.databases.take().filter(|databases| databases.files == files);
        let databases = if let Some(databases) = known {
            databases
        } else {
            let fault = |fault: &GeoipFault| {
                let number = paths.iter().position(|path| path == fault.path());
                database_fault(fault, number.and_then(|number| asked.database(number)), disk)
            };
            let geoip::Loaded { locations, mute, built } =
                geoip::load(disk, paths).map_err(|faults| Faults(faults.iter().map(fault).collect()))?;
            Databases { files, locations: Arc::new(locations), mute, built }
        };
        Ok(self.databases.insert(databases))
    }
}

/// Returns the warning for a database that locates no client.
fn mute(path: &Path) -> Fault {
    let message = format!("the database {} locates no client", path.display());
    let help = "no record in it has a country, a continent, a subdivision, a point or an autonomous system under a known \
                name; is it empty, or a database of another kind?";
    Fault { severity: Severity::Warning, ..Fault::without_place(message).code(Code::File) }.help(help)
}

/// Returns the fault of a database, at the place in the file that names it. Suggests the file that was probably meant.
fn database_fault(fault: &GeoipFault, place: Option<&Place>, disk: &Disk) -> Fault {
    let message = fault.to_string();
    let told = place.map_or_else(|| Fault::without_place(&message), |place| Fault::error(place, &message, ""));
    let told = told.code(Code::File);
    let GeoipFault::Unreadable { path, error } = fault else { return told };
    let near = (error.kind() == io::ErrorKind::NotFound).then(|| beside(path, disk)).flatten();
    match near {
        Some(near) => told.help(format!("there is {}", near.display())),
        None => told,
    }
}

/// Returns the database that was probably meant by the missing `path`: the one in its folder with the most similar
/// name, else the only one there.
fn beside(path: &Path, disk: &Disk) -> Option<PathBuf> {
    let folder = path.parent()?;
    let names = disk.ask(folder, databases_in).ok()?.ok()?;
    let near = did_you_mean(path.file_name()?.to_str()?, names.iter().map(String::as_str));
    let only = || if let [only] = &names[..] { Some(only.as_str()) } else { None };
    near.or_else(only).map(|name| folder.join(name))
}

fn databases_in(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "mmdb")).collect())
}

/// Returns the faults of monitors that send ICMP echoes, if this process is not permitted to send them.
fn forbidden(icmp: Vec<IcmpMonitor>) -> Faults {
    if icmp.is_empty() || monitor::icmp_is_allowed() {
        return Faults::default();
    }
    let fault = |IcmpMonitor { name, place }| {
        let message = format!("monitor `{name}` sends ICMP echoes, which this process is not permitted to do");
        let help = "icmp monitors need the capability CAP_NET_RAW, or the process's group in net.ipv4.ping_group_range";
        Fault::error(&place, message, "of type icmp").code(Code::Monitor).help(help)
    };
    Faults(icmp.into_iter().map(fault).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_database_is_told_where_it_is_named_and_which_may_be_meant() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        fs::create_dir(folder.path().join("zones")).unwrap();
        write("truenorth.toml", "[geoip]\ndatabases = [\"contry.mmdb\"]\n");
        write("zones/example.com.toml", "[nameservers]\nns1 = [\"192.0.2.53\"]\n");
        let mut loader = Loader::new(&folder.path().join("truenorth.toml"));
        let mut told = || {
            let faults = loader.load(&Disk::new(), &|_| None, None).err().expect("there is no database");
            let [fault] = &faults.0[..] else { panic!("{faults:?}") };
            assert_eq!(fault.place.as_ref().map(|place| (place.line(), place.column())), Some((2, 14)));
            fault.help.clone().unwrap_or_default()
        };
        assert_eq!(told(), "");
        write("country.mmdb", "");
        write("asn.mmdb", "");
        assert!(told().ends_with("country.mmdb"), "{}", told());
    }
}
