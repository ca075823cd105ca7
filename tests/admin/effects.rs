//! Commands show the effect of an order before and after it is given, and ask before an order leaves a name without a
//! usable pool.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Files, places};
use crate::http::{ask, get, post};
use crate::{SERVER, Scene, eventually};

const ZONE: &str = concat!(
    places!(),
    r#"[regions.europe]
clients = ["192.0.2.0/24"]
prefer = ["fra", "iad"]
[regions.default]
prefer = ["iad", "fra"]
[pools.web]
endpoints.fra = ["127.0.0.1"]
endpoints.iad = ["127.0.0.2"]
[pools.api]
endpoints.iad = ["127.0.0.3"]
[pools.blue]
endpoints = ["127.0.0.4"]
[pools.green]
endpoints = ["127.0.0.5"]
[names.www]
pools = ["web"]
[names.api]
pools = ["api"]
[names.shop]
pools = ["blue", "green"]
active = "blue"
"#
);

fn scene() -> Scene {
    Scene::new(SERVER, &[("example.com.toml", ZONE)])
}

fn order(mode: &str, target: &str) -> Value {
    json!({"mode": mode, "target": target})
}

fn dry(mut order: Value) -> String {
    order["dry_run"] = json!(true);
    order.to_string()
}

#[test]
fn a_dry_run_tells_what_the_order_then_does_and_changes_nothing() {
    let scene = scene();
    let drain = order("drain", "dc:iad");
    let before = get(scene.admin, "/v1/status").json()["generation"].clone();
    let told = post(scene.admin, "/v1/overrides", &dry(drain.clone()));
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json();
    assert_eq!((&told["dry_run"], &told.get("kept")), (&json!(true), &None), "{told}");
    assert_eq!(told["overrides"][0]["happening"], "placed", "{told}");
    assert_eq!(told["emptied"], json!(["api.example.com."]), "{told}");
    let moves = told["impact"].as_array().unwrap();
    assert!(
        moves.iter().any(|shift| shift["names"] == json!(["www.example.com."])
            && shift["from"] == json!(["iad"])
            && shift["to"] == json!(["fra"])),
        "{told}"
    );
    assert_eq!(get(scene.admin, "/v1/overrides").json()["overrides"], json!([]));
    assert_eq!(get(scene.admin, "/v1/status").json()["generation"], before);
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.2"]);

    let done = post(scene.admin, "/v1/overrides", &drain.to_string()).json();
    assert_eq!((done.get("dry_run"), &done["kept"]), (None, &json!(true)), "{done}");
    assert_eq!((&done["impact"], &done["emptied"]), (&told["impact"], &told["emptied"]));
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.1"]);

    let lift = json!({"target": "dc:iad"});
    let told = ask(scene.admin, "DELETE /v1/overrides", &[], &dry(lift.clone())).json();
    assert_eq!((&told["dry_run"], &told["emptied"]), (&json!(true), &json!([])), "{told}");
    assert_eq!(told["impact"][0]["to"], json!(["iad"]), "{told}");
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.1"]);
    let done = ask(scene.admin, "DELETE /v1/overrides", &[], &lift.to_string()).json();
    assert_eq!(done["impact"], told["impact"]);
    eventually(|| scene.node.dig("www.example.com").data() == ["127.0.0.2"]);
}

#[test]
fn a_dry_run_of_what_would_be_refused_is_refused_alike() {
    let scene = scene();
    for body in [order("drain", "dc:mars"), json!({"mode": "drain", "target": "dc:fra", "for": "1h", "from": 1})] {
        let refused = post(scene.admin, "/v1/overrides", &body.to_string());
        let dry = post(scene.admin, "/v1/overrides", &dry(body));
        assert_eq!((dry.status, dry.error()), (refused.status, refused.error()));
    }
    let path = "/v1/rollouts/shop.example.com";
    let dry = post(scene.admin, path, &dry(json!({"active": "red"})));
    assert_eq!(dry.status, 404, "{dry:?}");
}

#[test]
fn what_begins_later_or_takes_its_time_is_told_as_it_will_be() {
    let scene = scene();
    let clock = get(scene.admin, "/v1/overrides").json()["time"].as_u64().unwrap();
    for more in [json!({"from": clock + 3600}), json!({"over": "1h"}), json!({"from": clock + 3600, "for": "1h"})] {
        let mut drain = order("drain", "pool:api");
        drain.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = post(scene.admin, "/v1/overrides", &dry(drain)).json();
        assert_eq!(told["emptied"], json!(["api.example.com."]), "{more}: {told}");
    }
}

#[test]
fn a_switch_tells_whom_it_moves() {
    let scene = scene();
    let path = "/v1/rollouts/shop.example.com";
    let told = post(scene.admin, path, &dry(json!({"active": "green"}))).json();
    let shift = &told["impact"][0];
    assert_eq!(
        (&shift["from"], &shift["to"], &shift["clients"]),
        (&json!(["pool:blue"]), &json!(["pool:green"]), &json!(["everybody"])),
        "{told}"
    );
    assert_eq!(told["rollouts"][0]["active"], "blue");
    assert_eq!(scene.node.dig("shop.example.com").data(), ["127.0.0.4"]);
    let ran = scene.files.run(&format!("switch shop.example.com green --node {}", scene.admin));
    assert!(ran.stdout.contains("effect: name shop.example.com.: pool:blue -> pool:green for everybody"), "{ran:?}");
    assert_eq!(scene.node.dig("shop.example.com").data(), ["127.0.0.5"]);
}

#[test]
fn nothing_is_emptied_without_a_yes() {
    let scene = scene();
    let run = |words: &str| scene.files.run(&format!("{words} --node {}", scene.admin));
    // Here standard input is no terminal.
    let refused = run("drain pool:api");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("no usable pool is left for api.example.com.") && refused.stderr.contains("--yes"),
        "{refused:?}"
    );
    assert_eq!(run("overrides").stdout, "none\n");
    let told = run("drain pool:api --dry-run");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("dry run, nothing is changed"), "{told:?}");
    assert_eq!(run("overrides").stdout, "none\n");
    let harmless = run("drain dc:fra");
    assert!(
        harmless.code == Some(0) && harmless.stdout.contains("effect: name www.example.com.: fra -> iad"),
        "{harmless:?}"
    );
    let forced = run("drain pool:api --yes");
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(forced.stdout.contains("warning: no usable pool is left for api.example.com."), "{forced:?}");
}

#[test]
fn a_terminal_is_asked_and_only_a_yes_counts() {
    let scene = scene();
    for (answer, code, left) in [("n\n", 1, "none"), ("\n", 1, "none"), ("\u{4}", 1, "none"), ("y\n", 0, "pool:api")] {
        let (said, status) = on_a_terminal(&scene.files, &format!("drain pool:api --node {}", scene.admin), answer);
        assert_eq!(status, Some(code), "{answer:?}: {said}");
        assert!(said.contains("Go on? [y/N]") && said.contains("api.example.com."), "{answer:?}: {said}");
        let listed = scene.files.run(&format!("overrides --node {}", scene.admin)).stdout;
        assert!(listed.contains(left), "{answer:?}: {listed}");
    }
}

/// Runs a command on a terminal of its own, types `answer`, and returns what it printed and its exit code.
fn on_a_terminal(files: &Files, words: &str, answer: &str) -> (String, Option<i32>) {
    let command = format!("{} {words}", env!("CARGO_BIN_EXE_truenorth"));
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(files.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("script (Debian package bsdutils) gives a command a terminal");
    let mut typed = script.stdin.take().unwrap();
    typed.write_all(answer.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    drop(typed);
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn a_pool_is_drained_or_forced_down_in_one_name_only() {
    let zone = format!(
        "{ZONE}[names.twin]\npools = [\"web\"]\nttl = 60\n[names.last]\npools = [\"api\"]\nall_down = \"nodata\"\n"
    );
    let scene = Scene::new(SERVER, &[("example.com.toml", &zone)]);
    let give = |mode: &str, target: &str| {
        let done = post(scene.admin, "/v1/overrides", &order(mode, target).to_string());
        assert_eq!(done.status, 200, "{done:?}");
        done.json()
    };
    let lift = |target: &str| ask(scene.admin, "DELETE /v1/overrides", &[], &json!({"target": target}).to_string());
    let data = |name: &str| scene.node.dig(&format!("{name}.example.com")).data().join(" ");

    let drained = give("drain", "pool:web/iad@www.example.com");
    assert_eq!(drained["impact"][0]["names"], json!(["www.example.com."]), "{drained}");
    assert_eq!((data("www").as_str(), data("twin").as_str()), ("127.0.0.1", "127.0.0.2"));
    let explained = get(scene.admin, "/v1/explain?name=www.example.com&client=198.51.100.1").json();
    let steering = &explained["hops"][0]["steering"];
    assert_eq!(steering["chosen"], json!(["web/fra"]), "{explained}");
    assert!(steering["pools"].to_string().contains("drained in this name"), "{explained}");

    // Both are drained: they still answer, because nothing else does.
    give("drain", "pool:web/fra@www.example.com");
    assert_eq!(data("www"), "127.0.0.2");
    // A pool that is forced down never answers.
    give("force-down", "pool:web@www.example.com");
    give("open", "pool:web/iad@www.example.com");
    assert_eq!(lift("pool:web/fra@www.example.com").status, 200);
    assert_eq!(data("www"), "127.0.0.2", "the exception counts before the whole pool");
    assert_eq!(lift("pool:web/iad@www.example.com").status, 200);
    assert!(data("www").is_empty());
    assert_eq!(data("twin"), "127.0.0.2");
    assert_eq!(lift("pool:web@www.example.com").status, 200);

    let emptied = give("force-down", "pool:api@*.example.com");
    assert_eq!(emptied["emptied"], json!(["api.example.com.", "last.example.com."]));
    assert!(data("api").is_empty() && data("last").is_empty());
    assert_eq!(data("www"), "127.0.0.2");

    // Such an override outlives a restart, and nothing else may be ordered for a pool in a name.
    for (mode, status, why) in
        [("force-up", 400, "not forced up"), ("drain", 404, "did you mean pool:api/iad@api.example.com?")]
    {
        let target = if mode == "drain" { "pool:api/ida@api.example.com" } else { "pool:api@api.example.com" };
        let refused = post(scene.admin, "/v1/overrides", &order(mode, target).to_string());
        assert!(refused.status == status && refused.error().contains(why), "{refused:?}");
    }
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    let scene = Scene::of(files);
    assert!(scene.node.dig("api.example.com").data().is_empty());
}

#[test]
fn orders_stand_in_a_file_that_is_watched() {
    let server = format!("overrides = \"orders.toml\"\n{SERVER}");
    let files = Files::new(&server, &[("example.com.toml", ZONE)]);
    files.write("orders.toml", "# Nothing is ordered now.\n");
    let scene = Scene::of(files);
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.2"]);
    scene
        .files
        .write("orders.toml", "[[windows]]\ntarget = \"dc:iad\"\nmode = \"drain\"\nreason = \"see the change 41\"\n");
    eventually(|| scene.node.dig("www.example.com").data() == ["127.0.0.1"]);
    let listed = get(scene.admin, "/v1/overrides").json();
    let item = &listed["overrides"][0];
    assert_eq!(
        (&item["override"], &item["who"], &item["until"], &item["in_force"]),
        (&json!("window-1"), &json!("orders.toml"), &Value::Null, &json!(true)),
        "{listed}"
    );
    // A mistake changes nothing, and `check` reports its place.
    scene.files.write("orders.toml", "[[windows]]\ntarget = \"dc:fro\"\nmode = \"drain\"\n");
    let checked = scene.files.run("check");
    assert_eq!(checked.code, Some(1));
    assert!(checked.stderr.contains("orders.toml:2:10") || checked.stdout.contains("orders.toml:2:10"), "{checked:?}");
    assert_eq!(post(scene.admin, "/v1/reload", "").status, 422);
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.1"]);
    scene.files.write("orders.toml", "");
    eventually(|| scene.node.dig("www.example.com").data() == ["127.0.0.2"]);
}
