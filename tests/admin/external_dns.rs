//! The webhook provider of external-dns, with a client that plans as external-dns does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::http::{Response, ask, get};
use crate::{Scene, TOKEN};

const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n[external_dns]\nzones = [\"k8s.example.com\"]\n";

const ZONE: &str = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = { latitude = 50.1, longitude = 8.7 }\n\
    iad = { latitude = 38.9, longitude = -77.5 }\n[regions.default]\nprefer = [\"fra\", \"iad\"]\n\
    [regions.americas]\nclients = [\"192.0.2.0/24\"]\nprefer = [\"iad\", \"fra\"]\n\
    [pools.operated]\ndatacenter = \"fra\"\nendpoints = [\"127.0.0.77\"]\n\
    [names.static]\npools = [\"operated\"]\n";

const MEDIA_TYPE: &str = "application/external.dns.webhook+json;version=1";

fn scene() -> Scene {
    Scene::new(SERVER, &[("k8s.example.com.toml", ZONE)])
}

/// A record as a source of external-dns makes it.
fn record(name: &str, rtype: &str, targets: &[&str]) -> Value {
    json!({ "dnsName": name, "recordType": rtype, "targets": targets, "labels": { "resource": "ingress/shop/web" } })
}

fn set(mut record: Value, set: &str, properties: &[(&str, &str)]) -> Value {
    if !set.is_empty() {
        record["setIdentifier"] = json!(set);
    }
    let property =
        |(name, value): &(&str, &str)| json!({ "name": format!("webhook/truenorth-{name}"), "value": value });
    record["providerSpecific"] = properties.iter().map(property).collect();
    record
}

/// The body of a response of this protocol.
fn parsed(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_else(|error| panic!("{error} in {response:?}"))
}

/// external-dns with its TXT registry: it owns what a TXT record of its own says.
struct ExternalDns {
    admin: SocketAddr,
}

/// A row of its plan: a name and a set. Each has a record of each type.
type Rows = BTreeMap<(String, String), BTreeMap<String, Value>>;

fn rows(records: &[Value]) -> Rows {
    let mut rows = Rows::new();
    for record in records.iter().filter(|record| record["recordType"] != "TXT") {
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let name = text("dnsName").trim().trim_end_matches('.').to_ascii_lowercase();
        rows.entry((name, text("setIdentifier"))).or_default().insert(text("recordType"), record.clone());
    }
    rows
}

/// Its rules: a TTL that is wanted, the targets without case and order, and the properties.
fn differs(wanted: &Value, current: &Value) -> bool {
    let targets = |record: &Value| -> BTreeSet<String> {
        let list = record["targets"].as_array().cloned().unwrap_or_default();
        list.iter().map(|target| target.as_str().unwrap().to_ascii_lowercase()).collect()
    };
    let properties = |record: &Value| -> BTreeMap<String, String> {
        let list = record["providerSpecific"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        list.iter().map(|property| (text(&property["name"]), text(&property["value"]))).collect()
    };
    let ttl = |record: &Value| record["recordTTL"].as_i64().unwrap_or_default();
    ttl(wanted) > 0 && ttl(wanted) != ttl(current)
        || targets(wanted) != targets(current)
        || properties(wanted) != properties(current)
}

impl ExternalDns {
    fn ask(&self, line: &str, body: &str) -> Response {
        ask(self.admin, line, &[&format!("Accept: {MEDIA_TYPE}"), &format!("Content-Type: {MEDIA_TYPE}")], body)
    }

    fn json(&self, line: &str, body: &Value) -> Value {
        let response = self.ask(line, &if body.is_null() { String::new() } else { body.to_string() });
        assert_eq!(response.status, 200, "{response:?}");
        parsed(&response)
    }

    fn records(&self) -> Vec<Value> {
        self.json("GET /external-dns/records", &Value::Null).as_array().expect("a list").clone()
    }

    /// The changes that lead to these records. TXT records follow the others.
    fn plan(&self, wanted: &[Value]) -> Value {
        let current = self.records();
        let adjusted = self.json("POST /external-dns/adjustendpoints", &Value::from(wanted.to_vec()));
        let (have, want) = (rows(&current), rows(adjusted.as_array().expect("a list")));
        let (mut create, mut delete, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in have.keys().chain(want.keys()).collect::<BTreeSet<_>>() {
            let none = BTreeMap::new();
            let (have, want) = (have.get(row).unwrap_or(&none), want.get(row).unwrap_or(&none));
            create
                .extend(want.iter().filter(|(rtype, _)| !have.contains_key(*rtype)).map(|(_, record)| record.clone()));
            delete
                .extend(have.iter().filter(|(rtype, _)| !want.contains_key(*rtype)).map(|(_, record)| record.clone()));
            for (rtype, wanted) in want {
                if let Some(current) = have.get(rtype).filter(|current| differs(wanted, current)) {
                    old.push(current.clone());
                    new.push(wanted.clone());
                }
            }
        }
        for list in [&mut create, &mut delete, &mut old, &mut new] {
            let texts: Vec<Value> = list.iter().map(ownership).collect();
            list.extend(texts);
        }
        let lists = [("create", create), ("delete", delete), ("updateOld", old), ("updateNew", new)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        Value::Object(lists.map(|(name, list)| (name.to_owned(), Value::from(list))).collect::<Map<_, _>>())
    }

    /// Plans and applies. Returns the number of changes.
    fn synchronise(&self, wanted: &[Value]) -> usize {
        let plan = self.plan(wanted);
        if plan == json!({}) {
            return 0;
        }
        let response = self.ask("POST /external-dns/records", &plan.to_string());
        assert_eq!((response.status, response.body.as_str()), (204, ""), "{response:?}\n{plan}");
        plan.as_object().unwrap().values().map(|list| list.as_array().unwrap().len()).sum()
    }

    /// Sends changes that are refused, and checks that nothing else happens. Returns the reason.
    fn refused(&self, status: u16, changes: &str) -> String {
        let before = self.records();
        let response = self.ask("POST /external-dns/records", changes);
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(self.records(), before);
        response.error()
    }
}

/// The TXT record by which external-dns knows its own.
fn ownership(record: &Value) -> Value {
    let rtype = record["recordType"].as_str().unwrap().to_ascii_lowercase();
    let name = record["dnsName"].as_str().unwrap();
    let mut text = record.clone();
    text["dnsName"] =
        json!(name.strip_prefix("*.").map_or_else(|| format!("{rtype}-{name}"), |rest| format!("{rtype}-any.{rest}")));
    text["recordType"] = json!("TXT");
    text["targets"] =
        json!(["\"heritage=external-dns,external-dns/owner=test,external-dns/resource=ingress/shop/web\""]);
    text
}

fn wanted() -> Vec<Value> {
    let sets = [("fra", "127.0.1.1", "1", "60"), ("iad", "127.0.2.1", "2", "60")];
    let api = sets.map(|(place, address, _, ttl)| {
        let mut record =
            set(record("api.k8s.example.com", "A", &[address]), place, &[("datacenter", place), ("region", "default")]);
        record["recordTTL"] = json!(ttl.parse::<u32>().unwrap());
        record
    });
    let weighted = sets.map(|(place, address, weight, _)| {
        set(record("shop.k8s.example.com", "A", &[address]), place, &[("weight", weight)])
    });
    let mut all = vec![
        record("WWW.k8s.example.com.", "A", &["127.0.0.2", "127.0.0.1"]),
        record("www.k8s.example.com", "AAAA", &["0:0:0:0:0:0:0:1"]),
        record("docs.k8s.example.com", "CNAME", &["Pages.Example.net."]),
        record("*.apps.k8s.example.com", "A", &["127.0.0.9"]),
        set(record("pay.k8s.example.com", "A", &["127.0.0.8"]), "", &[("pool", "operated")]),
        set(record("cdn.k8s.example.com", "CNAME", &["one.example.net"]), "one", &[("weight", "1")]),
    ];
    all.extend(api.into_iter().chain(weighted));
    all
}

#[test]
fn a_second_plan_is_empty_and_the_records_are_served_and_outlive_a_kill() {
    let scene = scene();
    let client = ExternalDns { admin: scene.admin };
    let response = client.ask("GET /external-dns", "");
    assert_eq!(parsed(&response)["include"], json!(["k8s.example.com"]));
    for field in [&format!("content-type: {MEDIA_TYPE}\r\n"), "vary: content-type\r\n"] {
        assert!(response.head.contains(field), "{response:?}");
    }
    assert_eq!(client.ask("GET /healthz", "").status, 200);
    assert_eq!(client.records(), [] as [Value; 0]);
    // Go writes `null` for an empty list.
    assert_eq!(parsed(&client.ask("POST /external-dns/adjustendpoints", "null")), json!([]));
    let serial = |scene: &Scene| -> u32 {
        let reply = scene.node.dig("k8s.example.com SOA");
        reply.data()[0].split(' ').nth(2).and_then(|serial| serial.parse().ok()).expect("a serial")
    };
    let before = serial(&scene);

    assert_eq!(client.synchronise(&wanted()), 2 * wanted().len());
    assert_eq!(client.plan(&wanted()), json!({}), "the second plan is empty");
    assert!(serial(&scene) > before, "secondaries see the change");
    let sorted = |words: &str| {
        let reply = scene.node.dig(words);
        let mut data: Vec<String> = reply.data().into_iter().map(str::to_owned).collect();
        data.sort_unstable();
        data
    };
    assert_eq!(sorted("www.k8s.example.com A"), ["127.0.0.1", "127.0.0.2"]);
    assert_eq!(sorted("www.k8s.example.com AAAA"), ["::1"]);
    assert_eq!(sorted("docs.k8s.example.com CNAME"), ["pages.example.net."]);
    assert_eq!(sorted("x.apps.k8s.example.com A"), ["127.0.0.9"]);
    assert_eq!(sorted("pay.k8s.example.com A"), ["127.0.0.77"], "the operator's pool answers");
    assert_eq!(sorted("cdn.k8s.example.com CNAME"), ["one.example.net."]);
    assert_eq!(sorted("static.k8s.example.com A"), ["127.0.0.77"]);
    let text = sorted("a-www.k8s.example.com TXT");
    assert_eq!(text, ["\"heritage=external-dns,external-dns/owner=test,external-dns/resource=ingress/shop/web\""]);
    // Sets: by place, and by weight.
    let reply = scene.node.dig("api.k8s.example.com A");
    assert_eq!(reply.data(), ["127.0.1.1"]);
    let heavy = (0..60).filter(|_| scene.node.dig("shop.k8s.example.com A").data() == ["127.0.2.1"]).count();
    assert!((20..60).contains(&heavy), "{heavy} of 60, by 2 to 1");
    assert_eq!(scene.files.run("check").code, Some(0));

    // SIGKILL.
    let Scene { files, node, .. } = scene;
    drop(node);
    let scene = Scene::of(files);
    let client = ExternalDns { admin: scene.admin };
    assert_eq!(client.plan(&wanted()), json!({}));
    assert_eq!(scene.node.dig("api.k8s.example.com A").data(), ["127.0.1.1"]);

    // Changes: other targets, another weight, one name less, a CNAME in place of an address.
    let mut next = wanted();
    next[0] = record("www.k8s.example.com", "A", &["127.0.0.3"]);
    next[3] = record("*.apps.k8s.example.com", "CNAME", &["apps.example.net"]);
    next.retain(|record| record["dnsName"] != "docs.k8s.example.com");
    assert!(client.synchronise(&next) > 0);
    assert_eq!(client.plan(&next), json!({}));
    assert_eq!(scene.node.dig("www.k8s.example.com A").data(), ["127.0.0.3"]);
    assert_eq!(scene.node.dig("x.apps.k8s.example.com CNAME").data(), ["apps.example.net."]);
    assert_eq!(scene.node.dig("docs.k8s.example.com CNAME").status, "NXDOMAIN");
    // All goes, and what the operator wrote stays.
    client.synchronise(&[]);
    assert_eq!(client.records(), [] as [Value; 0]);
    assert_eq!(scene.node.dig("www.k8s.example.com A").status, "NXDOMAIN");
    assert_eq!(scene.node.dig("static.k8s.example.com A").data(), ["127.0.0.77"]);
}

#[test]
fn what_cannot_be_served_is_refused_with_a_reason_and_changes_nothing() {
    let scene = scene();
    let client = ExternalDns { admin: scene.admin };
    client.synchronise(&[record("www.k8s.example.com", "A", &["127.0.0.1"])]);
    let file = scene.files.path("state/external-dns/k8s.example.com.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    let serial = || scene.node.dig("k8s.example.com SOA").data()[0].split(' ').nth(2).map(str::to_owned);
    let before = serial();
    let good = record("new.k8s.example.com", "A", &["127.0.0.5"]);
    let with_good = |bad: Value| json!({ "create": [good.clone(), bad] }).to_string();
    let place = |key: &str, value: &str| set(record("bad.k8s.example.com", "A", &["127.0.0.6"]), "a", &[(key, value)]);
    for (bad, why) in [
        (record("www.example.org", "A", &["127.0.0.1"]), "www.example.org is in no zone"),
        (record("xk8s.example.com", "A", &["127.0.0.1"]), "is in no zone"),
        (record("a..k8s.example.com", "A", &["127.0.0.1"]), "is no name"),
        (record("bad.k8s.example.com", "A", &["127.0.0.256"]), "is no target of type A"),
        (record("bad.k8s.example.com", "A", &["::1"]), "is no target of type A"),
        (record("bad.k8s.example.com", "AAAA", &["127.0.0.1"]), "is no target of type AAAA"),
        (record("bad.k8s.example.com", "A", &[]), "has no targets"),
        (record("bad.k8s.example.com", "CNAME", &["a.example", "b.example"]), "one target"),
        (record("bad.k8s.example.com", "NS", &["a.example"]), "A, AAAA, CNAME and TXT are taken"),
        (record("www.k8s.example.com", "CNAME", &["a.example"]), "CNAME"),
        (record("static.k8s.example.com", "A", &["127.0.0.1"]), "static"),
        (place("weight", "heavy"), "a number from 0 to 65535"),
        (place("wieght", "1"), "there is no property"),
        (place("datacenter", "mars"), "mars"),
        (place("monitor", "none\"]\n[names.x"), "none"),
        (place("pool", "nowhere"), "nowhere"),
        (place("steer", "sideways"), "`steer` takes one of"),
    ] {
        let told = client.refused(422, &with_good(bad.clone()));
        assert!(told.contains(why), "{bad}: {told}");
    }
    for body in ["", "[]", "{\"create\": 7}", "{\"create\": [{\"targets\": \"127.0.0.1\"}]}", "\u{0}"] {
        client.refused(400, body);
    }
    client.refused(413, &" ".repeat((8 << 20) + 1));
    let other = |line: &str, field: &str| ask(scene.admin, line, &[field], "[]").status;
    assert_eq!(other("GET /external-dns/records", "Accept: application/external.dns.webhook+json;version=2"), 406);
    assert_eq!(other("POST /external-dns/adjustendpoints", "Content-Type: text/plain"), 415);
    assert_eq!(other("POST /external-dns/adjustendpoints", "Content-Type: application/json"), 200);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);
    assert_eq!((scene.node.dig("new.k8s.example.com A").status.as_str(), serial()), ("NXDOMAIN", before));

    // While the operator's files are broken, nobody can say whose fault it is: external-dns tries again.
    scene.files.write("zones/k8s.example.com.toml", "[nameservers\n");
    assert_ne!(scene.files.run(&format!("reload --node {}", scene.admin)).code, Some(0));
    client.refused(503, &json!({ "create": [good] }).to_string());
    scene.files.write("zones/k8s.example.com.toml", ZONE);
    assert_eq!(scene.files.run(&format!("reload --node {}", scene.admin)).code, Some(0));
    // A record that is written already, or gone already, is no fault: the answer may have been lost.
    let again = json!({ "create": [good.clone()] }).to_string();
    for _ in 0..2 {
        assert_eq!(client.ask("POST /external-dns/records", &again).status, 204);
    }
    assert_eq!(scene.node.dig("new.k8s.example.com A").data(), ["127.0.0.5"]);
    let gone = json!({ "delete": [good] }).to_string();
    for _ in 0..2 {
        assert_eq!(client.ask("POST /external-dns/records", &gone).status, 204);
    }
    // `check` knows the records: a pool that one of them uses cannot go.
    client.synchronise(&[set(record("pay.k8s.example.com", "A", &["127.0.0.8"]), "", &[("pool", "operated")])]);
    scene.files.write("zones/k8s.example.com.toml", ZONE.split("[pools.operated]").next().unwrap());
    let check = scene.files.run("check");
    assert!(check.code == Some(1) && check.stderr.contains("operated"), "{check:?}");
}

#[test]
fn a_state_folder_that_takes_nothing_and_a_node_without_zones_are_told() {
    let scene = scene();
    let client = ExternalDns { admin: scene.admin };
    scene.files.write("state/external-dns", "a file in the place of the folder");
    let good = json!({ "Create": [record("www.k8s.example.com", "A", &["127.0.0.1"])] }).to_string();
    let response = client.ask("POST /external-dns/records", &good);
    assert_eq!(response.status, 503, "{response:?}");
    assert_eq!(scene.node.dig("www.k8s.example.com A").status, "NXDOMAIN");
    std::fs::remove_file(scene.files.path("state/external-dns")).unwrap();
    assert_eq!(client.ask("POST /external-dns/records", &good).status, 204, "early versions write the names large");
    assert_eq!(scene.node.dig("www.k8s.example.com A").data(), ["127.0.0.1"]);
    let none = Scene::new(crate::SERVER, &[("example.com.toml", crate::ZONE)]);
    assert_eq!(get(none.admin, "/external-dns/records").status, 404);
}

#[test]
fn external_dns_shows_its_token_as_it_can() {
    let tokens = format!(
        "[admin.tokens.cluster]\ntoken = \"{TOKEN}\"\nmay = [\"external-dns\"]\n[admin.tokens.page]\ntoken = \"fedcba9876543210\"\nmay = [\"read\"]\n"
    );
    let server = format!("{SERVER}{tokens}");
    let scene = Scene::new(&server, &[("k8s.example.com.toml", ZONE)]);
    let status = |line: &str, field: &str| ask(scene.admin, line, &[field], "{}").status;
    // `external-dns:0123456789abcdef`, as of the URL http://external-dns:0123456789abcdef@host/external-dns.
    let basic = "Authorization: Basic ZXh0ZXJuYWwtZG5zOjAxMjM0NTY3ODlhYmNkZWY=";
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for field in [basic, &bearer] {
        assert_eq!(status("POST /external-dns/records", field), 204);
        assert_eq!(status("GET /external-dns", field), 200);
        assert_eq!(status("POST /v1/reload", field), if field == basic { 401 } else { 403 });
    }
    let reader = "Authorization: Bearer fedcba9876543210";
    assert_eq!((status("GET /external-dns/records", reader), status("POST /external-dns/records", reader)), (200, 403));
    assert_eq!(status("GET /external-dns/records", "X-None: 1"), 401);
    assert_eq!(status("GET /external-dns/records", "Authorization: Basic !!!"), 401);
}
