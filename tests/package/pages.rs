//! Runs the commands of the pages for operators, so that an operator who copies one gets no error.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Files, Node, SERVER, shipped_database};
use crate::schema;

/// A zone with the names and addresses that the pages use. Nothing is probed, because no host has the addresses.
const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
sin = { latitude = 1.35, longitude = 103.99 }

[regions.default]
prefer = ["fra", "iad", "sin"]

[pools.web]
endpoints.fra = ["198.51.100.10", "198.51.100.11"]
endpoints.iad = ["192.0.2.10"]
endpoints.sin = ["203.0.113.80"]

[names.www]
pools = ["web"]
steer = ["region"]

[names.whoami]
reflect = true
"#;

/// Programs of the machine, whose commands cannot run in a test.
const OF_THE_MACHINE: [&str; 7] = ["apt-get", "curl", "git", "journalctl", "rsync", "ssh", "systemctl"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The lines of the blocks of shell commands, without comments.
fn commands(page: &str) -> Vec<&str> {
    let mut is_in = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            is_in = line == "```sh";
        } else if is_in {
            commands.push(line.split("  # ").next().unwrap_or_default().trim());
        }
    }
    commands
}

/// A node that serves the zone of the pages.
struct World {
    files: Files,
    node: Node,
}

impl World {
    fn new() -> Self {
        let database = shipped_database();
        // Nobody listens on that port: the node is alone, and says so.
        let server = format!(
            "{SERVER}[admin]\nsocket = \"admin.sock\"\n[geoip]\ndatabases = [\"{}\"]\n\
             [fleet]\nnode = \"ns1\"\nservers = [\"nats://127.0.0.1:1\"]\n",
            database.display()
        );
        let files = Files::new(&server, &[("gslb.example.com.toml", ZONE)]);
        let node = files.serve();
        Self { files, node }
    }

    /// Runs a command if it can run in a test. Returns false for a program of the machine.
    fn run(&self, command: &str) -> bool {
        let config = self.files.path("truenorth.toml");
        let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        match words[0].as_str() {
            "truenorth" => {}
            "dig" => {
                words[1] = format!("@{} -p {}", self.node.address().ip(), self.node.address().port());
                if words.get(2).is_some_and(|word| word == "-p") {
                    words.drain(2..4);
                }
            }
            "curl" if command.contains("/run/truenorth/admin.sock") => {}
            other => {
                assert!(OF_THE_MACHINE.contains(&other), "what is `{command}`?");
                return false;
            }
        }
        let socket = self.files.path("admin.sock");
        let script = words.join(" ");
        let script = script.replace("/run/truenorth/admin.sock", socket.to_str().unwrap());
        let script = ["main", "change"].iter().fold(script, |script, side| {
            script.replace(&format!("/srv/{side}/truenorth.toml"), config.to_str().unwrap())
        });
        let binary = Path::new(env!("CARGO_BIN_EXE_truenorth")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("TRUENORTH_CONFIG", &config).env("PATH", path);
        let output = shell.output().unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "`{script}` ends with {}: {stdout}{stderr}", output.status);
        assert!(
            words[0] != "dig" || (!stdout.trim().is_empty() && !stdout.contains("REFUSED")),
            "`{script}`: {stdout}"
        );
        true
    }
}

#[test]
fn every_command_of_the_pages_works() {
    for (name, least) in [("runbook.md", 15), ("two-nodes.md", 6), ("from-gdnsd.md", 4)] {
        let page = page(name);
        let world = World::new();
        let ran = commands(&page).into_iter().filter(|command| world.run(command)).count();
        assert!(ran >= least, "{name}: only {ran} commands ran");
    }
}

/// The runbook has a section for each alert that pages somebody, and for no other.
#[test]
fn the_runbook_knows_the_alerts() {
    let rules = fs::read_to_string(root().join("packaging/prometheus/truenorth.rules.yml")).unwrap();
    let mut alerts = BTreeSet::new();
    let mut paging = BTreeSet::new();
    let mut alert = "";
    for line in rules.lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            alert = name;
            alerts.insert(name);
        } else if line.contains("severity: page") && !alert.is_empty() {
            paging.insert(alert);
        }
    }
    assert!(paging.len() > 3, "{paging:?}");
    let page = page("runbook.md");
    let named: BTreeSet<&str> = page.split('`').filter(|word| word.starts_with("Truenorth")).collect();
    let unknown: Vec<_> = named.difference(&alerts).collect();
    assert!(unknown.is_empty(), "there are no alerts {unknown:?}");
    let missing: Vec<_> = paging.difference(&named).collect();
    assert!(missing.is_empty(), "the runbook says nothing of {missing:?}");
}

/// The files of the containers load, with paths of this machine in place of theirs.
#[test]
fn the_files_for_containers_load() {
    let zone = fs::read_to_string(root().join("packaging/kubernetes/base/zones/gslb.example.com.toml")).unwrap();
    for path in ["packaging/container/truenorth.toml", "packaging/kubernetes/base/truenorth.toml"] {
        let server = fs::read_to_string(root().join(path)).unwrap();
        schema::of(schema::SERVER).accepts(path, &server);
        let files = Files::new("", &[("gslb.example.com.toml", &zone)]);
        files.write("token", "0123456789abcdef\n");
        fs::set_permissions(files.path("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let (database, token) = (shipped_database(), files.path("token"));
        let server = server.replace("/usr/share/truenorth/country.mmdb", database.to_str().unwrap());
        files.write("truenorth.toml", server.replace("/etc/truenorth-admin/token", token.to_str().unwrap()));
        let ran = files.run("check");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{path}: {ran:?}");
    }
}
