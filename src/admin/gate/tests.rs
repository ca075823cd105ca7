//! Which requests are allowed.

use super::*;

fn gate() -> Gate {
    Gate { grants: Vec::new(), clients: Vec::new(), hosts: vec!["ns1.example.com".into()] }
}

fn status(uri: &str, fields: &[(header::HeaderName, &str)]) -> Option<u16> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let refused =
        gate().check((Way::Loopback, &Peer::default()), &Method::GET, &uri.parse().unwrap(), &headers).err()?;
    Some(refused.into_response().status().as_u16())
}

#[test]
fn hosts_are_addresses_localhost_and_what_is_configured() {
    for host in [
        "127.0.0.1",
        "127.0.0.1:8053",
        "[::1]",
        "[::1]:8053",
        "localhost",
        "LocalHost:8053",
        "localhost.",
        "ns1.example.com",
        "NS1.example.com.:80",
    ] {
        assert_eq!(status("/", &[(header::HOST, host)]), None, "{host}");
    }
    for host in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "::1", "[::1", "", ":80", "2130706433"]
    {
        assert_eq!(status("/", &[(header::HOST, host)]), Some(421), "{host}");
    }
    assert_eq!(status("/", &[]), Some(400));
    assert_eq!(status("/", &[(header::HOST, "localhost"), (header::HOST, "localhost")]), Some(400));
    assert_eq!(status("http://evil.example/", &[(header::HOST, "localhost")]), Some(421));
}

#[test]
fn an_origin_is_this_server() {
    for (host, origin, refused) in [
        ("localhost:8053", "http://localhost:8053", None),
        ("localhost:8053", "https://LOCALHOST:8053", None),
        ("localhost:8053", "http://localhost:8054", Some(403)),
        ("localhost:8053", "http://evil.example", Some(403)),
        ("localhost:8053", "null", Some(403)),
    ] {
        assert_eq!(status("/", &[(header::HOST, host), (header::ORIGIN, origin)]), refused, "{host} {origin}");
    }
}

#[test]
fn another_sites_page_may_lead_here_and_nothing_else() {
    let site = |line: &str, site: &str, mode: &str, dest: &str| {
        let mut headers = HeaderMap::new();
        let fields = [("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        for (name, value) in fields.into_iter().chain([("sec-fetch-dest", dest)]) {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let (method, path) = line.split_once(' ').unwrap();
        gate()
            .check((Way::Loopback, &Peer::default()), &method.parse().unwrap(), &path.parse().unwrap(), &headers)
            .is_ok()
    };
    for own in ["same-origin", "none"] {
        assert!(site("GET /v1/status", own, "cors", "empty"), "{own}");
        assert!(site("POST /v1/overrides", own, "cors", "empty"), "{own}");
    }
    for other in ["cross-site", "same-site", "anything"] {
        assert!(site("GET /", other, "navigate", "document"), "{other}");
        assert!(!site("GET /", other, "navigate", "iframe"), "{other}");
        assert!(!site("GET /v1/status", other, "no-cors", "image"), "{other}");
        assert!(!site("POST /v1/overrides", other, "navigate", "document"), "{other}");
        assert!(!site("POST /v1/overrides", other, "no-cors", "empty"), "{other}");
    }
}

#[test]
fn every_request_is_for_one_purpose() {
    use Purpose::{Order, Read, Register, Report, Txt};
    for (line, purpose) in [
        ("GET /v1/status", &[Read][..]),
        ("HEAD /v1/status", &[Read]),
        ("GET /v1/events", &[Read]),
        ("GET /v1/overview", &[Read]),
        ("GET /v1/latency", &[Read]),
        ("GET /v1/overrides", &[Read]),
        ("GET /no/such/path", &[Read]),
        ("POST /v1/overrides", &[Order]),
        ("DELETE /v1/overrides", &[Order]),
        ("POST /v1/rollouts/www.example.com", &[Order]),
        ("POST /v1/reload", &[Order]),
        ("GET /v1/zones", &[Read]),
        ("POST /v1/zones", &[Order]),
        ("POST /v1/zones/rollback", &[Order]),
        ("POST /v1/zones/promote", &[Order]),
        ("PUT /no/such/path", &[Order]),
        ("GET /v1/pools/web/endpoints", &[Read]),
        ("PUT /v1/pools/web/endpoints/a", &[Register, Order]),
        ("DELETE /v1/pools/web%2Ffra/endpoints/a", &[Register, Order]),
        ("POST /v1/reports", &[Report]),
        ("POST /v1/latency", &[Report]),
        ("POST /v1/txt", &[Txt]),
        ("DELETE /v1/txt", &[Txt]),
        ("GET /v1/txt", &[Txt, Read]),
        ("GET /v1/txt/a.example.com", &[Txt, Read]),
        ("PUT /v1/txt/a.example.com", &[Txt]),
        ("DELETE /v1/txt/a.example.com", &[Txt]),
        ("PUT /v1/txtures", &[Order]),
        ("GET /v1/overrides/dc:fra", &[Read]),
        ("PUT /v1/overrides/dc:fra", &[Order]),
        ("DELETE /v1/overrides/1", &[Order]),
        ("GET /v1/pools/web/endpoints/a", &[Read]),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        assert_eq!(purposes(&method.parse().unwrap(), path), purpose, "{line}");
    }
}

#[test]
fn a_bearer_token_is_what_stands_behind_the_scheme() {
    let token = |text: &str| bearer(&HeaderValue::from_str(text).unwrap()).map(<[u8]>::to_vec);
    assert_eq!(token("Bearer abc"), Some(b"abc".to_vec()));
    assert_eq!(token("bearer  abc "), Some(b"abc".to_vec()));
    assert_eq!(token("Basic abc"), None);
    assert_eq!(token("Bearer"), None);
}
