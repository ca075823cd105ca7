//! Connections that are kept for the next probe.

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
    // On a new connection 408 is a failure, and so is any other bad status on a kept one.
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
    // The interval is twice the timeout, and a connection is kept for two intervals.
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
