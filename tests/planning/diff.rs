//! `diff`: the clients that a change moves.

use serde_json::{Value, json};

use crate::{Files, Ran, SERVER, ZONE, assert_near, edited, run, told, world};

/// A /8 of the IPv4 space.
const EIGHTH: f64 = 1.0 / 256.0;

fn diff(old: &Files, new: &Files, words: &[&str]) -> Ran {
    let paths = [old, new].map(|files| files.path("truenorth.toml").to_str().expect("plain names").to_owned());
    run(["diff", &paths[0], &paths[1]].into_iter().chain(words.iter().copied()))
}

fn diff_of(old: &str, new: &str) -> Value {
    told(&diff(&world(old), &world(new), &["--json"]))
}

fn only_move(diff: &Value) -> &Value {
    let moved = diff["moved"].as_array().expect("a list");
    assert_eq!(moved.len(), 1, "{diff}");
    let moves = moved[0]["moves"].as_array().expect("a list");
    assert_eq!(moves.len(), 1, "{diff}");
    &moves[0]
}

#[test]
fn the_same_configuration_moves_nothing() {
    let (old, new) = (world(ZONE), world(ZONE));
    let ran = diff(&old, &new, &[]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "nothing moves\n", ""));
    let names = ["www.gslb.example.com.", "mirror.gslb.example.com.", "api.gslb.example.com."];
    let expected = json!({ "added": [], "removed": [], "moved": [], "unmoved": names });
    assert_eq!(told(&diff(&old, &new, &["--json"])), expected);
}

#[test]
fn a_country_that_changes_its_region_moves_and_names_that_move_alike_are_told_together() {
    let diff = diff_of(ZONE, &edited("\"continent:EU\"", "\"continent:EU\", \"country:TR\""));
    assert_eq!(diff["moved"][0]["names"], json!(["www.gslb.example.com.", "mirror.gslb.example.com."]));
    assert_eq!(diff["unmoved"], json!(["api.gslb.example.com."]));
    // Turkey has half of a /8, and no IPv6.
    let countries = json!([{ "country": "TR", "ipv4": 1.0, "ipv6": null }]);
    let expected = json!({ "from": "sin", "to": "fra", "ipv4": EIGHTH / 2.0, "ipv6": 0.0, "countries": countries });
    assert_eq!(only_move(&diff), &expected);
    assert_eq!(diff["moved"][0]["ipv4"], EIGHTH / 2.0);
}

#[test]
fn a_prefix_that_changes_its_region_moves_exactly() {
    let office = "clients = [\"country:US\", \"10.0.0.0/10\", \"50.0.0.0/16\", \"2001:db8:4000::/34\"]";
    let diff = diff_of(ZONE, &edited("clients = [\"country:US\"]", office));
    let moves = diff["moved"][0]["moves"].as_array().expect("a list");
    // A quarter of one of Germany's two /8s, and a quarter of its /32.
    let countries = json!([{ "country": "DE", "ipv4": 0.125, "ipv6": 0.25 }]);
    let located = json!({ "from": "fra", "to": "iad", "ipv4": EIGHTH / 4.0, "ipv6": 0.1, "countries": countries });
    // The database does not know 50.0.0.0/16, but it is a part of the IPv4 space.
    let unlocated =
        json!({ "from": "sin", "to": "iad", "ipv4": 1.0 / f64::from(1 << 16), "ipv6": 0.0, "countries": [] });
    assert_eq!(moves, &[located, unlocated]);
}

#[test]
fn a_network_that_no_database_knows_moves_nonetheless() {
    let office = "clients = [\"country:US\", \"2001:dbf::/48\"]";
    let diff = diff_of(ZONE, &edited("clients = [\"country:US\"]", office));
    let expected = json!({ "from": "sin", "to": "iad", "ipv4": 0.0, "ipv6": 0.0, "countries": [] });
    assert_eq!(only_move(&diff), &expected);
}

#[test]
fn weights_move_half_the_sum_of_what_they_differ_by() {
    let diff = diff_of(
        ZONE,
        &edited("weight = 90 }, { pool = \"green\", weight = 10 }", "weight = 50 }, { pool = \"green\", weight = 50 }"),
    );
    assert_eq!(diff["moved"][0]["names"], json!(["api.gslb.example.com."]));
    let moved = only_move(&diff);
    assert_eq!((&moved["from"], &moved["to"]), (&json!("fra"), &json!("iad")));
    assert_near(&moved["ipv4"], 0.4);
    assert_near(&moved["ipv6"], 0.4);
    for country in moved["countries"].as_array().expect("a list") {
        assert_near(&country["ipv4"], 0.4);
    }
}

#[test]
fn pools_that_come_to_answer_together_share_by_their_addresses() {
    let diff = diff_of(
        ZONE,
        &edited(
            "[names.www]\npools = [\"web\"]\nsteer = [\"region\", \"distance\"]",
            "[names.www]\npools = [\"web\"]\nsteer = []",
        ),
    );
    let moves = diff["moved"][0]["moves"].as_array().expect("a list");
    let germany = |to: &str| {
        let from_fra = moves.iter().find(|one| one["from"] == "fra" && one["to"] == to).expect("it moves");
        from_fra["countries"][0].clone()
    };
    // fra keeps two of four addresses.
    for to in ["iad", "sin"] {
        assert_eq!(germany(to), json!({ "country": "DE", "ipv4": 0.25, "ipv6": 0.25 }));
    }
}

#[test]
fn names_that_come_and_go_are_told() {
    let (old, new) = (world(ZONE), world(&ZONE.replace("[names.api]", "[names.shop]")));
    let told_all = told(&diff(&old, &new, &["--json"]));
    assert_eq!(told_all["added"], json!(["shop.gslb.example.com."]));
    assert_eq!(told_all["removed"], json!(["api.gslb.example.com."]));
    let ran = diff(&old, &new, &[]);
    assert_eq!(ran.stdout, "added: shop.gslb.example.com.\nremoved: api.gslb.example.com.\nnothing moves\n");
}

#[test]
fn one_name_can_be_asked_about_and_a_wildcard_answers_for_those_below() {
    let apps =
        |region: &str| format!("{ZONE}[names.\"*.apps\"]\npools = [\"web\"]\nprefer = {{ europe = [\"{region}\"] }}\n");
    let (old, new) = (world(&apps("fra")), world(&apps("iad")));
    let of_one = told(&diff(&old, &new, &["--json", "--name", "shop.apps.gslb.example.com"]));
    assert_eq!(of_one["moved"][0]["names"], json!(["shop.apps.gslb.example.com."]));
    assert_eq!(only_move(&of_one)["countries"][0], json!({ "country": "DE", "ipv4": 1.0, "ipv6": 1.0 }));
    let ran = diff(&old, &new, &["--name", "www.gslb.example.com."]);
    assert_eq!(ran.stdout, "nothing moves\n");
    let ran = diff(&old, &new, &["--name", "nobody.gslb.example.com"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("nobody.gslb.example.com."), "{ran:?}");
}

#[test]
fn a_database_that_moves_a_network_moves_its_clients() {
    let (old, new) = (world(ZONE), world(ZONE));
    let countries: Vec<(&str, &str)> =
        crate::COUNTRIES.into_iter().filter(|(prefix, _)| *prefix != "::11.0.0.0/104").collect();
    new.write("countries.mmdb", crate::database(&countries));
    let diff = told(&diff(&old, &new, &["--json"]));
    let moved = only_move(&diff);
    // The new database does not know where 11.0.0.0/8 is.
    assert_eq!((&moved["from"], &moved["to"], &moved["ipv4"]), (&json!("fra"), &json!("sin"), &json!(EIGHTH)));
    assert_eq!(moved["countries"], json!([]));
}

#[test]
fn a_person_reads_what_moves() {
    let office = "clients = [\"country:US\", \"country:TR\", \"10.0.0.0/10\"]";
    let ran = diff(&world(ZONE), &world(&edited("clients = [\"country:US\"]", office)), &[]);
    let expected = "\
shares are of all IPv4 addresses, and of the IPv6 /48s that the new database locates

www.gslb.example.com., mirror.gslb.example.com.
  0.29 % of IPv4, 0 % of IPv6 moves
  sin -> iad: 0.20 % of IPv4, 0 % of IPv6
    TR: 100 % of IPv4
  fra -> iad: 0.10 % of IPv4, 0 % of IPv6
    DE: 12.50 % of IPv4, 0 % of IPv6

nothing moves for api.gslb.example.com.
";
    assert_eq!(ran.stdout, expected);
}

#[test]
fn faults_of_both_are_told() {
    let good = world(ZONE);
    let broken = [("iad", "ida"), ("sin", "sni")]
        .map(|(from, to)| world(&edited(&format!("prefer = [\"{from}\""), &format!("prefer = [\"{to}\""))));
    for (old, new) in [(&broken[0], &good), (&good, &broken[0])] {
        let ran = diff(old, new, &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.stderr.contains("gslb.example.com.toml:14:"), "{ran:?}");
    }
    let ran = diff(&broken[0], &broken[1], &[]);
    assert!(ran.stderr.contains("`ida`") && ran.stderr.contains("`sni`"), "{ran:?}");
}

#[test]
fn usage_errors_end_with_2() {
    for words in
        [&["diff"][..], &["diff", "one"], &["diff", "one", "two", "three"], &["diff", "one", "two", "--nmae", "x"]]
    {
        assert_eq!(run(words.iter().copied()).code, Some(2), "{words:?}");
    }
}

#[test]
fn without_a_database_there_are_no_countries_and_no_located_ipv6() {
    let zone = |client: &str| edited("\"continent:EU\"", &format!("\"{client}\""));
    let files = |client: &str| Files::new(SERVER, &[("gslb.example.com.toml", &zone(client))]);
    let diff = told(&diff(&files("10.0.0.0/8"), &files("11.0.0.0/8"), &["--json"]));
    let one = |from: &str, to: &str| json!({ "from": from, "to": to, "ipv4": EIGHTH, "ipv6": null, "countries": [] });
    assert_eq!(diff["moved"][0]["moves"], json!([one("fra", "sin"), one("sin", "fra")]));
}

/// No network in a Client Subnet option begins within it.
#[test]
fn a_prefix_that_is_finer_than_client_subnet_moves_nobody() {
    let office = "clients = [\"country:US\", \"10.0.0.128/25\", \"2001:db8::1/128\"]";
    let diff = diff_of(ZONE, &edited("clients = [\"country:US\"]", office));
    assert_eq!(diff["moved"], json!([]));
}
