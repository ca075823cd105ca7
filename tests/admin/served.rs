//! An order is confirmed only when it is served and kept: later DNS queries see it, and so does a node that is started
//! after a crash.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::harness::{Files, addresses, places, random};
use crate::http::{ask, connect, get, post};
use crate::{SERVER, Scene};

/// Two datacenters for `www`, two pools that `blue` is switched between, and a pool whose endpoints are reported.
const ZONE: &str = concat!(
    places!(),
    r#"[regions.default]
prefer = ["fra", "iad"]
[monitors.told]
type = "push"
deadline = "1h"
fall = 1
rise = 1
[pools.web]
endpoints.fra = ["127.0.0.1"]
endpoints.iad = ["127.0.0.2"]
[pools.blue]
endpoints = ["127.0.0.3"]
[pools.green]
endpoints = ["127.0.0.4"]
[pools.told]
monitor = "told"
endpoints = ["127.0.0.5"]
[pools.sorry]
endpoints = ["127.0.0.6"]
[names.www]
pools = ["web"]
[names.switched]
pools = ["blue", "green"]
active = "blue"
[names.told]
pools = ["told"]
fallback = "sorry"
"#
);

/// Number of orders of each kind. Health is published 5 ms after a change, so the test would notice a reply that comes
/// too early.
const ROUNDS: usize = 40;

fn scene() -> Scene {
    Scene::new(SERVER, &[("example.com.toml", ZONE)])
}

/// Gives two orders alternately, and queries at once after each reply.
fn alternate(name: &str, orders: &[(&str, &str, Value, &str); 2]) {
    let scene = scene();
    let mut asker = scene.node.asker();
    for round in 0..ROUNDS {
        let (method, path, body, address) = &orders[round % 2];
        let told = ask(scene.admin, &format!("{method} {path}"), &[], &body.to_string());
        assert_eq!(told.status, 200, "{told:?}");
        let answer = addresses(&asker.ask(name, RecordType::A, None));
        assert_eq!(answer, [address.parse::<IpAddr>().unwrap()], "round {round}: {method} {path} {body}");
    }
}

#[test]
fn overrides_and_their_ends_are_served_when_they_are_answered() {
    let target = json!({"target": "dc:fra"});
    let drain = json!({"mode": "drain", "target": "dc:fra"});
    let path = "/v1/overrides";
    alternate("www.example.com.", &[("POST", path, drain, "127.0.0.2"), ("DELETE", path, target, "127.0.0.1")]);
}

#[test]
fn overrides_of_names_are_served_when_they_are_answered() {
    let order = |mode: &str| json!({"mode": mode, "target": "endpoint:127.0.0.1"});
    let path = "/v1/overrides";
    let down = ("POST", path, order("force-down"), "127.0.0.2");
    alternate("www.example.com.", &[down, ("POST", path, order("force-up"), "127.0.0.1")]);
}

#[test]
fn switches_are_served_when_they_are_answered() {
    let path = "/v1/rollouts/switched.example.com";
    let green = ("POST", path, json!({"active": "green"}), "127.0.0.4");
    alternate("switched.example.com.", &[green, ("POST", path, json!({"active": "blue"}), "127.0.0.3")]);
}

#[test]
fn reports_are_served_when_they_are_answered() {
    let report = |ok: bool| json!([{"endpoint": "127.0.0.5", "ok": ok}]);
    let path = "/v1/reports";
    let bad = ("POST", path, report(false), "127.0.0.6");
    alternate("told.example.com.", &[bad, ("POST", path, report(true), "127.0.0.5")]);
}

#[test]
fn a_configuration_is_served_when_its_reload_is_answered() {
    let scene = scene();
    let mut asker = scene.node.asker();
    for round in 1..10 {
        let mut zone = ZONE.to_owned();
        write!(zone, "[records.round]\nA = [\"192.0.2.{round}\"]\n").unwrap();
        scene.files.write("zones/example.com.toml", zone);
        let told = post(scene.admin, "/v1/reload", "");
        assert_eq!(told.status, 200, "{told:?}");
        let answer = addresses(&asker.ask("round.example.com.", RecordType::A, None));
        assert_eq!(answer, [IpAddr::from([192, 0, 2, round])]);
    }
}

/// Number of kills between an order and the next one.
const KILLS: u64 = 100;

/// Maximum time from an order to the kill: longer than an order needs to be kept.
const KILL_WITHIN: Duration = Duration::from_millis(8);

/// The reasons of all overrides of a node.
fn reasons(scene: &Scene) -> Vec<String> {
    let listed = get(scene.admin, "/v1/overrides").json();
    let reason = |item: &Value| item["reason"].as_str().expect("each has one").to_owned();
    listed["overrides"].as_array().expect("a list").iter().map(reason).collect()
}

#[test]
fn an_override_that_replaces_another_survives_a_crash_or_leaves_the_other() {
    let mut random = random();
    let mut files = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    let mut may_be: Vec<String> = Vec::new();
    for kill in 0..=KILLS {
        let scene = Scene::of(files);
        let found = reasons(&scene);
        assert_eq!(found.len(), may_be.len().min(1), "kill {kill}: one of {may_be:?} is there, not {found:?}");
        assert!(found.iter().all(|reason| may_be.contains(reason)), "kill {kill}: {found:?} is none of {may_be:?}");
        let reason = format!("order {kill}");
        let order = json!({"mode": "drain", "target": "dc:fra", "reason": reason}).to_string();
        if kill % 2 == 0 {
            // A confirmed override exists after the crash.
            assert_eq!(post(scene.admin, "/v1/overrides", &order).status, 200);
            may_be = vec![reason];
        } else {
            // Without a confirmation, this override or the one before it exists.
            let head = format!("POST /v1/overrides HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}", order.len());
            let mut stream = connect(scene.admin);
            stream.write_all(format!("{head}\r\n\r\n{order}").as_bytes()).unwrap();
            thread::sleep(KILL_WITHIN.mul_f64(random.f64()));
            may_be = found;
            may_be.push(reason);
        }
        // SIGKILL.
        drop(scene.node);
        files = scene.files;
    }
}
