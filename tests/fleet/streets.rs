//! A small internet: network namespaces around a bridge. They vanish with it.

use std::process::{Command, Output};

use crate::harness::netns::{Namespaces, if_permitted, ip};
use crate::harness::{Files, Node};

/// The place where all cables meet.
const HUB: &str = "hub";

/// Namespaces, each with a cable to the bridge.
pub(crate) struct Streets(Namespaces);

impl Streets {
    /// Makes a namespace for each place, with its addresses in 10.88.0.0/24. `None` if the system forbids it and tests may
    /// be skipped.
    pub(crate) fn pave(places: &[(&str, &[&str])]) -> Option<Self> {
        let mut namespaces = Namespaces::new("fleet");
        let hub = namespaces.name(HUB);
        let mut is_laid = namespaces.add(HUB)
            && ip(&format!("-n {hub} link add bridge type bridge"))
            && ip(&format!("-n {hub} link set bridge up"));
        for (place, addresses) in places {
            let here = namespaces.name(place);
            is_laid = is_laid
                && namespaces.add(place)
                && ip(&format!("-n {here} link add wire type veth peer name to-{place} netns {hub}"))
                && ip(&format!("-n {hub} link set to-{place} master bridge"))
                && ip(&format!("-n {hub} link set to-{place} up"))
                && addresses.iter().all(|address| ip(&format!("-n {here} address add {address}/24 dev wire")))
                && ip(&format!("-n {here} link set lo up"))
                && ip(&format!("-n {here} link set wire up"));
        }
        if_permitted(is_laid, Self(namespaces))
    }

    pub(crate) fn namespace(&self, place: &str) -> String {
        self.0.name(place)
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
