//! The bodies of responses that count as success.

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
