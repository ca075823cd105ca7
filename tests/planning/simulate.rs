//! `simulate`: the shares of clients before and after a failure.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::{Files, Ran, ZONE, assert_near, database, edited, told, world};

/// The shares before and after of a name's places, or of its pools.
fn shares(simulated: &Value, pools: bool) -> Vec<(String, f64, f64)> {
    let list = |value: &Value| value.as_array().cloned().expect("a list");
    let places = list(&simulated["places"]);
    let rows = if pools { places.iter().flat_map(|place| list(&place["pools"])).collect() } else { places };
    let text = |row: &Value| row[if pools { "pool" } else { "place" }].as_str().expect("a name").to_owned();
    let number = |row: &Value, key| (row[key].as_f64().expect("a share") * 9e6).round() / 9e6;
    rows.iter().map(|row| (text(row), number(row, "before"), number(row, "after"))).collect()
}

#[track_caller]
fn expect(simulated: &Value, pools: bool, expected: &[(&str, f64, f64)]) {
    let expected: Vec<_> = expected.iter().map(|&(name, before, after)| (name.to_owned(), before, after)).collect();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    let found = shares(simulated, pools);
    let is_expected = found.len() == expected.len()
        && found.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && near(a.1, b.1) && near(a.2, b.2));
    assert!(is_expected, "{found:?}, not {expected:?}");
}

fn simulate(files: &Files, words: &str) -> Value {
    told(&files.run(&format!("simulate --json {words}")))
}

fn replay(zone: &str, log: &str, words: &str) -> Ran {
    let files = world(zone);
    files.write("queries.jsonl", log);
    let log = files.path("queries.jsonl");
    files.run(&format!("simulate --log {} {words}", log.display()))
}

#[test]
fn if_a_datacenter_dies_its_clients_go_where_the_regions_second_tier_says() {
    let simulation = simulate(&world(ZONE), "--down dc:fra www.gslb.example.com");
    assert_eq!((&simulation["clients"], &simulation["down"]), (&json!("ipv4-addresses"), &json!(["dc:fra"])));
    let www = &simulation["names"][0];
    // Germany has 4, the United States 2, Japan and Turkey 3 of 9 halves of a /8.
    assert_eq!(www["clients"], 9 << 23);
    let expected = [("fra", 4.0 / 9.0, 0.0), ("iad", 2.0 / 9.0, 6.0 / 9.0), ("sin", 3.0 / 9.0, 3.0 / 9.0)];
    expect(www, false, &expected);
    let pools = ["web/fra", "web/iad", "web/sin"].into_iter().zip(expected);
    expect(www, true, &pools.map(|(pool, (_, before, after))| (pool, before, after)).collect::<Vec<_>>());
    assert_eq!(www["moves"].as_array().map(Vec::len), Some(1));
    assert_near(&www["moves"][0]["share"], 4.0 / 9.0);
    assert_eq!(www["stranded"], 0.0);
}

#[test]
fn ties_of_the_second_tier_are_broken_by_the_next_step() {
    let simulation = simulate(&world(ZONE), "--down pool:web/sin www.gslb.example.com");
    // Of fra and iad, Turkey is nearer to the first, and so is Japan: 9,400 km against 10,900 km.
    let expected = [("fra", 4.0 / 9.0, 7.0 / 9.0), ("iad", 2.0 / 9.0, 2.0 / 9.0), ("sin", 3.0 / 9.0, 0.0)];
    expect(&simulation["names"][0], false, &expected);
}

#[test]
fn names_that_fare_alike_are_told_together_and_draws_are_expected_shares() {
    let simulation = simulate(&world(ZONE), "--down endpoint:127.2.0.9");
    let names: Vec<&Value> = simulation["names"].as_array().expect("a list").iter().map(|one| &one["names"]).collect();
    assert_eq!(
        names,
        [&json!(["www.gslb.example.com.", "mirror.gslb.example.com."]), &json!(["api.gslb.example.com."])]
    );
    expect(&simulation["names"][1], true, &[("web/fra", 0.9, 1.0), ("green", 0.1, 0.0)]);
    let ran = world(ZONE).run("simulate --down endpoint:127.2.0.9 api.gslb.example.com");
    let expected = "\
each IPv4 address that the database has in a country counts as one client
down: endpoint:127.2.0.9

api.gslb.example.com., 75497472 IPv4 addresses
  fra                    90.00 %  ->    100 %
    web/fra              90.00 %  ->    100 %
  iad                    10.00 %  ->      0 %
    green                10.00 %  ->      0 %
  10.00 % moves from iad to fra
";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), expected));
}

#[test]
fn an_address_that_two_tied_pools_hold_counts_once() {
    let zone = ZONE.to_owned()
        + "[pools.left]\ndatacenter = \"fra\"\nendpoints = [\"127.4.0.1\", \"127.4.0.2\", \"127.4.0.3\"]\n\
           [pools.right]\ndatacenter = \"iad\"\nendpoints = [\"127.4.0.2\", \"127.4.0.4\"]\n\
           [names.shared]\npools = [[\"left\", \"right\"]]\nsteer = [\"failover\"]\n";
    let files = world(&zone);
    // Four addresses rotate, and the shared one counts for the pool that comes first.
    for (down, left, right) in [
        ("endpoint:127.4.0.1", 2.0 / 3.0, 1.0 / 3.0),
        ("endpoint:127.4.0.2", 2.0 / 3.0, 1.0 / 3.0),
        ("endpoint:127.4.0.4", 1.0, 0.0),
        ("pool:right", 1.0, 0.0),
        ("pool:left", 0.0, 1.0),
    ] {
        let simulation = simulate(&files, &format!("--down {down} shared.gslb.example.com"));
        expect(&simulation["names"][0], true, &[("left", 0.75, left), ("right", 0.25, right)]);
    }
}

#[test]
fn with_loads_a_dead_place_spills_to_all_rooms_and_a_full_one_sheds() {
    let zone = edited("[pools.web]\n", "[pools.web]\ncapacity = 1000\n")
        + "[names.full]\npools = [\"web\"]\nsteer = [\"region\", \"load\", \"distance\"]\n";
    let files = world(&zone);
    let loads = "--load web/fra=800 --load web/iad=500 --load web/sin=900 full.gslb.example.com";
    // Rooms of 500 and 100.
    let simulation = simulate(&files, &format!("--down dc:fra {loads}"));
    let (iad, sin) = (2.0 / 9.0 + 4.0 / 9.0 * 5.0 / 6.0, 3.0 / 9.0 + 4.0 / 9.0 / 6.0);
    let expected = [("fra", 4.0 / 9.0, 0.0), ("iad", 2.0 / 9.0, iad), ("sin", 3.0 / 9.0, sin)];
    expect(&simulation["names"][0], false, &expected);
    // Over its capacity by a half, fra keeps two thirds, to a per cent.
    let simulation = simulate(&files, "--load web/fra=1500 --load web/iad=500 full.gslb.example.com");
    let (fra, iad) = (4.0 / 9.0 * 0.67, 2.0 / 9.0 + 4.0 / 9.0 * 0.33);
    expect(&simulation["names"][0], false, &[("fra", fra, fra), ("iad", iad, iad), ("sin", 3.0 / 9.0, 3.0 / 9.0)]);
    for (words, told) in [
        ("--load web/fro=1", "no pool is named web/fro: did you mean web/fra?"),
        ("--load green=1", "no name uses the load of green"),
    ] {
        let ran = files.run(&format!("simulate {words}"));
        assert_eq!((ran.code, ran.stderr.contains(told)), (Some(1), true), "{ran:?}");
    }
    assert_eq!(files.run("simulate --load web/fra=-1").code, Some(2));
}

#[test]
fn who_is_left_with_dead_endpoints_or_with_the_fallback_is_told() {
    let zone = edited(
        "[names.api]",
        "[names.safe]\npools = [\"web\"]\nfallback = \"sorry\"\n[names.none]\npools = [\"web\"]\nall_down = \"nodata\"\n[names.api]",
    );
    let simulation =
        simulate(&world(&zone), "--down pool:web safe.gslb.example.com none.gslb.example.com www.gslb.example.com");
    let of = |name: &str| {
        let mut names = simulation["names"].as_array().expect("a list").iter();
        names.find(|one| one["names"][0] == format!("{name}.gslb.example.com.")).expect("it is told")
    };
    let places = [("fra", 4.0 / 9.0, 0.0), ("iad", 2.0 / 9.0, 0.0), ("sin", 3.0 / 9.0, 0.0)];
    expect(of("safe"), false, &[&places[..], &[("pool:sorry", 0.0, 1.0)]].concat());
    expect(of("none"), false, &[&places[..], &[("nowhere", 0.0, 1.0)]].concat());
    // Health is ignored, so nobody moves.
    assert_eq!((&of("www")["stranded"], &of("www")["moves"]), (&json!(1.0), &json!([])));
    assert_eq!(of("safe")["stranded"], 0.0);
}

#[test]
fn a_log_is_replayed() {
    let log = "\
{\"client\": \"10.1.2.3\", \"name\": \"www.gslb.example.com\", \"count\": 60, \"time\": \"09:00\"}
{\"client\": \"20.1.2.0/24\", \"name\": \"WWW.gslb.example.com.\", \"type\": \"AAAA\", \"count\": 30}

{\"client\": \"2001:db8::/48\", \"name\": \"www.gslb.example.com\", \"type\": \"A\", \"count\": 10}
{\"client\": \"10.1.2.3\", \"name\": \"api.gslb.example.com\", \"count\": 100}
{\"client\": \"10.1.2.3\", \"name\": \"www.gslb.example.com\", \"type\": \"MX\", \"count\": 3}
{\"client\": \"10.1.2.3\", \"name\": \"example.net\", \"count\": 4}
";
    let simulation = told(&replay(ZONE, log, "--down dc:fra --json"));
    assert_eq!((&simulation["clients"], &simulation["left_out"]), (&json!("queries"), &json!(7)));
    let names = simulation["names"].as_array().expect("a list");
    assert_eq!(names.len(), 2, "nobody asks for mirror: {names:?}");
    expect(&names[0], false, &[("fra", 0.7, 0.0), ("iad", 0.3, 1.0)]);
    expect(&names[1], false, &[("fra", 0.9, 0.0), ("iad", 0.1, 1.0)]);
    assert_eq!(simulation["all"]["clients"], 200);
    expect(&simulation["all"], true, &[("web/fra", 0.8, 0.0), ("web/iad", 0.15, 0.5), ("green", 0.05, 0.5)]);
    // One name alone.
    let simulation = told(&replay(ZONE, log, "--json api.gslb.example.com"));
    assert_eq!((&simulation["names"][0]["clients"], &simulation["left_out"]), (&json!(100), &json!(107)));
}

#[test]
fn a_family_that_a_place_was_never_given_is_answered_nothing() {
    let log = "{\"client\": \"10.1.2.3\", \"name\": \"api.gslb.example.com\", \"type\": \"AAAA\"}";
    let simulation = told(&replay(ZONE, log, "--json"));
    expect(&simulation["names"][0], false, &[("fra", 0.9, 0.9), ("nowhere", 0.1, 0.1)]);
}

#[test]
fn who_asks_for_https_gets_either_family() {
    let log = "{\"client\": \"10.1.2.3\", \"name\": \"www.gslb.example.com\", \"type\": \"HTTPS\"}";
    assert_eq!(told(&replay(ZONE, log, "--json"))["left_out"], 1, "the name has no such record");
    let only_v6 = edited("endpoints.fra = [\"127.1.0.1\", \"127.1.0.2\", \"::1\"]", "endpoints.fra = [\"::1\"]");
    let zone = only_v6.replacen("steer = [\"region\", \"distance\"]", "steer = [\"region\"]\nhttps = {}", 1);
    let simulation = told(&replay(&zone, log, "--json"));
    expect(&simulation["names"][0], false, &[("fra", 1.0, 1.0)]);
}

#[test]
fn bad_lines_of_a_log_are_told_with_their_places() {
    let good = "{\"client\": \"10.1.2.3\", \"name\": \"www.gslb.example.com\"}\n";
    let ran =
        replay(ZONE, &format!("{good}client=10.1.2.3\n{good}{{\"client\": \"10.1.2\", \"name\": \"www\"}}\n"), "");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.contains("queries.jsonl:2: expected value"), "{ran:?}");
    assert!(ran.stderr.contains("queries.jsonl:4: `10.1.2` is not an IP address"), "{ran:?}");
    let mut bad = String::new();
    for _ in 0..10_000 {
        writeln!(bad, "{}", "x".repeat(1000)).expect("memory takes it");
    }
    let ran = replay(ZONE, &bad, "");
    assert!(ran.code == Some(1) && ran.stderr.len() < 4000, "{} octets", ran.stderr.len());
    let ran = world(ZONE).run("simulate --log /nowhere/queries.jsonl");
    assert!(ran.code == Some(1) && ran.stderr.contains("/nowhere/queries.jsonl"), "{ran:?}");
}

#[test]
fn what_is_not_there_is_bad_and_what_is_not_understood_is_usage() {
    let files = world(ZONE);
    for (words, code, told) in [
        ("simulate nobody.gslb.example.com", 1, "nobody.gslb.example.com."),
        ("simulate --down dc:mars", 1, "dc:mars"),
        ("simulate --down fra", 2, "--down"),
        ("simulate --lgo x", 2, "--lgo"),
    ] {
        let ran = files.run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{words}: {ran:?}");
        assert!(ran.stderr.contains(told), "{words}: {ran:?}");
    }
    let ran = world("[names.www]\npools = [\"wbe\"]\n").run("simulate");
    assert!(ran.code == Some(1) && ran.stderr.contains("gslb.example.com.toml:2:10"), "{ran:?}");
}

#[test]
fn a_canary_takes_its_first_share_and_a_blue_green_name_sends_everybody_to_one_pool() {
    let canary = "[names.rolled]\npools = [\"web\", \"green\"]\ncanary = { pool = \"green\", steps = [5, 100] }\n";
    let simulation = simulate(&world(&format!("{ZONE}{canary}")), "rolled.gslb.example.com");
    let expected = [("web/fra", 4.0 / 9.0), ("green", 0.0), ("web/iad", 2.0 / 9.0), ("web/sin", 3.0 / 9.0)];
    let shares = expected.map(|(pool, share)| (pool, if pool == "green" { 0.05 } else { share * 0.95 }));
    let found = shares_of(&simulation["names"][0]);
    for (pool, share) in shares {
        assert!((found[pool] - share).abs() < 1e-6, "{found:?}");
    }
    let active = "[names.rolled]\npools = [\"web\", \"green\"]\nactive = \"green\"\n";
    let simulation = simulate(&world(&format!("{ZONE}{active}")), "--down pool:green rolled.gslb.example.com");
    let api = &simulation["names"][0];
    assert!((shares_of(api)["green"] - 1.0).abs() < 1e-9);
    assert_eq!(api["stranded"], 0.0, "the other is ready");
}

/// The present shares of pools.
fn shares_of(simulated: &Value) -> std::collections::HashMap<String, f64> {
    shares(simulated, true).into_iter().map(|(pool, before, _)| (pool, before)).collect()
}

/// The database has parts of /24s, which no look-up by Client Subnet uses.
#[test]
fn what_is_finer_than_client_subnet_counts_as_its_network_does() {
    let files = world(ZONE);
    let countries =
        [("::20.0.0.0/104", "US"), ("::20.0.7.128/121", "DE"), ("::30.0.0.0/120", "JP"), ("::30.0.0.77/128", "DE")];
    files.write("countries.mmdb", database(&countries));
    let www = simulate(&files, "www.gslb.example.com")["names"][0].clone();
    assert_eq!(www["clients"], (1 << 24) + 256);
    assert_eq!(www["places"].as_array().map(Vec::len), Some(2), "nobody goes to fra: {www}");
    // If more bits count, it makes a difference.
    let server = format!("{}[ecs]\nmax_source_v4 = 32\n[geoip]\ndatabases = [\"countries.mmdb\"]\n", crate::SERVER);
    let finer = Files::new(&server, &[("gslb.example.com.toml", ZONE)]);
    finer.write("countries.mmdb", database(&countries));
    let www = simulate(&finer, "www.gslb.example.com")["names"][0].clone();
    assert_near(&www["places"][0]["before"], 129.0 / f64::from((1 << 24) + 256));
}
