//! Draws: their odds in `explain`, and their real results.

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
    let steering =
        told(&files.run("explain api.gslb.example.com --client 10.1.2.3 --json"))["hops"][0]["steering"].clone();
    let outcomes = json!([{ "chosen": ["web/fra"], "probability": 0.9 }, { "chosen": ["green"], "probability": 0.1 }]);
    assert_eq!((&steering["outcomes"], &steering["exact"]), (&outcomes, &json!(true)));
    assert_eq!(steering["pools"][1]["weight"], 10);
    // If only one pool is left, nothing is drawn.
    let steering = told(&files.run("explain api.gslb.example.com --client 10.1.2.3 --json --down pool:green"))["hops"]
        [0]["steering"]
        .clone();
    assert_eq!((&steering["chosen"], &steering["outcomes"]), (&json!(["web/fra"]), &json!([])));
}

#[test]
fn two_datacenters_are_drawn_one_after_the_other() {
    let zone = edited(
        "[names.api]\npools = [{ pool = \"web/fra\", weight = 90 }, { pool = \"green\", weight = 10 }]",
        "[names.api]\ntake = 2\npools = [{ pool = \"web/fra\", weight = 3 }, { pool = \"web/iad\", weight = 2 }, { pool = \"web/sin\", weight = 1 }]",
    );
    let explained = told(&world(&zone).run("explain api.gslb.example.com --client 10.1.2.3 --json"));
    let outcomes = explained["hops"][0]["steering"]["outcomes"].as_array().expect("a list");
    let probability =
        |pools: Value| &outcomes.iter().find(|outcome| outcome["chosen"] == pools).expect("it is told")["probability"];
    assert_near(probability(json!(["web/fra", "web/iad"])), 7.0 / 12.0);
    assert_near(probability(json!(["web/fra", "web/sin"])), 4.0 / 15.0);
    assert_near(probability(json!(["web/iad", "web/sin"])), 3.0 / 20.0);
}

#[test]
fn explain_tells_what_sticks_and_what_it_comes_to_for_many() {
    let zone = edited("steer = [\"weight\"]", "steer = [\"sticky\"]\nsticky_v4 = 20\npick = \"sticky\"");
    let files = world(&zone);
    let question = "explain api.gslb.example.com --client 10.1.23.0/24";
    let ran = files.run(question);
    for line in [
        "step      sticky: web/fra = green\n",
        "sticky    by the hash of 10.1.16.0/20 and the name\n",
        " (usable), by hash; of many clients:\n",
        " 90.00 %  web/fra\n",
        " 10.00 %  green\n",
        "scope     20: the length of the prefix that the client's hash uses\n",
    ] {
        assert!(ran.stdout.contains(line), "{line} is not told in:\n{}", ran.stdout);
    }
    let mut chosen = std::collections::BTreeMap::new();
    for third in (0..256).step_by(16) {
        let explained = told(&files.run(&format!("explain --json api.gslb.example.com --client 10.1.{third}.0/24")));
        let place = explained["hops"][0]["steering"]["chosen"][0].as_str().expect("one pool").to_owned();
        let address = explained["answer"]["records"][0].as_str().expect("one record").to_owned();
        let is_green = address.ends_with(" 127.2.0.9");
        assert_eq!(
            (place == "green", explained["hops"][0]["steering"]["chosen"][1].is_null()),
            (is_green, true),
            "{explained}"
        );
        *chosen.entry(place).or_insert(0) += 1;
    }
    assert!(chosen["web/fra"] > 8, "{chosen:?}");
    // Over many clients the shares equal the weights, and as few clients as possible move.
    let simulated = told(&files.run("simulate --json --down pool:green api.gslb.example.com"));
    let places = &simulated["names"][0]["places"];
    assert_near(&places[0]["before"], 0.9);
    assert_near(&places[0]["after"], 1.0);
}

#[test]
fn explain_tells_the_odds_of_a_spare() {
    let zone = edited(
        "steer = [\"region\", \"distance\"]\n[names.mirror]",
        "steer = [\"region\"]\ntake = 2\nspare = true\n[names.mirror]",
    );
    let explained = told(&world(&zone).run("explain www.gslb.example.com --client 10.1.2.3 --json"));
    let outcomes = explained["hops"][0]["steering"]["outcomes"].clone();
    let half = |spare: &str| json!({ "chosen": ["web/fra", spare], "probability": 0.5 });
    assert_eq!(outcomes, json!([half("web/iad"), half("web/sin")]));
}

#[test]
fn explain_tells_an_https_record_as_a_zone_file_would_hold_it() {
    let zone = edited("steer = [\"weight\"]", "steer = [\"weight\"]\nhttps = { alpn = [\"h2\", \"h3\"], port = 8443 }");
    let zone = zone.replace("{ pool = \"web/fra\", weight = 90 }, ", "");
    let ran = world(&zone).run("explain api.gslb.example.com HTTPS --client 10.1.2.3");
    let record = "api.gslb.example.com. 30 IN HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=127.2.0.9";
    assert!(ran.stdout.trim_end().ends_with(record), "{}", ran.stdout);
}

#[test]
fn explain_tells_for_how_long_resolvers_keep_that_there_is_nothing() {
    // The least of the SOA's TTL, its MINIMUM (RFC 2308, section 5) and, if health decides, the name's TTL.
    let zone = edited("[datacenters]", "[soa]\nminimum = 17\n[datacenters]");
    let zone = zone
        + "[pools.v4]\nendpoints = [\"127.4.0.1\"]\n[names.v4]\npools = [\"v4\"]\n\
                       [monitors.m]\ntype = \"tcp\"\nport = 1\n[pools.dead]\nmonitor = \"m\"\nendpoints = [\"127.5.0.1\"]\n\
                       [names.dead]\npools = [\"dead\"]\nall_down = \"nodata\"\nttl = 9\n";
    let files = world(&zone);
    for (question, text, rcode, ttl) in [
        ("v4.gslb.example.com AAAA", "NOERROR, no data; resolvers keep that for 17 s", "NOERROR", 17),
        ("www.gslb.example.com TXT", "NOERROR, no data; resolvers keep that for 17 s", "NOERROR", 17),
        ("nowhere.gslb.example.com", "NXDOMAIN; resolvers keep that for 17 s", "NXDOMAIN", 17),
        ("dead.gslb.example.com --down pool:dead", "NOERROR, no data; resolvers keep that for 9 s", "NOERROR", 9),
    ] {
        let words = format!("explain {question} --client 10.1.2.3");
        let ran = files.run(&words);
        assert!(ran.stdout.trim_end().ends_with(&format!("  answer    {text}")), "{ran:?}");
        let answer = told(&files.run(&format!("{words} --json")))["answer"].clone();
        assert_eq!((&answer["rcode"], &answer["ttl"]), (&json!(rcode), &json!(ttl)), "{question}: {answer}");
    }
    let ran = files.run("explain www.gslb.example.com --client 10.1.2.3");
    assert!(!ran.stdout.contains("resolvers keep"), "{}", ran.stdout);
}

/// The computed shares equal the shares of real answers.
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
