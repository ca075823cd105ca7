//! Endpoints that a file or a name lists: they come, go, and stay when their source breaks.

use serde_json::json;

use crate::http::get;
use crate::recursive::Recursive;
use crate::{SERVER, Scene, Street, claim, eventually};

/// A zone whose pool `web` has this source.
fn zone(port: u16, discover: &str) -> String {
    crate::zone(port, "", "").replace("registered = {  }", &format!("discover = {{ {discover} }}"))
}

fn listed(targets: &[std::net::IpAddr]) -> String {
    json!([{ "targets": targets, "labels": { "job": "web" } }]).to_string()
}

#[test]
fn endpoints_follow_a_file_and_outlive_a_broken_one_and_a_restart() {
    let street = Street::new([45, 1]);
    let [one, two, three] = [1, 2, 3].map(|host| street.address(host));
    let _endpoints = [2, 3].map(|host| street.open(host));
    let discover = "file = \"../web.json\", prefixes = [\"127.45.0.0/16\"], max = 3";
    // Without its file, the pool is empty.
    let scene = Scene::new(SERVER, &zone(street.port, discover));
    assert!(scene.answer().is_empty());
    eventually(|| scene.pool()["registered"]["problem"].as_str().is_some_and(|why| why.contains("No such file")));

    scene.files.write("web.json", listed(&[one, two]));
    scene.comes_to_answer(&[one, two]);
    let registered = scene.pool()["registered"].clone();
    assert_eq!((&registered["leases"], &registered["problem"]), (&json!(2), &json!(null)));
    assert!(registered["source"].as_str().unwrap().ends_with("web.json"), "{registered}");
    scene.files.write("web.json", listed(&[two, three]));
    scene.comes_to_answer(&[two, three]);
    let told = [format!("registered {one}"), format!("registered {two}"), format!("released {one}")];
    assert_eq!(scene.lease_events()[..3], told);

    // Nobody else registers there.
    let refused = claim(scene.admin, "me", one, "60s");
    assert_eq!(refused.status, 403, "{refused:?}");

    // A file that breaks or that suddenly lists nothing keeps the last endpoints, and the alarm tells why.
    for (content, why) in [("[{\"targets\": [\"10.", "while"), ("[]", "no endpoint")] {
        scene.files.write("web.json", content);
        eventually(|| {
            assert_eq!(scene.answer(), [two.to_string(), three.to_string()]);
            let registered = scene.pool()["registered"].clone();
            registered["kept"] == 2 && registered["problem"].as_str().is_some_and(|told| told.contains(why))
        });
    }
    assert_eq!(get(scene.admin, "/v1/status").json()["silent"], json!(["web"]));
    let told = scene.events("register");
    assert_eq!((told.len(), &told[0]["silent"]), (1, &json!(true)));
    assert!(told[0]["why"].as_str().is_some_and(|why| why.contains("web.json")), "{told:?}");

    // The last endpoints outlive the process, although the file is still broken.
    let scene = scene.restart();
    scene.comes_to_answer(&[two, three]);
    eventually(|| scene.pool()["registered"]["kept"] == 2);

    // The file is good again, with an endpoint that the bounds exclude.
    scene.files.write("web.json", listed(&[one, "10.0.0.1".parse().unwrap()]));
    scene.comes_to_answer(&[one]);
    assert_eq!(scene.pool()["registered"]["kept"], 0);
    eventually(|| scene.lease_events().contains(&"refused 10.0.0.1".to_owned()));
    assert!(scene.events("register").iter().any(|event| event["silent"] == false));
}

#[test]
fn endpoints_follow_a_name_by_its_ttl_and_outlive_its_servers() {
    let street = Street::new([45, 2]);
    let [one, two] = [1, 2].map(|host| street.address(host));
    let _endpoint = street.open(2);
    let recursive = Recursive::start();
    recursive.set("web.example.net.", Some(one));
    let server = format!("{SERVER}[resolver]\nservers = [\"{}\"]\n", recursive.address);
    let discover = "dns = \"web.example.net\", prefixes = [\"127.45.0.0/16\"]";
    let scene = Scene::new(&server, &zone(street.port, discover));
    scene.comes_to_answer(&[one]);
    recursive.set("web.example.net.", Some(two));
    scene.comes_to_answer(&[two]);
    recursive.set("web.example.net.", None);
    eventually(|| {
        assert_eq!(scene.answer(), [two.to_string()]);
        scene.pool()["registered"]["problem"].as_str().is_some_and(|why| why.contains("SERVFAIL"))
    });
    let screen = scene.files.run(&format!("status --node {}", scene.admin)).stdout;
    assert!(screen.contains("pool web: dns web.example.net") && screen.contains("SERVFAIL"), "{screen}");
    recursive.set("web.example.net.", Some(one));
    scene.comes_to_answer(&[one]);
}
