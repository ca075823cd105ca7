//! What answers if pools, families or all of a name are down.

use hickory_proto::rr::RecordType::{A, AAAA, CNAME, MX, TXT};

use super::{FRA, WEB};
use crate::scene::Scene;

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
