//! DNS over HTTPS (RFC 8484).

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
        ("POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message\r\ncontent-encoding: gzip", &sound, 415),
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
