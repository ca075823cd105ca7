//! Other authoritative servers, started for one test on loopback.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use tempfile::TempDir;

use crate::hickory::Hickory;
use crate::zones::Zone;

/// Maximum time of a server to load its zones and answer.
const START: Duration = Duration::from_secs(20);

/// Maximum time of one answer on a busy machine.
const ANSWER: Duration = Duration::from_secs(5);

/// A server with the same zones as ours.
pub(crate) struct Peer {
    /// The name of the server.
    pub(crate) name: &'static str,
    server: Server,
    socket: UdpSocket,
}

/// The running server, which ends when it is dropped.
enum Server {
    /// A process of its own, and the folder with its files.
    Program { process: Child, folder: TempDir },
    /// A part of this process, which is dropped with the peer.
    Inside { _server: Hickory },
}

impl Peer {
    /// Knot DNS.
    pub(crate) fn knot(zones: &[Zone]) -> Self {
        Self::start("knot", "knotd", "knot", zones, |folder, port| {
            let zones =
                zones.iter().map(|zone| format!("  - domain: {}\n    file: {}.zone\n", zone.origin, zone.origin));
            format!(
                "server:\n    rundir: {folder}\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    udp-max-payload: 4096\n\
                 database:\n    storage: {folder}\n\
                 template:\n  - id: default\n    storage: {folder}\n    semantic-checks: off\n    zonefile-sync: -1\n\
                 zone:\n{}",
                zones.collect::<String>()
            )
        })
    }

    /// NSD.
    pub(crate) fn nsd(zones: &[Zone]) -> Self {
        Self::start("nsd", "nsd", "nsd", zones, |folder, port| {
            let zones = zones
                .iter()
                .map(|zone| format!("zone:\n    name: \"{}\"\n    zonefile: \"{}.zone\"\n", zone.origin, zone.origin));
            format!(
                "server:\n    ip-address: 127.0.0.1@{port}\n    username: \"\"\n    zonesdir: \"{folder}\"\n    database: \"\"\n    \
                 pidfile: \"\"\n    xfrdfile: \"{folder}/xfrd\"\n    xfrdir: \"{folder}\"\n    zonelistfile: \"{folder}/list\"\n    \
                 minimal-responses: yes\n    refuse-any: no\n    rrl-ratelimit: 0\n    ipv4-edns-size: 4096\n\
                 remote-control:\n    control-enable: no\n{}",
                zones.collect::<String>()
            )
        })
    }

    /// hickory-server.
    pub(crate) fn hickory(zones: &[Zone]) -> Self {
        let hickory = Hickory::start(zones);
        let port = hickory.port();
        Self::connect("hickory", Server::Inside { _server: hickory }, port, zones)
    }

    fn start(
        name: &'static str,
        program: &str,
        package: &str,
        zones: &[Zone],
        config: impl Fn(&str, u16) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for zone in zones {
            fs::write(folder.path().join(format!("{}.zone", zone.origin)), &zone.text).unwrap();
        }
        let port = free_port();
        let path = folder.path().join("peer.conf");
        fs::write(&path, config(folder.path().to_str().unwrap(), port)).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&path).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        if program == "nsd" {
            command.arg("-d");
        }
        let process = command
            .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start ({error}): apt-get install {package}"));
        Self::connect(name, Server::Program { process, folder }, port, zones)
    }

    fn connect(name: &'static str, server: Server, port: u16, zones: &[Zone]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let peer = Self { name, server, socket };
        peer.wait_until_loaded(zones);
        peer
    }

    /// Waits until the server answers the SOA query of every zone.
    fn wait_until_loaded(&self, zones: &[Zone]) {
        let end = Instant::now() + START;
        self.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        for zone in zones {
            let question = crate::question(&zone.origin, hickory_proto::rr::RecordType::SOA);
            while !self.exchange(&question).is_ok_and(|(reply, _)| !reply.answers.is_empty()) {
                assert!(Instant::now() < end, "{} does not serve {}: {}", self.name, zone.origin, self.server.log());
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.socket.set_read_timeout(Some(ANSWER)).unwrap();
    }

    /// Asks one question.
    pub(crate) fn ask(&self, question: &Message) -> Message {
        self.ask_length(question).0
    }

    /// Asks one question. Gives the octets of the answer, too.
    pub(crate) fn ask_length(&self, question: &Message) -> (Message, usize) {
        self.exchange(question)
            .unwrap_or_else(|error| panic!("{} does not answer {:?}: {error}", self.name, question.queries))
    }

    fn exchange(&self, question: &Message) -> std::io::Result<(Message, usize)> {
        self.socket.send(&question.to_vec().unwrap())?;
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer)?;
            let reply = Message::from_vec(&buffer[..length]).map_err(std::io::Error::other)?;
            // A late answer to an earlier question is skipped.
            if reply.metadata.id == question.metadata.id {
                return Ok((reply, length));
            }
        }
    }
}

impl Server {
    /// Its output to the terminal.
    fn log(&self) -> String {
        match self {
            Self::Program { folder, .. } => fs::read_to_string(folder.path().join("log")).unwrap_or_default(),
            Self::Inside { .. } => String::new(),
        }
    }
}

impl Drop for Server {
    /// Ends the server and its children: NSD's children end when their parent gets SIGTERM.
    fn drop(&mut self) {
        let Self::Program { process, .. } = self else { return };
        // The shell has `kill` built in; a minimal Debian has no such program.
        let _ = Command::new("sh").arg("-c").arg(format!("kill {}", process.id())).status();
        let end = Instant::now() + START;
        while matches!(process.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// A port that is free for UDP and TCP now, for servers that do not accept port 0.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return port;
        }
    }
}
