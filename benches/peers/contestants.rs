//! The servers, each with the same zone: a static name, and a name that is steered by continent if the server can do that.
//!
//! truenorth, gdnsd and Knot DNS locate clients with the same database. BIND and hickory-server do not steer: their
//! `www` is static.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::server::Ports;

/// The name of this program's argument, with a port after it, that makes it a server.
pub(crate) const ECHO: &str = "serve-echo";
pub(crate) const HICKORY: &str = "serve-hickory";

/// The database of networks in the folder of all servers, in a layout that all of them read.
pub(crate) const DATABASE: &str = "geoip2.mmdb";

/// The certificate in that folder and its key.
pub(crate) const CERTIFICATE: &str = "cert.pem";
pub(crate) const KEY: &str = "key.pem";

/// The socket of truenorth's admin server in its folder.
pub(crate) const ADMIN: &str = "admin.sock";

const TRUENORTH_ZONE: &str = r#"
[soa]
serial = 1
[nameservers]
ns1 = ["127.0.0.1"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
sin = { latitude = 1.35, longitude = 103.99 }
[regions.europe]
clients = ["continent:EU", "continent:AF"]
prefer = ["fra", "iad", "sin"]
[regions.americas]
clients = ["continent:NA", "continent:SA"]
prefer = ["iad", "fra", "sin"]
[regions.apac]
clients = ["continent:AS", "continent:OC"]
prefer = ["sin", "iad", "fra"]
[regions.default]
prefer = ["iad", "fra", "sin"]
[pools.web]
endpoints.fra = ["198.51.100.10"]
endpoints.iad = ["192.0.2.10"]
endpoints.sin = ["203.0.113.80"]
[names.www]
pools = ["web"]
steer = ["region"]
[records.static]
A = ["192.0.2.1"]
"#;

const MASTER_FILE: &str = "@ 300 IN SOA ns1 hostmaster 1 7200 1800 259200 60\n@ 300 IN NS ns1\nns1 300 IN A 127.0.0.1\n\
    static 300 IN A 192.0.2.1\nwww 30 IN A 192.0.2.10\n";

const GDNSD_ZONE: &str = "@ 300 SOA ns1 hostmaster 1 7200 1800 259200 60\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n\
    static 300 A 192.0.2.1\nwww 30 DYNA geoip!www\n";

const GDNSD_PLUGINS: &str = "plugins => { geoip => {\n\
      maps => { places => { geoip2_db => FOLDER/geoip2.mmdb, datacenters => [fra, iad, sin], map => {\n\
        EU => [fra, iad, sin], AF => [fra, iad, sin], NA => [iad, fra, sin], SA => [iad, fra, sin],\n\
        AS => [sin, iad, fra], OC => [sin, iad, fra], default => [iad, fra, sin] } } },\n\
      resources => { www => { map => places, service_types => up,\n\
        dcmap => { fra => 198.51.100.10, iad => 192.0.2.10, sin => 203.0.113.80 } } } } }\n";

/// Each continent's datacenter, for the module geoip of Knot DNS.
const KNOT_CONTINENTS: [(&str, &str); 6] = [
    ("EU", "198.51.100.10"),
    ("AF", "198.51.100.10"),
    ("NA", "192.0.2.10"),
    ("SA", "192.0.2.10"),
    ("AS", "203.0.113.80"),
    ("OC", "203.0.113.80"),
];

/// Makes a folder for a server.
fn folder(all: &Path, name: &str) -> std::path::PathBuf {
    let folder = all.join(name);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).expect("a file is written");
}

/// This program as a server.
pub(crate) fn this_program(word: &str, ports: Ports) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program's path"));
    command.arg(word).arg(ports.dns.to_string());
    command
}

pub(crate) fn truenorth(all: &Path, ports: Ports) -> Command {
    let folder = folder(all, "truenorth");
    let Ports { dns, tls, https } = ports;
    let server = format!(
        "[listen]\ndns = [\"127.0.0.1:{dns}\"]\ntls = [\"127.0.0.1:{tls}\"]\nhttps = [\"127.0.0.1:{https}\"]\n\
         certificate = \"../{CERTIFICATE}\"\nkey = \"../{KEY}\"\n[geoip]\ndatabases = [\"../{DATABASE}\"]\n\
         [admin]\nsocket = \"{ADMIN}\"\n"
    );
    write(&folder.join("truenorth.toml"), &server);
    fs::create_dir_all(folder.join("zones")).expect("a folder");
    write(&folder.join("zones/example.com.toml"), TRUENORTH_ZONE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    command.env("RUST_LOG", "error").arg("serve").arg("--config").arg(folder.join("truenorth.toml"));
    command
}

pub(crate) fn gdnsd(all: &Path, ports: Ports) -> Command {
    let folder = folder(all, "gdnsd");
    for part in ["zones", "run", "state"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
    }
    let (run, state) = (folder.join("run"), folder.join("state"));
    let options = format!(
        "options => {{ listen => [127.0.0.1:{}], run_dir => {}, state_dir => {}, udp_threads => 1, tcp_threads => 1 }}\n",
        ports.dns,
        run.display(),
        state.display()
    );
    let plugins = GDNSD_PLUGINS.replace("FOLDER", &all.display().to_string());
    write(&folder.join("config"), &(options + &plugins));
    write(&folder.join("zones/example.com"), GDNSD_ZONE);
    let mut command = Command::new("gdnsd");
    command.arg("-c").arg(folder).arg("start");
    command
}

pub(crate) fn knot(all: &Path, ports: Ports) -> Command {
    let folder = folder(all, "knot");
    let at = folder.display();
    let config = format!(
        "server:\n  rundir: {at}\n  listen: 127.0.0.1@{}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n  \
         edns-client-subnet: on\ndatabase:\n  storage: {at}\nmod-geoip:\n  - id: places\n    config-file: {at}/places\n    \
         ttl: 30\n    mode: geodb\n    geodb-file: {}/{DATABASE}\n    geodb-key: [continent/code]\ntemplate:\n  - id: default\n    \
         storage: {at}\n    journal-content: none\n    zonefile-sync: -1\nzone:\n  - domain: example.com\n    file: \
         example.com.zone\n    module: mod-geoip/places\n",
        ports.dns,
        all.display()
    );
    write(&folder.join("knot.conf"), &config);
    write(&folder.join("example.com.zone"), MASTER_FILE);
    let mut places = "www.example.com.:\n".to_owned();
    for (code, address) in KNOT_CONTINENTS {
        places.extend(["  - geo: \"", code, "\"\n    A: ", address, "\n"]);
    }
    write(&folder.join("places"), &places);
    let mut command = Command::new("knotd");
    command.arg("-c").arg(folder.join("knot.conf"));
    command
}

pub(crate) fn bind(all: &Path, ports: Ports) -> Command {
    let folder = folder(all, "bind");
    let Ports { dns, tls, https } = ports;
    let (at, above) = (folder.display(), all.display());
    let config = format!(
        "tls own {{ cert-file \"{above}/{CERTIFICATE}\"; key-file \"{above}/{KEY}\"; }};\n\
         http own {{ endpoints {{ \"/dns-query\"; }}; }};\n\
         options {{ directory \"{at}\"; pid-file none; recursion no; listen-on-v6 {{ none; }}; tcp-clients 1000;\n\
         listen-on port {dns} {{ 127.0.0.1; }}; listen-on port {tls} tls own {{ 127.0.0.1; }};\n\
         listen-on port {https} tls own http own {{ 127.0.0.1; }}; }};\n\
         controls {{ }};\nzone example.com {{ type primary; file \"example.com.zone\"; }};\n"
    );
    write(&folder.join("named.conf"), &config);
    write(&folder.join("example.com.zone"), MASTER_FILE);
    let mut command = Command::new("named");
    command.args(["-f", "-n", "1", "-c"]).arg(folder.join("named.conf"));
    command
}

pub(crate) fn hickory_zone() -> &'static str {
    MASTER_FILE
}
