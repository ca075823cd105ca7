//! Draws, as `explain` tells them, and as they come out.

use serde_json::{Value, json};

use crate::{ZONE, assert_near, edited, told, world};

#[test]
fn explain_tells_weights_and_the_probability_of_each_outcome() {
    let files = world(ZONE);
    let ran = files.run("explain api.gslb.example.com --client 10.1.2.3");
    for line in [
        "web/fra: 2 of 2 A open, 1 of 1 AAAA open, weight 90\n",
        "chosen    by a draw (usable)\n",
        " 90.00 %  web/fra\n",
        " 10.00 %  green\n",
    ] {
        assert!(ran.stdout.contains(line), "{line} is not told in:\n{}", ran.stdout);
    }
    let steering = told(&files.run("explain api.gslb.example.com --client 10.1.2.3 --json"))["steering"].clone();
    let outcomes = json!([{ "chosen": ["web/fra"], "probability": 0.9 }, { "chosen": ["green"], "probability": 0.1 }]);
    assert_eq!((&steering["outcomes"], &steering["exact"]), (&outcomes, &json!(true)));
    assert_eq!(steering["pools"][1]["weight"], 10);
    // Nothing is drawn where one is left.
    let steering =
        told(&files.run("explain api.gslb.example.com --client 10.1.2.3 --json --down pool:green"))["steering"].clone();
    assert_eq!((&steering["chosen"], &steering["outcomes"]), (&json!(["web/fra"]), &json!([])));
}

#[test]
fn two_datacenters_are_drawn_one_after_the_other() {
    let zone = edited(
        "[names.api]\npools = [{ pool = \"web/fra\", weight = 90 }, { pool = \"green\", weight = 10 }]",
        "[names.api]\ntake = 2\npools = [{ pool = \"web/fra\", weight = 3 }, { pool = \"web/iad\", weight = 2 }, { pool = \"web/sin\", weight = 1 }]",
    );
    let explained = told(&world(&zone).run("explain api.gslb.example.com --client 10.1.2.3 --json"));
    let outcomes = explained["steering"]["outcomes"].as_array().expect("a list");
    let probability =
        |pools: Value| &outcomes.iter().find(|outcome| outcome["chosen"] == pools).expect("it is told")["probability"];
    assert_near(probability(json!(["web/fra", "web/iad"])), 7.0 / 12.0);
    assert_near(probability(json!(["web/fra", "web/sin"])), 4.0 / 15.0);
    assert_near(probability(json!(["web/iad", "web/sin"])), 3.0 / 20.0);
}

/// The shares that are computed are those of the answers that are given.
#[test]
fn what_a_node_answers_is_what_was_computed() {
    let files = world(ZONE);
    let simulated = told(&files.run("simulate --json api.gslb.example.com"));
    let green = simulated["names"][0]["places"][1]["before"].as_f64().expect("a share");
    let node = files.serve();
    let mut asker = node.asker();
    let mut drawn = 0;
    for _ in 0..2000 {
        let reply = asker.ask("api.gslb.example.com", hickory_proto::rr::RecordType::A, None);
        drawn += u32::from(
            crate::harness::addresses(&reply) == ["127.2.0.9".parse::<std::net::IpAddr>().expect("an address")],
        );
    }
    // Five standard deviations of 2000 draws are 67.
    let expected = 2000.0 * green;
    assert!((f64::from(drawn) - expected).abs() < 67.0, "{drawn}, not {expected}");
}
