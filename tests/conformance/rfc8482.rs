//! RFC 8482: answers to ANY.

use hickory_proto::rr::RecordType::ANY;

use crate::scene::Scene;

fn scene() -> Scene {
    let pools = "[pools.alias]\nendpoints = [{ cname = \"www.example.com.\" }]\n[names.alias]\npools = [\"alias\"]\n[names.www]\npools = [\"web\"]\n";
    let records = "[records.two]\nA = [\"192.0.2.1\", \"192.0.2.2\"]\nTXT = [\"text\"]\n[records.static]\nCNAME = [\"two\"]\n[records.\"deep.ent\"]\nA = [\"192.0.2.1\"]\n";
    Scene::new(&format!("{pools}{records}"))
}

/// "The RRsets returned in the answer section of the response MAY consist of a single RRset owned by the name specified in
/// the QNAME."
#[test]
fn section_4_1_one_rrset_is_given_whole() {
    let mut scene = scene();
    assert_eq!(scene.ask("two", ANY, "").data(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(scene.ask("static", ANY, "").answers(), ["static.example.com. 300 IN CNAME two.example.com."]);
}

/// "If there is no CNAME present at the owner name matching the QNAME, the resource record returned in the response MAY
/// instead be synthesized. [...] The CPU field of the HINFO RDATA SHOULD be set to "RFC8482"."
#[test]
fn section_4_2_a_steered_name_has_an_hinfo() {
    let mut scene = scene();
    assert_eq!(scene.ask("www", ANY, "").answers(), ["www.example.com. 3600 IN HINFO RFC8482 "]);
    assert_eq!(scene.ask("alias", ANY, "").answers(), ["alias.example.com. 30 IN CNAME www.example.com."]);
}

/// "Except as described below in this section, the DNS responder MUST follow the standard algorithms when constructing a
/// response."
#[test]
fn section_4_what_is_not_there_is_not_there_for_any_either() {
    let mut scene = scene();
    assert!(scene.ask("ent", ANY, "").is_nodata());
    assert!(scene.ask("nothing", ANY, "").is_nxdomain());
}
