//! Valid and invalid requests to the API.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::endpoint::Script;
use crate::http::{get, post};
use crate::{SERVER, Scene, ZONE, eventually, well};

#[test]
fn what_is_not_there_is_told_in_json() {
    let scene = Scene::plain();
    for path in ["/page", "/v1", "/v1/", "/v1/status/", "/v2/status", "/%2e%2e/etc/passwd"] {
        let response = get(scene.admin, path);
        assert_eq!((response.status, response.error().as_str()), (404, "there is no such path"), "{path}");
    }
    for (line, allowed) in [("DELETE /v1/status", "get,head"), ("GET /v1/reload", "post"), ("PUT /v1/txt", "post")] {
        let response = crate::http::ask(scene.admin, line, &[], "");
        assert_eq!(response.status, 405, "{line}");
        assert!(response.error().contains("method") && response.head.contains("allow: "), "{response:?}");
        assert!(response.head.contains(allowed), "{response:?}");
    }
}

#[test]
fn healthz_is_about_the_node_and_not_about_endpoints() {
    let mut ill = well();
    ill.stop_listening();
    let scene = Scene::probed(&ill, &ill);
    for _ in 0..50 {
        let response = get(scene.admin, "/healthz");
        assert_eq!((response.status, response.json()), (200, json!({"ok": true})));
    }
}

#[test]
fn healthz_asks_with_cookies_where_they_are_required_and_is_not_rate_limited() {
    let hard = "[cookies]\nrequire = true\n[rate_limit]\nresponses_per_second = 1\nwindow = 1\nslip = 0\n";
    let scene = Scene::new(&format!("{SERVER}{hard}"), &[("example.com.toml", ZONE)]);
    for _ in 0..3 {
        let response = get(scene.admin, "/healthz");
        assert_eq!((response.status, response.json()), (200, json!({"ok": true})));
        // A result is cached for a second.
        thread::sleep(Duration::from_millis(1050));
    }
}

#[test]
fn a_node_without_a_zone_is_not_healthy() {
    let scene = Scene::new(SERVER, &[]);
    let response = get(scene.admin, "/healthz");
    assert_eq!((response.status, response.json()), (503, json!({"ok": false, "failed": ["no zone is served"]})));
    assert_eq!(get(scene.admin, "/v1/status").json()["zones"], json!([]));
}

#[test]
fn status_tells_how_everything_stands() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    let status = get(scene.admin, "/v1/status").json();
    let of = |status: &serde_json::Value, pool: usize| status["pools"][pool].clone();
    assert_eq!(status["zones"][0]["origin"], "example.com.");
    let serial: u64 = scene.node.dig("example.com SOA").data()[0].split(' ').nth(2).unwrap().parse().unwrap();
    assert_eq!(status["zones"][0]["serial"], serial);
    let pools = json!([{"pool": "web/fra", "count": 0}, {"pool": "web/iad", "count": 0}]);
    let answers = json!({"pools": pools, "fallback": 0, "nodata": 0, "failures": 0});
    let name = json!({
        "name": "www.example.com.", "pools": ["web/fra", "web/iad"], "usable": 2, "rung": "usable", "fallback": null,
        "answers": answers
    });
    assert_eq!(status["names"], json!([name]));
    let first = of(&status, 0);
    assert_eq!((&first["pool"], &first["datacenter"]), (&json!("web/fra"), &json!("fra")));
    assert_eq!((&first["usable_v4"], &first["open_v4"], &first["given_v6"]), (&json!(true), &json!(1), &json!(0)));
    let endpoint = &first["endpoints"][0];
    assert_eq!((&endpoint["state"], &endpoint["share"]), (&json!("up"), &json!(1.0)));
    let probe = &endpoint["probes"][0];
    assert_eq!(probe["target"], fra.address().to_string());
    assert_eq!((&probe["check"], &probe["state"], &probe["failures"]), (&json!("http"), &json!("up"), &json!(0)));
    assert!(probe["seen"].as_str().unwrap().starts_with("ok in "), "{probe}");
    let now = status["time"].as_u64().unwrap();
    assert!((now - 30..=now).contains(&probe["since"].as_u64().unwrap()), "{status}");

    iad.play(Script::status(500));
    eventually(|| of(&get(scene.admin, "/v1/status").json(), 1)["endpoints"][0]["state"] == "down");
    let status = get(scene.admin, "/v1/status").json();
    assert_eq!(status["names"][0]["usable"], 1);
    let probe = &of(&status, 1)["endpoints"][0]["probes"][0];
    assert_eq!((&probe["state"], &probe["seen"]), (&json!("down"), &json!("status 500")));
    assert!(probe["failures"].as_u64() >= Some(3), "{probe}");
    assert!(status["generation"].as_u64() >= Some(2), "{status}");
}

#[test]
fn status_can_be_asked_for_a_part() {
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[pools]\na.endpoints = [\"127.0.0.1\"]\nb.endpoints = [\"127.0.0.2\"]\n\
                [names]\none.pools = [\"a\"]\ntwo.pools = [\"b\"]\nboth.pools = [\"a\", \"b\"]\n";
    let scene = Scene::new(SERVER, &[("example.com.toml", zone)]);
    let told = |query: &str| {
        let status = get(scene.admin, &format!("/v1/status?{query}")).json();
        let of = |list: &str, key: &str| -> BTreeSet<String> {
            let list = status[list].as_array().expect("a list");
            list.iter().map(|item| item[key].as_str().expect("a name").replace(".example.com.", "")).collect()
        };
        let words = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" ");
        (words(of("names", "name")), words(of("pools", "pool")), status["more_names"].as_u64().expect("a number"))
    };
    let expect = |names: &str, pools: &str, more| (names.to_owned(), pools.to_owned(), more);
    assert_eq!(told(""), expect("both one two", "a b", 0));
    assert_eq!(told("name=one.example.com"), expect("one", "a", 0));
    assert_eq!(told("name=ONE.example.com."), expect("one", "a", 0));
    assert_eq!(told("name=none.example.com"), expect("", "", 0));
    assert_eq!(told("pool=b"), expect("both two", "b", 0));
    assert_eq!(told("limit=1").2, 2);
    for bad in ["name=", "name=a..b", "limit=x", "limit=1&limit=2", "nmae=one"] {
        assert_eq!(get(scene.admin, &format!("/v1/status?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn explain_is_of_what_the_node_answers_from() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    let path = "/v1/explain?name=www.example.com&client=192.0.2.0/24";
    let explanation = get(scene.admin, path).json();
    assert_eq!(
        (&explanation["offline"], &explanation["hops"][0]["steering"]["chosen"]),
        (&json!(false), &json!(["web/fra"]))
    );
    let explanation = get(scene.admin, &format!("{path}&down=dc:fra")).json();
    assert_eq!(explanation["hops"][0]["steering"]["chosen"], json!(["web/iad"]));
    assert_eq!(explanation["down"], json!(["dc:fra"]));
    fra.play(Script::status(500));
    eventually(|| get(scene.admin, path).json()["hops"][0]["steering"]["chosen"] == json!(["web/iad"]));
    let all_down = get(scene.admin, &format!("{path}&down=pool:web/iad&type=a")).json();
    assert_eq!(all_down["hops"][0]["steering"]["rung"], "all down: all");
    for bad in [
        "/v1/explain",
        "/v1/explain?name=www.example.com",
        "/v1/explain?name=www.example.com&client=192.0.2.0/33",
        "/v1/explain?name=www.example.com&client=192.0.2.0&type=NOPE",
        "/v1/explain?name=www.example.com&client=192.0.2.0&down=dc:mars",
        "/v1/explain?name=www.example.com&client=192.0.2.0&down=fra",
        "/v1/explain?name=www.example.com&client=192.0.2.0&x=y",
    ] {
        let response = get(scene.admin, bad);
        assert_eq!(response.status, 400, "{bad}");
        assert!(!response.error().is_empty());
    }
}

#[test]
fn reload_answers_when_the_new_configuration_is_served_or_tells_its_faults() {
    let mut scene = Scene::plain();
    scene
        .files
        .write("zones/example.com.toml", ZONE.replace("endpoints = [\"127.0.0.1\"]", "endpoints = [\"127.0.0.2\"]"));
    let told = post(scene.admin, "/v1/reload", "").json();
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.2"]);
    assert_eq!((&told["summary"]["zones"], &told["faults"]), (&json!(1), &json!([])));
    assert!(told["generation"].as_u64() >= Some(2), "{told}");

    scene.files.write("zones/example.com.toml", ZONE.replace("pools = [\"web\"]", "pools = [\"wbe\"]"));
    let response = post(scene.admin, "/v1/reload", "");
    assert_eq!(response.status, 422);
    assert!(response.error().contains("the old one stays in use"), "{response:?}");
    let fault = &response.json()["faults"][0];
    assert_eq!((&fault["severity"], &fault["line"], &fault["column"]), (&json!("error"), &json!(7), &json!(10)));
    assert!(fault["file"].as_str().unwrap().ends_with("zones/example.com.toml"), "{fault}");
    assert_eq!(scene.node.dig("www.example.com").data(), ["127.0.0.2"]);
    assert!(scene.node.is_running());
}

#[test]
fn reloads_side_by_side_are_all_answered() {
    let scene = Scene::plain();
    let admin = scene.admin;
    let threads: Vec<_> = (0..8).map(|_| thread::spawn(move || post(admin, "/v1/reload", "").status)).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 200);
    }
}

#[test]
fn a_port_that_is_taken_keeps_the_node_from_starting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let server = SERVER.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{address}\""));
    let ran = crate::harness::Files::new(&server, &[("example.com.toml", ZONE)]).run("serve");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(&format!("the admin server cannot listen on {address}")), "{ran:?}");
}

/// Two parts of one aggregate with the same protocol, address and port.
#[test]
fn the_parts_of_an_aggregate_are_told_apart_by_their_monitors() {
    let endpoint = well();
    let part = |name: &str, rest: &str| {
        format!(
            "[monitors.{name}]\ntype = \"http\"\nhost = \"www\"\ninterval = \"1s\"\ntimeout = \"900ms\"\nrise = 1\nfall = 1\n{rest}"
        )
    };
    let zone = format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n{}{}[monitors.both]\ntype = \"all\"\nof = [\"ready\", \"deep\"]\n\
         [pools.web]\nmonitor = \"both\"\nendpoints = [{}]\n[names.www]\npools = [\"web\"]\nall_down = \"nodata\"\n",
        part("ready", ""),
        part("deep", "expect_status = [201, 204]\n"),
        crate::harness::member(endpoint.address())
    );
    let mut scene = Scene::new(SERVER, &[("example.com.toml", &zone)]);
    endpoint.play(Script::status(204));
    eventually(|| get(scene.admin, "/v1/status").json()["pools"][0]["endpoints"][0]["state"] == "up");
    endpoint.play(Script::status(200));
    let line = scene.node.log.wait_for("endpoint is down");
    assert!(line.contains("check=\"http\" monitor=deep"), "{line}");
    let at = endpoint.address();
    let status = || get(scene.admin, "/v1/status").json()["pools"][0]["endpoints"][0].clone();
    // The log tells it before answers show it.
    eventually(|| status()["state"] == "down");
    let endpoint = status();
    let probes = endpoint["probes"].as_array().unwrap();
    let told = |probe: &Value| (probe["monitor"].clone(), probe["target"].clone(), probe["state"].clone());
    let expected = |monitor: &str, state: &str| (json!(monitor), json!(at.to_string()), json!(state));
    assert_eq!(probes.iter().map(told).collect::<Vec<_>>(), [expected("ready", "up"), expected("deep", "down")]);
    let seen = format!("deep (http {at}): status 200");
    assert!(endpoint["why"].as_str().unwrap().contains(&seen), "{endpoint}");
    for words in ["status", "explain www.example.com --client 192.0.2.1"] {
        let ran = scene.files.run(&format!("{words} --node {}", scene.admin));
        assert!(ran.stdout.contains(&seen), "{words}: {ran:?}");
    }
    let events = get(scene.admin, "/v1/events?since=1h").json();
    let falls = events["events"].as_array().unwrap().iter();
    let falls: Vec<&Value> = falls.filter(|event| event["event"] == "endpoint" && event["to"] == "down").collect();
    // At the start too, although the other probe may have ended later.
    assert!(falls.len() > 1, "{events}");
    for turn in falls {
        assert_eq!((&turn["monitors"], &turn["seen"]), (&json!(["deep"]), &json!(format!("http {at}: status 200"))));
    }
    let history = get(scene.admin, "/v1/history?pool=web").json();
    let tracks = history["endpoints"][0]["probes"].as_array().unwrap();
    assert_eq!(tracks.iter().map(|track| &track["monitor"]).collect::<Vec<_>>(), ["ready", "deep"]);
}
