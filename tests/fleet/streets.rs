//! A small internet: network namespaces around a bridge. They vanish with it.

use std::process::{Command, Output, id};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{Files, Node, cannot};

/// The place where all cables meet.
const HUB: &str = "hub";

/// Namespaces by their short names, each with a cable to the bridge.
pub(crate) struct Streets {
    number: u32,
    places: Vec<String>,
}

impl Streets {
    /// Makes a namespace for each place, with its addresses in 10.88.0.0/24. `None` if the system forbids it and tests may
    /// be skipped.
    pub(crate) fn pave(places: &[(&str, &[&str])]) -> Option<Self> {
        // Several tests of this process do this at the same time.
        static PAVED: AtomicU32 = AtomicU32::new(0);
        let mut streets = Self { number: PAVED.fetch_add(1, Ordering::Relaxed), places: vec![HUB.to_owned()] };
        let hub = streets.namespace(HUB);
        let mut is_laid = ip(&format!("netns add {hub}"))
            && ip(&format!("-n {hub} link add bridge type bridge"))
            && ip(&format!("-n {hub} link set bridge up"));
        for (place, addresses) in places {
            streets.places.push((*place).to_owned());
            let here = streets.namespace(place);
            is_laid = is_laid
                && ip(&format!("netns add {here}"))
                && ip(&format!("-n {here} link add wire type veth peer name to-{place} netns {hub}"))
                && ip(&format!("-n {hub} link set to-{place} master bridge"))
                && ip(&format!("-n {hub} link set to-{place} up"))
                && addresses.iter().all(|address| ip(&format!("-n {here} address add {address}/24 dev wire")))
                && ip(&format!("-n {here} link set lo up"))
                && ip(&format!("-n {here} link set wire up"));
        }
        if !is_laid {
            cannot("network namespaces need root and iproute2");
        }
        is_laid.then_some(streets)
    }

    pub(crate) fn namespace(&self, place: &str) -> String {
        format!("truenorth-fleet-{place}-{}-{}", id(), self.number)
    }

    /// Drops everything that a place sends to the addresses of another one. Nothing tells the sender.
    pub(crate) fn lose(&self, place: &str, other: &str, addresses: &[&str]) {
        self.nft(place, &format!("add table inet {other}"));
        self.nft(place, &format!("add chain inet {other} out {{ type filter hook postrouting priority 0; }}"));
        for address in addresses {
            self.nft(place, &format!("add rule inet {other} out ip daddr {address} drop"));
        }
    }

    /// No longer drops what a place sends to another one.
    pub(crate) fn find(&self, place: &str, other: &str) {
        self.nft(place, &format!("delete table inet {other}"));
    }

    fn nft(&self, place: &str, rule: &str) {
        let ran = self.run(place, &["nft", rule]);
        assert!(ran.status.success(), "{rule}: {ran:?}");
    }

    fn run(&self, place: &str, words: &[&str]) -> Output {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(place)]).args(words);
        command.output().expect("there is ip")
    }

    /// Returns the addresses that a node at a place answers with, sorted.
    pub(crate) fn ask(&self, place: &str, node: &Node) -> Vec<String> {
        let at = node.address();
        let (server, port) = (format!("@{}", at.ip()), at.port().to_string());
        let words = ["dig", "-r", &server, "-p", &port, "+noall", "+answer", "www.example.com", "A"];
        let text = String::from_utf8(self.run(place, &words).stdout).expect("text");
        // On a busy machine dig may say in a comment that it asks again.
        let lines = text.lines().filter(|line| !line.starts_with(';'));
        let mut addresses: Vec<String> =
            lines.filter_map(|line| line.split_whitespace().nth(4)).map(str::to_owned).collect();
        addresses.sort();
        addresses
    }

    /// The sockets at a place that wait for packets or connections.
    pub(crate) fn listeners(&self, place: &str) -> String {
        String::from_utf8(self.run(place, &["ss", "-Hlntu"]).stdout).expect("text")
    }

    /// Pushes round trips of clients to the node with these files.
    pub(crate) fn push(&self, place: &str, files: &Files, lines: &str) {
        let socket = files.path("admin.sock");
        let socket = socket.to_str().expect("temporary folders have plain names");
        let url = "http://localhost/v1/latency";
        let ran = self.run(place, &["curl", "-s", "--fail", "--unix-socket", socket, "--data-binary", lines, url]);
        assert!(ran.status.success(), "{ran:?}");
    }

    /// Runs a command of the program at a place, on these files.
    pub(crate) fn command(&self, place: &str, files: &Files, words: &[&str]) -> String {
        let config = files.path("truenorth.toml");
        let config = config.to_str().expect("temporary folders have plain names");
        let words: Vec<&str> = [env!("CARGO_BIN_EXE_truenorth")].into_iter().chain(words.iter().copied()).collect();
        let ran = self.run(place, &[&words[..], &["--config", config]].concat());
        assert!(!ran.stdout.is_empty(), "{words:?}: {ran:?}");
        String::from_utf8(ran.stdout).expect("text")
    }
}

impl Drop for Streets {
    fn drop(&mut self) {
        for place in &self.places {
            ip(&format!("netns delete {}", self.namespace(place)));
        }
    }
}

fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).output().is_ok_and(|output| output.status.success())
}
