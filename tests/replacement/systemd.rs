//! The protocol with systemd, through a notification socket of the test's own.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Files, Node};
use crate::{Started, files, zone};

/// Maximum time of a message, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The place where a unit's processes send their messages.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Manager {
    fn new(files: &Files) -> Self {
        let path = files.path("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// Waits for the next message with these words.
    fn wait_for(&self, words: &str) -> String {
        loop {
            let mut octets = [0; 4096];
            let length = self.socket.recv(&mut octets).unwrap_or_else(|error| panic!("no `{words}`: {error}"));
            let message = String::from_utf8_lossy(&octets[..length]).into_owned();
            if message.contains(words) {
                return message;
            }
        }
    }

    fn serve(&self, files: &Files) -> Node {
        files.serve_under(&[("NOTIFY_SOCKET", &self.path)])
    }
}

#[test]
fn systemd_hears_start_reload_failed_reload_and_stop() {
    let files = files(1);
    let manager = Manager::new(&files);
    let mut node = manager.serve(&files);
    assert!(manager.wait_for("READY=1").contains("STATUS=truenorth "));
    node.signal("HUP");
    assert!(manager.wait_for("RELOADING=1").contains("MONOTONIC_USEC="));
    assert!(!manager.wait_for("READY=1").contains("failed"));
    files.write("zones/example.com.toml", "[");
    node.log.wait_for("configuration not reloaded");
    assert!(manager.wait_for("READY=1").contains("the last reload failed, because the files have errors"));
    // `ExecReload=truenorth reload` fails, and so does `systemctl reload`.
    assert_eq!(files.run("reload").code, Some(1));
    assert_eq!(node.terminate().code(), Some(0));
    manager.wait_for("STOPPING=1");
}

#[test]
fn the_replaced_process_tells_systemd_who_is_the_main_process() {
    let files = files(1);
    let manager = Manager::new(&files);
    let mut node = manager.serve(&files);
    manager.wait_for("READY=1");
    // systemd would not listen to a process outside of the unit, and would stop it with its session.
    let outside = files.run("serve --replace");
    assert_eq!(outside.code, Some(1), "{outside:?}");
    assert!(outside.stderr.contains("systemctl kill --kill-whom=main --signal=USR2"), "{outside:?}");
    node.signal("USR2");
    let main = manager.wait_for("MAINPID=");
    let pid: u32 = main.trim().strip_prefix("MAINPID=").unwrap().parse().unwrap();
    assert_ne!(pid, node.pid());
    assert_eq!(node.wait().code(), Some(0));
    drop(Started::holding(&files));
    manager.wait_for("STOPPING=1");
}

#[test]
fn the_watchdog_is_fed_as_long_as_control_lives() {
    let files = files(1);
    let manager = Manager::new(&files);
    let mut node = files.serve_under(&[
        ("NOTIFY_SOCKET", &manager.path),
        ("WATCHDOG_USEC", Path::new("200000")),
        ("TRUENORTH_STALL", Path::new("control")),
    ]);
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    node.log.wait_for("systemd gets no sign of life ailment=\"control was silent for too long");
}

/// Starts a node with these sockets from descriptor 3 on, as systemd does.
fn activate(files: &Files, sockets: &[OwnedFd]) -> Node {
    // The descriptors are moved away first, because one of them may have a number that another one needs.
    let parked: Vec<usize> = (60..).take(sockets.len()).collect();
    let move_away = sockets.iter().zip(&parked).map(|(fd, at)| format!("{at}<&{}", fd.as_raw_fd()));
    let move_in = parked.iter().zip(3..).map(|(from, to)| format!("{to}<&{from}"));
    let [park, place] = [move_away.collect::<Vec<_>>(), move_in.collect()].map(|words| words.join(" "));
    let count = sockets.len();
    let script = format!("exec {park}; exec {place}; export LISTEN_FDS={count} LISTEN_PID=$$; exec \"$0\" \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_truenorth"), "serve", "--config"]);
    command.arg(files.path("truenorth.toml")).env("RUST_LOG", "info");
    Node::start_unheard(command)
}

/// The same socket under a descriptor that other programs inherit.
fn inheritable(socket: impl AsFd) -> OwnedFd {
    rustix::io::dup(socket).unwrap()
}

/// A socket of each protocol with one port. If a connection of another test has the port in the other protocol, the
/// kernel assigns another one.
fn sockets() -> (UdpSocket, TcpListener) {
    let pair = || {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
        Some((udp, tcp))
    };
    (0..100).find_map(|_| pair()).expect("some port is free for both")
}

#[test]
fn sockets_of_systemd_are_used_and_one_that_fits_nowhere_is_a_fault() {
    let (udp, tcp) = sockets();
    let address = udp.local_addr().unwrap();
    let server = format!("[listen]\ndns = [\"{address}\"]\n");
    let files = Files::new(&server, &[("example.com.toml", &zone(1))]);
    let mut node = activate(&files, &[inheritable(&udp), inheritable(&tcp)]);
    node.wait_for_answers();
    assert_eq!(node.address(), address);
    assert_eq!(node.dig("www.example.com").data(), ["192.0.2.1"]);
    assert_eq!(node.dig("+tcp www.example.com").data(), ["192.0.2.1"]);
    // They go over to a replacement like all others.
    let new = files.replace();
    assert_eq!(node.wait().code(), Some(0));
    assert_eq!(new.dig("www.example.com").data(), ["192.0.2.1"]);
    assert_eq!(new.terminate().code(), Some(0));

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut node = activate(&files, &[inheritable(&udp), inheritable(&tcp), inheritable(&other)]);
    let address = other.local_addr().unwrap();
    node.log.wait_for(&format!("socket activation: no address of the configuration is that of {address} (TCP)"));
    assert_eq!(node.wait().code(), Some(1));
}

/// Runs a command to its end. Returns what it printed to both outputs.
fn run(command: &mut Command) -> String {
    let ran = command.output().expect("it is installed");
    String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned()
}

#[test]
fn the_unit_is_valid_and_exposes_little() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    let folder = tempfile::tempdir().unwrap();
    for name in ["truenorth.service", "truenorth.socket"] {
        let unit = std::fs::read_to_string(units.join(name)).unwrap();
        let unit = unit.replace("/usr/bin/truenorth", env!("CARGO_BIN_EXE_truenorth"));
        std::fs::write(folder.path().join(name), unit).unwrap();
    }
    let service = folder.path().join("truenorth.service");
    let verified =
        run(Command::new("systemd-analyze").arg("verify").arg(&service).arg(folder.path().join("truenorth.socket")));
    // Units of the machine that the service names may have faults of their own.
    assert!(!verified.contains("truenorth"), "{verified}");
    let rated = run(Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(&service));
    let level = rated.split("Overall exposure level for truenorth.service: ").nth(1);
    let level = level.and_then(|level| level.split_whitespace().next()?.parse::<f32>().ok());
    assert!(level.is_some_and(|level| level < 2.0), "{rated}");
}
