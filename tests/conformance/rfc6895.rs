//! RFC 6895: types and classes by their numbers.

use crate::message::*;

/// 3.1: "Meta-TYPEs" and QTYPEs lie between 128 and 255. The server supports none of MAILA, MAILB, TKEY and the types
/// without a meaning. NXNAME has a rule of its own (RFC 9824).
#[test]
fn section_3_1_types_of_questions_are_not_implemented() {
    let mut node = node();
    for rtype in (129..=249).chain([253, 254]) {
        let reply = node.see(&ask("www", rtype));
        assert_eq!((reply.rcode, reply.is_empty()), (NOTIMP, true), "TYPE{rtype}");
    }
}

/// 3.1: OPT and TSIG are records about messages: nobody can ask for one.
#[test]
fn section_3_1_types_of_messages_are_format_errors() {
    for rtype in [OPT, TSIG] {
        assert_eq!(node().see(&ask("www", rtype)).rcode, FORMERR, "TYPE{rtype}");
    }
}

/// 3.1: all other numbers are types of data, known or unknown (RFC 3597, section 2).
#[test]
fn section_3_1_unknown_types_are_types() {
    let mut node = node();
    for rtype in [127, 256, 4242, 65_280, 65_535] {
        let reply = node.see(&ask("some", rtype));
        assert_eq!((reply.rcode, reply.counts), (NOERROR, [1, 0, 1, 0]), "TYPE{rtype}");
    }
}
