//! DNS over TLS, HTTPS and QUIC on real sockets: which queries are answered, which are refused, and which clients wait
//! for others.

#[path = "../encrypted/mod.rs"]
mod encrypted;
#[path = "../served/mod.rs"]
mod served;

mod doh;
mod doq;
mod dot;

use std::io::{ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use encrypted::{Identity, NAME, Server, Tls, ask, ask_quic, http, quic, quic_endpoint, tls, trusting};
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType;
use served::{BIG_RECORDS, PATIENCE, addresses, ask_tcp, assert_closed, connect, connect_from, framed, query, strings};
use tokio::time::timeout;
use truenorth::server::{Bound, GRACE, TcpLimits};

/// A timeout that a test waits for.
const SHORT: Duration = Duration::from_secs(1);

/// Maximum wait of a new client, whatever others do: less than any limit.
const AT_ONCE: Duration = PATIENCE;

/// Limits that no test reaches soon.
fn limits() -> TcpLimits {
    let long = PATIENCE * 2;
    TcpLimits { handshake: long, idle: long, query: long, answer: long, ..TcpLimits::default() }
}

/// Returns true if the server has closed the connection properly, without sending anything more.
fn assert_closed_inside(stream: &mut Tls) {
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

fn ns1() -> Message {
    query("ns1", RecordType::A)
}

fn get(query: &Message) -> String {
    format!("GET /dns-query?dns={} HTTP/1.1", BASE64URL_NOPAD.encode(&query.to_vec().unwrap()))
}

const POST: &str = "POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message";

mod certificates {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn another_one_is_shown_to_newcomers_and_connections_go_on() {
        let server = Server::start(limits());
        let (mut dot, mut doh, doq) = (server.tls(&["dot"]), server.https(), server.quic().await);
        let new = Identity::new();
        server.running.show(server.identity.credentials());
        server.running.show(new.credentials());

        ask(&mut dot, &ns1());
        assert_eq!(http(&mut doh, &get(&ns1()), b"").status, 200);
        ask_quic(&doq, &ns1()).await;

        for address in [server.tls, server.https] {
            assert!(tls(connect(address), trusting(&[&server.identity], &[])).is_err());
            assert!(tls(connect(address), trusting(&[&new], &[])).is_ok());
        }
        assert!(quic(server.quic, &server.identity).await.is_err());
        ask_quic(&quic(server.quic, &new).await.unwrap(), &ns1()).await;
        server.running.stop().await;
    }
}

mod stopping {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn ends_all_ways_at_once_and_frees_their_ports() {
        let server = Server::start(limits());
        let (mut dot, mut doh, doq) = (server.tls(&["dot"]), server.https(), server.quic().await);
        ask(&mut dot, &ns1());
        assert_eq!(http(&mut doh, &get(&ns1()), b"").status, 200);
        ask_quic(&doq, &ns1()).await;
        let mut half_open = connect(server.tls);
        let (addresses, dns) = (server.encrypted(), server.dns);
        let began = Instant::now();
        server.running.stop().await;
        assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
        assert_closed_inside(&mut dot);
        assert_closed_inside(&mut doh);
        assert_closed(&mut half_open);
        assert_eq!(doq::closed_with(&doq).await, 0);
        let bound = Bound::new(&[dns], NonZeroUsize::MIN).unwrap();
        bound.with_encrypted(&addresses, server.identity.credentials()).unwrap();
    }
}
