//! The stream of events.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::endpoint::{ANY_PORT, Endpoint, Script};
use crate::harness::probed_zone;
use crate::http::{connect, get, post};
use crate::{Scene, ZONE, well};

/// Maximum number of followers, as in src/admin/events.rs.
const FOLLOWERS: usize = 16;

/// A follower of the stream.
struct Follower {
    lines: BufReader<TcpStream>,
}

impl Follower {
    fn new(admin: SocketAddr, last: Option<u64>) -> Self {
        let mut stream = connect(admin);
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        stream.write_all(format!("GET /v1/events HTTP/1.1\r\nHost: {admin}\r\n{last}\r\n").as_bytes()).unwrap();
        let mut follower = Self { lines: BufReader::new(stream) };
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(follower.lines.read_line(&mut head).expect("a head"), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
        follower
    }

    /// The next event; its three fields agree.
    #[track_caller]
    fn next(&mut self) -> Value {
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).expect("a line comes"), 0, "the stream ended");
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                fields.push((name.to_owned(), value.to_owned()));
                if name == "data" {
                    break;
                }
            }
        }
        let of = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let data: Value = serde_json::from_str(&of("data").unwrap()).expect("JSON");
        assert_eq!((of("id"), of("event").as_deref()), (Some(data["id"].to_string()), data["event"].as_str()));
        data
    }

    /// The next event of this kind.
    #[track_caller]
    fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["event"] == kind {
                return event;
            }
        }
    }
}

#[test]
fn turns_reloads_and_records_are_told_in_order() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    let mut follower = Follower::new(scene.admin, None);
    fra.play(Script::status(500));
    let down = follower.next_of("endpoint");
    assert_eq!(down["endpoint"], fra.address().to_string());
    assert_eq!((&down["pools"], &down["from"], &down["to"]), (&json!(["web/fra"]), &json!("up"), &json!("down")));
    assert_eq!(down["seen"], "status 500");
    fra.play(Script::status(200));
    // It was the only endpoint of its pool, and of its datacenter.
    assert_eq!([follower.next(), follower.next()].map(|event| event["event"].clone()), ["datacenter", "pool"]);
    assert_eq!(follower.next_of("endpoint")["to"], "up");
    assert_eq!([follower.next(), follower.next()].map(|event| event["to"].clone()), ["up", "up"]);
    assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
    let reload = follower.next();
    assert_eq!((&reload["event"], &reload["taken"], &reload["errors"]), (&json!("reload"), &json!(true), &json!(0)));
    scene.files.write("zones/example.com.toml", "x");
    let reload = follower.next_of("reload");
    assert_eq!(
        (&reload["taken"], &reload["errors"], &reload["reason"]),
        (&json!(false), &json!(1), &json!("file changed"))
    );

    // A follower that reconnects gets the events that it missed, and none twice.
    let first = down["id"].as_u64().unwrap();
    let mut back = Follower::new(scene.admin, Some(first));
    let missed: Vec<Value> = (0..7).map(|_| back.next()).collect();
    assert!(missed.iter().map(|event| event["id"].as_u64().unwrap()).eq(first + 1..=first + 7), "{missed:?}");
    assert_eq!(missed[6], reload);
}

#[test]
fn the_end_of_the_node_is_told_and_does_not_wait_for_followers() {
    let scene = Scene::plain();
    let mut follower = Follower::new(scene.admin, None);
    // A follower that never reads.
    let _stuck = Follower::new(scene.admin, None);
    let start = Instant::now();
    assert_eq!(scene.node.terminate().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    follower.next_of("stop");
    let mut rest = String::new();
    follower.lines.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("data"), "{rest}");
}

#[test]
fn numbers_grow_over_a_restart() {
    let scene = Scene::plain();
    let mut follower = Follower::new(scene.admin, Some(0));
    let before = follower.next()["id"].as_u64().unwrap();
    drop(scene);
    let scene = Scene::plain();
    let mut follower = Follower::new(scene.admin, Some(before));
    let start = follower.next();
    assert_eq!(start["event"], "start");
    assert!(start["id"].as_u64().unwrap() > before, "{start}");
}

#[test]
fn followers_are_counted_and_leave_their_seats() {
    let scene = Scene::plain();
    let followers: Vec<Follower> = (0..FOLLOWERS).map(|_| Follower::new(scene.admin, None)).collect();
    let refused = get(scene.admin, "/v1/events");
    assert_eq!((refused.status, refused.error().as_str()), (503, "16 clients follow the events already"));
    assert_eq!(get(scene.admin, "/healthz").status, 200);
    drop(followers);
    // Its place becomes free when the next event cannot be sent to it.
    let start = Instant::now();
    let mut last = ZONE.to_owned();
    loop {
        last.push('\n');
        scene.files.write("zones/example.com.toml", &last);
        assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
        let mut stream = connect(scene.admin);
        write!(stream, "GET /v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", scene.admin).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        if &head == b"HTTP/1.1 200" {
            break;
        }
        assert!(start.elapsed() < crate::http::PATIENCE, "no follower's place became free");
    }
    let bad = crate::http::ask(scene.admin, "GET /v1/events", &["Last-Event-ID: x"], "");
    assert_eq!(bad.status, 400);
}

#[test]
fn the_history_is_listed_and_outlives_the_node() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    fra.play(Script::status(503));
    crate::eventually(|| {
        scene.files.run(&format!("events --node {}", scene.admin)).stdout.contains(" is down (monitor web): ")
    });
    let text = scene.files.run(&format!("events --event datacenter --node {}", scene.admin)).stdout;
    assert!(
        text.contains("critical  datacenter fra is down: 1 of 1 endpoints down; name www.example.com.: fra -> iad"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    let order = json!({"mode": "drain", "target": "dc:iad", "reason": "\u{1b}[31mred", "who": "ada"});
    assert_eq!(post(scene.admin, "/v1/overrides", &order.to_string()).status, 200);
    crate::eventually(|| get(scene.admin, "/v1/events?since=1h").body.contains("\"override\""));
    let before = get(scene.admin, "/v1/events?since=1h").json();
    assert_eq!(get(scene.admin, "/v1/events?since=soon").status, 400);
    let later = before["time"].as_u64().unwrap() + 3600;
    assert_eq!(get(scene.admin, &format!("/v1/events?since={later}")).json()["events"], json!([]));

    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    let scene = Scene::of(files);
    let ids = |list: &Value| -> Vec<u64> {
        list["events"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect()
    };
    let after = get(scene.admin, "/v1/events?since=1h").json();
    assert!(ids(&after).starts_with(&ids(&before)), "{before}\n{after}");
    assert!(ids(&after).is_sorted(), "{after}");
    let text = scene.files.run(&format!("events --since 1h --node {}", scene.admin)).stdout;
    assert!(text.contains("the node stops") && text.contains("began to answer"), "{text}");
    assert!(!text.contains('\u{1b}'), "nothing from outside reaches the terminal as it is: {text}");
}

#[test]
fn an_endpoint_tells_its_monitors_and_a_new_map_is_told() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    fra.play(Script::status(503));
    let events = |kind: &str| -> Vec<Value> {
        let list = get(scene.admin, "/v1/events?since=1h").json();
        list["events"].as_array().unwrap().iter().filter(|event| event["event"] == kind).cloned().collect()
    };
    crate::eventually(|| events("endpoint").iter().any(|event| event["to"] == "down"));
    let down = events("endpoint").into_iter().find(|event| event["to"] == "down").unwrap();
    assert_eq!((&down["monitors"], &down["pools"]), (&json!(["web"]), &json!(["web/fra"])), "{down}");

    // Another chain needs another map.
    assert_eq!(events("remap"), Vec::<Value>::new());
    let zone = probed_zone(fra.address(), iad.address(), "");
    let zone = zone.replace("[names.www]\n", "[names.www]\nsteer = [\"distance\"]\n");
    scene.files.write("zones/example.com.toml", &zone);
    assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
    crate::eventually(|| !events("remap").is_empty());
    let remap = events("remap").remove(0);
    assert_eq!(
        (&remap["by"], &remap["maps"], &remap["times"]),
        (&json!("configuration"), &json!(1), &json!(1)),
        "{remap}"
    );
    let told = scene.files.run(&format!("events --event remap --node {}", scene.admin)).stdout;
    assert!(told.contains("info      1 map rebuilt after a change of the configuration, in "), "{told}");
}

#[test]
fn state_that_is_not_kept_is_an_event() {
    let scene = Scene::plain();
    let told = || scene.files.run(&format!("events --event store --node {}", scene.admin)).stdout;
    let (state, away) = (scene.files.path("state"), scene.files.path("away"));
    fs::rename(&state, &away).unwrap();
    // Nothing can be created below a file.
    fs::write(&state, "").unwrap();
    let order = json!({"mode": "drain", "target": "endpoint:127.0.0.1"});
    assert_eq!(post(scene.admin, "/v1/overrides", &order.to_string()).json()["kept"], false);
    crate::eventually(|| told().contains("error     state is not kept, so a restart would lose orders: "));
    fs::remove_file(&state).unwrap();
    crate::eventually(|| told().contains("info      state is kept again"));
    assert_eq!(told().lines().count(), 2, "{}", told());
}

#[test]
fn events_are_followed_by_the_command() {
    let scene = Scene::plain();
    let mut following = scene.files.start(&format!("events --since 1s --event txt --follow --node {}", scene.admin));
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    for value in ["one", "two"] {
        let body = json!({"name": "_acme-challenge.www.example.com", "value": value});
        assert_eq!(post(scene.admin, "/v1/txt", &body.to_string()).status, 200);
        let line = lines.next().expect("the event is told").unwrap();
        assert!(line.contains("TXT record of _acme-challenge.www.example.com. set"), "{line}");
    }
    drop(lines);
    assert_eq!(following.wait().unwrap().code(), Some(0), "a reader that is gone ends it");
}

/// The events of pools and datacenters so far, each as `datacenter down`.
fn groups(scene: &Scene) -> Vec<String> {
    let list = get(scene.admin, "/v1/events?since=1h").json();
    let events = list["events"].as_array().unwrap().iter();
    let groups = events.filter(|event| ["pool", "datacenter"].map(Value::from).contains(&event["event"]));
    groups.map(|event| format!("{} {}", event["event"].as_str().unwrap(), event["to"].as_str().unwrap())).collect()
}

#[test]
fn a_datacenter_that_is_down_at_the_start_is_reported_once() {
    let (fra, iad) = (Endpoint::start(ANY_PORT, Script::status(503)), well());
    let scene = Scene::probed(&fra, &iad);
    crate::eventually(|| !groups(&scene).is_empty());
    let down = ["datacenter down", "pool down"];
    assert_eq!(groups(&scene), down);
    // An order for it does not mend it, and the end of the order is no other failure.
    for (method, body) in
        [("POST", json!({"mode": "drain", "target": "dc:fra"})), ("DELETE", json!({"target": "dc:fra"}))]
    {
        let told = crate::http::ask(scene.admin, &format!("{method} /v1/overrides"), &[], &body.to_string());
        assert_eq!(told.status, 200, "{told:?}");
    }
    crate::eventually(|| get(scene.admin, "/v1/events?since=1h").body.contains("\"lifted\""));
    assert_eq!(groups(&scene), down);

    // A restart does not repeat it.
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    let scene = Scene::of(files);
    let begun = || get(scene.admin, "/v1/events?since=1h").body.matches("\"event\": \"start\"").count();
    crate::eventually(|| begun() == 2);
    assert_eq!(groups(&scene), down);

    // It came back while no node watched.
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    fra.play(Script::status(200));
    let scene = Scene::of(files);
    crate::eventually(|| groups(&scene).len() == 4);
    assert_eq!(groups(&scene)[2..], ["datacenter up", "pool up"]);
}
