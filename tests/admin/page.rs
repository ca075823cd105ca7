//! The files of the page, and the resources that it reads.

use serde_json::{Value, json};

use crate::endpoint::Script;
use crate::harness::{Files, probed_zone, shipped_database};
use crate::http::{ask, get, post};
use crate::{SERVER, Scene, TOKEN, ZONE, eventually, well};

/// A server file with an admin server and the shipped database.
fn located() -> String {
    format!("{SERVER}[geoip]\ndatabases = [\"{}\"]\n", shipped_database().display())
}

/// Returns the value of a header field.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn the_page_is_for_everybody_and_its_files_are_kept_by_browsers() {
    let scene = Scene::new(&format!("{SERVER}token = \"{TOKEN}\"\n"), &[("example.com.toml", ZONE)]);
    let page = get(scene.admin, "/");
    assert_eq!(page.status, 200);
    assert_eq!(field(&page.head, "content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(field(&page.head, "cache-control"), Some("no-store"), "it may hold the state of the node");
    let rules = field(&page.head, "content-security-policy").expect("the page has rules");
    for rule in
        ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
    {
        assert!(rules.contains(rule), "{rule} is not among {rules}");
    }
    assert!(!page.body.contains("example.com."), "nothing is told without a token");
    // The node serves everything that the page loads, and browsers cache it until it changes.
    let mut files = vec!["main.js".to_owned(), "style.css".to_owned()];
    let mut seen = 0;
    while seen < files.len() {
        let path = format!("/page/{}", files[seen]);
        seen += 1;
        let file = get(scene.admin, &path);
        assert_eq!((file.status, field(&file.head, "cache-control")), (200, Some("no-cache")), "{path}");
        assert_eq!(field(&file.head, "x-content-type-options"), Some("nosniff"));
        let tag = field(&file.head, "etag").expect("a file has a tag");
        for known in [tag.to_owned(), format!("\"other\", W/{tag}")] {
            let again = ask(scene.admin, &format!("GET {path}"), &[&format!("If-None-Match: {known}")], "");
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{path} {known}");
        }
        let other = ask(scene.admin, &format!("GET {path}"), &["If-None-Match: \"other\""], "");
        assert_eq!(other.status, 200);
        for imported in file.body.split("from \"./").skip(1).filter_map(|behind| behind.split('"').next()) {
            if !files.iter().any(|known| known == imported) {
                files.push(imported.to_owned());
            }
        }
    }
    assert!(files.len() > 12, "{files:?}");
    for path in ["/page/", "/page/nothing.js", "/page/../mod.rs", "/page/%2e%2e%2fmod.rs"] {
        assert_eq!(get(scene.admin, path).status, 404, "{path}");
    }
    assert_eq!(post(scene.admin, "/", "x").status, 405);
    // A page of another site can show neither the page nor its data.
    for line in ["GET /", "GET /v1/status", "POST /v1/reload"] {
        let fields = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"];
        assert_eq!(ask(scene.admin, line, &fields, "").status, 403, "{line}");
    }
    let link = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    assert_eq!(ask(scene.admin, "GET /", &link, "").status, 200);
}

#[test]
fn the_table_is_for_those_who_may_read_and_holds_text_as_text() {
    let server =
        format!("{SERVER}token = \"{TOKEN}\"\n[admin.tokens.acme]\ntoken = \"acme-0123456789ab\"\nmay = [\"txt\"]\n");
    let fra = well();
    let zone = probed_zone(fra.address(), fra.address(), "");
    let scene = Scene::new(&server, &[("example.com.toml", &zone)]);
    let with = |token: &str| ask(scene.admin, "GET /", &[&format!("Authorization: Bearer {token}")], "").body;
    assert!(with(TOKEN).contains("web/fra</th>"));
    for body in [with("acme-0123456789ab"), with("0123456789abcdeX"), get(scene.admin, "/").body] {
        assert!(!body.contains("web/fra</th>") && body.contains("truenorth status"), "{body}");
    }
    // A text from an endpoint is shown as text, not as HTML.
    let report = json!({"endpoint": "127.0.0.1", "ok": false, "failures": 3, "reason": "<script>alert(1)</script>"});
    let push = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[monitors.own]\ntype = \"push\"\n[pools.web]\nmonitor = \"own\"\n\
                endpoints = [\"127.0.0.1\", \"127.0.0.2\"]\n[names.www]\npools = [\"web\"]\n";
    let scene = Scene::new(SERVER, &[("example.com.toml", push)]);
    assert_eq!(post(scene.admin, "/v1/reports", &report.to_string()).status, 200);
    let body = get(scene.admin, "/").body;
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !body.contains("<script>alert"), "{body}");
}

#[test]
fn the_overview_tells_what_is_wrong_and_where_clients_go_instead() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    let overview = get(scene.admin, "/v1/overview").json();
    assert_eq!(overview["endpoints"]["up"], 2);
    assert_eq!((&overview["troubles"], &overview["files_have_errors"]), (&json!([]), &json!(false)));
    let decision = json!({
        "clients": "everybody", "part": [], "more": 0, "to": [{"place": "fra", "share": 1.0}], "stranded": 0.0
    });
    let group = json!({"names": ["www.example.com."], "more": 0, "steer": ["region", "weight"], "mode": null, "decisions": [decision]});
    assert_eq!(overview["names"], json!([group]));
    let fra_now = &overview["datacenters"][0];
    assert_eq!(
        (&fra_now["name"], &fra_now["latitude"], &fra_now["usable_pools"]),
        (&json!("fra"), &json!(50.11), &json!(1))
    );
    // Answers are counted by country and datacenter.
    for _ in 0..5 {
        scene.node.dig("www.example.com +subnet=193.0.6.0/24");
    }
    let overview = get(scene.admin, "/v1/overview").json();
    let sent = json!([{"datacenter": "fra", "count": 5}]);
    assert_eq!((&overview["clients"][0]["count"], &overview["clients"][0]["sent"]), (&json!(5), &sent));
    assert_eq!(overview["datacenters"][0]["answers"], 5);

    fra.play(Script::status(503));
    eventually(|| get(scene.admin, "/v1/overview").json()["endpoints"]["down"] == 1);
    let overview = get(scene.admin, "/v1/overview").json();
    let decision = &overview["names"][0]["decisions"][0];
    assert_eq!(decision["to"], json!([{"place": "iad", "share": 1.0}]));
    assert_eq!(decision["usually"], json!([{"place": "fra", "share": 1.0}]));
    let trouble = &overview["troubles"][0];
    assert_eq!(
        (&trouble["pool"], &trouble["state"], &trouble["seen"]),
        (&json!("web/fra"), &json!("down"), &json!("status 503"))
    );
    assert_eq!(overview["pools"][0]["pool"], "web/fra", "what is wrong comes first");
    assert_eq!(overview["pools"][0]["usable"], false);

    iad.play(Script::status(503));
    eventually(|| get(scene.admin, "/v1/overview").json()["endpoints"]["down"] == 2);
    let stranded = &get(scene.admin, "/v1/overview").json()["names"][0]["decisions"][0]["stranded"];
    assert_eq!(*stranded, 1.0, "all are down, and all are answered");
}

#[test]
fn decisions_of_a_name_have_its_countries() {
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\n\
                iad = { latitude = 38.95, longitude = -77.45 }\n[regions.europe]\nclients = [\"continent:EU\"]\n\
                prefer = [\"fra\"]\n[regions.default]\nprefer = [[\"fra\", \"iad\"]]\n[pools.web]\n\
                endpoints.fra = [\"127.0.0.1\"]\nendpoints.iad = [\"127.0.0.2\"]\n[names.www]\npools = [\"web\"]\n\
                steer = [\"region\", \"distance\"]\n[names.ftp]\npools = [\"web\"]\nsteer = [\"region\", \"distance\"]\n";
    let scene = Scene::new(&located(), &[("example.com.toml", zone)]);
    let told = get(scene.admin, "/v1/decisions?name=ftp.example.com").json();
    assert_eq!(told["names"], json!(["www.example.com.", "ftp.example.com."]), "they decide alike");
    let decisions = told["decisions"].as_array().unwrap();
    let of = |country: &str| {
        let is_meant = |decision: &&Value| decision["countries"].as_array().unwrap().contains(&json!(country));
        let decision = decisions.iter().find(is_meant).unwrap();
        (decision["clients"].as_str().unwrap(), decision["to"][0]["place"].as_str().unwrap())
    };
    assert_eq!([of("DE"), of("US"), of("JP")], [("europe", "fra"), ("default", "iad"), ("default", "fra")]);
    let parts: Vec<&Value> = decisions.iter().filter(|decision| decision["clients"] == "default").collect();
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part["part"].as_array().unwrap().len() == 4 && part["more"].as_u64().unwrap() > 4));
    assert_eq!(get(scene.admin, "/v1/decisions?name=nobody.example.com").status, 404);
    assert_eq!(get(scene.admin, "/v1/decisions").status, 400);
    // The overview leaves the countries out.
    assert_eq!(get(scene.admin, "/v1/overview").json()["names"][0]["decisions"][0].get("countries"), None);
}

#[test]
fn the_history_has_outcomes_and_states_of_each_probe() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    let history = || get(scene.admin, "/v1/history?pool=web/fra").json();
    fra.play(Script::status(503));
    eventually(|| history()["endpoints"][0]["probes"][0]["turns"].as_array().unwrap().len() == 2);
    let told = history();
    assert_eq!((&told["slot"], &told["more"]), (&json!(15), &json!(0)));
    let probe = &told["endpoints"][0]["probes"][0];
    assert_eq!(probe["target"], fra.address().to_string());
    let sum = |key: &str| probe[key].as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>();
    assert!(sum("successes") >= 1 && sum("failures") >= 3, "{probe}");
    for key in ["ms", "successes", "failures"] {
        assert_eq!(probe[key].as_array().unwrap().len(), 240, "{key}");
    }
    assert!(probe["ms"].as_array().unwrap().iter().any(|ms| ms.as_f64().is_some_and(|ms| ms > 0.0)));
    let (first, last) = (&probe["turns"][0], &probe["turns"][1]);
    assert_eq!((&first["to"], &last["to"], &last["seen"]), (&json!("up"), &json!("down"), &json!("status 503")));
    assert!(last["at"].as_u64().unwrap() <= told["time"].as_u64().unwrap());
    assert_eq!(get(scene.admin, "/v1/history?pool=web").status, 404);
    assert_eq!(get(scene.admin, "/v1/history").status, 400);
}

#[test]
fn round_trips_are_estimated_until_they_are_measured() {
    let zone = |steps: &str| {
        format!(
            "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = {{ latitude = 50.11, longitude = 8.68 }}\n\
             iad = {{ latitude = 38.95, longitude = -77.45 }}\n[regions.europe]\nclients = [\"country:DE\"]\nprefer = [\"fra\"]\n\
             [regions.default]\nprefer = [\"fra\", \"iad\"]\n[pools.web]\nendpoints.fra = [\"127.0.0.1\"]\n\
             endpoints.iad = [\"127.0.0.2\"]\n[names.www]\npools = [\"web\"]\nsteer = [{steps}]\n"
        )
    };
    let server = located();
    let scene = Scene::of(Files::new(&server, &[("example.com.toml", &zone("\"region\""))]));
    let matrix = get(scene.admin, "/v1/latency").json();
    assert_eq!((&matrix["datacenters"], &matrix["used"]), (&json!(["fra", "iad"]), &json!(false)));
    let europe = &matrix["rows"][0];
    assert_eq!((&europe["clients"], &europe["countries"]), (&json!("europe"), &json!(1)));
    let cell = &europe["cells"][0];
    assert!(cell["median_ms"].as_f64().is_some_and(|ms| (5.0..15.0).contains(&ms)), "{cell}");
    assert_eq!((&cell["measured"], &cell["lowest_ms"]), (&json!(0), &cell["highest_ms"]));

    let scene = Scene::of(Files::new(&server, &[("example.com.toml", &zone("\"latency\""))]));
    let sample = "{\"client\": \"85.176.80.7\", \"datacenter\": \"iad\", \"rtt_ms\": 42}\n".repeat(20);
    assert_eq!(post(scene.admin, "/v1/latency", &sample).status, 200);
    eventually(|| get(scene.admin, "/v1/latency").json()["rows"][0]["cells"][1]["measured"] == 1);
    let matrix = get(scene.admin, "/v1/latency").json();
    assert_eq!((&matrix["used"], &matrix["rows"][0]["cells"][1]["median_ms"]), (&json!(true), &json!(42.0)));
}
