//! The cost of signatures, in one run: truenorth without keys, with signatures that it keeps, and with fresh ones, beside Knot DNS
//! (module onlinesign) and PowerDNS (live signing).
//!
//! Each server has one processor, and dnsperf another. The servers take turns in each round; a ratio compares two within a round.
//!
//! Needs Debian's `dnsperf`, `knot`, `pdns-server` and `pdns-backend-bind`, and two processors. TRUENORTH_ROUNDS is the number of
//! rounds.

mod contestants;
#[path = "../peers/figures.rs"]
mod figures;
#[path = "../peers/load.rs"]
mod load;
#[path = "../peers/questions.rs"]
mod questions;
#[path = "../peers/server.rs"]
mod server;

use std::env;
use std::iter::repeat_n;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use contestants::{NAMES, Truenorth};
use load::Transport;
use questions::With;
use server::{Ports, Server};

/// Number of rounds, unless TRUENORTH_ROUNDS says otherwise.
const ROUNDS: usize = 7;

/// Makes the command of a server that listens at these ports, with its files in a folder.
type Make = fn(&Path, Ports) -> Command;

const UNSIGNED: (&str, Make) =
    ("truenorth, no keys", |all, ports| contestants::truenorth(all, ports, Truenorth::Unsigned));
const KEPT: (&str, Make) = ("truenorth, kept", |all, ports| contestants::truenorth(all, ports, Truenorth::Signed));
const FRESH: (&str, Make) = ("truenorth, fresh", |all, ports| contestants::truenorth(all, ports, Truenorth::Forgetful));
const KNOT: (&str, Make) = ("Knot DNS, no keys", |all, ports| contestants::knot(all, ports, false));
const KNOT_ONLINE: (&str, Make) = ("Knot DNS, onlinesign", |all, ports| contestants::knot(all, ports, true));
const POWERDNS: (&str, Make) = ("PowerDNS, no keys", |all, ports| contestants::powerdns(all, ports, false, true));
const POWERDNS_LIVE: (&str, Make) = ("PowerDNS, live", |all, ports| contestants::powerdns(all, ports, true, true));
const POWERDNS_FRESH: (&str, Make) =
    ("PowerDNS, no caches", |all, ports| contestants::powerdns(all, ports, true, false));

/// The names that are asked for.
#[derive(Clone, Copy)]
enum Asked {
    /// One name.
    One(&'static str),
    /// Each of many static names in turn.
    Each,
    /// Each of many names that do not exist in turn.
    Missing,
}

/// A kind of question, and who answers it.
struct Case {
    title: &'static str,
    /// The first is what the others are compared with.
    rows: &'static [((&'static str, Make), Asked, With)],
}

const STEERED: Asked = Asked::One("www.example.com");
const STATIC: Asked = Asked::One("static.example.com");
const NOPE: Asked = Asked::One("nope.example.com");

const CASES: [Case; 4] = [
    Case {
        title: "steered",
        rows: &[
            (UNSIGNED, STEERED, With::Dnssec),
            (KEPT, STEERED, With::Dnssec),
            // The same server, asked by somebody who wants no signatures.
            (("truenorth, without DO", KEPT.1), STEERED, With::Edns),
        ],
    },
    Case {
        title: "static",
        rows: &[
            (UNSIGNED, STATIC, With::Dnssec),
            (KEPT, STATIC, With::Dnssec),
            (("truenorth, without DO", KEPT.1), STATIC, With::Edns),
            (KNOT, STATIC, With::Dnssec),
            (KNOT_ONLINE, STATIC, With::Dnssec),
            (POWERDNS, STATIC, With::Dnssec),
            (POWERDNS_LIVE, STATIC, With::Dnssec),
        ],
    },
    Case {
        title: "static, each name once",
        rows: &[
            (UNSIGNED, Asked::Each, With::Dnssec),
            (KEPT, Asked::Each, With::Dnssec),
            (FRESH, Asked::Each, With::Dnssec),
            (KNOT_ONLINE, Asked::Each, With::Dnssec),
            (POWERDNS_FRESH, Asked::Each, With::Dnssec),
        ],
    },
    Case {
        title: "no such name",
        rows: &[
            (UNSIGNED, NOPE, With::Dnssec),
            (KEPT, NOPE, With::Dnssec),
            (FRESH, Asked::Missing, With::Dnssec),
            (KNOT_ONLINE, Asked::Missing, With::Dnssec),
            (POWERDNS_LIVE, NOPE, With::Dnssec),
            // Each is denied by one of few proofs, whose signatures PowerDNS keeps.
            (("PowerDNS, live, names", POWERDNS_LIVE.1), Asked::Missing, With::Dnssec),
            (POWERDNS_FRESH, Asked::Missing, With::Dnssec),
        ],
    },
];

fn main() {
    for tool in ["dnsperf", "knotd", "pdns_server", "pdnsutil", "taskset"] {
        if Command::new(tool).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("{tool} is not installed: apt-get install dnsperf knot pdns-server pdns-backend-bind");
            return;
        }
    }
    let rounds = env::var("TRUENORTH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    println!(
        "microseconds of processor time for an answer over UDP, in {rounds} rounds: the median (lowest-highest)\n"
    );
    println!("{:<24} {:<22} {:>24} {:>12} {:>24}", "question", "", "microseconds", "answers/s", "ratio to the first");
    for case in &CASES {
        compare(case, rounds);
    }
}

/// Lets all servers of a case answer in turn, and prints their cost.
fn compare(case: &Case, rounds: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let servers: Vec<(Server, PathBuf)> = case
        .rows
        .iter()
        .enumerate()
        .map(|(number, &((name, make), asked, with))| {
            let questions = folder.path().join(format!("questions-{number}"));
            match asked {
                Asked::One(name) => questions::write(&questions, repeat_n(name, NAMES), with),
                Asked::Each => {
                    questions::write(&questions, (0..NAMES).map(|number| format!("n{number}.example.com")), with);
                }
                Asked::Missing => {
                    questions::write(&questions, (0..NAMES).map(|number| format!("x{number}.example.com")), with);
                }
            }
            let ports = Ports::free();
            let command = make(&folder.path().join(format!("server-{number}")), ports);
            let server = Server::start(name, &command, ports);
            // Signatures that can be kept are kept before the first round.
            load::ask_once(&server, &questions);
            (server, questions)
        })
        .collect();
    let contests: Vec<(&Server, &Path)> = servers.iter().map(|(server, questions)| (server, &**questions)).collect();
    let works = load::in_turn(&contests, Transport::Udp, rounds);
    for ((server, _), work) in servers.iter().zip(&works) {
        let Some((costs, rates)) = work else {
            println!("{:<24} {:<22} lost a tenth of the questions or more", case.title, server.name);
            continue;
        };
        let ratio = works[0].as_ref().map_or(String::new(), |(first, _)| costs.ratio(first).to_string());
        println!("{:<24} {:<22} {costs:>24} {:>12.0} {ratio:>24}", case.title, server.name, rates.median());
    }
}
