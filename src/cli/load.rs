//! Reads the files of a configuration and compiles them to a blueprint. It is all or nothing: with an error, there is
//! no blueprint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustls::sign::CertifiedKey;

use super::copies;
use crate::config::{
    self, AdminTls, Asked, Code, Config, Fault, Faults, IcmpMonitor, Known, LastServed, Pending, Place, Server,
    Severity, ZonesCopy,
};
use crate::disk::{Disk, Seen};
use crate::geo::Locations;
use crate::geoip::{self, GeoipFault};
use crate::monitor;
use crate::name::Name;
use crate::report::Summary;
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
    /// The summary of its contents, once it was made.
    pub(super) summary: Option<Box<Summary>>,
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

    /// Reads configurations for commands that read files: the zones of a node that takes them from its fleet are those that it
    /// serves, if they can be read.
    pub(super) fn of_command(path: &Path) -> Self {
        let mut loader = Self::new(path);
        loader.use_copy(copies::of_command(path));
        loader
    }

    /// Reads the zones in this folder, whatever the server file says.
    pub(super) fn in_folder(path: &Path, folder: &Path) -> Self {
        let mut loader = Self::new(path);
        loader.known.use_folder(folder.to_owned());
        loader
    }

    /// Reads this version of the zones in place of the files of the zones folder, from now on.
    pub(super) fn use_copy(&mut self, copy: Option<ZonesCopy>) {
        self.known.use_copy(copy);
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
            let mut unlocated = asked.check(&locations);
            unlocated.keep_texts();
            warnings.0.extend(unlocated.0);
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
            summary: None,
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
    use crate::counters::Traffic;
    use crate::snapshot::EndpointState;

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

    const SERVER: &str = "[datacenters]\na = { latitude = 1, longitude = 1 }\nb = { latitude = 2, longitude = 2 }\n";

    const ZONE: &str = "[nameservers]\nns1 = [\"192.0.2.53\"]\n\
        [regions.near]\nclients = [\"10.1.0.0/16\"]\nprefer = [\"a\", \"b\"]\n[regions.default]\nprefer = [\"b\", \"a\"]\n\
        [pools.web]\nendpoints.a = [\"192.0.2.1\", \"192.0.2.2\"]\nendpoints.b = [\"192.0.2.3\"]\n[pools.last]\nendpoints = [\"192.0.2.4\"]\n\
        [names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n[names.api]\npools = [\"web\", \"last\"]\nsteer = [\"failover\"]\n\
        [names.also]\npools = [\"web\"]\nsteer = [\"region\"]\n[records.static]\nA = [\"192.0.2.9\"]\n";

    /// The pools, plans and zones of a snapshot as text: all that answers depend on.
    fn told(snapshot: &Snapshot) -> String {
        let zones: Vec<_> = snapshot.zones().iter().map(|served| served.zone.steered().clone()).collect();
        format!("{:#?} {:#?} {zones:#?}", snapshot.pools(), snapshot.plans())
    }

    #[test]
    fn a_reload_shares_what_did_not_change_and_gives_what_a_start_would() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        fs::create_dir(folder.path().join("zones")).unwrap();
        let (mut server, mut zones) = (SERVER.to_owned(), ["a", "b", "c"].map(|stem| (stem, ZONE.to_owned())));
        let path = folder.path().join("truenorth.toml");
        let (traffic, mut loader) = (Traffic::new(1), Loader::new(&path));
        let mut before: Option<Snapshot> = None;
        // The file, a part of its text, what it is replaced by, and whether all pools, rules and counters stay the same.
        let edits = [
            ("b", "192.0.2.9", "192.0.2.10", [true; 3]),
            ("b", "", "# nothing\n", [true; 3]),
            ("b", "\"192.0.2.3\"", "\"192.0.2.30\"", [false; 3]),
            ("b", "[names.api]", "[names.api]\nttl = 7", [true, false, true]),
            ("c", "10.1.0.0/16", "10.2.0.0/16", [true, false, true]),
            ("a", "[names.also]", "[names.more]\npools = [\"last\"]\n[names.also]", [true, false, false]),
            ("a", "[pools.last]", "[pools.first]\nendpoints = [\"192.0.2.5\"]\n[pools.last]", [false; 3]),
            ("b", "[names.www]", "[names.www]\nfallback = \"last\"", [true, false, true]),
            ("server", "latitude = 2", "latitude = 3", [true, false, false]),
            ("c", "10.2.0.0/16", "10.3.0.0/16", [true, false, true]),
            ("server", "b =", "c = { latitude = 7, longitude = 7 }\nb =", [false; 3]),
            ("c", "192.0.2.9", "192.0.2.8", [true; 3]),
        ];
        for (file, part, other, expected) in edits {
            for (stem, text) in &zones {
                write(&format!("zones/{stem}.example.toml"), text);
            }
            write("truenorth.toml", &server);
            let load = |loader: &mut Loader, before: Option<&Snapshot>| {
                let loaded = loader.load(&Disk::new(), &|_| None, before);
                let loaded = loaded.unwrap_or_else(|faults| panic!("{faults:?}"));
                let blueprint = Arc::unwrap_or_clone(loaded.blueprint).counted(&traffic);
                Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, before)
            };
            let first = load(&mut loader, before.as_ref());
            assert_eq!(told(&first), told(&load(&mut Loader::new(&path), None)));
            let edited = if file == "server" {
                &mut server
            } else {
                &mut zones.iter_mut().find(|(stem, _)| *stem == file).unwrap().1
            };
            *edited = edited.replacen(part, other, 1);
            write(&format!("zones/{file}.example.toml"), edited);
            if file == "server" {
                fs::remove_file(folder.path().join("zones/server.example.toml")).unwrap();
                write("truenorth.toml", &server);
            }
            let second = load(&mut loader, Some(&first));
            assert_eq!(told(&second), told(&load(&mut Loader::new(&path), None)), "{file}: {other}");
            let pools = |snapshot: &Snapshot| snapshot.pools().iter().map(Arc::as_ptr).collect::<Vec<_>>();
            let rules = |snapshot: &Snapshot| -> Vec<_> {
                snapshot.plans().iter().map(|plan| Arc::as_ptr(plan.rule())).collect()
            };
            let counters = |snapshot: &Snapshot| snapshot.counters().map(Arc::as_ptr);
            let same = [
                pools(&first) == pools(&second),
                rules(&first) == rules(&second),
                counters(&first) == counters(&second),
            ];
            assert_eq!(same, expected, "{file}: {other}");
            before = Some(second);
        }
    }
}
