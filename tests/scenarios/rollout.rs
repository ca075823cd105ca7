//! Scenarios for roll-outs: which pool answers which client, and what happens when it is down.

use hickory_proto::rr::RecordType::{A, AAAA};
use truenorth::health::Share;
use truenorth::rollout::Exposure;

use crate::scene::Scene;

const POOLS: &str = r#"
[pools.blue]
monitor = "web"
endpoints.fra = ["198.51.100.10", "2001:db8:f::10"]
endpoints.iad = ["192.0.2.10"]
[pools.green]
monitor = "web"
min_healthy = 0.6
datacenter = "iad"
endpoints = ["192.0.2.20", "192.0.2.21"]
[pools.sorry]
endpoints = ["203.0.113.99"]
"#;
const SHOP: &str = "[names.shop]\npools = [\"blue\", \"green\"]\nactive = \"green\"\nfallback = \"sorry\"\n";
const EUROPE: &str = "10.1.2.0/24";

fn canary(more: &str) -> Scene {
    let canary = "canary = { pool = \"green\", steps = [5, 25, 50, 100] }";
    Scene::new(&format!("{POOLS}[names.shop]\npools = [\"blue\", \"green\"]\n{canary}\n{more}\n"))
}

fn green() -> Vec<String> {
    ["192.0.2.20", "192.0.2.21"].map(str::to_owned).to_vec()
}

fn share(thousandths: u16) -> Exposure {
    Exposure::Share(Share::from_thousandths(thousandths))
}

#[test]
fn only_the_active_pool_answers_wherever_the_client_is() {
    let mut scene = Scene::new(&format!("{POOLS}{SHOP}"));
    let reply = scene.ask("shop", A, EUROPE);
    assert_eq!((reply.sorted(), reply.ttl()), (green(), 30));
    assert!(scene.ask("shop", AAAA, EUROPE).is_nodata(), "the place is one for both families");
    scene.roll_out("shop.example.com", &Exposure::Active("blue".into()), false);
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["198.51.100.10"]);
    assert_eq!(scene.ask("shop", AAAA, EUROPE).data(), ["2001:db8:f::10"]);
    scene.roll_out("shop.example.com", &Exposure::Active("blue/iad".into()), false);
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["192.0.2.10"]);
}

#[test]
fn the_other_pool_is_ready_when_the_active_one_is_all_down_and_before_fallback() {
    let mut scene = Scene::new(&format!("{POOLS}{SHOP}"));
    scene.down(&["192.0.2.20"]);
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["192.0.2.21"], "below the minimum, but not down");
    scene.down(&["192.0.2.21"]);
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["198.51.100.10"]);
    scene.down(&["198.51.100.10", "2001:db8:f::10", "192.0.2.10"]);
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["203.0.113.99"]);
}

#[test]
fn when_all_is_down_and_health_is_ignored_the_active_pool_answers() {
    let mut scene = Scene::new(&format!("{POOLS}{}", SHOP.replace("fallback = \"sorry\"", "")));
    scene.down(&["192.0.2.20", "192.0.2.21", "198.51.100.10", "2001:db8:f::10", "192.0.2.10"]);
    assert_eq!(scene.ask("shop", A, EUROPE).sorted(), green());
}

#[test]
fn what_is_held_ready_does_not_make_the_ttl_restless() {
    let mut scene = Scene::new(&format!("{POOLS}{SHOP}"));
    scene.restless(&["198.51.100.10"]);
    assert_eq!(scene.ask("shop", A, EUROPE).ttl(), 30);
    scene.restless(&["192.0.2.20"]);
    assert_eq!(scene.ask("shop", A, EUROPE).ttl(), 5);
}

#[test]
fn a_canary_takes_its_share_of_queries_and_the_ttl_is_short_meanwhile() {
    let mut scene = canary("");
    let drawn = |scene: &mut Scene| {
        let is_green = |_: &u32| scene.ask("shop", A, EUROPE).data().len() == 2;
        (0..4000).filter(is_green).count()
    };
    let found = drawn(&mut scene);
    assert!((120..=290).contains(&found), "{found} of 4000 at 5 %");
    assert_eq!(scene.ask("shop", A, EUROPE).ttl(), 5);
    scene.roll_out("shop.example.com", &share(500), true);
    let found = drawn(&mut scene);
    assert!((1800..=2200).contains(&found), "{found} of 4000 at 50 %");
    scene.roll_out("shop.example.com", &share(1000), false);
    assert_eq!((drawn(&mut scene), scene.ask("shop", A, EUROPE).ttl()), (4000, 30));
    scene.roll_out("shop.example.com", &share(0), false);
    assert_eq!((drawn(&mut scene), scene.ask("shop", A, EUROPE).ttl()), (0, 30));
}

#[test]
fn sticky_clients_of_a_smaller_share_are_still_there_in_a_greater_one() {
    let mut scene = canary("steer = [\"region\", \"sticky\"]");
    let mut before: Vec<u32> = Vec::new();
    for step in [50, 250, 500, 1000] {
        scene.roll_out("shop.example.com", &share(step), true);
        let is_green = |number: &u32| {
            let client = format!("10.1.{number}.0/24");
            let reply = scene.ask("shop", A, &client);
            assert_eq!(reply.scope(), Some(24), "an answer is the network's own");
            assert_eq!(scene.ask("shop", A, &client).data().len(), reply.data().len(), "the same each time");
            reply.data().len() == 2
        };
        let now: Vec<u32> = (0..256).filter(is_green).collect();
        assert!(before.iter().all(|client| now.contains(client)), "at {step}");
        let found = now.len() as f64 / 256.0;
        assert!((found - f64::from(step) / 1000.0).abs() < 0.1, "{found} at {step}");
        before = now;
    }
}

#[test]
fn each_part_stands_in_for_the_other_while_both_are_at_work() {
    let mut scene = canary("");
    scene.roll_out("shop.example.com", &share(999), true);
    scene.down(&["192.0.2.20"]);
    for _ in 0..20 {
        assert_eq!(scene.ask("shop", A, EUROPE).data(), ["198.51.100.10"], "green is below its minimum");
    }
    scene.up(&["192.0.2.20"]);
    scene.roll_out("shop.example.com", &share(1), true);
    scene.down(&["198.51.100.10", "2001:db8:f::10", "192.0.2.10"]);
    for _ in 0..20 {
        assert_eq!(scene.ask("shop", A, EUROPE).sorted(), green());
    }
}

#[test]
fn a_name_forced_up_or_drained_still_has_its_parts() {
    let mut scene = Scene::new(&format!("{POOLS}{SHOP}"));
    scene.order("force-up name:shop.example.com");
    scene.down(&["192.0.2.20", "192.0.2.21"]);
    assert_eq!(scene.ask("shop", A, EUROPE).sorted(), green());
    scene.lift("name:shop.example.com");
    scene.order("drain name:shop.example.com");
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["203.0.113.99"]);
}

#[test]
fn names_that_are_written_alike_roll_out_each_for_itself() {
    let mut scene = Scene::new(&format!("{POOLS}{SHOP}{}", SHOP.replace("names.shop", "names.store")));
    scene.roll_out("shop.example.com", &Exposure::Active("blue".into()), false);
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["198.51.100.10"]);
    assert_eq!(scene.ask("store", A, EUROPE).sorted(), green());
}

#[test]
fn a_switch_stays_when_maps_are_made_of_new_round_trips() {
    let names = SHOP.replace("active = \"green\"", "active = \"green\"\nsteer = [\"latency\"]");
    let mut scene = Scene::new(&format!("{POOLS}{names}"));
    scene.roll_out("shop.example.com", &Exposure::Active("blue".into()), false);
    scene.measure(&[("10.1.2.0/24", "iad", 10.0), ("10.1.2.0/24", "fra", 90.0)]);
    assert_eq!(scene.ask("shop", A, EUROPE).data(), ["192.0.2.10"]);
}
