//! RFC 2181: RRsets, TTLs, truncation.

use std::fmt::Write;

use hickory_proto::rr::RecordType::{A, CNAME, MX, TXT};
use truenorth::answer::Transport;

use crate::scene::{Scene, load, query};

const HEAD: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\n";

fn scene(records: &str) -> Scene {
    Scene::of_files(&[("example.com.zone", &format!("{HEAD}{records}"))])
}

/// "It is meaningless for two records to ever have label, class, type and data all equal - servers should suppress such
/// duplicates if encountered."
#[test]
fn section_5_duplicates_are_suppressed() {
    assert_eq!(scene("www A 192.0.2.1\nWWW A 192.0.2.1\n").ask("www", A, "").data(), ["192.0.2.1"]);
}

/// Names are the same in either case (RFC 4343), in RDATA too: the types of RFC 4034, section 6.2, and SVCB.
#[test]
fn section_5_records_whose_names_differ_in_case_only_are_one() {
    for (records, rtype) in [
        ("x CNAME Target.example.net.\nx CNAME target.EXAMPLE.net.\n", 5),
        ("x MX 10 Mail\nx MX 10 mail\n", 15),
        ("x SRV 1 1 80 Www\nX SRV 1 1 80 wWw\n", 33),
        ("x NAPTR 1 1 \"u\" \"E2U\" \"\" Next\nx NAPTR 1 1 \"u\" \"E2U\" \"\" next\n", 35),
        ("x RP A.b C.d\nx RP a.B c.D\n", 17),
        ("x HTTPS 1 Www alpn=h2\nx HTTPS 1 www alpn=h2\n", 65),
        ("x PTR Host\nx PTR host\n", 12),
        ("x DNAME Elsewhere.example.net.\nx DNAME elsewhere.example.net.\n", 39),
    ] {
        let reply = scene(records).see(&crate::message::ask("x", rtype));
        assert_eq!(reply.counts[1], 1, "{records}");
    }
    let toml =
        "[records.x]\nMX = [\"10 Mail\", \"10 mail\"]\nTXT = [\"A\", \"a\"]\n[records.y]\nCNAME = [\"A\", \"a\"]\n";
    let mut node = Scene::new(toml);
    assert_eq!(node.ask("x", MX, "").data(), ["10 Mail.example.com."], "the first duplicate is kept");
    assert_eq!(node.ask("x", TXT, "").data().len(), 2, "text is no name");
    assert_eq!(node.ask("y", CNAME, "").data(), ["A.example.com."]);
}

/// "The response must be marked as "truncated" if the entire RRSet will not fit in the response."
#[test]
fn section_5_1_an_rrset_comes_whole_or_truncated() {
    let records = (0..100).fold(String::new(), |mut records, place| {
        _ = writeln!(records, "big TXT \"{place} {}\"", "x".repeat(40));
        records
    });
    let mut scene = scene(&records);
    let reply = scene.ask("big", TXT, "");
    assert!(reply.message.metadata.truncation && reply.data().is_empty());
    let over_tcp = scene.send(&query("big", TXT, "").to_vec().unwrap(), Transport::Tcp).unwrap();
    assert_eq!((over_tcp.message.metadata.truncation, over_tcp.data().len()), (false, 100));
}

/// "In no case may a server send an RRSet with TTLs not all equal."
#[test]
fn section_5_2_an_rrset_has_one_ttl() {
    let reply = scene("www 300 A 192.0.2.1\nwww 30 A 192.0.2.2\n").ask("www", A, "");
    assert!(reply.message.answers.iter().all(|record| record.ttl == 30));
}

/// "The TC bit should not be set merely because some extra information could have been included, but there was insufficient
/// room."
#[test]
fn section_9_additional_records_are_left_out_silently() {
    let addresses = (0..200).fold("@ MX 10 mail\n".to_owned(), |mut records, place| {
        _ = writeln!(records, "mail A 192.0.2.{place}");
        records
    });
    let reply = scene(&addresses).ask("example.com.", MX, "");
    assert_eq!(reply.data(), ["10 mail.example.com."]);
    assert!(!reply.message.metadata.truncation && reply.additionals().is_empty());
}

/// "For any label in the DNS (any domain name) exactly one of the following is true: one CNAME record exists, optionally
/// accompanied by SIG, NXT, and KEY RRs, one or more records exist, none being CNAME records, [...]"
#[test]
fn section_10_1_a_cname_stands_alone() {
    for records in ["a CNAME b\na A 192.0.2.1\n", "a CNAME b\na CNAME c\n", "a CNAME b\na DNAME c\n"] {
        assert!(load("", &[("example.com.zone", &format!("{HEAD}{records}"))]).is_err(), "{records}");
    }
}
