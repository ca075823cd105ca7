//! Answers are those of NSD and Knot for the same signed file.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::{Record, RecordType};
use tempfile::TempDir;

use super::signers::{Signed, UNSIGNED, WAYS};
use crate::harness::{Files, PATIENCE, SERVER};
use crate::validators::{Client, free_port};

/// Random questions for each way to sign.
const QUESTIONS: usize = 1500;

const LABELS: [&str; 12] = ["a", "b", "c", "www", "wild", "cut", "nope", "*", "below", "zzz", "mail", "emptywild"];

const TYPES: [u16; 18] = [1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 43, 46, 47, 48, 50, 51, 59, 65];

/// Another server with the signed zone.
pub(crate) struct Peer {
    name: &'static str,
    process: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Peer {
    pub(crate) fn nsd(zone: &str) -> Self {
        Self::start("nsd", zone, |folder, port| {
            format!(
                "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n zonesdir: \"{folder}\"\n database: \"\"\n pidfile: \"\"\n \
                 xfrdfile: \"{folder}/xfrd\"\n xfrdir: \"{folder}\"\n zonelistfile: \"{folder}/list\"\n minimal-responses: yes\n \
                 refuse-any: no\nremote-control:\n control-enable: no\nzone:\n name: signed.example\n zonefile: zone\n"
            )
        })
    }

    pub(crate) fn knot(zone: &str) -> Self {
        Self::start("knotd", zone, |folder, port| {
            format!(
                "server:\n    rundir: {folder}\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    tcp-workers: 1\n\
                 database:\n    storage: {folder}\ntemplate:\n  - id: default\n    storage: {folder}\n    \
                 semantic-checks: off\n    zonefile-sync: -1\nzone:\n  - domain: signed.example\n    file: zone\n"
            )
        })
    }

    fn start(name: &'static str, zone: &str, config: impl Fn(&str, u16) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("zone"), zone).unwrap();
        let port = free_port();
        let path = folder.path().join("peer.conf");
        fs::write(&path, config(folder.path().to_str().unwrap(), port)).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(name);
        command.arg("-c").arg(&path).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        if name == "nsd" {
            command.arg("-d");
        }
        command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        let process = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}: apt-get install knot nsd"));
        let peer = Self { name, process, folder, address: (Ipv4Addr::LOCALHOST, port).into() };
        let end = Instant::now() + PATIENCE;
        let mut client = Client::of_node(peer.address, false);
        client.wait_at_most(Duration::from_millis(200));
        while client.try_ask("signed.example.", RecordType::SOA).is_none_or(|reply| reply.answers.is_empty()) {
            let log = fs::read_to_string(peer.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "{name} does not answer: {log}");
            thread::sleep(Duration::from_millis(20));
        }
        peer
    }
}

impl Drop for Peer {
    /// NSD's children end when their parent gets SIGTERM.
    fn drop(&mut self) {
        let _ = Command::new("sh").arg("-c").arg(format!("kill {}", self.process.id())).status();
        let end = Instant::now() + PATIENCE;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The parts of an answer that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    rcode: u16,
    is_authoritative: bool,
    answer: BTreeSet<String>,
    authority: BTreeSet<String>,
}

impl Said {
    fn of(message: &Message) -> Self {
        let set = |records: &[Record]| records.iter().map(|record| record.to_string().to_lowercase()).collect();
        Self {
            rcode: message.metadata.response_code.into(),
            is_authoritative: message.metadata.authoritative,
            answer: set(&message.answers),
            authority: set(&message.authorities),
        }
    }
}

/// Owners of the zone, names below them, and names between them.
fn name(random: &mut fastrand::Rng) -> String {
    // The client cannot write an octet in digits.
    let owners = UNSIGNED.lines().skip(2).filter_map(|line| line.split(' ').next());
    let owners: Vec<&str> = owners.filter(|owner| !owner.contains('\\')).collect();
    let label = |random: &mut fastrand::Rng| LABELS[random.usize(..LABELS.len())];
    let owner = match owners[random.usize(..owners.len())] {
        "@" => String::new(),
        owner => format!("{owner}."),
    };
    match random.usize(..6) {
        0 => format!("{}.signed.example.", label(random)),
        1 => format!("{}.{owner}signed.example.", label(random)),
        2 => format!("{}.{}.{owner}signed.example.", label(random), label(random)),
        // A parent of an owner is often an empty non-terminal.
        3 => format!("{}signed.example.", owner.split_once('.').map_or("", |(_, rest)| rest)),
        _ => format!("{owner}signed.example."),
    }
}

#[test]
fn answers_are_those_of_nsd_and_knot() {
    let mut differing = Vec::new();
    for (way, seed) in WAYS.into_iter().zip(1..) {
        let signed = Signed::zone(UNSIGNED, way);
        let files = Files::new(SERVER, &[("signed.example.zone", &signed.text)]);
        let node = files.serve();
        let peers = [Peer::nsd(&signed.text), Peer::knot(&signed.text)];
        let mut ours = Client::of_node(node.address(), true);
        let mut theirs: Vec<Client> = peers.iter().map(|peer| Client::of_node(peer.address, true)).collect();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut alone = 0;
        for _ in 0..QUESTIONS {
            let (name, rtype) = (name(&mut random), RecordType::from(TYPES[random.usize(..TYPES.len())]));
            let said = Said::of(&ours.ask(&name, rtype));
            let others: Vec<Said> = theirs.iter_mut().map(|peer| Said::of(&peer.ask(&name, rtype))).collect();
            // Where the two differ, it must be one of them.
            if !others.contains(&said) {
                differing.push(format!("{way:?} {name} {rtype}\n  ours {said:#?}\n  {}: {:#?}", peers[0].name, others));
            }
            alone += usize::from(others[0] != others[1]);
        }
        println!("{way:?}: NSD and Knot differ from each other in {alone} of {QUESTIONS} answers");
    }
    assert!(
        differing.is_empty(),
        "{} answers differ: {}",
        differing.len(),
        differing[..differing.len().min(3)].join("\n")
    );
}
