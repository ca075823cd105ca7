//! From files to a blueprint, whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::config::{self, Config, Fault, Faults, IcmpMonitor, Server};
use crate::disk::{Disk, Seen};
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
    files: Vec<(PathBuf, Option<Seen>)>,
    locations: Arc<Locations>,
}

/// A configuration that can be served.
pub(super) struct Loaded {
    pub(super) server: Server,
    /// There where an encrypted way is served.
    pub(super) credentials: Option<Arc<CertifiedKey>>,
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) warnings: Faults,
    /// What this process may not do and would have to.
    pub(super) forbidden: Faults,
}

impl Loader {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), databases: None }
    }

    /// Reads everything by way of `disk`, and compiles it. `last_serial` tells what a zone was served with last; `previous` is what is served
    /// now, whose maps are shared where they still hold.
    pub(super) fn load(
        &mut self,
        disk: &Disk,
        last_serial: &dyn Fn(&Name) -> Option<u32>,
        previous: Option<&Snapshot>,
    ) -> Result<Loaded, Faults> {
        let Config { server, credentials, world, warnings, icmp } = config::load(&self.path, disk, last_serial)?;
        let locations = self.locations(disk, &server.databases)?;
        let blueprint = Blueprint::compile(world, locations, previous)
            .map_err(|errors| Faults(errors.iter().map(|error| Fault::without_place(error.to_string())).collect()))?;
        let forbidden = forbidden(icmp);
        Ok(Loaded { server, credentials, blueprint: Arc::new(blueprint), warnings, forbidden })
    }

    fn locations(&mut self, disk: &Disk, paths: &[PathBuf]) -> Result<Arc<Locations>, Faults> {
        let files: Vec<_> = paths.iter().map(|path| (path.clone(), disk.look(path).ok())).collect();
        if let Some(databases) = self.databases.as_ref().filter(|databases| databases.files == files) {
            return Ok(databases.locations.clone());
        }
        let locations = geoip::load(disk, paths)
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
