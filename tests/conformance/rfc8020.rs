//! RFC 8020: NXDOMAIN says that there is nothing below either.

use hickory_proto::rr::RecordType::A;

use crate::scene::Scene;

/// "An NXDOMAIN response for a domain name means that no child domains underneath the queried name exist either".
#[test]
fn section_1_empty_non_terminals_are_not_nxdomain() {
    let more = "[records.\"a.b.c\"]\nA = [\"192.0.2.1\"]\n[names.\"x.y\"]\npools = [\"web\"]\n[names.\"who.am.i\"]\nreflect = true\n[records.\"cut.below\"]\nNS = [\"ns.example.net.\"]\n";
    let mut scene = Scene::new(more);
    for name in ["b.c", "c", "y", "am.i", "i", "below"] {
        assert!(scene.ask(name, A, "").is_nodata(), "{name}");
    }
    for name in ["d.c", "x.b.c", "nothing", "z.y"] {
        assert!(scene.ask(name, A, "").is_nxdomain(), "{name}");
    }
}
