//! The server on real sockets: its answers, its robustness, its start and its end.
//!
//! Clients block; the server's tasks have threads of their own.

mod served;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use served::{
    ADDRESSES, BIG_RECORDS, PATIENCE, Server, addresses, ask_tcp, ask_udp, assert_closed, connect, connect_from,
    framed, next_answer, query, snapshot, strings, udp_socket, version,
};
use socket2::{Domain, Socket, Type};
use truenorth::server::{BindFailure, Bound, GRACE, LAST_GRACE, TcpLimits};

/// A time-out that a test waits for.
const SHORT: Duration = Duration::from_millis(200);

mod udp {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn answers() {
        let server = Server::start(2);
        let (answer, _) = ask_udp(server.address(), &query("ns1", RecordType::A));
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.metadata.authoritative);
        assert_eq!(addresses(&answer), ["192.0.2.53".parse::<std::net::IpAddr>().unwrap()]);
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn answers_many_that_come_at_once() {
        let server = Server::start(1);
        let socket = udp_socket(server.address());
        for id in 0..200_u16 {
            let mut query = query("ns1", RecordType::A);
            query.metadata.id = id;
            socket.send(&query.to_vec().unwrap()).unwrap();
        }
        let mut ids: Vec<_> = (0..200).map(|_| receive(&socket).metadata.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..200).collect::<Vec<_>>());
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn truncates_what_tcp_gives_whole() {
        let server = Server::start(1);
        let mut big = query("big", RecordType::TXT);
        let (answer, length) = ask_udp(server.address(), &big);
        assert!(answer.metadata.truncation && length <= 512, "{length} octets");
        big.edns = Some(Edns::new());
        let (answer, length) = ask_udp(server.address(), &big);
        assert!(answer.metadata.truncation && length <= 1232, "{length} octets");
        let answer = ask_tcp(&mut connect(server.address()), &big);
        assert!(!answer.metadata.truncation);
        assert_eq!(strings(&answer).len(), BIG_RECORDS);
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_query_that_is_longer_than_any_sound_one_is_a_format_error() {
        let server = Server::start(1);
        let socket = udp_socket(server.address());
        let mut octets = query("ns1", RecordType::A).to_vec().unwrap();
        // A message that fits the server's buffer of 4096 octets is valid: an OPT record with one unknown option up to
        // its end.
        octets[11] = 1;
        let length = 4096 - octets.len() as u16 - 11;
        octets.extend([0, 0, 41, 4, 208, 0, 0, 0, 0]);
        octets.extend([length.to_be_bytes(), [0xfd, 0xe9], (length - 4).to_be_bytes()].concat());
        octets.resize(4096, 0);
        socket.send(&octets).unwrap();
        assert_eq!(receive(&socket).metadata.response_code, ResponseCode::NoError);
        octets.push(0);
        socket.send(&octets).unwrap();
        assert_eq!(receive(&socket).metadata.response_code, ResponseCode::FormErr);
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn garbage_gets_no_more_than_an_error_and_no_response_gets_one() {
        let server = Server::start(2);
        let socket = udp_socket(server.address());
        socket.set_nonblocking(true).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let mut replies = 0;
        for round in 0..4000 {
            let mut garbage: Vec<u8> = (0..random.usize(..600)).map(|_| random.u8(..)).collect();
            // Half of them have the header of a query.
            if round % 2 == 0 && garbage.len() > 12 {
                garbage[2..12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
            }
            socket.send(&garbage).unwrap();
            replies += usize::from(assert_harmless_reply(&socket));
        }
        let mut response = query("ns1", RecordType::A);
        response.metadata.message_type = MessageType::Response;
        socket.send(&response.to_vec().unwrap()).unwrap();
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        while assert_harmless_reply(&socket) {
            replies += 1;
        }
        assert!(replies > 1000, "only {replies} replies");
        assert_eq!(version(server.address()), "one");
        server.stop().await;
    }

    /// Returns true if there was a reply.
    fn assert_harmless_reply(socket: &UdpSocket) -> bool {
        let mut octets = [0; 2048];
        let Ok(length) = socket.recv(&mut octets) else { return false };
        let reply = Message::from_vec(&octets[..length]).unwrap();
        let codes = [ResponseCode::FormErr, ResponseCode::NotImp, ResponseCode::Refused, ResponseCode::BADVERS];
        assert!(codes.contains(&reply.metadata.response_code), "{reply:?}");
        assert_eq!(reply.metadata.message_type, MessageType::Response);
        assert!(reply.answers.is_empty() && reply.authorities.is_empty());
        true
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
        let server = Server::start_at(&["0.0.0.0:0", "[::]:0"], 2, TcpLimits::default());
        let (v4, v6) = (server.addresses[0].port(), server.addresses[1].port());
        for asked in [format!("127.0.0.2:{v4}"), format!("127.0.0.3:{v4}"), format!("[::1]:{v6}")] {
            // The client's socket is connected: an answer from elsewhere does not reach it.
            assert_eq!(version(asked.parse().unwrap()), "one", "{asked}");
        }
        server.stop().await;
    }

    fn receive(socket: &UdpSocket) -> Message {
        let mut octets = [0; 2048];
        let length = socket.recv(&mut octets).unwrap();
        Message::from_vec(&octets[..length]).unwrap()
    }
}

mod tcp {
    use super::*;

    /// Limits of which one is low.
    fn limits() -> TcpLimits {
        TcpLimits { idle: PATIENCE * 2, query: PATIENCE * 2, answer: PATIENCE * 2, ..TcpLimits::default() }
    }

    fn start(limits: TcpLimits) -> Server {
        Server::start_at(&["127.0.0.1:0"], 1, limits)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_queries_in_one_segment_are_answered_in_order() {
        let server = start(limits());
        let mut stream = connect(server.address());
        let (first, second) = (query("big", RecordType::TXT), query("ns1", RecordType::A));
        stream.write_all(&[framed(&first), framed(&second)].concat()).unwrap();
        assert_eq!(next_answer(&mut stream).metadata.id, first.metadata.id);
        assert_eq!(next_answer(&mut stream).metadata.id, second.metadata.id);
        // The connection can be used for another query after that.
        ask_tcp(&mut stream, &query("ns1", RecordType::A));
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_idle_time_is_told_and_cookies_bear_the_time() {
        let server = start(TcpLimits { idle: Duration::from_secs(7), ..limits() });
        let mut query = query("ns1", RecordType::A);
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::Keepalive.into(), Vec::new()));
        edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::Cookie.into(), vec![7; 8]));
        query.set_edns(edns);
        let answer = ask_tcp(&mut connect(server.address()), &query);
        let option = |answer: &Message, code| match answer.edns.as_ref().unwrap().option(code) {
            Some(EdnsOption::Unknown(_, octets)) => octets.clone(),
            other => panic!("{other:?} are no octets"),
        };
        assert_eq!(option(&answer, EdnsCode::Keepalive), 70_u16.to_be_bytes());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        for answer in [answer, ask_udp(server.address(), &query).0] {
            let cookie = option(&answer, EdnsCode::Cookie);
            let made = u32::from_be_bytes(cookie[12..16].try_into().unwrap());
            assert!(now.abs_diff(made.into()) < 60, "{made} at {now}");
        }
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_query_may_come_octet_by_octet() {
        let server = start(limits());
        let mut stream = connect(server.address());
        let query = query("ns1", RecordType::A);
        for octet in framed(&query) {
            stream.write_all(&[octet]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(next_answer(&mut stream).metadata.id, query.metadata.id);
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_query_may_be_as_long_as_a_message_can_be() {
        let server = start(limits());
        let mut stream = connect(server.address());
        let mut message = query("ns1", RecordType::A).to_vec().unwrap();
        message.resize(65_535, 0);
        let padded = [&[0xff; 2][..], &message].concat();
        for _ in 0..3 {
            stream.write_all(&padded).unwrap();
            next_answer(&mut stream);
        }
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_response_gets_no_answer_and_keeps_the_connection() {
        let server = start(limits());
        let mut stream = connect(server.address());
        let mut response = query("ns1", RecordType::A);
        response.metadata.message_type = MessageType::Response;
        stream.write_all(&framed(&response)).unwrap();
        ask_tcp(&mut stream, &query("ns1", RecordType::A));
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_a_message_ends_the_connection() {
        let server = start(limits());
        for nonsense in [&[0, 0][..], &[0, 11, 1, 2, 3]] {
            let mut stream = connect(server.address());
            stream.write_all(nonsense).unwrap();
            assert_closed(&mut stream);
        }
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_idle_connection_is_closed() {
        // Long enough for a busy machine to ask in time.
        let idle = 10 * SHORT;
        let server = start(TcpLimits { idle, ..limits() });
        let mut stream = connect(server.address());
        std::thread::sleep(idle / 2);
        let asked = Instant::now();
        ask_tcp(&mut stream, &query("ns1", RecordType::A));
        assert_closed(&mut stream);
        assert!(asked.elapsed() >= idle);
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_query_that_does_not_end_closes_the_connection_even_if_it_goes_on() {
        let server = start(TcpLimits { query: SHORT, ..limits() });
        let mut stream = connect(server.address());
        stream.set_read_timeout(Some(SHORT / 10)).unwrap();
        stream.write_all(&[1, 0]).unwrap();
        let began = Instant::now();
        // The end shows as a failed write or as the end of the stream.
        while stream.write_all(&[0]).is_ok() && !matches!(stream.read(&mut [0]), Ok(0)) {
            assert!(began.elapsed() < PATIENCE, "the connection is still open");
        }
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_does_not_read_answers_is_left() {
        let server = start(TcpLimits { answer: SHORT, ..limits() });
        let mut stream = connect(server.address());
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let big = framed(&query("big", RecordType::TXT)).repeat(100);
        // Answers fill the buffers of both ends; then nothing more is read, and the queries fill them too.
        let error = (0..).find_map(|_| stream.write_all(&big).err()).unwrap();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        ask_tcp(&mut connect(server.address()), &query("ns1", RecordType::A));
        server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_connections_that_ask_nothing_keep_nobody_waiting() {
        let server = start(limits());
        let ask = query("ns1", RecordType::A);
        let mut other_client = connect_from("127.0.0.9", server.address());
        ask_tcp(&mut other_client, &ask);
        let mut idle: Vec<_> = (0..300).map(|_| connect(server.address())).collect();
        let started = Instant::now();
        ask_tcp(&mut connect(server.address()), &ask);
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
        // The server closes the first connections; the last ones and the other client's stay.
        assert_closed(&mut idle[0]);
        ask_tcp(idle.last_mut().unwrap(), &ask);
        ask_tcp(&mut other_client, &ask);
        server.stop().await;
    }
}

mod snapshots {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_one_is_seen_by_all_workers_at_once_and_the_old_one_is_let_go() {
        let server = Server::start(4);
        let mut stream = connect(server.address());
        let ask = query("version", RecordType::TXT);
        // With so many client sockets, every worker gets some.
        for _ in 0..64 {
            assert_eq!(version(server.address()), "one");
        }
        assert_eq!(strings(&ask_tcp(&mut stream, &ask)), [b"one"]);

        let old = Arc::downgrade(&server.published.swap(snapshot("two")));
        for _ in 0..64 {
            assert_eq!(version(server.address()), "two");
        }
        assert_eq!(strings(&ask_tcp(&mut stream, &ask)), [b"two"]);
        assert_let_go(|| old.upgrade().is_none());

        // Idle workers release the old snapshot as well.
        let old = Arc::downgrade(&server.published.swap(snapshot("three")));
        assert_let_go(|| old.upgrade().is_none());
        server.stop().await;
    }

    fn assert_let_go(is_gone: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_gone() {
            assert!(Instant::now() < deadline, "the old snapshot is still held");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn successive_answers_begin_with_each_address_once_whichever_worker_gives_them() {
    let server = Server::start(2);
    let types = [RecordType::A, RecordType::AAAA];
    for round in 0..8 {
        let mut first = types.map(|_| Vec::new());
        for _ in 0..ADDRESSES {
            for (rtype, first) in types.iter().zip(&mut first) {
                let answer = addresses(&ask_udp(server.address(), &query("www", *rtype)).0);
                assert_eq!(answer.len(), usize::from(ADDRESSES));
                first.push(answer[0]);
            }
        }
        for mut first in first {
            first.sort_unstable();
            first.dedup();
            assert_eq!(first.len(), usize::from(ADDRESSES), "round {round}: {first:?}");
        }
    }
    server.stop().await;
}

mod binding {
    use super::*;

    fn bind(address: SocketAddr) -> Result<Bound, BindFailure> {
        Bound::new(&[address], NonZeroUsize::new(2).unwrap()).map_err(|error| {
            assert_eq!(error.address, address);
            assert!(error.to_string().contains(&address.to_string()), "{error}");
            error.reason
        })
    }

    #[test]
    fn udp_and_tcp_share_the_port_that_the_kernel_chose() {
        let addresses = ["127.0.0.1:0", "127.0.0.2:0"].map(|address| address.parse().unwrap());
        let bound = Bound::new(&addresses, NonZeroUsize::MIN).unwrap();
        for address in bound.addresses() {
            assert_ne!(address.port(), 0);
            assert!(TcpListener::bind(address).is_err() && UdpSocket::bind(address).is_err());
        }
    }

    #[test]
    fn a_port_that_is_taken_is_told_for_either_transport_and_whatever_its_holder_would_share() {
        let held = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(matches!(bind(held.addresses()[0]), Err(BindFailure::InUse)));

        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(matches!(bind(tcp.local_addr().unwrap()), Err(BindFailure::InUse)));

        let udp = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        udp.set_reuse_port(true).unwrap();
        udp.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        let address = udp.local_addr().unwrap().as_socket().unwrap();
        assert!(matches!(bind(address), Err(BindFailure::InUse)));
    }

    #[test]
    fn an_address_of_another_host_is_told() {
        assert!(matches!(bind("192.0.2.1:0".parse().unwrap()), Err(BindFailure::NotHere)));
    }
}

mod stopping {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn ends_at_once_where_nobody_is_in_the_midst_of_a_message_and_frees_the_ports() {
        let server = Server::start_at(&["127.0.0.1:0", "127.0.0.2:0"], 2, TcpLimits::default());
        let addresses = server.addresses.clone();
        let mut stream = connect(addresses[0]);
        ask_tcp(&mut stream, &query("ns1", RecordType::A));
        let started = Instant::now();
        server.stop().await;
        assert!(started.elapsed() < GRACE, "{:?}", started.elapsed());
        assert_closed(&mut stream);
        Bound::new(&addresses, NonZeroUsize::MIN).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn lets_a_client_complete_its_query_but_does_not_wait_for_ever() {
        let server = Server::start(1);
        let address = server.address();
        let (mut completed, mut abandoned) = (connect(address), connect(address));
        let query = framed(&query("ns1", RecordType::A));
        completed.write_all(&query[..7]).unwrap();
        abandoned.write_all(&query[..7]).unwrap();
        std::thread::sleep(SHORT);
        let started = Instant::now();
        let stop = tokio::spawn(server.stop());
        std::thread::sleep(SHORT);
        completed.write_all(&query[7..]).unwrap();
        next_answer(&mut completed);
        assert_closed(&mut completed);
        stop.await.unwrap();
        assert!(started.elapsed() < GRACE + LAST_GRACE + PATIENCE, "{:?}", started.elapsed());
        assert_closed(&mut abandoned);
        Bound::new(&[address], NonZeroUsize::MIN).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn answers_the_queries_that_have_come() {
        let server = Server::start(1);
        let socket = udp_socket(server.address());
        let query = query("ns1", RecordType::A).to_vec().unwrap();
        for _ in 0..100 {
            socket.send(&query).unwrap();
        }
        server.stop().await;
        for _ in 0..100 {
            socket.recv(&mut [0; 512]).unwrap();
        }
    }
}
