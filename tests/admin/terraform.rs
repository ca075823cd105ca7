//! Terraform's generic REST provider (Mastercard/restapi): its requests, made from examples/terraform as it makes them.
//!
//! The provider knows an object by an id, which it finds in the object's data. It puts the id into paths, sends the data
//! as JSON, reads the object back, and plans a change if what it reads differs from the data.

use std::net::SocketAddr;

use hcl::eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType};
use hcl::{Block, Body, Value as Hcl};
use serde_json::{Map, Value, json};

use crate::harness::Files;
use crate::http::{Response, ask};
use crate::{SERVER, Scene, TOKEN, TWO_PLACES};

const EXAMPLE: &str = include_str!("../../examples/terraform/main.tf");

/// A token of its own, as the example wants it. The other one may do everything.
const TOKENS: &str =
    "[admin.tokens.terraform]\ntoken = \"terraform-0123456789\"\nmay = [\"read\", \"order\", \"txt\"]\n";

/// The functions and variables of Terraform that the example uses.
fn context() -> Context<'static> {
    let jsonencode = |args: FuncArgs| Ok(Hcl::from(serde_json::to_string(&args[0]).map_err(|e| e.to_string())?));
    let sort = |args: FuncArgs| {
        let mut list: Vec<String> = hcl::from_value(args[0].clone()).map_err(|error| error.to_string())?;
        list.sort_unstable();
        Ok(Hcl::from(list))
    };
    let mut context = Context::new();
    context.declare_func("jsonencode", FuncDef::builder().param(ParamType::Any).build(jsonencode));
    context.declare_func("sort", FuncDef::builder().param(ParamType::Any).build(sort));
    context.declare_var("var", hcl::value!({ truenorth_token = "terraform-0123456789" }));
    context
}

/// The attributes of a block, evaluated.
fn attributes(block: &Block) -> Map<String, Value> {
    let context = context();
    let value = |expr: &hcl::Expression| serde_json::to_value(expr.evaluate(&context).unwrap()).unwrap();
    block.body.attributes().map(|attribute| (attribute.key().to_owned(), value(attribute.expr()))).collect()
}

/// A `provider "restapi"` and a `resource "restapi_object"`.
#[derive(Clone)]
struct Object {
    admin: SocketAddr,
    provider: Map<String, Value>,
    resource: Map<String, Value>,
    data: Map<String, Value>,
}

impl Object {
    /// The resource of this name in the text of a module.
    fn of(module: &str, name: &str, admin: SocketAddr) -> Self {
        let body: Body = hcl::parse(module).unwrap();
        let find = |kind: &str, label: &str| {
            let named = |block: &&Block| block.labels().last().is_some_and(|last| last.as_str() == label);
            attributes(body.blocks().filter(|block| block.identifier() == kind).find(named).expect("it is there"))
        };
        let (provider, resource) = (find("provider", "restapi"), find("resource", name));
        let data = serde_json::from_str(resource["data"].as_str().unwrap()).unwrap();
        Self { admin, provider, resource, data }
    }

    /// The same resource after an edit of its data.
    fn with(&self, key: &str, value: Value) -> Self {
        let mut edited = self.clone();
        edited.data.insert(key.to_owned(), value);
        edited
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.resource.get(key).or_else(|| self.provider.get(key)).and_then(Value::as_str)
    }

    fn list(&self, key: &str) -> Vec<&str> {
        self.resource.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn id(&self) -> &str {
        let attribute = self.text("id_attribute").unwrap_or("id");
        self.text("object_id").or_else(|| self.data[attribute].as_str()).expect("it has an id")
    }

    /// Sends a request with the fields that Go's client sends.
    fn send(&self, method: &str, path: &str, data: Option<&Map<String, Value>>) -> Response {
        let path = path.replace("{id}", self.id());
        let headers = self.provider["headers"].as_object().unwrap();
        let mut fields = vec!["User-Agent: Go-http-client/1.1".to_owned(), "Accept-Encoding: gzip".to_owned()];
        fields.extend(headers.iter().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap())));
        let body = data.map_or_else(String::new, |data| serde_json::to_string(data).unwrap());
        fields.extend((!body.is_empty()).then(|| "Content-Type: application/json".to_owned()));
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        ask(self.admin, &format!("{method} {path}"), &fields, &body)
    }

    /// Creates the object, and reads it back, as the provider does unless writes return the object.
    #[track_caller]
    fn create(&self) {
        let path = self.text("create_path").unwrap_or(self.text("path").unwrap());
        let created = self.send(self.text("create_method").unwrap_or("POST"), path, Some(&self.data));
        assert_eq!(created.status, 201, "{created:?}");
        assert!(self.plan_is_empty(), "a plan after an apply is empty");
    }

    #[track_caller]
    fn update(&self) {
        assert!(!self.plan_is_empty(), "there is something to do");
        let path = self.one("update_path");
        let updated = self.send(self.text("update_method").unwrap_or("PUT"), &path, Some(&self.data));
        assert_eq!(updated.status, 200, "{updated:?}");
        assert!(self.plan_is_empty(), "a plan after an apply is empty");
    }

    fn read(&self) -> Response {
        self.send("GET", &self.one("read_path"), None)
    }

    fn destroy(&self) -> Response {
        self.send(self.text("destroy_method").unwrap_or("DELETE"), &self.one("destroy_path"), None)
    }

    /// The path of the one object.
    fn one(&self, key: &str) -> String {
        self.text(key).map_or_else(|| format!("{}/{{id}}", self.text("path").unwrap()), ToOwned::to_owned)
    }

    /// True if nothing that was read differs from the data, except for what the resource ignores.
    #[track_caller]
    fn plan_is_empty(&self) -> bool {
        let read = self.read();
        assert_eq!(read.status, 200, "{read:?}");
        let read = read.json();
        let read = read.as_object().unwrap();
        let ignored = self.list("ignore_changes_to");
        let mut keys = self.data.keys().chain(read.keys()).filter(|key| !ignored.contains(&key.as_str()));
        keys.all(|key| self.data.get(key) == read.get(key))
    }

    /// The error for an object that is gone. The provider then forgets it, and plans to create it.
    #[track_caller]
    fn is_gone(&self, why: &str) {
        let read = self.read();
        assert_eq!((read.status, read.error().contains(why)), (404, true), "{read:?}");
    }
}

fn scene() -> Scene {
    let server = format!("{SERVER}token = \"{TOKEN}\"\n{TOKENS}");
    Scene::of(Files::new(&server, &[("gslb.example.com.toml", TWO_PLACES)]))
}

/// Gives an order as somebody else, outside of Terraform.
#[track_caller]
fn elsewhere(scene: &Scene, line: &str, body: &Value) {
    let done = ask(scene.admin, line, &[&format!("Authorization: Bearer {TOKEN}")], &body.to_string());
    assert_eq!(done.status, 200, "{done:?}");
}

#[test]
fn an_override_is_created_read_changed_and_destroyed() {
    let mut scene = scene();
    let drain = Object::of(EXAMPLE, "drain_fra", scene.admin);
    let www = |scene: &Scene| scene.node.dig("www.gslb.example.com").data().concat();
    drain.is_gone("no override is placed on dc:fra");
    assert_eq!(www(&scene), "127.0.0.1");
    drain.create();
    assert_eq!(www(&scene), "127.0.0.2");
    assert_eq!(drain.read().json()["who"], "terraform", "the name of the token");
    scene.node.log.wait_for("override placed");

    let changed = drain.with("reason", json!("the power supply is broken")).with("mode", json!("force-down"));
    changed.update();
    assert!(!drain.plan_is_empty());
    let listed = ask(scene.admin, "GET /v1/overrides", &[&format!("Authorization: Bearer {TOKEN}")], "").json();
    assert_eq!(listed["overrides"].as_array().unwrap().len(), 1, "the new one replaces the old one: {listed}");

    // Gone outside of Terraform: it is created anew.
    elsewhere(&scene, "DELETE /v1/overrides", &json!({"target": "dc:fra"}));
    assert_eq!(www(&scene), "127.0.0.1");
    changed.is_gone("no override is placed on dc:fra");
    changed.create();
    assert_eq!(www(&scene), "127.0.0.2");
    // Changed outside of Terraform: it is changed back.
    elsewhere(&scene, "POST /v1/overrides", &json!({"mode": "drain", "target": "dc:fra", "reason": "mine"}));
    changed.update();

    assert_eq!(changed.destroy().status, 200);
    changed.is_gone("no override is placed on dc:fra");
    assert_eq!(changed.destroy().status, 404, "which the provider takes for success");
    assert_eq!(www(&scene), "127.0.0.1");
}

#[test]
fn a_txt_record_is_created_read_changed_and_destroyed() {
    let mut scene = scene();
    let proof = Object::of(EXAMPLE, "proof", scene.admin);
    let served = |scene: &Scene| {
        let mut data: Vec<String> =
            scene.node.dig("_proof.gslb.example.com TXT").data().into_iter().map(ToOwned::to_owned).collect();
        data.sort_unstable();
        data
    };
    proof.is_gone("no TXT record is set at _proof.gslb.example.com.");
    proof.create();
    assert_eq!(served(&scene), ["\"another-site=a90b\"", "\"site-verification=4f1c\""]);
    scene.node.log.wait_for("TXT record set name=_proof.gslb.example.com. who=\"terraform\"");
    let end = |proof: &Object| proof.read().json()["until"].as_u64().unwrap();
    let until = end(&proof);

    let changed = proof.with("values", json!(["another-site=a90b", "third-site=11"]));
    changed.update();
    assert_eq!(served(&scene), ["\"another-site=a90b\"", "\"third-site=11\""]);
    assert!(end(&changed) >= until);
    // A value of somebody else at the name is one too many.
    elsewhere(&scene, "POST /v1/txt", &json!({"name": "_proof.gslb.example.com", "value": "mine"}));
    changed.update();
    assert_eq!(served(&scene).len(), 2);

    elsewhere(&scene, "DELETE /v1/txt", &json!({"name": "_proof.gslb.example.com"}));
    changed.is_gone("no TXT record is set");
    changed.create();
    // The records outlive a restart, and so does the empty plan.
    let Scene { files, node, .. } = scene;
    assert_eq!(node.terminate().code(), Some(0));
    let scene = Scene::of(files);
    let changed = Object { admin: scene.admin, ..changed };
    assert!(changed.plan_is_empty());
    assert_eq!(served(&scene), ["\"another-site=a90b\"", "\"third-site=11\""]);

    assert_eq!(changed.destroy().status, 200);
    changed.is_gone("no TXT record is set");
    assert_eq!(changed.destroy().status, 200);
    assert_eq!(scene.node.dig("_proof.gslb.example.com TXT").status, "NXDOMAIN");
}

/// An endpoint whose id is its address, and an override whose target has a slash in it.
const OTHERS: &str = r#"
provider "restapi" {
  headers       = { Authorization = "Bearer ${var.truenorth_token}" }
  create_method = "PUT"
}
resource "restapi_object" "endpoint" {
  path              = "/v1/pools/guests/endpoints"
  create_path       = "/v1/pools/guests/endpoints/{id}"
  id_attribute      = "address"
  data              = jsonencode({ address = "127.0.0.5", ttl = "24h", weight = 2 })
  ignore_changes_to = ["ttl", "pool", "zone", "id", "holder", "ends", "state"]
}
resource "restapi_object" "drain_pool" {
  path              = "/v1/overrides"
  create_path       = "/v1/overrides/{id}"
  object_id         = "pool:web%2Ffra"
  data              = jsonencode({ target = "pool:web/fra", mode = "drain", reason = "" })
  ignore_changes_to = ["override", "from", "until", "who", "in_force"]
}
"#;

#[test]
fn registered_endpoints_and_targets_with_a_slash_have_paths_too() {
    let server = format!("{SERVER}token = \"{TOKEN}\"\n{TOKENS}");
    let guests = "[pools.guests]\nregistered = { max = 3, prefixes = [\"127.0.0.0/8\"] }\n\
        [names.guests]\npools = [\"guests\"]\n";
    let scene = Scene::new(&server, &[("gslb.example.com.toml", &format!("{TWO_PLACES}{guests}"))]);
    let endpoint = Object::of(OTHERS, "endpoint", scene.admin);
    endpoint.is_gone("pool guests has no lease of 127.0.0.5");
    endpoint.create();
    assert_eq!(endpoint.read().json()["holder"], "terraform");
    endpoint.with("weight", json!(3)).update();
    elsewhere(&scene, "DELETE /v1/pools/guests/endpoints/127.0.0.5", &json!({}));
    endpoint.is_gone("pool guests has no lease of 127.0.0.5");
    endpoint.create();
    assert_eq!(endpoint.destroy().status, 200);
    endpoint.is_gone("pool guests has no lease of 127.0.0.5");

    let pool = Object::of(OTHERS, "drain_pool", scene.admin);
    pool.is_gone("no override is placed on pool:web/fra");
    pool.create();
    pool.with("mode", json!("force-down")).update();
    assert_eq!(pool.destroy().status, 200);
    pool.is_gone("no override is placed on pool:web/fra");
}

#[test]
fn what_the_path_and_the_body_say_must_agree() {
    let scene = scene();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for (line, body, status, why) in [
        ("PUT /v1/overrides/dc:fra", json!({"mode": "drain", "target": "dc:iad"}), 400, "`target` is another"),
        ("PUT /v1/overrides/1", json!({"mode": "drain"}), 400, "`target`: "),
        ("PUT /v1/overrides/dc:fra", json!({"mode": "drain", "from": 1}), 400, "from"),
        ("PUT /v1/overrides/dc:mars", json!({"mode": "drain"}), 404, "nothing is named dc:mars"),
        ("GET /v1/overrides/7", Value::Null, 404, "there is no override 7"),
        ("GET /v1/overrides/fra", Value::Null, 400, "number of an override"),
        ("DELETE /v1/overrides/7", Value::Null, 404, "there is no override 7"),
        ("PUT /v1/txt/a.gslb.example.com", json!({"name": "b.gslb.example.com", "values": ["x"]}), 400, "`name` is"),
        ("PUT /v1/txt/a.gslb.example.com", json!({"values": []}), 400, "`values` is empty"),
        ("PUT /v1/txt/a.gslb.example.com", json!({"values": ["x", "y", "x"]}), 400, "has `x` twice"),
        ("PUT /v1/txt/a.gslb.example.com", json!({"values": ["x", ""]}), 400, "1 to 1024 octets"),
        ("PUT /v1/txt/a.example.org", json!({"values": ["x"]}), 409, "no zone here"),
        ("GET /v1/txt/a.gslb.example.com", Value::Null, 404, "no TXT record is set"),
        ("GET /v1/pools/nothing/endpoints/a", Value::Null, 404, "there is no pool nothing"),
        ("GET /v1/pools/web/endpoints/a", Value::Null, 403, "takes no registered endpoints"),
    ] {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let refused = ask(scene.admin, line, &[&bearer], &body);
        assert_eq!(refused.status, status, "{line} {body}: {refused:?}");
        assert!(refused.error().contains(why), "{line} {body}: {refused:?}");
    }
    // By its number, and by its target while another begins later there.
    let later = json!({"mode": "force-down", "target": "dc:fra", "from": 4_000_000_000_u64});
    elsewhere(&scene, "POST /v1/overrides", &later);
    let show = |path: &str| ask(scene.admin, &format!("GET /v1/overrides/{path}"), &[&bearer], "").json();
    assert_eq!(show("dc:fra")["in_force"], false);
    assert_eq!(ask(scene.admin, "PUT /v1/overrides/dc:fra", &[&bearer], "{\"mode\": \"drain\"}").status, 201);
    assert_eq!((&show("dc:fra")["mode"], &show("1")["mode"]), (&json!("drain"), &json!("force-down")));
    assert_eq!(show("2"), show("dc:fra"));
}
