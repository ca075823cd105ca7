//! Values as operators write them by mistake, and what they meant.

use super::*;

#[test]
fn durations_are_written_with_one_unit() {
    for (written, meant) in [
        ("5", Some("5s")),
        ("5 s", Some("5s")),
        ("5S", Some("5s")),
        ("5sec", Some("5s")),
        ("2 minutes", Some("2m")),
        ("1m30s", Some("90s")),
        ("1s500ms", Some("1500ms")),
        ("5.0", Some("5s")),
        ("PT5M", Some("5m")),
        ("soon", None),
        ("5x", None),
        ("", None),
        ("-5s", None),
    ] {
        assert_eq!(duration(written).as_deref(), meant, "{written}");
    }
    assert_eq!(number("30s").as_deref(), Some("30"));
    assert_eq!(number("5m").as_deref(), Some("300"));
    assert_eq!(number(" 30 ").as_deref(), Some("30"));
    assert_eq!(number("500ms"), None);
}

#[test]
fn addresses_are_found_in_what_is_around_them() {
    for (written, meant) in [
        ("[2001:db8::1]", Some("\"2001:db8::1\"")),
        ("198.51.100.1:80", Some("{ address = \"198.51.100.1\", check_port = 80 }")),
        ("[2001:db8::1]:443", Some("{ address = \"2001:db8::1\", check_port = 443 }")),
        ("198.51.100.1/32", Some("\"198.51.100.1\"")),
        ("http://198.51.100.1/", Some("\"198.51.100.1\"")),
        (" 198.51.100.1", Some("\"198.51.100.1\"")),
        ("198.051.100.001", Some("\"198.51.100.1\"")),
        ("2001:db8::1%eth0", Some("\"2001:db8::1\"")),
        ("[fe80::1%2]", Some("\"fe80::1\"")),
        ("198.51.100.1, 198.51.100.2", Some("\"198.51.100.1\", \"198.51.100.2\"")),
        ("198.51.100", None),
        ("www", None),
    ] {
        let with_port = |at: SocketAddr| format!("{{ address = \"{}\", check_port = {} }}", at.ip(), at.port());
        assert_eq!(address(written, with_port).as_deref(), meant, "{written}");
    }
}

#[test]
fn ports_stand_behind_addresses() {
    for (written, meant) in [
        ("192.0.2.53", Some("\"192.0.2.53:53\"")),
        ("2001:db8::53", Some("\"[2001:db8::53]:53\"")),
        ("2001:db8::1:53", Some("\"[2001:db8::1]:53\"")),
        ("2001:db8::1", Some("\"[2001:db8::1]:53\"")),
        ("[::1]", Some("\"[::1]:53\"")),
        (":53", Some("\"0.0.0.0:53\"")),
        ("53", Some("\"0.0.0.0:53\"")),
        ("localhost:53", Some("\"127.0.0.1:53\"")),
        ("udp://192.0.2.53:53", Some("\"192.0.2.53:53\"")),
        ("ns1.example.com:53", None),
    ] {
        assert_eq!(socket(written, 53).as_deref(), meant, "{written}");
    }
}

#[test]
fn clients_are_told_by_their_kind() {
    for (kind, code, meant) in [
        (None, "TR", Some("country:TR")),
        (None, "EU", Some("continent:EU")),
        (Some("country"), "EU", Some("continent:EU")),
        (Some("country"), "UK", Some("country:GB")),
        (Some("country"), "Germany", Some("country:DE")),
        (Some("continent"), "europe", Some("continent:EU")),
        (Some("continent"), "DE", Some("country:DE")),
        (None, "AS4713", Some("asn:4713")),
        (Some("asn"), "AS4713", Some("asn:4713")),
        (None, "4713", Some("asn:4713")),
        (None, "US-HI", Some("subdivision:US-HI")),
        (Some("country"), "US-HI", Some("subdivision:US-HI")),
        (Some("country"), "276", None),
        (Some("country"), "A1", None),
        (Some("country"), "AP", Some("continent:AS")),
        (Some("continent"), "NAM", Some("continent:NA")),
        (None, "nowhere", None),
    ] {
        assert_eq!(client(kind, code).map(|client| client.to_string()).as_deref(), meant, "{kind:?} {code}");
    }
}

#[test]
fn networks_are_found_in_other_notations() {
    for (written, meant) in [
        ("203.0.113.0/255.255.255.0", Some("\"203.0.113.0/24\"")),
        ("203.0.113.7/255.255.255.0", Some("\"203.0.113.0/24\"")),
        ("203.0.*.*", Some("\"203.0.0.0/16\"")),
        ("[2001:db8::]/32", Some("\"2001:db8::/32\"")),
        ("fe80::1%eth0/64", Some("\"fe80::/64\"")),
        ("cc:DE", Some("`country:DE`")),
        ("203.0.113.0/255.0.255.0", None),
        ("203.0.113.0/33", None),
        ("203.*.113.0", None),
        ("fe:80::1", None),
        ("www", None),
    ] {
        assert_eq!(clients(written).as_deref(), meant, "{written}");
    }
    assert!(clients("any").is_some_and(|meant| meant.contains("`default`")));
    assert_eq!(several("country", "DE, FR").as_deref(), Some("\"country:DE\", \"country:FR\""));
}

#[test]
fn words_of_others_are_known() {
    let known = ["http", "https", "tls", "icmp", "exec"];
    assert_eq!(word("HTTP", &known), Some("http"));
    assert_eq!(word("ping", &known), Some("icmp"));
    assert_eq!(word("Script", &known), Some("exec"));
    assert_eq!(word("geo", &known), None);
    assert_eq!(word("least_load", &["rotate", "least-load"]), Some("least-load"));
    assert_eq!(word("weight", &["weight"]), Some("weight"));
    assert_eq!(word("gateway_icmp", &known), Some("icmp"));
    assert_eq!(word("TCP/80", &["tcp"]), Some("tcp"));
    assert_eq!(word("some-thing", &known), None);
}

#[test]
fn keys_of_others_are_known() {
    assert_eq!(key("backend", &["pools", "steer"]), Some("pools"));
    assert_eq!(key("Health-Check", &["monitor"]), Some("monitor"));
    assert_eq!(key("method", &["pick"]), Some("pick"));
    assert_eq!(key("backend", &["ttl"]), None);
    assert_eq!(list("pools", "a, b"), "[\"a\", \"b\"]");
    assert_eq!(list("command", "/bin/true -x"), "[\"/bin/true\", \"-x\"]");
    assert_eq!(share("50%", |number| number <= 1.0).as_deref(), Some("0.5"));
    assert_eq!(share("50", |number| number <= 1.0).as_deref(), Some("0.5"));
    assert_eq!(share("50.11", |number| number <= 90.0).as_deref(), Some("50.11"));
    assert_eq!(share("2", |number| number <= 1.0), None);
    assert_eq!(share("500", |number| number <= 1.0), None);
}
