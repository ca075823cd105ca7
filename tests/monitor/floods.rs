//! Endpoints that send endless data, in the smallest possible pieces.

use super::*;

/// RFC 9113, section 6: a SETTINGS frame without settings.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

async fn is_too_much(check: Check, steps: Vec<Step>) -> String {
    let endpoint = Endpoint::start(ANY_PORT, Script(steps));
    let outcome = Prober::with_roots([]).probe(&target(endpoint.address(), check, PATIENCE)).await;
    assert_left_alone(&endpoint);
    match failure(outcome) {
        Failure::TooMuch(what) => what,
        other => panic!("too much was expected, not {other}"),
    }
}

#[tokio::test]
async fn of_http_2_frames_are_left() {
    let http_2 = Check::Http(HttpCheck { version: Some(HttpVersion::Http2), ..get() });
    let grpc = Check::Grpc(GrpcCheck { service: "".into(), tls: None });
    let floods: [&[u8]; 4] = [
        SETTINGS,
        // PING, PRIORITY for stream 1, and a frame of an unknown type.
        b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\0",
        b"\0\0\0\xf7\0\0\0\0\0",
    ];
    for flood in floods {
        for check in [&http_2, &grpc] {
            let steps = vec![Step::Say(SETTINGS.to_vec()), Step::Forever(flood.repeat(100))];
            let what = is_too_much(check.clone(), steps).await;
            assert_eq!(what, "more than 2048 HTTP/2 frames in one probe", "{flood:?}");
        }
    }
}

#[tokio::test]
async fn of_chunks_are_left() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let extension = format!("1;{}\r\nx\r\n", "x".repeat(100)).into_bytes();
    for chunks in [b"1\r\nx\r\n".repeat(100), extension] {
        let steps = vec![Step::Read, Step::Say(head.clone()), Step::Forever(chunks)];
        assert_eq!(is_too_much(Check::Http(expecting("needle")), steps).await, "more than 256 KiB in one probe");
    }
    let steps = vec![Step::Read, Step::Say(head), Step::Say(b"0\r\n".to_vec()), Step::Forever(b"X: 1\r\n".repeat(100))];
    assert_eq!(is_too_much(Check::Http(expecting("needle")), steps).await, "trailers of more than 32 KiB");
}

#[tokio::test]
async fn of_single_octets_are_left() {
    let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Forever(b"x".to_vec())]));
    let check = TcpCheck { send: Box::default(), expect: Some(BodyMatch::Substring("needle".into())) };
    let outcome = Prober::with_roots([]).probe(&target(endpoint.address(), Check::Tcp(check), PATIENCE)).await;
    // The scheduler decides how many of the pieces one read gets.
    assert!(matches!(failure(outcome), Failure::Reply | Failure::TooMuch(_)));
    assert_left_alone(&endpoint);
}

#[tokio::test]
async fn inside_of_tls_are_left() {
    let tls = TlsCheck { verify: false, ..TlsCheck::default() };
    // Warnings (RFC 8446 section 6), and handshake records that hold an octet each.
    for records in [b"\x15\x03\x03\0\x02\x01\x5a".to_vec(), b"\x16\x03\x03\0\x01\x02".to_vec()] {
        let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Forever(records.repeat(100))]));
        let target = target(endpoint.address(), Check::Tls(tls.clone(), Vec::new()), PATIENCE);
        let failure = failure(Prober::with_roots([]).probe(&target).await);
        assert!(matches!(failure, Failure::TooMuch(_) | Failure::Tls(_)), "{failure}");
        assert_left_alone(&endpoint);
    }
}
