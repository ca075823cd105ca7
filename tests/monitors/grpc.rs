//! Health services: tonic's, and scripted ones that lie.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use h2::server::SendResponse;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use truenorth::health::{Check, Failure, GrpcCheck, Stage, Target, TlsCheck};
use truenorth::monitor::Prober;

use crate::endpoint::{ANY_PORT, Endpoint, Script, Step};
use crate::{IMPATIENCE, PATIENCE, assert_left_alone, failure, probe, target};

fn plain(service: &str) -> Check {
    Check::Grpc(GrpcCheck { service: service.into(), tls: None })
}

async fn ask(address: SocketAddr, check: Check) -> Result<(), Failure> {
    let outcome = probe(address, check, PATIENCE).await;
    if outcome.is_success() { Ok(()) } else { Err(failure(outcome)) }
}

/// tonic's health service, until it is dropped.
struct Tonic {
    address: SocketAddr,
    reporter: HealthReporter,
    serving: JoinHandle<()>,
}

impl Tonic {
    async fn start(tls: Option<ServerTlsConfig>) -> Self {
        let (reporter, service) = health_reporter();
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let router = server.add_service(service);
        let serving = tokio::spawn(async move {
            router.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        });
        Self { address, reporter, serving }
    }
}

impl Drop for Tonic {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

mod tonic_says {
    use super::*;

    #[tokio::test]
    async fn how_it_and_its_services_are() {
        let tonic = Tonic::start(None).await;
        assert_eq!(ask(tonic.address, plain("")).await, Ok(()));
        let unknown = ask(tonic.address, plain("shop.Cart")).await;
        assert_eq!(unknown, Err(Failure::Grpc("5 NOT_FOUND: service not registered".to_owned())));
        for (status, found) in [
            (ServingStatus::Serving, Ok(())),
            (ServingStatus::NotServing, Err(Failure::NotServing("NOT_SERVING"))),
            (ServingStatus::Unknown, Err(Failure::NotServing("UNKNOWN"))),
            (ServingStatus::Serving, Ok(())),
        ] {
            tonic.reporter.set_service_status("shop.Cart", status).await;
            assert_eq!(ask(tonic.address, plain("shop.Cart")).await, found);
        }
        assert_eq!(ask(tonic.address, plain("")).await, Ok(()));
        tonic.serving.abort();
        while !tonic.serving.is_finished() {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(tonic.address, plain("")).await, Err(Failure::Refused));
    }

    #[tokio::test]
    async fn that_it_has_no_health_service() {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Server::builder().add_routes(tonic::service::Routes::default());
        let serving = tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
        assert_eq!(ask(address, plain("")).await, Err(Failure::Grpc("12 UNIMPLEMENTED".to_owned())));
        serving.abort();
    }

    #[tokio::test]
    async fn it_inside_of_tls_with_a_certificate_that_holds() {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["www.example.com".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let identity = Identity::from_pem(certificate.pem(), key.serialize_pem());
        let tonic = Tonic::start(Some(ServerTlsConfig::new().identity(identity))).await;

        let prober = Prober::with_roots([authority.der().to_vec()]);
        let over_tls = |sni: Option<&str>, verify| -> Target {
            let tls = Some(TlsCheck { sni: sni.map(Into::into), verify, ..TlsCheck::default() });
            target(tonic.address, Check::Grpc(GrpcCheck { service: "".into(), tls }), PATIENCE)
        };
        let found = prober.probe(&over_tls(None, true)).await;
        assert!(found.is_success(), "{found}");
        let why = "certificate is not valid for name www.example.net".to_owned();
        assert_eq!(failure(prober.probe(&over_tls(Some("www.example.net"), true)).await), Failure::Tls(why));
        assert!(prober.probe(&over_tls(Some("www.example.net"), false)).await.is_success());
        assert!(ask(tonic.address, plain("")).await.is_err());
    }
}

/// The response of a scripted health service to a call: its head, its body in one piece, its trailers.
struct Lie {
    head: &'static [(&'static str, &'static str)],
    code: u16,
    body: Vec<u8>,
    trailers: &'static [(&'static str, &'static str)],
}

const HEAD: &[(&str, &str)] = &[("content-type", "application/grpc+proto")];
const OK: &[(&str, &str)] = &[("grpc-status", "0")];

impl Default for Lie {
    /// The truth.
    fn default() -> Self {
        Self { head: HEAD, code: 200, body: b"\0\0\0\0\x02\x08\x01".to_vec(), trailers: OK }
    }
}

/// Sends a scripted response on one connection, and returns the request.
async fn play(listener: &TcpListener, lie: Lie) -> (Request<()>, Vec<u8>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (request, respond) = connection.accept().await.unwrap().unwrap();
    let (head, mut body) = request.into_parts();
    let telling = async move {
        let mut message = Vec::new();
        while let Some(Ok(piece)) = body.data().await {
            message.extend_from_slice(&piece);
        }
        tell(respond, lie);
        message
    };
    let message = tokio::select! {
        message = telling => message,
        _ = connection.accept() => panic!("the connection ended before the message"),
    };
    // Waits until the prober leaves.
    while let Some(Ok(_)) = connection.accept().await {}
    (Request::from_parts(head, ()), message)
}

fn tell(mut respond: SendResponse<Bytes>, lie: Lie) {
    let mut response = Response::new(());
    *response.status_mut() = lie.code.try_into().unwrap();
    for (name, value) in lie.head {
        response.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    let mut stream = respond.send_response(response, false).unwrap();
    stream.send_data(lie.body.into(), false).unwrap();
    let trailers: HeaderMap = lie.trailers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
    stream.send_trailers(trailers).unwrap();
}

async fn asked(lie: Lie, service: &str) -> (Result<(), Failure>, Request<()>, Vec<u8>) {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let address = listener.local_addr().unwrap();
    let playing = tokio::spawn(async move { play(&listener, lie).await });
    let found = ask(address, plain(service)).await;
    let (request, message) = playing.await.unwrap();
    (found, request, message)
}

#[tokio::test]
async fn the_call_is_what_grpc_says() {
    let (found, request, message) = asked(Lie::default(), "shop.Cart").await;
    assert_eq!(found, Ok(()));
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/grpc.health.v1.Health/Check"));
    assert_eq!(request.uri().scheme_str(), Some("http"));
    assert!(request.uri().authority().unwrap().as_str().starts_with("www.example.com:"));
    let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(field("te").as_deref(), Some("trailers"));
    assert_eq!(field("content-type").as_deref(), Some("application/grpc"));
    assert!(field("user-agent").unwrap().starts_with("truenorth/"));
    assert_eq!(message, b"\0\0\0\0\x0b\x0a\x09shop.Cart");
}

#[tokio::test]
async fn lies_are_told_from_health() {
    let protocol = |why: &str| Failure::Protocol(why.to_owned());
    let serving = |status: u8| [&b"\0\0\0\0\x02\x08"[..], &[status]].concat();
    for (lie, expected) in [
        (Lie { code: 503, ..Lie::default() }, Failure::Status(503)),
        (
            Lie { head: &[("content-type", "text/html")], ..Lie::default() },
            protocol("the content type is not application/grpc"),
        ),
        (Lie { body: serving(3), ..Lie::default() }, Failure::NotServing("SERVICE_UNKNOWN")),
        (Lie { body: serving(9), ..Lie::default() }, Failure::NotServing("an undefined status")),
        (Lie { body: Vec::new(), ..Lie::default() }, protocol("no message came")),
        (
            Lie { body: vec![0; 5000], ..Lie::default() },
            Failure::TooMuch("a health message of more than 4096 octets".to_owned()),
        ),
        (Lie { trailers: &[("x", "y")], ..Lie::default() }, protocol("the call ends without grpc-status")),
        (Lie { trailers: &[("grpc-status", "fine")], ..Lie::default() }, protocol("grpc-status is not a number")),
        (Lie { trailers: &[("grpc-status", "77")], ..Lie::default() }, Failure::Grpc("77".to_owned())),
        (
            Lie { trailers: &[("grpc-status", "14"), ("grpc-message", "draining")], ..Lie::default() },
            Failure::Grpc("14 UNAVAILABLE: draining".to_owned()),
        ),
    ] {
        assert_eq!(asked(lie, "").await.0, Err(expected));
    }
}

#[tokio::test]
async fn a_silent_endpoint_times_out() {
    let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Hang]));
    let started = Instant::now();
    let outcome = probe(endpoint.address(), plain(""), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
    assert!(started.elapsed() < PATIENCE);
    assert_left_alone(&endpoint);
    // The settings of HTTP/2, and nothing more.
    endpoint.play(Script(vec![Step::Say(b"\0\0\0\x04\0\0\0\0\0".to_vec()), Step::Hang]));
    let outcome = probe(endpoint.address(), plain(""), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
    assert_left_alone(&endpoint);
}

#[tokio::test]
async fn other_protocols_and_ends_are_told() {
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n"] {
        let endpoint = Endpoint::start(ANY_PORT, Script(vec![Step::Say(greeting.into()), Step::Hang]));
        let found = ask(endpoint.address(), plain("")).await;
        assert!(matches!(found, Err(Failure::Protocol(_))), "{greeting}: {found:?}");
        assert_left_alone(&endpoint);
    }
    let preface = "PRI * HTTP/2.0\r\n\r\n";
    for (steps, expected) in [(vec![Step::Read], Failure::Closed), (vec![Step::Read, Step::Reset], Failure::Reset)] {
        let endpoint = Endpoint::start(ANY_PORT, Script(steps));
        assert_eq!(ask(endpoint.address(), plain("")).await, Err(expected));
        assert_eq!(endpoint.requests(), [preface]);
    }
}
