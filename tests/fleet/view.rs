//! `truenorth fleet` and `/v1/fleet`: who is there, what they run, and what they differ about.

use serde_json::Value;

use crate::fleet::{FRA, Fleet, expect_shape};
use crate::wait_until;

fn view(fleet: &Fleet, node: usize) -> Value {
    let text = fleet.streets.command(fleet.name(node), &fleet.nodes[node].0, &["fleet", "--json"]);
    let view = serde_json::from_str(&text).expect("the view is JSON");
    expect_shape(&view, "FleetView");
    view
}

fn text(fleet: &Fleet, node: usize) -> String {
    fleet.streets.command(fleet.name(node), &fleet.nodes[node].0, &["fleet"])
}

#[test]
fn nodes_tell_what_they_run_and_what_they_differ_about() {
    let Some(mut fleet) = Fleet::start() else { return };
    // The first two have the same files; those of the third one list the same in another order.
    wait_until("each knows what the others run", || {
        let view = view(&fleet, 0);
        let points = view["fleet"]["vantage_points"].as_array().expect("a list");
        points.len() == 3
            && points.iter().all(|point| point["configuration"].is_string() && point["version"].is_string())
    });
    let seen = view(&fleet, 0);
    let of = |node: usize| seen["fleet"]["vantage_points"][node]["configuration"].clone();
    assert_eq!(of(0), of(1));
    assert_ne!(of(0), of(2));
    let zone = &seen["zones"][0];
    assert_eq!((zone["zone"].as_str(), seen["zones"].as_array().map(Vec::len)), (Some("example.com."), Some(1)));
    assert!(zone["others"].as_array().expect("a list").iter().any(|other| other["node"] == "ns3"), "{zone:#}");
    assert_eq!(seen["disputed"], Value::Array(Vec::new()));
    assert!(text(&fleet, 0).contains("endpoints: all vantage points see the same"));

    // A reload with a zone more: all nodes know of it in a moment.
    let files = &fleet.nodes[1].0;
    files.write("zones/example.net.toml", "[nameservers]\nns1 = [\"127.0.0.1\"]\n[soa]\nserial = 7\n");
    fleet.streets.command("ns2", files, &["reload"]);
    for node in [0, 2] {
        wait_until("the others know of the new zone", || {
            let zones = view(&fleet, node)["zones"].clone();
            zones[1]["zone"] == "example.net." && zones[1]["others"][0]["node"] == "ns2"
        });
    }
    let zone = view(&fleet, 0)["zones"][1].clone();
    assert_eq!((zone["serial"].as_u64(), zone["others"][0]["serial"].as_u64()), (None, Some(7)), "{zone:#}");
    let seen = text(&fleet, 0);
    assert!(seen.contains("zones: nodes serve them differently"), "{seen}");
    let line = seen.lines().find(|line| line.starts_with("example.net.")).expect("it is listed");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["example.net.", "none", "ns2", "7"]);

    // One loses its path: the others tell who sees what.
    fleet.streets.lose("ns1", "fra", &FRA);
    fleet.nodes[0].1.log.wait_for("the fleet does not");
    wait_until("the third one knows of both", || view(&fleet, 2)["disputed"].as_array().map(Vec::len) == Some(2));
    let disputed = view(&fleet, 2)["disputed"][0].clone();
    assert_eq!((disputed["check"].as_str(), disputed["pools"][0].as_str()), (Some("tcp"), Some("sites/fra")));
    assert_eq!((&disputed["agreement"]["state"], &disputed["agreement"]["quorum"]), (&"up".into(), &2.into()));
    let says = |number: usize| disputed["agreement"]["witnesses"][number]["state"].as_str();
    assert_eq!([says(0), says(1), says(2)], [Some("down"), Some("up"), Some("up")], "{disputed:#}");
    let seen = text(&fleet, 2);
    assert!(seen.contains("endpoints: vantage points differ") && seen.contains("  ns1: down for"), "{seen}");

    // One that stops is shown as such, and then no more.
    let (_, node) = fleet.nodes.remove(2);
    assert_eq!(node.terminate().code(), Some(0));
    wait_until("it is known to stop", || text(&fleet, 0).contains("for now: it stops"));
    wait_until("it is forgotten", || view(&fleet, 0)["fleet"]["vantage_points"].as_array().map(Vec::len) == Some(2));
}
