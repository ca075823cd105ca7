//! RFC 6891: EDNS.

use truenorth::answer::Transport;

use crate::message::*;

/// 6.1.1: "If an OPT record is present in a received request, compliant responders MUST include an OPT record in their
/// respective responses."
#[test]
fn section_6_1_1_opt_is_answered_with_opt() {
    let mut node = node();
    for query in [
        ask("www", A),
        ask("nowhere", A),
        ask("else.test.", A),
        ask("www", A).opcode(5),
        ask("more", TXT),
        ask("www", A).class(CH),
        ask("www", OPT),
    ] {
        assert!(node.see(&query).opt.is_none());
        let opt = node.see(&query.payload(512)).opt.expect("OPT is answered with OPT");
        assert_eq!((opt.payload, opt.version, opt.flags), (1232, 0, 0));
    }
}

/// 6.1.1: "If a query message with more than one OPT RR is received, a FORMERR (RCODE=1) MUST be returned."
#[test]
fn section_6_1_1_two_opt_records_are_a_format_error() {
    let query = ask("www", A).edns().last(&record(&[0], OPT, 1232, 0, &[]));
    let reply = node().see(&query);
    assert_eq!((reply.rcode, reply.is_empty(), reply.opt.is_some()), (FORMERR, true, true));
}

/// 6.1.1: "The OPT RR MAY be placed anywhere within the additional data section." And nowhere else.
#[test]
fn section_6_1_1_opt_stands_anywhere_in_the_additional_section() {
    let mut node = node();
    let other = record(&name("other.test."), A, IN, 1, &[1, 2, 3, 4]);
    let mut before = ask("www", A).edns();
    before.records = other.clone();
    before.counts[3] = 1;
    for query in [before, ask("www", A).edns().last(&other)] {
        let reply = node.see(&query);
        assert_eq!((reply.rcode, reply.opt.is_some()), (NOERROR, true));
    }
    for section in [1, 2] {
        let mut query = ask("www", A);
        query.records = record(&[0], OPT, 1232, 0, &[]);
        query.counts[section] = 1;
        assert_eq!(node.see(&query).rcode, FORMERR);
    }
}

/// 6.1.2: "NAME: domain name: MUST be 0 (root domain)".
#[test]
fn section_6_1_2_opt_is_owned_by_the_root() {
    // The second owner is a pointer to a root label: the same name, but not the required octet.
    for owner in [name("www.example.com."), vec![0xc0, 28]] {
        let query = ask("www", A).last(&record(&owner, OPT, 1232, 0, &[]));
        assert_eq!(node().see(&query).rcode, FORMERR, "{owner:02x?}");
    }
}

/// 6.1.2: "Any OPTION-CODE values not understood by a responder or requestor MUST be ignored."
#[test]
fn section_6_1_2_unknown_options_are_ignored() {
    let mut node = node();
    let plain = node.see(&ask("www", A).edns()).octets;
    let query = ask("www", A).option(4242, b"what").option(65_001, &[]).option(1, &[0; 18]).option(5, &[8, 13]);
    let reply = node.see(&query);
    assert_eq!((reply.rcode, reply.octets.len()), (NOERROR, plain.len()));
    assert!(reply.opt.unwrap().options.is_empty());
}

/// 6.1.2: OPTION-LENGTH is the "size (in octets) of OPTION-DATA".
#[test]
fn section_6_1_2_options_that_run_past_the_record_are_a_format_error() {
    let mut node = node();
    for options in [&[0][..], &[0, 3], &[0, 3, 0], &[0, 3, 0, 1], &[0x10, 0, 0, 2, 9], &[0, 3, 0, 0, 0]] {
        let reply = node.see(&ask("www", A).raw_options(options));
        assert_eq!((reply.rcode, reply.opt.is_some()), (FORMERR, true), "{options:02x?}");
        assert_eq!(reply.extended_error().unwrap().1, "an option runs past the OPT record");
    }
}

/// 6.1.3: "If a responder does not implement the VERSION level of the request, then it MUST respond with RCODE=BADVERS." The
/// version of the response is the highest one known: 0. Options of an unknown version mean nothing.
#[test]
fn section_6_1_3_other_versions_are_badvers() {
    let mut node = node();
    for version in [1, 2, 255_u32] {
        for query in [ask("www", A), ask("else.test.", A), ask("www", A).opcode(5)] {
            let query = query.opt(1232, version << 16).option(COOKIE, &[7; 8]).option(CLIENT_SUBNET, &[9]);
            let reply = node.see(&query);
            assert_eq!((reply.rcode, reply.is_empty()), (BADVERS, true));
            let opt = reply.opt.unwrap();
            assert_eq!((opt.version, opt.options), (0, Vec::new()));
        }
    }
}

/// 6.1.3: EXTENDED-RCODE "forms the upper 8 bits of extended 12-bit RCODE"; in a query these bits have no meaning.
#[test]
fn section_6_1_3_extended_rcode_of_a_query_is_ignored() {
    assert_eq!(node().see(&ask("www", A).opt(1232, 0x0100_0000)).rcode, NOERROR);
}

/// 6.1.4: "Z: Set to zero by senders and ignored by receivers, unless modified in a subsequent specification."
#[test]
fn section_6_1_4_unknown_flags_are_ignored_and_zero() {
    let reply = node().see(&ask("www", A).opt(1232, 0x7fff));
    assert_eq!((reply.rcode, reply.opt.unwrap().flags), (NOERROR, 0));
}

/// 6.2.3: "Values lower than 512 MUST be treated as equal to 512."
#[test]
fn section_6_2_3_payloads_below_512_are_512() {
    let mut node = node();
    for payload in [0, 1, 511, 512] {
        let reply = node.see(&ask("some", TXT).payload(payload));
        assert_eq!((reply.flags & TC, reply.counts[1]), (0, 3), "{payload}");
    }
}

/// 6.2.3: the payload is "the number of octets of the largest UDP payload that can be reassembled and delivered": the OPT record
/// and its options count.
#[test]
fn section_6_2_3_a_reply_fits_the_payload_to_the_octet() {
    let mut node = node();
    let whole = node.see(&ask("more", TXT).option(COOKIE, &[7; 8])).octets.len() as u16;
    assert!(512 < whole && whole < 1232);
    for (payload, truncated) in [(whole, 0), (whole - 1, TC)] {
        let reply = node.see(&ask("more", TXT).payload(payload).option(COOKIE, &[7; 8]));
        assert_eq!((reply.flags & TC, reply.option(COOKIE).is_some()), (truncated, true));
        assert!(reply.octets.len() <= usize::from(payload));
    }
}

/// 6.2.4: a responder also has its own limit: 1232 octets, unless the operator sets another one.
#[test]
fn section_6_2_4_no_reply_is_longer_than_our_own_payload() {
    for (server, payload, truncated) in
        [("", 1232, TC), ("[edns]\npayload = 4096\n", 4096, 0), ("[edns]\npayload = 512\n", 512, TC)]
    {
        let reply = node_with(server).see(&ask("most", TXT).payload(65_535));
        assert_eq!((reply.flags & TC, reply.opt.unwrap().payload), (truncated, payload));
        assert!(reply.octets.len() <= usize::from(payload));
    }
    let small = node_with("[edns]\npayload = 512\n").see(&ask("more", TXT).payload(4096));
    assert_eq!(small.flags & TC, TC);
}

/// 6.2.3 is about UDP: over a stream no payload limits anything.
#[test]
fn section_6_2_3_the_payload_does_not_limit_streams() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic] {
        let reply = node().see_over(transport, &ask("most", TXT).payload(512));
        assert_eq!((reply.flags & TC, reply.counts[1]), (0, 27));
    }
}

/// 7: "Lack of presence of an OPT record in a request MUST be taken as an indication that the requestor does not implement any part
/// of this specification and that the responder MUST NOT include an OPT record in its response."
#[test]
fn section_7_no_opt_is_answered_with_none() {
    let reply = node().see(&ask("www", A));
    assert_eq!((reply.rcode, reply.opt.is_none()), (NOERROR, true));
}
