//! Scenarios: a zone file, then questions, failures and recoveries, with whole answers compared.

#[path = "../scene/mod.rs"]
mod scene;

mod ahead;
mod counters;
mod https;
mod ladder;
mod latency;
mod load;
mod local;
mod picks;
mod rollout;
mod rotation;
mod rows;
mod sticky;

use hickory_proto::rr::RecordType::{A, AAAA, TXT};
use scene::Scene;

/// The IPv4 addresses of the pool `web` in each datacenter.
const FRA: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
const IAD: &str = "192.0.2.1";
const SIN: &str = "203.0.113.1";

/// All addresses of the pool `web`.
const WEB: [&str; 6] = ["198.51.100.1", "198.51.100.2", "2001:db8:f::1", "192.0.2.1", "2001:db8:a::1", "203.0.113.1"];

/// Client networks of the regions `europe` and `asia`.
const EUROPE: &str = "10.1.7.0/24";
const ASIA: &str = "10.3.7.0/24";

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

#[test]
fn a_steered_cname_is_followed_inside_the_zone() {
    let zone = "[pools.alias]\nendpoints = [{ cname = \"www.example.com.\" }]\n[names.old]\npools = [\"alias\"]\nsteer = []\n[names.www]\npools = [\"web\"]\n";
    let mut scene = Scene::new(zone);
    let reply = scene.ask("old", A, "10.3.7.0/24");
    assert_eq!(reply.data(), ["www.example.com.", "203.0.113.1"]);
    assert_eq!(reply.scope(), Some(16), "the longest scope met along the chain");
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
