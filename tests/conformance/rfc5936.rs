//! RFC 5936 and RFC 1995: zone transfers, which this configuration does not allow.

use truenorth::answer::Transport;

use crate::message::*;

const AXFR: u16 = 252;
const IXFR: u16 = 251;

/// RFC 1035, section 4.2: UDP is "not acceptable for zone transfers"; RFC 5936, section 4.2, leaves AXFR over it undefined.
#[test]
fn section_4_2_axfr_over_udp_is_a_format_error() {
    assert_eq!(node().see(&ask("example.com.", AXFR)).rcode, FORMERR);
}

/// 2.2.1: the RCODE of one message, which repeats the question, reports an error.
#[test]
fn section_2_2_1_transfers_are_refused_in_one_message() {
    for query in [ask("example.com.", AXFR), ask("example.com.", IXFR)] {
        let reply = node().see_over(Transport::Tcp, &query);
        assert_eq!((reply.rcode, reply.counts, &reply.question), (REFUSED, [1, 0, 0, 0], &query.questions));
    }
}

/// RFC 1995, section 2: "Transport of a query may be by either UDP or TCP."
#[test]
fn rfc1995_section_2_ixfr_over_udp_is_refused_too() {
    assert_eq!(node().see(&ask("example.com.", IXFR)).rcode, REFUSED);
}
