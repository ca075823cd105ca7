//! RFC 3225: the DO bit.

use crate::message::*;

/// 3: "The DO bit of the query MUST be copied in the response."
#[test]
fn section_3_the_do_bit_is_copied() {
    let mut node = node();
    for (flags, expected) in [(0, 0), (DO, DO)] {
        for query in [ask("www", A), ask("nowhere", A), ask("else.test.", A), ask("www", A).opcode(4)] {
            let reply = node.see(&query.opt(1232, flags.into()));
            assert_eq!(reply.opt.unwrap().flags, expected);
        }
    }
}
