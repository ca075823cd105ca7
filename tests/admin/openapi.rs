//! Compares the OpenAPI document with the server: its paths, the statuses and shapes of its answers, and the requests
//! that it accepts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::harness::places;
use crate::http::{Response, ask, get, post};
use crate::{SERVER, Scene};

const ZONE: &str = concat!(
    places!(),
    r#"[regions.default]
prefer = ["fra", "iad"]
[monitors.told]
type = "push"
deadline = "1h"
[pools.web]
endpoints.fra = ["127.0.0.1"]
endpoints.iad = ["127.0.0.2"]
[pools.next]
endpoints = ["127.0.0.3"]
[pools.told]
monitor = "told"
endpoints = ["127.0.0.4"]
[pools.guests]
monitor = "told"
registered = { max = 3, prefixes = ["127.0.0.0/8"] }
[names.www]
pools = ["web"]
fallback = "told"
[names.shop]
pools = ["web", "next"]
active = "web"
[names.api]
pools = ["web", "next"]
canary = { pool = "next", steps = [5, 100], hold = "10m" }
[names.told]
pools = ["told"]
[names.guests]
pools = ["guests"]
"#
);

/// The operation that places an override on a target.
const OVERRIDE: &str = "PUT /v1/overrides/{override}";

/// The operation that replaces the TXT records of a name.
const TXT: &str = "PUT /v1/txt/{name}";

/// The operation that registers an endpoint.
const LEASE: &str = "PUT /v1/pools/{pool}/endpoints/{id}";

struct Api {
    document: Value,
    scene: Scene,
}

impl Api {
    fn new() -> Self {
        let scene = Scene::new(SERVER, &[("example.com.toml", ZONE)]);
        let document = get(scene.admin, "/openapi.json").json();
        Self { document, scene }
    }

    /// Every operation, as `GET /v1/status` and its description.
    fn operations(&self) -> Vec<(String, &Value)> {
        let paths = self.document["paths"].as_object().unwrap();
        let of = |(path, item): (&String, &'_ Value)| -> Vec<(String, Value)> {
            let methods = item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters");
            methods
                .map(|(method, operation)| (format!("{} {path}", method.to_uppercase()), operation.clone()))
                .collect()
        };
        let names: Vec<String> = paths.iter().flat_map(of).map(|(name, _)| name).collect();
        names.into_iter().map(|name| (name.clone(), self.operation(&name))).collect()
    }

    fn operation(&self, name: &str) -> &Value {
        let (method, path) = name.split_once(' ').unwrap();
        let operation = &self.document["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{name} is not described");
        operation
    }

    /// A validator for a schema of the document.
    fn validator(&self, schema: &Value) -> Validator {
        // References lead into the document, so the schema becomes a part of it.
        let whole = json!({"components": self.document["components"], "allOf": [schema]});
        jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("{schema}: {error}"))
    }

    /// Checks an answer against what the operation promises for its status and media type.
    #[track_caller]
    fn check(&self, name: &str, answer: &Response) {
        let promised = &self.operation(name)["responses"][answer.status.to_string()];
        assert!(promised.is_object(), "{name} does not promise this status: {answer:?}");
        let line = answer.head.lines().find(|line| line.starts_with("content-type: ")).expect("a type");
        let media = line["content-type: ".len()..].split(';').next().unwrap();
        let schema = &promised["content"][media]["schema"];
        assert!(schema.is_object(), "{name} does not promise {media} for {}", answer.status);
        if media.ends_with("json") {
            let value = answer.json();
            let errors: Vec<String> = self
                .validator(schema)
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?}\n{value:#}");
        }
    }

    /// Sends a request to the path of an operation, and checks the answer.
    #[track_caller]
    fn send(&self, name: &str, query: &str, body: &str) -> Response {
        let owner = if name.contains("/v1/txt/") { "_acme-challenge.www.example.com" } else { "shop.example.com" };
        let line = name.replace("{name}", owner).replace("{pool}", "guests").replace("{id}", "one");
        let line = line.replace("{override}", "dc:fra");
        let answer = ask(self.scene.admin, &format!("{line}{query}"), &[], body);
        self.check(name, &answer);
        answer
    }
}

#[test]
fn each_path_is_described_and_each_description_has_its_path() {
    let api = Api::new();
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/routes.rs")).unwrap();
    let routes = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    // The page is for people, so the document does not describe it.
    let routes: BTreeSet<String> = routes.filter(|path| path != "/" && !path.starts_with("/page/")).collect();
    let described: BTreeSet<String> = api.document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(described, routes);
    assert_eq!(api.document["openapi"], "3.1.0");
    let ids: Vec<&Value> = api.operations().iter().map(|(_, operation)| &operation["operationId"]).collect();
    assert_eq!(ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), ids.len(), "each has its own id");
    let schemas = api.document["components"]["schemas"].as_object().unwrap();
    let text = api.document.to_string();
    for (name, schema) in schemas {
        api.validator(schema);
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "nothing uses {name}");
    }
}

#[test]
fn what_is_read_has_the_shapes_that_are_promised() {
    let api = Api::new();
    api.scene.node.dig("www.example.com");
    post(api.scene.admin, "/v1/overrides", &json!({"mode": "drain", "target": "dc:iad", "for": "1h"}).to_string());
    for (name, query) in [
        ("GET /healthz", ""),
        ("GET /metrics", ""),
        ("GET /openapi.json", ""),
        ("GET /v1/status", ""),
        ("GET /v1/status", "?name=www.example.com&limit=1"),
        ("GET /v1/explain", "?name=www.example.com&client=192.0.2.1"),
        ("GET /v1/explain", "?name=nothing.example.com&client=192.0.2.0/24&down=dc:fra&type=TXT"),
        ("GET /v1/overrides", ""),
        ("GET /v1/rollouts", ""),
        ("GET /v1/rollouts/{name}", ""),
        ("GET /v1/events", "?since=1h"),
        ("GET /v1/txt", ""),
        ("GET /v1/leases", ""),
        ("GET /v1/pools/{pool}/endpoints", ""),
    ] {
        let answer = api.send(name, query, "");
        assert_eq!(answer.status, 200, "{name}{query}: {answer:?}");
    }
}

#[test]
fn what_is_ordered_and_reported_is_answered_as_promised() {
    let api = Api::new();
    let lines = "{\"client\": \"198.51.100.7\", \"datacenter\": \"fra\", \"rtt_ms\": 23.4}\n";
    for (name, body, status) in [
        ("POST /v1/overrides", json!({"mode": "drain", "target": "dc:fra", "dry_run": true}).to_string(), 200),
        (
            "POST /v1/overrides",
            json!({"mode": "drain", "target": "dc:fra", "over": "1m", "who": "me"}).to_string(),
            200,
        ),
        ("POST /v1/overrides", json!({"mode": "drain", "target": "dc:mars"}).to_string(), 404),
        ("DELETE /v1/overrides", json!({"target": "dc:fra"}).to_string(), 200),
        ("DELETE /v1/overrides", json!({"override": "99"}).to_string(), 404),
        ("GET /v1/overrides/{override}", String::new(), 404),
        (OVERRIDE, json!({"mode": "drain"}).to_string(), 201),
        (OVERRIDE, json!({"mode": "drain", "target": "dc:fra", "over": "1m", "who": "me"}).to_string(), 200),
        (OVERRIDE, json!({"mode": "drain", "target": "dc:iad"}).to_string(), 400),
        ("GET /v1/overrides/{override}", String::new(), 200),
        ("DELETE /v1/overrides/{override}", String::new(), 200),
        ("DELETE /v1/overrides/{override}", String::new(), 404),
        ("POST /v1/rollouts/{name}", json!({"active": "next", "dry_run": true}).to_string(), 200),
        ("POST /v1/rollouts/{name}", json!({"active": "next"}).to_string(), 200),
        ("POST /v1/rollouts/{name}", json!({"action": "pause"}).to_string(), 409),
        ("POST /v1/rollouts/{name}", json!({"active": "red"}).to_string(), 404),
        ("POST /v1/reports", json!({"endpoint": "127.0.0.4", "ok": true, "weight": 50}).to_string(), 200),
        (
            "POST /v1/reports",
            json!([{"endpoint": "127.0.0.4", "ok": false}, {"endpoint": "127.0.0.9", "ok": true}]).to_string(),
            200,
        ),
        ("POST /v1/reports", json!({"endpoint": "127.0.0.9", "ok": true}).to_string(), 404),
        ("POST /v1/reports", json!({"endpoint": "127.0.0.1", "ok": true}).to_string(), 409),
        ("POST /v1/reports", json!({"pool": "next", "requests": 10, "errors": 1}).to_string(), 200),
        ("POST /v1/latency", lines.to_owned(), 200),
        ("POST /v1/latency", "nonsense\n".to_owned(), 400),
        ("POST /v1/txt", json!({"name": "_acme-challenge.www.example.com", "value": "x"}).to_string(), 200),
        ("POST /v1/txt", json!({"name": "www.example.net", "value": "x"}).to_string(), 409),
        ("DELETE /v1/txt", json!({"name": "_acme-challenge.www.example.com"}).to_string(), 200),
        ("GET /v1/txt/{name}", String::new(), 404),
        (TXT, json!({"values": ["x", "y"]}).to_string(), 201),
        (TXT, json!({"values": ["y"], "name": "_acme-challenge.www.example.com.", "for": "168h"}).to_string(), 200),
        (TXT, json!({"values": ["y", "y"]}).to_string(), 400),
        ("GET /v1/txt/{name}", String::new(), 200),
        ("DELETE /v1/txt/{name}", String::new(), 200),
        ("GET /v1/pools/{pool}/endpoints/{id}", String::new(), 404),
        (LEASE, json!({"address": "127.0.0.5", "ttl": "1h", "weight": 2, "capacity": 10}).to_string(), 201),
        (LEASE, json!({"address": "127.0.0.5", "ttl": "1h"}).to_string(), 200),
        (LEASE, json!({"address": "127.0.0.6", "ttl": "1h"}).to_string(), 409),
        (LEASE, json!({"address": "192.0.2.5", "ttl": "1h"}).to_string(), 403),
        (LEASE, json!({"address": "127.0.0.5", "ttl": "1h", "datacenter": "fra"}).to_string(), 404),
        (LEASE, json!({"address": "::ffff:127.0.0.5", "ttl": "1h"}).to_string(), 422),
        ("GET /v1/pools/{pool}/endpoints/{id}", String::new(), 200),
        ("DELETE /v1/pools/{pool}/endpoints/{id}", String::new(), 200),
        ("DELETE /v1/pools/{pool}/endpoints/{id}", String::new(), 404),
        ("POST /v1/reload", String::new(), 200),
    ] {
        let answer = api.send(name, "", &body);
        assert_eq!(answer.status, status, "{name} {body}: {answer:?}");
    }
    api.scene.files.write("zones/example.com.toml", "nonsense = 1\n");
    assert_eq!(api.send("POST /v1/reload", "", "").status, 422);
    assert_eq!(api.send("GET /v1/fleet", "", "").status, 404, "this node has none");
    let missing = ask(api.scene.admin, "GET /v1/rollouts/no.example.com", &[], "");
    api.check("GET /v1/rollouts/{name}", &missing);
    assert_eq!(missing.status, 404);
}

/// Values of other types than most members have.
fn others() -> [Value; 6] {
    [json!({"a": 1}), json!([[]]), json!(true), json!(-1.5), json!("\u{0}\u{202e}"), json!(u64::MAX)]
}

#[test]
fn whatever_does_not_fit_its_schema_is_refused_and_nothing_is_an_error_of_the_server() {
    let api = Api::new();
    let (mut refused, mut taken) = (0, 0);
    for (name, operation) in api.operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let validator = api.validator(schema);
        for body in bodies(&api, schema) {
            let answer = api.send(&name, "", &body.to_string());
            assert!(answer.status < 500 || answer.status == 507, "{name} {body}: {answer:?}");
            if validator.is_valid(&body) {
                taken += 1;
            } else {
                refused += 1;
                assert!((400..500).contains(&answer.status), "{name} takes what it should not: {body}: {answer:?}");
            }
        }
        for text in ["", "{", "null", "\u{feff}{}", "[", "{}{}", "\"x\""] {
            assert_eq!(api.send(&name, "", text).status, 400, "{name} {text:?}");
        }
    }
    assert!(refused > 100 && taken > 20, "{refused} were refused, {taken} fit");
    for (name, operation) in api.operations() {
        if name.contains(' ') && !name.starts_with("GET ")
            || ["/healthz", "/metrics", "/openapi.json"].iter().any(|path| name.ends_with(path))
        {
            continue;
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == "query") {
            let key = parameter["name"].as_str().unwrap();
            for value in ["", "%00", "..", "-1", "a%20b", "%ff"] {
                let answer = api.send(&name, &format!("?{key}={value}"), "");
                assert!(answer.status < 500, "{name}?{key}={value}: {answer:?}");
            }
        }
    }
}

/// Bodies for a schema: complete ones, each without one member, each with one of another type, and with one too many.
fn bodies(api: &Api, schema: &Value) -> Vec<Value> {
    let resolve = |schema: &Value| -> Value {
        let reference = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
        reference.map_or_else(|| schema.clone(), |name| api.document["components"]["schemas"][name].clone())
    };
    let schema = resolve(schema);
    let choices = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    let mut bodies = Vec::new();
    for choice in choices.iter().map(resolve).filter(|choice| choice["type"] == "object") {
        let members = choice["properties"].as_object().unwrap();
        let whole: Map<String, Value> = members.iter().map(|(key, of)| (key.clone(), example(key, of))).collect();
        bodies.push(Value::Object(whole.clone()));
        for key in members.keys() {
            let mut less = whole.clone();
            less.remove(key);
            bodies.push(Value::Object(less));
            for other in others() {
                let mut changed = whole.clone();
                changed.insert(key.clone(), other);
                bodies.push(Value::Object(changed));
            }
        }
        let mut more = whole;
        more.insert("colour".to_owned(), json!("blue"));
        bodies.push(Value::Object(more));
    }
    bodies
}

/// A value that a member may have.
fn example(key: &str, schema: &Value) -> Value {
    let known = match key {
        "mode" => json!("drain"),
        "target" => json!("dc:fra"),
        "for" | "over" => json!("5m"),
        "active" => json!("next"),
        "action" => json!("pause"),
        "endpoint" => json!("127.0.0.4"),
        "pool" => json!("told"),
        "name" => json!("_acme-challenge.www.example.com"),
        "load" => json!({"used": 1.0, "capacity": 2.0}),
        "override" => json!("1"),
        "values" => json!(["x"]),
        "errors" => json!(0),
        "address" => json!("127.0.0.5"),
        "ttl" => json!("30s"),
        _ => Value::Null,
    };
    if !known.is_null() {
        return known;
    }
    let types = schema["type"].as_array().map_or_else(|| schema["type"].clone(), |types| types[0].clone());
    match types.as_str() {
        Some("integer") => json!(1),
        Some("number") => json!(1.0),
        Some("boolean") => json!(true),
        _ => json!("x"),
    }
}
