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
    let ran = scene.run("status --all");
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
fn the_first_screen_has_sums_and_only_what_is_wrong() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    eventually(|| scene.run("status").stdout.contains("nothing is wrong"));
    let calm = scene.run("status").stdout;
    assert!(
        calm.contains("2 of 2 endpoints up, 2 of 2 pools usable, 1 of 1 names answered by a usable pool"),
        "{calm}"
    );
    assert!(!calm.contains("web/fra"), "what is good is not listed: {calm}");
    scene.node.dig("www.example.com");
    let rows = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    eventually(|| rows(&scene.run("status").stdout).contains(&"fra 1 1 0 0 100 %".to_owned()));

    iad.play(Script::status(503));
    eventually(|| scene.run("status").stdout.contains("down for "));
    let wrong = rows(&scene.run("status").stdout);
    let line = wrong.iter().find(|line| line.starts_with("web/iad")).expect("the endpoint that is down has a row");
    assert!(line.contains("down down for ") && line.ends_with(": status 503"), "{line}");
    assert!(wrong.contains(&"iad 1 0 1 0 0 %".to_owned()), "{wrong:?}");
    assert!(!wrong.iter().any(|line| line.starts_with("web/fra")), "{wrong:?}");

    assert_eq!(scene.run("force-down name:www.example.com --reason closed --yes").code, Some(0));
    assert_eq!(scene.run("drain pool:web/fra@www.example.com").code, Some(0));
    let told = scene.run("status").stdout;
    let name = rows(&told).into_iter().find(|line| line.starts_with("www.example.com.")).expect("the name has a row");
    assert_eq!(name, "www.example.com. nothing: forced down 1 of 2 force-down, drain web/fra");
    assert!(told.contains("name:www.example.com") && told.contains("closed"), "orders are listed: {told}");
    let json: Value = serde_json::from_str(&scene.run("status --json").stdout).unwrap();
    let name = &json["names"][0];
    assert_eq!(
        (&name["rung"], &name["mode"], &name["drained"], &json["orders"][0]["reason"]),
        (&json!("forced_down"), &json!("force-down"), &json!(["web/fra"]), &json!("closed")),
        "{json}"
    );
    assert_eq!(
        (&json["sums"]["endpoints"]["up"], &json["sums"]["endpoints"]["down"], &json["sums"]["usable_names"]),
        (&json!(1), &json!(1), &json!(0))
    );

    // `status` shows a part that was asked for, even if all of it is well.
    let part = scene.run("status --datacenter fra").stdout;
    assert!(part.contains("web/fra") && !part.contains("127.0.0.2"), "{part}");
    // `status` first reports files that cannot be loaded.
    scene.files.write("zones/example.com.toml", "nonsense = true\n");
    assert_eq!(scene.run("reload").code, Some(1));
    let told = scene.run("status").stdout;
    assert!(told.contains("the files on disk have errors") && told.contains("truenorth check"), "{told}");
    assert_eq!(serde_json::from_str::<Value>(&scene.run("status --json").stdout).unwrap()["files"]["would_fail"], true);
}

#[test]
fn explain_tells_why_each_endpoint_is_out() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    fra.play(Script::status(503));
    eventually(|| scene.run("status").stdout.contains("down for "));
    assert_eq!(scene.run("drain pool:web/iad --reason kernel --yes").code, Some(0));
    let told = scene.run("explain www.example.com --client 192.0.2.1").stdout;
    assert!(told.contains("127.0.0.1: down for ") && told.contains(": status 503"), "{told}");
    let who = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let by = told.lines().find(|line| line.contains("drained by ")).expect("who drained it is told");
    assert!(by.contains(&who) && by.ends_with("(override 1): kernel"), "{told}");
}

#[test]
fn a_status_is_watched_until_its_reader_is_gone() {
    let scene = Scene::plain();
    let words = format!("status --watch 100ms --node {}", scene.admin);
    let mut watching = scene.files.start(&words);
    let screens = |watching: &mut std::process::Child, count: usize| {
        let out = std::io::BufReader::new(watching.stdout.as_mut().unwrap());
        let heads = std::io::BufRead::lines(out).map_while(Result::ok).filter(|line| line.contains(": up "));
        heads.take(count).count()
    };
    assert_eq!(screens(&mut watching, 3), 3);
    drop(watching.stdout.take());
    assert_eq!(watching.wait().unwrap().code(), Some(0));
}

#[test]
fn several_nodes_are_asked_by_address_or_name() {
    let (one, other) = (Scene::plain(), Scene::plain());
    let server = format!("{SERVER}nodes = {{ ns1 = \"{}\", ns2 = \"{}\" }}\n", one.admin, other.admin);
    let files = Files::new(&server, &[("example.com.toml", ZONE)]);
    let ran = files.run("status --node ns1 --node ns2");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("== ns1\n") && ran.stdout.contains("\n== ns2\n"), "{ran:?}");
    assert_eq!(files.run("status --node all").stdout.matches(": up ").count(), 2);
    let explained = files.run("explain www.example.com --client 192.0.2.1 --node all");
    assert_eq!((explained.code, explained.stdout.matches("live: as ").count()), (Some(0), 2), "{explained:?}");
    assert_eq!(files.run("drain endpoint:127.0.0.1 --node all --yes").code, Some(0));
    for scene in [&one, &other] {
        assert!(scene.run("overrides").stdout.contains("endpoint:127.0.0.1"));
    }
    let ran = files.run("lift endpoint:127.0.0.1 --node all --json");
    let told: Vec<Value> =
        serde_json::Deserializer::from_str(&ran.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(told.len(), 2, "one document for each node: {ran:?}");
    // The command reports the node that fails, and still asks the others.
    drop(other);
    let ran = files.run("status --node all");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains(": up ") && ran.stderr.contains("connection refused"), "{ran:?}");
    let ran = files.run("status --node ns3");
    assert!(ran.code == Some(1) && ran.stderr.contains("did you mean ns"), "{ran:?}");
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
        ["status --watch soon", "txt set a.example.com", "txt set a.example.com x --for long", "txt", "txt set a..b x"]
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

#[test]
fn what_a_command_repeats_controls_no_terminal() {
    let scene = Scene::plain();
    for (words, told) in [
        ("drain dc:\u{1b}[31mred", r"truenorth: nothing is named dc:\u{1b}[31mred"),
        ("force-down pool:web\u{9b}1m\u{202e}", r"nothing is named pool:web\u{9b}1m\u{202e}"),
        ("drain endpoint:\u{1b}[1m", r"nothing is named endpoint:\027[1m"),
        ("open name:\u{1b}[1m.example.com", r"nothing is named name:\027[1m.example.com"),
        ("explain www.example.com --client 192.0.2.1 --down dc:\u{7}", r"nothing is named dc:\u{7}"),
        ("switch \u{1b}c.example.com web", r"\027c.example.com has no roll-out"),
    ] {
        let ran = scene.run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words:?}");
        assert!(ran.stderr.contains(told), "{words:?}: {:?}", ran.stderr);
        assert!(!ran.stderr.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{:?}", ran.stderr);
    }
    let ran = scene.run("drain pool:web --yes --reason \u{1b}[2J\u{202e}");
    assert!(ran.code == Some(0) && ran.stdout.contains(r"\u{1b}[2J\u{202e}"), "{ran:?}");
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{:?}", ran.stdout);
}
