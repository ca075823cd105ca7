//! Broken configurations: the faults of each, and their places.

mod pools;
mod records;
mod steering;

use super::*;

/// A zone without a fault; each case adds one.
const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }

[regions.europe]
clients = ["continent:EU"]
prefer = ["fra"]

[regions.default]
prefer = ["iad"]

[monitors.web]
type = "http"
host = "example.com"

[pools.web]
monitor = "web"
endpoints.fra = ["198.51.100.10"]
endpoints.iad = ["192.0.2.10"]

[pools.sorry]
endpoints = ["192.0.2.99"]

[pools.elsewhere]
endpoints = [{ cname = "example.net." }]

[names.www]
pools = ["web"]
fallback = "sorry"

[names.alias]
pools = ["elsewhere"]
"#;

/// Replaces a text in [`ZONE`] and returns the faults. Lines are those of the changed zone.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert_eq!(ZONE.matches(from).count(), 1, "{from}");
    lines(&told(load_zone(&ZONE.replace(from, to))))
}

/// Appends to [`ZONE`] and returns the faults. Lines count from the first one added.
fn added(text: &str) -> Vec<String> {
    let mut faults = told(load_zone(&format!("{ZONE}{text}")));
    let head = ZONE.len();
    for fault in &mut faults.0 {
        let related = fault.related.as_mut().map(|(place, _)| place);
        for place in fault.place.as_mut().into_iter().chain(related).filter(|place| place.span.start >= head) {
            let source = Source::new(place.source.path.clone(), place.source.text()[head..].to_owned());
            place.span = place.span.start - head..place.span.end - head;
            place.source = Arc::new(source);
        }
    }
    lines(&faults)
}

#[track_caller]
fn assert_told(found: &[String], expected: &[&str]) {
    assert_eq!(found, expected, "\n{}", found.join("\n"));
}

#[test]
fn the_zone_of_the_cases_is_without_fault() {
    assert_told(&added(""), &[]);
}

#[test]
fn words_that_mean_nothing_are_told_with_what_was_meant() {
    assert_told(
        &changed(r#"pools = ["web"]"#, r#"pools = ["wbe"]"#),
        &["32:10 error: there is no pool `wbe` | did you mean `web`? | help: there is `web`, `sorry`, `elsewhere`"],
    );
    assert_told(
        &changed(r#"pools = ["web"]"#, r#"pools = ["web/sin"]"#),
        &[
            "32:10 error: pool `web` has no endpoints in `sin` | not a datacenter of `web` | help: it has some in `fra`, `iad`",
        ],
    );
    assert_told(
        &changed(r#"pools = ["elsewhere"]"#, r#"pools = ["elsewhere/fra"]"#),
        &[
            "36:10 error: pool `elsewhere` has no endpoints in `fra` | not a datacenter of `elsewhere` | help: `elsewhere` has one list of endpoints: refer to it as `elsewhere`",
        ],
    );
    assert_told(
        &changed(r#"monitor = "web""#, r#"monitor = "wbe""#),
        &["21:11 error: there is no monitor `wbe` | did you mean `web`? | help: there is `web`"],
    );
    assert_told(
        &changed("endpoints.fra =", "endpoints.far ="),
        &["22:11 error: there is no datacenter `far` | did you mean `fra`? | help: there is `fra`, `iad`"],
    );
    assert_told(
        &changed(r#"prefer = ["fra"]"#, r#"prefer = ["far"]"#),
        &["11:11 error: there is no datacenter `far` | did you mean `fra`? | help: there is `fra`, `iad`"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nprefer = { erope = [\"fra\"] }"),
        &["34:12 error: there is no region `erope` | did you mean `europe`? | help: there is `europe`, `default`"],
    );
}

#[test]
fn keys_that_nobody_reads_are_refused() {
    assert_told(
        &changed(r#"host = "example.com""#, "host = \"example.com\"\nintervall = \"5s\""),
        &["19:1 error: a monitor has no key `intervall` | did you mean `interval`?"],
    );
    assert_told(
        &changed(r#"host = "example.com""#, "host = \"example.com\"\nverify = true"),
        &["19:1 error: `verify` is for monitors of type https, tls and grpc"],
    );
    assert_told(
        &changed(r#"pools = ["web"]"#, r#"pool = ["web"]"#),
        &["32:1 error: a name has no key `pool` | did you mean `pools`?"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"lod\"]\npick = \"least\""),
        &[
            "34:10 error: `steer` takes one of `region`, `latency`, `distance`, `failover`, `load`, `weight`, `sticky` | did you mean `load`?",
            "35:8 error: `pick` takes one of `rotate`, `weighted`, `random`, `sticky`, `least-load` | not one of them",
        ],
    );
    assert_told(
        &changed(r#"type = "http""#, r#"type = "snmp""#),
        &[
            "17:8 error: `type` takes one of `http`, `https`, `tls`, `tcp`, `dns`, `grpc`, `icmp`, `exec`, `push`, `all`, `any`, `at_least` | not one of them",
        ],
    );
    assert_told(
        &changed(r#"prefer = ["iad"]"#, "prefer = [\"iad\"]\nclients = [\"continent:AF\"]"),
        &["15:1 error: `clients` is not allowed here: `default` takes the clients that no other region names"],
    );
    assert_told(
        &changed("[names.www]", "[names.www.eu.west]"),
        &[
            r#"31:8 error: `www.eu.west` without quotes is a table in a table | a name with a dot needs quotes | help: write [names."www.eu.west"]"#,
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[\"192.0.2.53\"]\nns2.example.net = []"),
        &[
            r#"4:1 error: `ns2.example.net` without quotes is a table in a table | a name with a dot needs quotes | help: write "ns2.example.net" = [...]"#,
        ],
    );
}

#[test]
fn values_are_of_their_type_and_in_their_range() {
    assert_told(
        &changed("latitude = 50.11", "latitude = 95"),
        &["6:20 error: `latitude` takes a number from -90 to 90 | 95"],
    );
    assert_told(
        &changed("longitude = 8.68", r#"longitude = "8.68""#),
        &["6:39 error: `longitude` takes a number from -180 to 180 | did you mean `8.68`?"],
    );
    assert_told(
        &changed("longitude = 8.68", r#"longitude = 8.68, country = "UK""#),
        &["6:55 error: `UK` is not the code of a country | not in ISO 3166-1 | help: the United Kingdom is `GB`"],
    );
    assert_told(
        &changed(r#"["192.0.2.99"]"#, r#"[{ address = "192.0.2.1", weight = 70000 }]"#),
        &["26:48 error: `weight` takes a whole number from 0 to 65535 | 70000"],
    );
    assert_told(
        &changed(r#"["192.0.2.99"]"#, r#"["www.example.com"]"#),
        &[
            r#"26:14 error: `www.example.com` is not an address | not an address | help: a host name is written { cname = "www.example.com." }"#,
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.99"]"#, r#""192.0.2.99""#),
        &["26:13 error: `endpoints` takes a list | did you mean [\"192.0.2.99\"]?"],
    );
    assert_told(
        &changed(r#"monitor = "web""#, "monitor = \"web\"\nmin_healthy = 1.5"),
        &["22:15 error: `min_healthy` takes a number from 0 to 1 | 1.5"],
    );
    assert_told(
        &changed(r#"host = "example.com""#, r#"host = "example.com:80""#),
        &["18:8 error: `host` takes a host name or an address, without a port | did you mean \"example.com\"?"],
    );
    assert_told(
        &changed(r#"host = "example.com""#, "interval = \"50ms\"\nhost = \"example.com\""),
        &[r#"18:12 error: `interval` takes a duration such as "5s", from 100ms to 1h"#],
    );
    assert_told(
        &changed(r#"host = "example.com""#, "interval = 5\nhost = \"example.com\""),
        &[r#"18:12 error: `interval` takes a duration such as "5s", from 100ms to 1h | did you mean "5s"?"#],
    );
    assert_told(
        &changed(r#"host = "example.com""#, "timeout = \"5s\"\nhost = \"example.com\""),
        &[
            "18:11 error: the timeout (5s) is not below the interval (5s) | help: probes of one endpoint never overlap: shorten `timeout` or lengthen `interval`",
        ],
    );
    assert_told(
        &changed(r#"host = "example.com""#, "expect_status = [200, \"3xx\", 600]\nhost = \"example.com\""),
        &[
            r#"18:23 error: `expect_status` takes a status code such as 204 or a range such as "200-299" | did you mean "300-399"?"#,
            "18:30 error: `expect_status` takes a whole number from 100 to 599 | 600",
        ],
    );
    assert_told(
        &changed(r#"host = "example.com""#, "expect_body = \"/a(b/\"\nhost = \"example.com\""),
        &["18:15 error: `expect_body` is not a regular expression | unclosed group"],
    );
    assert_told(
        &changed(
            r#"host = "example.com""#,
            "host = \"example.com\"\nheaders = { Host = \"x\", \"a b\" = \"x\", X = \"a\\nb\" }",
        ),
        &[
            "19:13 error: a probe sets `Host` by itself | not here | help: use the monitor's own key `host`",
            "19:25 error: `a b` is not the name of a header field | not a token of RFC 9110",
            "19:42 error: `X` takes text in ASCII, without control characters",
        ],
    );
    assert_told(
        &changed(
            r#"host = "example.com""#,
            "host = \"example.com\"\npath = \"healthz\"\nmethod = \"G T\"\nrise = 0\nport = 0",
        ),
        &[
            "19:8 error: `path` takes a path that begins with a slash, blanks as %20 | did you mean \"/healthz\"?",
            "20:10 error: `method` takes a method such as GET",
            "21:8 error: `rise` takes a whole number from 1 to 255 | 0",
            "22:8 error: `port` takes a whole number from 1 to 65535 | 0",
        ],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nanswers = 0\ntake = 65\nttl = -1"),
        &[
            "34:11 error: `answers` takes a whole number from 1 to 64 | 0",
            "35:8 error: `take` takes a whole number from 1 to 64 | 65",
            "36:7 error: `ttl` takes a whole number from 0 to 2147483647 | -1",
        ],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nall_down = \"last_healthy\""),
        &[
            "34:12 error: `all_down` takes one of `all`, `last-healthy`, `nodata`, `servfail` | did you mean `last-healthy`?",
        ],
    );
}

#[test]
fn what_is_never_used_is_told() {
    assert_told(
        &added(
            "[pools.x]\nmonitor = \"m\"\nendpoints = [\"192.0.2.1\"]\n[monitors.m]\ntype = \"tcp\"\nport = 1\n[monitors.n]\ntype = \"tcp\"\nport = 1\n[datacenters.d]\nlatitude = 1\nlongitude = 1\n",
        ),
        &[
            "1:8 warning: pool `x` is never used | nothing refers to it",
            "7:11 warning: monitor `n` is never used | nothing refers to it",
            "10:14 warning: datacenter `d` is never used | nothing refers to it",
        ],
    );
}

#[test]
fn nothing_is_left_out_silently() {
    let needs = |what: &str, at: &str| [format!("{at} error: {what} | none")];
    assert_eq!(changed(r#"pools = ["web"]"#, "pools = [[]]"), needs("a tie needs a pool", "32:10"));
    assert_eq!(changed(r#"pools = ["elsewhere"]"#, "pools = []"), needs("a name needs a pool", "36:9"));
    assert_eq!(changed(r#"prefer = ["fra"]"#, "prefer = [[]]"), needs("a tie needs a datacenter", "11:11"));
    assert_eq!(changed(r#"prefer = ["fra"]"#, "prefer = []"), needs("`prefer` needs a datacenter", "11:10"));
    assert_eq!(changed(r#"["192.0.2.99"]"#, "[]"), needs("a pool needs endpoints", "26:13"));
    assert_eq!(changed("endpoints.iad = [", "endpoints.iad = []#"), needs("a pool needs endpoints", "23:17"));
    assert_eq!(
        changed(r#"type = "http""#, "type = \"http\"\nexpect_status = []"),
        needs("`expect_status` needs a status code", "18:17")
    );
}

/// `count` texts, one after the other, each made by `text` from its number.
fn many(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}

#[test]
fn bounds_hold() {
    let place = |n| format!("d{n} = {{ latitude = 1, longitude = 1 }}\n");
    let places = |count| changed("[datacenters]\n", &format!("[datacenters]\n{}", many(count, place)));
    let beyond = |told: Vec<String>| told.into_iter().filter(|line| line.contains("error")).collect::<Vec<_>>();
    assert_told(&beyond(places(253)), &[]);
    let told = beyond(places(254));
    assert!(told.contains(&"261:1 error: there are more than 255 datacenters | one too many".to_owned()), "{told:?}");

    let pools = |count| many(count, |n| format!("[pools.p{n}]\nendpoints = [\"192.0.2.{n}\"]\n"));
    let names = |count| many(count, |n| format!("\"p{n}\", "));
    let zone = |count| format!("{}[names.many]\npools = [{}]\nsteer = []\n", pools(count), names(count));
    assert_told(&added(&zone(64)), &[]);
    let too_many = "132:1 error: a name uses at most 64 pools | 65 pools, each datacenter of a pool counted";
    assert_told(&added(&zone(65)), &[too_many]);

    let endpoints = |count| many(count, |n| format!("\"10.0.{}.{}\", ", n / 256, n % 256));
    let pool = |count| changed(r#"["192.0.2.99"]"#, &format!("[{} \"2001:db8::1\"]", endpoints(count)));
    assert_told(&pool(1024), &[]);
    let too_many = "26:1 error: a pool holds at most 1024 endpoints of a family | 1025 IPv4 addresses";
    assert_told(&pool(1025), &[too_many]);
}
