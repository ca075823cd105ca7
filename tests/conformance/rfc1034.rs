//! RFC 1034: the algorithm of section 4.3.2.

use hickory_proto::rr::RecordType::{A, CNAME, MX, NS, SRV, TXT};

use crate::scene::Scene;

const HEAD: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\n";

/// A zone `example.com` with these records besides SOA and NS.
fn scene(records: &str) -> Scene {
    Scene::of_files(&[("example.com.zone", &format!("{HEAD}{records}"))])
}

/// "Search the available zones for the zone which is the nearest ancestor to QNAME."
#[test]
fn section_4_3_2_step_2_the_nearest_zone_answers() {
    let outer = format!("{HEAD}sub NS ns.example.net.\nwww.sub A 192.0.2.1\n* TXT outer\n");
    let inner = format!("{HEAD}www A 192.0.2.2\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &outer), ("sub.example.com.zone", &inner)]);
    let reply = scene.ask("www.sub", A, "");
    assert_eq!((reply.data(), reply.is_authoritative()), (vec!["192.0.2.2".to_owned()], true));
    // The cut is the inner zone's apex, and that zone answers for its NS with authority.
    let reply = scene.ask("sub", NS, "");
    assert_eq!((reply.data(), reply.is_authoritative()), (vec!["ns.example.net.".to_owned()], true));
    // The outer zone's wildcard does not answer for names that the inner zone lacks.
    assert!(scene.ask("nothing.sub", TXT, "").is_nxdomain());
    // Names that only end in the same letters belong to the outer zone.
    assert_eq!(scene.ask("notsub", TXT, "").data(), ["outer"]);
    assert_eq!(scene.ask("www.notexample.com.", A, "").rcode(), 5);
}

/// "If the data at the node is a CNAME, and QTYPE doesn't match CNAME, copy the CNAME RR into the answer section of the
/// response, change QNAME to the canonical name in the CNAME RR, and go back to step 1."
#[test]
fn section_4_3_2_step_3a_aliases_are_followed() {
    let mut scene = scene("a CNAME b\nb CNAME c\nc A 192.0.2.1\n");
    assert_eq!(scene.ask("a", A, "").data(), ["b.example.com.", "c.example.com.", "192.0.2.1"]);
    assert_eq!(scene.ask("a", CNAME, "").data(), ["b.example.com."]);
    let reply = scene.ask("a", TXT, "");
    assert_eq!(reply.data(), ["b.example.com.", "c.example.com."]);
    assert_eq!(reply.authorities().len(), 1, "the last name has no TXT");
}

/// "go back to step 1": the canonical name may lie in another zone, outside or inside of this one.
#[test]
fn section_4_3_2_step_3a_aliases_are_followed_through_all_zones() {
    let outer = format!("{HEAD}in CNAME www.sub\nout CNAME www.example.org.\nsub NS ns.example.net.\n");
    let inner = format!("{HEAD}www A 192.0.2.2\nback CNAME out.example.com.\n");
    let files = [("example.com.zone", outer.as_str()), ("sub.example.com.zone", &inner), ("example.org.zone", &inner)];
    let mut scene = Scene::of_files(&files);
    assert_eq!(scene.ask("in", A, "").data(), ["www.sub.example.com.", "192.0.2.2"]);
    assert_eq!(
        scene.ask("back.sub", A, "").answers(),
        [
            "back.sub.example.com. 60 IN CNAME out.example.com.",
            "out.example.com. 60 IN CNAME www.example.org.",
            "www.example.org. 60 IN A 192.0.2.2"
        ]
    );
}

/// "CNAME chains should be followed and CNAME loops signalled as an error": the resolver sees the loop in the answer,
/// which holds each record once.
#[test]
fn section_3_6_2_loops_end_where_they_close() {
    let mut scene = scene("a CNAME b\nb CNAME c\nc CNAME a\nself CNAME self\n*.w CNAME y.w\n");
    assert_eq!(scene.ask("a", A, "").data(), ["b.example.com.", "c.example.com.", "a.example.com."]);
    assert_eq!(scene.ask("self", A, "").data(), ["self.example.com."]);
    assert_eq!(
        scene.ask("x.w", A, "").answers(),
        ["x.w.example.com. 60 IN CNAME y.w.example.com.", "y.w.example.com. 60 IN CNAME y.w.example.com."]
    );
}

/// The server follows 16 aliases of a chain; the resolver continues from there.
#[test]
fn section_3_6_2_chains_have_an_end() {
    let links: Vec<String> = (0..40).map(|link| format!("l{link} CNAME l{}\n", link + 1)).collect();
    let mut scene = scene(&links.concat());
    let data = scene.ask("l0", A, "").data();
    assert_eq!((data.len(), data.last().map(String::as_str)), (17, Some("l17.example.com.")));
}

/// "If a match would take us out of the authoritative data, we have a referral. [...] Copy the NS RRs for the subzone into
/// the authority section of the reply. Put whatever addresses are available into the additional section".
#[test]
fn section_4_3_2_step_3b_cuts_refer() {
    let mut scene = scene("sub NS ns.sub\nsub NS ns.other\nns.sub A 192.0.2.1\nns.other AAAA 2001:db8::1\n");
    for (name, rtype) in [("sub", A), ("sub", NS), ("x.y.sub", TXT), ("ns.sub", A)] {
        let reply = scene.ask(name, rtype, "");
        assert_eq!((reply.rcode(), reply.is_authoritative(), reply.data().len()), (0, false, 0), "{name}");
        assert_eq!(
            reply.authorities(),
            ["sub.example.com. 60 IN NS ns.sub.example.com.", "sub.example.com. 60 IN NS ns.other.example.com."]
        );
        assert_eq!(
            reply.additionals(),
            ["ns.sub.example.com. 60 IN A 192.0.2.1", "ns.other.example.com. 60 IN AAAA 2001:db8::1"]
        );
    }
}

/// Names below a cut belong to another zone: neither an answer nor a wildcard applies, even one above another cut.
#[test]
fn section_4_3_2_step_3b_nothing_below_a_cut_is_answered() {
    let mut scene =
        scene("sub NS ns.example.net.\nwww.sub A 192.0.2.1\n*.sub A 192.0.2.2\ndeep.sub NS ns.example.org.\n");
    for name in ["www.sub", "x.sub", "deep.sub", "x.deep.sub", "*.sub"] {
        let reply = scene.ask(name, A, "");
        assert_eq!(reply.authorities(), ["sub.example.com. 60 IN NS ns.example.net."], "{name}");
        assert!(reply.data().is_empty() && !reply.is_authoritative(), "{name}");
    }
}

/// "If the "*" label does exist, match RRs at that node against QTYPE. If any match, copy them into the answer section, but
/// set the owner of the RR to be QNAME, and not the node with the "*" label."
#[test]
fn section_4_3_2_step_3c_wildcards_take_the_questions_name() {
    let mut scene = scene("*.w A 192.0.2.1\n");
    assert_eq!(scene.ask("a.b.w", A, "").answers(), ["a.b.w.example.com. 60 IN A 192.0.2.1"]);
    assert!(scene.ask("a.b.w", TXT, "").is_nodata());
}

/// "Using local data only, attempt to add other RRs which may be useful to the additional section of the query."
#[test]
fn section_4_3_2_step_6_addresses_of_what_was_named_are_added_once() {
    let records = "@ MX 10 mail\n@ MX 20 mail\n@ MX 30 mail.example.net.\n_s SRV 0 0 1 mail\n_s SRV 0 0 2 mail\nmail A 192.0.2.1\n";
    let mut scene = scene(records);
    for (name, rtype) in [("example.com.", MX), ("_s", SRV)] {
        assert_eq!(scene.ask(name, rtype, "").additionals(), ["mail.example.com. 60 IN A 192.0.2.1"], "{name}");
    }
}

/// Section 6.2.7: "This reply contains an authoritative reply for the alias USC-ISIC.ARPA, plus a referral to the name
/// servers for ISI.EDU."
#[test]
fn section_6_2_7_an_alias_into_a_delegated_zone_is_answered_with_a_referral() {
    let mut scene = scene("alias CNAME www.sub\nsub NS ns.example.net.\n");
    let reply = scene.ask("alias", A, "");
    assert_eq!((reply.rcode(), reply.is_authoritative()), (0, true));
    assert_eq!(reply.answers(), ["alias.example.com. 60 IN CNAME www.sub.example.com."]);
    assert_eq!(reply.authorities(), ["sub.example.com. 60 IN NS ns.example.net."]);
}

/// Section 6.2.8: "Because QTYPE=CNAME, the CNAME RR itself answers the query, and the name server doesn't attempt to look
/// up anything".
#[test]
fn section_6_2_8_who_asks_for_the_alias_gets_the_alias() {
    let pools = "[pools.alias]\nendpoints = [{ cname = \"www.example.com.\" }]\n[names.alias]\npools = [\"alias\"]\n[names.www]\npools = [\"web\"]\n";
    let mut scene = Scene::new(pools);
    assert_eq!(scene.ask("alias", CNAME, "").data(), ["www.example.com."]);
    assert_eq!(scene.ask("alias", A, "10.3.0.0/24").data(), ["www.example.com.", "203.0.113.1"]);
}
