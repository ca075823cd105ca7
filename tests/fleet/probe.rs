//! `truenorth probe`: a node that observes, and answers nothing.

use std::fs;
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use crate::fleet::{FRA, Fleet, IAD, expect_shape};
use crate::harness::{Files, SERVER};
use crate::{PATIENCE, wait_until};

/// Most memory that the process takes for itself, in KiB. The pages of the program's file come on top of that.
const MOST_KIB: u64 = 12 * 1024;

/// How the first node sees the third one.
fn third(fleet: &Fleet) -> Value {
    let text = fleet.streets.command("ns1", &fleet.nodes[0].0, &["fleet", "--json"]);
    let view: Value = serde_json::from_str(&text).expect("the view is JSON");
    expect_shape(&view, "FleetView");
    let points = view["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
    points.into_iter().find(|point| point["node"] == "ns3").unwrap_or_default()
}

/// Waits for a message of the process to systemd with these words.
fn wait_for(manager: &UnixDatagram, words: &str) -> String {
    loop {
        let mut octets = [0; 4096];
        let length = manager.recv(&mut octets).unwrap_or_else(|error| panic!("no `{words}`: {error}"));
        let message = String::from_utf8_lossy(&octets[..length]).into_owned();
        if message.contains(words) {
            return message;
        }
    }
}

#[test]
fn a_node_that_only_observes_is_a_vantage_point_like_the_others() {
    let Some(mut fleet) = Fleet::start() else { return };
    // The third one stops to serve, and observes with the same files.
    let (files, node) = fleet.nodes.remove(2);
    assert_eq!(node.terminate().code(), Some(0));
    let path = files.path("notify.sock");
    let manager = UnixDatagram::bind(&path).expect("the folder is writable");
    manager.set_read_timeout(Some(PATIENCE)).expect("it can wait");
    let mut probe = files.observe_in(&fleet.streets.namespace("ns3"), ("NOTIFY_SOCKET", &path));
    assert!(wait_for(&manager, "READY=1").contains("observing, 3 probes"));
    assert_eq!(fleet.streets.listeners("ns3"), "", "it has no sockets for queries");
    wait_until("the others see that it observes", || {
        let point = third(&fleet);
        point["observes"] == true && point["weight"] == "counts" && point["in_step"] == true && point["probes"] == 3
    });
    let text = fleet.streets.command("ns1", &fleet.nodes[0].0, &["fleet"]);
    assert!(text.contains("yes, it only observes"), "{text}");
    wait_until("it measures round trips", || third(&fleet)["rtts_ms"]["fra"].is_number());

    // What it sees counts: with one that serves it is a majority.
    fleet.streets.lose("ns3", "fra", &FRA);
    wait_until("it sees them down", || third(&fleet)["down"] == 2);
    assert_eq!((fleet.ask(0), fleet.told(0, "endpoint is down")), (FRA.map(str::to_owned).to_vec(), 0));
    fleet.streets.lose("ns1", "fra", &FRA);
    fleet.wait_for(&IAD, &[0, 1]);
    let line = fleet.nodes[1].1.log.wait_for("endpoint is down");
    assert!(line.contains("2 of 3 vantage points see it down: ns1, ns3"), "{line}");
    fleet.streets.find("ns1", "fra");
    fleet.streets.find("ns3", "fra");
    fleet.wait_for(&FRA, &[0, 1]);

    // It reads its files again, and tells what it has.
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[soa]\nserial = 7\n";
    files.write("zones/example.net.toml", zone);
    probe.log.wait_for("configuration reloaded reason=\"file changed\" zones=2");
    wait_for(&manager, "RELOADING=1");
    assert!(!wait_for(&manager, "READY=1").contains("failed"));
    wait_until("the others know of the zone", || {
        fleet.streets.command("ns1", &fleet.nodes[0].0, &["fleet"]).contains("example.net.")
    });
    files.write("zones/example.net.toml", "[");
    probe.log.wait_for("configuration not reloaded");
    assert!(wait_for(&manager, "READY=1").contains("the last reload failed"));
    files.write("zones/example.net.toml", zone);
    probe.log.wait_for("configuration reloaded reason=\"file changed\" zones=2");
    probe.signal("HUP");
    probe.log.wait_for("configuration reloaded reason=\"signal\"");

    let status = fs::read_to_string(format!("/proc/{}/status", probe.pid())).expect("it runs");
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    let own: u64 = own.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("a node that only observes takes {own} KiB");
    assert!(own < MOST_KIB, "{own} KiB");

    assert_eq!(probe.terminate().code(), Some(0));
    wait_for(&manager, "STOPPING=1");
    fleet.nodes[0].1.log.wait_for("node ns3 left: it stops");
}

#[test]
fn without_a_fleet_it_says_what_it_needs() {
    let files = Files::new(SERVER, &[("example.com.toml", "[nameservers]\nns1 = [\"127.0.0.1\"]\n")]);
    let ran = files.run("probe");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("has no `[fleet]`: a node that only observes needs other nodes"), "{}", ran.stderr);
}
