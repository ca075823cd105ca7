//! The share that a response asks for.

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
    // A degraded response need not match `expect_body`.
    endpoint.play(Script::respond(503, "sorry"));
    assert_eq!(share(&endpoint, degraded(None)).await, HALF);
    endpoint.play(respond(404, ""));
    assert_eq!(failure(probe(&endpoint, degraded(None), PATIENCE).await), Failure::Status(404));
    endpoint.play(Script::respond(200, "sorry"));
    assert_eq!(failure(probe(&endpoint, degraded(None), PATIENCE).await), Failure::Body);
}

#[tokio::test]
async fn is_less_when_the_response_took_too_long() {
    // Longer than the time of an immediate answer on a busy machine.
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
