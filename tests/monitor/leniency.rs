//! Responses that curl accepts, even if they violate the RFCs.

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
    // This check does not examine the body.
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
