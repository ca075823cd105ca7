//! RFC 8914: Extended DNS Errors.

use crate::message::*;
use crate::scene::Scene;

const OTHER: u16 = 0;
const NOT_AUTHORITATIVE: u16 = 20;
const NOT_SUPPORTED: u16 = 21;

fn error(node: &mut Scene, query: Asked) -> Option<u16> {
    node.see(&query.edns()).extended_error().map(|(code, _)| code)
}

/// 4.21: "Not Authoritative: An authoritative server that receives a query [...] for a domain for which it is not
/// authoritative SHOULD include this EDE code in the REFUSED response."
#[test]
fn section_4_21_outside_of_all_zones() {
    assert_eq!(error(&mut node(), ask("else.test.", A)), Some(NOT_AUTHORITATIVE));
    assert_eq!(error(&mut node(), ask("www", A).class(4)), Some(NOT_AUTHORITATIVE));
}

/// 4.22: "Not Supported: The requested operation or query is not supported."
#[test]
fn section_4_22_what_is_not_supported() {
    for query in [ask("www", A).opcode(5), ask("www", 254), ask("example.com.", 251)] {
        assert_eq!(error(&mut node(), query), Some(NOT_SUPPORTED));
    }
}

/// 4.1: "Other Error: The error in question falls into a category that does not match known extended error codes":
/// there is no code for "all endpoints are down", so EXTRA-TEXT says this, and how the answer was chosen.
#[test]
fn section_4_1_all_endpoints_down() {
    let all = ["198.51.100.1", "198.51.100.2", "192.0.2.1", "203.0.113.1", "2001:db8:f::1", "2001:db8:a::1"];
    for (policy, rcode) in [("all", NOERROR), ("last-healthy", NOERROR), ("nodata", NOERROR), ("servfail", SERVFAIL)] {
        let mut node = Scene::new(&format!("[names.www]\npools = [\"web\"]\nall_down = \"{policy}\"\n"));
        assert_eq!(error(&mut node, ask("www", A)), None);
        node.down(&all);
        let reply = node.see(&ask("www", A).edns());
        assert_eq!((reply.rcode, reply.extended_error()), (rcode, Some((OTHER, format!("all down: {policy}")))));
    }
}

/// 2: an answer that needs no explanation has none.
#[test]
fn section_2_plain_answers_have_none() {
    for query in [ask("www", A), ask("nowhere", A), ask("some", A), ask("most", TXT)] {
        assert_eq!(error(&mut node(), query), None);
    }
}

/// 3: an explanation must not cause truncation: if room is short, it is left out.
#[test]
fn section_3_it_is_dropped_before_anything_is_truncated() {
    let strings: Vec<String> = (0..30).map(|n| format!("\"192.0.2.{}\"", 100 + n)).collect();
    let pool = format!(
        "[monitors.x]\ntype = \"tcp\"\nport = 1\n[pools.many]\nmonitor = \"x\"\nendpoints = [{}]\n",
        strings.join(", ")
    );
    let zone = format!("{pool}[names.{}]\npools = [\"many\"]\nsteer = []\nanswers = 28\n", "w".repeat(16));
    let mut node = Scene::new(&zone);
    let down: Vec<String> = (0..30).map(|n| format!("192.0.2.{}", 100 + n)).collect();
    node.down(&down.iter().map(String::as_str).collect::<Vec<_>>());
    let query = ask(&"w".repeat(16), A);
    let long = node.see(&query.clone().payload(1232));
    assert_eq!(long.extended_error().unwrap().1, "all down: all");
    assert_eq!(long.octets.len(), 12 + 34 + 28 * 16 + 11 + 4 + 2 + 13);
    let short = node.see(&query.payload(512));
    assert_eq!((short.extended_error(), short.flags & TC, short.counts[1]), (None, 0, 28));
}

/// 2: the error is an EDNS option, so clients without EDNS get none.
#[test]
fn section_2_without_edns_there_is_none() {
    assert!(node().see(&ask("else.test.", A)).opt.is_none());
}
