//! The request of a probe.

use super::*;

#[tokio::test]
async fn is_what_the_check_says_and_goes_to_the_address() {
    let endpoint = Endpoint::start("127.0.0.7:0".parse().unwrap(), Script::status(200));
    let outcome = probe(&endpoint, get(), PATIENCE).await;
    assert!(matches!(outcome, Outcome::Success(Finding { took, .. }) if took < PATIENCE), "{outcome}");
    let port = endpoint.address().port();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        endpoint.requests(),
        [format!(
            "GET /healthz HTTP/1.1\r\nHost: www.example.com:{port}\r\nUser-Agent: truenorth/{version}\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        )]
    );
}

#[tokio::test]
async fn has_the_fields_that_the_check_gives_instead_of_the_usual_ones() {
    let endpoint = Endpoint::start(ANY_PORT, Script::status(200));
    let fields = [("User-Agent", "probe"), ("Accept", "text/plain"), ("X-One", "1"), ("X-One", "2")];
    let headers = fields.map(|(name, value)| (name.into(), value.into())).to_vec();
    let check = HttpCheck { method: "POST".into(), path: "/a?b=c".into(), headers, ..get() };
    assert!(probe(&endpoint, check, PATIENCE).await.is_success());
    let request = endpoint.requests().remove(0);
    assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
    for field in ["User-Agent: probe", "Accept: text/plain", "X-One: 1", "X-One: 2", "Content-Length: 0"] {
        assert_eq!(request.matches(&format!("\r\n{field}\r\n")).count(), 1, "{field} in {request}");
    }
    assert_eq!(request.matches("User-Agent").count() + request.matches("Accept").count(), 2, "{request}");
}

#[tokio::test]
async fn to_an_ipv6_address_has_it_in_brackets() {
    let endpoint = Endpoint::start("[::1]:0".parse().unwrap(), Script::status(200));
    let mut target = target(endpoint.address(), Check::Http(get()), PATIENCE);
    target.host = "2001:db8::1".into();
    assert!(Prober::with_roots([]).probe(&target).await.is_success());
    let field = format!("\r\nHost: [2001:db8::1]:{}\r\n", endpoint.address().port());
    assert!(endpoint.requests()[0].contains(&field));
}

#[tokio::test]
async fn that_cannot_be_written_is_a_failure() {
    let endpoint = Endpoint::start(ANY_PORT, Script::status(200));
    let crlf = ("X-Two".into(), "lines\r\nX-Three: 3".into());
    for check in [
        HttpCheck { method: "G T".into(), ..get() },
        HttpCheck { path: "/a b".into(), ..get() },
        HttpCheck { headers: vec![("not a name".into(), "1".into())], ..get() },
        HttpCheck { headers: vec![crlf], ..get() },
    ] {
        assert!(matches!(failure(probe(&endpoint, check, PATIENCE).await), Failure::Protocol(_)));
    }
    assert_eq!(endpoint.connections(), 0);
}
