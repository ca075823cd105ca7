//! Broken configurations: the faults of each, and their places.

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
            let source = Source::new(place.source.path.clone(), place.source.text[head..].to_owned());
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
fn clients_are_told_apart() {
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["192.0.2.1/24"]"#),
        &["10:12 error: `192.0.2.1/24` has host bits set | bits after the prefix | help: the network is 192.0.2.0/24"],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["192.0.2.1"]"#),
        &[
            "10:12 error: `192.0.2.1` does not name clients | not a prefix | help: one address is the prefix 192.0.2.1/32",
        ],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["2001:db8::1/32"]"#),
        &[
            "10:12 error: `2001:db8::1/32` has host bits set | bits after the prefix | help: the network is 2001:db8::/32",
        ],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["country:XX", "subdivision:EL-I", "country:DEU"]"#),
        &[
            "10:12 error: `XX` is not the code of a country | not in ISO 3166-1",
            "10:26 error: `EL` is not the code of a country | not in ISO 3166-1 | help: Greece is `GR`",
            "10:46 error: `country:` takes two letters of ISO 3166-1, such as DE | did you mean `country:DE`?",
        ],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["continet:EU"]"#),
        &["10:12 error: `continet:EU` does not name clients | did you mean `continent:EU`?"],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["asn:AS4713"]"#),
        &["10:12 error: `asn:` takes the number of an autonomous system, such as 4713 | did you mean `asn:4713`?"],
    );
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["Europe"]"#),
        &["10:12 error: `Europe` does not name clients | did you mean `continent:EU`?"],
    );
    assert_told(&changed(r#"["continent:EU"]"#, "[]"), &["10:11 error: a region needs clients | none"]);
    assert_told(
        &changed(r#"["continent:EU"]"#, r#"["continent:EU", "continent:EU"]"#),
        &["10:28 error: the clients continent:EU are named twice | again | 10:12 first named here"],
    );
    assert_told(
        &changed(
            "[regions.default]",
            "[regions.other]\nclients = [\"continent:EU\"]\nprefer = [\"fra\"]\n[regions.default]",
        ),
        &["14:12 error: the clients continent:EU are named twice | again | 10:12 first named here"],
    );
    assert_told(
        &changed(r#"prefer = ["fra"]"#, r#"prefer = ["fra", ["iad", "fra"]]"#),
        &["11:26 error: `prefer` names `fra` twice | again | 11:11 first named here"],
    );
    assert_told(
        &changed("[regions.default]", "[regions.other]\nclients = [\"continent:AS\"]"),
        &[
            "32:8 warning: there is no `[regions.default]` | steers by region | help: clients that are in no region are sent to any datacenter",
        ],
    );
}

#[test]
fn pools_are_of_one_kind() {
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example.net." }, "192.0.2.1""#),
        &["29:14 error: a pool holds addresses or exactly one CNAME | a CNAME | 29:42 an address"],
    );
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example.net." }, { cname = "example.org." }"#),
        &["29:42 error: a pool holds exactly one CNAME | another one | 29:14 the first one"],
    );
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example..net." }"#),
        &["29:24 error: this is not a domain name: a label may not be empty"],
    );
    assert_told(
        &changed(r#"{ cname = "example.net." }"#, r#"{ cname = "example.net.", address = "192.0.2.1" }"#),
        &["29:14 error: an endpoint has either `address` or `cname`"],
    );
    assert_told(
        &changed(
            r#"endpoints = [{ cname = "example.net." }]"#,
            "monitor = \"web\"\nendpoints = [{ cname = \"example.net.\" }]",
        ),
        &["30:14 error: a CNAME in a pool with a monitor needs `check_address` | where should it be probed?"],
    );
    assert_told(
        &changed(r#"["192.0.2.99"]"#, r#"["192.0.2.99", "192.0.2.99"]"#),
        &[
            "26:28 error: the pool holds 192.0.2.99 twice | again | 26:14 first named here | help: give it once, with a higher `weight` if it is to answer more often",
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.99"]"#, r#"[{ address = "192.0.2.99", check_port = 80 }]"#),
        &["26:14 warning: nothing is probed: the pool has no monitor | says where to probe"],
    );
    assert_told(
        &changed(r#"pools = ["elsewhere"]"#, r#"pools = ["elsewhere", "sorry"]"#),
        &[
            "36:23 error: a name's pools must be all of one kind | addresses | 36:10 a CNAME | help: only `fallback` may be of another kind",
        ],
    );
    assert_told(
        &changed(r#"pools = ["web"]"#, r#"pools = ["web", "web/fra"]"#),
        &["32:17 error: pool `web/fra` is used twice | again | 32:10 first used here"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, r#"fallback = "web""#),
        &["33:12 error: `fallback` is one pool, `web` is 2 | which one? | help: choose one of `web/fra`, `web/iad`"],
    );
}

#[test]
fn steps_that_decide_nothing_are_told() {
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"weight\", \"region\"]"),
        &["34:20 warning: step `region` has no effect | never decides anything | 34:10 leaves no ties"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"region\", \"region\"]"),
        &["34:20 warning: step `region` is given twice | changes nothing | 34:10 first here"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"region\", \"failover\"]"),
        &["34:9 warning: step `failover` has no effect: `pools` has a single entry | nothing to order"],
    );
    assert_told(
        &changed(
            r#"fallback = "sorry""#,
            "fallback = \"sorry\"\nsteer = [\"distance\"]\nprefer = { europe = [\"fra\"] }",
        ),
        &["35:1 warning: `prefer` has no effect: `steer` has no step `region`"],
    );
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nlatency_tolerance = \"10ms\""),
        &["34:1 warning: `latency_tolerance` has no effect: `steer` has no step `latency`"],
    );
    assert_told(
        &changed("[regions.default]\nprefer = [\"iad\"]\n", ""),
        &[
            "29:8 warning: there is no `[regions.default]` | steers by region | help: clients that are in no region are sent to any datacenter",
        ],
    );
}

#[test]
fn probes_of_a_site_without_a_country_measure_for_nobody() {
    assert_told(
        &changed(r#"fallback = "sorry""#, "fallback = \"sorry\"\nsteer = [\"latency\"]"),
        &[
            "2:8 warning: datacenter `fra` has no `country` | the round trips that its probes measure are not used | help: set `country`: round trips of this node's own probes count for the clients of that country",
        ],
    );
}

#[test]
fn a_tolerance_is_a_share_or_a_time() {
    let told = |tolerance: &str, told: &[&str]| {
        let name = format!("fallback = \"sorry\"\nsteer = [\"region\", \"latency\"]\nlatency_tolerance = {tolerance}");
        let zone = ZONE.replace("longitude = 8.68 }", "longitude = 8.68, country = \"DE\" }");
        assert_told(&lines(&super::told(load_zone(&zone.replace(r#"fallback = "sorry""#, &name)))), told);
    };
    for good in [r#""20%""#, r#""7.5%""#, r#""0ms""#, r#""1000ms""#, r#"["100%", "2.5ms"]"#] {
        told(good, &[]);
    }
    let expected = "error: `latency_tolerance` takes a share such as \"20%\" or a time such as \"10ms\"";
    for bad in [r#""101%""#, r#""1001ms""#, r#""-1ms""#, r#""1.25ms""#, r#"".5ms""#, r#""5s""#] {
        told(bad, &[&format!("35:21 {expected}")]);
    }
    for (bad, meant) in
        [(r#""20""#, "20%"), (r#""20 %""#, "20%"), ("15", "15%"), ("0.075", "7.5%"), (r#""5 ms""#, "5ms")]
    {
        told(bad, &[&format!("35:21 {expected} | did you mean \"{meant}\"?")]);
    }
    told("1500", &[&format!("35:21 {expected} | 1500")]);
    told("[]", &["35:21 error: a tolerance needs a share or a time | none"]);
    told(r#"["20%", "10%"]"#, &["35:29 error: `latency_tolerance` takes at most one share and one time | again"]);
}

#[test]
fn probes_ask_for_a_host() {
    assert_told(&changed(r#"host = "example.com""#, ""), &[]);
    assert_told(
        &changed(r#"host = "example.com""#, "[names.eu]\npools = [\"web/fra\"]"),
        &[
            "21:8 error: probes of pool `web/fra` need a host name, but several names use the pool | used by eu.example.com., www.example.com. | help: give its monitor a host, such as host = \"eu.example.com\"",
        ],
    );
    assert_told(
        &changed("type = \"http\"\nhost = \"example.com\"", "type = \"https\"\n[names.eu]\npools = [\"web/fra\"]"),
        &[
            "21:8 error: probes of pool `web/fra` need a host name, but several names use the pool | used by eu.example.com., www.example.com. | help: give its monitor a host, such as host = \"eu.example.com\"",
        ],
    );
    assert_told(
        &changed(
            "type = \"http\"\nhost = \"example.com\"",
            "type = \"https\"\nsni = \"example.com\"\n[names.eu]\npools = [\"web/fra\"]",
        ),
        &[
            "22:8 error: probes of pool `web/fra` need a host name, but several names use the pool | used by eu.example.com., www.example.com. | help: give its monitor a host, such as host = \"eu.example.com\"",
        ],
    );
    assert_told(
        &changed(
            "type = \"http\"\nhost = \"example.com\"",
            "type = \"tcp\"\nport = 22\n[names.eu]\npools = [\"web/fra\"]",
        ),
        &[],
    );
    assert_told(
        &changed("type = \"http\"\nhost = \"example.com\"", "type = \"tcp\"\npath = \"/\""),
        &[
            "16:11 error: a monitor needs `port` | `port` is missing here",
            "18:1 error: `path` is for monitors of type http and https",
        ],
    );
}

#[test]
fn records_and_steered_names_agree() {
    assert_told(
        &added("[records.www]\nA = \"192.0.2.1\"\nTXT = \"beside it\"\n"),
        &["2:5 error: www.example.com. is steered and has a static A record | static | 31:8 steered here"],
    );
    assert_told(
        &added("[records.alias]\nTXT = \"x\"\n"),
        &[
            "2:7 error: alias.example.com. may become a CNAME, which excludes other records | TXT beside it | 35:8 its pools or its fallback hold a CNAME",
        ],
    );
    assert_told(
        &added("[records.x]\nMX = \"10 alias\"\n"),
        &[
            "2:6 error: MX points at alias.example.com., which may become a CNAME | not allowed | 35:8 its pools or its fallback hold a CNAME",
        ],
    );
    assert_told(
        &added("[records.x]\nCNAME = \"y\"\nMX = [\"10 www\"]\n"),
        &["3:7 error: x.example.com. has other records beside its CNAME | MX beside it | 2:9 the CNAME"],
    );
    assert_told(
        &added("[records.x]\nCNAME = [\"y\", \"z\"]\n"),
        &["2:15 error: x.example.com. has two CNAME records | another one | 2:10 the CNAME"],
    );
    assert_told(
        &added("[records.x]\nDNAME = \"y\"\n[records.\"a.x\"]\nTXT = \"x\"\n"),
        &["4:7 error: a.x.example.com. is below a DNAME | no records are allowed there | 2:9 the DNAME"],
    );
    assert_told(
        &added("[records.x]\nDNAME = \"y\"\nNS = [\"ns.example.net.\"]\n"),
        &["2:9 error: x.example.com. is delegated and has a DNAME | belongs in the child zone | 3:7 delegated here"],
    );
    assert_told(
        &added("[records.\"*.x\"]\nDNAME = \"y\"\n"),
        &[
            "2:9 warning: the meaning of DNAME at the wildcard *.x.example.com. is not specified | servers answer differently",
            "2:9 warning: DNAME points at y.example.com., which the zone example.com. does not have | not there",
        ],
    );
    assert_told(
        &added("[records.x]\nTXT = [\"x\", \"x\"]\n"),
        &["2:13 warning: this record is given twice | 2:8 first given here"],
    );
    assert_told(
        &added("[records.www]\n[records.\"WWW\"]\n"),
        &["2:10 error: WWW.example.com. is given twice | again | 1:10 first defined here"],
    );
    assert_told(
        &added("[names.\"@\"]\npools = [\"elsewhere\"]\n"),
        &[
            "1:8 error: the apex example.com. cannot be a CNAME | its pools or its fallback hold one | help: a CNAME excludes the SOA and NS records of an apex: give it pools of addresses",
        ],
    );
    assert_told(
        &added("[names.who]\nreflect = true\npools = [\"web\"]\n[records.who]\nTXT = \"x\"\n"),
        &[
            "3:1 error: `pools` is not allowed with `reflect`: such a name answers TXT only",
            "5:7 error: who.example.com. reflects and has a static TXT record | static | 1:8 reflects here",
        ],
    );
    assert_told(
        &added("[names.\"www.example.com.\"]\npools = [\"web\"]\n"),
        &["1:8 error: www.example.com. is given twice | again | 31:8 first defined here"],
    );
    assert_told(
        &added("[names.\"www.example.org.\"]\npools = [\"web\"]\n"),
        &["1:8 error: www.example.org. is not in the zone example.com. | outside of the zone"],
    );
    assert_told(
        &added("[names.\"a..b\"]\npools = [\"web\"]\n"),
        &["1:8 error: this is not a domain name: a label may not be empty"],
    );
    assert_told(
        &added("[records.\"www.example.org.\"]\nTXT = \"x\"\n"),
        &["1:10 error: www.example.org. is not in the zone example.com. | outside of the zone"],
    );
}

#[test]
fn records_are_valid() {
    assert_told(
        &added("[records.a.b]\nTXT = \"x\"\n"),
        &[
            r#"1:12 error: `b` is not a record type | not a record type | help: a name with a dot needs quotes: [records."a.b"]"#,
        ],
    );
    assert_told(
        &added("[records.x]\nXM = \"10 a\"\n"),
        &["2:1 error: `XM` is not a record type | not a record type | help: did you mean `MX`?"],
    );
    for (written, meant) in [
        (r#"MX = ["10", "mail.x."]"#, r#"MX = ["10 mail.x."]"#),
        (r#"MX = [10, "mail.x."]"#, r#"MX = ["10 mail.x."]"#),
        (r#"MX = ["10 a.x.", "20", "b.x."]"#, r#"MX = ["10 a.x.", "20 b.x."]"#),
        (r#"SRV = [1, 2, 443, "a.x."]"#, r#"SRV = ["1 2 443 a.x."]"#),
        (r#"CAA = ["0 issue", "ca.test"]"#, r#"CAA = ["0 issue ca.test"]"#),
        (r#"HTTPS = ["1", ".", "alpn=h2"]"#, r#"HTTPS = ["1 . alpn=h2"]"#),
    ] {
        let rtype = written.split(' ').next().unwrap();
        let place = format!("2:{}", rtype.len() + 4);
        let told = added(&format!("[records.x]\n{written}\n"));
        let expected = format!(
            "{place} error: these are the parts of {rtype} data, but each record is one text | help: write {meant}"
        );
        assert_told(&told, &[&expected]);
    }
    // Items that do not form a record together are reported one by one.
    assert_eq!(added("[records.x]\nMX = [\"10\", \"ten\", \"mail.x.\"]\n").len(), 3);
    assert_told(
        &added("[records.x]\nMX = \"a\"\nA = \"192.0.2\"\n"),
        &[
            "2:6 error: no MX data: the preference is a number up to 65535, not `a` | help: the preference comes first: 10 a",
            "3:5 error: no A data: the address is an IPv4 address, not `192.0.2`",
        ],
    );
    assert_told(
        &added(
            "[records.x]\nTXT = '\"v=spf1 -all\"'\nTLSA = \"3 1 1\"\nHTTPS = \"1 . no-default-alpn\"\nCAA = '0 isue \"x\"'\n",
        ),
        &[
            "2:7 warning: the quotes inside this text are served as part of it | help: leave them out: a TXT text is taken as it is, whatever its length and its characters",
            "3:8 error: no TLSA data: the certificate association is missing | help: TLSA data is <usage> <selector> <matching type> <certificate association>",
            "4:9 error: no HTTPS data: no-default-alpn without alpn leaves no protocol at all",
            "5:7 warning: doubtful CAA data: no certificate authority knows the tag `isue`; did you mean `issue`?",
        ],
    );
    assert_told(
        &added("[records.x]\nDYNA = \"geo!web\"\npools = [\"web\"]\n"),
        &[
            "2:1 error: `DYNA` is not a record type | not a record type | help: a name whose answers depend on the client or on health belongs in a zone file: [names.www], pools = [\"web\"]",
            "3:1 error: `pools` is not a record type | not a record type | help: a steered name belongs in [names.x]",
        ],
    );
    assert_told(
        &added("[records.\"@\"]\nNS = \"ns9\"\nSOA = \"a b 1 2 3 4 5\"\n"),
        &[
            "2:1 error: the zone's nameservers belong in `[nameservers]` | not here",
            "3:1 error: the SOA record belongs in `[soa]` | not here",
        ],
    );
    assert_told(
        &added("[records.x]\nTXT = 1\nttl = 2147483648\n"),
        &[
            "2:7 error: `TXT` takes a string | 1",
            "3:7 error: `ttl` takes a whole number from 0 to 2147483647 | 2147483648",
        ],
    );
}

#[test]
fn nameservers_have_addresses_and_agree() {
    assert_told(
        &added("[records.sub]\nNS = \"ns.sub\"\n"),
        &["2:6 error: nameserver ns.sub.example.com. is in the zone but has no address | no address"],
    );
    assert_told(&added("[records.sub]\nNS = \"ns.sub\"\n[records.\"ns.sub\"]\nA = \"192.0.2.1\"\n"), &[]);
    assert_told(
        &added(
            "[records.sub]\nNS = \"ns.example.net.\"\n[records.\"a.sub\"]\nTXT = \"x\"\n[names.\"www.sub\"]\npools = [\"web\"]\n",
        ),
        &[
            "4:7 warning: a.sub.example.com. is never answered: sub.example.com. is delegated | below a delegation | 2:6 delegated here",
            "5:8 warning: www.sub.example.com. is never answered: sub.example.com. is delegated | below a delegation | 2:6 delegated here",
        ],
    );
    assert_told(
        &added("[soa]\nrname = \"host.master@example.com\"\nserial = -1\n"),
        &[
            "2:9 error: `rname` is a mailbox written as a name | a dot in place of the `@` | help: write \"host\\\\.master.example.com.\"",
            "3:10 error: `serial` takes a whole number from 0 to 4294967295 | -1",
        ],
    );
}

#[test]
fn an_address_that_a_wildcard_gives_is_a_nameservers_address() {
    let missing = "3:1 error: nameserver ns1.example.com. is in the zone but has no address | no address";
    let with = |more: &str| {
        let zone = format!("{}{more}", ZONE.replace(r#"["192.0.2.53"]"#, "[]"));
        lines(&told(load_zone(&zone)))
    };
    let wild = "[records.\"*\"]\nA = \"192.0.2.53\"\n";
    assert_told(&with(wild), &[]);
    assert_told(&with("[names.\"*\"]\npools = [\"sorry\"]\n"), &[]);
    // No wildcard answers for a name that exists.
    assert_told(&with(&format!("{wild}[records.ns1]\nTXT = \"x\"\n")), &[missing]);
    assert_told(&with(&format!("{wild}[records.\"x.ns1\"]\nTXT = \"x\"\n")), &[missing]);
    assert_told(&with("[records.\"*\"]\nTXT = \"x\"\n"), &[missing]);
    // Below a cut only glue counts, no wildcard.
    let cut = added(&format!("{wild}[records.sub]\nNS = \"ns.sub\"\n"));
    assert_told(&cut, &["4:6 error: nameserver ns.sub.example.com. is in the zone but has no address | no address"]);
}

#[test]
fn nameservers_of_the_apex() {
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[]"),
        &["3:1 error: nameserver ns1.example.com. is in the zone but has no address | no address"],
    );
    assert_told(&changed(r#"["192.0.2.53"]"#, r#"["192.0.2"]"#), &["3:8 error: `ns1` takes addresses"]);
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[\"192.0.2.53\"]\n\"ns2.example.net.\" = []"),
        &[
            "4:1 warning: the zone example.com. has several nameservers but no `serial` | may serve another serial | help: give one in `[soa]`, so that the nameservers agree",
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[\"192.0.2.53\"]\n\"ns2.example.net.\" = [\"192.0.2.54\"]"),
        &[
            "4:1 warning: the zone example.com. has several nameservers but no `serial` | may serve another serial | help: give one in `[soa]`, so that the nameservers agree",
            "4:22 error: ns2.example.net. is not in this zone, so it takes no addresses from here | help: write [] for it",
        ],
    );
    assert_told(
        &changed(r#"["192.0.2.53"]"#, "[\"192.0.2.53\"]\n\"NS1.example.com.\" = [\"192.0.2.54\"]"),
        &["4:1 error: nameserver NS1.example.com. is given twice | again | 3:1 first named here"],
    );
    assert_told(
        &changed("ns1 = [\"192.0.2.53\"]\n", ""),
        &[
            r#"2:2 error: the zone example.com. has no nameservers | help: name them: [nameservers], ns1 = ["192.0.2.53"]"#,
        ],
    );
    assert_told(
        &changed("[nameservers]", "ttl = 10\nttl_min = 20\n[nameservers]"),
        &["3:11 error: `ttl_min` (20) is above `ttl` (10) | never above `ttl`"],
    );
}

#[test]
fn matches_that_never_decide_are_told() {
    let europe = |clients: &str| changed(r#"clients = ["continent:EU"]"#, &format!("clients = [{clients}]"));
    assert_eq!(
        europe(r#""192.0.2.0/24", "192.0.2.0/25", "192.0.2.128/25""#),
        [
            "10:12 warning: 192.0.2.0/24 has no effect: longer prefixes cover all of it | shadowed",
            "10:28 warning: 192.0.2.0/25 is longer than `max_source_v4` (24) | longer than the prefixes of Client Subnet that are used | help: the lowest address of a client's network decides for all of it: lengthen the maximum or shorten this",
            "10:44 warning: 192.0.2.128/25 is longer than `max_source_v4` (24) | longer than the prefixes of Client Subnet that are used | help: the lowest address of a client's network decides for all of it: lengthen the maximum or shorten this",
        ]
    );
    assert_eq!(
        europe(r#""continent:AN", "country:AQ", "country:BV", "country:GS", "country:HM", "country:TF""#),
        ["10:12 warning: `continent:AN` has no effect: all its countries are named | shadowed"]
    );
    assert_eq!(europe(r#""continent:AN", "country:AQ""#), [""; 0]);
}

#[test]
fn pools_that_nobody_is_sent_to_are_told() {
    let zone = ZONE
        .replace("prefer = [\"fra\"]", "prefer = [\"fra\"]\nonly = true")
        .replace("prefer = [\"iad\"]", "prefer = [\"fra\"]\nonly = true");
    assert_eq!(
        lines(&told(load_zone(&zone))),
        [
            "33:8 warning: no client of www.example.com. is ever sent to pool `web/iad` | every region has `only`, and none lists them",
            // No region lists a pool without a datacenter.
            "37:8 warning: no client of alias.example.com. is ever sent to pool `elsewhere` | every region has `only`, and none lists them"
        ]
    );
}

#[test]
fn weights_without_effect_are_told() {
    let pools = r#"pools = [{ pool = "web/fra", weight = 3 }, "web/iad"]"#;
    assert_eq!(
        changed(r#"pools = ["web"]"#, &format!("{pools}\nsteer = [\"region\"]")),
        ["31:8 warning: the weights of www.example.com.'s pools have no effect | no step of `steer` uses weights"]
    );
    assert_eq!(
        changed(r#"pools = ["web"]"#, pools),
        [
            "31:8 warning: the weights of www.example.com.'s pools have no effect | no region leaves a tie between them | help: an inner list in a region's `prefer` is a tie, which weights break"
        ]
    );
    assert_eq!(changed(r#"pools = ["web"]"#, &format!("{pools}\nsteer = [\"weight\"]")), [""; 0]);
    let weighted = r#"endpoints.fra = ["198.51.100.10", { address = "198.51.100.11", weight = 3 }]"#;
    assert_eq!(changed(r#"endpoints.fra = ["198.51.100.10"]"#, weighted), [""; 0]);
    let zone = ZONE.replace(r#"endpoints.fra = ["198.51.100.10"]"#, weighted);
    assert_eq!(
        lines(&told(load_zone(&zone.replace("fallback = \"sorry\"", "fallback = \"sorry\"\npick = \"rotate\"")))),
        [
            "20:8 warning: the weights of the endpoints of pool `web/fra` have no effect | no name's `pick` uses weights | help: set `pick = \"weighted\"` in a name that uses it"
        ]
    );
}

#[test]
fn families_that_differ_are_told() {
    assert_eq!(
        changed(r#"endpoints.fra = ["198.51.100.10"]"#, r#"endpoints.fra = ["198.51.100.10", "2001:db8::10"]"#),
        [
            "31:8 warning: pool `web/iad` of www.example.com. has no IPv6 addresses | its other pools have some | help: clients that are sent there get no IPv6 address at all"
        ]
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

/// The faults of a zone `example.com` with these records, and of a zone `sub.example.com`.
fn nested(records: &str) -> Vec<String> {
    let outer = format!("$TTL 60\n@ SOA ns.example.net. h 1 2 3 4 5\n@ NS ns.example.net.\n{records}");
    let inner = b"[nameservers]\n\"ns.example.net.\" = []\n";
    let files: [(&str, &[u8]); 3] = [
        ("truenorth.toml", b"zones = \"zones\"\n"),
        ("zones/example.com.zone", outer.as_bytes()),
        ("zones/sub.example.com.toml", inner),
    ];
    match load_files(&files) {
        Ok(config) => lines(&config.warnings),
        Err(faults) => lines(&faults),
    }
}

#[test]
fn a_zone_in_a_zone_is_delegated_by_it() {
    assert_told(&nested("sub NS ns.example.net.\n"), &[]);
    assert_told(
        &nested("other NS ns.example.net.\n"),
        &[
            "1:1 warning: the zone sub.example.com. is not delegated by example.com., which contains it | resolvers may find that it does not exist | help: give example.com. an NS record for it",
        ],
    );
    assert_told(
        &nested("@ DNAME example.net.\n"),
        &["1:1 error: the zone sub.example.com. is below a DNAME of example.com. | 4:1 the DNAME"],
    );
}

#[test]
fn https_says_what_a_record_can_hold_where_there_is_one() {
    let with = |https: &str| changed(r#"fallback = "sorry""#, &format!("fallback = \"sorry\"\nhttps = {https}"));
    assert_told(&with("{ alpn = [\"h2\"], port = 8443, no_default_alpn = true, ech = \"AAb+DQACBwc=\" }"), &[]);
    assert_told(
        &with("{ alpn = [\"h2\", \"http2\"] }"),
        &[
            "34:25 warning: `http2` is no protocol that browsers speak | not one of IANA's names | help: they speak `http/1.1`, `h2`, `h3`",
        ],
    );
    assert_told(&with("{ alpn = [\"h2\", \"h2\"] }"), &["34:25 error: `alpn` names a protocol twice | again"]);
    assert_told(
        &with("{ no_default_alpn = true }"),
        &["34:29 error: `no_default_alpn` without `alpn` leaves no protocol at all | needs `alpn`"],
    );
    assert_told(&with("{ ech = \"AAb+\" }"), &["34:17 error: this is not an ECHConfigList (RFC 9849, section 4)"]);
    assert_told(&with("{ ech = \"*\" }"), &["34:17 error: `ech` takes an ECHConfigList in Base64 (RFC 9848)"]);
    assert_told(&with("{ alpm = [\"h2\"] }"), &["34:11 error: `https` has no key `alpm` | did you mean `alpn`?"]);
    assert_told(
        &with("{}\n[records.www]\nHTTPS = \"1 . alpn=h2\""),
        &["36:9 error: www.example.com. is steered and has a static HTTPS record | static | 31:8 steered here"],
    );
    assert_told(
        &changed(r#"pools = ["elsewhere"]"#, "pools = [\"elsewhere\"]\nhttps = {}"),
        &[
            "37:1 error: `https` is not allowed at alias.example.com.: its pools hold a CNAME, which excludes other records | never answered",
        ],
    );
}

#[test]
fn sticky_is_no_finer_than_clients_are_looked_at() {
    let with = |keys: &str| changed(r#"fallback = "sorry""#, &format!("fallback = \"sorry\"\n{keys}"));
    assert_told(&with("steer = [\"sticky\"]\nsticky_v4 = 24\nsticky_v6 = 56"), &[]);
    assert_told(&with("pick = \"sticky\"\nsticky_v4 = 0\nsticky_v6 = 0"), &[]);
    assert_told(
        &with("steer = [\"sticky\"]\nsticky_v4 = 25\nsticky_v6 = 57"),
        &[
            "35:13 error: `sticky_v4` (25) is longer than `max_source_v4` (24) | longer than any client's prefix | help: `max_source_v4` is set in the server file, in `[ecs]`",
            "36:13 error: `sticky_v6` (57) is longer than `max_source_v6` (56) | longer than any client's prefix | help: `max_source_v6` is set in the server file, in `[ecs]`",
        ],
    );
    assert_told(
        &with("steer = [\"sticky\"]\nsticky_v4 = 33"),
        &["35:13 error: `sticky_v4` takes a whole number from 0 to 32 | 33"],
    );
    assert_told(
        &with("sticky_v4 = 20"),
        &["34:1 warning: `sticky_v4` has no effect: neither `steer` nor `pick` uses a hash"],
    );
    assert_told(
        &with("steer = [\"sticky\", \"weight\", \"region\"]"),
        &[
            "34:20 warning: step `weight` has no effect | never decides anything | 34:10 leaves no ties",
            "34:30 warning: step `region` has no effect | never decides anything | 34:10 leaves no ties",
        ],
    );
    let shorter = format!("{SERVER}[ecs]\nmax_source_v4 = 20\nmax_source_v6 = 48\n");
    let zone = format!("{ZONE}[names.near]\npools = [\"web\"]\nsteer = [\"region\", \"sticky\"]\n");
    let files = [("truenorth.toml", shorter.as_bytes()), ("zones/example.com.toml", zone.as_bytes())];
    let world = load_files(&files).unwrap().world;
    assert_eq!(world.zones[0].names[2].steering.sticky, Some([20, 48]), "the default is no finer either");
    assert_eq!(world.zones[0].names[0].steering.sticky, None);
}

#[test]
fn a_spare_needs_a_place_to_spare() {
    let with = |keys: &str| changed(r#"fallback = "sorry""#, &format!("fallback = \"sorry\"\n{keys}"));
    assert_told(&with("take = 2\nspare = true"), &[]);
    assert_told(&with("spare = false"), &[]);
    let fault = "34:1 error: `spare` keeps the last of several datacenters, but `take` is 1 | has no effect | help: `take = 2` is the nearest datacenter and a spare one";
    assert_told(&with("spare = true"), &[fault]);
    assert_told(&with("spare = true\ntake = 1"), &[fault]);
}

#[test]
fn weights_have_an_effect_where_a_hash_or_a_spare_goes_by_them() {
    let pools = "pools = [{ pool = \"web/fra\", weight = 3 }, \"web/iad\"]";
    let with = |keys: &str| changed("pools = [\"web\"]\nfallback", &format!("{pools}\n{keys}\nfallback"));
    assert_told(&with("steer = [\"sticky\"]"), &[]);
    assert_told(&with("steer = [\"region\"]\ntake = 2\nspare = true"), &[]);
    assert_eq!(with("steer = [\"failover\"]").len(), 1);
    let endpoints = "endpoints.fra = [{ address = \"198.51.100.10\", weight = 2 }, { address = \"198.51.100.11\" }]";
    let with = |pick: &str| {
        let zone = ZONE.replace("endpoints.fra = [\"198.51.100.10\"]", endpoints);
        lines(&told(load_zone(&zone.replace("fallback =", &format!("pick = \"{pick}\"\nfallback =")))))
    };
    assert_told(&with("sticky"), &[]);
    assert_eq!(with("rotate").len(), 1);
}

#[test]
fn capacities_are_numbers_above_nothing_that_somebody_looks_at() {
    assert_told(
        &changed("monitor = \"web\"\n", "monitor = \"web\"\ncapacity = 0\n"),
        &["22:12 error: `capacity` takes a number from 0.001 to 1000000000000 | 0"],
    );
    assert_told(
        &changed("[\"198.51.100.10\"]", "[{ address = \"198.51.100.10\", capacity = \"many\" }]"),
        &["22:58 error: `capacity` takes a number from 0.001 to 1000000000000 | a string"],
    );
    let ineffective = "the capacity of pool `web/fra` has no effect | no name that uses it steers or picks by load | help: use \
                       the step `load`, or `pick = \"least-load\"`, in a name";
    for written in ["monitor = \"web\"\ncapacity = 100\n", "monitor = \"web\"\ncapacity = 0.5\n"] {
        let told = changed("monitor = \"web\"\n", written);
        assert_eq!(told, [format!("20:8 warning: {ineffective}")]);
    }
    for key in ["steer = [\"region\", \"load\"]", "pick = \"least-load\""] {
        let zone = ZONE.replace("monitor = \"web\"\n", "monitor = \"web\"\ncapacity = 100\n");
        let zone = zone.replace("fallback = \"sorry\"", &format!("fallback = \"sorry\"\n{key}"));
        assert!(load_zone(&zone).unwrap().warnings.0.is_empty(), "{key}");
    }
    let dead = changed("fallback = \"sorry\"", "fallback = \"sorry\"\nsteer = [\"weight\", \"load\"]");
    assert_eq!(dead, ["34:20 warning: step `load` has no effect | never decides anything | 34:10 leaves no ties"]);
}

#[test]
fn roll_outs_are_told_where_they_cannot_be() {
    const NEXT: &str = "[pools.next]\nendpoints = [\"192.0.2.77\"]\n[names.api]\npools = [\"web/fra\", \"next\"]\n";
    for (keys, expected) in [
        ("active = \"next\"", &[][..]),
        (
            "canary = { pool = \"next\", steps = [5, 100], hold = \"1s\", rollback = { healthy = 1, errors = 0, latency = \"150%\" } }",
            &[],
        ),
        (
            "active = \"nxt\"",
            &[
                "5:10 error: there is no pool `nxt` | did you mean `next`? | help: there is `web`, `sorry`, `elsewhere`, `next`",
            ],
        ),
        ("active = \"sorry\"", &["5:10 error: the name's `pools` do not hold `sorry` | add it there"]),
        (
            "active = \"next\"\ncanary = { pool = \"next\", steps = [5] }",
            &[
                "6:1 error: `canary` and `active` exclude each other | also moves clients | 5:1 sets the pool for all clients",
            ],
        ),
        ("canary = { pool = \"next\" }", &["5:1 error: a canary needs `steps` | `steps` is missing here"]),
        ("canary = { pool = \"next\", steps = [] }", &["5:35 error: a canary needs at least one step"]),
        (
            "canary = { pool = \"next\", steps = [5, 5] }",
            &["5:39 error: each step must be greater than the one before it"],
        ),
        (
            "canary = { pool = \"next\", steps = [5, 101] }",
            &["5:39 error: `steps` takes a whole number from 1 to 100 | 101"],
        ),
        (
            "canary = { pool = \"next\", steps = [5], hold = \"10ms\" }",
            &["5:47 error: `hold` takes a duration such as \"5s\", from 1s to 7d"],
        ),
        (
            "canary = { pool = \"next\", steps = [5], rollback = { latency = \"50%\" } }",
            &[
                "5:63 error: `latency` takes a duration such as \"250ms\", from 1ms to 1m, or a share such as \"150%\", from 100% to 1000%",
            ],
        ),
        (
            "canary = { pool = \"next\", steps = [5], rollback = { helthy = 0.9 } }",
            &["5:53 error: a canary's rollback has no key `helthy` | did you mean `healthy`?"],
        ),
    ] {
        assert_told(&added(&format!("{NEXT}{keys}\n")), expected);
    }
    let alone = "[names.api]\npools = [\"web\"]\n";
    assert_told(
        &added(&format!("{alone}canary = {{ pool = \"web\", steps = [5] }}\n")),
        &["3:19 error: `pools` holds only the canary's pool | no pool is left for the other clients"],
    );
    assert_told(
        &added(&format!("{alone}active = \"web\"\n")),
        &["3:10 warning: `active` has no effect: it names all of `pools` | no pool is left to switch to"],
    );
}
