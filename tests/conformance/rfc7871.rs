//! RFC 7871: Client Subnet. `tests/scope.rs` checks the scopes themselves.

use crate::message::*;

const EUROPE: &[u8] = &[0, 1, 24, 0, 10, 1, 7];

fn ask_with(subnet: &[u8]) -> Asked {
    ask("www", A).option(CLIENT_SUBNET, subnet)
}

/// 7.2.1: "FAMILY, SOURCE PREFIX-LENGTH, and ADDRESS in the response MUST match those in the query."
#[test]
fn section_7_2_1_the_option_comes_back_with_a_scope() {
    let reply = node().see(&ask_with(EUROPE));
    assert_eq!(reply.option(CLIENT_SUBNET), Some(&[0, 1, 24, 16, 10, 1, 7][..]));
    let reply = node().see(&ask_with(&[0, 2, 48, 0, 0x20, 1, 0x0d, 0xb8, 0, 1]));
    assert_eq!(reply.option(CLIENT_SUBNET), Some(&[0, 2, 48, 48, 0x20, 1, 0x0d, 0xb8, 0, 1][..]));
}

/// 7.2.1: an answer that is the same for all clients has scope 0; so have errors, negative answers of names that are
/// not steered, and truncated answers.
#[test]
fn section_7_2_1_what_does_not_depend_on_the_client_has_scope_0() {
    let mut node = node();
    for query in [ask("some", TXT), ask("nowhere", A), ask("else.test.", A), ask("most", TXT)] {
        let reply = node.see(&query.option(CLIENT_SUBNET, EUROPE));
        assert_eq!(reply.option(CLIENT_SUBNET), Some(&[0, 1, 24, 0, 10, 1, 7][..]));
    }
}

/// 7.2.1: "A query with a wrongly formatted option (e.g., an unknown FAMILY) MUST be rejected and a FORMERR response
/// MUST be returned to the sender". Section 6 defines what is well-formed: a SCOPE of 0 in queries, the fewest octets
/// of ADDRESS that hold the prefix, and zeros after it.
#[test]
fn section_7_2_1_malformed_options_are_format_errors_that_say_why() {
    let mut node = node();
    for (option, fault) in [
        (&[][..], "client subnet: option too short"),
        (&[0, 1, 24], "client subnet: option too short"),
        (&[0, 3, 0, 0], "client subnet: unknown family"),
        (&[0, 1, 33, 0, 1, 2, 3, 4, 5], "client subnet: source prefix longer than an address"),
        (&[0, 2, 129, 0], "client subnet: source prefix longer than an address"),
        (&[0, 1, 24, 24, 10, 1, 7], "client subnet: scope prefix not 0"),
        (&[0, 1, 24, 0, 10, 1], "client subnet: address length does not match source prefix"),
        (&[0, 1, 24, 0, 10, 1, 7, 0], "client subnet: address length does not match source prefix"),
        (&[0, 1, 0, 0, 0], "client subnet: address length does not match source prefix"),
        (&[0, 1, 20, 0, 10, 1, 0x1f], "client subnet: address bits set beyond source prefix"),
    ] {
        let reply = node.see(&ask_with(option));
        assert_eq!((reply.rcode, reply.is_empty()), (FORMERR, true), "{option:02x?}");
        assert_eq!(reply.extended_error(), Some((0, fault.to_owned())));
        assert_eq!(reply.option(CLIENT_SUBNET), None, "a malformed option is not repeated");
    }
}

/// 7.1.2: with a source prefix length of 0 the client asks not to be located. FAMILY may be 0 then, because there is no
/// address.
#[test]
fn section_7_1_2_a_source_prefix_of_0_is_valid_for_every_family() {
    for family in 0..3 {
        let reply = node().see(&ask_with(&[0, family, 0, 0]));
        assert_eq!((reply.rcode, reply.option(CLIENT_SUBNET)), (NOERROR, Some(&[0, family, 0, 0][..])));
    }
}

/// Two options contradict each other: the first counts, as with BIND, and both must be well-formed.
#[test]
fn the_first_of_two_options_counts() {
    let asia: &[u8] = &[0, 1, 24, 0, 10, 3, 7];
    let reply = node().see(&ask_with(EUROPE).option(CLIENT_SUBNET, asia));
    assert_eq!(reply.option(CLIENT_SUBNET), Some(&[0, 1, 24, 16, 10, 1, 7][..]));
    for query in [ask_with(EUROPE).option(CLIENT_SUBNET, &[9]), ask_with(&[9]).option(CLIENT_SUBNET, EUROPE)] {
        assert_eq!(node().see(&query).rcode, FORMERR);
    }
}

/// 7.2.1: no option in the query, none in the reply.
#[test]
fn section_7_2_1_no_option_is_answered_with_none() {
    assert_eq!(node().see(&ask("www", A).edns()).option(CLIENT_SUBNET), None);
}

/// 7.2.1: a server without the option ignores it, even if it is malformed (RFC 6891, section 6.1.2), and sends none.
#[test]
fn section_7_2_1_disabled_the_option_is_ignored() {
    let mut node = node_with("[ecs]\nenabled = false\n");
    for option in [EUROPE, &[0, 1, 24, 0, 10, 3, 7], &[9]] {
        let reply = node.see(&ask_with(option));
        assert_eq!((reply.rcode, reply.option(CLIENT_SUBNET)), (NOERROR, None));
        assert_eq!(reply.records[0].rdata, [192, 0, 2, 1], "the packet's source decides");
    }
}
