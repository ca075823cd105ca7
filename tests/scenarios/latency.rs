//! Scenarios for latency: measured round trips and the answers that follow, with scope and TTL.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::RecordType::{A, AAAA};
use truenorth::geo::{Coordinates, CountryCode, Location, Locations, Prefix, Runs, nest};
use truenorth::health::Survey;
use truenorth::report::{Beside, Explanation, Question};

use super::{FRA, IAD, SIN};
use crate::scene::Scene;

/// 10.4.0.0/14 is in Germany, 10.8.0.0/14 in Japan; of others nothing is known.
fn germany_and_japan() -> Locations {
    let prefix = |text: &str, value| Prefix { first: text.parse::<Ipv4Addr>().unwrap().to_bits(), length: 14, value };
    let country = |code, latitude, longitude| Location {
        country: CountryCode::parse(code),
        coordinates: Coordinates::try_new(latitude, longitude),
        ..Location::default()
    };
    Locations {
        v4: nest(vec![prefix("10.4.0.0", 1), prefix("10.8.0.0", 2)], 0),
        v6: Runs::uniform(0),
        table: [Location::default(), country("DE", 51.0, 10.0), country("JP", 36.0, 138.0)].into(),
    }
}

#[test]
fn each_network_goes_where_its_round_trip_is_the_shortest() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nsteer = [\"latency\"]\n");
    let before = scene.ask("www", A, "10.4.7.0/24");
    assert_eq!(before.sorted().len(), 4, "nothing is known, so all places tie");
    assert_eq!((before.scope(), before.ttl()), (Some(0), 30));

    scene.measure(&[
        ("10.4.7.0/24", "fra", 80.0),
        ("10.4.7.0/24", "iad", 20.0),
        ("10.4.7.0/24", "sin", 200.0),
        // Single clients count for their network.
        ("10.4.9.33/32", "sin", 30.0),
        ("10.4.9.34/32", "fra", 90.0),
        ("10.4.9.35/32", "iad", 90.0),
    ]);
    for (client, addresses, scope) in [
        ("10.4.7.0/24", &[IAD][..], 24),
        ("10.4.9.0/24", &[SIN], 24),
        // Between the two, and around them.
        ("10.4.8.0/24", &[IAD, FRA[0], FRA[1], SIN], 24),
        ("10.4.0.0/24", &[IAD, FRA[0], FRA[1], SIN], 22),
        // No scope reaches into 192.168.0.0/16, which has no location.
        ("192.0.2.0/24", &[IAD, FRA[0], FRA[1], SIN], 9),
    ] {
        let reply = scene.ask("www", A, client);
        assert_eq!(reply.sorted(), addresses, "{client}");
        assert_eq!((reply.scope(), reply.ttl()), (Some(scope), 30), "{client}");
    }
    assert_eq!(scene.ask("www", AAAA, "10.4.7.0/24").data(), ["2001:db8:a::1"], "one place for both families");

    scene.down(&[IAD, "2001:db8:a::1"]);
    let reply = scene.ask("www", A, "10.4.7.0/24");
    assert_eq!(reply.sorted(), FRA);
    assert_eq!(reply.scope(), Some(24), "health changes no scope");
}

#[test]
fn places_within_the_tolerance_answer_together() {
    let name = |owner: &str, tolerance: &str| {
        format!("[names.{owner}]\npools = [\"web\"]\nsteer = [\"latency\"]\n{tolerance}\n")
    };
    let names = name("by-default", "") + &name("strict", "latency_tolerance = \"0ms\"");
    let mut scene = Scene::new(&(names + &name("loose", "latency_tolerance = [\"10%\", \"80ms\"]")));
    scene.measure(&[("10.4.7.0/24", "fra", 24.0), ("10.4.7.0/24", "iad", 20.0), ("10.4.7.0/24", "sin", 90.0)]);
    for (owner, addresses) in
        [("by-default", &[IAD, FRA[0], FRA[1]][..]), ("strict", &[IAD]), ("loose", &[IAD, FRA[0], FRA[1], SIN])]
    {
        let reply = scene.ask(owner, A, "10.4.7.0/24");
        assert_eq!(reply.sorted(), addresses, "{owner}");
        let scope = if owner == "loose" { 0 } else { 24 };
        assert_eq!((reply.scope(), reply.ttl()), (Some(scope), 30), "{owner}: who is answered alike shares the scope");
    }
}

#[test]
fn a_region_comes_first_and_round_trips_only_break_its_ties() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nsteer = [\"region\", \"latency\"]\n");
    // europe prefers fra alone; asia prefers sin, then fra and iad alike.
    scene.measure(&[
        ("10.1.7.0/24", "fra", 300.0),
        ("10.1.7.0/24", "iad", 10.0),
        ("10.3.7.0/24", "fra", 150.0),
        ("10.3.7.0/24", "iad", 90.0),
    ]);
    let reply = scene.ask("www", A, "10.1.7.0/24");
    assert_eq!(reply.sorted(), FRA);
    assert_eq!(reply.scope(), Some(16), "round trips that cannot matter split nothing");
    scene.down(&[SIN]);
    assert_eq!(scene.ask("www", A, "10.3.7.0/24").data(), [IAD]);
    assert_eq!(scene.ask("www", A, "10.3.7.0/24").scope(), Some(24));
    assert_eq!(scene.ask("www", A, "10.3.99.0/24").sorted(), [IAD, FRA[0], FRA[1]]);
}

#[test]
fn who_measured_nothing_shares_with_neighbours_and_else_the_distance_is_estimated() {
    let mut scene =
        Scene::with_locations(germany_and_japan(), "[names.www]\npools = [\"web\"]\nsteer = [\"latency\"]\n");
    let reply = scene.ask("www", A, "10.4.7.0/24");
    assert_eq!((reply.sorted(), reply.scope()), (FRA.map(String::from).to_vec(), Some(14)), "Germany is near");
    assert_eq!(scene.ask("www", A, "10.8.7.0/24").data(), [SIN]);
    // Clients in Germany have long round trips to Frankfurt. This counts for the whole country, except for networks
    // with their own measurements.
    scene.measure(&[("10.5.1.0/24", "fra", 400.0), ("10.5.2.0/24", "fra", 12.0)]);
    assert_eq!(scene.ask("www", A, "10.5.2.0/24").sorted(), FRA);
    assert_eq!(scene.ask("www", A, "10.5.2.0/24").scope(), Some(24));
    assert_eq!(scene.ask("www", A, "10.7.0.0/24").data(), [IAD]);
    assert_eq!(scene.ask("www", A, "10.7.0.0/24").scope(), Some(15), "the half without a network of another kind");
    assert_eq!(scene.ask("www", A, "10.8.7.0/24").data(), [SIN], "Japan is elsewhere");
}

#[test]
fn explain_tells_each_round_trip_and_how_it_is_known() {
    let mut scene =
        Scene::with_locations(germany_and_japan(), "[names.www]\npools = [\"web\"]\nsteer = [\"latency\"]\n");
    scene.measure(&[("10.5.1.0/24", "iad", 30.0), ("10.6.1.0/24", "sin", 200.0)]);
    let question = Question {
        name: truenorth::name::Name::parse("www.example.com.", &truenorth::name::Name::root()).unwrap(),
        rtype: A,
        client: "10.5.1.9/24".parse().unwrap(),
    };
    let beside =
        Beside { survey: &Survey::default(), overrides: &[], signatures: &Arc::default(), now: Duration::ZERO };
    let explanation = Explanation::live(&scene.snapshot(), &question, &[], beside).unwrap();
    let text = explanation.to_string();
    for line in [
        "  step      latency: web/fra > web/iad > web/sin",
        "            fra 6.7 ms, estimated from the distance",
        "            iad 30.0 ms, measured for 10.5.1.0/24: mean 30.0 ms of 16 samples, 0 min old",
        "            sin 200.0 ms, measured for DE: mean 200.0 ms of 16 samples, 0 min old",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let json = truenorth::report::to_json(&explanation);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let measured = &value["hops"][0]["steering"]["steps"][0]["latency"][1];
    assert_eq!(measured["datacenter"], "iad");
    assert_eq!(measured["rtt_ms"], 30.0);
    assert_eq!(measured["clients"], "10.5.1.0/24");
}

#[test]
fn what_the_operator_says_of_a_name_stays_said_over_new_maps() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nsteer = [\"latency\"]\n");
    scene.order("drain name:www.example.com.");
    scene.measure(&[("10.4.7.0/24", "fra", 80.0), ("10.4.7.0/24", "iad", 20.0), ("10.4.7.0/24", "sin", 200.0)]);
    let reply = scene.ask("www", A, "10.4.7.0/24");
    assert_eq!(reply.data(), [IAD], "all of it is draining, so it still answers, by the new maps");
    assert_eq!(reply.ttl(), 5, "but not for long");
    scene.lift("name:www.example.com.");
    let reply = scene.ask("www", A, "10.4.7.0/24");
    assert_eq!((reply.data(), reply.ttl()), (vec![IAD.to_owned()], 30));
}
