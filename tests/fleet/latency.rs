//! The probes of all nodes, and what clients push to one of them, steer on all.

use serde_json::Value;

use crate::fleet::{Fleet, expect_shape};
use crate::harness::shipped_database;
use crate::wait_until;

/// A client in the Netherlands, for every database.
const CLIENT: &str = "193.0.6.0/24";

fn explain(fleet: &Fleet, node: usize) -> String {
    let words = ["explain", "near.example.com", "--client", CLIENT];
    fleet.streets.command(fleet.name(node), &fleet.nodes[node].0, &words)
}

#[test]
fn what_one_node_measures_or_hears_of_clients_counts_on_all() {
    let database = shipped_database();
    let Some(mut fleet) = Fleet::start_with(&format!("[geoip]\ndatabases = [\"{}\"]\n", database.display())) else {
        return;
    };
    fleet.wait_for_company();
    // All of them stand in Frankfurt: the first by name speaks for clients around them.
    let mut sentence = None;
    for node in 0..3 {
        wait_until("the probes correct the estimates", || {
            let told = explain(&fleet, node);
            let line =
                told.lines().find(|line| line.contains("estimated from the distance, corrected by the probes of ns1"));
            sentence = line.map(str::to_owned);
            line.is_some_and(|line| line.trim_start().starts_with("iad ") || line.contains(" iad "))
        });
    }
    let sentence = sentence.expect("the last one told it");
    for node in 0..3 {
        wait_until("all have the same value", || explain(&fleet, node).contains(sentence.trim()));
    }
    wait_until("each node tells its round trips", || {
        let text = fleet.streets.command("ns2", &fleet.nodes[1].0, &["fleet", "--json"]);
        let view: Value = serde_json::from_str(&text).expect("the view is JSON");
        expect_shape(&view, "FleetView");
        let points = view["fleet"]["vantage_points"].as_array().cloned().unwrap_or_default();
        let is_measured = |point: &&Value| ["fra", "iad"].iter().all(|place| point["rtts_ms"][place].is_number());
        points.iter().filter(is_measured).count() == 3
    });
    let text = fleet.streets.command("ns2", &fleet.nodes[1].0, &["fleet"]);
    assert!(text.contains("latency: milliseconds from each node\nNODE  fra"), "{text}");

    // A client's measurements come first, wherever they were pushed.
    let line = "{\"client\": \"193.0.6.139\", \"datacenter\": \"iad\", \"rtt_ms\": 33}\n";
    fleet.streets.push("ns2", &fleet.nodes[1].0, &line.repeat(16));
    for node in 0..3 {
        wait_until("all nodes know them", || {
            explain(&fleet, node).contains("iad 33.0 ms, measured for 193.0.6.0/24: mean 33.0 ms of 16 samples")
        });
    }
}
