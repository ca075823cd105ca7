//! RFC 4035, section 3.1.4.1: DS lies on the parent's side. Everything else of DNSSEC is not offered yet.

use hickory_proto::rr::RecordType::{DS, NS};

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
    // A grandparent is no parent: the zone between is elsewhere.
    let outer = format!("{HEAD}sub NS ns.example.net.\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &outer), ("deep.sub.example.com.zone", HEAD)]);
    let reply = scene.ask("deep.sub", DS, "");
    assert!(reply.is_nodata() && reply.is_authoritative());
    assert!(reply.authorities()[0].starts_with("deep.sub.example.com. "));
}
