//! Reports of endpoints.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{get, post};
use crate::{SERVER, Scene, eventually};

const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[monitors.told]
type = "push"
deadline = "1h"
fall = 2
[pools.web]
monitor = "told"
endpoints = ["127.0.0.1", "127.0.0.2"]
[pools.unwatched]
endpoints = ["127.0.0.3"]
[pools.weighed]
capacity = 100
endpoints = ["127.0.0.4"]
[names.www]
pools = ["web"]
[names.weighed]
pools = ["weighed"]
steer = ["load"]
ttl = 1
[names.other]
pools = ["unwatched"]
"#;

fn scene() -> Scene {
    Scene::new(SERVER, &[("example.com.toml", ZONE)])
}

fn state(scene: &Scene, place: usize) -> String {
    let status = get(scene.admin, "/v1/status?pool=web").json();
    status["pools"][0]["endpoints"][place]["state"].as_str().expect("a word").to_owned()
}

#[test]
fn reports_take_endpoints_out_and_bring_them_back() {
    let scene = scene();
    let push = |body: serde_json::Value| post(scene.admin, "/v1/reports", &body.to_string());
    let well = json!([{"endpoint": "127.0.0.1", "ok": true}, {"endpoint": "127.0.0.2", "pool": "web", "ok": true}]);
    let told = push(well.clone());
    assert_eq!((told.status, told.json()), (200, json!({"counted": 2})));
    let bad = json!({"endpoint": "127.0.0.1", "ok": false, "failures": 2, "reason": "disk full"});
    assert_eq!(push(bad).status, 200);
    eventually(|| scene.node.dig("www.example.com").data() == ["127.0.0.2"]);
    let probe = get(scene.admin, "/v1/status?pool=web").json()["pools"][0]["endpoints"][0]["probes"][0].clone();
    assert_eq!((&probe["check"], &probe["state"]), (&json!("push"), &json!("down")));
    assert!(probe["seen"].as_str().is_some_and(|seen| seen.contains("disk full")), "{probe}");
    assert_eq!(push(well.clone()).status, 200);
    assert_eq!(push(well).status, 200);
    eventually(|| state(&scene, 0) == "up");
    let half = json!({"endpoint": "127.0.0.1", "ok": true, "weight": 50});
    assert_eq!((push(half.clone()).status, push(half).status), (200, 200));
    eventually(|| state(&scene, 0) == "degraded");
}

#[test]
fn an_endpoint_that_asks_for_nothing_is_drained_and_not_down() {
    let mut scene = scene();
    let push = |weight: u8| {
        let report = json!({"endpoint": "127.0.0.1", "pool": "web", "ok": true, "weight": weight});
        // As many reports as a state needs to be confirmed.
        for _ in 0..2 {
            assert_eq!(post(scene.admin, "/v1/reports", &report.to_string()).status, 200);
        }
    };
    push(100);
    push(0);
    eventually(|| scene.node.dig("www.example.com").data() == ["127.0.0.2"]);
    let line = scene.node.log.wait_for("endpoint is drained");
    assert!(line.contains("share=0 %"), "{line}");
    let endpoint = get(scene.admin, "/v1/status?pool=web").json()["pools"][0]["endpoints"][0].clone();
    assert_eq!((&endpoint["state"], &endpoint["really"]), (&json!("draining"), &json!("drained")), "{endpoint}");
    assert_eq!(endpoint["probes"][0]["state"], "drained");
    let ran = scene.files.run(&format!("status --node {}", scene.admin));
    assert!(ran.stdout.contains("drained"), "{ran:?}");
    push(50);
    eventually(|| state(&scene, 0) == "degraded");
    assert!(scene.node.log.lines().iter().all(|line| !line.contains("endpoint is down")));
}

#[test]
fn a_pause_of_the_node_itself_is_not_silence() {
    let zone = ZONE.replace("\"1h\"", "\"4s\"").replace("fall = 2", "fall = 1");
    let mut scene = Scene::new(SERVER, &[("example.com.toml", &zone)]);
    let admin = scene.admin;
    let report = || {
        let well = json!([{"endpoint": "127.0.0.1", "ok": true}, {"endpoint": "127.0.0.2", "ok": true}]);
        assert_eq!(post(admin, "/v1/reports", &well.to_string()).status, 200);
    };
    report();
    let heard = Instant::now();
    for _ in 0..2 {
        scene.node.signal("STOP");
        thread::sleep(Duration::from_secs(5));
        scene.node.signal("CONT");
    }
    report();
    assert!(heard.elapsed() > Duration::from_secs(8), "longer than twice the deadline");
    assert!(scene.node.log.lines().iter().all(|line| !line.contains("is down")), "{:?}", scene.node.log.lines());
    // Missing reports of the other monitor still count.
    scene.node.log.wait_for("endpoint is down");
    scene.node.log.wait_for("endpoint is down");
}

#[test]
fn loads_are_reported_alone_or_beside() {
    let scene = scene();
    let push = |body: serde_json::Value| post(scene.admin, "/v1/reports", &body.to_string());
    let load = json!({"endpoint": "127.0.0.4", "pool": "weighed", "load": {"used": 40.5}});
    assert_eq!(push(load).json(), json!({"counted": 1}));
    let told = || get(scene.admin, "/v1/status?pool=weighed").json()["pools"][0]["load"].clone();
    // `status` shows the load at once, and its effect after the next round of loads.
    eventually(|| told()["demand"] == json!(40.5));
    let expected = json!({"used": 40.5, "demand": 40.5, "capacity": 100.0, "keep": 1.0, "room": 59.5});
    let status = told();
    let mut published = status.clone();
    let since = published.as_object_mut().and_then(|load| load.remove("since"));
    assert!(since.is_some_and(|since| since.as_u64().is_some()), "when it was reported");
    assert_eq!(published, expected);
    let explain = || get(scene.admin, "/v1/explain?name=weighed.example.com&client=192.0.2.0/24").json();
    let explained = explain();
    assert_eq!(explained["hops"][0]["steering"]["pools"][0]["load"], status);
    assert_eq!(explained["hops"][0]["steering"]["steps"][0]["step"], "load, for this client");
    assert_eq!(explained["answer"]["scope"], 24, "the scope is the same for all loads");
    // The change is too small to publish, but `status` shows it.
    let load = json!({"endpoint": "127.0.0.4", "pool": "weighed", "load": {"used": 40.75}});
    assert_eq!(push(load).json(), json!({"counted": 1}));
    let load = || explain()["hops"][0]["steering"]["pools"][0]["load"].clone();
    eventually(|| load()["used"].as_f64().is_some_and(|used| used > 40.5));
    assert_eq!(load()["demand"], json!(40.5), "answers still use the published demand");
    let ran = scene.files.run(&format!("explain weighed.example.com --client 192.0.2.1 --node {}", scene.admin));
    assert!(ran.stdout.contains(" of 100 used, demand 40.5, room for 59.5, reported at 20"), "{ran:?}");
    let beside = json!({"endpoint": "127.0.0.1", "ok": true, "load": {"used": 1, "capacity": 2}});
    assert_eq!(push(beside).json(), json!({"counted": 1}), "how it is counts, though no name goes by its load");
}

#[test]
fn what_counts_for_nothing_is_told() {
    let scene = scene();
    let push = |body: &str| post(scene.admin, "/v1/reports", body);
    for (body, status) in [
        (r#"{"endpoint": "127.0.0.9", "ok": true}"#, 404),
        (r#"{"endpoint": "127.0.0.1", "pool": "unwatched", "ok": true}"#, 404),
        (r#"{"endpoint": "127.0.0.3", "ok": true}"#, 409),
        (r#"{"endpoint": "www", "ok": true}"#, 400),
        (r#"{"endpoint": "127.0.0.1"}"#, 400),
        (r#"{"endpoint": "127.0.0.1", "ok": true, "failures": 1}"#, 400),
        (r#"{"endpoint": "127.0.0.1", "ok": true, "weight": 101}"#, 400),
        (r#"{"endpoint": "127.0.0.1", "ok": false, "weight": 10}"#, 400),
        (r#"{"endpoint": "127.0.0.1", "ok": false, "failures": 0}"#, 400),
        (r#"{"endpoint": "127.0.0.1", "ok": false, "failures": 256}"#, 400),
        (r#"{"endpoint": "127.0.0.1", "ok": true, "colour": 1}"#, 400),
        (r#"{"endpoint": "127.0.0.1", "load": {"used": 1}}"#, 409),
        (r#"{"endpoint": "127.0.0.4", "load": {"used": -1}}"#, 400),
        (r#"{"endpoint": "127.0.0.4", "load": {"used": 1, "capacity": 0}}"#, 400),
        (r#"{"endpoint": "127.0.0.4", "load": {"capacity": 1}}"#, 400),
        (r#"{"endpoint": "127.0.0.4", "failures": 1, "load": {"used": 1}}"#, 400),
        (r#"[{"endpoint": "127.0.0.1", "ok": true}, 1]"#, 400),
    ] {
        let told = push(body);
        assert_eq!(told.status, status, "{body}: {told:?}");
        assert!(!told.error().is_empty());
    }
    let told = push(r#"[{"endpoint": "127.0.0.9", "ok": true}, {"endpoint": "127.0.0.1", "ok": true}]"#);
    assert_eq!((told.status, &told.json()["counted"]), (200, &json!(1)));
    assert_eq!(told.json()["refused"], json!([{"report": 0, "error": "no pool holds 127.0.0.9"}]));
    assert_eq!(push("[]").json(), json!({"counted": 0}));
    // Longer than the limit for other bodies, and shorter than the limit for reports.
    let many = vec![r#"{"endpoint": "127.0.0.1", "ok": true}"#; 5000].join(",");
    assert_eq!(push(&format!("[{many}]")).json(), json!({"counted": 5000}));
    assert_eq!(push(&" ".repeat(1024 * 1024 + 1)).status, 413);
}
