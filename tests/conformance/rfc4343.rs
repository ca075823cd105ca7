//! RFC 4343: case.

use hickory_proto::rr::RecordType::{A, CNAME};
use truenorth::answer::Transport;

use crate::scene::{Scene, query};

const HEAD: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\n";

/// Section 3: names are compared without regard to case; section 4.1: output keeps it. The question comes back as it was
/// asked, and owners point at it, so that resolvers that put entropy into case find it again.
#[test]
fn section_4_1_the_questions_case_is_kept() {
    let zone = format!("{HEAD}www A 192.0.2.1\nOld DNAME new\nx.NEW A 192.0.2.2\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    for (name, rtype) in [("wWw.ExAmPlE.cOm.", A), ("X.oLd.eXample.com.", CNAME)] {
        let query = query(name, rtype, "").to_vec().unwrap();
        let out = scene.octets([127, 0, 0, 1].into(), &query, Transport::Udp).unwrap();
        let length = name.len() + 1;
        assert_eq!(out[12..12 + length], query[12..12 + length], "{name}");
        let reply = scene.send(&query, Transport::Udp).unwrap();
        assert!(reply.answers().last().is_some_and(|record| record.starts_with(name)), "{:?}", reply.answers());
    }
    // The labels that a DNAME leaves in front keep their case too.
    assert_eq!(scene.ask("X.old", CNAME, "").data()[1..], ["X.new.example.com."]);
}
