//! `truenorth demo --fleet`: three nodes and a NATS server.
//!
//! ```text
//!   ns1 ── line ──┐                    each node is a process of its own: `truenorth serve`
//!   ns2 ── line ──┼── nats-server      each line can be cut and mended
//!   ns3 ── line ──┘
//!    └── probes ──► endpoints          each can be broken, for one node alone too
//! ```
//!
//! The log of each node is printed with its name.

use std::env;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tracing::info;

use super::askers::Askers;
use super::endpoints::Stage;
use super::fleet_guide::{FleetGuide, NodeGuide};
use super::relay::Relay;
use super::{Arguments, find_geoip, free_address, free_admin, new_folder, server_file, story, write_zone};
use crate::cli::log::{self, Log};
use crate::cli::serve::{ServeError, Signals};
use crate::printable::Printable;

/// The nodes, and the datacenter where each stands.
const NODES: [(&str, &str); 3] = [("ns1", "fra"), ("ns2", "iad"), ("ns3", "sin")];

/// Longest time between two reports of a node: short, so that it is seen soon what a cut does.
const INTERVAL: &str = "500ms";

/// Places of the NATS server besides PATH: Debian's package puts it where only root looks.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// Longest time in which the NATS server and the nodes must begin, on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Longest time in which nodes stop.
const STOP: Duration = Duration::from_secs(3);

/// Time between two looks whether something has begun.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everything that runs. The processes end with it, and the folder is deleted.
struct Fleet {
    nodes: Vec<Child>,
    _nats: Child,
    _folder: TempDir,
}

/// Runs the fleet until a signal stops it, or one of its processes ends.
pub(super) async fn play(arguments: &Arguments, signals: Signals, out: &Log) -> Result<(), ServeError> {
    let mut fleet = tokio::select! {
        () = signals.stop() => return Ok(()),
        fleet = set_up(arguments, out) => fleet?,
    };
    let ended = {
        let [one, two, three] = &mut fleet.nodes[..] else { return Ok(()) };
        tokio::select! {
            () = signals.stop() => None,
            _ = one.wait() => Some(NODES[0].0),
            _ = two.wait() => Some(NODES[1].0),
            _ = three.wait() => Some(NODES[2].0),
        }
    };
    fleet.stop().await;
    ended.map_or(Ok(()), |node| Err(ServeError::Other(format!("{node} ended: the lines above say why"))))
}

impl Fleet {
    /// Asks all nodes to stop, and waits for them.
    async fn stop(&mut self) {
        for node in &self.nodes {
            let process = node.id().and_then(|id| Pid::from_raw(id.cast_signed()));
            // It may have ended by itself.
            let _ = process.map(|process| kill_process(process, Signal::TERM));
        }
        for node in &mut self.nodes {
            let _ = timeout(STOP, node.wait()).await;
        }
    }
}

/// Starts everything, and prints the guide.
async fn set_up(arguments: &Arguments, out: &Log) -> Result<Fleet, ServeError> {
    let other = |what: &str, error: &dyn std::fmt::Display| ServeError::Other(format!("{what}: {error}"));
    let path = env::var_os("PATH").unwrap_or_default();
    let program = find_nats(env::split_paths(&path).chain(PLACES.map(PathBuf::from)))?;
    let geoip = find_geoip(arguments.geoip.as_deref())?;
    let own = env::current_exe().map_err(|error| other("cannot find this program", &error))?;
    let stage = Stage::open(arguments.http_port).await;
    let stage = stage.map_err(|error| other("cannot simulate the endpoints on loopback addresses", &error))?;
    let (http, askers) = (stage.port(), Askers::default());
    stage.begin(&askers);
    let folder = new_folder().map_err(|error| other("cannot make a folder", &error))?;
    write_zone(folder.path(), http).map_err(|error| other("cannot write the zone file", &error))?;

    let at = free_port()?;
    let mut nats = Command::new(&program);
    nats.args(["-n", "demo", "-a", &at.ip().to_string(), "-p", &at.port().to_string()]);
    // The streams of orders live in the folder of the demo.
    nats.arg("-js").arg("-sd").arg(folder.path().join("nats"));
    nats.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let nats = nats.spawn().map_err(|error| other(&program.display().to_string(), &error))?;
    wait_until("nats-server listens", async || TcpStream::connect(at).await.is_ok()).await?;

    let (mut nodes, mut guides, mut logs) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (name, site)) in (1..).zip(NODES) {
        let relay = Relay::lay(name, number, http, at).await;
        let relay = relay.map_err(|error| other(&format!("cannot lay the line of {name}"), &error))?;
        let own_folder = folder.path().join(name);
        let (dns, admin) = addresses(arguments, u16::from(number) - 1)?;
        write_node(&own_folder, name, site, [dns, admin, relay.address], &geoip)
            .map_err(|error| other(&format!("cannot write the files of {name}"), &error))?;
        let mut node = Command::new(&own);
        node.args(["serve", "--config"]).arg(own_folder.join("truenorth.toml"));
        node.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        // The variables that systemd sets are not for these processes.
        node.env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
        let mut node = node.spawn().map_err(|error| other(&format!("cannot start {name}"), &error))?;
        askers.add(node.id().unwrap_or_default(), name);
        logs.extend(node.stderr.take().map(|lines| (name, lines)));
        nodes.push(node);
        guides.push(NodeGuide { name, site, dns, admin, switch: relay.switch, folder: own_folder });
    }
    let nats_process = nats.id().unwrap_or_default();
    let guide = FleetGuide { nodes: guides, http, nats: (at, nats_process), folder: folder.path() };
    out.write(format!("{guide}\n").as_bytes());
    story::tell(out).map_err(ServeError::Other)?;
    log::log_panics();
    for (name, lines) in logs {
        tokio::spawn(retell(name, lines));
    }
    for node in &guide.nodes {
        let begun = async || TcpStream::connect(node.admin).await.is_ok();
        wait_until(&format!("{} answers", node.name), begun).await?;
    }
    info!("all three nodes answer");
    Ok(Fleet { nodes, _nats: nats, _folder: folder })
}

/// The path of the NATS server in these folders. Fails with advice if it is not there.
fn find_nats(folders: impl Iterator<Item = PathBuf>) -> Result<PathBuf, ServeError> {
    let mut found = folders.map(|folder| folder.join("nats-server"));
    found.find(|file| file.is_file()).ok_or_else(|| {
        ServeError::Other(
            "the demo of a fleet needs nats-server, which is not installed.\n\
             On Debian and Ubuntu: sudo apt install nats-server\n\
             Elsewhere: take the file from https://github.com/nats-io/nats-server/releases into a folder of PATH.\n\
             `truenorth demo` without --fleet needs nothing."
                .to_owned(),
        )
    })
}

/// The addresses of DNS and of the page of the node with this number, counted from 0.
fn addresses(arguments: &Arguments, number: u16) -> Result<(SocketAddr, SocketAddr), ServeError> {
    let after = |wanted: SocketAddr| {
        let port = if wanted.port() == 0 { 0 } else { wanted.port().saturating_add(number) };
        SocketAddr::new(wanted.ip(), port)
    };
    let settle = |free: SocketAddr| if free.port() == 0 { free_port() } else { Ok(free) };
    Ok((settle(free_address(after(arguments.listen))?)?, settle(free_admin(after(arguments.admin))?)?))
}

/// A loopback address with a port that the kernel chooses. A process that begins soon binds it.
fn free_port() -> Result<SocketAddr, ServeError> {
    let bound = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|bound| bound.local_addr());
    bound.map_err(|error| ServeError::Other(format!("there is no free port: {error}")))
}

/// Writes the server file of a node, whose zones are those of all nodes.
fn write_node(folder: &Path, name: &str, site: &str, addresses: [SocketAddr; 3], geoip: &Path) -> io::Result<()> {
    let [dns, admin, nats] = addresses;
    fs::create_dir(folder)?;
    symlink(geoip, folder.join("geoip.mmdb"))?;
    let server = server_file(dns, admin).replacen("zones = \"zones\"", "zones = \"../zones\"", 1).replacen(
        "state = \"state\"",
        &format!("state = \"state\"\nsite = \"{site}\"    # where this node stands"),
        1,
    );
    let fleet = format!(
        "\n[fleet]\nnode = \"{name}\"\nservers = [\"nats://{nats}\"]    # the line to the NATS server, which you can cut\n\
         interval = \"{INTERVAL}\"\n"
    );
    fs::write(folder.join("truenorth.toml"), server + &fleet)
}

/// Prints the log of a node with its name.
async fn retell(node: &str, lines: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(lines).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // The time comes first, and is printed anyway.
        let line = line.split_once(' ').map_or(&*line, |(_, rest)| rest.trim_start());
        info!("{node}  {}", Printable(line));
    }
}

/// Waits until something holds. Fails if it takes too long.
async fn wait_until(what: &str, holds: impl AsyncFn() -> bool) -> Result<(), ServeError> {
    let begun = Instant::now();
    while !holds().await {
        if begun.elapsed() > START {
            return Err(ServeError::Other(format!("the demo does not begin: it is not so that {what}")));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::ORIGIN;
    use crate::config;

    #[test]
    fn without_a_nats_server_it_says_how_to_get_one() {
        let folder = new_folder().unwrap();
        let Err(ServeError::Other(why)) = find_nats([folder.path().to_owned()].into_iter()) else {
            panic!("none is there")
        };
        assert!(why.contains("sudo apt install nats-server"), "{why}");
        fs::write(folder.path().join("nats-server"), "").unwrap();
        assert!(find_nats([folder.path().to_owned()].into_iter()).is_ok());
    }

    #[test]
    fn the_files_of_all_nodes_have_no_fault() {
        let folder = new_folder().unwrap();
        write_zone(folder.path(), 8080).unwrap();
        assert!(folder.path().join(format!("zones/{ORIGIN}.toml")).is_file());
        for (name, site) in NODES {
            let own = folder.path().join(name);
            let addresses = ["127.0.0.1:5300", "127.0.0.1:8053", "127.0.0.1:4222"].map(|at| at.parse().unwrap());
            write_node(&own, name, site, addresses, Path::new("/nowhere")).unwrap();
            let config = config::load(&own.join("truenorth.toml"), &crate::disk::Disk::new(), &|_| None).unwrap();
            assert!(config.warnings.0.is_empty(), "{}", config.warnings.render(false));
            let fleet = config.server.fleet.unwrap();
            assert_eq!((fleet.node.as_str(), &*fleet.site), (name, site));
        }
    }
}
