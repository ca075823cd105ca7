//! `check`, `explain` and the command line itself.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Files, Ran, SERVER, run};

const ZONE: &str = r#"
[nameservers]
ns1 = ["127.0.0.1"]

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }

[regions.europe]
clients = ["198.51.100.0/24"]
prefer  = ["fra", "iad"]
[regions.default]
prefer  = ["iad", "fra"]

[pools.web]
endpoints.fra = ["192.0.2.1"]
endpoints.iad = ["192.0.2.2"]

[names.www]
pools = ["web"]

[records.text]
TXT = ['say "so"']

[names.whoami]
reflect = true
"#;

fn files() -> Files {
    Files::new(SERVER, &[("example.com.toml", ZONE)])
}

fn first_line(ran: &Ran) -> &str {
    ran.stdout.lines().next().unwrap_or_default()
}

#[test]
fn check_is_content_with_what_is_good() {
    let ran = files().run("check");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let told = "good: 1 zone, 1 steered name, 4 static records, 2 pools, 2 endpoints, 0.0 probes a second\n";
    assert_eq!(ran.stdout, told);
}

#[test]
fn check_tells_all_faults_of_all_files() {
    let server = format!("{SERVER}\n[ecs]\nmax_source_v4 = 33\n");
    let one = "[nameservers]\nns1 = [\"127.0.0.1\"]\n\n[names.www]\npools = [\"wbe\"]\ncolour = \"blue\"\n\n\
               [pools.web]\nendpoints = [\"192.0.2.256\"]\n";
    let two = "ttl = \"long\"\n[records.mail]\nMX = [\"mail.example.net.\"]\n";
    let three = "$TTL 300\n@ IN SOA ns1 hostmaster 1 2 3 4 5\n@ IN NS ns1\nns1 IN A 127.0.0.1\nwww IN A 300.0.0.1\n";
    let files =
        Files::new(&server, &[("one.example.toml", one), ("two.example.toml", two), ("three.example.zone", three)]);
    let ran = files.run("check");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    let expected = [
        "truenorth.toml:5:17",
        "zones/one.example.toml:5:10",
        "zones/one.example.toml:6:1",
        "zones/one.example.toml:9:14",
        "zones/two.example.toml:1:7",
        "zones/two.example.toml:3:7",
        "zones/three.example.zone:5:10",
    ];
    for place in expected {
        assert!(ran.stderr.contains(place), "{place} is not told in:\n{}", ran.stderr);
    }
    // `serve` refuses the files too.
    let served = files.run("serve");
    assert_eq!(served.code, Some(1), "{served:?}");
    assert!(expected.iter().all(|place| served.stderr.contains(place)), "{served:?}");

    let ran = files.run("check --json");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((ran.code, &told["summary"]), (Some(1), &Value::Null));
    assert!(told["faults"].as_array().is_some_and(|faults| faults.len() >= expected.len()), "{told}");
}

#[test]
fn explain_says_that_it_is_offline_and_what_is_answered() {
    let files = files();
    let ran = files.run("explain www.example.com --client 198.51.100.7");
    assert_eq!((ran.code, first_line(&ran)), (Some(0), "offline: all taken as up"), "{ran:?}");
    for told in ["region    europe", "chosen    web/fra", "www.example.com. 30 IN A 192.0.2.1"] {
        assert!(ran.stdout.contains(told), "{told} is not told in:\n{}", ran.stdout);
    }
    let ran = files.run("explain www.example.com AAAA --client 2001:db8::/32");
    assert!(ran.stdout.contains("answer    NOERROR") && !ran.stdout.contains("IN AAAA"), "{ran:?}");
}

#[test]
fn explain_shows_strings_as_dig_does() {
    let files = files();
    let ran = files.run("explain whoami.example.com TXT --client 198.51.100.0/24");
    assert!(ran.stdout.contains("IN TXT \"source=198.51.100.0\" \"ecs=198.51.100.0/24\" "), "{ran:?}");
    let ran = files.run("explain text.example.com TXT --client 198.51.100.7 --json");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told["answer"]["records"][0], r#"text.example.com. 300 IN TXT "say \"so\"""#);
}

#[test]
fn explain_tells_what_if_something_were_down() {
    let files = files();
    for target in ["dc:fra", "pool:web/fra", "endpoint:192.0.2.1"] {
        let ran = files.run(&format!("explain www.example.com --client 198.51.100.7 --down {target}"));
        let first = format!("offline: all taken as up but {target}");
        assert_eq!((ran.code, first_line(&ran)), (Some(0), first.as_str()), "{ran:?}");
        assert!(ran.stdout.contains("chosen    web/iad") && ran.stdout.contains("IN A 192.0.2.2"), "{ran:?}");
    }
    let ran = files.run("explain www.example.com --client 198.51.100.7 --down dc:fra --down dc:iad --json");
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(told["offline"], true);
    assert_eq!(told["down"], serde_json::json!(["dc:fra", "dc:iad"]));
    assert_eq!(told["answer"]["rcode"], "NOERROR");
    let ran = files.run("explain www.example.com --client 198.51.100.7 --down dc:mars");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("dc:mars"), "{ran:?}");
}

#[test]
fn usage_errors_end_with_2() {
    let usages: [&[&str]; 8] = [
        &[],
        &["sevre"],
        &["check", "--jsno"],
        &["serve", "--config"],
        &["explain", "www.example.com"],
        &["explain", "www.example.com", "--client", "192.0.2.300"],
        &["explain", "www.example.com", "--client", "192.0.2.0/33"],
        &["explain", "www.example.com", "--client", "192.0.2.1", "--down", "fra"],
    ];
    for words in usages {
        let ran = run(words.iter().copied());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains("--help") || ran.stderr.contains("Usage:"), "{words:?}: {ran:?}");
    }
}

#[test]
fn a_configuration_that_is_not_there_is_bad() {
    for words in ["check", "serve", "explain www.example.com --client 192.0.2.1"] {
        let nowhere = words.split(' ').chain(["--config", "/nowhere/truenorth.toml"]);
        let ran = run(nowhere);
        assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
        assert!(ran.stderr.contains("/nowhere/truenorth.toml"), "{words}: {ran:?}");
    }
}

#[test]
fn check_tells_of_a_database_that_locates_nobody() {
    let files = Files::new(&format!("{SERVER}[geoip]\ndatabases = [\"mute.mmdb\"]\n"), &[("example.com.toml", ZONE)]);
    let mute = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/geoip/maxmind/MaxMind-DB-test-ipv4-24.mmdb");
    files.write("mute.mmdb", std::fs::read(mute).unwrap());
    let ran = files.run("check");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("warning") && told.contains("mute.mmdb locates no client"), "{ran:?}");
}

#[test]
fn explain_tells_of_a_network_that_tells_no_place() {
    let files = files();
    let told = |client: &str| files.run(&format!("explain www.example.com --client {client}")).stdout;
    assert!(told("10.1.2.0/24").contains("such a network tells no place"), "{}", told("10.1.2.0/24"));
    assert!(told("10.1.2.0/24").contains("scope     8"), "{}", told("10.1.2.0/24"));
    assert!(!told("60.1.2.0/24").contains("tells no place"));
    let json = files.run("explain www.example.com --client ::ffff:192.168.7.0/120 --json").stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["hops"][0]["tells_no_place"], true, "{json}");
    assert_eq!(json["answer"]["scope"], 96 + 16);
}

/// `check` without `--config` in this folder, with the environment variable if there is a value.
fn check_in(folder: &Path, named: Option<&Path>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    command.arg("check").current_dir(folder).env_remove("TRUENORTH_CONFIG");
    if let Some(named) = named {
        command.env("TRUENORTH_CONFIG", named);
    }
    let output = command.output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn the_server_file_is_found_here_or_by_the_environment() {
    let (here, elsewhere) = (files(), Files::new(SERVER, &[]));
    let (code, told) = check_in(here.path("truenorth.toml").parent().unwrap(), None);
    assert!(code == Some(0) && told.starts_with("good: 1 zone"), "{told}");
    // Zones are found beside the file, not in the current folder.
    let named = elsewhere.path("truenorth.toml");
    let (code, told) = check_in(here.path("truenorth.toml").parent().unwrap(), Some(&named));
    assert!(code == Some(0) && told.contains("good: 0 zones"), "{told}");
    let (code, told) = check_in(Path::new("/"), Some(&here.path("truenorth.toml")));
    assert!(code == Some(0) && told.starts_with("good: 1 zone"), "{told}");
    let (code, told) = check_in(Path::new("/"), Some(&here.path("missing.toml")));
    assert!(code == Some(1) && told.contains("missing.toml"), "{told}");
}
