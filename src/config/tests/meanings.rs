//! Common mistakes: each gets one fault, with what was probably meant.

use super::*;

/// A server file and a zone. Each case changes one thing.
const SERVER_FILE: &str = "[listen]\ndns = [\"127.0.0.1:5300\"]\n";
const ZONE: &str = r#"ttl = 30
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
[regions.europe]
clients = ["continent:EU"]
prefer = ["fra"]
[regions.default]
prefer = ["fra"]
[monitors.web]
type = "http"
host = "example.com"
[pools.web]
monitor = "web"
datacenter = "fra"
endpoints = ["198.51.100.10"]
[names.www]
pools = ["web"]
steer = ["region"]
[records."@"]
MX = ["10 mail.example.net."]
"#;

/// The faults of the files with one change.
fn changed(from: &str, to: &str) -> Vec<String> {
    let (server, zone) = (SERVER_FILE.replace(from, to), ZONE.replace(from, to));
    assert!(server != SERVER_FILE || zone != ZONE, "{from}");
    lines(&told(load_files(&[("truenorth.toml", server.as_bytes()), ("zones/example.com.toml", zone.as_bytes())])))
}

/// Asserts that each change is one fault with this text.
#[track_caller]
fn assert_told_once(changes: &[(&str, &str, &str)]) {
    for (from, to, meant) in changes {
        let found = changed(from, to);
        assert_eq!(found.len(), 1, "{to}\n{found:#?}");
        assert!(found[0].contains(meant), "{to}: no {meant:?} in\n{}", found[0]);
    }
}

/// One message reports the missing quotes of a value and everything else that is wrong with it.
#[test]
fn values_without_quotes_are_told_once_as_they_were_meant() {
    let with = |line: &str| format!("host = \"example.com\"\n{line}");
    let monitors = [
        ("expect_status = 2xx", "did you mean \"200-299\"?"),
        ("expect_status = [2xx]", "did you mean \"200-299\"?"),
        ("expect_status = 200..299", "did you mean \"200-299\"?"),
        ("expect_status: 2xx", "did you mean \"200-299\"?"),
        ("degraded = { expect_status = 5xx }", "did you mean \"500-599\"?"),
        ("path = http://example.com/up", "did you mean \"/up\" and host = \"example.com\"?"),
        ("method = get", "did you mean \"GET\"?"),
        ("interval = 5 parsecs", "`interval` takes a duration"),
        ("verify = maybe", "`verify` is for monitors of type https"),
        ("expect_body = /[/", "`expect_body` is not a regular expression"),
    ];
    let monitors = monitors.map(|(line, meant)| ("host = \"example.com\"", with(line), meant));
    let others = [
        ("type = \"http\"", "type = HTTP", "did you mean `http`?"),
        ("type = \"http\"\nhost = \"example.com\"", "type = ping", "did you mean `icmp`?"),
        ("host = \"example.com\"", "host = http://example.com/", "did you mean \"example.com\"?"),
        ("steer = [\"region\"]", "steer = [geo]", "did you mean `region`?"),
        ("steer = [\"region\"]", "steer = [\"region\"]\npick = round-robin", "did you mean `rotate`?"),
        ("pools = [\"web\"]", "pools = [wbe]", "did you mean `web`?"),
        ("monitor = \"web\"", "monitor = wbe", "did you mean `web`?"),
        ("datacenter = \"fra\"", "datacenter = far", "did you mean `fra`?"),
        ("\"continent:EU\"", "europe", "did you mean `continent:EU`?"),
        ("\"continent:EU\"", "country:UK", "the United Kingdom is `GB`"),
        ("\"198.51.100.10\"", "198.51.100.1:80", "did you mean { address = \"198.51.100.1\", check_port = 80 }?"),
        ("\"198.51.100.10\"", "www.example.net", "{ cname = \"www.example.net.\" }"),
        ("dns = [\"127.0.0.1:5300\"]", "dns = [127.0.0.1]", "did you mean \"127.0.0.1:53\"?"),
        ("dns = [\"127.0.0.1:5300\"]", "dns = :53", "did you mean \"0.0.0.0:53\"?"),
    ];
    let others = others.map(|(from, to, meant)| (from, to.to_owned(), meant));
    for (from, to, meant) in monitors.iter().chain(&others) {
        assert_told_once(&[(from, to, meant)]);
        let found = changed(from, to);
        assert!(found[0].contains("this is not TOML: "), "{to}: {}", found[0]);
    }
    // The same value with its quotes is all that is needed.
    let found = changed("type = \"http\"", "type = http");
    assert_eq!(found, ["12:8 error: this is not TOML: text is in quotes | help: write `type = \"http\"`"]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of mistakes")]
fn every_mistake_is_told_once_with_what_was_meant() {
    assert_told_once(&[
        ("type = \"http\"", "type = \"HTTP\"", "did you mean `http`?"),
        ("type = \"http\"\nhost = \"example.com\"", "type = \"ping\"", "did you mean `icmp`?"),
        ("type = \"http\"", "type = \"script\"", "did you mean `exec`?"),
        ("type = \"http\"", "typ = \"http\"", "did you mean `type`?"),
        ("steer = [\"region\"]", "steer = [\"geo\"]", "did you mean `region`?"),
        ("steer = [\"region\"]", "steer = [\"priority\"]", "did you mean `failover`?"),
        ("steer = [\"region\"]", "steer = [\"region\"]\npick = \"round-robin\"", "did you mean `rotate`?"),
        ("steer = [\"region\"]", "steer = [\"region\"]\npick = \"least_load\"", "did you mean `least-load`?"),
        ("steer = [\"region\"]", "steer = [\"region\"]\nall_down = \"NODATA\"", "did you mean `nodata`?"),
        ("pools = [\"web\"]", "pool = [\"web\"]", "did you mean `pools`?"),
        ("pools = [\"web\"]", "pools = [\"Web\"]", "did you mean `web`?"),
        ("host = \"example.com\"", "host = \"example.com\"\ninterval = \"5\"", "did you mean \"5s\"?"),
        ("host = \"example.com\"", "host = \"example.com\"\ninterval = 5", "did you mean \"5s\"?"),
        ("host = \"example.com\"", "host = \"example.com\"\ninterval = \"5 sec\"", "did you mean \"5s\"?"),
        ("host = \"example.com\"", "host = \"example.com\"\ninterval = \"1m30s\"", "did you mean \"90s\"?"),
        ("host = \"example.com\"", "host = \"example.com\"\nrise = \"2\"", "did you mean `2`?"),
        (
            "host = \"example.com\"",
            "host = \"example.com\"\npath = \"http://example.com/up\"",
            "did you mean \"/up\" and host = \"example.com\"?",
        ),
        ("ttl = 30", "ttl = \"30s\"", "did you mean `30`?"),
        ("ttl = 30", "ttl = \"5m\"", "did you mean `300`?"),
        ("ttl = 30", "ttl = \"30\"", "did you mean `30`?"),
        ("\"198.51.100.10\"", "\"[2001:db8::1]\"", "did you mean \"2001:db8::1\"?"),
        ("\"198.51.100.10\"", "\"198.51.100.1:80\"", "did you mean { address = \"198.51.100.1\", check_port = 80 }?"),
        ("\"198.51.100.10\"", "\"198.51.100.1/32\"", "did you mean \"198.51.100.1\"?"),
        ("\"198.51.100.10\"", "\"198.51.100.010\"", "did you mean \"198.51.100.10\"?"),
        ("\"198.51.100.10\"", "\"www.example.net\"", "{ cname = \"www.example.net.\" }"),
        ("\"continent:EU\"", "\"country:EU\"", "did you mean `continent:EU`?"),
        ("\"continent:EU\"", "\"TR\"", "did you mean `country:TR`?"),
        ("\"continent:EU\"", "\"EU\"", "did you mean `continent:EU`?"),
        ("\"continent:EU\"", "\"AS4713\"", "did you mean `asn:4713`?"),
        ("\"continent:EU\"", "\"asn:AS4713\"", "did you mean `asn:4713`?"),
        ("\"continent:EU\"", "\"US-HI\"", "did you mean `subdivision:US-HI`?"),
        ("\"continent:EU\"", "\"continent:Europe\"", "did you mean `continent:EU`?"),
        ("\"continent:EU\"", "\"country:Germany\"", "did you mean `country:DE`?"),
        ("\"127.0.0.1:5300\"", "\"127.0.0.1\"", "did you mean \"127.0.0.1:53\"?"),
        ("\"127.0.0.1:5300\"", "\":53\"", "did you mean \"0.0.0.0:53\"?"),
        ("\"127.0.0.1:5300\"", "\"localhost:53\"", "did you mean \"127.0.0.1:53\"?"),
        ("[names.www]", "[monitors.web]\ntype = \"tcp\"\nport = 1\n[names.www]", "`[monitors.web]` is given twice"),
        ("ttl = 30", "ttl = 30\nttl = 60", "`ttl` is given twice"),
    ]);
}

#[test]
fn keys_and_notations_of_others_are_told_once_with_ours() {
    assert_told_once(&[
        ("pools = [\"web\"]", "backend = [\"web\"]", "did you mean `pools`?"),
        ("pools = [\"web\"]", "pools = \"web\"", "did you mean [\"web\"]?"),
        ("pools = [\"web\"]", "pools = [{ name = \"web\" }]", "did you mean `pool`?"),
        ("pools = [\"web\"]", "pools = [\"web\", \"web\"]", "is used twice"),
        ("endpoints = [\"198.51.100.10\"]", "servers = [\"198.51.100.10\"]", "did you mean `endpoints`?"),
        ("endpoints = [\"198.51.100.10\"]", "endpoints = [{ ip = \"198.51.100.10\" }]", "did you mean `address`?"),
        ("endpoints = [\"198.51.100.10\"]", "endpoints = [{ adress = \"198.51.100.10\" }]", "did you mean `address`?"),
        (
            "\"198.51.100.10\"",
            "{ address = \"198.51.100.10\", check_address = \"198.51.100.1:80\" }",
            "did you mean \"198.51.100.1\" and check_port = 80?",
        ),
        ("\"198.51.100.10\"", "\"2001:db8::1%eth0\"", "did you mean \"2001:db8::1\"?"),
        ("\"198.51.100.10\"", "\"198.51.100.1, 198.51.100.2\"", "did you mean \"198.51.100.1\", \"198.51.100.2\"?"),
        ("monitor = \"web\"", "monitor = \"web\"\nmin_healthy = \"50%\"", "did you mean `0.5`?"),
        ("monitor = \"web\"", "monitor = \"web\"\nmin_healthy = 50", "did you mean `0.5`?"),
        ("monitor = \"web\"", "healthcheck = \"web\"\nmonitor = \"web\"", "did you mean `monitor`?"),
        ("clients = [\"continent:EU\"]", "countries = [\"continent:EU\"]", "did you mean `clients`?"),
        ("clients = [\"continent:EU\"]", "clients = \"continent:EU\"", "did you mean [\"continent:EU\"]?"),
        ("\"continent:EU\"", "\"region:US-CA\"", "did you mean `subdivision:US-CA`?"),
        ("\"continent:EU\"", "\"203.0.113.0/255.255.255.0\"", "did you mean \"203.0.113.0/24\"?"),
        ("\"continent:EU\"", "\"[2001:db8::]/32\"", "did you mean \"2001:db8::/32\"?"),
        ("\"continent:EU\"", "\"country:DE,FR\"", "did you mean \"country:DE\", \"country:FR\"?"),
        ("\"continent:EU\"", "\"subdivision:US_CA\"", "did you mean `subdivision:US-CA`?"),
        ("\"continent:EU\"", "\"any\"", "did you mean the region `default`"),
        ("\"continent:EU\"", "\"country:AP\"", "did you mean `continent:AS`?"),
        ("latitude = 50.11", "lat = 50.11", "did you mean `latitude`?"),
        ("latitude = 50.11", "latitude = \"50.11\"", "did you mean `50.11`?"),
        ("[\"192.0.2.53\"]", "\"192.0.2.53\"", "did you mean [\"192.0.2.53\"]?"),
        ("[\"192.0.2.53\"]", "[\"192.0.2.53:53\"]", "did you mean \"192.0.2.53\"?"),
        ("[\"192.0.2.53\"]", "[\"192.0.2.53/24\"]", "did you mean \"192.0.2.53\"?"),
        ("type = \"http\"", "type = \"h2c\"", "did you mean `http`?"),
        ("type = \"http\"", "type = \"http_std\"", "did you mean `http`?"),
        ("type = \"http\"", "kind = \"http\"", "did you mean `type`?"),
        ("host = \"example.com\"", "hostname = \"example.com\"\nhost = \"a.example\"", "did you mean `host`?"),
        ("host = \"example.com\"", "host = \"[2001:db8::1]:80\"", "did you mean \"2001:db8::1\"?"),
        ("host = \"example.com\"", "host = \"fe80::1%eth0\"", "did you mean \"fe80::1\"?"),
        ("host = \"example.com\"", "host = \"me@example.com\"", "did you mean \"example.com\"?"),
        ("host = \"example.com\"", "host = \"192.0.2.256\"", "a host name or an address"),
        (
            "type = \"http\"\nhost = \"example.com\"",
            "type = \"dns\"\nquery = \"a\"\nexpect_rcode = \"noerror\"",
            "did you mean \"NOERROR\"?",
        ),
        (
            "type = \"http\"\nhost = \"example.com\"",
            "type = \"dns\"\nquery = \"a\"\nexpect_rcode = [\"NXDOMIN\"]",
            "did you mean \"NXDOMAIN\"?",
        ),
        ("type = \"http\"\nhost = \"example.com\"", "type = \"all\"\nof = \"port\"", "did you mean [\"port\"]?"),
        ("type = \"http\"", "type = http", "help: write `type = \"http\"`"),
        ("steer = [\"region\"]", "steer = \"geo, failover\"", "did you mean [\"region\", \"failover\"]?"),
        ("steer = [\"region\"]", "steer = [\"region\"]\nfallback = [\"web\"]", "did you mean \"web\"?"),
        ("steer = [\"region\"]", "steer = [\"region\"]\nanswers = \"5 %\"", "did you mean `5`?"),
        (
            "host = \"example.com\"",
            "host = \"example.com\"\npath = \"GET /up\"",
            "did you mean \"/up\" and method = \"GET\"?",
        ),
        (
            "host = \"example.com\"",
            "host = \"example.com\"\npath = \"example.com/up\"",
            "did you mean \"/up\" and host = \"example.com\"?",
        ),
        ("host = \"example.com\"", "host = \"example.com\"\nmethod = \"get\"", "did you mean \"GET\"?"),
        ("host = \"example.com\"", "host = \"example.com\"\nexpect_status = \"2xx\"", "did you mean \"200-299\"?"),
        (
            "host = \"example.com\"",
            "host = \"example.com\"\nexpect_status = \"200,204\"",
            "did you mean [\"200\", \"204\"]?",
        ),
        (
            "host = \"example.com\"",
            "host = \"example.com\"\nexpect_status = [\"299-200\"]",
            "did you mean \"200-299\"?",
        ),
        ("host = \"example.com\"", "host = \"example.com\"\nfall = 3.0", "did you mean `3`?"),
        ("host = \"example.com\"", "host = \"example.com\"\nretries = 3", "did you mean `fall`?"),
        ("host = \"example.com\"", "host = \"example.com\"\ninterval = 5.0", "did you mean \"5s\"?"),
        ("host = \"example.com\"", "host = \"example.com\"\ninterval = \"PT5S\"", "did you mean \"5s\"?"),
        ("host = \"example.com\"", "host = \"example.com\"\ninterval = 5000", "did you mean \"5000ms\"?"),
        ("steer = [\"region\"]", "policy = [\"region\"]\nsteer = []", "did you mean `steer`?"),
        ("steer = [\"region\"]", "steer = [\"latency\"]\nlatency_tolerance = 15", "did you mean \"15%\"?"),
        ("steer = [\"region\"]", "steer = [\"latency\"]\nlatency_tolerance = 0.15", "did you mean \"15%\"?"),
        ("steer = [\"region\"]", "steer = [\"latency\"]\nlatency_tolerance = \"15 %\"", "did you mean \"15%\"?"),
        ("steer = [\"region\"]", "steer = [\"sticky\"]\nsticky_v4 = \"/24\"", "did you mean `24`?"),
    ]);
}

#[test]
fn what_stands_there_twice_is_told_with_its_first_place() {
    let found = changed("[names.www]", "[monitors.web]\ntype = \"tcp\"\nport = 1\n[names.www]");
    assert!(found[0].contains(" | again | 11:1 first here"), "{found:?}");
    let found = changed("ttl = 30", "ttl = 30\nttl = 60");
    assert!(found[0].starts_with("2:1 error") && found[0].contains("| 1:1 first here"), "{found:?}");
}
