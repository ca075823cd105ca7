//! Configurations that are valid but make no sense: names, addresses, regions, files and times.

use super::*;
use crate::config::Asked;
use crate::geo::{CountryCode, Location, Locations, Runs, Subdivision};

/// A zone without a fault; the tests append to it.
const ZONE: &str = r#"
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
[monitors.web]
type = "http"
host = "example.com"
[pools.web]
monitor = "web"
endpoints.fra = ["198.51.100.10"]
endpoints.iad = ["192.0.2.10"]
[names.www]
pools = ["web"]
steer = ["failover", "weight"]
"#;

/// The faults of the zone with more text: severity, message, label and help, without places.
fn told_with(more: &str) -> Vec<String> {
    let without_place = |line: String| match line.split_once(' ') {
        Some((place, rest)) if place.contains(':') && place.starts_with(|c: char| c.is_ascii_digit()) => {
            rest.to_owned()
        }
        _ => line,
    };
    let steer = "steer = [\"failover\", \"weight\"]\n";
    let zone = ZONE.replace(steer, "steer = [\"weight\"]\n") + more;
    lines(&told(load_zone(&zone))).into_iter().map(without_place).collect()
}

/// Asserts that there is exactly one fault, and that it contains all these words.
#[track_caller]
fn assert_one(more: &str, words: &[&str]) {
    let found = told_with(more);
    assert_eq!(found.len(), 1, "{more}\n{found:#?}");
    for word in words {
        assert!(found[0].contains(word), "{more}: no {word:?} in\n{}", found[0]);
    }
}

#[test]
fn a_forgotten_final_dot_is_told() {
    assert_eq!(told_with(""), [""; 0]);
    for (more, meant) in [
        (
            "[pools.c]\nendpoints = [{ cname = \"status.example.net\" }]\n[names.c]\npools = [\"c\"]\nsteer = []",
            "`status.example.net.`",
        ),
        ("[names.\"api.example.com\"]\npools = [\"web\"]\nsteer = []", "`api.example.com.`"),
        ("[records.\"a.example.com\"]\nTXT = [\"x\"]", "`a.example.com.`"),
        ("[records.\"@\"]\nMX = [\"10 mail.example.net\"]", "`mail.example.net.`"),
        ("[records.a]\nCNAME = [\"www.example.org\"]", "`www.example.org.`"),
        ("[records.\"_sip._tcp\"]\nSRV = [\"1 1 5060 sip.example.org\"]", "`sip.example.org.`"),
        ("[records.h]\nHTTPS = [\"1 cdn.example.net alpn=h2\"]", "`cdn.example.net.`"),
        ("[records.sub]\nNS = [\"ns.example.net\"]", "`ns.example.net.`"),
    ] {
        assert_one(more, &["did you mean", meant]);
    }
    // Names that exist, or that are in zones of others.
    for good in [
        "[records.a]\nCNAME = [\"b.c\"]\n[records.\"b.c\"]\nA = [\"192.0.2.1\"]",
        "[records.a]\nCNAME = [\"www\"]",
        "[records.a]\nCNAME = [\"x.y\"]\n[records.\"*.y\"]\nA = [\"192.0.2.1\"]",
        "[records.\"@\"]\nMX = [\"0 .\"]",
        "[records.a]\nCNAME = [\"www.sub\"]\n[records.sub]\nNS = [\"ns.example.net.\"]",
        "[records.a]\nCNAME = [\"www.example.org.\"]",
    ] {
        assert_eq!(told_with(good), [""; 0], "{good}");
    }
}

#[test]
fn names_that_lead_nowhere_are_told() {
    assert_one(
        "[records.a]\nCNAME = [\"ww\"]",
        &["CNAME points at ww.example.com., which the zone example.com. does not have"],
    );
    assert_one("[records.a]\nCNAME = [\"wwww.example.com.\"]", &["does not have", "did you mean `www`"]);
    assert_one("[records.a]\nCNAME = [\"a\"]", &["leads back to itself", "a.example.com. -> a.example.com."]);
    assert_one(
        "[records.a]\nCNAME = [\"b\"]\n[records.b]\nCNAME = [\"c\"]\n[records.c]\nCNAME = [\"a\"]",
        &["a.example.com. -> b.example.com. -> c.example.com. -> a.example.com."],
    );
    assert_one(
        "[pools.c]\nendpoints = [{ cname = \"c\" }]\n[names.c]\npools = [\"c\"]\nsteer = []",
        &["leads back to itself"],
    );
    assert_one("[records.\"*.w\"]\nCNAME = [\"x.w\"]", &["leads back to itself"]);
    assert_one("[records.d]\nDNAME = [\"x.d\"]", &["at or below itself"]);
    for records in [
        "[records.d]\nDNAME = [\"e\"]\n[records.e]\nDNAME = [\"d\"]",
        "[records.d]\nDNAME = [\"x.e\"]\n[records.e]\nDNAME = [\"f\"]\n[records.f]\nDNAME = [\"d\"]",
    ] {
        assert_one(records, &["the DNAME at d.example.com. leads back to itself", "-> d.example.com."]);
    }
    // CNAME and DNAME records together.
    let dname = "[records.a]\nDNAME = [\"b\"]\n";
    for (records, circle) in [
        ("[records.\"q.b\"]\nCNAME = [\"q.a\"]", "the CNAME at q.b.example.com. leads back to itself"),
        ("[records.\"q.b\"]\nCNAME = [\"r\"]\n[records.r]\nCNAME = [\"q.a\"]", "q.a.example.com. -> q.b.example.com."),
        ("[records.\"*.b\"]\nCNAME = [\"z.a\"]", "z.a.example.com. -> z.b.example.com. -> z.a.example.com."),
        ("[records.\"c.b\"]\nDNAME = [\"c.a\"]", "x.c.b.example.com. -> x.c.a.example.com. -> x.c.b.example.com."),
        (
            "[pools.q]\nendpoints = [{ cname = \"q.a\" }]\n[names.\"q.b\"]\npools = [\"q\"]\nsteer = []",
            "the CNAME at q.b.example.com. leads back to itself",
        ),
        // Each lap is longer, with and without a CNAME that leads there.
        (
            "[records.\"c.b\"]\nDNAME = [\"c.c.a\"]",
            "the DNAME at c.b.example.com. leads back to itself, and each lap makes the name longer",
        ),
        (
            "[records.\"c.b\"]\nDNAME = [\"c.c.a\"]\n[records.in]\nCNAME = [\"q.c.a\"]",
            "q.c.b.example.com. -> q.c.c.a.example.com. -> q.c.c.b.example.com.",
        ),
    ] {
        assert_one(&format!("{dname}{records}"), &[circle]);
    }
    let ring = "[records.a]\nDNAME = [\"b.c\"]\n[records.c]\nDNAME = [\"d.a\"]\n[records.in]\nCNAME = [\"q.a\"]";
    assert_one(ring, &["the DNAME at a.example.com. leads back to itself"]);
    // Shorter with each lap: it ends.
    let ends =
        "[records.\"c.b\"]\nDNAME = [\"a\"]\n[records.in]\nCNAME = [\"q.c.c.c.a\"]\n[records.\"q.b\"]\nTXT = [\"end\"]";
    assert_eq!(told_with(&format!("{dname}{ends}")), [""; 0]);
    assert_one(
        "[records.h]\nHTTPS = [\"0 h\"]",
        &["the HTTPS record in AliasMode at h.example.com. leads back to itself"],
    );
    assert_one(
        "[records.h]\nSVCB = [\"0 i\"]\n[records.i]\nSVCB = [\"0 H\"]",
        &["h.example.com. -> i.example.com. -> h.example.com."],
    );
    assert_eq!(told_with("[records.h]\nHTTPS = [\"1 h\", \"2 i\"]\n[records.i]\nHTTPS = [\"0 h\"]"), [""; 0]);
    assert_eq!(told_with("[records.d]\nDNAME = [\"e\"]\n[records.e]\nDNAME = [\"f.example.\"]"), [""; 0]);
    assert_one("[records.\"@\"]\nMX = [\"10 192.0.2.25\"]", &["`192.0.2.25` is an address"]);
    assert_one("[records.a]\nCNAME = [\"2001:db8::1\"]", &["`2001:db8::1` is an address"]);
    assert_one("[records.a]\nNS = [\"192.0.2.53.\"]", &["NS must point at a name, but `192.0.2.53` is an address"]);
    assert_one(
        "[records.\"@\"]\nMX = [\"10 mail\"]\n[records.mail]\nCNAME = [\"www\"]",
        &["MX points at mail.example.com., which is a CNAME", "did you mean `www.example.com.`"],
    );
    assert_one(
        "[records.\"_s._tcp\"]\nSRV = [\"1 1 1 mail\"]\n[records.mail]\nCNAME = [\"www\"]",
        &["SRV points at mail.example.com., which is a CNAME"],
    );
    let naptr = |replacement: &str| format!("[records.\"@\"]\nNAPTR = ['1 1 s SIP+D2U \"\" {replacement}']");
    assert_one(
        &naptr("_sip._upd"),
        &["NAPTR points at _sip._upd.example.com., which the zone example.com. does not have"],
    );
    assert_one(&naptr("192.0.2.25"), &["NAPTR must point at a name, but `192.0.2.25` is an address"]);
    assert_one(&naptr("bücher.example.net."), &["letters that DNS does not carry"]);
    assert_one(&naptr("sip.example.org"), &["did you mean `sip.example.org.`"]);
    for good in [
        naptr("www"),
        naptr("_sip._udp.example.org."),
        "[records.\"@\"]\nNAPTR = ['1 1 u E2U+sip \"!^.*$!sip:a@b!\" .']".to_owned(),
    ] {
        assert_eq!(told_with(&good), [""; 0], "{good}");
    }
    for (rtype, data) in [("MX", "10 www."), ("CNAME", "www."), ("SRV", "0 0 1 www."), ("NS", "www.")] {
        assert_one(
            &format!("[records.sub]\n{rtype} = [\"{data}\"]"),
            &["points at www., a name outside", "did you mean `www.example.com.`, without the final dot?"],
        );
    }
    for rtype in ["AFSDB", "RT", "KX", "LP"] {
        assert_one(&format!("[records.x]\n{rtype} = [\"1 ww\"]"), &["points at ww.example.com., which"]);
    }
}

#[test]
fn names_that_dns_does_not_carry_are_told() {
    let name = |name: &str| format!("[names.\"{name}\"]\npools = [\"web\"]\nsteer = []");
    assert_one(&name("bücher"), &["letters that DNS does not carry", "`xn--bcher-kva`"]);
    assert_one(&name("my shop"), &["a blank in its label `my shop`"]);
    assert_one(&name("http://shop"), &["as a URL does", "did you mean `shop`"]);
    assert_one(&name("foo*"), &["is not a wildcard"]);
    assert_one(&name("a.*.b"), &["is not a wildcard"]);
    assert_one("[records.\"bücher\"]\nA = [\"192.0.2.1\"]", &["`xn--bcher-kva`"]);
    assert_one("[records.a]\nCNAME = [\"bücher.example.net.\"]", &["letters that DNS does not carry"]);
    assert_one(&name("shop:80"), &["a port `:80`", "did you mean `shop`?"]);
    assert_one(&name("shop/path"), &["a slash", "did you mean `shop`?"]);
    assert_one(&name("-shop"), &["a hyphen at an end", "did you mean `shop`?"]);
    assert_one(&name("a.shop-"), &["a hyphen at an end", "did you mean `shop`?"]);
    assert_one(&name("192.0.2.1"), &["the form of an address, `192.0.2.1`"]);
    assert_one(&name("2001:db8::1"), &["the form of an address, `2001:db8::1`"]);
    for good in ["*.shop", "_dmarc", "xn--bcher-kva", "a_b", "UPPER", "4.3.2.1.ptr", "1.2", "a--b"] {
        assert_eq!(told_with(&name(good)), [""; 0], "{good}");
    }
    assert_eq!(told_with("[records.\"My Printer._ipp._tcp\"]\nTXT = [\"x\"]"), [""; 0]);
    assert_eq!(told_with("[records.\"0/25\"]\nTXT = [\"x\"]"), [""; 0]);
    // The same mistake in many names is one warning.
    let many: String = (0..5).map(|number| name(&format!("a b{number}")) + "\n").collect();
    assert_one(&many, &["a blank", "4 more names in this file have the same problem"]);
}

#[test]
fn addresses_that_are_no_hosts_are_told() {
    let pool =
        |address: &str| format!("[pools.p]\nendpoints = [\"{address}\"]\n[names.p]\npools = [\"p\"]\nsteer = []");
    for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"] {
        assert_one(&pool(address), &["error", address]);
    }
    assert_one(&pool("::ffff:192.0.2.1"), &["error", "did you mean \"192.0.2.1\""]);
    for address in ["169.254.0.1", "fe80::1"] {
        assert_one(&pool(address), &["warning", "link-local"]);
    }
    for address in ["127.0.0.1", "10.0.0.1", "fd00::1"] {
        assert_eq!(told_with(&pool(address)), [""; 0]);
    }
    let nameserver = told(load_zone(
        &ZONE.replace("[\"192.0.2.53\"]", "[\"192.0.2.53\", \"0.0.0.0\"]").replace("\"failover\", ", ""),
    ));
    assert!(lines(&nameserver)[0].contains("0.0.0.0"), "{nameserver:?}");
}

#[test]
fn regions_that_cannot_work_are_told() {
    let by_region = |regions: &str, fallback: &str| {
        format!(
            "{regions}\n[regions.default]\nprefer = [\"iad\"]\n[pools.one]\ndatacenter = \"iad\"\nendpoints = [\"192.0.2.77\"]\n[names.r]\npools = [\"one\"]\nsteer = [\"region\"]\n{fallback}\n[names.all]\npools = [\"web\"]\nsteer = [\"region\"]\n"
        )
    };
    let only = "[regions.office]\nclients = [\"203.0.113.0/24\"]\nprefer = [\"fra\"]\nonly = true";
    assert_one(&by_region(only, ""), &["clients of region `office` get nothing from r.example.com."]);
    assert_eq!(told_with(&by_region(only, "prefer = { office = [\"iad\"] }")), [""; 0]);
    let sorry = "fallback = \"sorry\"\n[pools.sorry]\nendpoints = [\"192.0.2.99\"]";
    assert_eq!(told_with(&by_region(only, sorry)), [""; 0]);
    for (prefix, meant) in [
        ("::ffff:203.0.113.0/120", "`203.0.113.0/24`"),
        ("64:ff9b::cb00:7100/120", "`203.0.113.0/24`"),
        ("2002:cb00:7100::/40", "`203.0.113.0/24`"),
        ("2002::/16", "`0.0.0.0/0`"),
        ("64:ff9b::/96", "`0.0.0.0/0`"),
        ("::ffff:0:0/96", "`0.0.0.0/0`"),
    ] {
        let region = format!("[regions.office]\nclients = [\"{prefix}\"]\nprefer = [\"fra\", \"iad\"]");
        assert_one(&by_region(&region, ""), &["has no effect", meant]);
    }
}

#[test]
fn ttls_that_do_not_go_with_failover_are_told_once() {
    let names = |ttl: u32| {
        format!(
            "[names.a]\npools = [\"web\"]\nsteer = []\nttl = {ttl}\n[names.b]\npools = [\"web\"]\nsteer = []\nttl = {ttl}\n"
        )
    };
    assert_one(&names(0), &["a.example.com. and 1 more have a TTL of 0"]);
    assert_one(&names(86_400), &["a.example.com. and 1 more have a TTL of more than an hour"]);
    for ttl in [1, 300, 3600] {
        assert_eq!(told_with(&names(ttl)), [""; 0]);
    }
    // Nothing is probed, so nothing fails over.
    assert_eq!(
        told_with("[pools.s]\nendpoints = [\"192.0.2.1\"]\n[names.s]\npools = [\"s\"]\nsteer = []\nttl = 86400"),
        [""; 0]
    );
}

#[test]
fn files_that_are_not_read_are_told_together() {
    let files = |more: &[(&str, &str)]| {
        let zone = ZONE.replace("\"failover\", ", "");
        let mut files = vec![("truenorth.toml", b"".as_slice()), ("zones/example.com.toml", zone.as_bytes())];
        files.extend(more.iter().map(|(path, text)| (*path, text.as_bytes())));
        lines(&told(load_files(&files)))
    };
    let zone = "[nameservers]\nns1 = [\"192.0.2.1\"]\n";
    for name in ["a.example.tml", "a.example.yaml", "a.example", "a.example.TOML", "a.example.toml.txt", "a.example.db"]
    {
        let found = files(&[(&format!("zones/{name}"), zone)]);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].contains(&format!("warning: `{name}` in ")) && found[0].contains("is not read"), "{found:?}");
    }
    let found = files(&[("zones/a.yaml", zone), ("zones/b", zone), ("zones/c.yml", zone)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`a.yaml`, `b`, `c.yml` in") && found[0].contains("are not read"), "{found:?}");
    for name in [
        "example.com.toml.bak",
        "example.com.toml~",
        ".example.com.toml.swp",
        "README.md",
        "check.sh",
        "example.com.toml.disabled",
    ] {
        let text = if name.contains("toml") { zone } else { "text" };
        assert_eq!(files(&[(&format!("zones/{name}"), text)]), [""; 0], "{name}");
    }
    let copy = files(&[("zones/example.org (copy).toml", "[nameservers]\n\"ns.example.net.\" = []\n")]);
    assert!(
        copy.len() == 1
            && copy[0].contains("is not likely to be the name of a zone")
            && copy[0].contains("copy of a zone"),
        "{copy:?}"
    );
    let bak = files(&[("zones/example.org.bak.toml", "[nameservers]\n\"ns.example.net.\" = []\n")]);
    assert!(bak.len() == 1 && bak[0].contains("is not likely to be the name of a zone"), "{bak:?}");
    // A file that a zone includes is not a zone, whatever its name.
    let part = "a A 192.0.2.1\nb TXT \"no S-O-A\"\n";
    let master = "@ SOA ns hostmaster 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n$INCLUDE part.zone\n";
    let found = files(&[("zones/a.example.zone", master), ("zones/part.zone", part)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("part of another zone, but has the name of a zone of its own"), "{found:?}");
    let master = master.replace("part.zone", "part.db");
    assert_eq!(files(&[("zones/a.example.zone", &master), ("zones/part.db", part)]), [""; 0]);
}

#[test]
fn one_address_serves_one_thing() {
    let told = |server: &str| {
        let zone = ZONE.replace("\"failover\", ", "");
        lines(&told(load_files(&[("truenorth.toml", server.as_bytes()), ("zones/example.com.toml", zone.as_bytes())])))
    };
    for dns in ["127.0.0.1:8053", "0.0.0.0:8053"] {
        let found = told(&format!("[listen]\ndns = [\"{dns}\"]\n[admin]\nlisten = \"127.0.0.1:8053\"\n"));
        assert!(found.len() == 1 && found[0].contains("both need 127.0.0.1:8053 over TCP"), "{found:?}");
    }
    assert_eq!(told("[listen]\ndns = [\"127.0.0.1:8053\"]\n[admin]\nlisten = \"127.0.0.2:8053\"\n"), [""; 0]);
    assert_eq!(told("[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n"), [""; 0]);
}

#[test]
fn requests_that_cannot_be_sent_and_bodies_that_never_come_are_told() {
    let monitor = |keys: &str| {
        format!(
            "[monitors.m]\ntype = \"https\"\n{keys}\n[pools.m]\nmonitor = \"m\"\nendpoints = [\"192.0.2.1\"]\n[names.m]\npools = [\"m\"]\nsteer = []"
        )
    };
    for (keys, words) in [
        ("path = \"/a<b\"", ["`path` takes", "\"/a%3Cb\""]),
        ("path = \"/a b\"", ["`path` takes", "\"/a%20b\""]),
        ("path = \"/100%\"", ["`path` takes", "\"/100%25\""]),
        ("path = \"/é\"", ["`path` takes", "\"/%C3%A9\""]),
        ("path = \"healthz\"", ["`path` takes", "\"/healthz\""]),
        ("path = \"http://a.example:80/x?y=1#z\"", ["\"/x?y=1\"", "host = \"a.example\""]),
        ("host = \"a..b\"", ["`host` takes", "host name"]),
        ("host = \"-a\"", ["`host` takes", "host name"]),
        ("host = \"bücher.example\"", ["`host` takes", "\"xn--bcher-kva.example\""]),
        ("sni = \"bücher.example\"", ["`sni` takes", "\"xn--bcher-kva.example\""]),
        ("host = \"https://a.example/\"", ["`host` takes", "\"a.example\""]),
        ("method = \"HEAD\"\nexpect_body = \"ok\"", ["`expect_body` never holds", "HEAD"]),
        ("expect_status = 204\nexpect_body = \"ok\"", ["`expect_body` never holds", "status"]),
        ("method = \"HEAD\"\nload_json = \"a\"", ["`load_json` has no effect", "HEAD"]),
        ("expect_status = 204\nload_json = \"a\"", ["`load_json` has no effect", "status"]),
        ("expect_status = [\"204-205\", 304]\nexpect_body = \"ok\"", ["`expect_body` never holds", "status"]),
    ] {
        assert_one(&monitor(keys), &words);
    }
    for good in [
        "path = \"/a?b[]=%20\"",
        "expect_status = [200, 204]\nload_json = \"a\"",
        "host = \"a_b.example.\"",
        "expect_status = [200, 204]\nexpect_body = \"ok\"",
        "method = \"HEAD\"",
    ] {
        assert_eq!(told_with(&monitor(good)), [""; 0], "{good}");
    }
}

#[test]
fn secrets_that_everybody_can_read_are_told() {
    let told = |file: &str, server: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("zones")).unwrap();
        let zone = ZONE.replace("\"failover\", ", "");
        for (path, text) in
            [("truenorth.toml", server), ("admin.token", "0123456789abcdef"), ("zones/example.com.toml", &zone)]
        {
            fs::write(folder.path().join(path), text).unwrap();
            let mode = if path == file { 0o644 } else { 0o600 };
            fs::set_permissions(folder.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        lines(&told(load(&folder.path().join("truenorth.toml"), &Disk::new(), &|_| None)))
    };
    let inline = "[admin]\nlisten = \"127.0.0.1:8053\"\ntoken = \"0123456789abcdef\"\n";
    let by_file = "[admin]\nlisten = \"127.0.0.1:8053\"\ntoken_file = \"admin.token\"\n";
    let cookies = "[cookies]\nsecrets = [\"0123456789abcdef0123456789abcdef\"]\n";
    for (file, server) in [("truenorth.toml", inline), ("admin.token", by_file), ("truenorth.toml", cookies)] {
        let found = told(file, server);
        assert!(found.len() == 1 && found[0].contains("everybody on this machine can read"), "{found:?}");
        assert_eq!(told("", server), [""; 0]);
    }
    assert_eq!(told("truenorth.toml", by_file), [""; 0]);
}

/// Locations of one country, with the facts that a city database adds.
fn locations(table: &[Location]) -> Locations {
    Locations { v4: Runs::uniform(0), v6: Runs::uniform(0), table: table.into() }
}

/// The faults of regions with these clients, for databases with these locations.
fn asked(databases: &str, clients: &str, table: &[Location]) -> Vec<String> {
    let zone = format!(
        "{}[regions.r]\nclients = [{clients}]\nprefer = [\"fra\"]\n[regions.default]\nprefer = [\"iad\"]\n",
        ZONE.replace("failover", "region")
    );
    let server = format!("[geoip]\ndatabases = [{databases}]\n");
    let config = load_files(&[("truenorth.toml", server.as_bytes()), ("zones/example.com.toml", zone.as_bytes())]);
    let Config { asked, warnings, .. } = config.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    assert_eq!(lines(&warnings), [""; 0]);
    let asked: Asked = asked;
    lines(&asked.check(&locations(table)))
}

#[test]
fn clients_that_no_database_finds_are_told() {
    let germany = Location {
        country: CountryCode::parse("DE"),
        continent: crate::geo::Continent::parse("EU"),
        ..Location::default()
    };
    let all = "\"continent:EU\", \"country:DE\"";
    assert_eq!(asked("\"a.mmdb\"", all, &[germany]), [""; 0]);
    let found = asked("", all, &[Location::default()]);
    assert!(found.len() == 1 && found[0].contains("there is no GeoIP database"), "{found:?}");
    assert_eq!(asked("", "\"192.0.2.0/24\"", &[Location::default()]), [""; 0]);
    let found = asked("\"a.mmdb\"", all, &[Location::default()]);
    assert!(found.len() == 1 && found[0].contains("the GeoIP databases locate no client"), "{found:?}");
    let found = asked("\"a.mmdb\"", "\"asn:4713\", \"asn:1\", \"subdivision:US-HI\"", &[germany]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("knows autonomous systems: `asn:4713`") && found[1].contains("knows subdivisions"),
        "{found:?}"
    );
    let hawaii = Location { asn: Some(4713), subdivisions: [Subdivision::parse("US-HI"), None], ..germany };
    assert_eq!(asked("\"a.mmdb\"", "\"asn:4713\", \"subdivision:US-HI\"", &[hawaii]), [""; 0]);
    let found = asked("\"a.mmdb\"", "\"asn:1\", \"country:BV\", \"subdivision:US-CA\"", &[hawaii]);
    assert!(found.len() == 1 && found[0].contains("is in `asn:1`, `subdivision:US-CA`, `country:BV`"), "{found:?}");
}
