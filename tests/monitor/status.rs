//! The status of a response.

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
