//! A server as a process of its own on one processor, and what it costs.

// Each bench compiles this module and uses a part of it.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::questions::{With, question};

/// The processor of the servers. dnsperf has the others.
const PROCESSOR: &str = "0";

/// Longest time until a server answers. Under callgrind it takes a while.
const PATIENCE: Duration = Duration::from_secs(120);

/// The ports of a server on loopback.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// Plain DNS, over UDP and TCP.
    pub(crate) dns: u16,
    pub(crate) tls: u16,
    pub(crate) https: u16,
}

impl Ports {
    /// Ports that are free now. Some servers must be told theirs in a file.
    pub(crate) fn free() -> Self {
        let udp = || UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let is_free_for_tcp = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = || std::iter::repeat_with(udp).find(is_free_for_tcp).expect("ports do not end");
        Self { dns: port(), tls: port(), https: port() }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) ports: Ports,
    /// Time until it answered.
    pub(crate) ready: Duration,
    process: Child,
}

impl Server {
    /// Starts the command, and waits until it answers the question for `www.example.com`.
    pub(crate) fn start(name: &'static str, command: &Command, ports: Ports) -> Self {
        let arguments = ["-c".as_ref(), PROCESSOR.as_ref(), command.get_program()];
        Self::run(name, &mut wrapped("taskset", &arguments, command), ports)
    }

    /// Does the same under callgrind, which writes its counts to `to` when the server ends.
    pub(crate) fn start_counted(name: &'static str, command: &Command, ports: Ports, to: &Path) -> Self {
        let out = format!("--callgrind-out-file={}", to.display());
        let arguments = ["-q".as_ref(), "--tool=callgrind".as_ref(), out.as_ref(), command.get_program()];
        Self::run(name, &mut wrapped("valgrind", &arguments, command), ports)
    }

    fn run(name: &'static str, command: &mut Command, ports: Ports) -> Self {
        let begun = Instant::now();
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut server = Self { name, ports, ready: Duration::ZERO, process };
        while !server.answers() {
            assert!(begun.elapsed() < PATIENCE, "{name} does not answer");
        }
        server.ready = begun.elapsed();
        server
    }

    fn answers(&self) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        let query = question("www.example.com", With::Nothing, &mut Rng::with_seed(1));
        socket.send_to(&query, ("127.0.0.1", self.ports.dns)).is_ok() && socket.recv(&mut [0; 512]).is_ok()
    }

    /// Octets of a field of `/proc/PID/status`.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux");
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Time that its threads have had a processor.
    pub(crate) fn processor_time(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("it runs");
        let of = |path: &Path| {
            let statistics = fs::read_to_string(path.join("schedstat")).ok()?;
            statistics.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        };
        // A thread that ends meanwhile is left out.
        threads.filter_map(|thread| of(&thread.ok()?.path())).sum()
    }

    /// Sends it this signal, and waits until it has ended.
    pub(crate) fn end(mut self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.process);
        // It may have ended by itself.
        let _ = rustix::process::kill_process(process, signal);
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command as the last arguments of another program. `first` ends with the command's own program.
fn wrapped(program: &str, first: &[&OsStr], command: &Command) -> Command {
    let mut wrapped = Command::new(program);
    wrapped.args(first).args(command.get_args());
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    wrapped
}
