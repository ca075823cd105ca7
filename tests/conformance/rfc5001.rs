//! RFC 5001: NSID.

use crate::message::*;

const IDENTITY: &str = "[identity]\nnsid = \"fra-1\"\n";

/// 2.2: "A name server [...] responds by including identifying information in a NSID option in an EDNS OPT pseudo-RR".
#[test]
fn section_2_2_who_asks_is_told() {
    let mut node = node_with(IDENTITY);
    assert_eq!(node.see(&ask("www", A).option(NSID, &[])).option(NSID), Some(&b"fra-1"[..]));
    assert_eq!(node.see(&ask("else.test.", A).option(NSID, &[])).option(NSID), Some(&b"fra-1"[..]));
}

/// 2.2: "The name server MUST ignore any NSID payload data that might be present in the query message."
#[test]
fn section_2_2_what_the_query_says_is_ignored() {
    let reply = node_with(IDENTITY).see(&ask("www", A).option(NSID, b"iad-1"));
    assert_eq!((reply.rcode, reply.option(NSID)), (NOERROR, Some(&b"fra-1"[..])));
}

/// 2.2: "A name server MUST NOT send an NSID option back to a resolver which did not request it."
#[test]
fn section_2_2_who_does_not_ask_is_not_told() {
    assert_eq!(node_with(IDENTITY).see(&ask("www", A).edns()).option(NSID), None);
    assert!(node_with(IDENTITY).see(&ask("www", A)).opt.is_none());
}

/// 2.2: the server may choose not to honor the request. Without `nsid` there is no option.
#[test]
fn section_2_2_a_node_without_an_identity_says_nothing() {
    assert_eq!(node().see(&ask("www", A).option(NSID, &[])).option(NSID), None);
}

/// 2.3 leaves the octets to the operator. With 128 of them there is still room for the longest name and every other
/// option.
#[test]
fn section_2_3_the_longest_identity_leaves_room_for_the_longest_question() {
    let nsid = "n".repeat(128);
    let mut node = node_with(&format!("[identity]\nnsid = \"{nsid}\"\n"));
    let labels = format!("{}.{}.{}.{}.", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
    let subnet = [&[0, 2, 128, 0][..], &[0x20; 16]].concat();
    let query = ask(&labels, A).payload(512).option(NSID, &[]).option(CLIENT_SUBNET, &subnet).option(COOKIE, &[7; 8]);
    let reply = node.see(&query);
    assert_eq!((reply.rcode, reply.option(NSID)), (REFUSED, Some(nsid.as_bytes())));
    assert!(reply.option(COOKIE).is_some() && reply.option(CLIENT_SUBNET).is_some());
    assert!(reply.octets.len() <= PLAIN);
}
