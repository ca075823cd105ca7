//! RFC 1035, section 4: messages, including unusual ones.

use truenorth::answer::Transport;

use crate::message::*;

/// 4.1.1: "ID: [...] This identifier is copied the corresponding reply"; "RD: [...] is copied into the response".
#[test]
fn section_4_1_1_id_and_rd_are_copied() {
    let mut node = node();
    assert_eq!(node.see(&ask("www", A).flags(RD)).flags, QR | AA | RD);
    assert_eq!(node.see(&ask("www", A)).flags, QR | AA);
}

/// 4.1.1: "Z: Reserved for future use. Must be zero in all queries and responses." A bit that a later standard sets there, and
/// those of RFC 4035 (AD, CD), change nothing and do not come back.
#[test]
fn section_4_1_1_reserved_bits_are_ignored_and_zero() {
    let reply = node().see(&ask("www", A).flags(0x0070));
    assert_eq!((reply.rcode, reply.flags), (NOERROR, QR | AA));
}

/// 4.1.1: AA, TC and RA belong to responses; in a query they mean nothing.
#[test]
fn section_4_1_1_bits_of_responses_mean_nothing_in_a_query() {
    let reply = node().see(&ask("nowhere", A).flags(AA | TC | 0x0080));
    assert_eq!((reply.rcode, reply.flags), (NXDOMAIN, QR | AA | NXDOMAIN));
}

/// 4.1.1: "QR: A one bit field that specifies whether this message is a query (0), or a response (1)." Answering a
/// response could cause an endless exchange.
#[test]
fn section_4_1_1_responses_get_no_reply() {
    for opcode in 0..16 {
        assert!(node().see_octets(Transport::Udp, &ask("www", A).flags(QR).opcode(opcode).octets()).is_none());
    }
}

/// 4.1.1: the header has 12 octets; a shorter message has no ID to answer with.
#[test]
fn section_4_1_1_less_than_a_header_gets_no_reply() {
    let whole = ask("www", A).octets();
    let mut node = node();
    for length in 0..12 {
        assert!(node.see_octets(Transport::Udp, &whole[..length]).is_none(), "{length}");
    }
}

/// 4.1.1: "Not Implemented - The name server does not support the requested kind of query." This holds for IQUERY,
/// STATUS, NOTIFY, UPDATE, DSO and all later opcodes. The response repeats the question if there is one.
#[test]
fn section_4_1_1_other_opcodes_are_not_implemented() {
    let mut node = node();
    for opcode in 1..16 {
        let query = ask("www", A).opcode(opcode);
        let reply = node.see(&query);
        assert_eq!((reply.rcode, reply.flags & 0x7800), (NOTIMP, opcode << 11));
        assert_eq!((&reply.question, reply.is_empty()), (&query.questions, true));
    }
    // RD is copied for the opcodes that have it. For other opcodes the bit has another meaning, or an unknown one.
    for opcode in 0..16 {
        let reply = node.see(&ask("www", A).flags(RD | AA | TC | 0x00f0).opcode(opcode));
        let copied = if matches!(opcode, 0 | 1 | 2 | 4) { RD } else { 0 };
        let set = reply.flags & !(QR | 0x7800 | 0x000f);
        assert_eq!(set, copied | if opcode == 0 { AA } else { 0 }, "{opcode}");
    }
    // RFC 8490, section 5.4: DSO messages have no sections, and TLVs instead.
    let mut dso = ask_for(Vec::new()).opcode(6);
    dso.counts[0] = 0;
    dso.tail = vec![0, 1, 0, 8, 0, 0, 0x3a, 0x98, 0, 0, 0x3a, 0x98];
    assert_eq!(node.see(&dso).rcode, NOTIMP);
    // RFC 2136, section 2.3: the zone section of an UPDATE is in the place of the questions; changes follow.
    let mut update = ask("example.com.", SOA).opcode(5);
    update.records = record(&name("new.example.com."), A, IN, 60, &[192, 0, 2, 1]);
    update.counts[2] = 1;
    assert_eq!(node.see(&update).rcode, NOTIMP);
    // A message that ends in its question.
    let cut = &ask("www", A).opcode(4).octets()[..15];
    let reply = node.see_octets(Transport::Udp, cut).expect("a header is enough");
    assert_eq!((reply.rcode, reply.counts), (NOTIMP, [0; 4]));
}

/// 4.1.1: "Format error - The name server was unable to interpret the query."
#[test]
fn section_4_1_1_what_is_cut_short_is_a_format_error() {
    let mut node = node();
    let whole = ask("www", A).edns().octets();
    for length in 12..whole.len() {
        let reply = node.see_octets(Transport::Udp, &whole[..length]).expect("a header is enough");
        assert_eq!((reply.rcode, reply.is_empty()), (FORMERR, true), "{length}");
    }
}

/// 4.1: a message ends with its last record. Further octets have no known meaning: Knot refuses them, BIND and NSD
/// ignore them.
#[test]
fn section_4_1_octets_behind_the_last_record_are_a_format_error() {
    let mut node = node();
    for query in [ask("www", A), ask("www", A).edns()] {
        let reply = node.see_octets(Transport::Udp, &[&query.octets()[..], &[0]].concat()).unwrap();
        assert_eq!(reply.rcode, FORMERR);
    }
}

/// 4.1: records in a query's answer and authority sections, and unknown additional ones, are ignored.
#[test]
fn section_4_1_records_in_a_query_are_passed_over() {
    let mut query = ask("www", A).edns();
    let owner = name("elsewhere.test.");
    query.records = [record(&owner, A, IN, 9, &[1, 2, 3, 4]), record(&[0xc0, 12], SOA, IN, 0, &[0; 22])].concat();
    query.records.extend(record(&owner, 4242, IN, 9, b"what"));
    query.counts = [1, 1, 1, 1];
    let reply = node().see(&query);
    assert_eq!((reply.rcode, reply.counts[1]), (NOERROR, 1));
}

/// 4.1.2: the question is repeated as it came, letter case included (RFC 4343, section 4.1, asks for as much; 0x20 needs it).
#[test]
fn section_4_1_2_the_question_comes_back_octet_by_octet() {
    let query = ask("wWw.eXaMpLe.CoM.", A);
    let reply = node().see(&query);
    assert_eq!((reply.rcode, reply.question), (NOERROR, query.questions));
}

/// 4.1.4: "a pointer to a prior occurance of the same name": there is none before the question.
#[test]
fn section_4_1_4_a_question_with_a_pointer_is_a_format_error() {
    let mut node = node();
    let tail = [&A.to_be_bytes()[..], &IN.to_be_bytes()].concat();
    let at_itself: &[u8] = &[0xc0, 12];
    let ahead: &[u8] = &[0xc0, 20];
    let at_the_header: &[u8] = &[0xc0, 0];
    let behind_a_label: &[u8] = b"\x03www\xc0\x0c";
    for owner in [at_itself, ahead, at_the_header, behind_a_label] {
        let reply = node.see(&ask_for([owner, &tail].concat()));
        assert_eq!((reply.rcode, reply.counts[0]), (FORMERR, 0), "{owner:02x?}");
    }
}

/// 4.1.4: "The 10 and 01 combinations are reserved for future use." RFC 6891, section 5, has given up 01.
#[test]
fn section_4_1_4_other_label_types_are_format_errors() {
    for first in [0x40, 0x41, 0x7f, 0x80, 0xbf] {
        let question = [&[first][..], &[b'a'; 63], &[0], &A.to_be_bytes(), &IN.to_be_bytes()].concat();
        assert_eq!(node().see(&ask_for(question)).rcode, FORMERR, "{first:02x}");
    }
}

/// 2.3.4: "labels 63 octets or less; names 255 octets or less".
#[test]
fn section_2_3_4_names_may_be_as_long_as_names_may_be() {
    let question = |labels: &[u8]| {
        let name = labels.iter().flat_map(|&length| [vec![length], vec![b'a'; length.into()]].concat());
        [name.chain([0]).collect::<Vec<u8>>(), [A.to_be_bytes(), IN.to_be_bytes()].concat()].concat()
    };
    let mut node = node();
    let longest = node.see(&ask_for(question(&[63, 63, 63, 61])).edns());
    assert_eq!((longest.rcode, longest.question.len()), (REFUSED, 259));
    let too_long = node.see(&ask_for(question(&[63, 63, 63, 62])).edns());
    assert_eq!((too_long.rcode, too_long.counts[0]), (FORMERR, 0));
    let labels = node.see(&ask_for(question(&[1; 127])).edns());
    assert_eq!((labels.rcode, labels.question.len()), (REFUSED, 259));
}

/// 4.2.1: "Messages carried by UDP are restricted to 512 bytes (not counting the IP or UDP headers). Longer messages are
/// truncated and the TC bit is set in the header." RFC 2181, section 9: what does not fit is left out as a whole RRset.
#[test]
fn section_4_2_1_without_edns_messages_have_512_octets() {
    let mut node = node();
    let whole = node.see(&ask("some", TXT));
    assert_eq!((whole.flags & TC, whole.counts[1]), (0, 3));
    let cut = node.see(&ask("more", TXT));
    assert_eq!((cut.rcode, cut.flags & TC, cut.is_empty()), (NOERROR, TC, true));
    assert!(cut.octets.len() <= PLAIN);
    let over_tcp = node.see_over(Transport::Tcp, &ask("most", TXT));
    assert_eq!((over_tcp.flags & TC, over_tcp.counts[1]), (0, 27));
}
