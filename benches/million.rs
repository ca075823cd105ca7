//! A zone of a million A records in truenorth and NSD, in one run: processor time and memory of a check, of a start,
//! and of later changes.
//!
//! Needs Debian's `nsd`; without it, the bench says so and ends. A number after `--` replaces the million.

mod process;

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use process::{cpu_time, free_port, mebibytes, seconds, status_field};

/// Names with an address each.
const NAMES: usize = 1_000_000;

/// Longer than the node waits before it gives free memory back.
const GIVEN_BACK: Duration = Duration::from_secs(35);

/// Reloads of the whole zone, each with other contents.
const RELOADS: u32 = 10;

/// Maximum time of any step, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

const BIN: &str = env!("CARGO_BIN_EXE_truenorth");

/// The master file of the zone, with this serial and the addresses of this network.
fn zone(names: usize, serial: u32) -> String {
    let mut text =
        format!("$TTL 300\n@ IN SOA ns1 hostmaster {serial} 7200 1800 259200 60\n@ IN NS ns1\nns1 IN A 127.0.0.1\n");
    for number in 0..names {
        let [_, a, b, c] = (number as u32).to_be_bytes();
        writeln!(text, "host{number:07} IN A {}.{a}.{b}.{c}", 10 + serial % 100).expect("memory");
    }
    text
}

/// The resources that a process used.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// User and system time.
    cpu: Duration,
    /// Maximum memory in KiB.
    peak: u64,
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Cost {
    let begun = Instant::now();
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let (mut cpu, mut peak) = (Duration::ZERO, 0);
    // The memory of a process is not visible after its end, so it is read until then.
    let status: ExitStatus = loop {
        cpu = cpu_time(process.id()).unwrap_or(cpu);
        peak = status_field(process.id(), "VmHWM:").unwrap_or(peak);
        if let Some(status) = process.try_wait().expect("a child") {
            break status;
        }
        thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{command:?}: {status}");
    Cost { wall: begun.elapsed(), cpu, peak }
}

/// A running server with its children.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts a server, and returns how long it took to answer.
    fn start(command: &mut Command, port: u16) -> (Self, Duration) {
        let begun = Instant::now();
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let server = Self { process, port };
        server.wait_for(1);
        (server, begun.elapsed())
    }

    /// Waits until it answers with this serial's addresses.
    fn wait_for(&self, serial: u32) {
        let begun = Instant::now();
        while self.first_octet() != Some(10 + (serial % 100) as u8) {
            assert!(begun.elapsed() < PATIENCE, "it does not answer");
        }
    }

    /// Of the first host's address.
    fn first_octet(&self) -> Option<u8> {
        let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x0bhost0000000\x03big\x07example\0\0\x01\0\x01";
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a time-out");
        socket.send_to(query, ("127.0.0.1", self.port)).ok()?;
        let mut reply = [0; 512];
        let length = socket.recv(&mut reply).ok()?;
        // The record follows the question; its address ends it.
        let record = query.len() + 12;
        (reply[7] > 0).then(|| reply[..length].get(record).copied()).flatten()
    }

    /// The process and those that it started, and theirs.
    fn processes(&self) -> Vec<u32> {
        let mut processes = vec![self.process.id()];
        let mut at = 0;
        while let Some(&process) = processes.get(at) {
            let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
            processes.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            at += 1;
        }
        processes
    }

    /// KiB of all of its processes; shared memory is counted once.
    fn resident(&self) -> u64 {
        let share = |process: u32| {
            let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        self.processes().into_iter().filter_map(share).sum()
    }

    fn peak(&self) -> u64 {
        self.processes().into_iter().filter_map(|process| status_field(process, "VmHWM:")).max().unwrap_or_default()
    }

    fn cpu(&self) -> Duration {
        self.processes().into_iter().filter_map(cpu_time).sum()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the process is there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("TERM");
        let _ = self.process.wait();
    }
}

fn row(what: &str, truenorth: &str, nsd: &str) {
    println!("{what:<40} {truenorth:>16} {nsd:>16}");
}

fn start_truenorth(folder: &Path, port: u16) -> (Server, Duration) {
    let server = format!(
        "[listen]\ndns = [\"127.0.0.1:{port}\"]\n[admin]\nsocket = \"admin.socket\"\n[reload]\nwatch = false\n"
    );
    fs::write(folder.join("truenorth.toml"), server).expect("a file");
    let mut command = Command::new(BIN);
    command.env("RUST_LOG", "error").arg("serve").arg("--config").arg(folder.join("truenorth.toml"));
    Server::start(&mut command, port)
}

fn start_nsd(folder: &Path, port: u16) -> (Server, Duration) {
    let at = |name: &str| folder.join(name).display().to_string();
    let config = format!(
        "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{}\"\n database: \"\"\n\
         \n pidfile: \"{}\"\n xfrdfile: \"{}\"\n zonelistfile: \"{}\"\n server-count: 1\n\
         remote-control:\n control-enable: no\nzone:\n name: big.example\n zonefile: big.example.zone\n",
        at("zones"),
        at("nsd.pid"),
        at("xfrd.state"),
        at("zone.list"),
    );
    fs::write(folder.join("nsd.conf"), config).expect("a file");
    let mut command = Command::new("nsd");
    command.arg("-d").arg("-c").arg(folder.join("nsd.conf"));
    Server::start(&mut command, port)
}

/// Runs a truenorth command on the node, and returns its duration.
fn order(folder: &Path, words: &[&str]) -> Duration {
    let begun = Instant::now();
    let mut command = Command::new(BIN);
    command.args(words).arg("--config").arg(folder.join("truenorth.toml")).stdout(Stdio::null());
    assert!(command.status().is_ok_and(|status| status.success()), "{words:?}");
    begun.elapsed()
}

fn main() {
    if Command::new("nsd-checkzone").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("nsd is not installed: apt-get install nsd");
        return;
    }
    let names = env::args().find_map(|word| word.parse().ok()).unwrap_or(NAMES);
    let folder = tempfile::tempdir().expect("a folder");
    let (folder, zones) = (folder.path(), folder.path().join("zones"));
    let file = zones.join("big.example.zone");
    fs::create_dir_all(&zones).expect("a folder");
    fs::write(folder.join("truenorth.toml"), "").expect("a file");
    fs::write(&file, zone(names, 1)).expect("a file");
    println!("{names} names with an A record each");
    row("", "truenorth", "NSD");
    let own = run(Command::new(BIN).arg("check").arg("--config").arg(folder.join("truenorth.toml")));
    let nsd = run(Command::new("nsd-checkzone").arg("big.example").arg(&file));
    row("check: wall", &seconds(own.wall), &seconds(nsd.wall));
    row("check: processor", &seconds(own.cpu), &seconds(nsd.cpu));
    row("check: peak", &mebibytes(own.peak), &mebibytes(nsd.peak));

    let (nsd, nsd_ready) = start_nsd(folder, free_port());
    let (nsd_cpu, nsd_resident, nsd_peak) = (nsd.cpu(), nsd.resident(), nsd.peak());
    drop(nsd);
    let (own, ready) = start_truenorth(folder, free_port());
    row("start: answers after", &seconds(ready), &seconds(nsd_ready));
    row("start: processor", &seconds(own.cpu()), &seconds(nsd_cpu));
    row("start: peak", &mebibytes(own.peak()), &mebibytes(nsd_peak));
    thread::sleep(GIVEN_BACK);
    row("at rest", &mebibytes(own.resident()), &mebibytes(nsd_resident));

    let took = order(folder, &["txt", "set", "_acme-challenge.host0000007.big.example", "x"]);
    row("order: a TXT record, command and all", &format!("{} ms", took.as_millis()), "");
    let took = order(folder, &["reload"]);
    row("reload: nothing changed", &format!("{} ms", took.as_millis()), "");
    fs::write(zones.join("small.example.zone"), zone(1, 1)).expect("a file");
    let took = order(folder, &["reload"]);
    row("reload: a small zone is new", &format!("{} ms", took.as_millis()), "");
    let mut first = 0;
    for serial in 2..2 + RELOADS {
        fs::write(&file, zone(names, serial)).expect("a file");
        let took = order(folder, &["reload"]);
        own.wait_for(serial);
        if serial == 2 {
            row("reload: every record changed", &seconds(took), "");
            thread::sleep(GIVEN_BACK);
            first = own.resident();
            row("at rest after the first such reload", &mebibytes(first), "");
        }
    }
    row(&format!("peak of {RELOADS} such reloads"), &mebibytes(own.peak()), "");
    thread::sleep(GIVEN_BACK);
    let last = own.resident();
    row("at rest after them", &mebibytes(last), "");
    println!("at rest after {RELOADS} reloads: {:.2} times what it was after the first", last as f64 / first as f64);
}
