//! The time for which a failed endpoint is still in answers.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Asker, Files, SERVER, addresses, member};

const INTERVAL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_millis(400);
const FALL: u32 = 2;

/// Allowance for the node beside the time of its monitor, on an idle machine.
const CALM_SLACK: Duration = Duration::from_millis(100);

/// The same while other tests run.
const BUSY_SLACK: Duration = Duration::from_secs(20);

/// Maximum time that a test waits for an event, whatever the bound.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two endpoints, one of which dies and comes back.
struct Pair {
    mortal: Endpoint,
    _other: Endpoint,
    asker: Asker,
    _node: crate::harness::Node,
}

impl Pair {
    fn start() -> Self {
        let start =
            |address: &str| Endpoint::start((address.parse::<IpAddr>().unwrap(), 0).into(), Script::status(200));
        let (mortal, other) = (start("127.23.0.1"), start("127.23.0.2"));
        let zone = format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"http\"\ninterval = \"{}ms\"\ntimeout = \"{}ms\"\n\
             fall = {FALL}\nrise = 1\n[pools.web]\nmonitor = \"web\"\nendpoints = [{}, {}]\n[names.www]\npools = [\"web\"]\n",
            INTERVAL.as_millis(),
            TIMEOUT.as_millis(),
            member(mortal.address()),
            member(other.address())
        );
        let node = Files::new(SERVER, &[("example.com.toml", &zone)]).serve();
        Self { mortal, _other: other, asker: node.asker(), _node: node }
    }

    fn is_answered(&mut self) -> bool {
        let reply = self.asker.ask("www.example.com.", RecordType::A, None);
        addresses(&reply).contains(&self.mortal.address().ip())
    }

    /// Returns the time from the endpoint's failure to the last answer that contains it.
    fn fall(&mut self, die: impl Fn(&mut Endpoint)) -> Duration {
        let begun = Instant::now();
        while !self.is_answered() {
            assert!(begun.elapsed() < PATIENCE, "it does not come back");
            thread::sleep(INTERVAL / 10);
        }
        // Waits for a random part of the interval, because it may fail at any moment between two probes.
        thread::sleep(INTERVAL.mul_f64(fastrand::f64()));
        die(&mut self.mortal);
        let died = Instant::now();
        let mut last = Duration::ZERO;
        while self.is_answered() {
            last = died.elapsed();
            assert!(last < PATIENCE, "it stays in the answers");
        }
        last
    }
}

/// Lets the endpoint refuse and hang by turns. Returns the longest time of a fall.
fn longest_of(falls: u32) -> Duration {
    let mut pair = Pair::start();
    let mut longest = Duration::ZERO;
    for number in 0..falls {
        if number % 2 == 0 {
            longest = longest.max(pair.fall(Endpoint::stop_listening));
            pair.mortal.listen_again();
        } else {
            longest = longest.max(pair.fall(|endpoint| endpoint.play(Script::hang())));
            pair.mortal.play(Script::status(200));
        }
    }
    println!("the longest of {falls} falls took {longest:?}");
    longest
}

#[test]
fn an_endpoint_that_died_leaves_the_answers_in_time() {
    assert!(longest_of(6) <= INTERVAL * FALL + TIMEOUT + BUSY_SLACK);
}

#[test]
#[ignore = "a minute and a half, and it wants the machine for itself: cargo test --release --test live fifty -- --ignored"]
fn fifty_deaths_and_none_is_answered_for_longer_than_the_monitor_says() {
    assert!(longest_of(50) <= INTERVAL * FALL + TIMEOUT + CALM_SLACK);
}
