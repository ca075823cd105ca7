//! `truenorth demo --fleet`, with commands from the guide that it prints.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::Log;
use crate::wait_until;

const FRA: [&str; 2] = ["127.10.0.10", "127.10.0.11"];

/// A running demo of a fleet.
struct Demo {
    child: Child,
    out: Log,
    /// What the guide says, up to the line after which things happen.
    guide: Vec<String>,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_truenorth"))
            .args(["demo", "--fleet", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--http-port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut out = Log::read(child.stdout.take().expect("it is piped"));
        out.wait_for("all three nodes answer");
        let guide = out.lines().to_vec();
        Self { child, out, guide }
    }

    /// The command below the explanation with these words.
    fn command(&self, words: &str) -> String {
        let at = self.guide.iter().position(|line| line.contains(words));
        let at = at.unwrap_or_else(|| panic!("{words}: {:#?}", self.guide));
        self.guide[at + 1].trim().to_owned()
    }

    /// Runs a command of the guide; returns what it prints.
    fn type_in(&self, words: &str) -> String {
        let ran = Command::new("sh").args(["-c", &self.command(words)]).output().expect("there is a shell");
        assert!(ran.status.success(), "{words}: {ran:?}");
        String::from_utf8(ran.stdout).expect("text")
    }

    /// The addresses with which each node answers a client in the Netherlands, sorted.
    fn answers(&self) -> Vec<Vec<String>> {
        let all = self.command("whichever node it asks");
        let one = |dig: &str| {
            let ran = Command::new("sh").args(["-c", dig]).output().expect("there is a shell");
            let text = String::from_utf8(ran.stdout).expect("text");
            let mut addresses: Vec<String> =
                text.lines().filter(|line| !line.starts_with(';')).map(str::to_owned).collect();
            addresses.sort();
            addresses
        };
        all.split("; ").map(one).collect()
    }

    fn wait_for(&self, expected: [&[&str]; 3]) {
        wait_until(&format!("the nodes answer with {expected:?}"), || {
            self.answers().iter().zip(expected).all(|(answer, expected)| answer == expected)
        });
    }

    /// The fleet as the first node sees it.
    fn view(&self) -> Value {
        let command = format!("{} --json", self.command("The fleet as ns1 sees it"));
        let ran = Command::new("sh").args(["-c", &command]).output().expect("there is a shell");
        serde_json::from_slice(&ran.stdout).unwrap_or_default()
    }

    /// Waits until this many nodes know what the others see.
    fn wait_for_company(&self, count: usize) {
        wait_until("the nodes hear each other", || {
            let points = self.view()["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
            points.len() == count && points.iter().all(|point| point["in_step"] == true && point["probes"] != 0)
        });
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // If a test fails, the nodes end with the demo.
        let _ = Command::new("sh").args(["-c", &format!("kill {}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

#[test]
fn three_nodes_are_cut_and_mended_as_the_guide_says() {
    let mut demo = Demo::start();
    demo.wait_for_company(3);
    demo.wait_for([&FRA; 3]);
    assert!(demo.type_in("The fleet as ns1 sees it").contains("ns1 is connected to"));

    demo.type_in("For ns1: nothing happens");
    wait_until("they differ", || demo.view()["disputed"].as_array().is_some_and(|all| all.len() == 1));
    thread::sleep(Duration::from_secs(2));
    demo.wait_for([&FRA; 3]);
    demo.type_in("For ns2 too");
    demo.wait_for([&FRA[1..]; 3]);
    demo.out.wait_for("ns3  WARN endpoint is down");
    assert!(demo.type_in("who saw what").contains("2 of 3 vantage points see it down: ns1, ns2"));
    demo.type_in("Mend it for all");
    demo.wait_for([&FRA; 3]);

    demo.type_in("An order at ns1 counts at all");
    wait_until("all three follow the order", || {
        demo.answers().iter().all(|answer| !FRA.iter().any(|address| answer.iter().any(|got| got == address)))
    });
    demo.type_in("Take it back.");
    demo.wait_for([&FRA; 3]);

    demo.type_in("Cut ns1.");
    demo.wait_for_company(1);
    demo.type_in("it believes its own eyes");
    demo.wait_for([&FRA[..1], &FRA, &FRA]);
    demo.type_in("Join ns1 again");
    demo.wait_for([&FRA; 3]);
    demo.type_in("Mend the endpoint.");

    let folder = demo.command("The zone file.").split("/zones/").next().unwrap_or_default().to_owned();
    let nodes = || {
        let ran = Command::new("pgrep").args(["-f", &folder]).output().expect("there is pgrep");
        String::from_utf8(ran.stdout).expect("text").lines().count()
    };
    // Three, and the NATS server.
    assert_eq!(nodes(), 4);
    let stopped = Command::new("sh").args(["-c", &format!("kill {}", demo.child.id())]).status();
    assert!(stopped.expect("there is a shell").success());
    assert_eq!(demo.child.wait().expect("it ends").code(), Some(0));
    wait_until("its nodes end with it", || nodes() == 0);
    assert!(!Path::new(&folder).exists());
}
