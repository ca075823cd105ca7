//! `truenorth demo`: a sample configuration to try things out, in one process.
//!
//! ```text
//!   a fresh folder ◄── the sample configuration, ports filled in
//!        │
//!        ▼
//!   the same node that `serve` runs ──── probes ────► endpoints on loopback addresses, in this process
//!        ▲                                                 ▲
//!  a browser, dig                                        curl: break, mend
//! ```
//!
//! With `--fleet` there are three nodes, each a process of its own, and a NATS server between them (see `fleet`).
//!
//! The user may edit the files in the folder. The folder is deleted when the demo ends. Events are printed to standard
//! output.

mod askers;
mod endpoints;
mod fleet;
mod fleet_guide;
mod guide;
mod relay;
mod story;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tempfile::TempDir;

use super::database;
use super::log::{self, Log};
use super::serve::{self, Node, ServeError, Signals};
use crate::disk::Disk;
use crate::server::{BindFailure, Bound};
use crate::vital::{self, Ends};
use askers::Askers;
use endpoints::Stage;
use guide::Guide;

/// The sample configuration. `{dns}`, `{admin}` and `{http}` are replaced with the actual ports.
const SERVER_FILE: &str = include_str!("truenorth.toml");
const ZONE_FILE: &str = include_str!("zone.toml");

/// The origin of the sample zone.
const ORIGIN: &str = "gslb.example.com";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The address that answers DNS. If its port is in use, another one is chosen
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5300")]
    listen: SocketAddr,
    /// The address of the page and the API. If its port is in use, another one is chosen
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8053")]
    admin: SocketAddr,
    /// The port of the endpoints, on 127.10.0.10 and so on. If it is in use, another one is chosen
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    http_port: u16,
    /// The GeoIP database that locates clients [default: the one that comes with truenorth]
    #[arg(long, value_name = "FILE")]
    geoip: Option<PathBuf>,
    /// Three nodes of a fleet with a NATS server between them, to cut and mend. Needs nats-server. The second and the third
    /// node have the next ports
    #[arg(long)]
    fleet: bool,
}

/// Runs the demo until a signal stops it. Returns exit code 1 if it could not begin.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    serve::run_to_end(|_, signals| play(arguments, signals))
}

async fn play(arguments: &Arguments, signals: Signals) -> Result<(), ServeError> {
    let out = Log::start(io::stdout())
        .map_err(|error| ServeError::Other(format!("cannot start the thread that prints events: {error}")))?;
    if arguments.fleet {
        let result = fleet::play(arguments, signals, &out).await;
        out.finish();
        return result;
    }
    // Until the node answers, it can be stopped at once.
    let set = tokio::select! {
        () = signals.stop() => return Ok(()),
        set = set_up(arguments, &out) => set?,
    };
    // The folder is deleted when it is dropped.
    let Set { node, ends, folder: _folder } = set;
    let result = node.run(signals, ends).await;
    out.finish();
    result
}

/// The parts of a running demo.
struct Set {
    node: Node,
    ends: Ends,
    folder: TempDir,
}

/// Starts the demo and prints the guide.
async fn set_up(arguments: &Arguments, out: &Log) -> Result<Set, ServeError> {
    let geoip = find_geoip(arguments.geoip.as_deref())?;
    let stage = Stage::open(arguments.http_port).await.map_err(|error| {
        ServeError::Other(format!("cannot simulate the endpoints on loopback addresses such as 127.10.0.10: {error}"))
    })?;
    let http = stage.port();
    stage.begin(&Askers::default());

    let dns = free_address(arguments.listen)?;
    let folder = write_sample(dns, free_admin(arguments.admin)?, http, &geoip)
        .map_err(|error| ServeError::Other(format!("cannot write the sample configuration: {error}")))?;
    let config = folder.path().join("truenorth.toml");
    let (alarm, ends) = vital::alarm();
    let node = Node::start(&config, out, &alarm).await?;
    for (&dns, &admin) in node.addresses().iter().zip(node.admin_addresses()) {
        let asked = (arguments.listen, arguments.admin, arguments.http_port);
        out.write(format!("{}\n", Guide { dns, admin, http, asked, folder: folder.path() }).as_bytes());
    }
    story::tell(out).map_err(ServeError::Other)?;
    log::log_panics();
    Ok(Set { node, ends, folder })
}

/// Returns the absolute path of the database. If there is none, fails with advice.
fn find_geoip(given: Option<&Path>) -> Result<PathBuf, ServeError> {
    let path = given.map(Path::to_owned).or_else(database::find).unwrap_or_else(|| database::PLACES[0].into());
    Disk::new().canonicalize(&path).map_err(|error| {
        ServeError::Other(format!(
            "{}: {error}\nThe demo steers clients by their location, so it needs a GeoIP database. One comes with the sources: run \
             the demo in the\ntop folder of the repository, or name a file with --geoip FILE.",
            path.display()
        ))
    })
}

/// Returns the wanted address. If another process uses its port, returns it with port 0, so that the kernel chooses a
/// port. Fails if the address cannot be bound at all.
fn free_address(wanted: SocketAddr) -> Result<SocketAddr, ServeError> {
    match Bound::new(&[wanted], NonZeroUsize::MIN) {
        Ok(_) => Ok(wanted),
        Err(error) if matches!(error.reason, BindFailure::InUse) => Ok(SocketAddr::new(wanted.ip(), 0)),
        Err(error) => Err(ServeError::Other(error.to_string())),
    }
}

/// Returns the address for the admin server in the same way.
fn free_admin(wanted: SocketAddr) -> Result<SocketAddr, ServeError> {
    match TcpListener::bind(wanted) {
        Ok(_) => Ok(wanted),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(SocketAddr::new(wanted.ip(), 0)),
        Err(error) => Err(ServeError::Other(format!("the admin server cannot listen on {wanted}: {error}"))),
    }
}

/// Writes the sample configuration to a folder that is deleted when it is dropped.
fn write_sample(dns: SocketAddr, admin: SocketAddr, http: u16, geoip: &Path) -> io::Result<TempDir> {
    let folder = new_folder()?;
    write_zone(folder.path(), http)?;
    symlink(geoip, folder.path().join("geoip.mmdb"))?;
    fs::write(folder.path().join("truenorth.toml"), server_file(dns, admin))?;
    Ok(folder)
}

fn server_file(dns: SocketAddr, admin: SocketAddr) -> String {
    SERVER_FILE.replace("{dns}", &dns.to_string()).replace("{admin}", &admin.to_string())
}

fn new_folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("truenorth-demo-").tempdir()
}

/// Writes the zone file to a folder `zones`.
fn write_zone(folder: &Path, http: u16) -> io::Result<()> {
    let zones = folder.join("zones");
    fs::create_dir(&zones)?;
    fs::write(zones.join(format!("{ORIGIN}.toml")), ZONE_FILE.replace("{http}", &http.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use super::*;
    use crate::config;

    #[test]
    fn the_sample_has_no_fault_and_every_endpoint_in_it_is_played() {
        let [dns, admin] = ["127.0.0.1:5300", "127.0.0.1:8053"].map(|address| address.parse().unwrap());
        let folder = write_sample(dns, admin, 8080, Path::new("/nowhere")).unwrap();
        let config = config::load(&folder.path().join("truenorth.toml"), &crate::disk::Disk::new(), &|_| None).unwrap();
        assert!(config.warnings.0.is_empty(), "{}", config.warnings.render(false));
        let pools = &config.world.pools;
        let given: BTreeSet<IpAddr> = pools
            .iter()
            .flat_map(|pool| (0..pool.members.len()).filter_map(|place| pool.members.address(place)))
            .collect();
        let played: BTreeSet<IpAddr> =
            endpoints::PLACES.iter().flat_map(|place| place.addresses).map(|&address| address.into()).collect();
        assert_eq!(given, played);
    }
}
