//! An endpoint registers itself, works, leaves, dies; the node is killed, reloaded and replaced.

use crate::http::{ask, get};
use crate::{Scene, Street, claim, eventually, zone};

const OPEN: &str = "prefixes = [\"127.0.0.0/8\"]";

#[test]
fn an_endpoint_is_handed_out_once_its_monitor_says_so_and_until_it_leaves() {
    let street = Street::new([41, 1]);
    let scene = Scene::new(crate::SERVER, &zone(street.port, OPEN, ""));
    assert!(scene.answer().is_empty(), "nobody has registered");
    let one = street.address(1);
    let response = claim(scene.admin, "one", one, "60s");
    assert_eq!(response.status, 201, "{response:?}");
    let lease = response.json()["leases"][0].clone();
    assert_eq!((lease["id"].as_str(), lease["pool"].as_str()), (Some("one"), Some("web")));
    assert_eq!(response.json()["kept"], true);
    scene.comes_to_answer(&[one]);
    assert_eq!(claim(scene.admin, "one", one, "60s").status, 200, "the same call renews it");

    // An endpoint that fails is never handed out, although all_down ignores health.
    let sick = street.open_sick(2);
    scene.claim("two", sick.address().ip(), "60s");
    eventually(|| scene.state(sick.address().ip()) == "down");
    assert_eq!(scene.answer(), [one.to_string()]);

    let three = street.open(3);
    scene.claim("three", three.address().ip(), "60s");
    scene.comes_to_answer(&[one, three.address().ip()]);
    scene.release("three", "");
    scene.comes_to_answer(&[one]);
    let gone = ask(scene.admin, "DELETE /v1/pools/web/endpoints/three", &[], "");
    assert_eq!((gone.status, gone.error().as_str()), (404, "pool web has no lease of three"));
    let told = ["registered one", "registered two", "registered three", "released three"];
    eventually(|| scene.lease_events() == told);
}

#[test]
fn an_endpoint_that_no_probe_has_seen_is_not_handed_out_although_it_is_the_only_one() {
    let street = Street::new([41, 2]);
    // The monitor learns nothing for as long as a probe may take.
    let slow = zone(street.port, OPEN, "").replace("500ms", "6s").replace("400ms", "5s");
    let scene = Scene::new(crate::SERVER, &slow);
    let hanging = street.open_hanging(2);
    let two = hanging.address().ip();
    scene.claim("two", two, "60s");
    eventually(|| scene.state(two) == "pending");
    let why = scene.pool()["endpoints"][0]["why"].clone();
    assert_eq!(why, "registered, and waits for its first probe");
    assert!(scene.answer().is_empty(), "not even all_down hands it out");
    // With a finding it is an endpoint like any other: all_down ignores that it is down.
    eventually(|| scene.state(two) == "down");
    scene.comes_to_answer(&[two]);
}

#[test]
fn an_endpoint_that_does_not_renew_goes_and_one_that_leaves_is_drained_first() {
    let street = Street::new([41, 3]);
    let scene = Scene::new(crate::SERVER, &zone(street.port, OPEN, ""));
    let [one, two] = [1, 2].map(|host| street.address(host));
    let _two = street.open(2);
    scene.claim("two", two, "2s");
    scene.claim("one", one, "60s");
    scene.comes_to_answer(&[one, two]);
    // The other one renews, so the register is not dead.
    eventually(|| {
        scene.claim("one", one, "60s");
        scene.answer() == [one.to_string()]
    });
    assert_eq!(scene.lease_events(), ["registered two", "registered one", "ended two"]);

    scene.claim("two", two, "60s");
    scene.comes_to_answer(&[one, two]);
    scene.release("two", "?drain=3s");
    scene.comes_to_answer(&[one]);
    assert_eq!(scene.state(two), "draining", "it is still there, for clients who have its address");
    let list = get(scene.admin, "/v1/pools/web/endpoints").json();
    let state = list["leases"].as_array().unwrap().iter().find(|lease| lease["id"] == "two").unwrap()["state"].clone();
    assert_eq!(state, "leaving");
    eventually(|| scene.state(two).is_empty());
}

#[test]
fn leases_outlive_a_kill_and_a_replacement() {
    let street = Street::new([41, 4]);
    let scene = Scene::new(crate::SERVER, &zone(street.port, OPEN, ""));
    let one = street.address(1);
    scene.claim("one", one, "60s");
    scene.comes_to_answer(&[one]);
    let scene = scene.restart();
    assert_eq!(scene.answer(), [one.to_string()], "from the first answer on");
    assert_eq!(claim(scene.admin, "one", one, "60s").status, 200);

    let mut successor = scene.files.replace();
    let admin = successor.wait_for_admin();
    let replaced = Scene { files: scene.files, node: successor, admin };
    drop(scene.node);
    assert_eq!(replaced.answer(), [one.to_string()]);
    assert_eq!(claim(replaced.admin, "one", one, "60s").status, 200);
    replaced.release("one", "");
    let replaced = replaced.restart();
    assert!(replaced.answer().is_empty(), "what left stays away");
}

#[test]
fn a_reload_keeps_leases_and_a_pool_that_no_longer_takes_any_has_none() {
    let street = Street::new([41, 5]);
    let scene = Scene::new(crate::SERVER, &zone(street.port, OPEN, ""));
    let one = street.address(1);
    scene.claim("one", one, "60s");
    scene.comes_to_answer(&[one]);
    let reload = |text: &str| {
        scene.files.write("zones/example.com.toml", text);
        let ran = scene.files.run(&format!("reload --node {}", scene.admin));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    reload(&zone(street.port, OPEN, "min_healthy = 0.5\n"));
    assert_eq!(scene.answer(), [one.to_string()]);
    let two = street.address(2);
    let closed =
        zone(street.port, OPEN, "").replace(&format!("registered = {{ {OPEN} }}"), &format!("endpoints = [\"{two}\"]"));
    let _two = street.open(2);
    reload(&closed);
    scene.comes_to_answer(&[two]);
    let refused = claim(scene.admin, "one", one, "60s");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(refused.error(), "pool web takes no registered endpoints: it has no `registered`");
    reload(&zone(street.port, OPEN, ""));
    scene.comes_to_answer(&[one]);
}

#[test]
fn a_renewal_publishes_nothing_and_many_changes_are_published_together() {
    let street = Street::new([41, 6]);
    let scene = Scene::new(crate::SERVER, &zone(street.port, OPEN, ""));
    let one = street.address(1);
    scene.claim("one", one, "60s");
    scene.comes_to_answer(&[one]);
    let generation = || get(scene.admin, "/v1/status").json()["generation"].as_u64().expect("a number");
    // The first outcomes of the monitor may still be confirmed.
    let mut before = generation();
    eventually(|| std::mem::replace(&mut before, generation()) == before && scene.state(one) == "up");
    let before = generation();
    for _ in 0..50 {
        scene.claim("one", one, "60s");
    }
    assert_eq!(generation(), before);
    std::thread::scope(|scope| {
        for host in 100..140 {
            let (admin, address) = (scene.admin, street.address(host));
            scope.spawn(move || assert_eq!(claim(admin, &format!("e{host}"), address, "60s").status, 201));
        }
    });
    eventually(|| scene.pool()["registered"]["leases"] == 41);
    eventually(|| scene.state(street.address(139)) == "down");
    assert_eq!(get(scene.admin, "/v1/leases").json()["leases"].as_array().map(Vec::len), Some(41));
    let publications = generation() - before;
    assert!(publications < 60, "{publications} for 40 endpoints that registered and were found down");
}
