//! Endpoints from Consul, whose health API a small server plays: an index that counts changes, and queries that wait.

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::{Api, Hall, Manner, Protocol, Request, respond};
use crate::http::get;
use crate::{SERVER, Scene, Street, eventually};

/// The part of Consul's catalog that belongs to one service, and the index of its last change.
#[derive(Default)]
struct Consul {
    index: u64,
    instances: Vec<Instance>,
}

/// An instance, with the status of its check, its weights for `passing` and `warning`, and its tags.
#[derive(Clone)]
struct Instance {
    address: IpAddr,
    status: &'static str,
    weights: [u16; 2],
    tags: Vec<&'static str>,
}

impl Consul {
    fn set(&mut self, instances: Vec<Instance>) {
        self.index += 7;
        self.instances = instances;
    }
}

impl Instance {
    fn passing(address: IpAddr) -> Self {
        Self { address, status: "passing", weights: [1, 1], tags: vec!["v2"] }
    }

    /// As the documentation of `/v1/health/service/:service` shows it.
    fn shown(&self) -> Value {
        json!({
            "Node": { "ID": "40e4a748-2192", "Node": "node-1", "Address": self.address, "Datacenter": "dc1",
                      "TaggedAddresses": { "lan": self.address, "wan": self.address }, "Meta": {} },
            "Service": { "ID": format!("web-{}", self.address), "Service": "web", "Tags": self.tags, "Address": "",
                         "Meta": {}, "Port": 8080, "Weights": { "Passing": self.weights[0], "Warning": self.weights[1] },
                         "EnableTagOverride": false },
            "Checks": [{ "Node": "node-1", "CheckID": "service:web", "Name": "web", "Status": self.status,
                         "Notes": "", "Output": "", "ServiceID": "web", "ServiceName": "web" }]
        })
    }
}

impl Protocol for Consul {
    const TOKEN: (&'static str, &'static str) = ("x-consul-token", "");

    fn answer(hall: &Hall<Self>, request: &Request, out: &mut dyn Write) -> io::Result<()> {
        let waits_until = request.query("wait").map(|wait| {
            let seconds: u64 = wait.strip_suffix('s').and_then(|text| text.parse().ok()).expect("seconds");
            Instant::now() + Duration::from_secs(seconds)
        });
        let known: u64 = request.query("index").map_or(0, |index| index.parse().expect("a number"));
        let mut state = hall.state.lock().unwrap();
        // Consul answers at once if its index is not the one that is known, so also if it went backwards.
        while known > 0 && state.index == known && waits_until.is_none_or(|until| Instant::now() < until) {
            state = hall.wait(state)?;
        }
        let tags: Vec<&String> = request.query.iter().filter(|(key, _)| key == "tag").map(|(_, tag)| tag).collect();
        let is_meant = |instance: &&Instance| {
            request.path == "/v1/health/service/web"
                && request.query("dc") == Some("dc1")
                && tags.iter().all(|tag| instance.tags.contains(&tag.as_str()))
                && (request.query("passing").is_none() || instance.status == "passing")
        };
        let body: Vec<Value> = state.instances.iter().filter(is_meant).map(Instance::shown).collect();
        let headers = [("X-Consul-Index", state.index.to_string()), ("X-Consul-Knownleader", "true".to_owned())];
        drop(state);
        respond(out, 200, &headers, &Value::from(body).to_string())
    }
}

fn zone(port: u16, consul: &str) -> String {
    let discover = format!("discover = {{ consul = {{ {consul} }}, prefixes = [\"127.46.0.0/16\"] }}");
    crate::zone(port, "", "").replace("registered = {  }", &discover)
}

fn problem(scene: &Scene) -> String {
    scene.pool()["registered"]["problem"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn endpoints_follow_consul_and_outlive_it() {
    let street = Street::new([46, 1]);
    let [one, two, three] = [1, 2, 3].map(|host| street.address(host));
    let _endpoints = [2, 3].map(|host| street.open(host));
    let mut consul = Api::start(Consul { index: 100, instances: Vec::new() }, None);
    let files =
        format!("server = \"http://{}\", service = \"web\", datacenter = \"dc1\", tags = [\"v2\"]", consul.address);
    let scene = Scene::new(SERVER, &zone(street.port, &format!("{files}, token_file = \"../token\"")));
    // The token is not there yet.
    eventually(|| problem(&scene).contains("token: No such file"));
    consul.demand("first-secret");
    scene.files.write("token", "first-secret\n");
    eventually(|| problem(&scene).is_empty());

    // Instances appear, and a query that waits tells it.
    let other = Instance { tags: vec!["v1"], ..Instance::passing(street.address(9)) };
    consul.change(|state| state.set(vec![Instance::passing(one), other]));
    scene.comes_to_answer(&[one]);
    let critical = Instance { status: "critical", ..Instance::passing(street.address(8)) };
    consul.change(|state| state.set(vec![Instance::passing(two), Instance::passing(three), critical]));
    scene.comes_to_answer(&[two, three]);
    let waited = consul.requests().iter().filter(|request| request.query("index").is_some()).count();
    assert!((2..20).contains(&waited), "{waited}");

    // The index goes backwards, as after a restored snapshot: the next query does not wait.
    consul.change(|state| (state.index, state.instances) = (3, vec![Instance::passing(one), Instance::passing(two)]));
    scene.comes_to_answer(&[one, two]);
    let at_zero = || consul.requests().iter().rev().take(3).any(|request| request.query("index").is_none());
    eventually(at_zero);

    // Whatever it does wrong changes no answer, and is told.
    let long = format!("[{}]", "1,".repeat(9 << 20));
    for (manner, why) in [
        (Manner::Status(403), "403: the token does not allow"),
        (Manner::Status(500), "status 500"),
        (Manner::Say("<html>".to_owned()), "not JSON"),
        (Manner::Say("[{\"Node\": 7}]".to_owned()), "not the expected form"),
        (Manner::Say(long), "longer than 16 MiB"),
        (Manner::Huge, "longer than 16 MiB"),
        (Manner::Trickle, "took longer than 10 s"),
        (Manner::Say("[]".to_owned()), "no endpoint any more"),
    ] {
        consul.behave(manner.clone());
        eventually(|| problem(&scene).contains(why));
        assert_eq!(
            (scene.answer(), &scene.pool()["registered"]["kept"]),
            (vec![one.to_string(), two.to_string()], &json!(2))
        );
        // A server that fails is not asked without pause.
        consul.behave(Manner::Serve);
        eventually(|| problem(&scene).is_empty());
    }
    // Its index 0 cannot be waited for.
    consul.change(|state| state.index = 0);
    eventually(|| problem(&scene).contains("the index 0"));
    consul.change(|state| state.set(vec![Instance::passing(three)]));
    scene.comes_to_answer(&[three]);

    // The token is replaced.
    consul.demand("second-secret");
    eventually(|| problem(&scene).contains("401: it does not accept the token"));
    scene.files.write("token", "second-secret\n");
    eventually(|| problem(&scene).is_empty());

    // Consul is away, and comes back with other instances. The endpoints outlive both it and the node.
    consul.go();
    eventually(|| problem(&scene).to_lowercase().contains("refused"));
    assert_eq!(scene.answer(), [three.to_string()]);
    let metrics = get(scene.admin, "/metrics").body;
    assert!(metrics.contains("truenorth_pool_source_up{zone=\"example.com.\",pool=\"web\"") && metrics.contains("} 0"));
    let scene = scene.restart();
    scene.comes_to_answer(&[three]);
    consul.change(|state| state.set(vec![Instance::passing(two)]));
    consul.come();
    scene.comes_to_answer(&[two]);
    let silent = scene.events("register");
    assert!(
        silent.iter().any(|event| event["why"].as_str().is_some_and(|why| why.contains("consul web of dc1 at http")))
    );

    // The token is nowhere to be seen.
    let mut scene = scene;
    let status = get(scene.admin, "/v1/status").body;
    let events = format!("{:?}{:?}", scene.events("register"), scene.events("lease"));
    scene.node.signal("TERM");
    let log = scene.node.log.read_to_end().join("\n");
    for text in [&status, &events, &log] {
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn instances_have_weights_and_unhealthy_ones_may_count() {
    let street = Street::new([46, 2]);
    let [one, two] = [1, 2].map(|host| street.address(host));
    let _endpoint = street.open(2);
    let warning = Instance { status: "warning", weights: [10, 3], ..Instance::passing(one) };
    let critical = Instance { status: "critical", weights: [5, 1], ..Instance::passing(two) };
    let consul = Api::start(Consul { index: 1, instances: vec![warning, critical] }, None);
    let files =
        format!("server = \"http://{}\", service = \"web\", datacenter = \"dc1\", health = \"any\"", consul.address);
    let scene = Scene::new(SERVER, &zone(street.port, &files));
    eventually(|| {
        let pool = scene.pool();
        let weights: Vec<(&Value, &Value)> = pool["endpoints"]
            .as_array()
            .map(|list| list.iter().map(|endpoint| (&endpoint["endpoint"], &endpoint["weight"])).collect())
            .unwrap_or_default();
        weights == [(&json!(one), &json!(3)), (&json!(two), &json!(5))]
    });
}
