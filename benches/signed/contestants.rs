//! The servers, each with the same zone: a static name, many more of them, and for truenorth a steered one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::server::Ports;

/// Number of static names that are asked for in turn.
pub(crate) const NAMES: usize = 20_000;

/// How truenorth serves the zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truenorth {
    /// Without keys.
    Unsigned,
    /// With a key, and room for the signatures of all names.
    Signed,
    /// With a key, and with so little room that no signature is there when its name is asked for again.
    Forgetful,
}

const STEERED: &str = "[datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\niad = { latitude = 38.95, longitude = -77.45 }\n\
    [pools.web]\nendpoints.fra = [\"198.51.100.10\"]\nendpoints.iad = [\"192.0.2.10\"]\n\
    [regions.default]\nprefer = [\"fra\", \"iad\"]\n[names.www]\npools = [\"web\"]\n";

/// The static records of the zone. `www` is for servers that do not steer.
fn master_file(www: &str) -> String {
    let mut text = format!(
        "$TTL 300\n@ SOA ns1 hostmaster 1 7200 1800 259200 60\n@ NS ns1\nns1 A 127.0.0.1\nstatic A 192.0.2.1\n{www}"
    );
    for number in 0..NAMES {
        writeln!(text, "n{number} A 192.0.2.2").expect("a string takes all");
    }
    text
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
    fs::write(path, content).expect("a file is written");
}

/// Runs a command that prepares a server.
fn run(command: &mut Command) {
    let ran = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ran.status.success(), "{command:?}: {ran:?}");
}

pub(crate) fn truenorth(folder: &Path, ports: Ports, form: Truenorth) -> Command {
    let kept = if form == Truenorth::Forgetful { 1024 } else { 1 << 17 };
    let server = format!(
        "[listen]\ndns = [\"127.0.0.1:{}\"]\n[dnssec]\nenabled = {}\nkept = {kept}\nsignatures_per_second = 1000000\n",
        ports.dns,
        form != Truenorth::Unsigned
    );
    write(&folder.join("truenorth.toml"), &server);
    write(&folder.join("zones/example.com.toml"), STEERED);
    write(&folder.join("zones/example.com.zone"), &master_file(""));
    let truenorth = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
        command.env("RUST_LOG", "error").args(words).arg("--config").arg(folder.join("truenorth.toml"));
        command
    };
    if form != Truenorth::Unsigned {
        run(&mut truenorth(&["dnssec", "create", "example.com"]));
    }
    truenorth(&["serve"])
}

pub(crate) fn knot(folder: &Path, ports: Ports, signs: bool) -> Command {
    let at = folder.display();
    let module = if signs { "    module: mod-onlinesign\n" } else { "" };
    let config = format!(
        "server:\n  rundir: {at}\n  listen: 127.0.0.1@{}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         database:\n  storage: {at}\ntemplate:\n  - id: default\n    storage: {at}\n    journal-content: none\n    \
         zonefile-sync: -1\nzone:\n  - domain: example.com\n    file: example.com.zone\n{module}",
        ports.dns
    );
    write(&folder.join("knot.conf"), &config);
    write(&folder.join("example.com.zone"), &master_file("www A 192.0.2.10\n"));
    let mut command = Command::new("knotd");
    command.arg("-c").arg(folder.join("knot.conf"));
    command
}

/// With caches it keeps whole answers and signatures, as it does by default.
pub(crate) fn powerdns(folder: &Path, ports: Ports, signs: bool, has_caches: bool) -> Command {
    let at = folder.display();
    let caches = if has_caches { "" } else { "cache-ttl=0\nmax-signature-cache-entries=0\n" };
    let config = format!(
        "launch=bind\nbind-config={at}/named.conf\nbind-dnssec-db={at}/dnssec.db\nlocal-address=127.0.0.1\nlocal-port={}\n\
         socket-dir={at}\nreceiver-threads=1\ndistributor-threads=1\nsecurity-poll-suffix=\n{caches}",
        ports.dns
    );
    write(&folder.join("pdns.conf"), &config);
    let zone = format!("zone \"example.com\" {{ type master; file \"{at}/example.com.zone\"; }};\n");
    write(&folder.join("named.conf"), &zone);
    write(&folder.join("example.com.zone"), &master_file("www A 192.0.2.10\n"));
    let pdnsutil = |words: &[&str]| run(Command::new("pdnsutil").arg(format!("--config-dir={at}")).args(words));
    pdnsutil(&["create-bind-db", &format!("{at}/dnssec.db")]);
    if signs {
        pdnsutil(&["secure-zone", "example.com"]);
    }
    let mut command = Command::new("pdns_server");
    command.arg(format!("--config-dir={at}")).args(["--guardian=no", "--daemon=no"]);
    command
}
