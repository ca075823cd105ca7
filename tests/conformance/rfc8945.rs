//! RFC 8945: TSIG, for a server that has no keys.

use crate::message::*;

const CLASS_ANY: u16 = 255;
const TIME_AND_FUDGE: &[u8] = &[0, 0, 0x5c, 0xf7, 0x9f, 0x11, 1, 0x2c];

fn rdata() -> Vec<u8> {
    let mac: &[u8] = &[0xab; 32];
    [&name("hmac-sha256.")[..], TIME_AND_FUDGE, &[0, 32], mac, &[0x56, 0x78], &[0, 0], &[0, 0]].concat()
}

fn tsig(owner: &[u8]) -> Vec<u8> {
    record(owner, TSIG, CLASS_ANY, 0, &rdata())
}

/// 5.2.1: "If a non-forwarding server does not recognize the key or algorithm used by the client [...], the server MUST
/// generate an error response with RCODE 9 (NOTAUTH) and TSIG ERROR 17 (BADKEY). This response MUST be unsigned".
#[test]
fn section_5_2_1_no_key_is_known() {
    let mut node = node();
    let compressed = [b"\x03key".as_slice(), &[0xc0, 16]].concat();
    for (owner, spelled) in [(name("key.test."), "key.test."), (compressed, "key.example.com.")] {
        let query = ask("www", A).edns().last(&tsig(&owner));
        let reply = node.see(&query);
        assert_eq!((reply.rcode, reply.counts), (NOTAUTH, [1, 0, 0, 2]));
        let tsig = reply.records.last().unwrap();
        assert_eq!((&tsig.owner, tsig.rtype, tsig.class, tsig.ttl), (&name(spelled), TSIG, CLASS_ANY, 0));
        let unsigned = [&name("hmac-sha256.")[..], TIME_AND_FUDGE, &[0, 0, 0x56, 0x78, 0, 17, 0, 0]].concat();
        assert_eq!(tsig.rdata, unsigned);
    }
}

/// 5.2: "If multiple TSIG records are detected or a TSIG record is present in any other position, the DNS message is dropped and
/// a response with RCODE 1 (FORMERR) MUST be returned."
#[test]
fn section_5_2_tsig_is_the_last_record_and_the_only_one() {
    let mut node = node();
    let signature = tsig(&name("key.test."));
    let twice = ask("www", A).edns().last(&signature).last(&signature);
    let not_last = ask("www", A).last(&signature).last(&record(&[0], OPT, 1232, 0, &[]));
    let mut elsewhere = ask("www", A);
    elsewhere.records.clone_from(&signature);
    elsewhere.counts[2] = 1;
    for query in [twice, not_last, elsewhere] {
        assert_eq!(node.see(&query).rcode, FORMERR);
    }
}

/// 4.2: the fields fill the record.
#[test]
fn section_4_2_malformed_records_are_format_errors() {
    let mut node = node();
    let whole = rdata();
    for length in 0..whole.len() {
        let cut = record(&name("key.test."), TSIG, CLASS_ANY, 0, &whole[..length]);
        assert_eq!(node.see(&ask("www", A).last(&cut)).rcode, FORMERR, "{length}");
    }
    // The key's name: a pointer at itself, and one ahead.
    for pointer in [33_u8, 60] {
        assert_eq!(node.see(&ask("www", A).last(&tsig(&[0xc0, pointer]))).rcode, FORMERR);
    }
}

/// 5.3: a TSIG record that would not fit is left out: the code says enough.
#[test]
fn section_5_3_what_does_not_fit_is_left_out() {
    let long = format!("{}.{}.{}.{}.", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
    let reply = node().see(&ask(&long, A).last(&tsig(&name(&long))));
    assert_eq!((reply.rcode, reply.counts), (NOTAUTH, [1, 0, 0, 0]));
}
