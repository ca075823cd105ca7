//! TXT records that are set while the node runs.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::Reply;
use crate::http::{PATIENCE, ask, get, post};
use crate::{SERVER, Scene, eventually};

const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]
[pools.web]
endpoints = ["127.0.0.1"]
[pools.elsewhere]
endpoints = [{ cname = "www.example.net." }]
[names.www]
pools = ["web"]
[names.cdn]
pools = ["elsewhere"]
[names.whoami]
reflect = true
[names."*.apps"]
pools = ["web"]
[names."*.cdns"]
pools = ["elsewhere"]
[records]
"*.aliases".CNAME = ["www"]
"@".TXT = ["v=spf1 -all"]
alias.CNAME = ["www"]
sub.NS = ["ns1"]
tree.DNAME = ["example.net."]
"*.wild".A = ["127.0.0.7"]
"*.wild".TXT = ["wild"]
"#;

fn scene() -> Scene {
    Scene::new(SERVER, &[("example.com.toml", ZONE)])
}

fn serial(scene: &Scene) -> u32 {
    let soa = scene.node.dig("example.com SOA");
    soa.data()[0].split(' ').nth(2).and_then(|serial| serial.parse().ok()).expect("a SOA has a serial")
}

fn sorted(reply: &Reply) -> Vec<&str> {
    let mut data = reply.data();
    data.sort_unstable();
    data
}

#[track_caller]
fn set(scene: &Scene, name: &str, value: &str) {
    let response = post(scene.admin, "/v1/txt", &json!({"name": name, "value": value}).to_string());
    assert_eq!(response.status, 200, "{response:?}");
}

#[track_caller]
fn unset(scene: &Scene, body: &serde_json::Value) {
    let response = ask(scene.admin, "DELETE /v1/txt", &[], &body.to_string());
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn a_record_is_served_once_it_is_set_and_its_name_goes_with_it() {
    let scene = scene();
    let before = serial(&scene);
    let (name, above) = ("_acme-challenge.new.example.com", "new.example.com");
    assert_eq!(scene.node.dig(&format!("{name} TXT")).status, "NXDOMAIN");
    set(&scene, name, "first");
    let reply = scene.node.dig(&format!("{name} TXT"));
    assert_eq!(Reply::lines(&reply.answer), [format!("{name}. 5 TXT \"first\"")]);
    assert!(reply.has("aa"));
    assert_eq!(serial(&scene), before + 1);
    // Another value joins the same RRset; an equal value is not added again.
    set(&scene, &name.to_uppercase(), "second");
    set(&scene, name, "second");
    assert_eq!(sorted(&scene.node.dig(&format!("{name} TXT"))), ["\"first\"", "\"second\""]);
    assert_eq!(serial(&scene), before + 2);
    // The name exists for every type, and so does the name above it.
    for words in [format!("{name} A"), format!("{above} TXT")] {
        let reply = scene.node.dig(&words);
        assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 0), "{words}");
        assert_eq!(reply.authority[0].rtype, "SOA");
    }
    let listed = get(scene.admin, "/v1/txt").json();
    assert_eq!((&listed["records"][0]["value"], &listed["records"][1]["value"]), (&json!("first"), &json!("second")));

    unset(&scene, &json!({"name": name, "value": "first"}));
    assert_eq!(scene.node.dig(&format!("{name} TXT")).data(), ["\"second\""]);
    unset(&scene, &json!({"name": name}));
    for name in [name, above] {
        assert_eq!(scene.node.dig(&format!("{name} TXT")).status, "NXDOMAIN", "{name}");
    }
    assert_eq!(serial(&scene), before + 4);
    // Removing a record that does not exist succeeds, and does not change the serial.
    unset(&scene, &json!({"name": name}));
    assert_eq!(serial(&scene), before + 4);
    assert_eq!(get(scene.admin, "/v1/txt").json()["records"], json!([]));
}

#[test]
fn it_stands_beside_what_is_there() {
    let scene = scene();
    set(&scene, "www.example.com", "beside addresses");
    assert_eq!(scene.node.dig("www.example.com TXT").data(), ["\"beside addresses\""]);
    assert_eq!(scene.node.dig("www.example.com A").data(), ["127.0.0.1"]);
    set(&scene, "example.com", "beside another");
    assert_eq!(sorted(&scene.node.dig("example.com TXT")), ["\"beside another\"", "\"v=spf1 -all\""]);
    set(&scene, "_acme-challenge.alias.example.com", "below a CNAME");
    assert_eq!(scene.node.dig("_acme-challenge.alias.example.com TXT").data(), ["\"below a CNAME\""]);
    assert_eq!(scene.node.dig("alias.example.com A").data(), ["www.example.com.", "127.0.0.1"]);
    // An additional name hides no answers of the files, and neither do the names above it.
    set(&scene, "_acme-challenge.x.wild.example.com", "own");
    assert_eq!(sorted(&scene.node.dig("_acme-challenge.x.wild.example.com TXT")), ["\"own\"", "\"wild\""]);
    for name in ["x.wild", "_acme-challenge.x.wild", "y.x.wild", "y.wild"] {
        assert_eq!(scene.node.dig(&format!("{name}.example.com A")).data(), ["127.0.0.7"], "{name}");
    }
    assert_eq!(scene.node.dig("x.wild.example.com TXT").data(), ["\"wild\""]);
    unset(&scene, &json!({"name": "_acme-challenge.x.wild.example.com"}));
    assert_eq!(scene.node.dig("_acme-challenge.x.wild.example.com TXT").data(), ["\"wild\""]);
    set(&scene, "_acme-challenge.foo.apps.example.com", "steered");
    for name in ["foo.apps", "_acme-challenge.foo.apps", "bar.foo.apps", "other.apps"] {
        assert_eq!(scene.node.dig(&format!("{name}.example.com A")).data(), ["127.0.0.1"], "{name}");
    }
    assert_eq!(scene.node.dig("_acme-challenge.foo.apps.example.com TXT").data(), ["\"steered\""]);
    assert!(scene.node.dig("foo.apps.example.com TXT").data().is_empty());
    // A long value becomes several strings, and no character is special.
    let value = format!("{} \"quoted\" \\ ; $ORIGIN", "x".repeat(300));
    set(&scene, "long.example.com", &value);
    let reply = scene.node.dig("long.example.com TXT");
    let joined = reply.data()[0].replace("\" \"", "");
    assert_eq!(joined, format!("\"{} \\\"quoted\\\" \\\\ ; $ORIGIN\"", "x".repeat(300)));
}

#[test]
fn where_an_rfc_forbids_it_it_is_refused() {
    let scene = scene();
    let before = serial(&scene);
    for (name, why) in [
        ("example.org", "no zone here"),
        ("alias.example.com", "CNAME"),
        ("cdn.example.com", "CNAME"),
        ("whoami.example.com", "knows about the client"),
        ("sub.example.com", "sub.example.com. is delegated"),
        ("a.b.sub.example.com", "sub.example.com. is delegated"),
        ("a.tree.example.com", "below the DNAME of tree.example.com."),
        (
            "_acme-challenge.a.aliases.example.com",
            "would hide the CNAME record of *.aliases.example.com., which answers",
        ),
        ("a.cdns.example.com", "would hide the CNAME record of *.cdns.example.com., which answers"),
    ] {
        let response = post(scene.admin, "/v1/txt", &json!({"name": name, "value": "x"}).to_string());
        assert_eq!(response.status, 409, "{name}: {response:?}");
        assert!(response.error().contains(why), "{name}: {response:?}");
    }
    for body in [
        json!({"name": "a.example.com"}),
        json!({"name": "a.example.com", "value": ""}),
        json!({"name": "a.example.com", "value": "x".repeat(1025)}),
        json!({"name": "a.example.com", "value": "x", "for": "0s"}),
        json!({"name": "a.example.com", "value": "x", "for": "169h"}),
        json!({"name": "a.example.com", "value": "x", "for": "soon"}),
        json!({"name": "a..example.com", "value": "x"}),
    ] {
        assert_eq!(post(scene.admin, "/v1/txt", &body.to_string()).status, 400, "{body}");
    }
    assert_eq!(serial(&scene), before);
    assert_eq!(get(scene.admin, "/v1/txt").json()["records"], json!([]));
}

#[test]
fn it_goes_by_itself() {
    let scene = scene();
    let before = serial(&scene);
    let start = Instant::now();
    let body = json!({"name": "soon.example.com", "value": "gone", "for": "4s"}).to_string();
    assert_eq!(post(scene.admin, "/v1/txt", &body).status, 200);
    assert_eq!(scene.node.dig("soon.example.com TXT").data(), ["\"gone\""]);
    while scene.node.dig("soon.example.com TXT").status != "NXDOMAIN" {
        assert!(start.elapsed() < PATIENCE, "it does not go");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(start.elapsed() > Duration::from_millis(3900), "it went after {:?}", start.elapsed());
    assert_eq!(serial(&scene), before + 2);
}

#[test]
fn a_reload_keeps_it_and_a_zone_that_comes_back_has_it_again() {
    let mut scene = scene();
    set(&scene, "kept.example.com", "kept");
    let before = serial(&scene);
    assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
    assert_eq!(scene.node.dig("kept.example.com TXT").data(), ["\"kept\""]);
    assert_eq!(serial(&scene), before, "nothing changed");
    // For a while, the configuration has no zone for the record.
    scene.files.write("zones/example.com.toml", format!("{ZONE}kept.CNAME = [\"www\"]\n"));
    assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
    scene.node.log.wait_for("TXT records that were set cannot be served by the new configuration and are left out");
    assert_eq!(scene.node.dig("kept.example.com CNAME").data(), ["www.example.com."]);
    scene.files.write("zones/example.com.toml", ZONE);
    assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
    assert_eq!(scene.node.dig("kept.example.com TXT").data(), ["\"kept\""]);
}

#[test]
fn a_restart_keeps_it_and_the_serial_and_its_end() {
    let scene = scene();
    set(&scene, "Kept.example.com", "kept");
    let until = |scene: &Scene| get(scene.admin, "/v1/txt").json()["records"][0]["until"].clone();
    let before = (serial(&scene), until(&scene));
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    let scene = Scene::of(files);
    assert_eq!(scene.node.dig("kept.example.com TXT").data(), ["\"kept\""]);
    assert_eq!((serial(&scene), until(&scene)), before);

    // A record that expired in the meantime is removed, which is a change.
    let soon = json!({"name": "soon.example.com", "value": "gone", "for": "2s"}).to_string();
    assert_eq!(post(scene.admin, "/v1/txt", &soon).status, 200);
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    thread::sleep(Duration::from_secs(2));
    let scene = Scene::of(files);
    eventually(|| scene.node.dig("soon.example.com TXT").status == "NXDOMAIN");
    assert_eq!(serial(&scene), before.0 + 2);
    // Names are compared without case, so it is the same record.
    set(&scene, "KEPT.example.com", "kept");
    unset(&scene, &json!({"name": "kept.EXAMPLE.com", "value": "kept"}));
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    assert_eq!(Scene::of(files).node.dig("kept.example.com TXT").status, "NXDOMAIN");
}

#[test]
fn a_serial_that_the_operator_counts_stays_his() {
    let zone = format!("[soa]\nserial = 7\n{ZONE}");
    let scene = Scene::new(SERVER, &[("example.com.toml", &zone)]);
    set(&scene, "new.example.com", "x");
    assert_eq!(scene.node.dig("new.example.com TXT").data(), ["\"x\""]);
    assert_eq!(serial(&scene), 7);
}

#[test]
fn the_command_sets_and_takes_away() {
    let scene = scene();
    let run = |words: &str| scene.files.run(&format!("{words} --node {}", scene.admin));
    let ran = run("txt set _acme-challenge.example.com token-1 --for 1h");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(scene.node.dig("_acme-challenge.example.com TXT").data(), ["\"token-1\""]);
    let ran = run("txt list");
    assert!(ran.stdout.starts_with("_acme-challenge.example.com. TXT \"token-1\" for "), "{ran:?}");
    let ran = run("txt unset _acme-challenge.example.com token-1");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "no TXT record is set\n"), "{ran:?}");
    let ran = run("txt set alias.example.com x");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("CNAME"), "{ran:?}");
}

#[test]
fn many_at_once_are_all_served() {
    let scene = scene();
    let admin = scene.admin;
    let threads: Vec<_> = (0..8)
        .map(|number| {
            thread::spawn(move || {
                for part in 0..5 {
                    let body = json!({"name": format!("n{number}.example.com"), "value": part.to_string()}).to_string();
                    assert_eq!(post(admin, "/v1/txt", &body).status, 200);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    for number in 0..8 {
        assert_eq!(scene.node.dig(&format!("n{number}.example.com TXT")).answer.len(), 5);
    }
}
