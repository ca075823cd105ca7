//! Probes against real endpoints on loopback: what they ask, what they accept, and how they fail.

mod endpoint;

use std::time::{Duration, Instant};

use endpoint::probing::{IMPATIENCE, PATIENCE, failure, finding, target};
use endpoint::{ANY_PORT, Endpoint, Script, Step};
use truenorth::health::{
    BodyMatch, Check, Degraded, Failure, Finding, GrpcCheck, HttpCheck, HttpVersion, Load, Outcome, Pattern, Share,
    Stage, StatusRange, TcpCheck, Times, TlsCheck,
};
use truenorth::monitor::Prober;

fn get() -> HttpCheck {
    HttpCheck { path: "/healthz".into(), ..HttpCheck::default() }
}

fn expecting(text: &str) -> HttpCheck {
    HttpCheck { expect_body: Some(BodyMatch::Substring(text.into())), ..get() }
}

fn matching(pattern: &str) -> HttpCheck {
    let pattern = Pattern(regex::bytes::Regex::new(pattern).unwrap());
    HttpCheck { expect_body: Some(BodyMatch::Pattern(pattern)), ..get() }
}

async fn probe(endpoint: &Endpoint, check: HttpCheck, timeout: Duration) -> Outcome {
    Prober::with_roots([]).probe(&target(endpoint.address(), Check::Http(check), timeout)).await
}

/// The endpoint notices that a probe is gone only when it reads or writes.
fn assert_left_alone(endpoint: &Endpoint) {
    let deadline = Instant::now() + PATIENCE;
    while endpoint.open_connections() > 0 {
        assert!(Instant::now() < deadline, "the probe's connection is still open");
        std::thread::sleep(Duration::from_millis(1));
    }
}

mod request {
    use super::*;

    #[tokio::test]
    async fn is_what_the_check_says_and_goes_to_the_address() {
        let endpoint = Endpoint::start("127.0.0.7:0".parse().unwrap(), Script::status(200));
        let outcome = probe(&endpoint, get(), PATIENCE).await;
        assert!(matches!(outcome, Outcome::Success(Finding { took, .. }) if took < PATIENCE), "{outcome}");
        let port = endpoint.address().port();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            endpoint.requests(),
            [format!(
                "GET /healthz HTTP/1.1\r\nHost: www.example.com:{port}\r\nUser-Agent: truenorth/{version}\r\n\
                 Accept: */*\r\nConnection: close\r\n\r\n"
            )]
        );
    }

    #[tokio::test]
    async fn has_the_fields_that_the_check_gives_instead_of_the_usual_ones() {
        let endpoint = Endpoint::start(ANY_PORT, Script::status(200));
        let fields = [("User-Agent", "probe"), ("Accept", "text/plain"), ("X-One", "1"), ("X-One", "2")];
        let headers = fields.map(|(name, value)| (name.into(), value.into())).to_vec();
        let check = HttpCheck { method: "POST".into(), path: "/a?b=c".into(), headers, ..get() };
        assert!(probe(&endpoint, check, PATIENCE).await.is_success());
        let request = endpoint.requests().remove(0);
        assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
        for field in ["User-Agent: probe", "Accept: text/plain", "X-One: 1", "X-One: 2", "Content-Length: 0"] {
            assert_eq!(request.matches(&format!("\r\n{field}\r\n")).count(), 1, "{field} in {request}");
        }
        assert_eq!(request.matches("User-Agent").count() + request.matches("Accept").count(), 2, "{request}");
    }

    #[tokio::test]
    async fn to_an_ipv6_address_has_it_in_brackets() {
        let endpoint = Endpoint::start("[::1]:0".parse().unwrap(), Script::status(200));
        let mut target = target(endpoint.address(), Check::Http(get()), PATIENCE);
        target.host = "2001:db8::1".into();
        assert!(Prober::with_roots([]).probe(&target).await.is_success());
        let field = format!("\r\nHost: [2001:db8::1]:{}\r\n", endpoint.address().port());
        assert!(endpoint.requests()[0].contains(&field));
    }

    #[tokio::test]
    async fn that_cannot_be_written_is_a_failure() {
        let endpoint = Endpoint::start(ANY_PORT, Script::status(200));
        let crlf = ("X-Two".into(), "lines\r\nX-Three: 3".into());
        for check in [
            HttpCheck { method: "G T".into(), ..get() },
            HttpCheck { path: "/a b".into(), ..get() },
            HttpCheck { headers: vec![("not a name".into(), "1".into())], ..get() },
            HttpCheck { headers: vec![crlf], ..get() },
        ] {
            assert!(matches!(failure(probe(&endpoint, check, PATIENCE).await), Failure::Protocol(_)));
        }
        assert_eq!(endpoint.connections(), 0);
    }
}

mod status {
    use super::*;

    #[tokio::test]
    async fn must_be_in_one_of_the_ranges() {
        let endpoint = Endpoint::start(ANY_PORT, Script::status(200));
        let ranges = vec![StatusRange { first: 200, last: 204 }, StatusRange { first: 418, last: 418 }];
        for (code, good) in [(200, true), (204, true), (205, false), (302, false), (418, true), (503, false)] {
            endpoint.play(Script::status(code));
            let outcome = probe(&endpoint, HttpCheck { expect_status: ranges.clone(), ..get() }, PATIENCE).await;
            if good {
                assert!(outcome.is_success(), "{code}: {outcome}");
            } else {
                assert_eq!(outcome, Outcome::Failure(Failure::Status(code)));
            }
        }
    }

    #[tokio::test]
    async fn of_a_redirect_is_judged_and_not_followed() {
        let elsewhere = Endpoint::start(ANY_PORT, Script::status(200));
        let location = elsewhere.address();
        let redirect = format!("HTTP/1.1 302 Found\r\nLocation: http://{location}/\r\nContent-Length: 0\r\n\r\n");
        let endpoint = Endpoint::start(ANY_PORT, Script::say(redirect));
        assert!(probe(&endpoint, get(), PATIENCE).await.is_success());
        assert_eq!((endpoint.connections(), elsewhere.connections()), (1, 0));
    }

    #[tokio::test]
    async fn is_the_final_one() {
        let endpoint = Endpoint::start(
            ANY_PORT,
            Script::say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
        );
        assert_eq!(failure(probe(&endpoint, get(), PATIENCE).await), Failure::Status(503));
    }

    #[tokio::test]
    async fn suffices_where_no_body_is_expected() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".to_vec();
        let endpoint = Endpoint::start(ANY_PORT, Script::answer(vec![Step::Say(head), Step::Hang]));
        assert!(probe(&endpoint, get(), PATIENCE).await.is_success());
        assert_left_alone(&endpoint);
    }

    #[tokio::test]
    async fn of_http_1_0_counts() {
        let endpoint = Endpoint::start(ANY_PORT, Script::say("HTTP/1.0 200 OK\r\n\r\nfine"));
        assert!(probe(&endpoint, expecting("fine"), PATIENCE).await.is_success());
    }
}

/// Responses that curl accepts, even if they violate the RFCs.
mod leniency {
    use super::*;

    async fn weighs(text: &str) -> (bool, Share) {
        let endpoint = Endpoint::start(ANY_PORT, Script::say(text));
        let check = HttpCheck { weight_header: Some("X-Weight".into()), ..expecting("ok") };
        let outcome = probe(&endpoint, check, PATIENCE).await;
        let share = outcome.share().unwrap_or(Share::NONE);
        (outcome.is_success(), share)
    }

    #[tokio::test]
    async fn takes_fields_that_are_odd() {
        let third = Share::from_thousandths(300);
        let many = (0..300).map(|n| format!("X-{n}: {n}\r\n")).collect::<Vec<_>>().concat();
        for fields in [
            "X-Weight : 30\r\n".to_owned(),
            "X-Weight:30\r\n".to_owned(),
            "X-Weight:\r\n 30\r\n".to_owned(),
            "X-Other: a\r\n\tb\r\n c\r\nX-Weight: 30\r\n".to_owned(),
            "no colon here\r\nX-Weight: 30\r\n".to_owned(),
            "Bad Name: 1\r\n: none\r\nX-Weight: 30\r\n".to_owned(),
            "X-Nul: \0\r\nX-\u{fc}: 1\r\nX-Weight: 30\r\n".to_owned(),
            format!("{many}X-Weight: 30\r\n"),
        ] {
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok");
            assert_eq!(weighs(&response).await, (true, third), "{fields:?}");
            assert_eq!(weighs(&response.replace("\r\n", "\n")).await, (true, third), "{fields:?} with bare line feeds");
        }
    }

    #[tokio::test]
    async fn takes_bodies_that_are_framed_oddly() {
        for response in [
            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1  200  Very Well\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 99\r\n\r\n2\nok\n0\n\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
            "\r\nHTTP/1.1 200 OK\r\n\r\nok",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok",
        ] {
            assert_eq!(weighs(response).await, (true, Share::FULL), "{response:?}");
        }
        // Nobody looks at the body here.
        let endpoint = Endpoint::start(ANY_PORT, Script::say("HTTP/1.1 200 OK\r\nContent-Length: none\r\n\r\n"));
        assert!(probe(&endpoint, get(), PATIENCE).await.is_success());
        assert!(matches!(failure(probe(&endpoint, expecting("ok"), PATIENCE).await), Failure::Protocol(_)));
    }

    #[tokio::test]
    async fn takes_heads_of_32_kib_and_not_an_octet_more_however_they_are_cut() {
        const HEAD_LIMIT: usize = 32 * 1024;
        let start = "HTTP/1.1 200 OK\r\nX: ";
        for (length, is_good) in [(HEAD_LIMIT, true), (HEAD_LIMIT + 1, false)] {
            let head = format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4)).into_bytes();
            for cut in [0, 1, 8191, 16384, HEAD_LIMIT - 3, HEAD_LIMIT - 1] {
                let [first, second] = [&head[..cut], &head[cut..]].map(|part| Step::Say(part.to_vec()));
                let pause = Step::Pause(Duration::from_millis(10));
                let endpoint = Endpoint::start(ANY_PORT, Script::answer([first, pause, second, Step::Hang]));
                let outcome = probe(&endpoint, get(), PATIENCE).await;
                assert_eq!(outcome.is_success(), is_good, "{length} octets, cut at {cut}: {outcome}");
            }
        }
    }
}

mod body {
    use super::*;

    const BODY_LIMIT: usize = 64 * 1024;
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n";

    #[tokio::test]
    async fn must_hold_the_text() {
        let endpoint = Endpoint::start(ANY_PORT, Script::respond(200, "all is well here"));
        assert!(probe(&endpoint, expecting("is well"), PATIENCE).await.is_success());
        assert_eq!(failure(probe(&endpoint, expecting("is ill"), PATIENCE).await), Failure::Body);
    }

    #[tokio::test]
    async fn must_match_the_pattern() {
        let endpoint = Endpoint::start(ANY_PORT, Script::respond(200, "{\"lag\": 17}"));
        assert!(probe(&endpoint, matching(r#""lag": [0-9]{1,2}\}$"#), PATIENCE).await.is_success());
        assert_eq!(failure(probe(&endpoint, matching(r#""lag": [0-9]\}"#), PATIENCE).await), Failure::Body);
    }

    #[tokio::test]
    async fn is_looked_at_only_if_the_status_is_good() {
        let endpoint = Endpoint::start(ANY_PORT, Script::respond(500, "all is well"));
        assert_eq!(failure(probe(&endpoint, expecting("well"), PATIENCE).await), Failure::Status(500));
    }

    #[tokio::test]
    async fn may_come_in_chunks_that_cut_the_text() {
        let pause = Step::Pause(Duration::from_millis(30));
        let say = |text: &str| Step::Say(text.into());
        let endpoint = Endpoint::start(
            ANY_PORT,
            Script::answer(vec![say(CHUNKED), say("5\r\nall i\r\n"), pause, say("6\r\ns well\r\n0\r\n\r\n")]),
        );
        assert!(probe(&endpoint, expecting("is well"), PATIENCE).await.is_success());
        assert!(probe(&endpoint, matching("i[s] w"), PATIENCE).await.is_success());
    }

    #[tokio::test]
    async fn is_not_over_when_the_endpoint_pauses() {
        let pause = Step::Pause(Duration::from_millis(60));
        let steps = vec![Step::Say(format!("{UNTIL_CLOSE}ok").into()), pause, Step::Say(b", not really".to_vec())];
        let endpoint = Endpoint::start(ANY_PORT, Script::answer(steps));
        assert_eq!(failure(probe(&endpoint, matching("^ok$"), PATIENCE).await), Failure::Body);
    }

    #[tokio::test]
    async fn is_read_no_further_than_to_the_match() {
        let steps = vec![Step::Say(format!("{UNTIL_CLOSE}data: ok").into()), Step::Hang];
        let endpoint = Endpoint::start(ANY_PORT, Script::answer(steps));
        assert!(probe(&endpoint, expecting("ok"), PATIENCE).await.is_success());
        assert!(probe(&endpoint, matching("data: (ok|fine)"), PATIENCE).await.is_success());
        assert_left_alone(&endpoint);
    }

    #[tokio::test]
    async fn counts_to_64_kib() {
        let text = "needle";
        let mut body = "x".repeat(BODY_LIMIT - text.len());
        body.push_str(text);
        let endpoint = Endpoint::start(ANY_PORT, Script::respond(200, &body));
        assert!(probe(&endpoint, expecting(text), PATIENCE).await.is_success());
        body.insert(0, 'x');
        endpoint.play(Script::respond(200, &body));
        assert_eq!(failure(probe(&endpoint, expecting(text), PATIENCE).await), Failure::Body);
    }

    #[tokio::test]
    async fn without_an_end_is_left_at_64_kib() {
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        for (head, pattern) in
            [(UNTIL_CLOSE, "x".repeat(0x1000)), (CHUNKED, chunk), (CHUNKED, "8\r\nxxxxxxxx\r\n".repeat(500))]
        {
            let steps = vec![Step::Say(head.into()), Step::Forever(pattern.into())];
            let endpoint = Endpoint::start(ANY_PORT, Script::answer(steps));
            assert_eq!(failure(probe(&endpoint, expecting("needle"), PATIENCE).await), Failure::Body);
            assert_left_alone(&endpoint);
        }
    }

    #[tokio::test]
    async fn of_head_is_empty() {
        let endpoint = Endpoint::start(ANY_PORT, Script::say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
        let head = |check| HttpCheck { method: "HEAD".into(), ..check };
        assert!(probe(&endpoint, head(get()), PATIENCE).await.is_success());
        assert_eq!(failure(probe(&endpoint, head(expecting("x")), PATIENCE).await), Failure::Body);
        assert!(endpoint.requests()[0].starts_with("HEAD "));
    }

    #[tokio::test]
    async fn that_breaks_off_is_told_and_that_is_misframed_a_protocol_error() {
        let endpoint = Endpoint::start(ANY_PORT, Script::say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"));
        assert_eq!(failure(probe(&endpoint, expecting("long"), PATIENCE).await), Failure::Closed);
        assert!(probe(&endpoint, expecting("short"), PATIENCE).await.is_success());
        endpoint.play(Script::say(format!("{CHUNKED}no size\r\n")));
        let outcome = probe(&endpoint, expecting("size"), PATIENCE).await;
        assert!(matches!(failure(outcome), Failure::Protocol(_)));
    }

    #[tokio::test]
    async fn that_stalls_times_out_there() {
        let steps = vec![Step::Say(format!("{UNTIL_CLOSE}so far").into()), Step::Hang];
        let endpoint = Endpoint::start(ANY_PORT, Script::answer(steps));
        let outcome = probe(&endpoint, expecting("further"), IMPATIENCE).await;
        assert_eq!(failure(outcome), Failure::TimedOut(Stage::Body));
        assert_left_alone(&endpoint);
    }
}

mod misbehaviour {
    use super::*;

    #[tokio::test]
    async fn no_listener_refuses_until_it_is_there_again() {
        let mut endpoint = Endpoint::start(ANY_PORT, Script::status(200));
        for _ in 0..3 {
            assert!(probe(&endpoint, get(), PATIENCE).await.is_success());
            endpoint.stop_listening();
            assert_eq!(failure(probe(&endpoint, get(), PATIENCE).await), Failure::Refused);
            endpoint.listen_again();
        }
        assert_eq!(endpoint.connections(), 3);
    }

    #[tokio::test]
    async fn silence_times_out_in_the_time_allowed() {
        let endpoint = Endpoint::start(ANY_PORT, Script::hang());
        let started = Instant::now();
        assert_eq!(failure(probe(&endpoint, get(), IMPATIENCE).await), Failure::TimedOut(Stage::Response));
        let taken = started.elapsed();
        assert!(taken >= IMPATIENCE && taken < PATIENCE, "{taken:?}");
        assert_left_alone(&endpoint);
    }

    #[tokio::test]
    async fn one_octet_at_a_time_does_not_prolong_a_probe() {
        let slowly = Step::Trickle(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), IMPATIENCE / 10);
        let endpoint = Endpoint::start(ANY_PORT, Script::answer(vec![slowly]));
        assert_eq!(failure(probe(&endpoint, get(), IMPATIENCE).await), Failure::TimedOut(Stage::Response));
        assert!(probe(&endpoint, get(), PATIENCE).await.is_success());
    }

    #[tokio::test]
    async fn a_head_without_end_is_left() {
        for line in ["X-More: and more\r\n", "x"] {
            let head = Step::Say(b"HTTP/1.1 200 OK\r\nX: ".to_vec());
            let endpoint =
                Endpoint::start(ANY_PORT, Script::answer(vec![head, Step::Forever(line.repeat(100).into())]));
            let failure = failure(probe(&endpoint, get(), PATIENCE).await);
            assert_eq!(failure, Failure::TooMuch("a head of more than 32 KiB".to_owned()));
            assert_left_alone(&endpoint);
        }
    }

    #[tokio::test]
    async fn interim_responses_without_end_are_left() {
        let interim = |code| format!("HTTP/1.1 {code} Interim\r\nLink: </style.css>\r\n\r\n").into_bytes();
        for code in [100, 103, 199] {
            let endpoint = Endpoint::start(ANY_PORT, Script::answer(vec![Step::Forever(interim(code))]));
            let failure = failure(probe(&endpoint, get(), PATIENCE).await);
            assert_eq!(failure, Failure::TooMuch("more than 32 interim responses".to_owned()));
            assert_left_alone(&endpoint);
        }
        let final_one = Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let endpoint = Endpoint::start(ANY_PORT, Script::answer([Step::Say(interim(103).repeat(32)), final_one]));
        assert!(probe(&endpoint, get(), PATIENCE).await.is_success(), "32 of them are none too many");
    }

    #[tokio::test]
    async fn a_connection_that_ends_without_a_response_says_how_it_ended() {
        let part = Step::Say(b"HTTP/1.1 200".to_vec());
        for (steps, expected) in [
            (vec![Step::Reset], Failure::Reset),
            (vec![part.clone(), Step::Reset], Failure::Reset),
            (vec![], Failure::Closed),
            (vec![part], Failure::Closed),
        ] {
            let endpoint = Endpoint::start(ANY_PORT, Script::answer(steps));
            assert_eq!(failure(probe(&endpoint, get(), PATIENCE).await), expected);
        }
    }

    #[tokio::test]
    async fn another_protocol_is_a_protocol_error() {
        for greeting in ["SSH-2.0-OpenSSH_9.6\r\n", "220 mail.example.com ESMTP\r\n", "\0\u{1}\u{2}\r\n\r\n"] {
            let endpoint = Endpoint::start(ANY_PORT, Script::say(greeting));
            let failure = failure(probe(&endpoint, get(), PATIENCE).await);
            assert!(matches!(failure, Failure::Protocol(_)), "{greeting}: {failure}");
        }
    }

    #[tokio::test]
    async fn a_probe_that_is_dropped_leaves_at_once() {
        let endpoint = Endpoint::start(ANY_PORT, Script::hang());
        let probe = tokio::time::timeout(IMPATIENCE, probe(&endpoint, get(), PATIENCE));
        assert!(probe.await.is_err());
        assert_eq!(endpoint.requests().len(), 1);
        assert_left_alone(&endpoint);
    }
}

/// An endpoint that closes with octets unread breaks its connection off, and what it said before counts.
mod what_came_before_a_reset {
    use super::*;

    /// Says this without reading anything, and breaks the connection off at once.
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
}

mod share {
    use super::*;

    const HALF: Share = Share::from_thousandths(500);

    fn respond(code: u16, fields: &str) -> Script {
        Script::say(format!("HTTP/1.1 {code} Scripted\r\nContent-Length: 2\r\n{fields}\r\nok"))
    }

    async fn share(endpoint: &Endpoint, check: HttpCheck) -> Share {
        finding(probe(endpoint, check, PATIENCE).await).share
    }

    fn degraded(above: Option<Duration>) -> HttpCheck {
        let expect_status = vec![StatusRange { first: 429, last: 429 }, StatusRange { first: 500, last: 599 }];
        HttpCheck { degraded: Some(Degraded { expect_status, above, share: HALF }), ..expecting("ok") }
    }

    #[tokio::test]
    async fn is_less_with_a_status_that_says_so() {
        let endpoint = Endpoint::start(ANY_PORT, respond(200, ""));
        assert_eq!(share(&endpoint, degraded(None)).await, Share::FULL);
        endpoint.play(respond(429, ""));
        assert_eq!(share(&endpoint, degraded(None)).await, HALF);
        // An apology need not hold what a good answer does.
        endpoint.play(Script::respond(503, "sorry"));
        assert_eq!(share(&endpoint, degraded(None)).await, HALF);
        endpoint.play(respond(404, ""));
        assert_eq!(failure(probe(&endpoint, degraded(None), PATIENCE).await), Failure::Status(404));
        endpoint.play(Script::respond(200, "sorry"));
        assert_eq!(failure(probe(&endpoint, degraded(None), PATIENCE).await), Failure::Body);
    }

    #[tokio::test]
    async fn is_less_when_the_response_took_too_long() {
        // Longer than a busy machine takes for an answer that comes at once.
        let above = Duration::from_millis(1500);
        let endpoint = Endpoint::start(ANY_PORT, respond(200, ""));
        assert_eq!(share(&endpoint, degraded(Some(above * 4))).await, Share::FULL);
        let [head, body] = ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok"].map(|text| Step::Say(text.into()));
        endpoint.play(Script::answer([head.clone(), body.clone(), Step::Pause(above * 2)]));
        assert_eq!(share(&endpoint, degraded(Some(above))).await, Share::FULL, "it pauses behind its body");
        for steps in [[Step::Pause(above), head.clone(), body.clone()], [head, Step::Pause(above), body]] {
            endpoint.play(Script::answer(steps));
            assert_eq!(share(&endpoint, degraded(Some(above))).await, HALF);
        }
    }

    #[tokio::test]
    async fn is_what_the_endpoint_asks_for() {
        let check = HttpCheck { weight_header: Some("X-Weight".into()), ..degraded(None) };
        let endpoint = Endpoint::start(ANY_PORT, respond(200, ""));
        for (code, field, thousandths) in [
            (200, "", 1000),
            (200, "x-weight: 100\r\n", 1000),
            (200, "X-Weight: 30\r\n", 300),
            (200, "X-Weight: 0\r\n", 0),
            (200, "X-Weight: 101\r\n", 1000),
            (200, "X-Weight: much\r\n", 1000),
            (429, "X-Weight: 30\r\n", 300),
            (429, "X-Weight: 70\r\n", 500),
        ] {
            endpoint.play(respond(code, field));
            let share = share(&endpoint, check.clone()).await;
            assert_eq!(share, Share::from_thousandths(thousandths), "{code} {field}");
        }
    }
}

mod load {
    use super::*;

    #[tokio::test]
    async fn comes_in_a_field_or_in_the_body() {
        let fields = "X-Load: 350/1000\r\nendpoint-load-metrics: TEXT cpu_utilization=0.3\r\n";
        let body = r#"{"workers": {"busy": 17}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
        let endpoint = Endpoint::start(ANY_PORT, Script::say(format!("{head}{fields}\r\n{body}")));
        let load = finding(probe(&endpoint, get(), PATIENCE).await).load;
        assert_eq!(load, Some(Load { used: 350_000, capacity: Some(1_000_000) }));
        let used = Some(Load { used: 17_000, capacity: None });
        let in_body = |pointer: &str| HttpCheck { load_json: Some(pointer.into()), ..expecting("busy") };
        assert_eq!(finding(probe(&endpoint, in_body("/workers/busy"), PATIENCE).await).load, used);
        assert_eq!(finding(probe(&endpoint, in_body("/workers/idle"), PATIENCE).await).load, load);
        endpoint.play(Script::respond(200, "busy"));
        assert_eq!(finding(probe(&endpoint, in_body("/workers/busy"), PATIENCE).await).load, None);
    }

    #[tokio::test]
    async fn in_a_body_without_end_or_in_one_that_stalls_is_none() {
        let check = HttpCheck { load_json: Some("/busy".into()), ..get() };
        let head = Step::Say(b"HTTP/1.1 200 OK\r\n\r\n[1".to_vec());
        let endpoint = Endpoint::start(ANY_PORT, Script::answer([head.clone(), Step::Forever(b",1".repeat(1000))]));
        assert_eq!(finding(probe(&endpoint, check.clone(), PATIENCE).await).load, None);
        assert_left_alone(&endpoint);
        // A good status stays good, even if the body with the load cannot be read.
        let broken = Step::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size".to_vec());
        let unframed = Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n1".to_vec());
        for steps in [vec![head.clone(), Step::Hang], vec![head.clone(), Step::Reset], vec![broken], vec![unframed]] {
            endpoint.play(Script::answer(steps));
            assert_eq!(finding(probe(&endpoint, check.clone(), PATIENCE / 5).await).load, None);
            assert_left_alone(&endpoint);
        }
    }
}

mod times {
    use super::*;

    #[tokio::test]
    async fn are_told_apart() {
        let pause = Duration::from_secs(1);
        let respond = Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let endpoint = Endpoint::start(ANY_PORT, Script::answer([Step::Pause(pause), respond]));
        let Finding { took, times, .. } = finding(probe(&endpoint, get(), PATIENCE).await);
        let Times { connect: Some(connect), handshake: None, first_byte: Some(first_byte) } = times else {
            panic!("{times:?}")
        };
        assert!(connect < pause && first_byte >= pause && took >= connect + first_byte, "{took:?}: {times:?}");
    }

    #[tokio::test]
    async fn of_a_bare_connection_are_its_own() {
        let endpoint = Endpoint::start(ANY_PORT, Script::hang());
        let outcome =
            Prober::with_roots([]).probe(&target(endpoint.address(), Check::Tcp(TcpCheck::default()), PATIENCE)).await;
        let Finding { took, times, .. } = finding(outcome);
        assert!(times.connect.is_some_and(|connect| connect <= took), "{took:?}: {times:?}");
        assert_eq!(Times { connect: None, ..times }, Times::UNKNOWN);
    }
}

mod reuse {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    fn reusing() -> HttpCheck {
        HttpCheck { reuse: true, ..expecting("ok") }
    }

    /// Answers this many requests on one connection, then closes it.
    fn answers(count: usize) -> Script {
        Script((0..count).flat_map(|_| [Step::Read, Step::Say(OK.to_vec())]).collect())
    }

    #[tokio::test]
    async fn keeps_the_connection_between_probes() {
        let endpoint = Endpoint::start(ANY_PORT, answers(9));
        let prober = Prober::with_roots([]);
        let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE);
        for round in 0..9 {
            let times = finding(prober.probe(&target).await).times;
            assert_eq!(times.connect.is_some(), round == 0, "{round}: {times:?}");
        }
        assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 9));
        assert!(!endpoint.requests()[0].contains("Connection:"), "{}", endpoint.requests()[0]);
    }

    #[tokio::test]
    async fn never_lends_a_connection_to_another_target() {
        let endpoint = Endpoint::start(ANY_PORT, answers(9));
        let prober = Prober::with_roots([]);
        let one = target(endpoint.address(), Check::Http(reusing()), PATIENCE);
        let mut other = one.clone();
        other.host = "other.example.com".into();
        for target in [&one, &other, &one, &other] {
            assert!(prober.probe(target).await.is_success());
        }
        assert_eq!((endpoint.connections(), endpoint.requests().len()), (2, 4));
    }

    #[tokio::test]
    async fn connects_again_when_the_connection_died_meanwhile() {
        let mut endpoint = Endpoint::start(ANY_PORT, answers(1));
        let prober = Prober::with_roots([]);
        let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE);
        let read_and = |step| Script(vec![Step::Read, Step::Say(OK.to_vec()), Step::Read, step]);
        for script in [answers(1), read_and(Step::Reset), read_and(Step::Pause(Duration::ZERO))] {
            endpoint.play(script);
            for _ in 0..3 {
                assert!(prober.probe(&target).await.is_success());
            }
        }
        endpoint.stop_listening();
        assert_eq!(failure(prober.probe(&target).await), Failure::Refused);
        endpoint.listen_again();
        endpoint.play(answers(2));
        assert!(prober.probe(&target).await.is_success());
    }

    #[tokio::test]
    async fn has_one_timeout_for_the_old_connection_and_the_new() {
        let mut endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Read, Step::Say(OK.to_vec()), Step::Hang]));
        let prober = Prober::with_roots([]);
        let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE / 5);
        assert!(prober.probe(&target).await.is_success());
        endpoint.play(Script::hang());
        let started = Instant::now();
        assert_eq!(failure(prober.probe(&target).await), Failure::TimedOut(Stage::Response));
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
        assert_left_alone(&endpoint);
        assert_eq!(endpoint.connections(), 2);
        endpoint.stop_listening();
        assert_eq!(failure(prober.probe(&target).await), Failure::Refused, "none of the two was kept");
    }

    #[tokio::test]
    async fn asks_anew_when_the_old_connection_was_forgotten_in_silence() {
        let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Read, Step::Say(OK.to_vec()), Step::Hang]));
        let prober = Prober::with_roots([]);
        let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE / 5);
        for round in 1..=3 {
            assert!(prober.probe(&target).await.is_success());
            assert_eq!(endpoint.connections(), round);
        }
    }

    #[tokio::test]
    async fn believes_the_old_connection_if_it_is_only_slow() {
        let pause = Step::Pause(PATIENCE / 10);
        let endpoint = Endpoint::start(
            ANY_PORT,
            Script(vec![Step::Read, Step::Say(OK.to_vec()), Step::Read, pause, Step::Say(OK.to_vec()), Step::Hang]),
        );
        let prober = Prober::with_roots([]);
        let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE / 5);
        assert!(prober.probe(&target).await.is_success());
        endpoint.play(Script::hang());
        assert!(prober.probe(&target).await.is_success(), "a second connection that is silent takes nothing away");
        assert_eq!(endpoint.connections(), 2);
    }

    #[tokio::test]
    async fn takes_no_verdict_from_what_an_idle_connection_ends_with() {
        let says = |text: &str| Step::Say(text.into());
        let timeout = says("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let pause = Step::Pause(Duration::from_millis(20));
        let broken = says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\no");
        for rest in [
            vec![Step::Read, timeout.clone()],
            vec![pause.clone(), timeout],
            vec![Step::Read, broken.clone()],
            vec![Step::Read, broken, Step::Reset],
            vec![Step::Read, says("garbage\r\n\r\n")],
            vec![pause, says("\0\0\0")],
        ] {
            let steps = [Step::Read, Step::Say(OK.to_vec())].into_iter().chain(rest).collect();
            let endpoint = Endpoint::start(ANY_PORT, Script(steps));
            let prober = Prober::with_roots([]);
            let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE);
            for _ in 0..3 {
                let outcome = prober.probe(&target).await;
                assert!(outcome.is_success(), "{outcome}");
            }
        }
        // On a new connection it is one, and so is any other status on an old one.
        let refusal = "HTTP/1.1 408 No\r\nContent-Length: 0\r\n\r\n";
        let endpoint = Endpoint::start(ANY_PORT, Script::say(refusal));
        assert_eq!(failure(probe(&endpoint, reusing(), PATIENCE).await), Failure::Status(408));
        let answers =
            [Step::Read, Step::Say(OK.to_vec()), Step::Read, says("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")];
        let endpoint = Endpoint::start(ANY_PORT, Script(answers.to_vec()));
        let prober = Prober::with_roots([]);
        let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE);
        assert!(prober.probe(&target).await.is_success());
        assert_eq!(failure(prober.probe(&target).await), Failure::Status(503));
        assert_eq!(endpoint.connections(), 1);
    }

    #[tokio::test]
    async fn keeps_nothing_that_cannot_be_used_again() {
        let endless = [Step::Say(b"HTTP/1.1 200 OK\r\n\r\nok".to_vec()), Step::Forever(b"x".repeat(1000))];
        let stalling = [Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_vec()), Step::Hang];
        let closing =
            [Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_vec()), Step::Hang];
        for steps in [endless, stalling, closing] {
            let endpoint = Endpoint::start(ANY_PORT, Script::answer(steps));
            let prober = Prober::with_roots([]);
            let target = target(endpoint.address(), Check::Http(reusing()), PATIENCE);
            for count in 1..=2 {
                let started = Instant::now();
                assert!(prober.probe(&target).await.is_success());
                assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
                assert_left_alone(&endpoint);
                assert_eq!(endpoint.connections(), count);
            }
        }
    }

    #[tokio::test]
    async fn ends_when_no_probe_comes_any_more() {
        let endpoint = Endpoint::start(ANY_PORT, answers(2));
        let prober = Prober::with_roots([]);
        let timeout = PATIENCE / 5;
        let target = target(endpoint.address(), Check::Http(reusing()), timeout);
        assert!(prober.probe(&target).await.is_success());
        assert_eq!(endpoint.open_connections(), 1);
        // The interval is twice the timeout, and two of them are waited for.
        tokio::time::sleep(timeout * 4).await;
        let deadline = Instant::now() + PATIENCE;
        while endpoint.open_connections() > 0 {
            assert!(Instant::now() < deadline, "the connection is still open");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn ends_with_the_prober() {
        let endpoint = Endpoint::start(ANY_PORT, answers(2));
        let prober = Prober::with_roots([]);
        assert!(prober.probe(&target(endpoint.address(), Check::Http(reusing()), PATIENCE)).await.is_success());
        assert_eq!(endpoint.open_connections(), 1);
        drop(prober);
        assert_left_alone(&endpoint);
    }
}

mod http_2 {
    use super::*;

    fn prior_knowledge() -> HttpCheck {
        HttpCheck { version: Some(HttpVersion::Http2), ..get() }
    }

    #[tokio::test]
    async fn begins_with_its_preface_and_times_out_in_silence() {
        let endpoint = Endpoint::start(ANY_PORT, Script::hang());
        assert_eq!(failure(probe(&endpoint, prior_knowledge(), IMPATIENCE).await), Failure::TimedOut(Stage::Response));
        assert_eq!(endpoint.requests(), ["PRI * HTTP/2.0\r\n\r\n"], "RFC 9113 section 3.4");
        assert_left_alone(&endpoint);
    }

    #[tokio::test]
    async fn is_not_spoken_by_every_endpoint() {
        let endpoint = Endpoint::start(ANY_PORT, Script::status(200));
        let failure = failure(probe(&endpoint, prior_knowledge(), PATIENCE).await);
        assert!(matches!(failure, Failure::Protocol(_)), "{failure}");
        assert_left_alone(&endpoint);
    }

    #[tokio::test]
    async fn ends_with_a_reset_or_by_a_goaway() {
        // A SETTINGS frame without settings, then GOAWAY for stream 0 with ENHANCE_YOUR_CALM (RFC 9113, section 6).
        let settings = b"\0\0\0\x04\0\0\0\0\0".to_vec();
        let goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b".to_vec();
        let endpoint = Endpoint::start(ANY_PORT, Script::answer([Step::Say(settings.clone()), Step::Reset]));
        assert_eq!(failure(probe(&endpoint, prior_knowledge(), PATIENCE).await), Failure::Reset);
        endpoint.play(Script::answer([Step::Say(settings), Step::Say(goaway), Step::Hang]));
        let failure = failure(probe(&endpoint, prior_knowledge(), PATIENCE).await);
        assert!(matches!(&failure, Failure::Protocol(why) if why.contains("excessive load")), "{failure}");
        assert_left_alone(&endpoint);
    }
}

/// Endpoints that send without end, in the smallest pieces that there are.
mod floods {
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
        let steps =
            vec![Step::Read, Step::Say(head), Step::Say(b"0\r\n".to_vec()), Step::Forever(b"X: 1\r\n".repeat(100))];
        assert_eq!(is_too_much(Check::Http(expecting("needle")), steps).await, "trailers of more than 32 KiB");
    }

    #[tokio::test]
    async fn of_single_octets_are_left() {
        let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Forever(b"x".to_vec())]));
        let check = TcpCheck { send: Box::default(), expect: Some(BodyMatch::Substring("needle".into())) };
        let outcome = Prober::with_roots([]).probe(&target(endpoint.address(), Check::Tcp(check), PATIENCE)).await;
        // How many of them one read gives is up to the scheduler.
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
}
