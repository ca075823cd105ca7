//! Endpoints that hang, close or reset.

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
        let endpoint = Endpoint::start(ANY_PORT, Script::answer(vec![head, Step::Forever(line.repeat(100).into())]));
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
