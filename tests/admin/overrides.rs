//! Overrides, by the API and by commands.

use serde_json::json;

use crate::http::{ask, get, post};
use crate::{SERVER, Scene, TWO_PLACES, eventually};

fn scene() -> Scene {
    Scene::new(SERVER, &[("example.com.toml", TWO_PLACES)])
}

#[track_caller]
fn answers_with(scene: &Scene, address: &str) {
    eventually(|| scene.node.dig("www.example.com").data() == [address]);
}

#[test]
fn an_override_is_placed_told_and_lifted() {
    let scene = scene();
    let order = json!({"mode": "drain", "target": "dc:fra", "for": "2h", "reason": "new kernel", "who": "me"});
    let placed = post(scene.admin, "/v1/overrides", &order.to_string());
    assert_eq!(placed.status, 200, "{placed:?}");
    let item = &placed.json()["overrides"][0];
    assert_eq!((&item["override"], &item["mode"], &item["target"]), (&json!("1"), &json!("drain"), &json!("dc:fra")));
    answers_with(&scene, "127.0.0.2");
    let listed = get(scene.admin, "/v1/overrides").json();
    let item = &listed["overrides"][0];
    assert_eq!((&item["in_force"], &item["reason"], &item["who"]), (&json!(true), &json!("new kernel"), &json!("me")));
    let left = item["until"].as_u64().unwrap() - listed["time"].as_u64().unwrap();
    assert!((7190..=7200).contains(&left), "{listed}");
    let status = get(scene.admin, "/v1/status").json();
    let endpoint = &status["pools"][0]["endpoints"][0];
    assert_eq!((&endpoint["state"], &endpoint["really"]), (&json!("draining"), &json!("up")));
    // Overrides of names and `--down` are applied together with it.
    let explained = get(scene.admin, "/v1/explain?name=www.example.com&client=192.0.2.1&down=dc:iad").json();
    assert_eq!(
        (&explained["hops"][0]["steering"]["rung"], &explained["hops"][0]["steering"]["chosen"]),
        (&json!("draining"), &json!(["web/fra"]))
    );

    let lifted = ask(scene.admin, "DELETE /v1/overrides", &[], &json!({"override": "1"}).to_string());
    assert_eq!((lifted.status, &lifted.json()["overrides"][0]["target"]), (200, &json!("dc:fra")));
    answers_with(&scene, "127.0.0.1");
}

/// Its time counts from the moment it is placed, not from when the request was read: a busy node refuses nothing.
#[test]
fn however_short_its_time_is_an_order_is_taken_and_ends() {
    let scene = scene();
    for time in [json!({"for": "1ms"}), json!({"over": "1ms"}), json!({"over": "1ms", "for": "1ms"})] {
        for _ in 0..20 {
            let mut order = json!({"mode": "drain", "target": "dc:fra"});
            order.as_object_mut().unwrap().extend(time.as_object().unwrap().clone());
            let placed = post(scene.admin, "/v1/overrides", &order.to_string());
            assert_eq!(placed.status, 200, "{time}: {placed:?}");
            assert_eq!(placed.json()["overrides"].as_array().unwrap().last().unwrap()["happening"], "placed");
        }
        if time.get("for").is_some() {
            answers_with(&scene, "127.0.0.1");
            assert_eq!(get(scene.admin, "/v1/overrides").json()["overrides"], json!([]), "{time}");
        } else {
            answers_with(&scene, "127.0.0.2");
            let lifted = ask(scene.admin, "DELETE /v1/overrides", &[], &json!({"target": "dc:fra"}).to_string());
            assert_eq!(lifted.status, 200, "{lifted:?}");
        }
    }
}

#[test]
fn what_cannot_be_ordered_is_refused() {
    let scene = scene();
    for (body, status, why) in [
        (json!({"mode": "drain", "target": "dc:mars"}), 404, "nothing is named dc:mars"),
        (json!({"mode": "drain", "target": "fra"}), 400, "`target`: "),
        (json!({"mode": "drian", "target": "dc:fra"}), 400, "`mode`: "),
        (json!({"mode": "drain", "target": "dc:fra", "for": "long"}), 400, "`for`"),
        (json!({"mode": "drain", "target": "dc:fra", "for": "18446744073709551615s"}), 400, "`for` is too long"),
        (json!({"mode": "drain", "target": "dc:fra", "for": "1h", "from": 1}), 400, "end before it begins"),
        (json!({"mode": "drain", "target": "dc:fra", "reason": "x".repeat(513)}), 400, "at most 512"),
        (json!({"mode": "drain"}), 400, "target"),
    ] {
        let refused = post(scene.admin, "/v1/overrides", &body.to_string());
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert!(refused.error().contains(why), "{body}: {refused:?}");
    }
    for (body, status) in [
        (json!({"override": "7"}), 404),
        (json!({"target": "dc:fra"}), 404),
        (json!({"override": "x"}), 400),
        (json!({"override": "1", "target": "dc:fra"}), 400),
        (json!({}), 400),
    ] {
        assert_eq!(ask(scene.admin, "DELETE /v1/overrides", &[], &body.to_string()).status, status, "{body}");
    }
    assert_eq!(get(scene.admin, "/v1/overrides").json()["overrides"], json!([]));
}

#[test]
fn a_reload_and_a_restart_keep_it_and_numbers_go_on() {
    let scene = scene();
    let run = |scene: &Scene, words: &str| scene.files.run(&format!("{words} --node {}", scene.admin));
    assert_eq!(run(&scene, "drain dc:fra --reason kernel").code, Some(0));
    answers_with(&scene, "127.0.0.2");
    assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
    answers_with(&scene, "127.0.0.2");
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    let scene = Scene::of(files);
    // The override holds from the first answer on.
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.2"]);
    let ran = run(&scene, "force-down endpoint:127.0.0.9");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("did you mean endpoint:127.0.0."), "{ran:?}");
    let ran = run(&scene, "force-up pool:web/iad --for 1h --json");
    assert!(ran.stdout.contains("\"override\": \"2\""), "{ran:?}");
    let ran = run(&scene, "overrides");
    let rows: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..5], ["1", "drain", "dc:fra", "in", "force"], "{ran:?}");
    assert!(ran.stdout.contains("kernel") && ran.stdout.contains(" left"), "{ran:?}");
    assert_eq!(run(&scene, "lift dc:fra").code, Some(0));
    answers_with(&scene, "127.0.0.1");
    assert_eq!(run(&scene, "lift 2").code, Some(0));
    assert_eq!(run(&scene, "overrides").stdout, "none\n");
    assert_eq!(run(&scene, "lift 2").code, Some(1));
    assert_eq!(run(&scene, "lift fra").code, Some(2));
}

#[test]
fn what_who_and_why_say_does_nothing_to_those_who_read_it() {
    let mut scene = scene();
    let evil = "\u{1b}[2Jme\r\nINFO all is well\u{9b}1m\u{202e}";
    let order = json!({"mode": "drain", "target": "dc:fra", "for": "2h", "reason": evil, "who": evil});
    assert_eq!(post(scene.admin, "/v1/overrides", &order.to_string()).status, 200);
    let harmless = r"\u{1b}[2Jme\r\nINFO all is well\u{9b}1m\u{202e}";
    let item = &get(scene.admin, "/v1/overrides").json()["overrides"][0];
    assert_eq!((&item["reason"], &item["who"]), (&json!(harmless), &json!(harmless)));
    scene.node.log.wait_for("override placed");
    let told = scene.node.log.lines().iter().filter(|line| line.contains("all is well")).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("override placed") && !told[0].chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{told:?}"
    );
}

#[test]
fn a_target_longer_than_any_name_is_refused_at_once() {
    let scene = scene();
    let order = |target: String| {
        let order = json!({"mode": "drain", "target": target});
        let told = post(scene.admin, "/v1/overrides", &order.to_string());
        (told.status, told.error())
    };
    for kind in ["dc", "pool", "endpoint", "name"] {
        let told = order(format!("{kind}:{}b", "*a".repeat(20_000)));
        assert_eq!(told, (400, "`target`: a target has at most 1024 octets".to_owned()), "{kind}");
        assert_eq!(order(format!("{kind}:{}b", "*a".repeat(500))).0, 404, "{kind}");
    }
    answers_with(&scene, "127.0.0.1");
}

#[test]
fn a_zone_file_drains_a_pool_in_one_name_until_an_operator_says_otherwise() {
    let other = "[names.other]\npools = [\"web\"]\n";
    let drained = TWO_PLACES.replace(
        "[names.www]\npools = [\"web\"]",
        "[names.www]\npools = [{ pool = \"web/fra\", mode = \"drain\" }, \"web/iad\"]",
    );
    assert_ne!(drained, TWO_PLACES);
    let scene = Scene::new(SERVER, &[("example.com.toml", &format!("{drained}{other}"))]);
    let run = |words: &str| scene.files.run(&format!("{words} --node {}", scene.admin));
    answers_with(&scene, "127.0.0.2");
    assert_eq!(scene.node.dig("other.example.com").data(), ["127.0.0.1"], "the other name goes on");
    let listed = get(scene.admin, "/v1/overrides").json();
    let item = &listed["overrides"][0];
    assert_eq!(
        (&item["override"], &item["target"], &item["who"], &item["in_force"]),
        (&json!("window-1"), &json!("pool:web/fra@www.example.com"), &json!("zone file"), &json!(true))
    );
    let explained = run("explain www.example.com --client 192.0.2.1");
    assert!(explained.stdout.contains("web/fra: 1 of 1 A open, weight 1, drained in this name"), "{explained:?}");
    // An operator's order for the same target counts before it.
    assert_eq!(run("open pool:web/fra@www.example.com").code, Some(0));
    answers_with(&scene, "127.0.0.1");
    assert_eq!(run("drain pool:web/fra@www.example.com --yes").code, Some(0));
    answers_with(&scene, "127.0.0.2");
    assert_eq!(run("open pool:web/fra@www.example.com").code, Some(0));
    // Without the line in the file nothing is left.
    scene.files.write("zones/example.com.toml", format!("{TWO_PLACES}{other}"));
    let left = || get(scene.admin, "/v1/overrides").body;
    eventually(|| !left().contains("zone file"));
    answers_with(&scene, "127.0.0.1");
}
