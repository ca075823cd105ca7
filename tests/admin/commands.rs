//! The commands that ask a running node.

use serde_json::{Value, json};

use crate::endpoint::Script;
use crate::harness::{Files, Ran};
use crate::{SERVER, Scene, TOKEN, ZONE, eventually, well};

impl Scene {
    /// Runs a command on this node.
    fn run(&self, words: &str) -> Ran {
        self.files.run(&format!("{words} --node {}", self.admin))
    }
}

fn first_line(ran: &Ran) -> &str {
    ran.stdout.lines().next().unwrap_or_default()
}

#[test]
fn status_is_a_table() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    iad.play(Script::status(503));
    eventually(|| scene.run("status").stdout.contains(" down "));
    let ran = scene.run("status");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let rows: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(ran.stdout.contains(": up ") && first_line(&ran).contains("truenorth "), "{ran:?}");
    assert!(rows.contains(&vec!["POOL", "ENDPOINT", "STATE", "FOR", "LAST", "SEEN"]), "{}", ran.stdout);
    assert!(rows.contains(&vec!["www.example.com.", "1", "of", "2", "web/fra", "web/iad"]), "{}", ran.stdout);
    let of = |pool: &str| rows.iter().find(|row| row.first() == Some(&pool)).expect("the pool has a row");
    assert_eq!(of("web/fra")[1..3], ["127.0.0.1", "up"]);
    assert_eq!(of("web/iad")[2], "down");
    assert!(of("web/iad").ends_with(&["status", "503"]), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\x1b'), "no colours off a terminal");

    let ran = scene.run("status --json --pool web/iad");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&told["pools"][0]["pool"], &told["pools"][1]), (&json!("web/iad"), &Value::Null));
    let ran = scene.run("status --name no.example.com");
    assert_eq!(ran.code, Some(0));
    assert!(!ran.stdout.contains("POOL"), "{ran:?}");
}

#[test]
fn explain_asks_the_node_and_else_the_files() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    fra.play(Script::status(503));
    eventually(|| scene.run("status").stdout.contains(" down "));
    let words = "explain www.example.com --client 192.0.2.1";
    let ran = scene.run(words);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(first_line(&ran).starts_with("live: as ") && ran.stdout.contains("chosen    web/iad"), "{ran:?}");
    let ran = scene.run(&format!("{words} --down dc:iad"));
    assert!(first_line(&ran).ends_with(" would answer without dc:iad"), "{ran:?}");
    assert!(ran.stdout.contains("(all down: all)"), "{ran:?}");
    let ran = scene.run(&format!("{words} --down dc:mars"));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "truenorth: nothing is named dc:mars\n"));
    let ran = scene.run(&format!("{words} --json"));
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).expect("JSON")["offline"], false);

    let ran = scene.run(&format!("{words} --offline"));
    assert_eq!((ran.code, first_line(&ran)), (Some(0), "offline: all taken as up"), "{ran:?}");
    assert!(ran.stdout.contains("chosen    web/fra"), "{ran:?}");
    let Scene { files, node, admin } = scene;
    drop(node);
    let ran = files.run(&format!("{words} --node {admin}"));
    assert_eq!((ran.code, first_line(&ran)), (Some(0), "offline: all taken as up"), "{ran:?}");
}

#[test]
fn reload_tells_what_was_loaded_or_what_is_wrong() {
    let scene = Scene::plain();
    let ran = scene.run("reload");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.stdout.starts_with("good: 1 zone, 1 steered name, "), "{ran:?}");
    scene.files.write("zones/example.com.toml", ZONE.replace("pools = [\"web\"]", "pools = [\"wbe\"]"));
    let ran = scene.run("reload");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for told in ["error: ", "zones/example.com.toml:7:10", "did you mean `web`?", "the old one stays in use"] {
        assert!(ran.stdout.contains(told), "{told} is not told in:\n{}", ran.stdout);
    }
    let ran = scene.run("reload --json");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((ran.code, &told["faults"][0]["line"]), (Some(1), &json!(7)));
}

#[test]
fn nobody_to_ask_is_told() {
    let scene = Scene::plain();
    let admin = scene.admin;
    drop(scene.node);
    for words in ["status", "reload", "txt list", "txt set a.example.com x"] {
        let ran = scene.files.run(&format!("{words} --node {admin}"));
        let told = format!("truenorth: no node answers at http://{admin}: connection refused\n");
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr), (Some(1), "", told), "{words}");
    }
    let without = Files::new("", &[("example.com.toml", ZONE)]);
    let ran = without.run("status");
    assert!(ran.stderr.contains("truenorth.toml has no [admin], so no node can be asked"), "{ran:?}");
    assert_eq!(ran.code, Some(1));
    for usage in
        ["status --node here", "txt set a.example.com", "txt set a.example.com x --for long", "txt", "txt set a..b x"]
    {
        assert_eq!(without.run(usage).code, Some(2), "{usage}");
    }
}

#[test]
fn the_token_is_the_server_files() {
    let server = format!("{SERVER}token = \"{TOKEN}\"\n");
    let scene = Scene::new(&server, &[("example.com.toml", ZONE)]);
    assert_eq!(scene.run("status").code, Some(0));
    // The commands read only [admin], so they do not report faults elsewhere.
    scene.files.write("truenorth.toml", format!("{}colour = \"blue\"\n{server}", ""));
    assert_eq!(scene.run("status").code, Some(0));
    let other = Files::new(SERVER, &[("example.com.toml", ZONE)]);
    for words in ["status", "explain www.example.com --client 192.0.2.1"] {
        let ran = other.run(&format!("{words} --node {}", scene.admin));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words}");
        assert!(ran.stderr.contains("a token is needed"), "{ran:?}");
    }
}
