//! From files to a blueprint, whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;

use crate::config::{self, Config, Fault, Faults, IcmpMonitor, LastServed, Server};
use crate::geo::Locations;
use crate::geoip;
use crate::monitor;
use crate::name::Name;
use crate::snapshot::{Blueprint, Snapshot};

/// Reads configurations, and databases only when they changed.
#[derive(Debug)]
pub(super) struct Loader {
    path: PathBuf,
    databases: Option<Databases>,
}

/// What was read last, and from what.
#[derive(Debug)]
struct Databases {
    files: Vec<(PathBuf, Option<Version>)>,
    locations: Arc<Locations>,
}

/// What changes when a file does.
type Version = (SystemTime, u64);

/// A configuration that can be served.
pub(super) struct Loaded {
    pub(super) server: Server,
    /// There where an encrypted way is served.
    pub(super) credentials: Option<Arc<CertifiedKey>>,
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) warnings: Faults,
    pub(super) watched: Vec<PathBuf>,
    /// What this process may not do and would have to.
    pub(super) forbidden: Faults,
}

impl Loader {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), databases: None }
    }

    /// Reads and compiles everything. `last_served` tells what a zone was served with last; `previous` is what is served
    /// now, whose maps are shared where they still hold.
    pub(super) fn load(
        &mut self,
        last_served: &dyn Fn(&Name) -> Option<LastServed>,
        previous: Option<&Snapshot>,
    ) -> Result<Loaded, Faults> {
        let Config { server, credentials, world, warnings, watched, icmp } = config::load(&self.path, last_served)?;
        let locations = self.locations(&server.databases)?;
        let blueprint = Blueprint::compile(world, locations, previous)
            .map_err(|errors| Faults(errors.iter().map(|error| Fault::without_place(error.to_string())).collect()))?;
        let forbidden = forbidden(icmp);
        Ok(Loaded { server, credentials, blueprint: Arc::new(blueprint), warnings, watched, forbidden })
    }

    fn locations(&mut self, paths: &[PathBuf]) -> Result<Arc<Locations>, Faults> {
        let files: Vec<_> = paths.iter().map(|path| (path.clone(), version(path))).collect();
        if let Some(databases) = self.databases.as_ref().filter(|databases| databases.files == files) {
            return Ok(databases.locations.clone());
        }
        let locations = geoip::load(paths)
            .map_err(|faults| Faults(faults.iter().map(|fault| Fault::without_place(fault.to_string())).collect()))?;
        let locations = Arc::new(locations);
        self.databases = Some(Databases { files, locations: locations.clone() });
        Ok(locations)
    }
}

/// Tells of monitors that send ICMP echoes, if this process may not.
fn forbidden(icmp: Vec<IcmpMonitor>) -> Faults {
    if icmp.is_empty() || monitor::icmp_is_allowed() {
        return Faults::default();
    }
    let fault = |IcmpMonitor { name, place }| {
        let message = format!("monitor `{name}` sends ICMP echoes, which this process may not");
        let help = "icmp monitors need the capability CAP_NET_RAW, or the process's group in net.ipv4.ping_group_range";
        Fault::error(&place, message, "of type icmp").help(help)
    };
    Faults(icmp.into_iter().map(fault).collect())
}

fn version(path: &Path) -> Option<Version> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
