//! An endpoint that closes with unread octets resets its connection. The data that it sent before counts.

use super::*;

/// Sends this text without reading anything, and resets the connection at once.
fn blurts(text: &str) -> Endpoint {
    Endpoint::start(ANY_PORT, Script(vec![Step::Say(text.into()), Step::Reset]))
}

async fn tries(endpoint: &Endpoint, check: Check) -> Vec<Outcome> {
    let prober = Prober::with_roots([]);
    let target = target(endpoint.address(), check, PATIENCE);
    let mut outcomes = Vec::new();
    for _ in 0..50 {
        outcomes.push(prober.probe(&target).await);
    }
    outcomes
}

#[tokio::test]
async fn is_judged_every_time() {
    let endpoint = blurts("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    for outcome in tries(&endpoint, Check::Http(get())).await {
        assert_eq!(failure(outcome), Failure::Status(503));
    }
    let endpoint = blurts("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    for outcome in tries(&endpoint, Check::Http(expecting("ok"))).await {
        assert!(outcome.is_success(), "{outcome}");
    }
    let endpoint = blurts("+PONG\r\n");
    let ping = TcpCheck { send: b"PING\r\n"[..].into(), expect: Some(BodyMatch::Substring("PONG".into())) };
    for outcome in tries(&endpoint, Check::Tcp(ping)).await {
        assert!(outcome.is_success(), "{outcome}");
    }
    for outcome in tries(&endpoint, Check::Tcp(TcpCheck::default())).await {
        assert!(outcome.is_success(), "it was accepted: {outcome}");
    }
}

#[tokio::test]
async fn is_told_in_every_protocol() {
    let endpoint = blurts("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let http_2 = HttpCheck { version: Some(HttpVersion::Http2), ..get() };
    for outcome in tries(&endpoint, Check::Http(http_2)).await {
        let failure = failure(outcome);
        assert!(matches!(failure, Failure::Protocol(_)), "{failure}");
    }
    let tls = TlsCheck { verify: false, ..TlsCheck::default() };
    for outcome in tries(&endpoint, Check::Https(get(), tls)).await {
        assert_eq!(failure(outcome), Failure::Tls("the answer is not TLS".to_owned()));
    }
    let grpc = GrpcCheck { service: "".into(), tls: None };
    for outcome in tries(&endpoint, Check::Grpc(grpc)).await {
        let failure = failure(outcome);
        assert!(matches!(failure, Failure::Protocol(_)), "{failure}");
    }
    // A fatal alert, handshake_failure (RFC 8446 section 6).
    let endpoint =
        Endpoint::start(ANY_PORT, Script(vec![Step::Say(b"\x15\x03\x03\0\x02\x02\x28".to_vec()), Step::Reset]));
    let tls = TlsCheck { verify: false, ..TlsCheck::default() };
    for outcome in tries(&endpoint, Check::Tls(tls, Vec::new())).await {
        assert_eq!(failure(outcome), Failure::Tls("alert: handshake_failure".to_owned()));
    }
}

#[tokio::test]
async fn is_nothing_if_nothing_came() {
    let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Reset]));
    for outcome in tries(&endpoint, Check::Http(get())).await {
        assert_eq!(failure(outcome), Failure::Reset);
    }
}
