//! Probes against real endpoints on loopback: what they ask, what they accept, and how they fail.

mod endpoint;

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};

use endpoint::{ANY_PORT, Endpoint, Script, Step};
use truenorth::health::{
    BodyMatch, Check, Failure, Finding, HttpCheck, Monitor, Outcome, Pattern, Stage, StatusRange, Target, TlsCheck,
};
use truenorth::monitor::Prober;

/// What a probe may take where it is expected to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a probe may take where it is expected to time out.
const IMPATIENCE: Duration = Duration::from_millis(300);

fn target(address: SocketAddr, check: Check, timeout: Duration) -> Target {
    let once = NonZeroU8::MIN;
    let monitor =
        Monitor { interval: timeout * 2, timeout, rise: once, fall: once, ..Monitor::new(check, address.port()) };
    Target { address, host: "www.example.com".into(), monitor: Arc::new(monitor) }
}

fn get() -> HttpCheck {
    HttpCheck {
        method: "GET".into(),
        path: "/healthz".into(),
        headers: Vec::new(),
        expect_status: vec![StatusRange { first: 200, last: 399 }],
        expect_body: None,
    }
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

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failure(failure) => failure,
        Outcome::Success(_) => panic!("a failure was expected"),
    }
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
                "GET /healthz HTTP/1.1\r\nhost: www.example.com:{port}\r\nuser-agent: truenorth/{version}\r\n\
                 accept: */*\r\nconnection: close\r\n\r\n"
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
        for field in ["user-agent: probe", "accept: text/plain", "x-one: 1", "x-one: 2", "content-length: 0"] {
            assert_eq!(request.matches(&format!("\r\n{field}\r\n")).count(), 1, "{field} in {request}");
        }
        assert_eq!(request.matches("user-agent").count() + request.matches("accept").count(), 2, "{request}");
    }

    #[tokio::test]
    async fn to_an_ipv6_address_has_it_in_brackets() {
        let endpoint = Endpoint::start("[::1]:0".parse().unwrap(), Script::status(200));
        let mut target = target(endpoint.address(), Check::Http(get()), PATIENCE);
        target.host = "2001:db8::1".into();
        assert!(Prober::with_roots([]).probe(&target).await.is_success());
        let field = format!("\r\nhost: [2001:db8::1]:{}\r\n", endpoint.address().port());
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
            [(UNTIL_CLOSE, "x".repeat(0x1000)), (CHUNKED, chunk), (CHUNKED, "1\r\nx\r\n".repeat(500))]
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
    async fn that_breaks_off_is_a_reset_and_that_is_misframed_a_protocol_error() {
        let endpoint = Endpoint::start(ANY_PORT, Script::say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"));
        assert_eq!(failure(probe(&endpoint, expecting("long"), PATIENCE).await), Failure::Reset);
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
        assert!(taken >= IMPATIENCE && taken < IMPATIENCE * 10, "{taken:?}");
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
            assert!(matches!(failure(probe(&endpoint, get(), PATIENCE).await), Failure::Protocol(_)));
            assert_left_alone(&endpoint);
        }
    }

    #[tokio::test]
    async fn interim_responses_without_end_time_out() {
        let endpoint =
            Endpoint::start(ANY_PORT, Script::answer(vec![Step::Forever(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())]));
        assert_eq!(failure(probe(&endpoint, get(), IMPATIENCE).await), Failure::TimedOut(Stage::Response));
        assert_left_alone(&endpoint);
    }

    #[tokio::test]
    async fn a_connection_that_ends_without_a_response_is_a_reset() {
        for steps in [
            vec![Step::Reset],
            vec![],
            vec![Step::Say(b"HTTP/1.1 200".to_vec())],
            vec![Step::Say(b"HTTP/1.1 200".to_vec()), Step::Reset],
        ] {
            let endpoint = Endpoint::start(ANY_PORT, Script::answer(steps));
            assert_eq!(failure(probe(&endpoint, get(), PATIENCE).await), Failure::Reset);
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

mod https {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
    use rustls::ServerConfig;
    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    use rustls::server::WebPkiClientVerifier;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn prober(trusted: &Authority) -> Prober {
        Prober::with_roots([trusted.der().to_vec()])
    }

    fn params(name: &str) -> CertificateParams {
        CertificateParams::new([name.to_owned()]).unwrap()
    }

    fn server_config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .unwrap();
        Arc::new(config)
    }

    fn endpoint_with(params: &CertificateParams, issuer: &Authority) -> Endpoint {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        Endpoint::start_tls(ANY_PORT, Script::respond(200, "secretly well"), server_config(certificate.into(), &key))
    }

    fn https(endpoint: &Endpoint, host: &str, sni: Option<&str>, verify: bool) -> Target {
        let tls = TlsCheck { sni: sni.map(Into::into), verify };
        let mut target = target(endpoint.address(), Check::Https(expecting("well"), tls), PATIENCE);
        target.host = host.into();
        target
    }

    fn tls_failure(outcome: Outcome) -> String {
        match failure(outcome) {
            Failure::Tls(why) => why,
            other => panic!("a failure of TLS was expected, not {other}"),
        }
    }

    #[tokio::test]
    async fn accepts_a_certificate_that_a_root_vouches_for() {
        let authority = authority("Trusted");
        let endpoint = endpoint_with(&params("www.example.com"), &authority);
        let prober = prober(&authority);
        for _ in 0..2 {
            let outcome = prober.probe(&https(&endpoint, "www.example.com", None, true)).await;
            assert!(outcome.is_success(), "{outcome}");
        }
        assert_eq!(endpoint.server_names(), [Some("www.example.com".to_owned()), Some("www.example.com".to_owned())]);
        let field = format!("\r\nhost: www.example.com:{}\r\n", endpoint.address().port());
        assert!(endpoint.requests()[0].contains(&field));
    }

    #[tokio::test]
    async fn asks_for_the_sni_apart_from_the_host() {
        let authority = authority("Trusted");
        let endpoint = endpoint_with(&params("edge.example.net"), &authority);
        let target = https(&endpoint, "www.example.com", Some("edge.example.net"), true);
        assert!(prober(&authority).probe(&target).await.is_success());
        assert_eq!(endpoint.server_names(), [Some("edge.example.net".to_owned())]);
        assert!(endpoint.requests()[0].contains("\r\nhost: www.example.com:"));
    }

    #[tokio::test]
    async fn verifies_an_address_as_an_address() {
        let authority = authority("Trusted");
        let endpoint = endpoint_with(&params("127.0.0.1"), &authority);
        let prober = prober(&authority);
        assert!(prober.probe(&https(&endpoint, "127.0.0.1", None, true)).await.is_success());
        assert_eq!(endpoint.server_names(), [None]);
        let why = tls_failure(prober.probe(&https(&endpoint, "127.0.0.2", None, true)).await);
        assert_eq!(why, "certificate is not valid for name 127.0.0.2");
    }

    #[tokio::test]
    async fn refuses_what_does_not_hold_unless_told_not_to_look() {
        let (trusted, foreign) = (authority("Trusted"), authority("Foreign"));
        let mut expired = params("www.example.com");
        (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let mut early = params("www.example.com");
        (early.not_before, early.not_after) = (date_time_ymd(4000, 1, 1), date_time_ymd(4001, 1, 1));
        let wrong_name = params("www.example.net");
        for (params, issuer, expected) in [
            (&expired, &trusted, "certificate expired"),
            (&early, &trusted, "certificate is not valid yet"),
            (&wrong_name, &trusted, "certificate is not valid for name www.example.com"),
            (&params("www.example.com"), &foreign, "unknown issuer"),
        ] {
            let endpoint = endpoint_with(params, issuer);
            let prober = prober(&trusted);
            let why = tls_failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await);
            assert_eq!(why, expected);
            assert_eq!(endpoint.requests(), [""; 0]);
            let unverified = prober.probe(&https(&endpoint, "www.example.com", None, false)).await;
            assert!(unverified.is_success(), "{expected}: {unverified}");
        }
    }

    #[tokio::test]
    async fn refuses_a_certificate_that_vouches_for_itself() {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
        let config = server_config(cert.into(), &signing_key);
        let endpoint = Endpoint::start_tls(ANY_PORT, Script::respond(200, "well"), config);
        let prober = Prober::new();
        let why = tls_failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await);
        assert_eq!(why, "unknown issuer");
        assert!(prober.probe(&https(&endpoint, "www.example.com", None, false)).await.is_success());
    }

    #[tokio::test]
    async fn cannot_ask_for_what_is_no_name() {
        let authority = authority("Trusted");
        let endpoint = endpoint_with(&params("www.example.com"), &authority);
        for verify in [true, false] {
            let target = https(&endpoint, "www.example.com", Some("no name"), verify);
            assert_eq!(tls_failure(prober(&authority).probe(&target).await), "\"no name\" is no host name");
        }
    }

    #[tokio::test]
    async fn tells_what_the_endpoint_alerts_to() {
        let authority = authority("Trusted");
        let key = KeyPair::generate().unwrap();
        let certificate = params("www.example.com").signed_by(&key, &authority).unwrap();
        let mut config = Arc::unwrap_or_clone(server_config(certificate.into(), &key));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let endpoint = Endpoint::start_tls(ANY_PORT, Script::status(200), Arc::new(config));
        let why = tls_failure(prober(&authority).probe(&https(&endpoint, "www.example.com", None, true)).await);
        assert_eq!(why, "alert: no_application_protocol");
    }

    #[tokio::test]
    async fn hears_of_a_missing_client_certificate_after_the_handshake() {
        let authority = authority("Trusted");
        let key = KeyPair::generate().unwrap();
        let certificate = params("www.example.com").signed_by(&key, &authority).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.into()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let endpoint = Endpoint::start_tls(ANY_PORT, Script::status(200), Arc::new(config));
        let why = tls_failure(prober(&authority).probe(&https(&endpoint, "www.example.com", None, true)).await);
        assert_eq!(why, "alert: certificate_required");
    }

    #[tokio::test]
    async fn is_not_spoken_by_every_endpoint() {
        let bad_request = Step::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
        let endpoint = Endpoint::start(ANY_PORT, Script(vec![bad_request, Step::Hang]));
        let prober = prober(&authority("Trusted"));
        let why = tls_failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await);
        assert_eq!(why, "the answer is not TLS");
        endpoint.play(Script(vec![Step::Reset]));
        assert_eq!(failure(prober.probe(&https(&endpoint, "www.example.com", None, true)).await), Failure::Reset);
    }

    #[tokio::test]
    async fn times_out_in_the_handshake() {
        let endpoint = Endpoint::start(ANY_PORT, Script::hang());
        let tls = TlsCheck { sni: None, verify: false };
        let target = target(endpoint.address(), Check::Https(get(), tls), IMPATIENCE);
        let outcome = prober(&authority("Trusted")).probe(&target).await;
        assert_eq!(failure(outcome), Failure::TimedOut(Stage::Handshake));
        assert_left_alone(&endpoint);
    }
}
