//! Few nodes probe each endpoint, and all follow them.

use serde_json::Value;

use crate::fleet::{FRA, Fleet, expect_shape, probes};
use crate::wait_until;

/// The endpoints in the status of a node, in order: each with the nodes that are assigned to it, and whether this one has
/// probed it.
fn shares(status: &Value) -> Vec<(String, Vec<String>, bool)> {
    let share = |probe: &Value| {
        let nodes = probe["fleet"]["assigned"].as_array().cloned().unwrap_or_default();
        let nodes = nodes.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        (probe["target"].as_str().unwrap_or_default().to_owned(), nodes, probe["seen"].is_string())
    };
    let mut all: Vec<_> = probes(status).iter().map(share).collect();
    all.sort();
    all
}

#[test]
fn two_of_three_probe_each_endpoint_and_all_follow_them() {
    let Some(mut fleet) = Fleet::start_with("vantages = 2\n") else { return };
    let names = ["ns1", "ns2", "ns3"];
    wait_until("each endpoint has its two nodes, and nobody else probes it", || {
        let all: Vec<_> = (0..3).map(|node| shares(&fleet.status(node))).collect();
        (0..3).all(|endpoint| {
            let (_, assigned, _) = &all[0][endpoint];
            assigned.len() == 2
                && all.iter().zip(names).all(|(node, name)| {
                    node[endpoint].1 == *assigned && node[endpoint].2 == assigned.iter().any(|it| it == name)
                })
        })
    });
    expect_shape(&fleet.status(0), "Status");
    for node in 0..3 {
        assert_eq!(fleet.ask(node), FRA);
    }
    // Somebody does not probe the first endpoint, and says so.
    let (_, assigned, _) = shares(&fleet.status(0))[0].clone();
    let idle = names.iter().position(|name| !assigned.iter().any(|it| it == name)).expect("two of three are assigned");
    let text = fleet.streets.command(names[idle], &fleet.nodes[idle].0, &["status", "--all"]);
    assert!(text.contains(&format!("not probed here; probed by {}", assigned.join(", "))), "{text}");

    // Both of its nodes lose their path: it is down for all, also for the one that never probed it.
    for name in &assigned {
        fleet.streets.lose(name, "fra", &FRA);
    }
    wait_until("the idle one follows", || !fleet.ask(idle).contains(&FRA[0].to_owned()));
    let line = fleet.nodes[idle].1.log.wait_for("endpoint is down");
    assert!(line.contains("2 of 2 vantage points see it down"), "{line}");
    let words = ["explain", "www.example.com", "--client", "192.0.2.0/24"];
    let text = fleet.streets.command(names[idle], &fleet.nodes[idle].0, &words);
    assert!(text.contains(&format!("probed by {}", assigned.join(", "))), "{text}");

    // One of them is killed, and its paths are mended: others take over what it had.
    for name in &assigned {
        fleet.streets.find(name, "fra");
    }
    fleet.wait_for(&FRA, &[0, 1, 2]);
    let killed = names.iter().position(|name| *name == assigned[0]).expect("it is one of them");
    let (files, node) = fleet.nodes.remove(killed);
    drop(node);
    let rest: Vec<&str> = names.iter().copied().filter(|name| *name != names[killed]).collect();
    wait_until("the two others probe everything", || {
        fleet.nodes.iter().zip(&rest).all(|((files, _), name)| {
            let text = fleet.streets.command(name, files, &["status", "--json"]);
            let status: Value = serde_json::from_str(&text).expect("the status is JSON");
            let is_of_both = |nodes: &[String]| nodes.len() == 2 && nodes.iter().all(|node| rest.contains(&&**node));
            shares(&status).iter().all(|(_, nodes, is_seen)| is_of_both(nodes) && *is_seen)
        })
    });
    // It comes back, and all have their own again.
    let namespace = fleet.streets.namespace(names[killed]);
    let node = files.serve_in(&namespace);
    fleet.nodes.insert(killed, (files, node));
    wait_until("it has its endpoints again", || {
        [killed, idle].iter().all(|&node| shares(&fleet.status(node))[0].1 == assigned)
    });
    for node in 0..3 {
        assert_eq!(fleet.ask(node), FRA);
    }
}
