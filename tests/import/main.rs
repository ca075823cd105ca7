//! `truenorth import`: the real old server with the old files, and truenorth with the imported ones, give the same
//! clients the same answers.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../networks/mod.rs"]
mod networks;

mod bind;
mod command;
mod gdnsd;
mod powerdns;
mod route53;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;

use hickory_proto::rr::RecordType;
use ipnet::IpNet;
use tempfile::TempDir;

use harness::{Asker, Files, Node, run};

/// Clients that ask both servers.
const CLIENTS: usize = 2000;

/// How far a share of answers may be from the other server's: five standard deviations of [`CLIENTS`] draws of one in two.
const TOLERANCE: f64 = 0.08;

/// An import into a folder, and what the command told.
struct Imported {
    folder: TempDir,
    code: Option<i32>,
    told: String,
}

impl Imported {
    /// Runs `truenorth import` with these words and `--out`.
    fn of(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let out = folder.path().to_str().expect("temporary folders have plain names");
        let ran = run(["import"].into_iter().chain(words.iter().copied()).chain(["--out", out]));
        Self { code: ran.code, told: ran.stderr, folder }
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", self.told))
    }

    /// Serves the imported zones with a server file.
    fn serve(&self, server: &str) -> (Files, Node) {
        let zones = fs::read_dir(self.folder.path().join("zones")).expect("zones were written");
        let zones: Vec<(String, String)> = zones
            .map(|entry| entry.expect("a file").file_name().into_string().expect("a plain name"))
            .map(|name| (name.clone(), self.text(&format!("zones/{name}"))))
            .collect();
        let zones: Vec<(&str, &str)> = zones.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let files = Files::new(server, &zones);
        let node = files.serve();
        (files, node)
    }
}

/// Returns the addresses, and the canonical names, of an answer.
fn answer(asker: &mut Asker, name: &str, rtype: RecordType, client: IpNet) -> BTreeSet<String> {
    let reply = asker.ask(name, rtype, Some(client));
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

/// Compares the answers of two servers to random clients, for names without draws.
fn compare(old: SocketAddr, new: SocketAddr, names: &[(&str, RecordType)], mut client: impl FnMut() -> IpNet) {
    let (mut old, mut new) = (Asker::new(old), Asker::new(new));
    let mut seen: BTreeMap<&str, BTreeSet<BTreeSet<String>>> = BTreeMap::new();
    for number in 0..CLIENTS {
        let (name, rtype) = names[number % names.len()];
        let client = client();
        let (before, after) = (answer(&mut old, name, rtype, client), answer(&mut new, name, rtype, client));
        assert_eq!(before, after, "{name} {rtype} for {client}: before, and after the import");
        seen.entry(name).or_default().insert(before);
    }
    for (name, answers) in seen {
        println!("{name}: {} different answers", answers.len());
    }
}

/// Compares how often each answer is given, for names that draw.
fn compare_draws(old: SocketAddr, new: SocketAddr, names: &[&str], mut client: impl FnMut() -> IpNet) {
    for name in names {
        let clients: Vec<IpNet> = (0..CLIENTS).map(|_| client()).collect();
        let [before, after] = [old, new].map(|server| {
            let mut asker = Asker::new(server);
            let mut counts: BTreeMap<BTreeSet<String>, f64> = BTreeMap::new();
            for client in &clients {
                *counts.entry(answer(&mut asker, name, RecordType::A, *client)).or_default() += 1.0 / CLIENTS as f64;
            }
            counts
        });
        for given in before.keys().chain(after.keys()) {
            let share = |counts: &BTreeMap<_, f64>| counts.get(given).copied().unwrap_or_default();
            let (before, after) = (share(&before), share(&after));
            assert!(
                (before - after).abs() < TOLERANCE,
                "{name}: {given:?} in {before:.3} of answers before, {after:.3} after"
            );
        }
    }
}

/// Replaces the line of a file that begins with a key.
fn with_line(text: &str, key: &str, line: &str) -> String {
    let lines = text.lines().map(|old| if old.starts_with(key) { line } else { old });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
