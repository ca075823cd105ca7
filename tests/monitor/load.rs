//! Loads that responses report.

use super::*;

#[tokio::test]
async fn comes_in_a_field_or_in_the_body() {
    let fields = "X-Load: 350/1000\r\nendpoint-load-metrics: TEXT cpu_utilization=0.3\r\n";
    let body = r#"{"workers": {"busy": 17}}"#;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
    let endpoint = Endpoint::start(ANY_PORT, Script::say(format!("{head}{fields}\r\n{body}")));
    let load = finding(probe(&endpoint, get(), PATIENCE).await).load;
    assert_eq!(load, Some(Load { used: 350_000, capacity: Some(1_000_000) }));
    let used = Some(Load { used: 17_000, capacity: None });
    let in_body = |pointer: &str| HttpCheck { load_json: Some(pointer.into()), ..expecting("busy") };
    assert_eq!(finding(probe(&endpoint, in_body("/workers/busy"), PATIENCE).await).load, used);
    assert_eq!(finding(probe(&endpoint, in_body("/workers/idle"), PATIENCE).await).load, load);
    endpoint.play(Script::respond(200, "busy"));
    assert_eq!(finding(probe(&endpoint, in_body("/workers/busy"), PATIENCE).await).load, None);
}

#[tokio::test]
async fn in_a_body_without_end_or_in_one_that_stalls_is_none() {
    let check = HttpCheck { load_json: Some("/busy".into()), ..get() };
    let head = Step::Say(b"HTTP/1.1 200 OK\r\n\r\n[1".to_vec());
    let endpoint = Endpoint::start(ANY_PORT, Script::answer([head.clone(), Step::Forever(b",1".repeat(1000))]));
    assert_eq!(finding(probe(&endpoint, check.clone(), PATIENCE).await).load, None);
    assert_left_alone(&endpoint);
    // A good status stays good, even if the body with the load cannot be read.
    let broken = Step::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size".to_vec());
    let unframed = Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n1".to_vec());
    for steps in [vec![head.clone(), Step::Hang], vec![head.clone(), Step::Reset], vec![broken], vec![unframed]] {
        endpoint.play(Script::answer(steps));
        assert_eq!(finding(probe(&endpoint, check.clone(), PATIENCE / 5).await).load, None);
        assert_left_alone(&endpoint);
    }
}
