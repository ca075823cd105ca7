//! The contents of entries.

use std::fs;

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::harness::run;
use crate::{WRITTEN, configuration, lines, metric, read_dnstap, server, told, wait_for_lines, wait_until};

#[test]
fn a_line_tells_who_asked_what_was_answered_and_what_decided() {
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"");
    let node = files.serve();
    let reply = node.dig("www.example.com A +subnet=203.0.113.0/24 +dnssec");
    assert_eq!(reply.data(), ["198.51.100.10"]);
    let lines = wait_for_lines(&files.path("queries.json"), 1);
    let line = lines[0].as_object().unwrap();
    let told = |key: &str| line.get(key).cloned().unwrap_or_default();
    for (key, value) in [
        ("transport", json!("UDP")),
        ("client", json!("127.0.0.1")),
        ("server", json!("127.0.0.1")),
        ("server_port", json!(node.address().port())),
        ("subnet", json!("203.0.113.0/24")),
        ("scope", json!(24)),
        ("name", json!("www.example.com.")),
        ("type", json!("A")),
        ("flags", json!(["aa", "rd", "do"])),
        ("rcode", json!("NOERROR")),
        ("ttl", json!(30)),
        ("truncated", json!(false)),
        ("zone", json!("example.com.")),
        ("addresses", json!(["198.51.100.10"])),
        (
            "steered",
            json!([{
                "name": "www.example.com.", "region": "europe", "rung": "usable", "pools": ["web/fra"], "datacenter": "fra"
            }]),
        ),
    ] {
        assert_eq!(told(key), value, "{key}");
    }
    assert!(told("port").as_u64().unwrap() > 0 && told("size").as_u64().unwrap() > 50);
    let time = told("time");
    assert!(time.as_str().unwrap().len() == "2026-11-27T10:25:01.123456Z".len(), "{time}");
}

#[test]
fn text_from_outside_cannot_forge_a_line() {
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"");
    let node = files.serve();
    assert_eq!(node.dig("a\\\"\\010{\\\\}.example.com A").status, "NXDOMAIN");
    let lines = wait_for_lines(&files.path("queries.json"), 1);
    assert_eq!(lines[0]["name"], json!("a\\\"\\010{\\\\}.example.com."));
    assert_eq!((&lines[0]["rcode"], &lines[0]["steered"]), (&json!("NXDOMAIN"), &Value::Null));
}

#[test]
fn messages_without_a_readable_question_have_lines_too() {
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"");
    let node = files.serve();
    let asker = node.asker();
    // A header that promises a question.
    assert!(asker.send(&[0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]) && asker.receive().is_some());
    let lines = wait_for_lines(&files.path("queries.json"), 1);
    assert_eq!((&lines[0]["rcode"], &lines[0]["name"]), (&json!("FORMERR"), &Value::Null));
}

#[test]
fn classes_and_zones_choose_and_a_reload_changes_them() {
    let section = "sink = \"queries.json\"\nformat = \"json\"\n";
    let files = configuration(&format!("{section}classes = [\"denial\", \"error\"]"));
    let mut node = files.serve();
    let ask = |node: &crate::harness::Node| {
        for words in ["www.example.com A", "none.example.com A", "ns1.example.net MX", "elsewhere.test A"] {
            node.dig(words);
        }
    };
    ask(&node);
    let names = |count| {
        let lines = wait_for_lines(&files.path("queries.json"), count);
        let mut names: Vec<String> = lines.iter().map(|line| line["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(3), ["elsewhere.test.", "none.example.com.", "ns1.example.net."]);
    files.write("truenorth.toml", server(&format!("{section}zones = [\"example.com\"]")));
    node.log.wait_for("configuration reloaded");
    // What is answered by the new files is logged by them.
    fs::remove_file(files.path("queries.json")).unwrap();
    wait_until("the log is made again", || {
        node.dig("ns1.example.com TXT");
        !lines(&files.path("queries.json")).is_empty()
    });
    ask(&node);
    // The attempts of before may still come in.
    let others = || {
        let lines = lines(&files.path("queries.json")).into_iter();
        let names = lines.map(|line| line["name"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.filter(|name| name != "ns1.example.com.").collect();
        names.sort();
        names
    };
    wait_until("both lines", || others().len() >= 2);
    assert_eq!(others(), ["none.example.com.", "www.example.com."]);
}

#[test]
fn a_sample_is_a_share_of_all_answers_whoever_asks() {
    const QUERIES: u64 = 4000;
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"\nsample = 10");
    let node = files.serve();
    let mut asker = node.asker();
    // A resolver asks for both families in turn.
    for _ in 0..QUERIES / 2 {
        asker.ask("www.example.com.", RecordType::A, None);
        asker.ask("www.example.com.", RecordType::AAAA, None);
    }
    let status = node.terminate();
    assert_eq!(status.code(), Some(0));
    let lines = lines(&files.path("queries.json"));
    let of = |rtype: &str| lines.iter().filter(|line| line["type"] == rtype).count();
    // Five standard deviations of a binomial distribution: 5 * sqrt(2000 * 0.1 * 0.9) is 67.
    for rtype in ["A", "AAAA"] {
        assert!((133..=267).contains(&of(rtype)), "{} of {rtype}", of(rtype));
    }
}

#[test]
fn clients_are_cut_in_lines_and_in_messages() {
    let cut = "client_v4 = 16\nclient_v6 = 32\n";
    let files = configuration(&format!("sink = \"queries.json\"\nformat = \"json\"\n{cut}"));
    let mut node = files.serve();
    let ask = |node: &crate::harness::Node| node.dig("www.example.com A +subnet=203.0.113.0/24");
    assert_eq!(ask(&node).scope(), Some(24));
    let lines = wait_for_lines(&files.path("queries.json"), 1);
    assert_eq!((&lines[0]["client"], &lines[0]["subnet"]), (&json!("127.0.0.0"), &json!("203.0.0.0/16")));
    files.write("truenorth.toml", server(&format!("sink = \"queries.tap\"\n{cut}")));
    told(&mut node, WRITTEN, 2);
    ask(&node);
    let yaml = || {
        let output =
            std::process::Command::new("dnstap-read").arg("-y").arg(files.path("queries.tap")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    wait_until("both messages", || yaml().contains("AUTH_RESPONSE"));
    let yaml = yaml();
    assert!(yaml.contains("query_address: \"127.0.0.0\"") && yaml.contains("CLIENT-SUBNET: 203.0.0.0/24/24"), "{yaml}");
    assert!(!yaml.contains("203.0.113"), "{yaml}");
}

#[test]
fn dnstap_has_queries_and_responses_or_one_of_them() {
    let files = configuration("sink = \"queries.tap\"\nidentity = \"ns1\"\nversion = \"\"\nqueries = false");
    let node = files.serve();
    node.dig("www.example.com A");
    wait_until("the message", || !read_dnstap(&files.path("queries.tap")).is_empty());
    let messages = read_dnstap(&files.path("queries.tap"));
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert!(message.starts_with("AR 127.0.0.1:") && message.ends_with(" www.example.com/IN/A"), "{message}");
    let output = std::process::Command::new("dnstap-read").arg("-y").arg(files.path("queries.tap")).output().unwrap();
    let yaml = String::from_utf8(output.stdout).unwrap();
    assert!(yaml.contains("identity: ns1") && !yaml.contains("\nversion:"), "{yaml}");
    assert!(yaml.contains("query_zone: example.com\n") || yaml.contains("query_zone: example.com.\n"), "{yaml}");
    assert_eq!(node.terminate().code(), Some(0));
    assert_eq!(read_dnstap(&files.path("queries.tap")).len(), 1);
}

#[test]
fn simulate_reads_the_log_and_counts_by_client_subnet() {
    let files = configuration("sink = \"queries.json\"\nformat = \"json\"\nzones = [\"example.com\"]");
    let node = files.serve();
    for words in
        ["www.example.com A +subnet=203.0.113.0/24", "www.example.com A", "www.example.com A", "www.example.com A"]
    {
        node.dig(words);
    }
    wait_for_lines(&files.path("queries.json"), 4);
    assert_eq!(metric(&node, "truenorth_query_log_entries_total{result=\"written\"}"), 4);
    let (config, log) = (files.path("truenorth.toml"), files.path("queries.json"));
    let ran = run(["simulate", "--json", "--log", log.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(told.to_string().contains("web/fra"), "{told:#}");
}
