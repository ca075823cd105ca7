//! Who may register what, and what is refused.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::http::{Response, ask};
use crate::{Scene, Street, eventually, zone};

/// Tokens: `fleet` may register, `reader` may read, `boss` may do both and give orders.
const SERVER: &str = r#"
[listen]
dns = ["127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
[admin.tokens.fleet]
token = "fleet-fleet-fleet"
may = ["register"]
[admin.tokens.other]
token = "other-other-other"
may = ["register"]
[admin.tokens.reader]
token = "reader-reader-reader"
may = ["read"]
[admin.tokens.boss]
token = "boss-boss-boss-boss"
may = ["read", "order"]
"#;

fn put(scene: &Scene, token: &str, id: &str, body: &Value) -> Response {
    let field = format!("Authorization: Bearer {token}");
    ask(scene.admin, &format!("PUT /v1/pools/web/endpoints/{id}"), &[&field], &body.to_string())
}

fn delete(scene: &Scene, token: &str, id: &str) -> Response {
    let field = format!("Authorization: Bearer {token}");
    ask(scene.admin, &format!("DELETE /v1/pools/web/endpoints/{id}"), &[&field], "")
}

fn at(address: IpAddr) -> Value {
    json!({ "address": address.to_string(), "ttl": "60s" })
}

#[test]
fn a_forged_address_is_refused_and_audited() {
    let street = Street::new([42, 1]);
    let registered = "max = 2, prefixes = [\"127.42.0.0/16\"], by = [\"fleet\"]";
    let mut scene = Scene::new(SERVER, &zone(street.port, registered, ""));
    let one = street.address(1);
    let (fleet, other, boss) = ("fleet-fleet-fleet", "other-other-other", "boss-boss-boss-boss");
    let refused = |response: &Response| (response.status, response.error());

    let forged = put(&scene, fleet, "evil", &at([192, 0, 2, 66].into()));
    let why = "192.0.2.66 is in none of the `prefixes` of pool web";
    assert_eq!(refused(&forged), (403, why.to_owned()));
    let stranger = put(&scene, other, "stranger", &at(one));
    assert_eq!(refused(&stranger), (403, "`other` is not in `by` of pool web".to_owned()));
    let reader = put(&scene, "reader-reader-reader", "reader", &at(one));
    assert_eq!(reader.status, 403, "{reader:?}");
    let nobody = ask(scene.admin, "PUT /v1/pools/web/endpoints/nobody", &[], &at(one).to_string());
    assert_eq!(nobody.status, 401, "{nobody:?}");

    assert_eq!(put(&scene, fleet, "one", &at(one)).status, 201);
    scene.comes_to_answer(&[one]);
    let foreign = delete(&scene, other, "one");
    assert_eq!(refused(&foreign), (403, "`fleet` registered one, and only it can release that".to_owned()));
    assert_eq!(delete(&scene, boss, "one").status, 200, "an operator may");
    scene.comes_to_answer(&[]);

    // The audit: the address and the name of the token.
    let line = scene.node.log.wait_for("a claim of evil (192.0.2.66) for pool web was refused");
    assert!(line.ends_with("192.0.2.66 is in none of the `prefixes` of pool web, asked for by fleet"), "{line}");
}

#[test]
fn a_claim_that_cannot_be_is_refused_with_a_problem_that_says_why() {
    let street = Street::new([42, 2]);
    let file = street.address(200);
    let zone =
        zone(street.port, "max = 2, prefixes = [\"127.42.0.0/16\", \"::/0\"]", &format!("endpoints = [\"{file}\"]\n"));
    let scene = Scene::new(crate::SERVER, &zone);
    let [one, two] = [1, 2].map(|host| street.address(host));
    let path = |id: &str| format!("PUT /v1/pools/web/endpoints/{id}");
    let told = |line: &str, body: &Value| {
        let response = ask(scene.admin, line, &[], &body.to_string());
        (response.status, response.error())
    };
    let starts = |(status, error): (u16, String), expected: u16, with: &str| {
        assert!(status == expected && error.starts_with(with), "{status} {error}");
    };
    starts(told(&path("a%20b"), &at(one)), 400, "an id has 1 to 128");
    starts(told(&path("a"), &json!({ "address": "www", "ttl": "60s" })), 400, "`address`: `www` is not an address");
    starts(told(&path("a"), &json!({ "address": "127.42.2.1", "ttl": "1ms" })), 400, "`ttl` takes a duration from 1s");
    starts(told(&path("a"), &json!({ "address": "127.42.2.1", "ttl": "9s", "color": 1 })), 400, "the body: ");
    let heavy = json!({ "address": "127.42.2.1", "ttl": "9s", "capacity": -1 });
    starts(told(&path("a"), &heavy), 400, "`capacity` takes a number above 0");
    starts(told(&path("a"), &at("::ffff:127.42.2.1".parse().unwrap())), 422, "::ffff:127.42.2.1 embeds an IPv4");
    starts(told(&path("a"), &at(file)), 409, &format!("the files list {file} in pool web already"));
    starts(told("PUT /v1/pools/no/endpoints/a", &at(one)), 404, "there is no pool no");
    assert_eq!(crate::claim(scene.admin, "a", one, "60s").status, 201);
    starts(told(&path("a"), &at(two)), 409, &format!("a is registered with {one}: release that lease, or wait"));
    starts(told(&path("b"), &at(one)), 409, &format!("{one} is registered as a: release that lease, or wait"));
    let v6 = json!({ "address": "2001:db8::1", "ttl": "60s", "weight": 0 });
    let response = ask(scene.admin, &path("six"), &[], &v6.to_string());
    assert_eq!(response.status, 201, "{response:?}");
    starts(told(&path("c"), &at(two)), 409, "pool web has 2 leases, and its `max` allows no more");
    eventually(|| scene.pool()["registered"] == json!({ "leases": 2, "max": 2, "kept": 0 }));
    assert_eq!(scene.state(file), "down", "what the file lists is there too");
}
