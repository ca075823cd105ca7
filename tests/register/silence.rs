//! The register dies: the last leases are kept, and the alarm says so.

use serde_json::json;

use crate::http::get;
use crate::{Scene, Street, eventually, zone};

#[test]
fn when_nobody_renews_any_more_answers_stay_and_the_alarm_says_so() {
    let street = Street::new([43, 1]);
    let scene = Scene::new(crate::SERVER, &zone(street.port, "prefixes = [\"127.43.0.0/16\"]", ""));
    let hosts = [1, 2, 3];
    let all = hosts.map(|host| street.address(host));
    let _endpoints = [2, 3].map(|host| street.open(host));
    for (host, address) in hosts.into_iter().zip(all) {
        scene.claim(&format!("e{host}"), address, "8s");
    }
    scene.comes_to_answer(&all);
    // Nobody renews. All three terms end, and no answer ever lacks one of the three.
    let sorted = |mut addresses: Vec<String>| {
        addresses.sort_unstable();
        addresses
    };
    let expected = sorted(all.iter().map(ToString::to_string).collect());
    eventually(|| {
        assert_eq!(scene.answer(), expected);
        scene.pool()["registered"] == json!({ "leases": 3, "max": 100, "kept": 3 })
    });
    let events = scene.events("register");
    assert_eq!((events.len(), &events[0]["silent"], &events[0]["pool"]), (1, &json!(true), &json!("web")));
    assert_eq!(get(scene.admin, "/v1/status").json()["silent"], json!(["web"]));
    let metrics = get(scene.admin, "/metrics").body;
    let metric = "truenorth_pool_kept_leases{zone=\"example.com.\",pool=\"web\",datacenter=\"\"} 3";
    assert!(metrics.contains(metric), "{metrics}");
    let screen = scene.files.run(&format!("status --node {}", scene.admin)).stdout;
    assert!(screen.contains("no lease of pool web is renewed: the last ones are kept"), "{screen}");

    // The register is back, without one of the three: that one goes after one more term.
    let [one, two, _] = all;
    eventually(|| {
        scene.claim("e1", one, "8s");
        scene.claim("e2", two, "8s");
        scene.answer() == sorted(vec![one.to_string(), two.to_string()])
    });
    let told: Vec<bool> = scene.events("register").iter().map(|event| event["silent"] == true).collect();
    assert_eq!(told, [true, false]);
    assert_eq!(scene.lease_events().last().map(String::as_str), Some("ended e3"));
}
