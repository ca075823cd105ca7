//! Endpoints from Kubernetes, whose API a small server plays: lists with a version, and watches from a version on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::api::{Api, Hall, Manner, Protocol, Request, chunk, respond};
use crate::endpoint::certificates::{Authority, authority, params, server_config};
use crate::http::get;
use crate::{SERVER, Scene, Street, eventually};

/// The objects of one namespace, and their history since the version `oldest`.
struct Cluster {
    version: u64,
    oldest: u64,
    objects: BTreeMap<String, Value>,
    /// Each change: its version, its type, and the object.
    history: Vec<(u64, &'static str, Value)>,
    /// Incremented to end all watches in order.
    ends: u64,
}

/// An endpoint of a slice: ready, serving, terminating.
const READY: [bool; 3] = [true, true, false];
const STARTING: [bool; 3] = [false, false, false];
const ENDING: [bool; 3] = [false, true, true];

impl Cluster {
    fn new() -> Self {
        Self { version: 1000, oldest: 1000, objects: BTreeMap::new(), history: Vec::new(), ends: 0 }
    }

    /// Creates or changes an object.
    fn put(&mut self, name: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!("shop");
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let kind = if self.objects.contains_key(name) { "MODIFIED" } else { "ADDED" };
        self.objects.insert(name.to_owned(), object.clone());
        self.history.push((self.version, kind, object));
    }

    fn remove(&mut self, name: &str) {
        self.version += 1;
        let mut object = self.objects.remove(name).expect("it is there");
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push((self.version, "DELETED", object));
    }

    /// Forgets the history, as etcd does when it compacts, and ends the watches.
    fn compact(&mut self) {
        self.version += 10;
        (self.oldest, self.ends) = (self.version, self.ends + 1);
        self.history.clear();
    }
}

/// A slice with these endpoints.
fn slice(kind: &str, endpoints: &[(IpAddr, [bool; 3])]) -> Value {
    let endpoint = |(address, [ready, serving, terminating]): &(IpAddr, [bool; 3])| {
        json!({ "addresses": [address], "nodeName": "node-1",
                "conditions": { "ready": ready, "serving": serving, "terminating": terminating } })
    };
    json!({ "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": { "labels": { "kubernetes.io/service-name": "web" } }, "addressType": kind,
            "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(), "ports": [{ "port": 8080 }] })
}

fn balancer(ingress: &[Value]) -> Value {
    json!({ "kind": "Service", "apiVersion": "v1", "metadata": {}, "spec": { "type": "LoadBalancer", "clusterIP": "10.9.9.9" },
            "status": { "loadBalancer": { "ingress": ingress } } })
}

impl Protocol for Cluster {
    const TOKEN: (&'static str, &'static str) = ("authorization", "Bearer ");

    fn answer(hall: &Hall<Self>, request: &Request, out: &mut dyn Write) -> io::Result<()> {
        let selected = |object: &Value| match request.path.as_str() {
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices" => {
                request.query("labelSelector") == Some("kubernetes.io/service-name=web")
                    && object["kind"] == "EndpointSlice"
            }
            "/api/v1/namespaces/shop/services" => {
                request.query("fieldSelector") == Some("metadata.name=web") && object["kind"] == "Service"
            }
            _ => false,
        };
        let mut state = hall.state.lock().unwrap();
        if request.query("watch").is_none() {
            let items: Vec<&Value> = state.objects.values().filter(|object| selected(object)).collect();
            let list =
                json!({ "kind": "List", "metadata": { "resourceVersion": state.version.to_string() }, "items": items });
            drop(state);
            return respond(out, 200, &[], &list.to_string());
        }
        let mut version: u64 = request.query("resourceVersion").and_then(|text| text.parse().ok()).expect("a version");
        let seconds = request.query("timeoutSeconds").and_then(|text| text.parse().ok()).expect("seconds");
        let (until, ends) = (Instant::now() + Duration::from_secs(seconds), state.ends);
        write!(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        out.flush()?;
        if version < state.oldest {
            drop(state);
            let status = json!({ "kind": "Status", "status": "Failure", "reason": "Expired", "code": 410 });
            chunk(&mut *out, &format!("{}\n", json!({ "type": "ERROR", "object": status })))?;
            return chunk(out, "");
        }
        loop {
            let mut lines = String::new();
            for (_, kind, object) in state.history.iter().filter(|(of, _, object)| *of > version && selected(object)) {
                _ = writeln!(lines, "{}", json!({ "type": kind, "object": object }));
            }
            let is_known = (state.oldest..state.version).contains(&version);
            if lines.is_empty() && is_known && request.query("allowWatchBookmarks").is_some() {
                let object = json!({ "metadata": { "resourceVersion": state.version.to_string() } });
                _ = writeln!(lines, "{}", json!({ "type": "BOOKMARK", "object": object }));
            }
            version = state.version;
            let is_over = state.ends != ends || Instant::now() >= until;
            if !lines.is_empty() {
                drop(state);
                // An event may come in several parts.
                let (one, two) = lines.split_at(lines.len() / 2);
                chunk(&mut *out, one)?;
                chunk(&mut *out, two)?;
                state = hall.state.lock().unwrap();
            }
            if is_over {
                drop(state);
                return chunk(out, "");
            }
            state = hall.wait(state)?;
        }
    }
}

/// A cluster whose API server has a certificate of this authority.
fn cluster(authority: &Authority) -> Api<Cluster> {
    let key = KeyPair::generate().unwrap();
    let certificate = params("127.0.0.1").signed_by(&key, authority).unwrap();
    Api::start(Cluster::new(), Some(server_config(certificate.into(), &key)))
}

fn zone(port: u16, kubernetes: &str) -> String {
    let discover =
        format!("discover = {{ kubernetes = {{ {kubernetes} }}, prefixes = [\"127.47.0.0/16\", \"::1/128\"] }}");
    crate::zone(port, "", "").replace("registered = {  }", &discover)
}

fn problem(scene: &Scene) -> String {
    scene.pool()["registered"]["problem"].as_str().unwrap_or_default().to_owned()
}

/// The requests so far, as `list` and `watch 1000`.
fn asked(api: &Api<Cluster>) -> Vec<String> {
    let word = |request: &Request| match request.query("watch") {
        None => "list".to_owned(),
        Some(_) => format!("watch {}", request.query("resourceVersion").unwrap_or_default()),
    };
    api.requests().iter().map(word).collect()
}

#[test]
fn endpoints_follow_slices_and_outlive_the_api_server() {
    let street = Street::new([47, 1]);
    let [one, two, three] = [1, 2, 3].map(|host| street.address(host));
    let _endpoints = [2, 3].map(|host| street.open(host));
    let trusted = authority("cluster");
    let mut api = cluster(&trusted);
    api.demand("first-secret");
    api.change(|state| state.put("web-a", slice("IPv4", &[(one, READY), (two, STARTING)])));
    let kubernetes = format!(
        "server = \"https://{}\", ca_file = \"../ca.crt\", token_file = \"../token\", namespace = \"shop\", service = \"web\"",
        api.address
    );
    let scene = Scene::new(SERVER, &zone(street.port, &kubernetes));
    eventually(|| problem(&scene).contains("No such file"));
    // Whoever has another certificate gets no token.
    scene.files.write("ca.crt", authority("other").pem());
    scene.files.write("token", "first-secret");
    eventually(|| problem(&scene).contains("certificate"));
    assert!(api.requests().is_empty());
    scene.files.write("ca.crt", trusted.pem());
    scene.comes_to_answer(&[one]);

    // Events: an endpoint is ready, another slice comes and goes.
    api.change(|state| state.put("web-a", slice("IPv4", &[(one, READY), (two, READY)])));
    scene.comes_to_answer(&[one, two]);
    api.change(|state| state.put("web-b", slice("IPv4", &[(three, READY)])));
    scene.comes_to_answer(&[one, two, three]);
    api.change(|state| state.remove("web-b"));
    scene.comes_to_answer(&[one, two]);
    // One is about to end: it is drained, and gone when the slice lists it no more.
    api.change(|state| state.put("web-a", slice("IPv4", &[(one, ENDING), (two, READY)])));
    scene.comes_to_answer(&[two]);
    eventually(|| scene.state(one) == "draining");
    api.change(|state| state.put("web-a", slice("IPv4", &[(two, READY)])));
    eventually(|| scene.state(one).is_empty());
    let of_one: Vec<String> =
        scene.lease_events().into_iter().filter(|event| event.ends_with(&one.to_string())).collect();
    assert_eq!(of_one, [format!("registered {one}"), format!("leaving {one}"), format!("released {one}")]);
    // IPv6.
    api.change(|state| state.put("web-c", slice("IPv6", &[("::1".parse().unwrap(), READY)])));
    eventually(|| !scene.state("::1".parse().unwrap()).is_empty());
    api.change(|state| state.remove("web-c"));
    eventually(|| scene.state("::1".parse().unwrap()).is_empty());

    // A roll-out makes many events, and the last one counts at once.
    let began = Instant::now();
    for number in 0..300_u16 {
        let passing = IpAddr::from([127, 47, 200, (number % 250) as u8 + 1]);
        api.change(|state| state.put("web-a", slice("IPv4", &[(two, READY), (passing, STARTING)])));
        api.change(|state| state.put("web-a", slice("IPv4", &[(three, READY)])));
    }
    scene.comes_to_answer(&[three]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    // A watch that ends in order goes on from its version, to which a bookmark moved it; none of it lists again.
    let lists = |api: &Api<Cluster>| asked(api).iter().filter(|word| *word == "list").count();
    let before = lists(&api);
    api.change(|state| (state.version, state.ends) = (state.version + 5, state.ends + 1));
    let version = 1008 + 600 + 5;
    eventually(|| asked(&api).last().is_some_and(|last| *last == format!("watch {version}")));
    api.change(|state| state.put("web-a", slice("IPv4", &[(two, READY), (three, READY)])));
    scene.comes_to_answer(&[two, three]);
    assert_eq!(lists(&api), before);
    // A version that is too old is no failure: everything is listed again.
    api.change(Cluster::compact);
    eventually(|| lists(&api) == before + 1);
    api.change(|state| state.put("web-a", slice("IPv4", &[(three, READY)])));
    scene.comes_to_answer(&[three]);
    assert!(scene.events("register").is_empty(), "{:?}", scene.events("register"));

    for (manner, why) in [
        (Manner::Status(403), "403: the token does not allow"),
        (Manner::Say("{}".to_owned()), "not the expected form"),
        (Manner::Say("\u{1b}[2J".to_owned()), "not JSON"),
        (Manner::Huge, "longer than 16 MiB"),
        (Manner::Trickle, "took longer than 10 s"),
    ] {
        api.behave(manner);
        eventually(|| problem(&scene).contains(why));
        assert_eq!((scene.answer(), &scene.pool()["registered"]["kept"]), (vec![three.to_string()], &json!(1)));
        api.behave(Manner::Serve);
        eventually(|| problem(&scene).is_empty());
    }
    // 410 for a list or a watch keeps what was listed, and no operator needs to know.
    api.behave(Manner::Status(410));
    let count = api.requests().len();
    eventually(|| api.requests().len() > count + 1);
    assert_eq!(problem(&scene), "");
    api.behave(Manner::Serve);

    // The token is replaced, as that of a service account is every hour.
    api.demand("second-secret");
    eventually(|| problem(&scene).contains("401: it does not accept the token"));
    scene.files.write("token", "second-secret");
    eventually(|| problem(&scene).is_empty());
    // A Service that loses all endpoints keeps the last.
    api.change(|state| state.put("web-a", slice("IPv4", &[])));
    eventually(|| problem(&scene).contains("no endpoint any more"));
    assert_eq!(scene.answer(), [three.to_string()]);

    // The API server is away, also while the node starts anew.
    api.go();
    eventually(|| problem(&scene).to_lowercase().contains("refused"));
    let mut scene = scene.restart();
    scene.comes_to_answer(&[three]);
    api.change(|state| state.put("web-a", slice("IPv4", &[(two, READY)])));
    api.come();
    scene.comes_to_answer(&[two]);
    let screen = scene.files.run(&format!("status --node {}", scene.admin)).stdout;
    let status = get(scene.admin, "/v1/status").body;
    assert!(status.contains(&format!("kubernetes shop/web at https://{}", api.address)), "{status}");
    let events = format!("{:?}{:?}", scene.events("register"), scene.events("lease"));
    scene.node.signal("TERM");
    let log = scene.node.log.read_to_end().join("\n");
    for text in [&screen, &status, &events, &log] {
        assert!(!text.contains("secret") && !text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn load_balancers_of_several_clusters_are_datacenters() {
    let street = Street::new([47, 2]);
    let [one, two] = [1, 2].map(|host| street.address(host));
    let _endpoint = street.open(2);
    let trusted = authority("clusters");
    let clusters = [one, two].map(|address| {
        let api = cluster(&trusted);
        api.change(|state| state.put("web", balancer(&[json!({ "ip": address, "ipMode": "VIP" })])));
        api
    });
    let discover = |datacenter: &str, api: &Api<Cluster>| {
        format!(
            "[pools.web.discover.{datacenter}]\nprefixes = [\"127.47.0.0/16\"]\n[pools.web.discover.{datacenter}.kubernetes]\n\
             server = \"https://{}\"\nca_file = \"../ca.crt\"\nnamespace = \"shop\"\nservice = \"web\"\n\
             addresses = \"load-balancer\"\n",
            api.address
        )
    };
    let zone = format!(
        "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = {{ latitude = 50, longitude = 8 }}\n\
         iad = {{ latitude = 38, longitude = -77 }}\n[regions.default]\nprefer = [\"fra\", \"iad\"]\n\
         [monitors.web]\ntype = \"http\"\ninterval = \"500ms\"\ntimeout = \"400ms\"\nrise = 1\nfall = 2\nport = {}\n\
         [pools.web]\nmonitor = \"web\"\n{}{}[names.www]\npools = [\"web\"]\nsteer = [\"region\"]\n",
        street.port,
        discover("fra", &clusters[0]),
        discover("iad", &clusters[1]),
    );
    let files = crate::harness::Files::new(SERVER, &[("example.com.toml", &zone)]);
    files.write("ca.crt", trusted.pem());
    let mut node = files.serve();
    let admin = node.wait_for_admin();
    let scene = Scene { files, node, admin };
    scene.comes_to_answer(&[one]);
    // The load balancer of one cluster gets another address, which nobody serves: the other cluster takes over.
    clusters[0].change(|state| state.put("web", balancer(&[json!({ "ip": "127.47.2.77" })])));
    scene.comes_to_answer(&[two]);
    // A name is no address.
    clusters[0].change(|state| state.put("web", balancer(&[json!({ "hostname": "lb.example.net" })])));
    let fra =
        || get(scene.admin, "/v1/status?pool=web&datacenter=fra").json()["pools"][0]["registered"]["problem"].clone();
    eventually(|| fra().as_str().is_some_and(|why| why.contains("has a host name and no address")));
    assert_eq!(scene.answer(), [two.to_string()]);
}

/// A pod knows its API server by its environment, and its service account by its files.
#[test]
fn a_node_in_a_cluster_finds_its_api_server() {
    let street = Street::new([47, 3]);
    let one = street.address(1);
    let trusted: Arc<Authority> = Arc::new(authority("cluster"));
    let api = cluster(&trusted);
    api.change(|state| state.put("web-a", slice("IPv4", &[(one, READY)])));
    let kubernetes = "ca_file = \"../ca.crt\", token_file = \"../token\", namespace = \"shop\", service = \"web\"";
    let files = crate::harness::Files::new(SERVER, &[("example.com.toml", &zone(street.port, kubernetes))]);
    files.write("ca.crt", trusted.pem());
    files.write("token", "a-secret");
    api.demand("a-secret");
    let port = api.address.port().to_string();
    let environment = [("KUBERNETES_SERVICE_HOST", "127.0.0.1".as_ref()), ("KUBERNETES_SERVICE_PORT", port.as_ref())];
    let mut node = files.serve_under(&environment);
    let admin = node.wait_for_admin();
    let scene = Scene { files, node, admin };
    scene.comes_to_answer(&[one]);
    // A node that runs in no cluster tells it.
    let scene = scene.restart();
    eventually(|| problem(&scene).contains("KUBERNETES_SERVICE_HOST is not set"));
    assert_eq!(scene.answer(), [one.to_string()]);
}
