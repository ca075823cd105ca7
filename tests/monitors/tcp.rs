//! TCP connections, with octets to send and to expect or without.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use truenorth::health::{BodyMatch, Check, Failure, Stage, TcpCheck};

use crate::endpoint::{ANY_PORT, Endpoint, Script, Step};
use crate::{IMPATIENCE, PATIENCE, assert_left_alone, failure, pattern, probe, substring};

const LIMIT: usize = 64 * 1024;

fn bare() -> Check {
    Check::Tcp(TcpCheck::default())
}

fn expecting(expect: BodyMatch) -> Check {
    Check::Tcp(TcpCheck { send: Box::default(), expect: Some(expect) })
}

fn ping(expect: &str) -> Check {
    Check::Tcp(TcpCheck { send: b"PING\r\n"[..].into(), expect: Some(substring(expect)) })
}

/// Sends this after it has received a line, as Redis does.
fn answers(reply: &str) -> Endpoint {
    Endpoint::start(ANY_PORT, Script(vec![Step::ReadLine, Step::Say(reply.into()), Step::Hang]))
}

/// Sends this as soon as the connection is open, as mail servers do.
fn greets(steps: Vec<Step>) -> Endpoint {
    Endpoint::start(ANY_PORT, Script(steps))
}

#[tokio::test]
async fn a_bare_one_succeeds_if_it_is_accepted_and_says_nothing() {
    let mut endpoint = Endpoint::start(ANY_PORT, Script::hang());
    assert!(probe(endpoint.address(), bare(), PATIENCE).await.is_success());
    assert_left_alone(&endpoint);
    assert_eq!(endpoint.requests(), [""; 0]);
    endpoint.stop_listening();
    assert_eq!(failure(probe(endpoint.address(), bare(), PATIENCE).await), Failure::Refused);
    assert_eq!(failure(probe(endpoint.address(), ping("PONG"), PATIENCE).await), Failure::Refused);
}

#[tokio::test]
async fn times_out_while_connecting() {
    // Once the queue of a listener that never accepts is full, the kernel drops further SYNs.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _queued = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(failure(probe(address, bare(), IMPATIENCE).await), Failure::TimedOut(Stage::Connect));
}

#[tokio::test]
async fn what_is_sent_is_answered_as_expected() {
    let endpoint = answers("+PONG\r\n");
    let started = Instant::now();
    assert!(probe(endpoint.address(), ping("+PONG"), PATIENCE).await.is_success());
    assert!(started.elapsed() < PATIENCE / 2, "it waited for an end that does not come");
    assert_left_alone(&endpoint);
    assert_eq!(endpoint.requests(), ["PING\r\n"]);
}

#[tokio::test]
async fn what_is_sent_without_an_expectation_arrives() {
    let endpoint = answers("whatever");
    let send = Check::Tcp(TcpCheck { send: b"QUIT\r\n"[..].into(), expect: None });
    assert!(probe(endpoint.address(), send, PATIENCE).await.is_success());
    // The probe may be over before the endpoint has accepted its connection.
    let deadline = Instant::now() + PATIENCE;
    while endpoint.requests().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_left_alone(&endpoint);
    assert_eq!(endpoint.requests(), ["QUIT\r\n"]);
}

#[tokio::test]
async fn a_lie_is_a_failure_once_it_is_over_and_a_time_out_before() {
    let endpoint = answers("-LOADING dataset\r\n");
    let outcome = probe(endpoint.address(), ping("+PONG"), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
    endpoint.play(Script(vec![Step::ReadLine, Step::Say(b"-ERR\r\n".to_vec())]));
    assert_eq!(failure(probe(endpoint.address(), ping("+PONG"), PATIENCE).await), Failure::Reply);
    endpoint.play(Script(vec![Step::ReadLine]));
    assert_eq!(failure(probe(endpoint.address(), ping("+PONG"), PATIENCE).await), Failure::Reply);
    endpoint.play(Script(vec![Step::ReadLine, Step::Reset]));
    assert_eq!(failure(probe(endpoint.address(), ping("+PONG"), PATIENCE).await), Failure::Reset);
}

#[tokio::test]
async fn silence_times_out_and_is_left() {
    let endpoint = greets(vec![Step::Hang]);
    let started = Instant::now();
    let outcome = probe(endpoint.address(), expecting(substring("220")), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
    assert!(started.elapsed() < PATIENCE);
    assert_left_alone(&endpoint);
}

#[tokio::test]
async fn a_greeting_matches_a_pattern_however_slowly_it_comes() {
    let greeting = b"220 mail.example.com ESMTP\r\n".to_vec();
    let endpoint = greets(vec![Step::Trickle(greeting, Duration::from_millis(2)), Step::Hang]);
    assert!(probe(endpoint.address(), expecting(pattern("(?m)^220 .*ESMTP\r$")), PATIENCE).await.is_success());
    assert_left_alone(&endpoint);
    let outcome = probe(endpoint.address(), expecting(pattern("^220 .*SMTPS")), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Response));
}

#[tokio::test]
async fn only_the_first_64_kib_count() {
    let mut flood = vec![b'x'; LIMIT - 6];
    flood.extend(b"needle");
    let endpoint = greets(vec![Step::Say(flood.clone()), Step::Hang]);
    assert!(probe(endpoint.address(), expecting(substring("needle")), PATIENCE).await.is_success());
    flood.insert(0, b'x');
    endpoint.play(Script(vec![Step::Say(flood), Step::Hang]));
    assert_eq!(failure(probe(endpoint.address(), expecting(substring("needle")), PATIENCE).await), Failure::Reply);
    endpoint.play(Script(vec![Step::Forever(vec![b'x'; 1000])]));
    assert_eq!(failure(probe(endpoint.address(), expecting(substring("needle")), PATIENCE).await), Failure::Reply);
    assert_left_alone(&endpoint);
}
