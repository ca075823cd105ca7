//! RFC 6672: DNAME.

use hickory_proto::rr::RecordType::{self, A, ANY, CNAME, MX, NS, PTR, TXT};

use crate::scene::{self, Scene, load};

const DNAME: RecordType = RecordType::Unknown(scene::DNAME);
const HEAD: &str = "$TTL 60\n@ SOA ns.other. h.other. 1 3600 600 604800 30\n@ NS ns.other.\n";
const YXDOMAIN: u16 = 6;

fn zone(records: &str) -> String {
    format!("{HEAD}{records}")
}

/// Returns the targets of the CNAME records in the answer for `name`, from a zone with one DNAME.
fn substituted(name: &str, origin: &str, owner: &str, target: &str) -> Vec<String> {
    let mut scene = Scene::of_files(&[(&format!("{origin}.zone"), &zone(&format!("{owner} DNAME {target}\n")))]);
    let reply = scene.ask(name, A, "");
    reply.message.answers.iter().filter(|record| record.record_type() == CNAME).map(|r| r.data.to_string()).collect()
}

/// Table 1, "DNAME Substitution Examples", line by line; "no match" is no CNAME.
#[test]
fn section_2_2_table_1() {
    let com = |name: &str, target: &str| substituted(name, "example.com", "example.com.", target);
    let none: [&str; 0] = [];
    assert_eq!(com("com.", "example.net."), none);
    assert_eq!(com("example.com.", "example.net."), none);
    assert_eq!(com("a.example.com.", "example.net."), ["a.example.net."]);
    assert_eq!(com("a.b.example.com.", "example.net."), ["a.b.example.net."]);
    assert_eq!(substituted("ab.example.com.", "example.com", "b.example.com.", "example.net."), none);
    assert_eq!(com("foo.example.com.", "example.net."), ["foo.example.net."]);
    assert_eq!(substituted("a.x.example.com.", "example.com", "x.example.com.", "example.net."), ["a.example.net."]);
    assert_eq!(com("a.example.com.", "y.example.net."), ["a.y.example.net."]);
    assert_eq!(com("cyc.example.com.", "example.com."), ["cyc.example.com."]);
    assert_eq!(com("cyc.example.com.", "c.example.com."), ["cyc.c.example.com."]);
    assert_eq!(substituted("shortloop.x.x.", "x", "x.", "."), ["shortloop.x.", "shortloop."]);
    assert_eq!(substituted("shortloop.x.", "x", "x.", "."), ["shortloop."]);
}

/// Table 1, note 0: "The result depends on the QTYPE. If the QTYPE = DNAME, then the result is "example.com.", else "<no
/// match>"."
#[test]
fn section_2_2_table_1_note_0() {
    let mut scene = Scene::of_files(&[("example.com.zone", &zone("@ DNAME example.net.\n"))]);
    assert_eq!(scene.ask("example.com.", DNAME, "").answers(), ["example.com. 60 IN DNAME example.net."]);
    assert!(scene.ask("example.com.", A, "").is_nodata());
    assert_eq!(scene.ask("example.com.", NS, "").data(), ["ns.other."]);
}

/// "If this occurs, the server returns an RCODE of YXDOMAIN [RFC2136]. The DNAME record and its signature (if the zone is
/// signed) are included in the answer as proof for the YXDOMAIN (value 6) RCODE."
#[test]
fn section_2_2_a_name_that_gets_too_long_is_yxdomain() {
    // 250 octets.
    let target = format!("{}.", ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(56)].join("."));
    let mut scene = Scene::of_files(&[("example.com.zone", &zone(&format!("x DNAME {target}\n")))]);
    let reply = scene.ask("1234.x", A, "");
    assert_eq!((reply.rcode(), reply.message.answers.len()), (0, 2));
    let reply = scene.ask("12345.x", A, "");
    assert_eq!((reply.rcode(), reply.is_authoritative(), reply.message.answers.len()), (YXDOMAIN, true, 1));
    assert!(reply.answers()[0].starts_with("x.example.com. 60 IN DNAME aaa"));
}

/// "DNAMEs and CNAMEs can chain together to form loops." Each ends, with each record once.
#[test]
fn section_2_2_loops_end() {
    let records = "a DNAME b\nb DNAME a\nup DNAME deep.up\nto CNAME x.from\nfrom DNAME to.from2\nx.to.from2 CNAME to\n";
    let mut scene = Scene::of_files(&[("example.com.zone", &zone(records))]);
    assert_eq!(
        scene.ask("x.a", A, "").answers(),
        [
            "a.example.com. 60 IN DNAME b.example.com.",
            "x.a.example.com. 60 IN CNAME x.b.example.com.",
            "b.example.com. 60 IN DNAME a.example.com.",
            "x.b.example.com. 60 IN CNAME x.a.example.com."
        ]
    );
    assert_eq!(scene.ask("x.up", A, "").message.answers.len(), 2, "every name would be longer than the one before");
    let mut answers = scene.ask("to", A, "").answers();
    assert_eq!(answers.len(), 4);
    answers.dedup();
    assert_eq!(answers.len(), 4);
}

/// The same where each lap makes the name longer: the chain ends after seventeen names, or as soon as the name is too
/// long, and there is room for it all in one message.
#[test]
fn section_2_2_loops_that_grow_end() {
    let zone = zone("a DNAME b\nc.b DNAME c.c.a\nin CNAME q.c.a\n*.w CNAME in\nfar DNAME away.far2\nfar2 DNAME far\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    for (name, dnames) in [("in", 2), ("q.c.a", 2), ("any.w", 2), ("x.far", 2)] {
        let reply = scene.ask(name, A, "");
        let answers = reply.answers();
        let count = |rtype: &str| answers.iter().filter(|record| record.contains(rtype)).count();
        assert_eq!((reply.rcode(), count(" CNAME "), count(" DNAME ")), (0, 17, dnames), "{name}: {answers:?}");
        assert!(!reply.message.metadata.truncation, "{name}");
    }
    // 250 octets, and each lap adds two.
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(40)].join(".");
    let reply = scene.ask(&format!("{long}.c.a"), A, "");
    assert_eq!(reply.rcode(), YXDOMAIN, "{:?}", reply.answers());
    assert!(reply.message.answers.len() > 4);
}

/// A chain may use one DNAME twice; the answer holds its record once.
#[test]
fn section_2_2_a_dname_may_be_used_again() {
    let records = "old DNAME new\na.new CNAME b.old\nb.new A 192.0.2.1\n";
    let mut scene = Scene::of_files(&[("example.com.zone", &zone(records))]);
    assert_eq!(
        scene.ask("a.old", A, "").answers(),
        [
            "old.example.com. 60 IN DNAME new.example.com.",
            "a.old.example.com. 60 IN CNAME a.new.example.com.",
            "a.new.example.com. 60 IN CNAME b.old.example.com.",
            "b.old.example.com. 60 IN CNAME b.new.example.com.",
            "b.new.example.com. 60 IN A 192.0.2.1"
        ]
    );
}

/// "When there is a match of the QTYPE to a type (or types) also owned by the owner name, the response is sourced from the
/// owner name."
#[test]
fn section_2_3_the_owner_is_not_redirected() {
    let mut scene = Scene::of_files(&[("example.com.zone", &zone("x TXT here\nx DNAME y\ny TXT there\n"))]);
    assert_eq!(scene.ask("x", TXT, "").data(), ["here"]);
    assert!(scene.ask("x", A, "").is_nodata());
    assert_eq!(scene.ask("x", ANY, "").data(), ["here"]);
}

/// "DNAME RRs MUST NOT appear at the same owner name as an NS RR unless the owner name is the zone apex". "Resource records
/// MUST NOT exist at any subdomain of the owner of a DNAME RR." "only one DNAME is allowed per name". "A server ought to
/// refuse to load a zone that violates these rules."
#[test]
fn sections_2_3_and_2_4_zones_that_break_the_rules_are_refused() {
    for records in ["x DNAME y\nx NS ns.other.\n", "x DNAME y\na.x A 192.0.2.1\n", "x DNAME y\nx DNAME z\n"] {
        assert!(load("", &[("example.com.zone", &zone(records))]).is_err(), "{records}");
    }
    assert!(load("", &[("example.com.zone", &zone("x DNAME y\nx A 192.0.2.1\nx MX 10 y\n"))]).is_ok());
}

/// "Also, a server ought to refuse to load a zone subordinate to the owner of a DNAME record in the ancestor zone."
#[test]
fn section_2_4_no_zone_stands_below_a_dname() {
    let files = [("example.com.zone", zone("x DNAME y\n")), ("a.x.example.com.zone", zone(""))];
    assert!(load("", &files.each_ref().map(|(name, text)| (*name, text.as_str()))).is_err());
}

/// "The DNAME RDATA target name MUST NOT be sent out in compressed form".
#[test]
fn section_2_5_the_target_is_written_whole() {
    let mut scene = Scene::of_files(&[("example.com.zone", &zone("x DNAME y\n"))]);
    let reply = scene.ask("x", DNAME, "");
    let (question, target) = ("x.example.com".len() + 2 + 4, "y.example.com".len() + 2);
    assert_eq!(reply.octets, 12 + question + 2 + 10 + target + 11);
}

/// "A CNAME RR with Time to Live (TTL) equal to the corresponding DNAME RR is synthesized and included in the answer section
/// when the DNAME is employed as a substitution instruction. The owner name of the CNAME is the QNAME of the query."
#[test]
fn section_3_1_a_cname_is_synthesized() {
    let mut scene = Scene::of_files(&[("example.com.zone", &zone("x 77 DNAME y\na.y 5 A 192.0.2.1\n"))]);
    assert_eq!(
        scene.ask("a.x", A, "").answers(),
        [
            "x.example.com. 77 IN DNAME y.example.com.",
            "a.x.example.com. 77 IN CNAME a.y.example.com.",
            "a.y.example.com. 5 IN A 192.0.2.1"
        ]
    );
}

/// "Servers MUST be able to answer a query for a synthesized CNAME. Like other query types, this invokes the DNAME, and then
/// the server synthesizes the CNAME and places it into the answer section."
#[test]
fn section_3_1_a_synthesized_cname_can_be_asked_for() {
    let mut scene = Scene::of_files(&[("example.com.zone", &zone("x DNAME y\na.y CNAME z\n"))]);
    let reply = scene.ask("a.x", CNAME, "");
    assert_eq!(
        reply.answers(),
        ["x.example.com. 60 IN DNAME y.example.com.", "a.x.example.com. 60 IN CNAME a.y.example.com."]
    );
    assert!(reply.is_authoritative());
}

/// Step 2 of section 3.2 again: the new name may belong to any zone that is served, or to none.
#[test]
fn section_3_2_the_new_name_is_looked_up_in_all_zones() {
    let files = [
        ("example.com.zone", zone("x DNAME example.net.\nfar DNAME example.org.\nin DNAME sub\nsub NS ns.other.\n")),
        ("example.net.zone", zone("a A 192.0.2.1\n")),
        ("sub.example.com.zone", zone("a A 192.0.2.2\n")),
    ];
    let mut scene = Scene::of_files(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    assert_eq!(scene.ask("a.x", A, "").answers()[2], "a.example.net. 60 IN A 192.0.2.1");
    assert_eq!(scene.ask("b.x", A, "").rcode(), 3);
    assert_eq!(scene.ask("a.in", A, "").answers()[2], "a.sub.example.com. 60 IN A 192.0.2.2");
    let far = scene.ask("a.far", A, "");
    assert_eq!((far.rcode(), far.message.answers.len(), far.authorities().len()), (0, 2, 0));
}

/// "The use of DNAME in conjunction with wildcards is discouraged [...]. A server MAY give a warning". Step 3C looks for a
/// DNAME before it looks for the asterisk label, so a wildcard's DNAME redirects only what lies below the asterisk itself.
#[test]
fn section_3_3_a_wildcards_dname_is_warned_of_and_redirects_no_other_name() {
    let text = zone("*.w DNAME y\ny TXT target\n");
    assert_eq!(load("", &[("example.com.zone", &text)]).unwrap().warnings.0.len(), 1);
    let mut scene = Scene::of_files(&[("example.com.zone", &text)]);
    assert!(scene.ask("a.w", A, "").is_nodata());
    assert_eq!(scene.ask("a.w", DNAME, "").answers(), ["a.w.example.com. 60 IN DNAME y.example.com."]);
    assert_eq!(scene.ask("a.*.w", A, "").message.answers.len(), 2);
}

/// Section 6.1's example.
#[test]
fn section_6_1_organizational_renaming() {
    let old = zone("@ DNAME frobozz-division.acme.example.com.\n@ MX 10 mailhub.acme.example.com.\n");
    let new = zone("www.frobozz-division A 192.0.2.1\nmailhub A 192.0.2.2\n");
    let mut scene = Scene::of_files(&[("frobozz.example.net.zone", &old), ("acme.example.com.zone", &new)]);
    assert_eq!(
        scene.ask("www.frobozz.example.net.", A, "").answers(),
        [
            "frobozz.example.net. 60 IN DNAME frobozz-division.acme.example.com.",
            "www.frobozz.example.net. 60 IN CNAME www.frobozz-division.acme.example.com.",
            "www.frobozz-division.acme.example.com. 60 IN A 192.0.2.1"
        ]
    );
    assert_eq!(scene.ask("frobozz.example.net.", MX, "").data(), ["10 mailhub.acme.example.com."]);
}

/// Section 6.2's example.
#[test]
fn section_6_2_classless_delegation_of_shorter_prefixes() {
    let records =
        "8/22 NS ns.slash-22-holder.example.com.\n8 DNAME 8.8/22\n9 DNAME 9.8/22\n10 DNAME 10.8/22\n11 DNAME 11.8/22\n";
    let mut scene = Scene::of_files(&[("0.192.in-addr.arpa.zone", &zone(records))]);
    let reply = scene.ask("33.9.0.192.in-addr.arpa.", PTR, "");
    assert_eq!(reply.answers()[1], "33.9.0.192.in-addr.arpa. 60 IN CNAME 33.9.8\\/22.0.192.in-addr.arpa.");
    assert_eq!(reply.authorities(), ["8\\/22.0.192.in-addr.arpa. 60 IN NS ns.slash-22-holder.example.com."]);
}

/// Section 6.3's example, with the names that the text means.
#[test]
fn section_6_3_network_renumbering() {
    let files = [
        ("new-style.in-addr.arpa.zone", zone("189.190 DNAME in-addr.example.net.\n")),
        ("in-addr.example.net.zone", zone("188 DNAME in-addr.customer.example.com.\n")),
        ("in-addr.customer.example.com.zone", zone("1 PTR www.customer.example.com.\n")),
    ];
    let mut scene = Scene::of_files(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let reply = scene.ask("1.188.189.190.new-style.in-addr.arpa.", PTR, "");
    assert_eq!(reply.message.answers.len(), 5);
    assert_eq!(reply.answers()[4], "1.in-addr.customer.example.com. 60 IN PTR www.customer.example.com.");
}

/// A DNAME leads to steered names as a CNAME does: the answer depends on the client, and the longest scope of the chain
/// counts.
#[test]
fn steered_names_below_a_dname_are_answered_for_the_client() {
    let names = "[records.old]\nDNAME = [\"new\"]\n[names.\"www.new\"]\npools = [\"web\"]\n[names.\"*.apps\"]\npools = [\"web\"]\n[records.away]\nDNAME = [\"apps\"]\n";
    let mut scene = Scene::new(names);
    let reply = scene.ask("www.old", A, "10.3.7.0/24");
    assert_eq!(reply.data()[1..], ["www.new.example.com.", "203.0.113.1"]);
    assert_eq!(reply.scope(), Some(16));
    assert_eq!(scene.ask("a.b.away", A, "10.3.7.0/24").answers()[2], "a.b.apps.example.com. 30 IN A 203.0.113.1");
    let nodata = scene.ask("www.old", TXT, "10.3.7.0/24");
    assert_eq!((nodata.rcode(), nodata.message.answers.len(), nodata.authorities().len()), (0, 2, 1));
}
