//! The records of answers of signed files, section by section.

use super::signers::{Signed, UNSIGNED, WAYS, Way};
use crate::answers::types;
use crate::harness::SERVER;

#[test]
fn without_do_nothing_of_it_is_seen() {
    for way in [Way::BindNsec, Way::BindNsec3] {
        let (_files, node) = Signed::zone(UNSIGNED, way).serve(SERVER);
        for (name, rtype, status, sections) in [
            ("mail", "A", "NOERROR", [2, 0]),
            ("nope", "A", "NXDOMAIN", [0, 1]),
            ("mail", "MX", "NOERROR", [0, 1]),
            ("x.wild", "TXT", "NOERROR", [1, 0]),
            ("x.wild", "MX", "NOERROR", [0, 1]),
            ("x.cut", "A", "NOERROR", [0, 2]),
            ("host.old", "A", "NOERROR", [3, 0]),
            ("mail", "ANY", "NOERROR", [2, 0]),
        ] {
            let reply = node.dig(&format!("{name}.signed.example {rtype}"));
            let seen = (reply.status.as_str(), [reply.answer.len(), reply.authority.len()]);
            assert_eq!(seen, (status, sections), "{way:?} {name} {rtype}");
            assert!(!reply.has("ad"));
        }
        // Those who ask for signatures get them.
        assert_eq!(types(&node.dig("zzz.signed.example RRSIG").answer)[0], "RRSIG A");
    }
}

#[test]
fn records_come_with_the_signatures_of_the_file() {
    let (_files, node) = Signed::zone(UNSIGNED, Way::BindNsec).serve(SERVER);
    for (name, rtype, answer, authority) in [
        ("zzz", "A", "A RRSIG A", ""),
        ("www", "A", "CNAME RRSIG CNAME A A RRSIG A", ""),
        ("x.wild", "TXT", "TXT RRSIG TXT", "NSEC RRSIG NSEC"),
        ("x.wildalias", "TXT", "CNAME RRSIG CNAME TXT RRSIG TXT", "NSEC RRSIG NSEC"),
        ("x.wildchain", "TXT", "CNAME RRSIG CNAME TXT RRSIG TXT", "NSEC RRSIG NSEC NSEC RRSIG NSEC"),
        ("x.wildnothing", "A", "CNAME RRSIG CNAME", "SOA RRSIG SOA NSEC RRSIG NSEC NSEC RRSIG NSEC NSEC RRSIG NSEC"),
        ("x.wildout", "A", "CNAME RRSIG CNAME", "NSEC RRSIG NSEC"),
        ("host.old", "A", "DNAME RRSIG DNAME CNAME A RRSIG A", ""),
        ("zzz", "ANY", "A RRSIG A", ""),
        ("zzz", "NSEC", "NSEC RRSIG NSEC", ""),
        ("securecut", "DS", "DS RRSIG DS", ""),
        ("@", "CDS", "CDS RRSIG CDS RRSIG CDS", ""),
        ("@", "CDNSKEY", "CDNSKEY RRSIG CDNSKEY RRSIG CDNSKEY", ""),
        ("nope", "A", "", "SOA RRSIG SOA NSEC RRSIG NSEC NSEC RRSIG NSEC"),
        ("mail", "MX", "", "SOA RRSIG SOA NSEC RRSIG NSEC"),
        ("b.c", "A", "", "SOA RRSIG SOA NSEC RRSIG NSEC"),
        // One record shows that the name does not exist, and the types of the wildcard.
        ("x.wild", "MX", "", "SOA RRSIG SOA NSEC RRSIG NSEC"),
        ("cut", "DS", "", "SOA RRSIG SOA NSEC RRSIG NSEC"),
        ("x.cut", "A", "", "NS NS NSEC RRSIG NSEC"),
        ("x.securecut", "A", "", "NS DS RRSIG DS"),
        ("host.plain.example", "A", "A", ""),
    ] {
        let name = match name {
            "@" => "signed.example".to_owned(),
            whole if whole.ends_with(".example") => whole.to_owned(),
            relative => format!("{relative}.signed.example"),
        };
        let reply = node.dig(&format!("+dnssec {name} {rtype}"));
        assert_eq!(types(&reply.answer).join(" "), answer, "{name} {rtype}");
        assert_eq!(types(&reply.authority).join(" "), authority, "{name} {rtype}");
        assert!(!reply.has("ad"));
    }
    let mx = node.dig("+dnssec signed.example MX");
    let of_additional = types(&mx.additional).join(" ");
    assert!(of_additional.contains("RRSIG A") && of_additional.contains("RRSIG AAAA"), "{of_additional}");
}

/// RFC 4034, section 3, and RFC 2308, section 3.
#[test]
fn signatures_live_as_long_as_what_they_cover() {
    let (_files, node) = Signed::zone(UNSIGNED, Way::BindNsec).serve(SERVER);
    for (name, rtype, ttl) in [("mail", "A", 900), ("mail", "AAAA", 1200), ("mail", "TXT", 60), ("x.wild", "A", 300)] {
        let reply = node.dig(&format!("+dnssec {name}.signed.example {rtype}"));
        assert!(reply.answer.iter().all(|record| record.ttl == ttl), "{name} {rtype}: {reply:?}");
    }
    let denied = node.dig("+dnssec nope.signed.example A");
    assert!(denied.authority.iter().all(|record| record.ttl == 60), "{denied:?}");
    let all = node.dig("+tcp mail.signed.example RRSIG");
    let ttls: std::collections::BTreeSet<u32> = all.answer.iter().map(|record| record.ttl).collect();
    assert!(ttls.is_superset(&[60, 900, 1200].into()), "each has its own: {ttls:?}");
}

/// RFC 5155, section 7.2.8.
#[test]
fn owners_of_nsec3_are_no_names() {
    let (_files, node) = Signed::zone(UNSIGNED, Way::BindNsec3).serve(SERVER);
    let denied = node.dig("+dnssec nope.signed.example A");
    let hashed = denied.authority.iter().find(|record| record.rtype == "NSEC3").expect("a proof").name.clone();
    for rtype in ["NSEC3", "A", "RRSIG", "ANY"] {
        let reply = node.dig(&format!("+dnssec {hashed} {rtype}"));
        assert_eq!((reply.status.as_str(), reply.answer.len()), ("NXDOMAIN", 0), "{rtype}");
    }
    assert_eq!(node.dig("+dnssec signed.example NSEC3PARAM").answer.len(), 2);
}

#[test]
fn answers_that_do_not_fit_are_truncated() {
    for way in WAYS {
        let (_files, node) = Signed::zone(UNSIGNED, way).serve(SERVER);
        let words = "nope.signed.example A";
        let reply = node.dig(&format!("+dnssec +bufsize=512 +ignore {words}"));
        let whole = node.dig(&format!("+dnssec +tcp {words}"));
        assert!(reply.has("tc") && !whole.has("tc"), "{way:?}");
        assert!(types(&whole.authority).iter().any(|rtype| rtype.starts_with("NSEC")), "{way:?}");
    }
}

#[test]
fn explain_and_status_tell_keys_and_ends() {
    let signed = Signed::zone(UNSIGNED, Way::BindNsec);
    let files = signed.files(SERVER);
    let explained = files.run("explain x.wild.signed.example A --client 192.0.2.1");
    let line = explained.stdout.lines().find(|line| line.contains("A of x.wild.signed.example")).expect("it is signed");
    assert!(line.contains("(ECDSAP256SHA256) until 20") && line.ends_with(", in the zone's file"), "{explained:?}");
    assert!(explained.stdout.contains("NSEC of"), "the proof, too: {explained:?}");
    let status = files.run("dnssec status").stdout;
    let tag = signed.ds.split(' ').next().unwrap();
    assert!(
        status.starts_with("signed.example. signed by its file, with NSEC; the first signature expires at 20"),
        "{status}"
    );
    assert!(status.contains(&format!("key {tag:<5}  ECDSAP256SHA256  flags 257")), "{status}");
    let ds = files.run("dnssec ds signed.example").stdout;
    assert_eq!(ds.trim(), format!("signed.example. 3600 IN DS {}", signed.ds), "as BIND makes it");
    let json = files.run("dnssec status --json").stdout;
    assert!(json.contains("\"presigned\"") && json.contains("\"expires_key\""), "{json}");
}
