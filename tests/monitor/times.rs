//! The times of the parts of a probe.

use super::*;

#[tokio::test]
async fn are_told_apart() {
    let pause = Duration::from_secs(1);
    let respond = Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let endpoint = Endpoint::start(ANY_PORT, Script::answer([Step::Pause(pause), respond]));
    let Finding { took, times, .. } = finding(probe(&endpoint, get(), PATIENCE).await);
    let Times { connect: Some(connect), handshake: None, first_byte: Some(first_byte) } = times else {
        panic!("{times:?}")
    };
    assert!(connect < pause && first_byte >= pause && took >= connect + first_byte, "{took:?}: {times:?}");
}

#[tokio::test]
async fn of_a_bare_connection_are_its_own() {
    let endpoint = Endpoint::start(ANY_PORT, Script::hang());
    let outcome =
        Prober::with_roots([]).probe(&target(endpoint.address(), Check::Tcp(TcpCheck::default()), PATIENCE)).await;
    let Finding { took, times, .. } = finding(outcome);
    assert!(times.connect.is_some_and(|connect| connect <= took), "{took:?}: {times:?}");
    assert_eq!(Times { connect: None, ..times }, Times::UNKNOWN);
}
