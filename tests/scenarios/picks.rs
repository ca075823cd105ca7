//! How many addresses an answer has, and which: `take`, `answers`, `pick` and weights.

use hickory_proto::rr::RecordType::{A, AAAA, HTTPS};

use super::FRA;
use crate::scene::Scene;

/// One pool whose IPv4 weights differ, and one beside it without weights.
const MIXED: &str = "[pools.mixed]\nmonitor = \"web\"\n\
    endpoints.fra = [{ address = \"198.51.100.11\", weight = 3 }, \"198.51.100.12\", \"2001:db8:f::11\", \"2001:db8:f::12\"]\n\
    endpoints.iad = [\"192.0.2.11\", \"192.0.2.12\", \"192.0.2.13\"]\n";

#[test]
fn a_weight_in_one_pool_cuts_no_other_pool_and_no_other_family() {
    let mut scene = Scene::new(&format!("{MIXED}[names.www]\npools = [\"mixed\"]\n"));
    let mut heavy = 0;
    for _ in 0..400 {
        let reply = scene.ask("www", A, "10.1.7.0/24");
        assert_eq!(reply.data().len(), 1);
        heavy += u32::from(reply.data() == ["198.51.100.11"]);
    }
    // 300 of 400; the standard deviation is 9.
    assert!((250..350).contains(&heavy), "{heavy}");
    assert_eq!(scene.ask("www", A, "10.2.7.0/24").data().len(), 3);
    assert_eq!(scene.ask("www", AAAA, "10.1.7.0/24").data().len(), 2);
    // A pool that replaces another picks by itself, and so does the fallback.
    scene.down(&["198.51.100.11", "198.51.100.12", "2001:db8:f::11", "2001:db8:f::12"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data().len(), 3);
    let fallback = "[pools.last]\nendpoints = [{ address = \"192.0.2.98\", weight = 2 }, \"192.0.2.99\"]\n";
    let mut scene = Scene::new(&format!("{fallback}[names.www]\npools = [\"web\"]\nfallback = \"last\"\n"));
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data().len(), 2);
    scene.order("drain name:www.example.com");
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data().len(), 1);
}

#[test]
fn pools_that_answer_together_pick_each_for_itself() {
    let mut scene = Scene::new(&format!("{MIXED}[names.www]\npools = [\"mixed\"]\nsteer = []\n"));
    let mut firsts = std::collections::HashMap::new();
    for _ in 0..400 {
        let data = scene.ask("www", A, "").data();
        assert_eq!(data.iter().filter(|address| address.starts_with("198.51.100.")).count(), 1, "{data:?}");
        assert_eq!(data.len(), 4);
        *firsts.entry(data[0].clone()).or_insert(0) += 1;
    }
    assert_eq!([11, 12, 13].map(|n| firsts[&format!("192.0.2.{n}")]), [100; 3], "they take turns");
    // The name's `pick` applies to all of its pools.
    for (keys, lengths) in [
        ("pick = \"rotate\"\n", [2, 3]),
        ("pick = \"weighted\"\n", [1, 1]),
        ("answers = 2\n", [2, 2]),
        ("pick = \"weighted\"\nanswers = 3\n", [2, 3]),
    ] {
        let mut scene = Scene::new(&format!("{MIXED}[names.www]\npools = [\"mixed\"]\n{keys}"));
        let asked = ["10.1.7.0/24", "10.2.7.0/24"].map(|client| scene.ask("www", A, client).data().len());
        assert_eq!(asked, lengths, "{keys}");
    }
}

/// RFC 2181, section 5: an RRset has no duplicate records.
#[test]
fn an_address_that_several_pools_hold_is_answered_once() {
    let pools = "[pools.one]\ndatacenter = \"fra\"\nmonitor = \"web\"\nendpoints = [\"192.0.2.21\", \"192.0.2.22\", \"2001:db8::21\"]\n\
                 [pools.two]\ndatacenter = \"iad\"\nmonitor = \"web\"\n\
                 endpoints = [\"192.0.2.23\", \"192.0.2.22\", \"192.0.2.24\", \"192.0.2.21\", \"192.0.2.25\", \"2001:db8::21\"]\n\
                 [pools.three]\ndatacenter = \"sin\"\nmonitor = \"web\"\nendpoints = [\"192.0.2.25\", \"192.0.2.22\", \"2001:db8::22\"]\n";
    let all: Vec<String> = (21..26).map(|number| format!("192.0.2.{number}")).collect();
    let name = "pools = [[\"one\", \"two\", \"three\"]]\n";
    for keys in [
        "steer = []\n",
        "steer = [\"failover\"]\n",
        "steer = [\"region\"]\ntake = 3\n",
        "steer = []\npick = \"random\"\n",
        "steer = []\npick = \"weighted\"\nanswers = 8\n",
        "steer = []\npick = \"sticky\"\nanswers = 8\n",
        "steer = []\npick = \"least-load\"\nanswers = 8\n",
    ] {
        let mut scene = Scene::new(&format!("{pools}[names.x]\n{name}{keys}https = {{}}\n"));
        let replies: Vec<Vec<String>> = (0..5).map(|_| scene.ask("x", A, "").data()).collect();
        for reply in &replies {
            let mut sorted = reply.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, all, "{keys}");
        }
        if !keys.contains("pick") {
            let mut firsts: Vec<&String> = replies.iter().map(|reply| &reply[0]).collect();
            firsts.sort_unstable();
            assert_eq!(firsts, all.iter().collect::<Vec<_>>(), "{keys}: each is first once");
        }
        assert_eq!(scene.ask("x", AAAA, "").sorted(), ["2001:db8::21", "2001:db8::22"], "{keys}");
        // The hints, and the addresses that come along with them.
        let https = scene.ask("x", HTTPS, "");
        let mut additional = https.additionals();
        additional.sort_unstable();
        additional.dedup();
        assert_eq!(additional.len(), 7, "{keys}: {additional:?}");
        let text = https.data()[0].clone();
        assert!((21..26).all(|n| text.matches(&format!("192.0.2.{n}")).count() == 1), "{keys}: {text}");
        scene.down(&["192.0.2.22"]);
        assert_eq!(scene.ask("x", A, "").data().len(), 4, "{keys}");
    }
}

#[test]
fn take_answers_from_the_best_places_together() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\ntake = 2\nsteer = [\"region\"]\n");
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").sorted(), ["192.0.2.1", "198.51.100.1", "198.51.100.2"]);
    scene.down(&["192.0.2.1"]);
    scene.down(&["2001:db8:a::1"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").sorted(), ["198.51.100.1", "198.51.100.2", "203.0.113.1"]);
}

#[test]
fn answers_cuts_and_the_turn_goes_on() {
    let pool = "[pools.many]\nendpoints = [\"192.0.2.11\", \"192.0.2.12\", \"192.0.2.13\", \"192.0.2.14\"]\n";
    let mut scene = Scene::new(&format!("{pool}[names.many]\npools = [\"many\"]\nsteer = []\nanswers = 2\n"));
    let mut firsts = Vec::new();
    for _ in 0..4 {
        let data = scene.ask("many", A, "").data();
        assert_eq!(data.len(), 2);
        firsts.push(data[0].clone());
    }
    firsts.sort_unstable();
    assert_eq!(firsts, ["192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14"]);
}

#[test]
fn weights_draw_one_pool_for_each_query() {
    let zone = "[pools.green]\ndatacenter = \"fra\"\nendpoints = [\"198.51.100.20\"]\n[names.api]\npools = [{ pool = \"web/fra\", weight = 3 }, { pool = \"green\", weight = 1 }]\nsteer = [\"weight\"]\n";
    let mut scene = Scene::new(zone);
    let mut green = 0;
    for _ in 0..4000 {
        let data = scene.ask("api", A, "").sorted();
        assert!(data == ["198.51.100.20"] || data == FRA, "{data:?}");
        green += u32::from(data == ["198.51.100.20"]);
    }
    // A quarter of 4,000; the standard deviation is 27.
    assert!((880..1120).contains(&green), "{green}");
    scene.down(&FRA);
    scene.down(&["2001:db8:f::1"]);
    assert_eq!(scene.ask("api", A, "").data(), ["198.51.100.20"]);
}

#[test]
fn a_weight_of_0_serves_only_when_no_other_is_left() {
    let zone = "[pools.green]\ndatacenter = \"fra\"\nendpoints = [\"198.51.100.20\"]\n[names.api]\npools = [{ pool = \"web/iad\", weight = 1 }, { pool = \"green\", weight = 0 }]\nsteer = [\"weight\"]\n";
    let mut scene = Scene::new(zone);
    assert!((0..50).all(|_| scene.ask("api", A, "").data() == ["192.0.2.1"]));
    scene.down(&["192.0.2.1", "2001:db8:a::1"]);
    assert_eq!(scene.ask("api", A, "").data(), ["198.51.100.20"]);
}

#[test]
fn endpoint_weights_pick_one_in_proportion() {
    let zone = "[pools.uneven]\nendpoints = [{ address = \"192.0.2.31\", weight = 9 }, { address = \"192.0.2.32\", weight = 1 }]\n[names.uneven]\npools = [\"uneven\"]\nsteer = []\n";
    let mut scene = Scene::new(zone);
    let mut heavy = 0;
    for _ in 0..2000 {
        let data = scene.ask("uneven", A, "").data();
        assert_eq!(data.len(), 1, "`answers` is 1 where weights differ");
        heavy += u32::from(data == ["192.0.2.31"]);
    }
    // Nine tenths of 2,000; the standard deviation is 13.
    assert!((1740..1860).contains(&heavy), "{heavy}");
}

#[test]
fn random_answers_hold_each_once() {
    let zone = "[names.www]\npools = [\"web/fra\"]\nsteer = []\npick = \"random\"\n";
    let mut scene = Scene::new(zone);
    let firsts: std::collections::HashSet<String> = (0..60)
        .map(|_| scene.ask("www", A, ""))
        .inspect(|reply| assert_eq!(reply.sorted(), FRA))
        .map(|reply| reply.data()[0].clone())
        .collect();
    assert_eq!(firsts.len(), 2);
}
