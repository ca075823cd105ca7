//! Overrides as clients see them: precedence, the ladder, names, and shares.

mod scene;

use hickory_proto::rr::RecordType::{A, AAAA, MX, TXT};
use proptest::prelude::*;
use scene::Scene;

const FRA: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
const WEB: [&str; 6] = ["198.51.100.1", "198.51.100.2", "2001:db8:f::1", "192.0.2.1", "2001:db8:a::1", "203.0.113.1"];
const EUROPE: &str = "10.1.7.0/24";
const WWW: &str = "[names.www]\npools = [\"web\"]\n";
const SORRY: &str = "[pools.sorry]\nendpoints = [\"192.0.2.99\"]\n\
                     [names.www]\npools = [\"web\"]\nfallback = \"sorry\"\n";

fn europe(scene: &mut Scene) -> Vec<String> {
    scene.ask("www", A, EUROPE).sorted()
}

#[test]
fn a_drained_datacenter_gets_no_answers_and_the_ttl_is_short() {
    let mut scene = Scene::new(WWW);
    scene.order("drain dc:fra");
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.sorted(), reply.ttl()), (vec!["192.0.2.1".to_owned()], 5));
    assert_eq!(reply.scope(), Some(16), "no override changes a scope");
    assert_eq!(scene.ask("www", AAAA, EUROPE).data(), ["2001:db8:a::1"]);
    assert_eq!(scene.ask("www", A, "10.2.7.0/24").ttl(), 30, "iad's clients do not get as far as fra");
    scene.lift("dc:fra");
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.sorted(), reply.ttl()), (FRA.map(str::to_owned).to_vec(), 30));
}

#[test]
fn one_endpoint_may_drain_while_its_pool_serves() {
    let mut scene = Scene::new(WWW);
    scene.order("drain endpoint:198.51.100.1");
    assert_eq!(europe(&mut scene), ["198.51.100.2"]);
    scene.order("drain endpoint:198.51.100.*");
    assert_eq!(europe(&mut scene), ["192.0.2.1"], "IPv4 alone leaves");
    assert_eq!(scene.ask("www", AAAA, EUROPE).data(), ["2001:db8:f::1"]);
}

#[test]
fn open_is_the_exception_inside_a_drained_datacenter() {
    let green = "[pools.green]\ndatacenter = \"fra\"\nendpoints = [\"198.51.100.20\"]\n\
                 [names.www]\npools = [\"web\", \"green\"]\nsteer = [\"region\"]\n";
    let mut scene = Scene::new(green);
    scene.order("drain dc:fra");
    scene.order("open pool:green");
    assert_eq!(europe(&mut scene), ["198.51.100.20"]);
    scene.order("force-down endpoint:198.51.100.20");
    assert_eq!(europe(&mut scene), ["192.0.2.1"]);
}

#[test]
fn the_most_specific_counts_then_what_is_written_out_then_the_last() {
    let mut scene = Scene::new(WWW);
    scene.order("force-down endpoint:198.51.100.*");
    scene.order("open endpoint:198.51.100.2");
    scene.order("drain pool:web/fra");
    assert_eq!(europe(&mut scene), ["198.51.100.2"]);
    scene.order("open endpoint:198.51.*");
    assert_eq!(europe(&mut scene), FRA, "the later of two globs");
    scene.lift("endpoint:198.51.100.2");
    scene.lift("endpoint:198.51.100.*");
    scene.lift("endpoint:198.51.*");
    scene.order("open pool:web");
    assert_eq!(europe(&mut scene), ["192.0.2.1"], "web/fra is more exact than web");
}

#[test]
fn draining_is_a_rung_above_the_fallback() {
    let mut scene = Scene::new(SORRY);
    scene.order("drain dc:*");
    assert_eq!(europe(&mut scene), FRA, "nothing else is left");
    scene.down(&["198.51.100.1"]);
    assert_eq!(europe(&mut scene), ["198.51.100.2"], "a drained endpoint is still probed");
    scene.down(&["198.51.100.2", "2001:db8:f::1"]);
    assert_eq!(europe(&mut scene), ["192.0.2.1"]);
    scene.down(&WEB);
    assert_eq!(europe(&mut scene), ["192.0.2.99"]);
}

#[test]
fn an_endpoint_below_the_minimum_goes_before_a_draining_one() {
    let pool = "[pools.shop]\nmonitor = \"web\"\nmin_healthy = 0.6\ndatacenter = \"fra\"\n\
                endpoints = [\"198.51.100.7\", \"198.51.100.8\"]\n\
                [names.shop]\npools = [\"web/iad\", \"shop\"]\nsteer = [\"failover\"]\n";
    let mut scene = Scene::new(pool);
    scene.order("drain dc:iad");
    scene.down(&["198.51.100.7"]);
    assert_eq!(scene.ask("shop", A, "").data(), ["198.51.100.8"]);
    scene.down(&["198.51.100.8"]);
    assert_eq!(scene.ask("shop", A, "").data(), ["192.0.2.1"]);
}

#[test]
fn what_was_taken_off_duty_is_not_missed_by_min_healthy() {
    let pool = "[pools.shop]\nmonitor = \"web\"\nmin_healthy = 0.6\ndatacenter = \"fra\"\n\
                endpoints = [\"198.51.100.7\", \"198.51.100.8\"]\n\
                [names.shop]\npools = [\"shop\", \"web/iad\"]\nsteer = [\"failover\"]\n";
    for order in ["drain", "force-down"] {
        let mut scene = Scene::new(pool);
        scene.order(&format!("{order} endpoint:198.51.100.7"));
        assert_eq!(scene.ask("shop", A, "").data(), ["198.51.100.8"], "{order}");
    }
}

#[test]
fn forced_up_means_whatever_probes_say() {
    let mut scene = Scene::new(WWW);
    scene.down(&FRA);
    scene.down(&["2001:db8:f::1"]);
    scene.restless(&["198.51.100.1"]);
    scene.order("force-up endpoint:198.51.100.1");
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.data(), reply.ttl()), (vec!["198.51.100.1".to_owned()], 30));
}

#[test]
fn what_is_forced_down_answers_on_no_rung() {
    for all_down in ["all", "last-healthy"] {
        let mut scene = Scene::new(&format!("{WWW}all_down = \"{all_down}\"\n"));
        scene.order("force-down pool:web/fra");
        assert_eq!(europe(&mut scene), ["192.0.2.1"], "{all_down}");
        scene.down(&WEB);
        assert!(!europe(&mut scene).is_empty());
        assert!(europe(&mut scene).iter().all(|address| !FRA.contains(&address.as_str())), "{all_down}");
        scene.order("force-down dc:*");
        for rtype in [A, AAAA] {
            assert!(scene.ask("www", rtype, EUROPE).is_nodata(), "{all_down}");
        }
    }
}

#[test]
fn last_healthy_returns_to_what_was_open_before_when_a_force_is_lifted() {
    let mut scene = Scene::new("[names.www]\npools = [\"web/fra\"]\nsteer = []\nall_down = \"last-healthy\"\n");
    scene.down(&["198.51.100.2"]);
    scene.down(&["198.51.100.1"]);
    scene.down(&["2001:db8:f::1"]);
    assert_eq!(europe(&mut scene), ["198.51.100.1"]);
    scene.order("force-down endpoint:198.51.100.1");
    assert_eq!(europe(&mut scene), ["198.51.100.2"], "the endpoint that was open last is forced down; another is left");
    scene.lift("endpoint:198.51.100.1");
    assert_eq!(europe(&mut scene), ["198.51.100.1"]);
}

#[test]
fn when_all_is_down_what_drains_still_comes_last() {
    let mut scene = Scene::new(WWW);
    scene.order("drain dc:fra");
    scene.down(&WEB);
    assert_eq!(europe(&mut scene), ["192.0.2.1"]);
    scene.order("drain dc:*");
    assert_eq!(europe(&mut scene), FRA);
}

#[test]
fn an_empty_answer_asks_what_the_operator_wrote() {
    let mut scene = Scene::new(WWW);
    scene.order("force-down endpoint:2001:db8:f::1");
    assert_eq!(scene.ask("www", AAAA, EUROPE).data(), ["2001:db8:a::1"], "fra was given IPv6");
    assert!(scene.ask("www", AAAA, "10.3.7.0/24").is_nodata(), "sin never was");
}

#[test]
fn a_name_forced_down_answers_its_fallback_or_nothing() {
    let mut scene = Scene::new(&format!("{SORRY}[names.other]\npools = [\"web\"]\nfallback = \"sorry\"\n"));
    scene.order("force-down name:www.example.com");
    assert_eq!(europe(&mut scene), ["192.0.2.99"]);
    assert!(scene.ask("www", AAAA, EUROPE).is_nodata());
    assert_eq!(scene.ask("other", A, EUROPE).sorted(), FRA, "a name with the same plan is not meant");
    scene.order("force-down pool:sorry");
    assert!(scene.ask("www", A, EUROPE).is_nodata());
    scene.lift("name:www.example.com");
    assert_eq!(europe(&mut scene), FRA);
}

#[test]
fn a_drained_name_answers_its_fallback_first_while_that_can() {
    let mut scene = Scene::new(SORRY);
    scene.order("drain name:www.*");
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.data(), reply.ttl()), (vec!["192.0.2.99".to_owned()], 5));
    scene.order("force-down endpoint:192.0.2.99");
    assert_eq!(europe(&mut scene), FRA);
    scene.lift("endpoint:192.0.2.99");
    scene.order("open name:www.example.com");
    let reply = scene.ask("www", A, EUROPE);
    assert_eq!((reply.sorted(), reply.ttl()), (FRA.map(str::to_owned).to_vec(), 30));
}

#[test]
fn a_name_forced_up_ignores_probes_but_no_operator() {
    let mut scene = Scene::new(SORRY);
    scene.down(&WEB);
    scene.order("force-up name:www.example.com");
    assert_eq!(europe(&mut scene), FRA);
    scene.order("force-down endpoint:198.51.100.1");
    assert_eq!(europe(&mut scene), ["198.51.100.2"]);
    scene.order("drain dc:fra");
    assert_eq!(europe(&mut scene), ["192.0.2.1"]);
    scene.lift("dc:fra");
    scene.order("force-down dc:*");
    assert_eq!(europe(&mut scene), ["192.0.2.99"]);
}

#[test]
fn a_wildcards_names_are_meant_by_its_owner() {
    let mut scene = Scene::new("[names.\"*.apps\"]\npools = [\"web\"]\n[names.\"own.apps\"]\npools = [\"web\"]\n");
    scene.order(r"force-down name:\*.apps.example.com");
    assert!(scene.ask("any.apps", A, EUROPE).is_nodata());
    assert_eq!(scene.ask("own.apps", A, EUROPE).sorted(), FRA);
}

#[test]
fn a_canonical_name_is_an_endpoint_too() {
    let pools = "[pools.cdn]\nendpoints = [{ cname = \"www.example.net.\" }]\n\
                 [pools.cdn2]\nendpoints = [{ cname = \"www.example.org.\" }]\n\
                 [names.www]\npools = [\"cdn\", \"cdn2\"]\nsteer = [\"failover\"]\n";
    let mut scene = Scene::new(pools);
    assert_eq!(scene.ask("www", A, EUROPE).data(), ["www.example.net."]);
    scene.order("drain endpoint:www.example.net");
    assert_eq!(scene.ask("www", TXT, EUROPE).data(), ["www.example.org."]);
    scene.order("force-down endpoint:www.example.*");
    assert_eq!(scene.ask("www", MX, EUROPE).data(), ["www.example.net."], "the drain is written out, so it counts");
    scene.order("force-down endpoint:www.example.net.");
    assert!(scene.ask("www", MX, EUROPE).data().is_empty());
}

/// A chi-square value with one degree of freedom exceeds this by chance once in 100,000 times.
const CHI_SQUARE_LIMIT: f64 = 19.51;

/// Returns the chi-square value of the counts of two outcomes.
fn chi_square(seen: u32, all: u32, probability: f64) -> f64 {
    let term = |seen: u32, expected: f64| (f64::from(seen) - expected).powi(2) / expected;
    let expected = f64::from(all) * probability;
    term(seen, expected) + term(all - seen, f64::from(all) - expected)
}

#[test]
fn a_degraded_endpoint_keeps_its_share() {
    const QUERIES: u32 = 20_000;
    for (pick, probability) in [("rotate", 0.25), ("random", 0.25), ("weighted", 0.25 * 3.0 / (0.25 * 3.0 + 1.0))] {
        let pool = "[pools.uneven]\nmonitor = \"web\"\n\
                    endpoints = [{ address = \"192.0.2.31\", weight = 3 }, \"192.0.2.32\"]\n";
        let zone = format!("{pool}[names.uneven]\npools = [\"uneven\"]\nsteer = []\npick = \"{pick}\"\n");
        let mut scene = Scene::new(&zone);
        scene.degraded(&["192.0.2.31"], 250);
        let mut seen = 0;
        for _ in 0..QUERIES {
            let reply = scene.ask("uneven", A, "");
            assert_eq!(reply.ttl(), 30, "a confirmed state has the long TTL");
            seen += u32::from(reply.data().contains(&"192.0.2.31".to_owned()));
        }
        let distance = chi_square(seen, QUERIES, probability);
        assert!(distance < CHI_SQUARE_LIMIT, "{pick}: {seen} of {QUERIES}, chi square {distance}");
        scene.down(&["192.0.2.32"]);
        assert_eq!(scene.ask("uneven", A, "").data(), ["192.0.2.31"], "the last one stays");
    }
}

#[test]
fn a_degraded_pool_is_drawn_less_often() {
    const QUERIES: u32 = 20_000;
    let zone = "[pools.green]\ndatacenter = \"fra\"\nmonitor = \"web\"\n\
                endpoints = [{ address = \"198.51.100.20\", weight = 1 }, { address = \"198.51.100.21\", weight = 3 }]\n\
                [names.api]\nsteer = [\"weight\"]\n\
                pools = [{ pool = \"web/iad\", weight = 3 }, { pool = \"green\", weight = 2 }]\n";
    let mut scene = Scene::new(zone);
    scene.degraded(&["198.51.100.21"], 500);
    // (1 x 1 + 3 x 0.5) / 4 = 0.625 of 2, beside 3.
    let green = (0..QUERIES).filter(|_| scene.ask("api", A, "").data() != ["192.0.2.1"]).count() as u32;
    let distance = chi_square(green, QUERIES, 1.25 / 4.25);
    assert!(distance < CHI_SQUARE_LIMIT, "{green} of {QUERIES}, chi square {distance}");
}

#[test]
fn rotation_without_degraded_endpoints_is_as_it_was() {
    let mut scene = Scene::new("[names.www]\npools = [\"web/fra\"]\nsteer = []\n");
    scene.degraded(&["192.0.2.1"], 100);
    let firsts: Vec<String> = (0..4).map(|_| scene.ask("www", A, "").data()[0].clone()).collect();
    assert_eq!(firsts[..2], firsts[2..]);
    assert_ne!(firsts[0], firsts[1]);
}

fn any_order() -> impl Strategy<Value = String> {
    let targets = [
        "dc:fra",
        "dc:iad",
        "dc:*",
        "pool:web",
        "pool:web/sin",
        "pool:w*",
        "pool:sorry",
        "endpoint:198.51.100.1",
        "endpoint:198.51.100.?",
        "endpoint:192.0.2.*",
        "endpoint:2001:db8:*",
        "name:*",
        "name:www.example.com",
    ];
    let modes = ["drain", "open", "force-up", "force-down"];
    (prop::sample::select(modes.to_vec()), prop::sample::select(targets.to_vec()))
        .prop_map(|(mode, target)| format!("{mode} {target}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_answer_ever_holds_what_is_forced_down(
        forced in prop::sample::subsequence(WEB.to_vec(), 0..=WEB.len()),
        down in prop::collection::vec(prop::sample::subsequence(WEB.to_vec(), 0..=WEB.len()), 0..3),
        orders in prop::collection::vec(any_order(), 0..6),
        degraded in prop::sample::subsequence(WEB.to_vec(), 0..=WEB.len()),
        all_down in prop::sample::select(vec!["all", "last-healthy", "nodata", "servfail"]),
        steer in prop::sample::select(vec!["[]", "[\"region\"]", "[\"weight\"]", "[\"region\", \"weight\"]"]),
        pick in prop::sample::select(vec!["rotate", "weighted", "random"]),
        fallback in prop::sample::select(vec!["", "fallback = \"sorry\"\n"]),
        take in 1..3_u8,
    ) {
        let pool = "[pools.sorry]\nmonitor = \"web\"\nendpoints = [\"198.51.100.1\"]\n";
        let name = format!(
            "[names.www]\npools = [\"web\"]\nall_down = \"{all_down}\"\nsteer = {steer}\npick = \"{pick}\"\ntake = {take}\n{fallback}"
        );
        let mut scene = Scene::new(&format!("{pool}{name}"));
        scene.degraded(&degraded, 300);
        let mut downs = down.iter();
        for order in &orders {
            scene.order(order);
            if let Some(down) = downs.next() {
                scene.down(down);
            }
        }
        // These orders have exact targets and come last, so they count before all others.
        for address in &forced {
            scene.order(&format!("force-down endpoint:{address}"));
        }
        for rtype in [A, AAAA] {
            for client in ["", EUROPE, "10.2.7.0/24", "10.3.7.0/24", "10.9.9.0/24"] {
                let reply = scene.ask("www", rtype, client);
                for address in reply.data() {
                    prop_assert!(!forced.contains(&address.as_str()), "{address} after {orders:?}");
                }
            }
        }
    }
}
