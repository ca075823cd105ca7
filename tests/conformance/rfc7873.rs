//! RFC 7873: cookies, independent of their contents.

use std::sync::Arc;

use truenorth::answer::Transport;
use truenorth::geo::Locations;
use truenorth::snapshot::{Blueprint, EndpointState, Snapshot, World};

use crate::message::*;
use crate::scene::Scene;

const REQUIRED: &str = "[cookies]\nrequire = true\n";
const CLIENT: [u8; 8] = *b"a client";

fn ask_with(cookie: &[u8]) -> Asked {
    ask("www", A).option(COOKIE, cookie)
}

/// The whole option with which a node answers a client cookie.
fn learn(node: &mut Scene) -> Vec<u8> {
    node.see(&ask_with(&CLIENT)).option(COOKIE).unwrap().to_vec()
}

/// 5.2.1: without a COOKIE option "the server responds to the request as if the server doesn't implement the COOKIE option".
#[test]
fn section_5_2_1_without_the_option_nothing_changes() {
    for server in ["", REQUIRED] {
        for query in [ask("www", A), ask("www", A).edns()] {
            let reply = node_with(server).see(&query);
            assert_eq!((reply.rcode, reply.option(COOKIE), reply.has_valid_cookie), (NOERROR, None, false));
        }
    }
}

/// 5.2.2: "valid cookie lengths are 8 and 16 to 40 inclusive"; other lengths are FORMERR.
#[test]
fn section_5_2_2_malformed_options_are_format_errors() {
    let mut node = node();
    for length in 0..50 {
        let reply = node.see(&ask_with(&vec![7; length]));
        let is_sound = length == 8 || (16..=40).contains(&length);
        assert_eq!(reply.rcode, if is_sound { NOERROR } else { FORMERR }, "{length}");
        assert_eq!(reply.option(COOKIE).is_some(), is_sound);
        assert_eq!(reply.extended_error().is_some(), !is_sound);
    }
}

/// 5.2.3: "it SHALL generate its own COOKIE option containing both the Client Cookie copied from the request and a Server
/// Cookie it has generated".
#[test]
fn section_5_2_3_a_client_cookie_is_answered_with_a_server_cookie() {
    let mut node = node();
    for query in [ask("www", A), ask("nowhere", A), ask("else.test.", A), ask("most", TXT)] {
        let reply = node.see(&query.option(COOKIE, &CLIENT));
        let cookie = reply.option(COOKIE).unwrap();
        assert_eq!((cookie.len(), &cookie[..8], reply.has_valid_cookie), (24, &CLIENT[..], false));
    }
}

/// 5.2.3, choice 2: if a cookie is required, BADCOOKIE comes with a valid one, with which the client gets its answer.
#[test]
fn section_5_2_3_a_required_cookie_is_told_by_badcookie() {
    let mut node = node_with(REQUIRED);
    let query = ask_with(&CLIENT);
    let reply = node.see(&query);
    assert_eq!((reply.rcode, reply.is_empty(), &reply.question), (BADCOOKIE, true, &query.questions));
    let reply = node.see(&ask_with(reply.option(COOKIE).unwrap()));
    assert_eq!((reply.rcode, reply.counts[1], reply.has_valid_cookie), (NOERROR, 1, true));
}

/// 5.2.3: "If the request was received over TCP, the server SHOULD take the authentication provided by the use of TCP into
/// account and SHOULD choose (3)": answer.
#[test]
fn section_5_2_3_over_a_stream_no_cookie_is_required() {
    let mut node = node_with(REQUIRED);
    for transport in [Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic] {
        for cookie in [&CLIENT[..], &[7; 24]] {
            let reply = node.see_over(transport, &ask_with(cookie));
            assert_eq!((reply.rcode, reply.option(COOKIE).is_some()), (NOERROR, true));
        }
    }
}

/// 5.2.4: "The server SHALL process the request as if the invalid Server Cookie was not present, as described in Section 5.2.3."
#[test]
fn section_5_2_4_an_invalid_server_cookie_is_as_good_as_none() {
    let (mut lax, mut strict) = (node(), node_with(REQUIRED));
    for server in [8, 16, 32] {
        let cookie = [&CLIENT[..], &vec![1; server]].concat();
        let reply = lax.see(&ask_with(&cookie));
        assert_eq!((reply.rcode, reply.has_valid_cookie, reply.option(COOKIE).unwrap().len()), (NOERROR, false, 24));
        assert_eq!(strict.see(&ask_with(&cookie)).rcode, BADCOOKIE);
    }
}

/// 5.2.4: a cookie belongs to one client: it is invalid with another address or with another client cookie.
#[test]
fn section_5_2_4_a_cookie_of_another_client_is_invalid() {
    let mut node = node_with(REQUIRED);
    let cookie = node.see_from("192.0.2.1", &ask_with(&CLIENT)).option(COOKIE).unwrap().to_vec();
    assert_eq!(node.see_from("192.0.2.1", &ask_with(&cookie)).rcode, NOERROR);
    assert_eq!(node.see_from("::ffff:192.0.2.1", &ask_with(&cookie)).rcode, NOERROR, "the same address");
    assert_eq!(node.see_from("192.0.2.2", &ask_with(&cookie)).rcode, BADCOOKIE);
    let mut other = cookie.clone();
    other[0] ^= 1;
    assert_eq!(node.see_from("192.0.2.1", &ask_with(&other)).rcode, BADCOOKIE);
}

/// 5.2.5: "The server SHALL process the request and include a COOKIE option in the response".
#[test]
fn section_5_2_5_a_valid_cookie_is_answered_with_one() {
    let mut node = node();
    let cookie = learn(&mut node);
    let reply = node.see(&ask_with(&cookie));
    assert_eq!((reply.rcode, reply.has_valid_cookie), (NOERROR, true));
    assert_eq!(reply.option(COOKIE), Some(&cookie[..]), "in the same second it is the same");
}

/// 5.2: of several COOKIE options the first one counts.
#[test]
fn section_5_2_the_first_of_several_cookies_counts() {
    let mut node = node();
    let cookie = learn(&mut node);
    assert!(node.see(&ask_with(&cookie).option(COOKIE, &[9; 8])).has_valid_cookie);
    assert!(!node.see(&ask_with(&[9; 8]).option(COOKIE, &cookie)).has_valid_cookie);
}

/// 5.4: a query without a question, "provided that an OPT record is present with a COOKIE option", is answered. "If such a query
/// provided just a Client Cookie and no Server Cookie, the response SHALL have the RCODE NOERROR."; with a Server Cookie it is
/// "BADCOOKIE if the Server Cookie sent with the query was invalid and [...] NOERROR if it was valid".
#[test]
fn section_5_4_a_query_without_a_question_asks_about_the_cookie() {
    let mut node = node();
    let mut query = ask_for(Vec::new());
    query.counts[0] = 0;
    let cookie = learn(&mut node);
    for (sent, rcode) in [(&CLIENT[..], NOERROR), (&cookie, NOERROR), (&[7; 24], BADCOOKIE), (&[7; 40], BADCOOKIE)] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let reply = node.see_over(transport, &query.clone().option(COOKIE, sent));
            assert_eq!((reply.rcode, reply.counts), (rcode, [0, 0, 0, 1]));
            let answered = reply.option(COOKIE).unwrap();
            assert_eq!((answered.len(), &answered[..8]), (24, &sent[..8]));
        }
    }
}

/// A node's own secret is random: another node does not accept its cookies.
#[test]
fn section_6_each_node_without_a_secret_has_its_own() {
    let cookie = learn(&mut node());
    assert!(!node().see(&ask_with(&cookie)).has_valid_cookie);
}

/// A reload makes no cookie invalid.
#[test]
fn section_6_a_nodes_own_secret_outlives_a_reload() {
    let compile = |previous: Option<&Snapshot>| {
        let blueprint = Blueprint::compile(World::default(), Arc::new(Locations::unknown()), previous);
        Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, previous)
    };
    let first = compile(None);
    assert_eq!(compile(Some(&first)).cookie_secrets(), first.cookie_secrets());
    assert_ne!(compile(None).cookie_secrets(), first.cookie_secrets());
}
