//! The limits of faults that are shown of broken files, and values that are hidden.

use super::*;
use crate::config::{Code, MAX_TOLD};

/// A server file with one more line, the drawing of its faults, and the output of `--json`.
fn drawn(server: &str) -> (String, String) {
    let faults = told(load_files(&[("truenorth.toml", format!("{SERVER}{server}").as_bytes())]));
    assert!(faults.has_errors(), "{server}");
    (faults.render(false), serde_json::to_string(&faults).unwrap())
}

#[test]
fn forty_thousand_faults_are_read_once_and_told_in_part() {
    let mut text = "@ SOA ns hostmaster 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n".to_owned();
    for number in 0..20_000 {
        // An RRset with two TTLs, and a line that is not a record.
        let lines = format!("a{number} 1 A 192.0.2.1\na{number} 2 A 192.0.2.2\nb{number} ADRESS 192.0.2.1\n");
        text.push_str(&lines);
    }
    let files = [("truenorth.toml", "".as_bytes()), ("zones/example.com.zone", text.as_bytes())];
    let faults = load_files(&files).unwrap_err();
    assert_eq!((faults.count(Severity::Error), faults.count(Severity::Warning)), (20_000, 20_000));
    assert_eq!(faults.0.len(), MAX_TOLD + 2);
    let told: Vec<_> = faults.0[MAX_TOLD..].iter().map(|fault| (fault.code, fault.count)).collect();
    assert_eq!(told, [(Code::More, 20_000 - MAX_TOLD), (Code::More, 20_000)]);
    assert!(faults.0[MAX_TOLD].message.ends_with("example.com.zone has 19950 more errors, not shown here"));
    let drawn = faults.render(false);
    assert_eq!(drawn.matches("is neither a record type nor a TTL").count(), MAX_TOLD);
}

#[test]
fn what_belongs_together_is_drawn_together_if_it_stands_together() {
    let zone = |between: usize| {
        let filler = format!("; {}\n", "x".repeat(78)).repeat(between);
        let text = format!(
            "@ SOA ns hostmaster 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\na 1 A 192.0.2.1\n{filler}a 2 A 192.0.2.2\n"
        );
        told(load_files(&[("truenorth.toml", b""), ("zones/example.com.zone", text.as_bytes())])).render(false)
    };
    for (lines, pictures) in [(0, 1), (90, 1), (200, 2)] {
        let drawn = zone(lines);
        assert_eq!(drawn.matches("example.com.zone").count(), pictures, "{drawn}");
        assert!(drawn.contains("a 1 A 192.0.2.1\n") && drawn.contains("a 2 A 192.0.2.2\n"), "{drawn}");
        assert!(drawn.contains(&format!("example.com.zone:{}:1", 5 + lines)), "{drawn}");
    }
}

#[test]
fn secrets_are_not_shown() {
    for server in [
        // Too short for a token.
        "[admin]\nlisten = \"127.0.0.1:8053\"\ntoken = \"hidden-word\"\n",
        "[admin]\ntoken = \"hidden-word-hidden-word\"\nlisten = [\"127.0.0.1\"]\ntoken_file = 1\n",
        // The file is not TOML.
        "[admin]\ntoken = \"hidden-word-and-no-quote\nlisten = \"127.0.0.1:8053\"\n",
        "[admin]\ntoken = hidden-word\n",
        "[cookies]\nsecrets = [\"hidden-word\",\n  \"hidden-word\"]\n",
        "[[webhooks]]\nurl = \"ftp://example.com/hidden-word\"\n",
        "[[webhooks]]\nurl = \"https://example.com/\"\nheaders = { Authorization = \"Bearer hidden-word\\u0000\" }\n",
        "[[webhooks]]\nurl = \"https://example.com/\"\n[webhooks.headers]\nX-Any = \"hidden-word\\u0000\"\n",
        "[[webhooks]]\nurl = \"https://example.com/\"\nbody = '{\"routing_key\": \"hidden-word\" \"x\": 1}'\n",
        "[admin]\nlisten = \"127.0.0.1:8053\"\npassword = \"hidden-word\"\n",
        "admin = { listen = \"127.0.0.1:8053\", token = \"hidden-word\" }\n",
        "[monitors.m]\ntype = \"tcp\"\nport = \"x\"\nsend = \"AUTH hidden-word\\r\\n\"\nexpect = \"\"\n",
    ] {
        let (drawn, json) = drawn(server);
        assert!(!drawn.contains("hidden"), "{server}\n{drawn}");
        assert!(!json.contains("hidden"), "{server}\n{json}");
    }
    let (drawn, json) = drawn("[admin]\nlisten = \"127.0.0.1:8053\"\ntoken = 123456789\n");
    assert!(!drawn.contains("1234") && !json.contains("1234"), "{drawn}\n{json}");
}

#[test]
fn json_tells_code_end_and_related_places() {
    let zone =
        "[nameservers]\nns1 = [\"192.0.2.53\"]\n[records.a]\nA = [\"192.0.2.1\",\n \"192.0.2.1\"]\nTXTT = [\"é\"]\n";
    let faults = told(load_zone(zone));
    let json: serde_json::Value = serde_json::to_value(&faults).unwrap();
    let faults: Vec<_> =
        json.as_array().unwrap().iter().filter(|fault| fault["file"].as_str().unwrap().ends_with("com.toml")).collect();
    let [twice, unknown] = faults[..] else { panic!("{json:#}") };
    let numbers = |value: &serde_json::Value| {
        ["line", "column", "end_line", "end_column"].map(|key| value[key].as_u64().unwrap())
    };
    assert_eq!((numbers(twice), &twice["severity"]), ([5, 2, 5, 13], &"warning".into()));
    assert_eq!((numbers(&twice["related"][0]), twice["code"].as_str()), ([4, 6, 4, 17], Some("duplicate")));
    assert_eq!(twice["related"][0]["label"], "first given here");
    assert_eq!((numbers(unknown), unknown["code"].as_str()), ([6, 1, 6, 5], Some("unknown-name")), "{unknown:#}");
    assert_eq!((&unknown["related"], &unknown["count"]), (&serde_json::json!([]), &1.into()));
}

#[test]
fn each_family_of_rules_has_a_code() {
    let zone = |more: &str| format!("[nameservers]\nns1 = [\"192.0.2.53\"]\n{more}");
    let cases = [
        ("", "apex"),
        (&*zone("ns2 = []\n[soa]\nserial = 1\n"), "delegation"),
        (&zone("[records.a]\nCNAME = [\"ns1\"]\nA = [\"192.0.2.1\"]\n"), "alias"),
        (&zone("[records.\"*\"]\nDNAME = [\"x.example.net.\"]\n"), "wildcard"),
        (&zone("[records.\"a.example.org.\"]\nA = [\"192.0.2.1\"]\n"), "out-of-zone"),
        (&zone("\"ns.example.net.\" = []\n"), "serial"),
        (&zone("[records.a]\nCAA = ['0 isue \"x\"']\n"), "doubtful-data"),
        (&zone("[pools.p]\nendpoints = [{ cname = \"a.\" }, { cname = \"b.\" }]\n"), "pool"),
        (&zone("[regions.r]\nclients = [\"colour:red\"]\n"), "region"),
        (&zone("[monitors.m]\ntype = \"tcp\"\nport = 1\ninterval = \"1s\"\ntimeout = \"2s\"\n"), "monitor"),
        (&zone("[records.a]\nMX = [\"10\", \"mail\"]\n"), "bad-data"),
    ];
    for (zone, code) in cases {
        let faults = serde_json::to_value(told(load_zone(zone))).unwrap();
        let codes: Vec<&str> = faults.as_array().unwrap().iter().map(|fault| fault["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&code), "{zone}\n{faults:#}");
        assert!(!codes.contains(&"invalid") && !codes.contains(&"doubtful"), "{zone}\n{faults:#}");
    }
}
