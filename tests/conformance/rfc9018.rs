//! RFC 9018: server cookies that servers of any vendor understand.

use crate::message::*;
use crate::scene::{START, Scene};

const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const OLD: &str = "dd3bdf9344b678b185a6f5cb60fca715";
const NEW: &str = "445536bcd2513298075a5d379663c962";

fn node_of(secrets: &[&str]) -> Scene {
    let secrets: Vec<String> = secrets.iter().map(|secret| format!("\"{secret}\"")).collect();
    node_with(&format!("[cookies]\nsecrets = [{}]\n", secrets.join(", ")))
}

/// Sends a cookie at this time. Returns the cookie that comes back, and whether the sent one was valid.
fn send(node: &mut Scene, now: u64, client: &str, cookie: &str) -> (Vec<u8>, bool) {
    send_octets(node, now, client, &hex(cookie))
}

fn send_octets(node: &mut Scene, now: u64, client: &str, cookie: &[u8]) -> (Vec<u8>, bool) {
    node.now = now;
    let reply = node.see_from(client, &ask("www", A).option(COOKIE, cookie));
    (reply.option(COOKIE).unwrap().to_vec(), reply.has_valid_cookie)
}

/// A.1: "Learning a New Server Cookie".
#[test]
fn appendix_a_1_a_new_cookie() {
    let (cookie, valid) = send(&mut node_of(&[SECRET]), 1_559_731_985, "198.51.100.100", "2464c4abcf10c957");
    assert_eq!((cookie, valid), (hex("2464c4abcf10c957010000005cf79f111f8130c3eee29480"), false));
}

/// A.2: "The Same Client Learning a Renewed (Fresh) Server Cookie".
#[test]
fn appendix_a_2_a_renewed_cookie() {
    let sent = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
    let (cookie, valid) = send(&mut node_of(&[SECRET]), 1_559_734_385, "198.51.100.100", sent);
    assert_eq!((cookie, valid), (hex("2464c4abcf10c957010000005cf7a871d4a564a1442aca77"), true));
}

/// A.3: "Another Client Learning a Renewed Server Cookie": the reserved octets are not zero there. 4.2: "the server MUST NOT enforce
/// those fields to be zero, and the Hash should be computed with the received value".
#[test]
fn appendix_a_3_reserved_octets_are_hashed_as_they_came() {
    let sent = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
    let mut node = node_of(&[SECRET]);
    assert!(send(&mut node, 1_559_727_985 + 3600, "203.0.113.203", sent).1);
    // The example accepts a cookie that is almost two hours old, which section 4.3 advises against.
    let (cookie, valid) = send(&mut node, 1_559_734_700, "203.0.113.203", sent);
    assert_eq!((cookie, valid), (hex("fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"), false));
}

/// A.4: "IPv6 Query with Rolled Over Secret".
#[test]
fn appendix_a_4_ipv6_and_a_secret_that_was_rolled_over() {
    let sent = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
    let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
    let (cookie, valid) = send(&mut node_of(&[NEW, OLD]), 1_559_741_961, client, sent);
    assert_eq!((cookie, valid), (hex("22681ab97d52c298010000005cf7c609a6bb79d16625507a"), true));
    assert!(!send(&mut node_of(&[NEW]), 1_559_741_961, client, sent).1, "the old secret is gone");
}

/// 4.3: "The DNS server SHOULD allow cookies within a 1-hour period in the past and a 5-minute period into the future".
#[test]
fn section_4_3_old_cookies_and_those_of_the_future_are_invalid() {
    let mut node = node_of(&[SECRET]);
    let sent = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
    for (now, expected) in [
        (START - 301, false),
        (START - 300, true),
        (START, true),
        (START + 3600, true),
        (START + 3601, false),
        (START + (1 << 32), true),
    ] {
        assert_eq!(send(&mut node, now, "198.51.100.100", sent).1, expected, "{now}");
    }
}

/// 4.1: a version that is not known is no valid cookie; nor is a hash that is off by a bit.
#[test]
fn section_4_1_other_versions_and_hashes_are_invalid() {
    let mut node = node_of(&[SECRET]);
    for sent in ["2464c4abcf10c957020000005cf79f111f8130c3eee29480", "2464c4abcf10c957010000005cf79f111f8130c3eee29481"]
    {
        assert!(!send(&mut node, START, "198.51.100.100", sent).1);
    }
}

/// 5: a new secret comes in three steps: servers first accept it, then use it, then remove the old one. Servers in
/// neighbouring steps accept each other's cookies.
#[test]
fn section_5_secrets_roll_over_without_a_break() {
    let steps: [&[&str]; 4] = [&[OLD], &[OLD, NEW], &[NEW, OLD], &[NEW]];
    for pair in steps.windows(2) {
        for (maker, checker) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            let (cookie, _) = send(&mut node_of(maker), START, "192.0.2.1", "2464c4abcf10c957");
            assert!(send_octets(&mut node_of(checker), START, "192.0.2.1", &cookie).1, "{maker:?} {checker:?}");
        }
    }
}
