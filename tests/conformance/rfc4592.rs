//! RFC 4592: wildcards.

use hickory_proto::rr::RecordType::{A, MX, NS, SRV, TXT};

use crate::scene::Scene;

/// The zone of section 2.2.1.
const ZONE: &str = r#"
$ORIGIN example.
example.                 3600 IN  SOA   ns.example.com. hostmaster.example.com. 1 3600 600 604800 3600
example.                 3600     NS    ns.example.com.
example.                 3600     NS    ns.example.net.
*.example.               3600     TXT   "this is a wildcard"
*.example.               3600     MX    10 host1.example.
sub.*.example.           3600     TXT   "this is not a wildcard"
host1.example.           3600     A     192.0.2.1
_ssh._tcp.host1.example. 3600     SRV   0 0 22 host1.example.
_ssh._tcp.host2.example. 3600     SRV   0 0 22 host2.example.
subdel.example.          3600     NS    ns.example.com.
subdel.example.          3600     NS    ns.example.net.
"#;

fn scene() -> Scene {
    Scene::of_files(&[("example.zone", ZONE)])
}

fn scene_of(records: &str) -> Scene {
    let head = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\n";
    Scene::of_files(&[("example.com.zone", &format!("{head}{records}"))])
}

/// "QNAME=host3.example. QTYPE=MX, QCLASS=IN the answer will be a "host3.example. IN MX ...""
#[test]
fn section_2_2_1_a_name_that_does_not_exist_is_synthesized() {
    assert_eq!(scene().ask("host3.example.", MX, "").answers(), ["host3.example. 3600 IN MX 10 host1.example."]);
}

/// "QNAME=host3.example. QTYPE=A, QCLASS=IN the answer will reflect "no error, but no data" because there is no A RR set at
/// '*.example.'"
#[test]
fn section_2_2_1_a_type_that_the_wildcard_has_not_is_no_data() {
    assert!(scene().ask("host3.example.", A, "").is_nodata());
}

/// "QNAME=foo.bar.example. QTYPE=TXT, QCLASS=IN the answer will be "foo.bar.example. IN TXT ..." because bar.example. does
/// not exist, but the wildcard does."
#[test]
fn section_2_2_1_a_wildcard_covers_several_labels() {
    let reply = scene().ask("foo.bar.example.", TXT, "");
    assert_eq!(reply.answers(), ["foo.bar.example. 3600 IN TXT this is a wildcard"]);
}

/// "QNAME=host1.example., QTYPE=MX, QCLASS=IN because host1.example. exists"
#[test]
fn section_2_2_1_a_name_that_exists_is_not_synthesized() {
    assert!(scene().ask("host1.example.", MX, "").is_nodata());
}

/// "QNAME=sub.*.example., QTYPE=MX, QCLASS=IN because sub.*.example. exists"
#[test]
fn section_2_2_1_an_asterisk_in_the_middle_is_a_label() {
    let mut scene = scene();
    assert!(scene.ask("sub.*.example.", MX, "").is_nodata());
    assert_eq!(scene.ask("sub.*.example.", TXT, "").data(), ["this is not a wildcard"]);
    assert_eq!(scene.ask("sub.host3.example.", TXT, "").data(), ["this is a wildcard"]);
}

/// "QNAME=_telnet._tcp.host1.example., QTYPE=SRV, QCLASS=IN because _tcp.host1.example. exists (without data)"
#[test]
fn section_2_2_1_an_empty_non_terminal_exists() {
    let mut scene = scene();
    assert!(scene.ask("_telnet._tcp.host1.example.", SRV, "").is_nxdomain());
    assert!(scene.ask("_tcp.host1.example.", SRV, "").is_nodata());
}

/// "QNAME=host.subdel.example., QTYPE=A, QCLASS=IN because subdel.example. exists (and is a zone cut)"
#[test]
fn section_2_2_1_a_cut_is_not_covered() {
    let reply = scene().ask("host.subdel.example.", A, "");
    assert!(!reply.is_authoritative() && reply.data().is_empty());
    assert_eq!(reply.authorities().len(), 2);
}

/// "QNAME=ghost.*.example., QTYPE=MX, QCLASS=IN because *.example. exists"
#[test]
fn section_2_2_1_a_wildcard_does_not_cover_its_own_subdomains() {
    assert!(scene().ask("ghost.*.example.", MX, "").is_nxdomain());
}

/// The chart of section 3.3.2: "no source" means that the name does not exist, whatever wildcards are further up.
#[test]
fn section_3_3_2_the_source_of_synthesis_is_below_the_closest_encloser() {
    let mut scene = scene();
    for name in ["host3.example.", "_telnet._tcp.host3.example.", "_chat._udp.host3.example."] {
        assert_eq!(scene.ask(name, TXT, "").data(), ["this is a wildcard"], "{name}");
    }
    for name in ["_telnet._tcp.host1.example.", "_dns._udp.host2.example.", "foobar.*.example."] {
        assert!(scene.ask(name, TXT, "").is_nxdomain(), "{name}");
    }
}

/// "Labels such as 'the*' and '**' are not asterisk labels, so these labels do not start wildcard domain names."
#[test]
fn section_2_1_2_other_labels_with_asterisks_are_no_wildcards() {
    let mut scene = scene_of("** A 192.0.2.1\nthe* A 192.0.2.2\n");
    for name in ["x", "thex", "x.y"] {
        assert!(scene.ask(name, A, "").is_nxdomain(), "{name}");
    }
}

/// "A wildcard domain name can be an empty non-terminal. [...] In this case, any lookup encountering it will terminate as
/// would any empty non-terminal match." And section 4.9: "then the response will be one of no error in the return code and
/// no RRset in the answer section."
#[test]
fn section_2_1_3_and_4_9_a_wildcard_may_be_an_empty_non_terminal() {
    let mut scene = scene_of("a.*.w A 192.0.2.1\n");
    assert!(scene.ask("x.w", A, "").is_nodata());
    assert!(scene.ask("a.x.w", A, "").is_nodata());
    assert_eq!(scene.ask("a.*.w", A, "").data(), ["192.0.2.1"]);
}

/// "To cover names under "*.example.", another wildcard domain name is needed--"*.*.example."--which covers all but its own
/// subdomains."
#[test]
fn section_2_2_1_wildcards_nest() {
    let mut scene = scene_of("*.w TXT one\n*.*.w TXT two\n");
    assert_eq!(scene.ask("x.w", TXT, "").data(), ["one"]);
    assert_eq!(scene.ask("x.*.w", TXT, "").data(), ["two"]);
    assert_eq!(scene.ask("y.x.w", TXT, "").data(), ["one"]);
    assert!(scene.ask("x.*.*.w", TXT, "").is_nxdomain());
}

/// "When a wildcard domain name appears in a message's query section, no special processing occurs."
#[test]
fn section_2_3_an_asterisk_in_the_question_is_a_label() {
    let mut scene = scene_of("*.w A 192.0.2.1\nb A 192.0.2.2\n");
    assert_eq!(scene.ask("*.w", A, "").answers(), ["*.w.example.com. 60 IN A 192.0.2.1"]);
    assert!(scene.ask("*", A, "").is_nxdomain());
}

/// "If the data at the source of synthesis is a CNAME, and QTYPE doesn't match CNAME, copy the CNAME RR into the answer
/// section of the response changing the owner name to the QNAME, change QNAME to the canonical name in the CNAME RR, and go
/// back to step 1."
#[test]
fn section_3_3_3_a_wildcards_cname_is_followed() {
    let mut scene = scene_of("*.w CNAME host\nhost A 192.0.2.1\n");
    assert_eq!(
        scene.ask("x.w", A, "").answers(),
        ["x.w.example.com. 60 IN CNAME host.example.com.", "host.example.com. 60 IN A 192.0.2.1"]
    );
}

/// "A wildcard domain name owning an SOA RRSet means that the domain is at the root of the zone (apex)." Section 4.1's zone.
#[test]
fn section_4_1_a_wildcard_may_be_an_apex() {
    let zone = "@ 3600 IN SOA ns1.example.com. h.example.com. 1 2 3 4 5\n 3600 NS ns1.example.com.\nwww 3600 TXT \"the www txt record\"\n";
    let mut scene = Scene::of_files(&[("*.example.zone", zone)]);
    assert_eq!(scene.ask("www.*.example.", TXT, "").data(), ["the www txt record"]);
    assert!(scene.ask("x.*.example.", TXT, "").is_nxdomain());
    assert_eq!(scene.ask("x.example.", TXT, "").rcode(), 5);
}

/// Section 4.2: "there is no definition given for wildcard domain names owning an NS RRSet." `check` warns of them.
/// They are answered like any other type; only the wildcard's own name and the names below it are delegated.
#[test]
fn section_4_2_a_wildcards_ns_delegates_nothing_else() {
    let mut scene = scene_of("*.w NS ns.example.org.\n");
    let reply = scene.ask("x.w", NS, "");
    assert_eq!((reply.data(), reply.is_authoritative()), (vec!["ns.example.org.".to_owned()], true));
    assert!(scene.ask("x.w", A, "").is_nodata());
    assert!(!scene.ask("*.w", A, "").is_authoritative());
}

/// Section 3.3.1: "the closest encloser might be an empty non-terminal", also one that only a steered name makes.
#[test]
fn steered_names_exist_and_make_empty_non_terminals() {
    let names = "[names.\"www.a\"]\npools = [\"web\"]\n[names.\"*.apps\"]\npools = [\"web\"]\n[records.\"*\"]\nTXT = [\"star\"]\n[records.\"there.apps\"]\nTXT = [\"there\"]\n";
    let mut scene = Scene::new(names);
    assert!(scene.ask("a", TXT, "").is_nodata());
    assert!(scene.ask("x.a", TXT, "").is_nxdomain());
    assert_eq!(scene.ask("x", TXT, "").data(), ["star"]);
    assert_eq!(scene.ask("b.a.apps", A, "10.3.0.0/24").answers(), ["b.a.apps.example.com. 30 IN A 203.0.113.1"]);
    assert!(scene.ask("there.apps", A, "10.3.0.0/24").is_nodata());
    assert!(scene.ask("x.there.apps", A, "10.3.0.0/24").is_nxdomain());
}
