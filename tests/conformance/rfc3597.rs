//! RFC 3597: unknown types.

use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType::{self, A, SRV};

use truenorth::answer::Transport;

use crate::scene::Scene;

const HEAD: &str = "$TTL 60\n@ SOA ns h 1 3600 600 604800 30\n@ NS ns.example.net.\n";

/// Section 5's own example, in class IN: "a.example. CLASS32 TYPE731 \# 6 abcd ( ef 01 23 45 )".
#[test]
fn section_5_unknown_types_are_served_as_they_are() {
    let zone =
        format!("{HEAD}a CLASS1 TYPE731 \\# 6 abcd (\n ef 01 23 45 )\nb TYPE62347 \\# 0\ne IN A \\# 4 0A000001\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    let octets = |scene: &mut Scene, name, rtype| match &scene.ask(name, rtype, "").message.answers[0].data {
        RData::Unknown { rdata, .. } => rdata.anything.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(octets(&mut scene, "a", RecordType::Unknown(731)), [0xab, 0xcd, 0xef, 1, 0x23, 0x45]);
    // The tests' parser does not accept empty RDATA. So this reads the octets: the last record ends with length 0,
    // before the eleven octets of the OPT record.
    let query = crate::scene::query("b", RecordType::Unknown(62347), "").to_vec().unwrap();
    let reply = scene.octets([127, 0, 0, 1].into(), &query, Transport::Udp).unwrap();
    let answers = u16::from_be_bytes([reply[6], reply[7]]);
    assert_eq!((answers, &reply[reply.len() - 13..reply.len() - 11]), (1, &[0, 0][..]));
    // "all further processing by the server MUST treat it as a known type".
    assert_eq!(scene.ask("e", A, "").data(), ["10.0.0.1"]);
}

/// "Servers MUST NOT compress domain names embedded in the RDATA of types that are class-specific or not well-known."
#[test]
fn section_4_names_in_later_types_are_written_whole() {
    let zone = format!("{HEAD}_s SRV 0 0 80 www\n");
    let mut scene = Scene::of_files(&[("example.com.zone", &zone)]);
    let query = crate::scene::query("_s", SRV, "").to_vec().unwrap();
    let reply = scene.send(&query, Transport::Udp).unwrap();
    // Header, question, a pointer for the owner, ten octets up to RDATA, three numbers and the name; then the OPT record.
    let (question, target) = ("_s.example.com".len() + 2 + 4, "www.example.com".len() + 2);
    assert_eq!(reply.octets, 12 + question + 2 + 10 + 6 + target + 11);
}
