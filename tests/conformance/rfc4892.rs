//! RFC 4892: questions about the server itself, class CH.

use crate::message::*;

const IDENTITY: &str = "[identity]\nid = \"fra-1\"\nversion = \"north\"\n";

fn ask_ch(name: &str) -> Asked {
    ask(name, TXT).class(CH)
}

/// 2 describes TXT records of class CH at HOSTNAME.BIND. and ID.SERVER.; `version` has the same two forms. The answer
/// is valid for one of several nodes behind an address, so it must not be cached: the TTL is 0.
#[test]
fn section_2_the_node_tells_its_name_and_version() {
    let mut node = node_with(IDENTITY);
    for (name, text) in
        [("id.server.", "fra-1"), ("HOSTNAME.BIND.", "fra-1"), ("version.bind.", "north"), ("version.server.", "north")]
    {
        for rtype in [TXT, ANY] {
            let reply = node.see(&ask(name, rtype).class(CH));
            assert_eq!((reply.rcode, reply.flags, reply.counts), (NOERROR, QR | AA, [1, 1, 0, 0]), "{name}");
            let record = &reply.records[0];
            assert_eq!((&record.owner[..], record.rtype, record.class, record.ttl), (&[0xc0, 12][..], TXT, CH, 0));
            assert_eq!(record.rdata, [&[text.len() as u8], text.as_bytes()].concat());
        }
    }
}

/// 4 warns of the risk: nothing is revealed unless the operator configures it.
#[test]
fn section_4_nothing_is_told_unless_the_operator_says_so() {
    let mut node = node();
    for name in ["id.server.", "hostname.bind.", "version.bind.", "version.server."] {
        let reply = node.see(&ask_ch(name));
        assert_eq!((reply.rcode, reply.flags & AA, reply.is_empty()), (REFUSED, 0, true), "{name}");
    }
    let mut node = node_with("[identity]\nid = \"fra-1\"\n");
    assert_eq!(node.see(&ask_ch("version.bind.")).rcode, REFUSED);
    assert_eq!(node.see(&ask_ch("id.server.")).rcode, NOERROR);
}

/// Class CH has no other names here; class IN has none of these names.
#[test]
fn other_names_types_and_classes_are_refused() {
    let mut node = node_with(IDENTITY);
    for query in [
        ask_ch("www"),
        ask_ch("authors.bind."),
        ask("id.server.", A).class(CH),
        ask("id.server.", TXT),
        ask("id.server.", TXT).class(4),
        ask("www", A).class(254),
        ask("www", A).class(255),
        ask("www", A).class(0),
    ] {
        let reply = node.see(&query);
        assert_eq!((reply.rcode, reply.is_empty()), (REFUSED, true), "{:02x?}", query.questions);
    }
}
