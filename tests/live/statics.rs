//! Static data, steered names in odd places and both transports, as `dig` sees them.

use std::process::Command;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::harness::{Files, Node, Reply, SERVER};

const ZONE: &str = r#"
ttl = 30

[nameservers]
ns1 = ["192.0.2.53", "2001:db8::53"]
"ns.example.net." = []

[soa]
serial = 2024010101

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }

[regions.default]
prefer = ["fra"]

[pools.web]
endpoints.fra = ["198.51.100.10", "2001:db8:f::10"]

[pools.sorry]
endpoints = [{ cname = "status.example.net." }]

[names."@"]
pools = ["web"]
[names.www]
pools = ["web"]
[names."*.apps"]
pools = ["web"]
https = { alpn = ["h2", "h3"], port = 8443 }
[names.elsewhere]
pools = ["sorry"]
[names.whoami]
reflect = true

[records."@"]
MX  = ["10 mail", "20 mail.example.net."]
TXT = ["v=spf1 -all"]

[records.mail]
A = ["192.0.2.25"]

[records.alias]
CNAME = ["second"]
[records.second]
CNAME = ["www"]
[records.loop]
CNAME = ["loop"]

[records."*.wild"]
TXT = ["any"]
[records."there.wild"]
A = ["192.0.2.80"]
[records."a.b.deep"]
A = ["192.0.2.81"]

[records.child]
NS  = ["ns.child", "ns.example.net."]
ttl = 3600
[records."ns.child"]
A = ["192.0.2.54"]

[records.odd]
TYPE65280 = ['\# 4 0a000001']
"#;

/// More strings than a datagram can hold.
const STRINGS: usize = 20;

fn serve() -> Node {
    let big: Vec<String> = (0..STRINGS).map(|number| format!("\"{number:->200}\"")).collect();
    let zone = format!("{ZONE}\n[records.big]\nTXT = [{}]\n", big.join(", "));
    let master = "more IN TXT \"two  blanks\" \"; and a semicolon\"\ncaa IN CAA 0 issue \"ca.example.net\"\n";
    Files::new(SERVER, &[("gslb.example.com.toml", &zone), ("gslb.example.com.zone", master)]).serve()
}

#[track_caller]
fn expect_negative(reply: &Reply, status: &str) {
    assert_eq!((reply.status.as_str(), reply.answer.len()), (status, 0), "{reply:?}");
    assert!(reply.has("aa"), "{reply:?}");
    let soa =
        "gslb.example.com. 60 SOA ns1.gslb.example.com. hostmaster.gslb.example.com. 2024010101 3600 600 604800 60";
    assert_eq!(Reply::lines(&reply.authority), [soa], "the SOA's TTL is the negative one");
}

#[track_caller]
fn expect_answer(reply: &Reply, answer: &[&str]) {
    assert_eq!(reply.status, "NOERROR", "{reply:?}");
    assert!(reply.has("aa") && reply.has("qr") && reply.has("rd") && !reply.has("ra"), "{reply:?}");
    assert_eq!(Reply::lines(&reply.answer), answer);
}

#[test]
fn the_apex_has_its_records_and_is_steered_beside() {
    let node = serve();
    let soa =
        "gslb.example.com. 3600 SOA ns1.gslb.example.com. hostmaster.gslb.example.com. 2024010101 3600 600 604800 60";
    expect_answer(&node.dig("gslb.example.com SOA"), &[soa]);
    let ns = node.dig("gslb.example.com NS");
    expect_answer(
        &ns,
        &["gslb.example.com. 3600 NS ns1.gslb.example.com.", "gslb.example.com. 3600 NS ns.example.net."],
    );
    let glue = ["ns1.gslb.example.com. 300 A 192.0.2.53", "ns1.gslb.example.com. 300 AAAA 2001:db8::53"];
    assert_eq!(Reply::lines(&ns.additional), glue);
    let mx = node.dig("gslb.example.com MX");
    expect_answer(
        &mx,
        &["gslb.example.com. 300 MX 10 mail.gslb.example.com.", "gslb.example.com. 300 MX 20 mail.example.net."],
    );
    assert_eq!(Reply::lines(&mx.additional), ["mail.gslb.example.com. 300 A 192.0.2.25"]);
    expect_answer(&node.dig("gslb.example.com TXT"), &["gslb.example.com. 300 TXT \"v=spf1 -all\""]);
    expect_answer(&node.dig("gslb.example.com A"), &["gslb.example.com. 30 A 198.51.100.10"]);
    expect_answer(&node.dig("gslb.example.com AAAA"), &["gslb.example.com. 30 AAAA 2001:db8:f::10"]);
    expect_negative(&node.dig("gslb.example.com SRV"), "NOERROR");
}

#[test]
fn chains_are_followed_as_far_as_the_zones_reach() {
    let node = serve();
    let chain = [
        "alias.gslb.example.com. 300 CNAME second.gslb.example.com.",
        "second.gslb.example.com. 300 CNAME www.gslb.example.com.",
        "www.gslb.example.com. 30 A 198.51.100.10",
    ];
    let reply = node.dig("alias.gslb.example.com A +subnet=192.0.2.0/24");
    expect_answer(&reply, &chain);
    expect_answer(&node.dig("alias.gslb.example.com CNAME"), &chain[..1]);
    // The chain ends at a name without records of the type, so the answer has an SOA.
    let reply = node.dig("alias.gslb.example.com MX");
    assert_eq!((Reply::lines(&reply.answer).len(), reply.authority.len()), (2, 1), "{reply:?}");
    expect_answer(
        &node.dig("elsewhere.gslb.example.com A"),
        &["elsewhere.gslb.example.com. 30 CNAME status.example.net."],
    );
    let reply = node.dig("loop.gslb.example.com A");
    assert!(reply.answer.iter().all(|record| record.data == "loop.gslb.example.com."), "{reply:?}");
}

#[test]
fn rfc4592_wildcards_stand_in_for_what_is_not_there() {
    let node = serve();
    expect_answer(&node.dig("x.wild.gslb.example.com TXT"), &["x.wild.gslb.example.com. 300 TXT \"any\""]);
    expect_answer(&node.dig("x.y.wild.gslb.example.com TXT"), &["x.y.wild.gslb.example.com. 300 TXT \"any\""]);
    expect_negative(&node.dig("x.wild.gslb.example.com A"), "NOERROR");
    expect_negative(&node.dig("there.wild.gslb.example.com TXT"), "NOERROR");
    expect_negative(&node.dig("x.there.wild.gslb.example.com TXT"), "NXDOMAIN");
    expect_answer(&node.dig("shop.apps.gslb.example.com A"), &["shop.apps.gslb.example.com. 30 A 198.51.100.10"]);
    expect_answer(&node.dig("a.b.apps.gslb.example.com AAAA"), &["a.b.apps.gslb.example.com. 30 AAAA 2001:db8:f::10"]);
    expect_negative(&node.dig("shop.apps.gslb.example.com TXT"), "NOERROR");
}

#[test]
fn what_is_not_there_is_denied() {
    let node = serve();
    expect_negative(&node.dig("nothing.gslb.example.com A"), "NXDOMAIN");
    expect_negative(&node.dig("below.www.gslb.example.com A"), "NXDOMAIN");
    for empty_non_terminal in ["deep", "b.deep", "wild", "apps"] {
        expect_negative(&node.dig(&format!("{empty_non_terminal}.gslb.example.com A")), "NOERROR");
    }
    expect_answer(&node.dig("a.b.deep.gslb.example.com A"), &["a.b.deep.gslb.example.com. 300 A 192.0.2.81"]);
    for outside in ["example.com", "www.example.org", "com", ".", "xgslb.example.com"] {
        let reply = node.dig(&format!("{outside} A"));
        assert_eq!((reply.status.as_str(), reply.has("aa")), ("REFUSED", false), "{reply:?}");
        assert_eq!((reply.answer.len(), reply.authority.len()), (0, 0), "{reply:?}");
    }
    // Names match in any case; the response repeats the question unchanged.
    expect_answer(&node.dig("A.b.DEEP.gslb.Example.com A"), &["A.b.DEEP.gslb.Example.com. 300 A 192.0.2.81"]);
}

#[test]
fn a_delegation_is_referred_to_with_glue() {
    let node = serve();
    for name in ["child", "www.child", "a.b.child"] {
        let reply = node.dig(&format!("{name}.gslb.example.com A"));
        assert_eq!((reply.status.as_str(), reply.has("aa"), reply.answer.len()), ("NOERROR", false, 0), "{reply:?}");
        let ns = [
            "child.gslb.example.com. 3600 NS ns.child.gslb.example.com.",
            "child.gslb.example.com. 3600 NS ns.example.net.",
        ];
        assert_eq!(Reply::lines(&reply.authority), ns);
        assert_eq!(Reply::lines(&reply.additional), ["ns.child.gslb.example.com. 300 A 192.0.2.54"]);
    }
}

#[test]
fn what_does_not_fit_into_a_datagram_is_whole_over_tcp() {
    let node = serve();
    for bufsize in [512, 1232, 4096] {
        let cut = node.dig(&format!("big.gslb.example.com TXT +ignore +bufsize={bufsize}"));
        assert!(cut.has("tc") && cut.answer.is_empty(), "{cut:?}");
    }
    let whole = node.dig("big.gslb.example.com TXT +tcp");
    assert!(!whole.has("tc"));
    assert_eq!(whole.answer.len(), STRINGS, "each TOML string is a record");
    assert_eq!(node.dig("big.gslb.example.com TXT").answer.len(), STRINGS, "dig goes on over TCP by itself");
}

#[test]
fn one_connection_carries_several_questions() {
    let node = serve();
    let replies = node.dig_all(
        "+tcp +keepopen www.gslb.example.com A www.gslb.example.com AAAA big.gslb.example.com TXT nothing.gslb.example.com A",
    );
    let statuses: Vec<&str> = replies.iter().map(|reply| reply.status.as_str()).collect();
    assert_eq!(statuses, ["NOERROR", "NOERROR", "NOERROR", "NXDOMAIN"]);
    let answers: Vec<usize> = replies.iter().map(|reply| reply.answer.len()).collect();
    assert_eq!(answers, [1, 1, STRINGS, 0]);
}

#[test]
fn rfc9460_https_records_hint_at_the_addresses() {
    let node = serve();
    let rdata = "1 . alpn=\"h2,h3\" port=8443 ipv4hint=198.51.100.10 ipv6hint=2001:db8:f::10";
    let reply = node.dig("shop.apps.gslb.example.com HTTPS");
    expect_answer(&reply, &[&format!("shop.apps.gslb.example.com. 30 HTTPS {rdata}")]);
    let addresses =
        ["shop.apps.gslb.example.com. 30 A 198.51.100.10", "shop.apps.gslb.example.com. 30 AAAA 2001:db8:f::10"];
    assert_eq!(Reply::lines(&reply.additional), addresses);
    expect_negative(&node.dig("www.gslb.example.com HTTPS"), "NOERROR");
    let (address, port) = (format!("@{}", node.address().ip()), node.address().port().to_string());
    let mut kdig = Command::new("kdig");
    kdig.args([&address, "-p", &port, "+short", "shop.apps.gslb.example.com", "HTTPS"]);
    let output = kdig.output().expect("kdig of Debian's knot-dnsutils is needed");
    let text = String::from_utf8(output.stdout).expect("kdig writes ASCII");
    assert_eq!(text.trim().replace('"', ""), rdata.replace('"', ""));
}

#[test]
fn strings_and_unknown_types_come_as_they_were_written() {
    let node = serve();
    expect_answer(
        &node.dig("more.gslb.example.com TXT"),
        &["more.gslb.example.com. 300 TXT \"two  blanks\" \"; and a semicolon\""],
    );
    expect_answer(&node.dig("odd.gslb.example.com TYPE65280"), &["odd.gslb.example.com. 300 TYPE65280 \\# 4 0A000001"]);
    expect_answer(&node.dig("caa.gslb.example.com CAA"), &["caa.gslb.example.com. 300 CAA 0 issue \"ca.example.net\""]);
}

#[test]
fn a_reflecting_name_tells_what_is_known_of_the_asker() {
    let node = serve();
    let reply = node.dig("whoami.gslb.example.com TXT -b 127.0.0.9 +subnet=198.51.100.0/24");
    assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 1), "{reply:?}");
    for told in ["\"source=127.0.0.9\"", "\"ecs=198.51.100.0/24\"", "\"region=default\"", "\"ranking=fra\"", "\"node="]
    {
        assert!(reply.data()[0].contains(told), "{told}: {reply:?}");
    }
    assert_eq!(reply.scope(), Some(24), "this network's own answer");
    assert!(node.dig("whoami.gslb.example.com TXT").data()[0].contains("\"ecs=none\""));
    expect_negative(&node.dig("whoami.gslb.example.com A"), "NOERROR");
}

#[test]
fn rfc8482_any_gets_one_rrset_and_transfers_and_other_classes_are_refused() {
    let node = serve();
    assert_eq!(node.dig("mail.gslb.example.com ANY +notcp").answer.len(), 1);
    assert_eq!(node.dig("www.gslb.example.com ANY +notcp").data(), ["\"RFC8482\" \"\""]);
    // A transfer needs a stream; IXFR may be tried without (RFC 1995, section 2).
    for (transfer, code) in [(RecordType::AXFR, ResponseCode::FormErr), (RecordType::IXFR, ResponseCode::Refused)] {
        let reply = node.asker().ask("gslb.example.com.", transfer, None);
        assert_eq!(reply.metadata.response_code, code);
    }
    assert_eq!(node.dig("version.bind TXT CH").status, "REFUSED");
}

#[test]
fn dig_and_delv_find_nothing_to_warn_about() {
    let node = serve();
    let (address, port) = (format!("@{}", node.address().ip()), node.address().port().to_string());
    for question in ["gslb.example.com SOA", "gslb.example.com NS", "www.gslb.example.com A", "mail.gslb.example.com A"]
    {
        for (tool, options) in [
            ("dig", &["+norecurse", "+subnet=198.51.100.0/24"][..]),
            ("dig", &["+norecurse", "+tcp", "+nsid", "+dnssec"]),
            // `-i` turns off validation, because a test has no chain of trust from the root.
            ("delv", &["-i"]),
        ] {
            let mut command = Command::new(tool);
            command.args([&address, "-p", &port]).args(options).args(question.split(' '));
            let output = command.output().expect("bind9-dnsutils is installed");
            let text =
                [output.stdout, output.stderr].map(|octets| String::from_utf8_lossy(&octets).to_lowercase()).concat();
            assert!(output.status.success() && text.contains("gslb.example.com."), "{tool} {question}: {text}");
            // The octets of a cookie are random; dig's verdict comes after them.
            let without_octets = |line: &str| {
                line.split_once("cookie:")
                    .map_or(line, |(_, rest)| rest.trim_start_matches(|c: char| c != '('))
                    .to_owned()
            };
            let text: String = text.lines().map(without_octets).collect::<Vec<_>>().join("\n");
            for word in ["warning", "malformed", "mismatch", "bad", "failed", "error:"] {
                assert!(!text.contains(word), "{tool} {question}: {text}");
            }
        }
    }
}
