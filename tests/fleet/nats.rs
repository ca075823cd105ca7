//! A NATS server with a certificate of its own, and a user for each node that may publish under its own name only.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::Log;
use crate::wait_until;

/// A running server.
pub(crate) struct Nats {
    folder: TempDir,
    namespace: Option<String>,
    address: SocketAddr,
    child: Child,
}

/// The password by which one server is a leaf of another.
pub(crate) const LEAF: &str = "only-leaves-know-this";

/// What a node may publish to read orders: questions to JetStream, here or in the domain of the hub.
const FOLLOWS: &str = "\"$JS.API.STREAM.INFO.*\", \"$JS.API.STREAM.CREATE.*\", \"$JS.API.CONSUMER.CREATE.>\", \
    \"$JS.API.CONSUMER.DELETE.>\", \"$JS.hub.API.STREAM.INFO.*\", \"$JS.hub.API.STREAM.CREATE.*\", \
    \"$JS.hub.API.CONSUMER.CREATE.>\", \"$JS.hub.API.CONSUMER.DELETE.>\", \"$JS.FC.>\"";

/// What a node may publish to give orders.
const ORDERS: &str = "\"truenorth.main.order.>\", \"truenorth.main.term.>\", \"truenorth.main.zones.>\"";

/// The password of a user.
fn password(user: &str) -> String {
    format!("the password of {user}")
}

impl Nats {
    /// Starts a server at this address, in a network namespace if one is named. Port 0: any.
    pub(crate) fn start(namespace: Option<&str>, address: SocketAddr, nodes: &[&str]) -> Self {
        Self::start_with(namespace, address, nodes, |_| String::new())
    }

    /// Does the same with further settings, which may refer to files in the server's folder.
    pub(crate) fn start_with(
        namespace: Option<&str>,
        address: SocketAddr,
        nodes: &[&str],
        settings: impl Fn(&str) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let certified = rcgen::generate_simple_self_signed([address.ip().to_string()]).expect("it is a name");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("the folder is writable");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        };
        write("server.pem", &certified.cert.pem());
        write("server.key", &certified.signing_key.serialize_pem());
        let mut users = String::new();
        for node in nodes {
            write(&format!("{node}.password"), &password(node));
            let secret = password(node);
            let _ = writeln!(
                users,
                "{{ user: {node}, password: \"{secret}\", permissions: {{ \
                 publish: {{ allow: [\"truenorth.main.*.{node}\", \"truenorth.main.full.{node}.*\", {ORDERS}, {FOLLOWS}] }}, \
                 subscribe: {{ allow: [\"truenorth.main.>\", \"_INBOX.>\"] }} }} }}"
            );
        }
        // A node that may follow orders, and not give any.
        write("follower.password", &password("follower"));
        let _ = writeln!(
            users,
            "{{ user: follower, password: \"{}\", permissions: {{ publish: {{ allow: [\"truenorth.main.*.follower\", {FOLLOWS}] }}, \
             subscribe: {{ allow: [\"truenorth.main.>\", \"_INBOX.>\"] }} }} }}",
            password("follower")
        );
        let reader = password("reader");
        let stranger = password("stranger");
        write("wrong.password", "nobody has this one");
        write("stranger.password", &stranger);
        // Where the settings turn it on, the account may use it.
        let jetstream = if settings("").contains("jetstream") { "jetstream: enabled, " } else { "" };
        let port = if address.port() == 0 { "-1".to_owned() } else { address.port().to_string() };
        let path = folder.path().display();
        write(
            "nats.conf",
            &format!(
                "server_name: \"hub-{}\"\nlisten: \"{}:{port}\"\nports_file_dir: \"{path}\"\nping_interval: \"1s\"\n{}\n\
                 tls {{ cert_file: \"{path}/server.pem\", key_file: \"{path}/server.key\", timeout: 10 }}\n\
                 authorization {{ timeout: 10 }}\n\
                 accounts {{\n FLEET {{ {jetstream}users = [\n{users}\
                 {{ user: leaf, password: \"{LEAF}\" }},\n\
                 {{ user: reader, password: \"{reader}\", permissions: {{ publish: {{ deny: [\">\"] }}, \
                 subscribe: {{ allow: [\"truenorth.main.>\"] }} }} }}\n] }}\n\
                 OTHER {{ users = [ {{ user: stranger, password: \"{stranger}\" }} ] }}\n}}\n",
                address.ip(),
                address.ip(),
                settings(&path.to_string())
            ),
        );
        let child = run(&folder, namespace);
        let mut nats = Self { folder, namespace: namespace.map(str::to_owned), address, child };
        if address.port() == 0 {
            nats.address.set_port(nats.own_port());
        }
        nats
    }

    /// The port that the server chose, by the file that it writes.
    fn own_port(&self) -> u16 {
        let mut port = None;
        wait_until("the NATS server tells its port", || {
            let entries = fs::read_dir(self.folder.path()).expect("it is there");
            let mut paths = entries.map(|entry| entry.expect("it stays").path());
            let file = paths.find(|path| path.extension().is_some_and(|ending| ending == "ports"));
            let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
            let url = text.split('"').find(|word| word.contains("://127.0.0.1:"));
            port = url.and_then(|url| url.rsplit_once(':')?.1.parse().ok());
            port.is_some()
        });
        port.expect("the loop ends with it")
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// The settings that turn JetStream on, with its files in the server's folder.
    pub(crate) fn jetstream(path: &str) -> String {
        format!("jetstream {{ store_dir: \"{path}/jetstream\", max_mem: 16MB, max_file: 64MB }}")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("tls://{}", self.address)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The `[fleet]` of a node that logs in as this user, with the password in this file.
    pub(crate) fn section(&self, node: &str, user: &str, password: &str) -> String {
        format!(
            "[fleet]\nnode = \"{node}\"\nservers = [\"{}\"]\nuser = \"{user}\"\npassword_file = \"{}\"\nca = \"{}\"\n\
             interval = \"1s\"\n",
            self.url(),
            self.path(password).display(),
            self.path("server.pem").display()
        )
    }

    /// The same by another way to the server.
    pub(crate) fn section_by(&self, way: SocketAddr, node: &str) -> String {
        self.section(node, node, &format!("{node}.password")).replace(&self.url(), &format!("tls://{way}"))
    }

    /// What the client of a user needs to connect.
    pub(crate) fn options(&self, user: &str) -> async_nats::ConnectOptions {
        async_nats::ConnectOptions::new()
            .user_and_password(user.to_owned(), password(user))
            .add_root_certificates(self.path("server.pem"))
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it runs");
    }

    /// Turns JetStream on from the next start.
    pub(crate) fn turn_on_jetstream(&self) {
        let path = self.folder.path().join("nats.conf");
        let text = fs::read_to_string(&path).expect("it is there");
        let settings = Self::jetstream(&self.folder.path().display().to_string());
        let text = format!("{settings}\n{}", text.replace("FLEET {", "FLEET { jetstream: enabled, "));
        fs::write(&path, text).expect("it is writable");
    }

    pub(crate) fn start_again(&mut self) {
        // The port stays, even if the kernel chose it.
        let path = self.folder.path().join("nats.conf");
        let text = fs::read_to_string(&path).expect("it is there");
        let any = format!("listen: \"{}:-1\"", self.address.ip());
        fs::write(&path, text.replace(&any, &format!("listen: \"{}\"", self.address))).expect("it is writable");
        self.child = run(&self.folder, self.namespace.as_deref());
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Starts the server; returns when it listens.
fn run(folder: &TempDir, namespace: Option<&str>) -> Child {
    let mut command = match namespace {
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace, "nats-server"]);
            command
        }
        None => Command::new("nats-server"),
    };
    command.arg("-c").arg(folder.path().join("nats.conf"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nats-server is installed: apt-get install nats-server");
    let mut log = Log::read(child.stderr.take().expect("it is piped"));
    log.wait_for("Server is ready");
    // The log is read until the server ends.
    std::mem::forget(log);
    child
}
