//! Probes over HTTP/2.

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
