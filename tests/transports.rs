//! DNS over TLS, HTTPS and QUIC on real sockets: which queries are answered, which are refused, and which clients wait
//! for others.

mod encrypted;
mod served;

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

mod dot {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc7858_answers_come_as_over_tcp() {
        let server = Server::start(limits());
        for alpn in [&["dot"][..], &[]] {
            let mut stream = server.tls(alpn);
            assert_eq!(addresses(&ask(&mut stream, &ns1())), ["192.0.2.53".parse::<std::net::IpAddr>().unwrap()]);
            let big = query("big", RecordType::TXT);
            let both = [framed(&big), framed(&ns1())].concat();
            stream.write_all(&both).unwrap();
            let answer = encrypted::next_answer(&mut stream);
            assert_eq!((answer.metadata.id, strings(&answer).len()), (big.metadata.id, BIG_RECORDS));
            encrypted::next_answer(&mut stream);
        }
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc7301_3_2_a_client_that_wants_another_protocol_is_refused() {
        let server = Server::start(limits());
        let refused = tls(connect(server.tls), trusting(&[&server.identity], &["h2"])).unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_idle_connection_is_closed_with_a_word() {
        let server = Server::start(TcpLimits { idle: SHORT, ..limits() });
        let mut stream = server.tls(&["dot"]);
        ask(&mut stream, &ns1());
        assert_closed_inside(&mut stream);
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_handshake_has_its_time() {
        let server = Server::start(TcpLimits { handshake: SHORT, ..limits() });
        let began = Instant::now();
        let mut slow = [connect(server.tls), connect(server.https)];
        for stream in &mut slow {
            // The head of a record with a ClientHello.
            stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
        }
        slow.iter_mut().for_each(assert_closed);
        assert!(began.elapsed() >= SHORT);
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn plain_dns_and_noise_end_the_connection() {
        let server = Server::start(limits());
        for address in [server.tls, server.https] {
            let mut stream = connect(address);
            stream.write_all(&framed(&ns1())).unwrap();
            // An alert may come before the end.
            let mut rest = Vec::new();
            match stream.read_to_end(&mut rest) {
                Ok(_) => assert!(rest.len() <= 7, "{rest:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_half_open_handshakes_of_one_client_keep_nobody_waiting() {
        const FLOOD: usize = 300;
        let server = Server::start(limits());
        let mut other_client = connect_from("127.0.0.9", server.dns);
        ask_tcp(&mut other_client, &ns1());
        for address in [server.tls, server.https] {
            let mut half_open: Vec<_> = (0..FLOOD).map(|_| connect(address)).collect();
            for stream in &mut half_open {
                // An error means that the server has closed the connection already.
                let _ = stream.write_all(&[22, 3, 1, 2, 0, 1]);
            }
            // Another client asks meanwhile.
            let began = Instant::now();
            let stream = connect_from("127.0.0.10", server.tls);
            ask(&mut tls(stream, trusting(&[&server.identity], &["dot"])).unwrap(), &ns1());
            assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());

            // The server keeps as many connections of this client as its limit allows, and has closed the others.
            let kept = TcpLimits::default().connections_per_client;
            assert_closed(&mut half_open[0]);
            assert_closed(&mut half_open[FLOOD - kept - 1]);
            let began = Instant::now();
            ask(&mut server.tls(&["dot"]), &ns1());
            assert_eq!(http(&mut server.https(), &get(&ns1()), b"").status, 200);
            assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        }
        ask_tcp(&mut other_client, &ns1());
        server.running.stop().await;
    }
}

fn get(query: &Message) -> String {
    format!("GET /dns-query?dns={} HTTP/1.1", BASE64URL_NOPAD.encode(&query.to_vec().unwrap()))
}

const POST: &str = "POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message";

mod doh {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper::body::Frame;
    use hyper::client::conn::http2;
    use hyper::{Request, StatusCode};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use tokio_rustls::TlsConnector;

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc8484_4_1_get_and_post_give_the_same_answer() {
        let server = Server::start(limits());
        let mut stream = server.https();
        for question in [ns1(), query("big", RecordType::TXT), query("nothing", RecordType::A)] {
            let by_get = http(&mut stream, &get(&question), b"");
            let by_post = http(&mut stream, POST, &question.to_vec().unwrap());
            for response in [&by_get, &by_post] {
                assert_eq!(response.status, 200, "{response:?}");
                assert_eq!(response.field("content-type"), Some("application/dns-message"));
            }
            assert_eq!(by_get.body, by_post.body);
            let answer = Message::from_vec(&by_get.body).unwrap();
            assert_eq!((answer.metadata.id, &answer.queries), (question.metadata.id, &question.queries));
            assert!(!answer.metadata.truncation);
        }
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc8484_5_1_an_answer_is_fresh_as_long_as_dns_says() {
        let server = Server::start(limits());
        let mut stream = server.https();
        let mut of = |message: &Message| {
            let response = http(&mut stream, &get(message), b"");
            assert_eq!(response.status, 200);
            response.field("cache-control").unwrap().to_owned()
        };
        assert_eq!(of(&ns1()), "private, max-age=300");
        assert_eq!(of(&query("www", RecordType::A)), "private, max-age=30");
        assert_eq!(of(&query("nothing", RecordType::A)), "private, max-age=60");
        assert_eq!(of(&query("ns1", RecordType::TXT)), "private, max-age=60");
        let mut elsewhere = ns1();
        elsewhere.queries[0].set_name(hickory_proto::rr::Name::from_ascii("example.com.").unwrap());
        assert_eq!(of(&elsewhere), "no-store");
        let mut unknown_version = ns1();
        unknown_version.edns = Some({
            let mut edns = Edns::new();
            edns.set_version(1);
            edns
        });
        assert_eq!(of(&unknown_version), "no-store");
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bad_requests_get_their_status_and_keep_the_connection() {
        let server = Server::start(limits());
        let mut stream = server.https();
        let sound = ns1().to_vec().unwrap();
        let mut response = sound.clone();
        response[2] |= 0x80;
        let encoded = BASE64URL_NOPAD.encode(&sound);
        let dns = |variable: &str| format!("GET /dns-query{variable} HTTP/1.1");
        let cases: &[(&str, &[u8], u16)] = &[
            ("GET / HTTP/1.1", b"", 404),
            (&format!("GET /dns-query/?dns={encoded} HTTP/1.1"), b"", 404),
            (&dns(""), b"", 400),
            (&dns("?dns="), b"", 400),
            (&dns(&format!("?dns={encoded}=")), b"", 400),
            (&dns("?dns=AAAA+AAA/AAAAAAA"), b"", 400),
            (&dns(&format!("?dns={encoded}&dns={encoded}")), b"", 400),
            (&dns("?dns=AAAA"), b"", 400),
            (&dns(&format!("?dns={}", BASE64URL_NOPAD.encode(&response))), b"", 400),
            ("PUT /dns-query HTTP/1.1", &sound, 405),
            ("DELETE /dns-query HTTP/1.1", b"", 405),
            ("OPTIONS /dns-query HTTP/1.1", b"", 405),
            ("OPTIONS / HTTP/1.1", b"", 404),
            ("OPTIONS * HTTP/1.1", b"", 501),
            ("PROPFIND /dns-query HTTP/1.1", b"", 501),
            ("CONNECT www.example.com:443 HTTP/1.1", b"", 501),
            ("POST /dns-query HTTP/1.1", &sound, 415),
            ("POST /dns-query HTTP/1.1\r\ncontent-type: application/json", &sound, 415),
            (
                "POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message\r\ncontent-encoding: gzip",
                &sound,
                415,
            ),
            (POST, b"", 400),
            (POST, &sound[..11], 400),
            (POST, &response, 400),
        ];
        for (head, body, status) in cases {
            let response = http(&mut stream, head, body);
            assert_eq!(response.status, *status, "{head}: {response:?}");
            assert_eq!(response.field("allow").is_some(), *status == 405);
            let sound = http(&mut stream, "HEAD /dns-query HTTP/1.1", b"");
            assert_eq!((sound.status, sound.body.len()), (400, 0));
        }
        let found = http(&mut stream, &get(&ns1()).replace("GET", "HEAD"), b"");
        let length: usize = found.field("content-length").unwrap().parse().unwrap();
        assert!(found.status == 200 && length > sound.len(), "{found:?}");
        let charset = format!("{POST};charset=x");
        assert_eq!(http(&mut stream, &charset, &sound).status, 200);
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc9112_3_2_http_1_1_without_a_host_is_a_bad_request() {
        let server = Server::start(limits());
        let target = get(&ns1());
        let encoded = target.replace("/dns-query?dns=", "/dns%2Dquery?%64ns=");
        for (head, status) in [
            (format!("{target}\r\n\r\n"), 400),
            (format!("{target}\r\nhost: {NAME}\r\nhost: {NAME}\r\n\r\n"), 400),
            (format!("{target}\r\nhost: a b\r\n\r\n"), 400),
            (format!("{}\r\n\r\n", target.replace("/dns", "https://ns1.example.com/dns")), 400),
            (format!("{}\r\n\r\n", target.replace("HTTP/1.1", "HTTP/1.0")), 200),
            (format!("{encoded}\r\nhost: {NAME}\r\n\r\n"), 200),
        ] {
            let mut stream = server.https();
            stream.write_all(head.as_bytes()).unwrap();
            assert_eq!(encrypted::read_response(&mut stream, false).status, status, "{head}");
        }
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_has_the_octets_of_a_message_at_most() {
        let server = Server::start(limits());
        let mut longest = ns1().to_vec().unwrap();
        longest.resize(65_535, 0);
        assert_eq!(http(&mut server.https(), POST, &longest).status, 200);
        longest.push(0);
        assert_eq!(http(&mut server.https(), POST, &longest).status, 413);
        // A body must not grow beyond the limit either, if it did not announce its length.
        let mut stream = server.https();
        let head = format!("{POST}\r\nhost: {NAME}\r\ntransfer-encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [&b"4000\r\n"[..], &[0; 0x4000], b"\r\n"].concat();
        (0..5).for_each(|_| drop(stream.write_all(&chunk)));
        assert_eq!(encrypted::read_response(&mut stream, false).status, 413);
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_overlong_head_is_refused() {
        let server = Server::start(limits());
        let head = format!("GET /dns-query?dns={} HTTP/1.1", "A".repeat(20_000));
        let status = http(&mut server.https(), &head, b"").status;
        assert!([414, 431].contains(&status), "{status}");
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_does_not_end_has_its_time() {
        let server = Server::start(TcpLimits { query: SHORT, ..limits() });
        let mut stream = server.https();
        stream.write_all(format!("{POST}\r\nhost: {NAME}\r\ncontent-length: 40\r\n\r\nx").as_bytes()).unwrap();
        assert_eq!(encrypted::read_response(&mut stream, false).status, 408);
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_idle_connection_is_closed() {
        let server = Server::start(TcpLimits { idle: SHORT, ..limits() });
        let mut streams = [server.https(), server.https()];
        assert_eq!(http(&mut streams[0], &get(&ns1()), b"").status, 200);
        streams.iter_mut().for_each(assert_closed_inside);
        server.running.stop().await;
    }

    type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

    fn post(body: Body) -> Request<Body> {
        let request = Request::post(format!("https://{NAME}/dns-query"));
        request.header("content-type", "application/dns-message").body(body).unwrap()
    }

    fn whole(octets: Vec<u8>) -> Body {
        Full::new(Bytes::from(octets)).boxed()
    }

    async fn connect_http_2(server: &Server) -> http2::SendRequest<Body> {
        let stream = tokio::net::TcpStream::connect(server.https).await.unwrap();
        let config = trusting(&[&server.identity], &["h2", "http/1.1"]);
        let stream = TlsConnector::from(Arc::new(config)).connect(NAME.try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn http_2_carries_many_queries_side_by_side_and_none_waits_for_one_that_hangs() {
        let server = Server::start(limits());
        let sender = connect_http_2(&server).await;
        let mut hanging = sender.clone();
        let hanging = tokio::spawn(async move { hanging.send_request(post(Never.boxed())).await });
        let asked: Vec<_> = (0..200_u16)
            .map(|id| {
                let mut sender = sender.clone();
                let mut question = ns1();
                question.metadata.id = id;
                tokio::spawn(async move {
                    sender.ready().await.unwrap();
                    let response = sender.send_request(post(whole(question.to_vec().unwrap()))).await.unwrap();
                    assert_eq!(response.status(), StatusCode::OK);
                    Message::from_vec(&response.into_body().collect().await.unwrap().to_bytes()).unwrap().metadata.id
                })
            })
            .collect();
        for (asked, id) in asked.into_iter().zip(0..) {
            assert_eq!(timeout(PATIENCE, asked).await.unwrap().unwrap(), id);
        }
        assert!(!hanging.is_finished());
        let too_long = sender.clone().send_request(post(whole(vec![0; 65_536]))).await.unwrap();
        assert_eq!(too_long.status(), StatusCode::PAYLOAD_TOO_LARGE);
        hanging.abort();
        drop(sender);
        server.running.stop().await;
    }

    /// A body that never sends anything.
    struct Never;

    impl hyper::body::Body for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }
}

mod doq {
    use super::*;
    use quinn::{ApplicationClose, ConnectionError, VarInt};
    use std::net::UdpSocket;

    const PROTOCOL_ERROR: u32 = 2;
    const EXCESSIVE_LOAD: u32 = 4;
    const UNSPECIFIED_ERROR: u32 = 5;

    /// The code of DoQ that the server closed the connection with.
    pub(super) async fn closed_with(connection: &quinn::Connection) -> u32 {
        match timeout(PATIENCE, connection.closed()).await.unwrap() {
            ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) => {
                u64::from(error_code).try_into().unwrap()
            }
            other => panic!("closed for another reason: {other}"),
        }
    }

    /// Sends this on a stream and ends it.
    async fn say(connection: &quinn::Connection, octets: &[u8]) -> quinn::RecvStream {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(octets).await.unwrap();
        send.finish().unwrap();
        receive
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc9250_4_2_each_query_has_a_stream() {
        let server = Server::start(limits());
        let connection = server.quic().await;
        assert_eq!(
            addresses(&ask_quic(&connection, &ns1()).await),
            ["192.0.2.53".parse::<std::net::IpAddr>().unwrap()]
        );
        assert_eq!(strings(&ask_quic(&connection, &query("big", RecordType::TXT)).await).len(), BIG_RECORDS);
        let answer = ask_quic(&connection, &query("nothing", RecordType::A)).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        // Far more than the limit of concurrent queries.
        let asked: Vec<_> = (0..500)
            .map(|_| {
                let connection = connection.clone();
                tokio::spawn(async move { ask_quic(&connection, &ns1()).await })
            })
            .collect();
        for asked in asked {
            timeout(PATIENCE, asked).await.unwrap().unwrap();
        }
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stream_that_hangs_keeps_no_other_waiting_and_has_its_time() {
        let server = Server::start(TcpLimits { query: SHORT, ..limits() });
        let connection = server.quic().await;
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&ns1())).await.unwrap();
        ask_quic(&connection, &ns1()).await;
        let reset = timeout(PATIENCE, receive.read_to_end(9)).await.unwrap().unwrap_err();
        let expected = quinn::ReadError::Reset(VarInt::from_u32(UNSPECIFIED_ERROR));
        assert_eq!(reset, quinn::ReadToEndError::Read(expected));
        ask_quic(&connection, &ns1()).await;
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc9250_4_3_1_a_query_that_is_cancelled_costs_nothing_else() {
        let server = Server::start(limits());
        let connection = server.quic().await;
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&[0]).await.unwrap();
        send.reset(VarInt::from_u32(3)).unwrap();
        receive.stop(VarInt::from_u32(3)).unwrap();
        ask_quic(&connection, &ns1()).await;
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc9250_4_3_3_a_protocol_error_ends_the_connection() {
        let server = Server::start(limits());
        let mut numbered = ns1();
        numbered.metadata.id = 1;
        let mut sound = ns1();
        sound.metadata.id = 0;
        let sound = framed(&sound);
        let mut response = sound.clone();
        response[4] |= 0x80;
        let cut = sound[..sound.len() - 1].to_vec();
        for wrong in [framed(&numbered), cut, sound.repeat(2), Vec::new(), vec![0; 70_000], response] {
            let connection = server.quic().await;
            ask_quic(&connection, &ns1()).await;
            let _ = say(&connection, &wrong).await;
            assert_eq!(closed_with(&connection).await, PROTOCOL_ERROR, "{} octets", wrong.len());
        }
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc9250_4_1_a_client_that_wants_another_protocol_is_refused() {
        let server = Server::start(limits());
        let refused = quic_endpoint(&server.identity, "h3").connect(server.quic, NAME).unwrap().await.unwrap_err();
        assert!(
            refused.to_string().contains("no application protocol") || refused.to_string().contains("120"),
            "{refused}"
        );
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rfc9250_4_5_there_is_no_early_data() {
        let server = Server::start(limits());
        let endpoint = quic_endpoint(&server.identity, "doq");
        let first = endpoint.connect(server.quic, NAME).unwrap().await.unwrap();
        // Session tickets come with or before the answer.
        ask_quic(&first, &ns1()).await;
        assert!(endpoint.connect(server.quic, NAME).unwrap().into_0rtt().is_err());
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_idle_connection_is_closed() {
        let server = Server::start(TcpLimits { idle: SHORT, ..limits() });
        let connection = server.quic().await;
        ask_quic(&connection, &ns1()).await;
        let reason = timeout(PATIENCE, connection.closed()).await.unwrap();
        assert!(matches!(reason, ConnectionError::TimedOut), "{reason}");
        server.running.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn handshakes_that_nobody_completes_keep_nobody_waiting() {
        let server = Server::start(limits());
        // Nobody reads the server's messages to this socket.
        let (to_server, abyss) = (udp(), udp());
        to_server.connect(server.quic).unwrap();
        let endpoint = quic_endpoint(&server.identity, "doq");
        let half_open: Vec<_> =
            (0..300).map(|_| endpoint.connect(abyss.local_addr().unwrap(), NAME).unwrap()).collect();
        let mut packet = [0; 2048];
        for _ in 0..300 {
            let length = abyss.recv(&mut packet).unwrap();
            to_server.send(&packet[..length]).unwrap();
        }
        let began = Instant::now();
        for _ in 0..3 {
            let connection = timeout(AT_ONCE, server.quic()).await.unwrap();
            ask_quic(&connection, &ns1()).await;
        }
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        drop(half_open);
        server.running.stop().await;
    }

    fn udp() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_ways_share_a_clients_seats_and_the_longest_idle_goes() {
        let server = Server::start(TcpLimits { connections_per_client: 2, ..limits() });
        let first = server.quic().await;
        ask_quic(&first, &ns1()).await;
        let mut second = server.tls(&["dot"]);
        ask(&mut second, &ns1());
        ask_quic(&first, &ns1()).await;

        let mut third = server.https();
        assert_eq!(http(&mut third, &get(&ns1()), b"").status, 200);
        assert!(second.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof));
        ask_quic(&first, &ns1()).await;

        let mut fourth = connect(server.dns);
        ask_tcp(&mut fourth, &ns1());
        assert!(third.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof));

        ask_tcp(&mut fourth, &ns1());
        let _fifth = server.quic().await;
        assert_eq!(closed_with(&first).await, EXCESSIVE_LOAD);
        server.running.stop().await;
    }
}

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
