//! `[query_log]` of the server file.

use super::*;
use crate::config::{QueryLogFormat, QueryLogSink};

const ZONE: &[u8] = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n";

fn load_log(section: &str) -> Result<Config, Faults> {
    let server = format!("[query_log]\n{section}\n");
    load_files(&[
        ("truenorth.toml", server.as_bytes()),
        ("zones/example.com.toml", ZONE),
        ("zones/example.net.toml", ZONE),
    ])
}

#[test]
fn a_sink_is_enough() {
    let config = load_log("sink = \"queries.tap\"").unwrap();
    let log = config.server.query_log.unwrap();
    let QueryLogSink::File { path, size, versions } = &log.sink else { panic!("{log:?}") };
    assert!(path.is_absolute() && path.ends_with("queries.tap"), "{}", path.display());
    assert_eq!((*size, *versions), (100 << 20, 4));
    assert_eq!((log.format, log.queries, log.responses), (QueryLogFormat::Dnstap, true, true));
    assert_eq!((log.client_v4, log.client_v6, log.identity, log.version), (32, 128, None, None));
    let rule = config.world.protocol.query_log.unwrap();
    assert_eq!((rule.every.get(), rule.classes, rule.zones), (1, [true; 3], None));
}

#[test]
fn sinks_are_files_and_sockets() {
    let sink = |text: &str| load_log(&format!("sink = \"{text}\"")).unwrap().server.query_log.unwrap().sink;
    assert_eq!(sink("unix:/run/dnstap.sock"), QueryLogSink::Unix("/run/dnstap.sock".into()));
    assert_eq!(sink("tcp:192.0.2.9:6000"), QueryLogSink::Tcp("192.0.2.9:6000".parse().unwrap()));
    assert_eq!(sink("tcp:[2001:db8::9]:6000").to_string(), "tcp:[2001:db8::9]:6000");
}

#[test]
fn classes_and_zones_become_a_rule() {
    let section = "sink = \"unix:/run/tap\"\nsample = 100\nclasses = [\"error\"]\nzones = [\"Example.NET.\"]";
    let rule = load_log(section).unwrap().world.protocol.query_log.unwrap();
    assert_eq!((rule.every.get(), rule.classes), (100, [false, false, true]));
    assert_eq!(rule.zones.as_deref(), Some(&[false, true][..]));
}

#[test]
fn without_the_section_nothing_is_logged() {
    let config = load_files(&[("truenorth.toml", b""), ("zones/example.com.toml", ZONE)]).unwrap();
    assert_eq!((config.server.query_log, config.world.protocol.query_log), (None, None));
}

#[test]
fn what_is_wrong_with_a_log_is_told() {
    let with = |line: &str| format!("sink = \"unix:/run/tap\"\n{line}");
    for (section, expected) in [
        (String::new(), "1:2 error: `[query_log]` needs `sink` | `sink` is missing here"),
        ("sinks = \"x\"".to_owned(), "2:1 error: `[query_log]` has no key `sinks` | did you mean `sink`?"),
        (with("format = \"dnstab\""), "3:10 error: `format` takes one of `dnstap`, `json` | did you mean `dnstap`?"),
        (with("sample = 0"), "3:10 error: `sample` takes a whole number from 1 to 1000000 | 0"),
        (
            with("classes = [\"errors\"]"),
            "3:12 error: `classes` takes one of `success`, `denial`, `error` | did you mean `error`?",
        ),
        (with("classes = [\"error\", \"error\"]"), "3:21 error: `classes` names a class twice | again"),
        (with("classes = []"), "3:11 error: `classes` needs a class | none"),
        (with("zones = [\"exampl.com\"]"), "3:10 error: there is no zone `exampl.com.` | did you mean `example.com.`?"),
        (
            with("queries = false\nresponses = false"),
            "4:1 error: neither `queries` nor `responses` are logged | then leave out `[query_log]`",
        ),
        (with("client_v4 = 33"), "3:13 error: `client_v4` takes a whole number from 0 to 32 | 33"),
        (with("size_mib = 10"), "3:1 warning: `size_mib` is not used | only files are put aside"),
        (with("format = \"json\"\nqueries = true"), "4:1 warning: `queries` is not used | only dnstap has it"),
        (
            "sink = \"tcp:collector:6000\"".to_owned(),
            "2:8 error: `sink` takes a path, \"unix:\" and a path, or \"tcp:\" and an address with a port, such as \
             \"tcp:192.0.2.9:6000\"",
        ),
    ] {
        assert_eq!(lines(&told(load_log(&section))), [expected], "{section}");
    }
}
