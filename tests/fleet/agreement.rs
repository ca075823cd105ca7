//! Nodes agree on what is down, and each goes on alone when it is cut off.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::{FRA, Fleet, HUB, IAD, expect_shape, probes};
use crate::wait_until;

#[test]
fn one_sick_path_fails_nothing_over_and_two_fail_it_over_everywhere() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.streets.lose("ns1", "fra", &FRA);
    for _ in FRA {
        let line = fleet.nodes[0].1.log.wait_for("this node's probes see the endpoint down, the fleet does not");
        assert!(line.contains("1 of 3 vantage points see it down: ns1"), "{line}");
    }
    thread::sleep(Duration::from_secs(3));
    for node in 0..3 {
        assert_eq!(fleet.ask(node), FRA);
        assert_eq!(fleet.told(node, "endpoint is down"), 0);
    }
    let status = fleet.status(0);
    assert_eq!(status["fleet"]["overruled"], 2, "{:#}", status["fleet"]);
    let text = fleet.streets.command("ns1", &fleet.nodes[0].0, &["status"]);
    assert!(text.contains("the others overrule this node's own view of 2 probes"), "{text}");
    assert!(text.contains("connected to hub-10.88.0.9 (nats-server"), "{text}");

    // The second of three loses it: all of them go elsewhere.
    fleet.streets.lose("ns2", "fra", &FRA);
    wait_until("ns2 fails over", || fleet.ask(1) == IAD);
    let agreed = Instant::now();
    fleet.wait_for(&IAD, &[0, 2]);
    assert!(agreed.elapsed() < Duration::from_secs(1), "{:?} after ns2", agreed.elapsed());
    for node in 0..3 {
        let line = fleet.nodes[node].1.log.wait_for("endpoint is down");
        assert!(line.contains("2 of 3 vantage points see it down: ns1, ns2"), "{line}");
    }
    // The third one tells who saw it, though its own probes see it up.
    let status = fleet.status(2);
    expect_shape(&status, "Status");
    let down: Vec<Value> = probes(&status).into_iter().filter(|probe| probe["fleet"]["state"] == "down").collect();
    assert_eq!(down.len(), 2, "{:#}", status["pools"]);
    for probe in &down {
        assert_eq!((&probe["state"], &probe["fleet"]["quorum"]), (&"up".into(), &2.into()), "{probe:#}");
        let states: Vec<&str> =
            probe["fleet"]["witnesses"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["down", "down", "up"]);
    }
    let words = ["explain", "www.example.com", "--client", "192.0.2.0/24"];
    let text = fleet.streets.command("ns3", &fleet.nodes[2].0, &words);
    assert!(text.contains("2 of 3 vantage points see it down: ns1, ns2; here: ok in"), "{text}");
    let text = fleet.streets.command("ns3", &fleet.nodes[2].0, &["events"]);
    assert!(text.contains("2 of 3 vantage points see it down: ns1, ns2"), "{text}");

    fleet.streets.find("ns1", "fra");
    fleet.wait_for(&FRA, &[0, 1, 2]);
    fleet.streets.find("ns2", "fra");
    for node in 0..3 {
        wait_until("nobody is overruled any more", || fleet.status(node)["fleet"]["overruled"] == 0);
        assert_eq!(fleet.ask(node), FRA);
        assert_eq!((fleet.told(node, "endpoint is down"), fleet.told(node, "WARN node")), (2, 0));
    }
}

#[test]
fn a_node_that_is_cut_off_goes_on_by_its_own_eyes_and_heals_without_flapping() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.streets.lose("ns1", "fra", &FRA);
    fleet.nodes[0].1.log.wait_for("the fleet does not");
    assert_eq!(fleet.ask(0), FRA);
    // Now it hears nobody either, and nothing tells it: the cable is cut beyond its own network.
    fleet.streets.lose("ns1", "nats", &[HUB]);
    fleet.nodes[0].1.log.wait_for("no other node is heard any more");
    fleet.wait_for(&IAD, &[0]);
    assert_eq!((fleet.ask(1), fleet.ask(2)), (FRA.map(str::to_owned).to_vec(), FRA.map(str::to_owned).to_vec()));
    wait_until("the others no longer count on it", || fleet.heard(1) == 2);
    wait_until("its status says why", || fleet.status(0)["fleet"]["connected"] == false);
    let text = fleet.streets.command("ns1", &fleet.nodes[0].0, &["status"]);
    assert!(text.contains("ns1 is not connected for"), "{text}");

    fleet.streets.find("ns1", "nats");
    fleet.wait_for(&FRA, &[0]);
    fleet.wait_for_company();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(fleet.ask(0), FRA);
    // Each of the two endpoints fell once, alone, and rose once, with the others.
    let turns = |fleet: &mut Fleet, text: &str| fleet.told(0, text);
    let before = turns(&mut fleet, "endpoint is up");
    assert_eq!(turns(&mut fleet, "endpoint is down"), 2, "{:#?}", fleet.nodes[0].1.log.lines());
    fleet.streets.find("ns1", "fra");
    wait_until("its own probes see what the others see", || fleet.status(0)["fleet"]["overruled"] == 0);
    assert_eq!(turns(&mut fleet, "endpoint is up"), before);
    for node in [1, 2] {
        assert_eq!(fleet.told(node, "endpoint is down"), 0);
    }
}

#[test]
fn without_their_server_all_go_on_and_meet_again() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.streets.lose("ns1", "iad", &IAD);
    fleet.nodes[0].1.log.wait_for("the fleet does not");
    fleet.nats[0].kill();
    for node in 0..3 {
        fleet.nodes[node].1.log.wait_for("not connected to the fleet");
        fleet.nodes[node].1.log.wait_for("no other node is heard any more");
        assert_eq!(fleet.ask(node), FRA);
    }
    // Alone, the first one believes its own eyes.
    wait_until("ns1 sees it down", || fleet.told(0, "endpoint is down") == 1);
    fleet.nats[0].start_again();
    for node in 0..3 {
        fleet.nodes[node].1.log.wait_for("INFO connected to the fleet");
    }
    fleet.wait_for_company();
    wait_until("ns1 believes the others", || fleet.status(0)["fleet"]["overruled"] == 1);
    for node in 0..3 {
        assert_eq!(fleet.ask(node), FRA);
        assert_eq!(fleet.told(node, "endpoint is down"), usize::from(node == 0));
    }
    // One that stops says so: nobody waits for its silence.
    let (_, node) = fleet.nodes.remove(2);
    assert_eq!(node.terminate().code(), Some(0));
    for node in 0..2 {
        fleet.nodes[node].1.log.wait_for("node ns3 left: it stops");
    }
}

#[test]
fn two_clusters_that_are_parted_decide_on_their_own_and_join_again() {
    let Some(mut fleet) = Fleet::with_leaf() else { return };
    for node in ["ns3", "ns4"] {
        fleet.streets.lose(node, "fra", &FRA);
    }
    for node in [2, 3] {
        wait_until("two of four are overruled", || fleet.status(node)["fleet"]["overruled"] == 2);
    }
    for node in 0..4 {
        assert_eq!((fleet.ask(node), fleet.told(node, "endpoint is down")), (FRA.map(str::to_owned).to_vec(), 0));
    }
    fleet.streets.lose("leaf", "nats", &[HUB]);
    fleet.wait_for(&IAD, &[2, 3]);
    for (node, count) in [(0, 2), (1, 2), (2, 2), (3, 2)] {
        wait_until("each hears its own part", || fleet.heard(node) == count);
        assert_eq!(fleet.status(node)["fleet"]["connected"], true);
    }
    for node in [0, 1] {
        assert_eq!((fleet.ask(node), fleet.told(node, "endpoint is down")), (FRA.map(str::to_owned).to_vec(), 0));
    }
    fleet.streets.find("leaf", "nats");
    fleet.wait_for_company();
    fleet.wait_for(&FRA, &[0, 1, 2, 3]);
    for node in [2, 3] {
        assert_eq!(fleet.told(node, "endpoint is down"), 2, "{:#?}", fleet.nodes[node].1.log.lines());
    }
}
