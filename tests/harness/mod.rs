//! Runs the real command as an operator does: a configuration in a temporary folder, `truenorth` started with it, its
//! log read while it runs, and questions over real sockets.
//!
//! Every node serves on a port that the kernel chooses, and ends when its test ends.

// Each test binary compiles this module and uses a part of it.
#![allow(dead_code, unused_imports)]

mod ask;
mod command;
mod dig;
mod load;
mod log;
pub(crate) mod netns;
#[path = "../skip/mod.rs"]
mod skip;
mod sockets;
mod zones;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use tempfile::TempDir;

use command::{read, truenorth, wait};

pub(crate) use ask::{Asker, addresses, query, query_with_cookie, scope, ttl};
pub(crate) use command::{Ran, run, run_to};
pub(crate) use dig::{Record, Reply};
pub(crate) use load::Load;
pub(crate) use log::Log;
pub(crate) use skip::cannot;
pub(crate) use zones::{member, places, probed_zone};

/// The top of a server file: a loopback port that the kernel chooses. Tables can be added.
pub(crate) const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n";

/// Maximum time of anything that a process does, on a busy machine: the first round of probes alone can take 5 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Number of different users for nodes; after that the test program begins with the first user again.
const MAX_STARTS: u32 = 64;

/// Nodes that this test program started as a user of their own.
static STARTS: AtomicU32 = AtomicU32::new(0);

/// User IDs from here on belong to no real user: the test's own number is added.
const FIRST_USER: u32 = 1_000_000_000;

/// Time between two checks whether a process has ended.
const POLL: Duration = Duration::from_millis(5);

/// A configuration in a temporary folder.
pub(crate) struct Files {
    folder: TempDir,
}

/// A running node.
pub(crate) struct Node {
    child: Child,
    address: SocketAddr,
    pub(crate) log: Log,
}

impl Files {
    /// `truenorth.toml` with this content, and files in `zones` by their name.
    pub(crate) fn new(server: &str, zones: &[(&str, &str)]) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("there is room for a folder") };
        fs::create_dir(files.path("zones")).expect("the folder is new");
        files.write("truenorth.toml", server);
        for (name, content) in zones {
            files.write(&format!("zones/{name}"), content);
        }
        files
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file as a whole at once, as careful editors do.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let beside = self.path("new");
        fs::write(&beside, content)
            .and_then(|()| fs::rename(&beside, self.path(name)))
            .expect("the folder is writable");
    }

    /// Runs a command on this configuration to its end.
    pub(crate) fn run(&self, words: &str) -> Ran {
        let config = self.path("truenorth.toml");
        let config = ["--config", config.to_str().expect("temporary folders have plain names")];
        run(words.split_whitespace().chain(config))
    }

    /// Starts a command on this configuration, whose output is read while it runs.
    pub(crate) fn start(&self, words: &str) -> Child {
        let mut command = truenorth();
        command.args(words.split_whitespace()).arg("--config").arg(self.path("truenorth.toml"));
        command.stdout(Stdio::piped()).spawn().expect("the binary runs")
    }

    /// Starts a node; returns when it answers.
    pub(crate) fn serve(&self) -> Node {
        self.serve_by(truenorth())
    }

    /// Starts a node that takes over from the running one; returns when it answers.
    pub(crate) fn replace(&self) -> Node {
        let mut command = truenorth();
        command.args(["serve", "--replace", "--config"]).arg(self.path("truenorth.toml"));
        Node::start(command)
    }

    /// Does the same in a network namespace.
    pub(crate) fn replace_in(&self, namespace: &str) -> Node {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_truenorth"), "serve", "--replace", "--config"]);
        command.arg(self.path("truenorth.toml")).env("RUST_LOG", "info").stdin(Stdio::null());
        Node::start(command)
    }

    /// Does the same with an environment variable, and does not wait until it answers.
    pub(crate) fn replace_under(&self, name: &str, value: &str) -> Node {
        let mut command = truenorth();
        command.args(["serve", "--replace", "--config"]).arg(self.path("truenorth.toml")).env(name, value);
        Node::start_unheard(command)
    }

    /// Does the same with an additional environment variable.
    pub(crate) fn serve_under(&self, environment: &[(&str, &Path)]) -> Node {
        let mut command = truenorth();
        command.envs(environment.iter().copied());
        self.serve_by(command)
    }

    /// Starts a node with an environment variable, and does not wait until it answers.
    pub(crate) fn start_under(&self, name: &str, value: &str) -> Node {
        let mut command = truenorth();
        command.args(["serve", "--config"]).arg(self.path("truenorth.toml")).env(name, value);
        Node::start_unheard(command)
    }

    /// Does the same in a network namespace.
    pub(crate) fn serve_in(&self, namespace: &str) -> Node {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_truenorth")]);
        command.env("RUST_LOG", "info").stdin(Stdio::null());
        self.serve_by(command)
    }

    /// Starts a node that only observes in a network namespace, with an additional environment variable; returns when it
    /// observes.
    pub(crate) fn observe_in(&self, namespace: &str, environment: (&str, &Path)) -> Node {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_truenorth"), "probe", "--config"]);
        command.arg(self.path("truenorth.toml")).env("RUST_LOG", "info").env(environment.0, environment.1);
        let mut node = Node::start_unheard(command.stdin(Stdio::null()));
        node.log.wait_for("INFO observing");
        node
    }

    /// Does the same with at most this many descriptors.
    pub(crate) fn serve_with_descriptors(&self, most: usize) -> Node {
        let truenorth = truenorth();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]).arg(truenorth.get_program());
        for (name, value) in truenorth.get_envs() {
            value.map(|value| command.env(name, value));
        }
        self.serve_by(command)
    }

    /// Does the same as a user without other processes, because the kernel does not count root's threads. The limit of
    /// its threads can be changed while it runs. If the test does not run as root, it uses its own user.
    pub(crate) fn serve_as_another(&self) -> Node {
        let mut node = self.start_as_another("");
        node.wait_for_answers();
        node
    }

    /// Does the same through another program, such as `prlimit`; does not wait until the node answers.
    pub(crate) fn start_as_another(&self, by_way_of: &str) -> Node {
        let truenorth = truenorth();
        let is_root = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").expect("there is /proc")) == 0;
        let mut drop_root = String::new();
        if is_root {
            // The kernel counts the threads of a user's processes together, and tests run side by side.
            let user =
                FIRST_USER + std::process::id() * MAX_STARTS + STARTS.fetch_add(1, Ordering::Relaxed) % MAX_STARTS;
            self.give_to(user);
            drop_root = format!("setpriv --reuid={user} --regid={user} --clear-groups");
        }
        // The user may not be able to follow the path to the program.
        let script = format!("exec 9< \"$0\" && exec {drop_root} {by_way_of} /proc/self/fd/9 \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(truenorth.get_program());
        for (name, value) in truenorth.get_envs() {
            value.map(|value| command.env(name, value));
        }
        command.args(["serve", "--config"]).arg(self.path("truenorth.toml"));
        Node::start_unheard(command)
    }

    /// Gives all folders to another user.
    fn give_to(&self, user: u32) {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            std::os::unix::fs::chown(&folder, Some(user), Some(user)).expect("root may do that");
            let entries = fs::read_dir(&folder).expect("it is a folder").map(|entry| entry.expect("it stays").path());
            folders.extend(entries.filter(|path| path.is_dir()));
        }
    }

    fn serve_by(&self, mut command: Command) -> Node {
        command.args(["serve", "--config"]).arg(self.path("truenorth.toml"));
        Node::start(command)
    }

    /// Starts a node with this standard error, which the test may or may not read; returns when the node answers. A
    /// variable can be set in its environment.
    pub(crate) fn serve_logging_to(&self, stderr: impl Into<Stdio>, variable: Option<(&str, &str)>) -> Node {
        let mut command = truenorth();
        command.args(["serve", "--config"]).arg(self.path("truenorth.toml")).envs(variable);
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the binary runs");
        Node::without_log(child)
    }

    /// Does the same in a mount namespace of its own, whose file systems are mounted by shell commands in the folder.
    /// The shell also redirects standard error.
    pub(crate) fn serve_unlogged_with_mounts(&self, mounts: &str) -> Node {
        let mut command = self.with_mounts(mounts);
        Node::without_log(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs"))
    }

    /// Does the same in a mount namespace of its own, whose file systems are mounted by shell commands in the folder.
    pub(crate) fn serve_with_mounts(&self, mounts: &str) -> Node {
        Node::start(self.with_mounts(mounts))
    }

    /// Starts it there, and does not wait until it answers.
    pub(crate) fn start_with_mounts(&self, mounts: &str) -> Node {
        Node::start_unheard(self.with_mounts(mounts))
    }

    fn with_mounts(&self, mounts: &str) -> Command {
        let truenorth = truenorth();
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("{mounts} && exec \"$0\" serve --config truenorth.toml")).arg(truenorth.get_program());
        for (name, value) in truenorth.get_envs() {
            value.map(|value| command.env(name, value));
        }
        command.current_dir(self.folder.path());
        command
    }
}

impl Node {
    fn start(command: Command) -> Self {
        let mut node = Self::start_unheard(command);
        node.wait_for_answers();
        node
    }

    /// Starts a node. It has not logged its address yet.
    pub(crate) fn start_unheard(mut command: impl std::borrow::BorrowMut<Command>) -> Self {
        let mut child =
            command.borrow_mut().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let log = Log::read(child.stderr.take().expect("it is piped"));
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), log }
    }

    /// Waits until it logs that it answers. What it does beside may be logged before that or after it.
    pub(crate) fn wait_for_answers(&mut self) {
        let line = self.log.look_for("answering addresses=");
        let address = line.split_once('[').and_then(|(_, rest)| rest.split([',', ']']).next());
        self.address = address.and_then(|address| address.parse().ok()).expect("the line holds the addresses");
    }

    /// Starts a node whose log cannot be read, and queries it until it answers.
    fn without_log(child: Child) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node = Self { child, address, log: Log::read(std::io::empty()) };
        let start = Instant::now();
        while !node.is_answering() {
            assert!(node.is_running(), "the node ended");
            assert!(start.elapsed() < PATIENCE, "the node does not answer");
            thread::sleep(POLL);
        }
        node
    }

    /// Waits until the node logs that it answers, or ends. Returns true if it answers.
    pub(crate) fn answers_or_ends(&mut self) -> bool {
        let start = Instant::now();
        while self.is_running() {
            if self.log.lines().iter().any(|line| line.contains("INFO answering")) {
                return true;
            }
            assert!(start.elapsed() < PATIENCE, "the node neither answers nor ends");
            thread::sleep(POLL);
        }
        false
    }

    /// Finds its UDP socket, and sends a query to it. Returns true if an answer comes.
    fn is_answering(&mut self) -> bool {
        let Some(&port) = sockets::udp_ports(self.pid()).first() else { return false };
        self.address.set_port(port);
        let asker = self.asker();
        asker.wait_at_most(Duration::from_millis(100));
        asker.send(&query(1, "example.com.", RecordType::SOA, None)) && asker.receive().is_some()
    }

    /// Waits until its admin server listens, and returns the address.
    pub(crate) fn wait_for_admin(&mut self) -> SocketAddr {
        let line = self.log.look_for("admin server listening addresses=[");
        let address = line.rsplit_once('[').and_then(|(_, rest)| rest.split([',', ']']).next());
        address.and_then(|address| address.parse().ok()).expect("the line holds the addresses")
    }

    /// Finds the address of its admin server by its sockets, for a node whose log is not read.
    pub(crate) fn admin(&self) -> SocketAddr {
        let ports = sockets::listening_ports(self.pid());
        let port = ports.into_iter().find(|port| *port != self.address.port()).expect("it has an admin server");
        (self.address.ip(), port).into()
    }

    /// Gets `/metrics` from its admin server: the head and the body of the response.
    pub(crate) fn metrics(&self) -> String {
        let admin = self.admin();
        let mut stream = TcpStream::connect(admin).expect("it listens");
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    }

    /// Returns the value of a counter, which is named with its labels.
    #[track_caller]
    pub(crate) fn count(&self, series: &str) -> u64 {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("{series}: {metrics}"))
    }

    /// Gets `/healthz` from its admin server: the head and the body of the response.
    pub(crate) fn healthz(&self) -> String {
        let admin = self.admin();
        let mut stream = TcpStream::connect(admin).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("the time-out is above 0");
        stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\n\r\n").as_bytes()).expect("it reads");
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    /// Returns the address where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns a path in the mount namespace of the node.
    pub(crate) fn its_path(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(path.strip_prefix("/").expect("paths of a test are absolute"))
    }

    /// Asks with `dig`. The words are its command line, without the server.
    pub(crate) fn dig(&self, words: &str) -> Reply {
        let mut replies = self.dig_all(words);
        assert_eq!(replies.len(), 1, "{words}: {replies:?}");
        replies.remove(0)
    }

    /// Does the same for several questions.
    pub(crate) fn dig_all(&self, words: &str) -> Vec<Reply> {
        dig::dig(self.address, words)
    }

    /// Asks with `dig` until the answer has this data: a loaded configuration is served a moment later.
    #[track_caller]
    pub(crate) fn comes_to_answer(&self, words: &str, data: &[&str]) {
        let start = Instant::now();
        while self.dig(words).data() != data {
            assert!(start.elapsed() < PATIENCE, "{words}: {:?}, not {data:?}", self.dig(words).data());
            thread::sleep(POLL);
        }
    }

    /// Does the same, and compares the response code.
    #[track_caller]
    pub(crate) fn comes_to_say(&self, words: &str, status: &str) {
        let start = Instant::now();
        while self.dig(words).status != status {
            assert!(start.elapsed() < PATIENCE, "{words}: {}, not {status}", self.dig(words).status);
            thread::sleep(POLL);
        }
    }

    /// A client on a socket of its own.
    pub(crate) fn asker(&self) -> Asker {
        Asker::new(self.address)
    }

    /// Sends a signal by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        // The shell has `kill` built in; not every machine has such a program.
        let kill = format!("kill -s {name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(sent.success(), "{kill}");
    }

    /// Sets how many threads its user may have. A test that may not change the limits of others becomes that user
    /// meanwhile.
    pub(crate) fn limit_threads(&self, most: usize) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let user = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next());
        let user = user.expect("the status tells the user");
        let prlimit = format!("prlimit --pid {} --nproc={most}:", self.pid());
        let script = format!(
            "if [ $(id -u) = 0 ]; then set -- setpriv --reuid={user} --regid={user} --clear-groups; fi; \"$@\" {prlimit}"
        );
        let set = Command::new("sh").args(["-c", &script]).status().expect("there is a shell");
        assert!(set.success(), "{prlimit}");
    }

    /// True if the process is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is a child of ours").is_none()
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        wait(&mut self.child)
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Random numbers. The output of a failed test has their seed; `SEED` sets it, to run the test again with the same
/// ones.
pub(crate) fn random() -> fastrand::Rng {
    let seed = std::env::var("SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// The shipped database.
pub(crate) fn shipped_database() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip/country.mmdb")
}
