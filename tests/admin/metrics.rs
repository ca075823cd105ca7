//! Compares `/metrics` with the answers that clients got, and docs/metrics.md with the metrics that a node writes.
#![allow(clippy::float_cmp, reason = "the samples that are compared are whole numbers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::http::{self, Response, get, post};
use crate::{SERVER, Scene, TOKEN, ZONE, eventually, well};

const OPEN_METRICS: &str = "accept: application/openmetrics-text; version=1.0.0";

fn scrape(scene: &Scene, fields: &[&str]) -> Response {
    let response = http::ask(scene.admin, "GET /metrics", fields, "");
    assert_eq!(response.status, 200, "{response:?}");
    response
}

/// Returns the samples by their names with labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').expect("a value follows"))
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Returns one sample; 0 if there is none.
fn sample(scene: &Scene, name: &str) -> f64 {
    samples(&scrape(scene, &[]).body).get(name).copied().unwrap_or_default()
}

/// Returns the names of families and their types.
fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn metrics_count_what_clients_got_and_outlive_a_reload() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    let mut first = BTreeMap::new();
    for _ in 0..20 {
        let reply = scene.node.dig("www.example.com A");
        *first.entry(reply.data()[0].to_owned()).or_insert(0.0) += 1.0;
    }
    (0..3).for_each(|_| _ = scene.node.dig("nowhere.example.com A"));
    (0..2).for_each(|_| _ = scene.node.dig("+tcp example.com SOA"));
    let before = samples(&scrape(&scene, &[]).body);
    let name = |pool: &str, datacenter: &str| {
        format!(r#"truenorth_name_answers_total{{name="www.example.com.",pool="{pool}",datacenter="{datacenter}"}}"#)
    };
    let given = before[&name("web/fra", "fra")] + before[&name("web/iad", "iad")];
    assert!(given >= 20.0, "{before:?}");
    for (endpoint, count) in &first {
        let found = before.iter().find(|(key, _)| {
            key.starts_with("truenorth_endpoint_first_answers_total")
                && key.contains(&format!("endpoint=\"{endpoint}\""))
        });
        assert_eq!(found.map(|(_, value)| value), Some(count), "{endpoint} in {before:?}");
    }
    assert_eq!(before[r#"truenorth_zone_answers_total{zone="example.com.",kind="nxdomain"}"#], 3.0);
    assert!(before[r#"truenorth_responses_total{transport="tcp",type="SOA",rcode="NOERROR"}"#] >= 2.0);
    assert_eq!(before["truenorth_configuration_last_load_successful"], 1.0);
    assert!(before.keys().any(|key| key.starts_with(r#"truenorth_probes_total{check="http",outcome="success"}"#)));

    assert_eq!(post(scene.admin, "/v1/reload", "").status, 200);
    scene.node.dig("www.example.com A");
    let after = samples(&scrape(&scene, &[]).body);
    assert_eq!(after[&name("web/fra", "fra")] + after[&name("web/iad", "iad")], given + 1.0);
    assert_eq!(after[r#"truenorth_configuration_loads_total{result="success"}"#], 2.0);
    assert!(after["truenorth_snapshot_generation"] > before["truenorth_snapshot_generation"]);

    // The metrics report files that cannot be loaded, while the old configuration is served.
    scene.files.write("zones/example.com.toml", "[nameservers]\nns1 = [\"not an address\"]\n");
    assert_ne!(post(scene.admin, "/v1/reload", "").status, 200);
    assert_eq!(sample(&scene, "truenorth_configuration_last_load_successful"), 0.0);
    assert!(sample(&scene, r#"truenorth_configuration_loads_total{result="failure"}"#) >= 1.0);
}

#[test]
fn metrics_tell_of_endpoints_that_fall_and_of_orders() {
    let (mut fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    let endpoint = |family: &str, place: &str| {
        let text = scrape(&scene, &[]).body;
        let wanted = format!("datacenter=\"{place}\"");
        let found = samples(&text).into_iter().find(|(key, _)| key.starts_with(family) && key.contains(&wanted));
        found.unwrap_or_else(|| panic!("{family} of {place} in {text}")).1
    };
    assert_eq!((endpoint("truenorth_endpoint_open", "fra"), endpoint("truenorth_endpoint_healthy", "fra")), (1.0, 1.0));
    fra.stop_listening();
    eventually(|| endpoint("truenorth_endpoint_open", "fra") == 0.0);
    assert_eq!(endpoint("truenorth_endpoint_healthy", "fra"), 0.0);
    assert_eq!(endpoint("truenorth_pool_usable", "fra"), 0.0);
    assert_eq!(sample(&scene, r#"truenorth_datacenter_endpoints{datacenter="fra",state="down"}"#), 1.0);
    assert_eq!(sample(&scene, r#"truenorth_endpoint_transitions_total{pool="web/fra",to="down"}"#), 1.0);
    assert!(sample(&scene, r#"truenorth_probes_total{check="http",outcome="refused"}"#) >= 1.0);
    // An order closes an endpoint, but does not change its probed state.
    assert_eq!(post(scene.admin, "/v1/overrides", r#"{"mode": "force-down", "target": "dc:iad"}"#).status, 200);
    assert_eq!((endpoint("truenorth_endpoint_open", "iad"), endpoint("truenorth_endpoint_healthy", "iad")), (0.0, 1.0));
    assert_eq!(sample(&scene, r#"truenorth_overrides{mode="force-down",in_force="true"}"#), 1.0);
}

#[test]
fn both_formats_hold_the_same_and_promtool_likes_them() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    scene.node.dig("www.example.com A");
    let (plain, open) = (scrape(&scene, &[]), scrape(&scene, &[OPEN_METRICS]));
    assert!(plain.head.contains("content-type: text/plain; version=0.0.4"), "{}", plain.head);
    assert!(open.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.body.ends_with("\n# EOF\n"));
    let keys = |text: &str| samples(text).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(keys(&plain.body), keys(&open.body));
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics", "--extended"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/run installs promtool");
    promtool.stdin.take().unwrap().write_all(plain.body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.is_empty(), "{told}");
}

#[test]
fn metrics_need_a_token_that_may_read_where_tokens_are_demanded() {
    let server = format!("{SERVER}[admin.tokens.acme]\ntoken = \"{TOKEN}\"\nmay = [\"txt\"]\n");
    let scene = Scene::new(&server, &[("example.com.toml", ZONE)]);
    assert_eq!(get(scene.admin, "/metrics").status, 401);
    let response = http::ask(scene.admin, "GET /metrics", &[&format!("Authorization: Bearer {TOKEN}")], "");
    assert_eq!(response.status, 403);
}

/// The families that docs/metrics.md describes, and their types.
fn described() -> BTreeMap<String, String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `truenorth_") || line.starts_with("| `process_"));
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split(" | ");
        let name = cells.next()?.trim().trim_matches('`').to_owned();
        Some((name, cells.next()?.trim().to_owned()))
    };
    rows.map(|line| row(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

#[test]
fn every_family_is_described_and_every_description_has_a_family() {
    let (fra, iad) = (well(), well());
    let scene = Scene::probed(&fra, &iad);
    scene.node.dig("www.example.com A");
    let described = described();
    let shown = families(&scrape(&scene, &[]).body);
    for (name, kind) in &shown {
        let word = if name.ends_with("_info") { "info" } else { kind };
        assert_eq!(described.get(name).map(String::as_str), Some(word), "{name}");
    }
    // These need roll-outs, loads, leases, certificates or more than ten thousand samples.
    let rare = [
        "truenorth_rollout_share_ratio",
        "truenorth_rollout_state",
        "truenorth_rollout_open_ratio",
        "truenorth_rollout_recent_requests",
        "truenorth_rollout_active",
        "truenorth_pool_load",
        "truenorth_pool_capacity",
        "truenorth_pool_kept_ratio",
        "truenorth_pool_leases",
        "truenorth_pool_source_up",
        "truenorth_dependency_up",
        "truenorth_pool_max_leases",
        "truenorth_pool_kept_leases",
        "truenorth_certificate_expiry_timestamp_seconds",
        "truenorth_key_state",
        "truenorth_key_expiry_timestamp_seconds",
        "truenorth_key_rolls_timestamp_seconds",
        "truenorth_zone_signatures_expiry_timestamp_seconds",
        "truenorth_key_waiting_since_timestamp_seconds",
        "truenorth_query_log_up",
        "truenorth_fleet_connected",
        "truenorth_fleet_nodes",
        "truenorth_fleet_orders_shared",
        "truenorth_fleet_orders",
        "truenorth_fleet_waiting_orders",
        "truenorth_fleet_zones_version",
        "truenorth_fleet_uncounted_vantage_points",
        "truenorth_fleet_overruled_probes",
        "truenorth_fleet_clock_skew_seconds",
        "truenorth_fleet_down_probes",
        "truenorth_endpoint_certificate_expiry_timestamp_seconds",
        "truenorth_metrics_omitted_samples",
    ];
    let missing: Vec<&String> =
        described.keys().filter(|name| !shown.contains_key(*name) && !rare.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The metrics that a text names, without the suffixes of histograms.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let metrics = words.filter(|word| word.starts_with("truenorth_") || word.starts_with("process_"));
    metrics.map(|metric| metric.strip_suffix("_bucket").unwrap_or(metric).to_owned()).collect()
}

#[test]
fn alerts_and_dashboard_use_metrics_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus");
    let described = described();
    for file in ["truenorth.rules.yml", "dashboard.json"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let named = named(&text);
        assert!(named.len() > 10, "{file}: {named:?}");
        let unknown: Vec<&String> = named.iter().filter(|name| !described.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    let dashboard = fs::read_to_string(folder.join("dashboard.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&dashboard).expect("the dashboard is JSON");
    let checked = Command::new("promtool").args(["check", "rules"]).arg(folder.join("truenorth.rules.yml")).output();
    let checked = checked.expect("tests/run installs promtool");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let tested = Command::new("promtool").args(["test", "rules", "truenorth.test.yml"]).current_dir(&folder).output();
    let tested = tested.expect("tests/run installs promtool");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
}

#[test]
fn status_tells_the_shares_of_pools_beside_the_configured_ones() {
    let zone = "[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\nfra = { latitude = 50, longitude = 8 }\n\
                iad = { latitude = 39, longitude = -77 }\n[pools.web]\nendpoints.fra = [\"192.0.2.1\"]\n\
                endpoints.iad = [\"192.0.2.2\"]\n[names.api]\nsteer = [\"weight\"]\n\
                pools = [{ pool = \"web/fra\", weight = 3 }, { pool = \"web/iad\", weight = 1 }]\n";
    let scene = Scene::new(SERVER, &[("example.com.toml", zone)]);
    (0..40).for_each(|_| _ = scene.node.dig("api.example.com A"));
    let status = get(scene.admin, "/v1/status").json();
    let names = status["names"].as_array().unwrap();
    let api = names.iter().find(|name| name["name"] == "api.example.com.").unwrap();
    let pools = api["answers"]["pools"].as_array().unwrap();
    let count = |pool: usize| pools[pool]["count"].as_u64().unwrap();
    assert_eq!(count(0) + count(1), 40);
    assert_eq!(pools[0]["share"].as_f64().unwrap(), count(0) as f64 / 40.0);
    assert_eq!((pools[0]["configured"].as_f64(), pools[1]["configured"].as_f64()), (Some(0.75), Some(0.25)));
    let endpoint = &status["pools"][0]["endpoints"][0];
    assert_eq!((endpoint["answers"].as_u64(), endpoint["first_answers"].as_u64()), (Some(count(0)), Some(count(0))));
    assert!(status["zones"][0]["answers"].as_u64().unwrap() >= 40);
}
