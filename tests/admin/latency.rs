//! Round trips that are pushed while the node runs, over a reload and a restart.

use std::process::{Command, Stdio};

use crate::harness::places;
use crate::http::{ask, get, post};
use crate::{SERVER, Scene, eventually};

const ZONE: &str = concat!(
    places!(),
    r#"[pools.web]
endpoints.fra = ["127.0.0.10"]
endpoints.iad = ["127.0.0.20"]
[names.www]
pools = ["web"]
steer = ["latency"]
"#
);

fn lines(client: &str, datacenter: &str, rtt_ms: f64, count: usize) -> String {
    format!("{{\"client\": \"{client}\", \"datacenter\": \"{datacenter}\", \"rtt_ms\": {rtt_ms}}}\n").repeat(count)
}

fn addresses(scene: &Scene, client: &str) -> Vec<String> {
    let reply = scene.node.dig(&format!("www.example.com A +subnet={client}"));
    let mut data: Vec<String> = reply.data().into_iter().map(str::to_owned).collect();
    data.sort_unstable();
    data
}

#[test]
fn pushed_round_trips_steer_and_outlive_the_process() {
    let scene = Scene::new(SERVER, &[("example.com.toml", ZONE)]);
    assert_eq!(addresses(&scene, "198.51.100.0/24"), ["127.0.0.10", "127.0.0.20"], "nothing is known");

    let text = lines("198.51.100.7", "fra", 200.0, 20) + "nonsense\n" + &lines("198.51.100.9", "iad", 20.0, 20);
    let response = post(scene.admin, "/v1/latency", &text);
    assert_eq!(response.status, 200, "{response:?}");
    let told = response.json();
    assert_eq!((&told["taken"], &told["refused"]), (&40.into(), &1.into()));
    assert_eq!(told["faults"][0]["line"], 21);
    eventually(|| addresses(&scene, "198.51.100.0/24") == ["127.0.0.20"]);
    assert_eq!(addresses(&scene, "198.51.101.0/24"), ["127.0.0.10", "127.0.0.20"]);

    let explanation = get(scene.admin, "/v1/explain?name=www.example.com&client=198.51.100.0/24").json();
    let round_trips = &explanation["hops"][0]["steering"]["steps"][0]["latency"];
    assert_eq!((&round_trips[0]["datacenter"], &round_trips[0]["rtt_ms"]), (&"iad".into(), &20.0.into()));
    assert_eq!(round_trips[0]["clients"], "198.51.100.0/24");

    let Scene { files, node, .. } = scene;
    assert!(node.terminate().success());
    let scene = Scene::of(files);
    eventually(|| addresses(&scene, "198.51.100.0/24") == ["127.0.0.20"]);
}

#[test]
fn a_log_of_nginx_is_pushed_as_the_example_does() {
    let scene = Scene::new(SERVER, &[("example.com.toml", ZONE)]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/nginx-latency.awk");
    for (datacenter, microseconds) in [("fra", 12_345), ("iad", 98_765)] {
        let log = scene.files.path("round_trips.log");
        std::fs::write(&log, format!("203.0.113.9 {microseconds}\n").repeat(20)).unwrap();
        let mut awk = Command::new("awk");
        awk.args(["-v", &format!("datacenter={datacenter}"), "-f", script]).arg(&log).stdout(Stdio::piped());
        let output = awk.output().expect("awk is installed");
        let response = post(scene.admin, "/v1/latency", &String::from_utf8(output.stdout).unwrap());
        assert_eq!((response.status, &response.json()["taken"]), (200, &20.into()), "{response:?}");
    }
    eventually(|| addresses(&scene, "203.0.113.0/24") == ["127.0.0.10"]);
}

#[test]
fn what_is_no_measurement_is_refused() {
    let scene = Scene::new(SERVER, &[("example.com.toml", ZONE)]);
    let response = post(scene.admin, "/v1/latency", &lines("198.51.100.7", "far", 20.0, 30));
    assert_eq!(response.status, 400);
    let told = response.json();
    assert_eq!(
        (&told["taken"], &told["refused"], told["faults"].as_array().map(Vec::len)),
        (&0.into(), &30.into(), Some(20))
    );
    assert_eq!(post(scene.admin, "/v1/latency", "").status, 200, "nothing was measured");
    assert_eq!(ask(scene.admin, "DELETE /v1/latency", &[], "").status, 405);
    let long = " ".repeat((8 << 20) + 1);
    assert_eq!(ask(scene.admin, "POST /v1/latency", &[], &long).status, 413);
}
