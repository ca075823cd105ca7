//! RFC 7830 and RFC 8467: padding.

use truenorth::answer::Transport;

use crate::message::*;

const ENCRYPTED: [Transport; 3] = [Transport::Tls, Transport::Https, Transport::Quic];

/// 4: "Responders MUST pad DNS responses when the respective DNS query included the 'Padding' option". RFC 8467, section 4.1: to a
/// multiple of 468 octets.
#[test]
fn section_4_padded_queries_get_padded_replies() {
    let mut node = node();
    for transport in ENCRYPTED {
        for (name, rtype) in [("www", A), ("some", TXT), ("more", TXT), ("most", TXT), ("else.test.", A)] {
            let reply = node.see_over(transport, &ask(name, rtype).option(PADDING, &[0; 40]));
            assert_eq!(reply.octets.len() % 468, 0);
            // RFC 7830, section 3: "The PADDING octets SHOULD be set to 0x00."
            assert!(reply.option(PADDING).unwrap().iter().all(|&octet| octet == 0));
        }
    }
}

/// 4: a response to a query without padding has none.
#[test]
fn section_4_others_do_not() {
    for transport in ENCRYPTED {
        assert_eq!(node().see_over(transport, &ask("www", A).edns()).option(PADDING), None);
    }
}

/// 3: padding may also have octets other than 0x00, or no octets at all.
#[test]
fn section_3_any_octets_will_do() {
    for padding in [&[][..], &[7, 8, 9]] {
        let reply = node().see_over(Transport::Tls, &ask("www", A).option(PADDING, padding));
        assert_eq!((reply.rcode, reply.octets.len()), (NOERROR, 468));
    }
}

/// 6: padding hides the lengths of encrypted messages; elsewhere it would only amplify forged queries.
#[test]
fn section_6_nothing_is_padded_in_the_clear() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let reply = node().see_over(transport, &ask("www", A).option(PADDING, &[0; 40]));
        assert_eq!((reply.rcode, reply.option(PADDING)), (NOERROR, None));
    }
}
