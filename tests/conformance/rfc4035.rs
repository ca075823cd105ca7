//! RFC 4034 and 4035: rules for the records of DNSSEC as data. The server does not sign.

use hickory_proto::rr::RecordType::{DS, NS};

use crate::message::ask;
use crate::scene::Scene;

const HEAD: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\n";

fn digest() -> String {
    "ab".repeat(32)
}

/// "The DS resource record type is unusual in that it appears only on the parent zone's side of a zone cut."
#[test]
fn section_3_1_4_1_the_parent_answers_for_ds_if_it_is_served() {
    let outer = format!(
        "{HEAD}sub NS ns.example.net.\nsub DS 1 13 2 {}\nplain NS ns.example.net.\nalias CNAME sub\n",
        digest()
    );
    let inner = format!("{HEAD}self CNAME @\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &outer), ("sub.example.com.zone", &inner)]);
    let reply = scene.ask("sub", DS, "");
    assert_eq!((reply.data().len(), reply.is_authoritative()), (1, true));
    assert!(scene.ask("plain", DS, "").is_nodata());
    assert!(!scene.ask("x.plain", DS, "").is_authoritative(), "below the cut there is only a referral");
    // The same at the end of a chain, from either side of the cut.
    assert_eq!(scene.ask("alias", DS, "").message.answers.len(), 2);
    assert_eq!(scene.ask("self.sub", DS, "").message.answers.len(), 2);
    assert_eq!(scene.ask("sub", NS, "").message.answers.len(), 1);
}

/// "In this case, the name server MUST return an authoritative "no data" response showing that the DS RRset does not exist
/// in the child zone's apex."
#[test]
fn section_3_1_4_1_without_the_parent_the_child_has_no_ds() {
    let mut scene = Scene::of_files(&[("example.com.zone", HEAD)]);
    let reply = scene.ask("example.com.", DS, "");
    assert!(reply.is_nodata() && reply.is_authoritative());
    // The parent zone is on another server; the grandparent zone here does not count.
    let outer = format!("{HEAD}sub NS ns.example.net.\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &outer), ("deep.sub.example.com.zone", HEAD)]);
    let reply = scene.ask("deep.sub", DS, "");
    assert!(reply.is_nodata() && reply.is_authoritative());
    assert!(reply.authorities()[0].starts_with("deep.sub.example.com. "));
}

fn signature(covered: &str, ttl: u32) -> String {
    format!("x {ttl} RRSIG {covered} 13 3 {ttl} 20300101000000 20200101000000 1 example.com. AAAA\n")
}

/// RFC 4034, section 3: "The TTL value of an RRSIG RR MUST match the TTL value of the RRset it covers. This is an exception to
/// the [RFC2181] rules for TTL values of individual RRs within a RRset".
#[test]
fn rfc4034_section_3_signatures_live_as_long_as_what_they_cover() {
    let signed = [
        "x 300 A 192.0.2.1\nx 60 MX 1 x\nx 900 TXT t\n".to_owned(),
        signature("A", 300),
        signature("MX", 60),
        signature("TXT", 900),
        // Two keys sign the same RRset.
        "x 900 RRSIG TXT 13 3 900 20300101000000 20200101000000 2 example.com. AAAA\n".to_owned(),
    ];
    let zone = format!("{HEAD}{}", signed.concat());
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    let reply = scene.see(&ask("x", 46).edns());
    let ttls: Vec<(u8, u32)> = reply.records.iter().map(|record| (record.rdata[1], record.ttl)).collect();
    assert_eq!(ttls, [(1, 300), (15, 60), (16, 900), (16, 900)]);
    let differing = format!("{HEAD}{}{}", signature("A", 300), signature("A", 200).replace(" 1 example", " 2 example"));
    let reply = Scene::of_files(&[("example.com.zone", &differing)]).see(&ask("x", 46).edns());
    assert!(reply.records.len() == 2 && reply.records.iter().all(|record| record.ttl == 200), "of one type they agree");
}

/// Section 2.5: a CNAME's owner has RRSIG and NSEC records of its own, so questions for them do not follow the CNAME.
#[test]
fn section_2_5_what_stands_beside_a_cname_is_answered_there() {
    let beside = "x NSEC y.example.com. CNAME RRSIG NSEC\n*.w CNAME t\n*.w NSEC t.example.com. CNAME\n";
    let target = "t NSEC x.example.com. A\nt A 192.0.2.1\n";
    let zone = format!("{HEAD}x CNAME t\n{}{beside}{target}", signature("CNAME", 60));
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    for (owner, rtype) in [("x", 46), ("x", 47), ("any.w", 47)] {
        let reply = scene.see(&ask(owner, rtype));
        assert_eq!(reply.records.iter().map(|record| record.rtype).collect::<Vec<_>>(), [rtype], "{owner}");
        assert_eq!(reply.records[0].owner, [0xc0, 12]);
    }
    // Without such a record the answer has none, because the target's records belong to another name.
    assert_eq!(scene.see(&ask("any.w", 46)).counts, [1, 0, 1, 0]);
    assert_eq!(scene.see(&ask("x", 1)).counts, [1, 2, 0, 0], "all other types follow");
}
