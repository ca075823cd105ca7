//! Roll-outs: by themselves, by commands and by the API, and over a restart.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use truenorth::store::{ROLLOUTS, RolloutRecord, Store};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::harness::{Files, Ran};
use crate::http::{get, post};
use crate::{SERVER, Scene, eventually, well};

const NAME: &str = "www.example.com";

/// A name with an old and a new pool, of one endpoint each.
fn zone(old: &Endpoint, new: &Endpoint, name: &str) -> String {
    let member = |endpoint: &Endpoint, handed_out: &str| {
        let at = endpoint.address();
        format!("[{{ address = \"{handed_out}\", check_address = \"{}\", check_port = {} }}]", at.ip(), at.port())
    };
    format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.web]\ntype = \"http\"\nhost = \"a\"\ninterval = \"1s\"\n\
         timeout = \"900ms\"\n[pools.blue]\nmonitor = \"web\"\nendpoints = {}\n[pools.green]\nmonitor = \"web\"\n\
         endpoints = {}\n[names.www]\npools = [\"blue\", \"green\"]\n{name}\n",
        member(old, "127.0.0.1"),
        member(new, "127.0.0.2"),
    )
}

fn scene(old: &Endpoint, new: &Endpoint, name: &str) -> Scene {
    Scene::new(SERVER, &[("example.com.toml", &zone(old, new, name))])
}

fn canary(steps: &str, hold: &str) -> String {
    format!(
        "canary = {{ pool = \"green\", steps = {steps}, hold = \"{hold}\", rollback = {{ healthy = 0.9, errors = 0.05 }} }}"
    )
}

fn rollout(scene: &Scene) -> Value {
    get(scene.admin, "/v1/rollouts/www.example.com").json()["rollouts"][0].clone()
}

fn run(scene: &Scene, words: &str) -> Ran {
    scene.files.run(&format!("{words} --node {}", scene.admin))
}

#[track_caller]
fn answers_with(scene: &Scene, address: &str) {
    eventually(|| scene.node.dig(NAME).data() == [address]);
}

/// Waits until the state file holds a row for which `is_it` returns true, so that the next node would find it.
#[track_caller]
fn is_kept(files: &Files, is_it: impl Fn(&RolloutRecord) -> bool) {
    eventually(|| {
        let copy = tempfile::tempdir().unwrap();
        // The file does not exist before the first write.
        let _ = fs::copy(
            files.path(Path::new("state").join("state.redb").to_str().unwrap()),
            copy.path().join("state.redb"),
        );
        Store::open(copy.path()).unwrap().all(&ROLLOUTS).values().any(&is_it)
    });
}

#[test]
fn a_canary_takes_all_its_steps_and_they_are_told() {
    let (old, new) = (well(), well());
    let mut scene = scene(&old, &new, &canary("[1, 2, 100]", "1s"));
    let first = rollout(&scene);
    assert_eq!((&first["kind"], &first["pool"]), (&json!("canary"), &json!("green")));
    for told in ["roll-out advanced", "roll-out advanced", "roll-out completed"] {
        scene.node.log.wait_for(told);
    }
    assert_eq!(rollout(&scene)["phase"], "complete");
    assert_eq!(scene.node.dig(NAME).data(), ["127.0.0.2"]);
    let events: Vec<String> = scene.node.log.lines().iter().filter(|line| line.contains("roll-out")).cloned().collect();
    assert!(events[0].contains("from=0 % to=1 %") && events[3].contains("to=100 %"), "{events:?}");
}

#[test]
fn an_endpoint_that_fails_takes_a_canary_back() {
    let (old, mut new) = (well(), well());
    let mut scene = scene(&old, &new, &canary("[99, 100]", "5s"));
    new.stop_listening();
    let line = scene.node.log.wait_for("roll-out rolled back");
    assert!(line.contains("WARN") && line.contains("0 % of its endpoints are open, less than 90 %"), "{line}");
    answers_with(&scene, "127.0.0.1");
    let back = rollout(&scene);
    assert_eq!((&back["phase"], &back["share"]), (&json!("back"), &json!(0.0)));
    new.listen_again();
    scene.node.log.wait_for("endpoint is up");
    assert_eq!(rollout(&scene)["phase"], "back", "it does not begin again by itself");
}

#[test]
fn reported_errors_take_a_canary_back_and_an_operator_begins_again() {
    let (old, new) = (well(), well());
    let scene = scene(&old, &new, &canary("[5, 100]", "1h"));
    let few = json!({"pool": "green", "requests": 1000, "errors": 3});
    let taken = post(scene.admin, "/v1/reports", &few.to_string());
    assert_eq!((taken.status, taken.json()), (200, json!({"canaries": 1})));
    assert_eq!(rollout(&scene)["signals"]["requests"], 1000);
    let many = json!({"endpoint": "127.0.0.2", "requests": 1000, "errors": 999});
    assert_eq!(post(scene.admin, "/v1/reports", &many.to_string()).status, 200);
    eventually(|| rollout(&scene)["phase"] == "back");
    assert_eq!(rollout(&scene)["why"], "1002 of 2000 requests failed, more than 5 %");
    for (body, status, why) in [
        (json!({"pool": "gren", "requests": 1, "errors": 1}), 404, "no pool `gren`"),
        (json!({"requests": 1, "errors": 1}), 400, "`endpoint` or a `pool`"),
        (json!({"pool": "green", "requests": 1, "errors": 2}), 400, "must not be above `requests`"),
        (json!({"pool": "green", "requests": 1}), 400, "errors"),
    ] {
        let refused = post(scene.admin, "/v1/reports", &body.to_string());
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert!(refused.error().contains(why), "{body}: {refused:?}");
    }
    assert_eq!(run(&scene, "rollout resume www.example.com --reason fixed").code, Some(0));
    let again = rollout(&scene);
    assert_eq!(
        (&again["phase"], &again["step"], &again["signals"]["requests"]),
        (&json!("running"), &json!(1), &json!(0))
    );
}

#[test]
fn roll_outs_are_metrics() {
    let (old, new) = (well(), well());
    let canaried = scene(&old, &new, &canary("[5, 100]", "1h"));
    let shows = |scene: &Scene, line: &str| {
        let metrics = get(scene.admin, "/metrics").body;
        metrics.lines().any(|shown| shown == line)
    };
    let of = "name=\"www.example.com.\",pool=\"green\"";
    eventually(|| shows(&canaried, &format!("truenorth_rollout_open_ratio{{{of}}} 1")));
    assert!(shows(&canaried, &format!("truenorth_rollout_share_ratio{{{of}}} 0.05")));
    assert!(shows(&canaried, &format!("truenorth_rollout_state{{{of},state=\"running\"}} 1")));
    assert!(shows(&canaried, &format!("truenorth_rollout_state{{{of},state=\"back\"}} 0")));
    let reported = json!({"pool": "green", "requests": 1000, "errors": 3});
    assert_eq!(post(canaried.admin, "/v1/reports", &reported.to_string()).status, 200);
    let failed = |count| format!("truenorth_rollout_recent_requests{{{of},result=\"failure\"}} {count}");
    eventually(|| shows(&canaried, &failed(3)));
    assert_eq!(run(&canaried, "rollout back www.example.com --reason broken").code, Some(0));
    assert!(shows(&canaried, &format!("truenorth_rollout_state{{{of},state=\"back\"}} 1")));
    assert!(shows(&canaried, &format!("truenorth_rollout_share_ratio{{{of}}} 0")));

    let switched = scene(&old, &new, "active = \"blue\"");
    let active =
        |pool, by| format!("truenorth_rollout_active{{name=\"www.example.com.\",pool=\"{pool}\",by=\"{by}\"}} 1");
    assert!(shows(&switched, &active("blue", "file")));
    assert_eq!(run(&switched, "switch www.example.com green --yes").code, Some(0));
    assert!(shows(&switched, &active("green", "operator")) && !shows(&switched, &active("blue", "file")));
}

#[test]
fn a_canary_obeys_commands() {
    let (old, new) = (well(), well());
    let scene = scene(&old, &new, &canary("[5, 100]", "1h"));
    eventually(|| rollout(&scene)["signals"]["healthy"] == 1.0);
    let listed = run(&scene, "rollout");
    assert!(listed.stdout.contains("5.00 % to green") && listed.stdout.contains("step 1 of 2"), "{listed:?}");
    assert_eq!(run(&scene, "rollout pause www.example.com").code, Some(0));
    assert_eq!(rollout(&scene)["phase"], "paused");
    let refused = run(&scene, "rollout pause www.example.com");
    assert_eq!((refused.code, refused.stderr.contains("nothing to pause")), (Some(1), true), "{refused:?}");
    assert_eq!(run(&scene, "rollout advance www.example.com").code, Some(0));
    answers_with(&scene, "127.0.0.2");
    let ran = run(&scene, "rollout back www.example.com --reason broken --json");
    assert!(ran.stdout.contains("\"why\": \"broken\""), "{ran:?}");
    answers_with(&scene, "127.0.0.1");
    let explained = run(&scene, "explain www.example.com --client 192.0.2.1");
    assert!(explained.stdout.contains("rollout   all clients to blue, none to green"), "{explained:?}");
    let refused = run(&scene, "rollout ww.example.com");
    assert_eq!((refused.code, refused.stderr.contains("has no roll-out")), (Some(1), true), "{refused:?}");
    for (path, body, status) in [
        ("/v1/rollouts/www.example.com", json!({}), 400),
        ("/v1/rollouts/www.example.com", json!({"action": "forward"}), 400),
        ("/v1/rollouts/www.example.com", json!({"active": "green"}), 409),
        ("/v1/rollouts/ww.example.com", json!({"action": "pause"}), 404),
    ] {
        assert_eq!(post(scene.admin, path, &body.to_string()).status, status, "{path} {body}");
    }
}

#[test]
fn blue_and_green_are_switched_and_a_kill_changes_nothing() {
    let (old, new) = (well(), well());
    let scene = scene(&old, &new, "active = \"blue\"");
    assert_eq!(scene.node.dig(NAME).data(), ["127.0.0.1"]);
    assert_eq!(run(&scene, "switch www.example.com green --reason release").code, Some(0));
    answers_with(&scene, "127.0.0.2");
    let refused = run(&scene, "switch www.example.com gren");
    assert_eq!((refused.code, refused.stderr.contains("did you mean green?")), (Some(1), true), "{refused:?}");
    is_kept(&scene.files, |row| matches!(row, RolloutRecord::Switch { active, .. } if **active == *"green"));
    let Scene { files, node, .. } = scene;
    // SIGKILL.
    drop(node);
    let scene = Scene::of(files);
    assert_eq!(scene.node.dig(NAME).data(), ["127.0.0.2"], "from the first answer on");
    assert_eq!(run(&scene, "switch www.example.com --back").code, Some(0));
    answers_with(&scene, "127.0.0.1");
    let switched = post(scene.admin, "/v1/rollouts/www.example.com", &json!({"active": "green"}).to_string());
    assert_eq!(switched.json()["rollouts"][0]["active"], "green");
    // The file changes, and then changes back.
    for (active, address) in [("green", "127.0.0.2"), ("blue", "127.0.0.1")] {
        scene.files.write("zones/example.com.toml", zone(&old, &new, &format!("active = \"{active}\"")));
        assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
        answers_with(&scene, address);
    }
}

#[test]
fn a_killed_node_goes_on_with_its_canary() {
    let (old, new) = (well(), Endpoint::start(ANY_PORT, Script::status(200)));
    let scene = scene(&old, &new, &canary("[1, 100]", "1h"));
    assert_eq!(run(&scene, "rollout advance www.example.com").code, Some(0));
    let is_at_the_second =
        |row: &RolloutRecord| serde_json::to_value(row).unwrap()["canary"]["phase"]["running"]["step"] == 1;
    is_kept(&scene.files, is_at_the_second);
    let Scene { files, node, .. } = scene;
    // SIGKILL.
    drop(node);
    let scene = Scene::of(files);
    assert_eq!(scene.node.dig(NAME).data(), ["127.0.0.2"]);
    assert_eq!(rollout(&scene)["step"], 2);
}
