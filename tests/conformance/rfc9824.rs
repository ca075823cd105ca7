//! RFC 9824: questions for NXNAME. `tests/dnssec/` checks the proofs themselves.

use crate::message::*;

const NXNAME: u16 = 128;
const INVALID_QUERY_TYPE: u16 = 30;

/// 3.5: "If an explicit query for the NXNAME RR type is received, the DNS server MUST return a Format Error (response code
/// FORMERR). [...] Optionally, a DNS server MAY also include the following Extended DNS Error (EDE) code [RFC8914] in the
/// response: 30 (Invalid Query Type)."
#[test]
fn section_3_5_nobody_can_ask_for_nxname() {
    let reply = node().see(&ask("www", NXNAME).edns());
    assert_eq!((reply.rcode, reply.counts), (FORMERR, [1, 0, 0, 1]));
    assert_eq!(reply.extended_error().map(|(code, _)| code), Some(INVALID_QUERY_TYPE));
}
