//! RFC 7828: edns-tcp-keepalive.

use truenorth::answer::Transport;

use crate::message::*;
use crate::scene::IDLE;

/// 3.3.2: a server that gets a query over TCP with an OPT record may send "the expected idle timeout on a connection",
/// in units of 100 milliseconds (3.1). It is sent only on request.
#[test]
fn section_3_3_2_who_asks_over_tcp_is_told_the_idle_timeout() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let reply = node().see_over(transport, &ask("www", A).option(TCP_KEEPALIVE, &[]));
        assert_eq!(reply.option(TCP_KEEPALIVE), Some(&(IDLE.as_millis() as u16 / 100).to_be_bytes()[..]));
        assert_eq!(node().see_over(transport, &ask("www", A).edns()).option(TCP_KEEPALIVE), None);
    }
}

/// 3.2.1: a client must not send a timeout; one that does is still answered.
#[test]
fn section_3_2_1_a_timeout_in_a_query_is_ignored() {
    let reply = node().see_over(Transport::Tcp, &ask("www", A).option(TCP_KEEPALIVE, &[0, 1]));
    assert_eq!((reply.rcode, reply.option(TCP_KEEPALIVE)), (NOERROR, Some(&[0, 100][..])));
}

/// 3.3.1: "A DNS server that receives a query using UDP transport that includes the edns-tcp-keepalive option MUST ignore the
/// option."
#[test]
fn section_3_3_1_over_udp_the_option_is_ignored() {
    let reply = node().see(&ask("www", A).option(TCP_KEEPALIVE, &[]));
    assert_eq!((reply.rcode, reply.option(TCP_KEEPALIVE)), (NOERROR, None));
}

/// RFC 9250, section 5.5.2: QUIC has an idle timeout of its own, and so has HTTP: neither uses this option.
#[test]
fn rfc9250_section_5_5_2_quic_and_https_do_not_use_it() {
    for transport in [Transport::Quic, Transport::Https] {
        let reply = node().see_over(transport, &ask("www", A).option(TCP_KEEPALIVE, &[]));
        assert_eq!(reply.option(TCP_KEEPALIVE), None);
    }
}
