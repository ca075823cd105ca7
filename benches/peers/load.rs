//! dnsperf as the client of all servers.

// Each bench compiles this module and uses a part of it.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::figures::Rounds;
use crate::server::Server;

/// The processor of dnsperf; the servers have another.
const PROCESSOR: &str = "1";

/// Time that a server is asked for in each round.
const ROUND: Duration = Duration::from_secs(3);

/// How questions are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
    Https,
}

impl Transport {
    fn options(self, server: &Server) -> Vec<String> {
        let (mode, port) = match self {
            Self::Udp => ("udp", server.ports.dns),
            Self::Tcp => ("tcp", server.ports.dns),
            Self::Tls => ("dot", server.ports.tls),
            Self::Https => ("doh", server.ports.https),
        };
        let mut options = vec!["-m".to_owned(), mode.to_owned(), "-p".to_owned(), port.to_string()];
        if self == Self::Https {
            options.extend(["-O".to_owned(), format!("doh-uri=https://127.0.0.1:{port}/dns-query")]);
        }
        options
    }
}

/// The work of a server in one round.
struct Work {
    /// Microseconds of processor time for each answer.
    cost: f64,
    /// Answers a second.
    rate: f64,
}

/// Asks for a while, as fast as answers come. `None` if the client lost so many answers that the cost means nothing.
fn measure(server: &Server, questions: &Path, transport: Transport) -> Option<Work> {
    let before = server.processor_time();
    let seconds = ROUND.as_secs().to_string();
    let text = dnsperf(server, questions, transport, &["-l", &seconds, "-c", "8", "-q", "100", "-t", "1"]);
    let spent = server.processor_time() - before;
    let (completed, lost) = (number(&text, "Queries completed:"), number(&text, "Queries lost:"));
    let work = Work { cost: spent.as_secs_f64() * 1e6 / completed, rate: number(&text, "Queries per second:") };
    (lost < completed / 10.0).then_some(work)
}

/// Lets servers answer in turn in each round, each its own questions. Returns for each the cost of an answer and the answers a
/// second in all rounds; `None` if the client lost too many answers of it.
pub(crate) fn in_turn(
    contests: &[(&Server, &Path)],
    transport: Transport,
    rounds: usize,
) -> Vec<Option<(Rounds, Rounds)>> {
    let mut works: Vec<Vec<Work>> = contests.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let mut turns: Vec<usize> = (0..contests.len()).collect();
        // In every other round they come in reverse.
        if round % 2 == 1 {
            turns.reverse();
        }
        for turn in turns {
            let (server, questions) = contests[turn];
            works[turn].extend(measure(server, questions, transport));
        }
    }
    let rounds_of = |works: Vec<Work>| {
        let of = |of: fn(&Work) -> f64| Rounds::new(works.iter().map(of).collect());
        (works.len() == rounds).then(|| (of(|work| work.cost), of(|work| work.rate)))
    };
    works.into_iter().map(rounds_of).collect()
}

/// Asks each question of a file once, 32 at a time.
pub(crate) fn ask_once(server: &Server, questions: &Path) {
    let text = dnsperf(server, questions, Transport::Udp, &["-n", "1", "-c", "1", "-q", "32", "-t", "30"]);
    assert!(number(&text, "Queries lost:") < number(&text, "Queries completed:") / 100.0, "{text}");
}

fn dnsperf(server: &Server, questions: &Path, transport: Transport, options: &[&str]) -> String {
    let output = Command::new("taskset")
        .args(["-c", PROCESSOR, "dnsperf", "-s", "127.0.0.1", "-B", "-d"])
        .arg(questions)
        .args(transport.options(server))
        .args(options)
        .output()
        .expect("dnsperf runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn number(text: &str, label: &str) -> f64 {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(label)).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}
