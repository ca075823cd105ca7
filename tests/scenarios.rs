//! Scenarios: a zone file, then questions, failures and recoveries, with whole answers compared.

mod scene;

use hickory_proto::rr::RecordType::{A, AAAA, CNAME, HTTPS, MX, TXT};
use scene::Scene;

const FRA: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
const WEB: [&str; 6] = ["198.51.100.1", "198.51.100.2", "2001:db8:f::1", "192.0.2.1", "2001:db8:a::1", "203.0.113.1"];

#[test]
fn each_region_goes_to_its_place_with_the_scope_of_its_prefix() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    for (client, addresses, scope) in [
        ("10.1.7.0/24", &FRA[..], 16),
        ("10.2.7.0/24", &["192.0.2.1"], 16),
        ("10.3.7.0/24", &["203.0.113.1"], 16),
        ("10.9.9.0/24", &FRA, 24),
        // Outside of all regions: 10.4.0.0/14 is the shortest prefix around this network that contains none of them.
        ("10.4.0.0/24", &["192.0.2.1"], 14),
    ] {
        let reply = scene.ask("www", A, client);
        assert_eq!(reply.sorted(), addresses, "{client}");
        assert_eq!(reply.scope(), Some(scope), "{client}");
        assert_eq!(reply.ttl(), 30);
        assert!(reply.message.metadata.authoritative);
    }
}

#[test]
fn without_the_option_the_source_decides_and_no_option_comes_back() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    let query = scene::query("www", A, "").to_vec().unwrap();
    let reply = scene.send_from("10.3.0.1".parse().unwrap(), &query, truenorth::answer::Transport::Udp).unwrap();
    assert_eq!(reply.data(), ["203.0.113.1"]);
    assert_eq!(reply.scope(), None);
}

#[test]
fn a_source_prefix_of_0_is_the_wish_not_to_be_located() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    let query = scene::query("www", A, "0.0.0.0/0").to_vec().unwrap();
    let reply = scene.send_from("10.3.0.1".parse().unwrap(), &query, truenorth::answer::Transport::Udp).unwrap();
    assert_eq!(reply.data(), ["203.0.113.1"]);
    assert_eq!(reply.scope(), Some(0));
}

#[test]
fn an_ipv4_client_within_ipv6_is_found_and_its_scope_counts_from_the_front() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    // 2002:0a03::/32 is the 6to4 form of 10.3.0.0/16.
    let reply = scene.ask("www", A, "2002:a03:700::/40");
    assert_eq!(reply.data(), ["203.0.113.1"]);
    assert_eq!(reply.scope(), Some(32));
}

#[test]
fn a_dead_datacenters_clients_get_the_next_one() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    scene.down(&FRA);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data(), ["192.0.2.1"]);
    scene.down(&["192.0.2.1"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data(), ["203.0.113.1"]);
    scene.up(&FRA);
    let reply = scene.ask("www", A, "10.1.7.0/24");
    assert_eq!(reply.sorted(), FRA);
    assert_eq!(reply.scope(), Some(16), "health changes no scope");
}

#[test]
fn one_dead_endpoint_leaves_and_the_others_stay() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    scene.down(&["198.51.100.1"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data(), ["198.51.100.2"]);
}

#[test]
fn tied_places_answer_together_and_rotate() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n");
    scene.down(&["203.0.113.1"]);
    let mut firsts: Vec<String> = (0..3).map(|_| scene.ask("www", A, "10.3.7.0/24").data()[0].clone()).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, ["192.0.2.1", "198.51.100.1", "198.51.100.2"]);
}

#[test]
fn distance_breaks_the_regions_tie_only_for_clients_with_coordinates() {
    // There is no database, so no client has coordinates: the tie remains.
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nsteer = [\"region\", \"distance\"]\n");
    scene.down(&["203.0.113.1"]);
    assert_eq!(scene.ask("www", A, "10.3.7.0/24").data().len(), 3);
}

#[test]
fn failover_follows_the_order_of_pools() {
    let mut scene =
        Scene::new("[names.files]\npools = [\"web/sin\", [\"web/iad\", \"web/fra\"]]\nsteer = [\"failover\"]\n");
    let reply = scene.ask("files", A, "10.1.7.0/24");
    assert_eq!((reply.data(), reply.scope()), (vec!["203.0.113.1".to_owned()], Some(0)));
    scene.down(&["203.0.113.1"]);
    assert_eq!(scene.ask("files", A, "10.1.7.0/24").data().len(), 3);
}

#[test]
fn region_decides_within_a_failover_tie() {
    let zone = "[names.files]\npools = [\"web/sin\", [\"web/iad\", \"web/fra\"]]\nsteer = [\"failover\", \"region\"]\n";
    let mut scene = Scene::new(zone);
    assert_eq!(scene.ask("files", A, "10.1.7.0/24").data(), ["203.0.113.1"]);
    scene.down(&["203.0.113.1"]);
    let reply = scene.ask("files", A, "10.1.7.0/24");
    assert_eq!((reply.sorted(), reply.scope()), (FRA.map(str::to_owned).to_vec(), Some(16)));
    assert_eq!(scene.ask("files", A, "10.2.7.0/24").data(), ["192.0.2.1"]);
}

#[test]
fn a_names_own_preference_takes_the_regions_place() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\nprefer = { europe = [\"sin\", \"fra\"] }\n");
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data(), ["203.0.113.1"]);
    assert_eq!(scene.ask("www", A, "10.2.7.0/24").data(), ["192.0.2.1"]);
}

#[test]
fn only_means_never_anywhere_else() {
    let mut scene = Scene::new(
        "[pools.sorry]\nendpoints = [\"192.0.2.99\"]\n[names.www]\npools = [\"web\"]\nfallback = \"sorry\"\n",
    );
    scene.down(&FRA);
    // This datacenter still has IPv6, so it answers; for IPv4 there are no records.
    assert!(scene.ask("www", A, "10.9.9.0/24").is_nodata());
    assert_eq!(scene.ask("www", AAAA, "10.9.9.0/24").data(), ["2001:db8:f::1"]);
    scene.down(&["2001:db8:f::1"]);
    assert_eq!(scene.ask("www", A, "10.9.9.0/24").data(), ["192.0.2.99"]);
    assert!(scene.ask("www", AAAA, "10.9.9.0/24").is_nodata(), "the fallback was never given IPv6");
}

#[test]
fn all_types_agree_on_the_place() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    // sin was never given IPv6.
    let reply = scene.ask("www", AAAA, "10.3.7.0/24");
    assert!(reply.is_nodata());
    assert_eq!((reply.ttl(), reply.scope()), (30, Some(16)), "an empty answer is this client's too");
    // fra has IPv6, but it is down: the next datacenter with IPv6 answers for IPv6 alone.
    scene.down(&["2001:db8:f::1"]);
    assert_eq!(scene.ask("www", AAAA, "10.1.7.0/24").data(), ["2001:db8:a::1"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").sorted(), FRA);
    // IPv4 fails in fra, IPv6 works: fra still answers.
    scene.up(&["2001:db8:f::1"]);
    scene.down(&FRA);
    assert_eq!(scene.ask("www", AAAA, "10.1.7.0/24").data(), ["2001:db8:f::1"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data(), ["192.0.2.1"]);
}

/// Two families in one datacenter, a fallback with both, and a setting of `all_down`.
fn dual(more: &str) -> Scene {
    let pools = "[pools.dual]\nmonitor = \"web\"\nendpoints.fra = [\"198.51.100.7\", \"2001:db8:f::7\"]\n\
                 endpoints.iad = [\"192.0.2.7\", \"2001:db8:a::7\"]\n\
                 [pools.spare]\nmonitor = \"web\"\nendpoints = [\"192.0.2.99\", \"2001:db8::99\"]\n";
    Scene::new(&format!("{pools}[names.dual]\npools = [\"dual\"]\n{more}"))
}

const DUAL_V4: [&str; 2] = ["198.51.100.7", "192.0.2.7"];
const DUAL_V6: [&str; 2] = ["2001:db8:f::7", "2001:db8:a::7"];

#[test]
fn half_of_a_healthy_name_is_empty_and_not_the_sorry_page() {
    for more in ["fallback = \"spare\"\n", "", "all_down = \"last-healthy\"\n", "all_down = \"servfail\"\n"] {
        for (dead, alive, asked, other) in [(DUAL_V6, DUAL_V4, AAAA, A), (DUAL_V4, DUAL_V6, A, AAAA)] {
            let mut scene = dual(more);
            // There is only one datacenter: the other family answers for the failed one there.
            scene.down(&dead[..1]);
            assert_eq!(scene.ask("dual", asked, "10.1.7.0/24").data(), [dead[1]], "{more}");
            scene.down(&dead[1..]);
            for client in ["10.1.7.0/24", "10.2.7.0/24", ""] {
                let reply = scene.ask("dual", asked, client);
                assert!(reply.is_nodata(), "{more} {asked}: {:?}", reply.data());
            }
            assert_eq!(scene.ask("dual", other, "10.1.7.0/24").data(), [alive[0]]);
            scene.up(&dead);
            assert_eq!(scene.ask("dual", asked, "10.1.7.0/24").data(), [dead[0]]);
        }
    }
}

#[test]
fn when_both_families_are_down_the_ladder_goes_on_for_both() {
    let mut scene = dual("fallback = \"spare\"\n");
    scene.down(&DUAL_V4);
    scene.down(&DUAL_V6);
    assert_eq!(scene.ask("dual", A, "").data(), ["192.0.2.99"]);
    assert_eq!(scene.ask("dual", AAAA, "").data(), ["2001:db8::99"]);
    // A fallback with one family down behaves like a pool with one family down: the other family answers.
    scene.down(&["2001:db8::99"]);
    assert_eq!(scene.ask("dual", A, "").data(), ["192.0.2.99"]);
    assert!(scene.ask("dual", AAAA, "").is_nodata());
    scene.down(&["192.0.2.99"]);
    assert_eq!(scene.ask("dual", AAAA, "10.1.7.0/24").data(), [DUAL_V6[0]], "all_down: all");
}

#[test]
fn below_the_minimum_a_family_that_has_nothing_goes_down_the_ladder() {
    let pool = "[pools.few]\nmonitor = \"web\"\nmin_healthy = 0.6\n\
                endpoints = [\"198.51.100.7\", \"198.51.100.8\", \"2001:db8:f::7\"]\n\
                [pools.spare]\nendpoints = [\"192.0.2.99\", \"2001:db8::99\"]\n";
    let mut scene = Scene::new(&format!("{pool}[names.few]\npools = [\"few\"]\nfallback = \"spare\"\n"));
    scene.down(&["2001:db8:f::7"]);
    assert!(scene.ask("few", AAAA, "").is_nodata(), "IPv4 is usable");
    scene.down(&["198.51.100.7"]);
    assert_eq!(scene.ask("few", AAAA, "").data(), ["2001:db8::99"], "it is not");
    assert_eq!(scene.ask("few", A, "").data(), ["198.51.100.8"]);
}

#[test]
fn an_order_on_endpoints_empties_a_family_as_a_probe_does() {
    let mut scene = dual("fallback = \"spare\"\n");
    for address in DUAL_V6 {
        scene.order(&format!("force-down endpoint:{address}"));
    }
    assert!(scene.ask("dual", AAAA, "").is_nodata());
    assert_eq!(scene.ask("dual", A, "10.1.7.0/24").data(), [DUAL_V4[0]]);
}

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
fn min_healthy_is_a_share_and_less_is_better_than_nothing() {
    let pool = "[pools.shop]\nmonitor = \"web\"\nmin_healthy = 0.6\ndatacenter = \"fra\"\nendpoints = [\"198.51.100.7\", \"198.51.100.8\"]\n";
    let name = "[names.shop]\npools = [\"shop\", \"web/iad\"]\nsteer = [\"failover\"]\n";
    let mut scene = Scene::new(&format!("{pool}{name}"));
    scene.down(&["198.51.100.7"]);
    assert_eq!(scene.ask("shop", A, "").data(), ["192.0.2.1"]);
    scene.down(&["192.0.2.1", "2001:db8:a::1"]);
    assert_eq!(scene.ask("shop", A, "").data(), ["198.51.100.8"], "below the minimum, but open");
}

#[test]
fn when_all_is_down_the_ladder_ends_as_the_name_says() {
    let ends = [("all", 0), ("last-healthy", 0), ("nodata", 0), ("servfail", 2)];
    for (all_down, rcode) in ends {
        let mut scene = Scene::new(&format!("[names.www]\npools = [\"web\"]\nall_down = \"{all_down}\"\n"));
        scene.down(&["198.51.100.1"]);
        scene.down(&["203.0.113.1", "192.0.2.1", "2001:db8:a::1", "2001:db8:f::1"]);
        scene.down(&["198.51.100.2"]);
        let reply = scene.ask("www", A, "10.2.7.0/24");
        assert_eq!(reply.rcode(), rcode, "{all_down}");
        match all_down {
            "all" => assert_eq!(reply.data(), ["192.0.2.1"], "the chain runs as if all were up"),
            "last-healthy" => assert_eq!(reply.data(), ["198.51.100.2"], "the endpoint that died last"),
            "nodata" => assert!(reply.is_nodata()),
            _ => assert!(reply.message.answers.is_empty()),
        }
    }
}

#[test]
fn fallback_comes_before_all_down_and_may_be_probed_itself() {
    let zone = "[pools.sorry]\nmonitor = \"web\"\nendpoints = [\"192.0.2.99\"]\n[names.www]\npools = [\"web\"]\nfallback = \"sorry\"\n";
    let mut scene = Scene::new(zone);
    scene.down(&WEB);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").data(), ["192.0.2.99"]);
    scene.down(&["192.0.2.99"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").sorted(), FRA);
}

#[test]
fn a_cname_is_answered_only_when_the_whole_name_has_come_to_it() {
    let zone = "[pools.sorry]\nendpoints = [{ cname = \"status.example.net.\" }]\n[names.www]\npools = [\"web\"]\nfallback = \"sorry\"\nall_down = \"nodata\"\n";
    let mut scene = Scene::new(zone);
    scene.down(&["2001:db8:f::1", "2001:db8:a::1"]);
    assert!(scene.ask("www", AAAA, "10.1.7.0/24").is_nodata(), "IPv4 lives, so no CNAME for IPv6");
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").sorted(), FRA);
    assert!(scene.ask("www", MX, "10.1.7.0/24").is_nodata());
    scene.down(&WEB);
    for rtype in [A, AAAA, MX, TXT, CNAME] {
        assert_eq!(scene.ask("www", rtype, "10.1.7.0/24").data(), ["status.example.net."], "{rtype}");
    }
}

#[test]
fn a_steered_cname_is_followed_inside_the_zone() {
    let zone = "[pools.alias]\nendpoints = [{ cname = \"www.example.com.\" }]\n[names.old]\npools = [\"alias\"]\nsteer = []\n[names.www]\npools = [\"web\"]\n";
    let mut scene = Scene::new(zone);
    let reply = scene.ask("old", A, "10.3.7.0/24");
    assert_eq!(reply.data(), ["www.example.com.", "203.0.113.1"]);
    assert_eq!(reply.scope(), Some(16), "the longest scope met along the chain");
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
fn the_ttl_is_short_while_something_that_the_answer_reaches_is_unconfirmed() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    scene.restless(&["198.51.100.2"]);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").ttl(), 5);
    assert_eq!(scene.ask("www", A, "10.2.7.0/24").ttl(), 30, "iad answers before fra is looked at");
    scene.down(&["192.0.2.1", "2001:db8:a::1"]);
    assert_eq!(scene.ask("www", A, "10.2.7.0/24").ttl(), 5);
    scene.restless(&[]);
    scene.down(&FRA);
    assert_eq!(scene.ask("www", A, "10.1.7.0/24").ttl(), 30, "a settled state is calm");
}

#[test]
fn an_empty_steered_answer_lives_no_longer_than_the_answer_would_have() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n");
    scene.restless(&["203.0.113.1"]);
    let reply = scene.ask("www", AAAA, "10.3.7.0/24");
    assert!(reply.is_nodata());
    assert_eq!(reply.ttl(), 5);
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

#[test]
fn steered_names_stand_anywhere_wildcards_and_the_apex_included() {
    let mut scene =
        Scene::new("[names.\"*.apps\"]\npools = [\"web\"]\n[names.\"@\"]\npools = [\"web/sin\"]\nsteer = []\n");
    assert_eq!(scene.ask("any.apps", A, "10.1.7.0/24").sorted(), FRA);
    assert_eq!(scene.ask("deep.any.apps", A, "10.1.7.0/24").sorted(), FRA);
    assert_eq!(scene.ask("example.com.", A, "10.1.7.0/24").data(), ["203.0.113.1"]);
    assert!(scene.ask("any.apps", TXT, "").is_nodata());
}

#[test]
fn static_types_stand_beside_steered_addresses() {
    let mut scene = Scene::new("[names.www]\npools = [\"web\"]\n[records.www]\nTXT = [\"hello world\"]\n");
    let reply = scene.ask("www", TXT, "10.1.7.0/24");
    assert_eq!((reply.data(), reply.scope()), (vec!["hello world".to_owned()], Some(0)));
}

#[test]
fn a_reflecting_name_tells_what_is_known_of_the_asker() {
    let mut scene = Scene::new("[names.whoami]\nreflect = true\n");
    let reply = scene.ask("whoami", TXT, "10.1.7.0/24");
    let text = reply.data().join(" ");
    for fact in
        ["source=127.0.0.1", "ecs=10.1.7.0/24", "location=unknown", "region=europe", "ranking=fra iad sin", "node="]
    {
        assert!(text.contains(fact), "{fact} in {text}");
    }
    assert_eq!((reply.ttl(), reply.scope()), (0, Some(24)));
    assert!(scene.ask("whoami", A, "").is_nodata());
}
