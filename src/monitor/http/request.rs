//! The request that a check asks for.

use std::fmt::Display;
use std::net::Ipv6Addr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::uri::{Scheme, Uri};
use hyper::{Method, Request};

use crate::health::{Failure, HttpCheck};

/// RFC 9110 section 4.2.1.
pub(in super::super) const HTTP_PORT: u16 = 80;
/// RFC 9110 section 4.2.2.
pub(in super::super) const HTTPS_PORT: u16 = 443;
/// What endpoints write to their access logs.
pub(in super::super) const PRODUCT: &str = concat!("truenorth/", env!("CARGO_PKG_VERSION"));

/// The request, as HTTP/1.1 has it.
pub(super) fn for_http1(
    check: &HttpCheck,
    host: &str,
    port: u16,
    scheme: &Scheme,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::from_bytes(check.method.as_bytes()).map_err(unsendable)?;
    *request.uri_mut() = check.path.parse().map_err(unsendable)?;
    let default_port = if *scheme == Scheme::HTTPS { HTTPS_PORT } else { HTTP_PORT };
    let host = HeaderValue::try_from(host_field(host, port, default_port)).map_err(unsendable)?;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    for (name, value) in &check.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(unsendable)?;
        headers.append(name, HeaderValue::from_str(value).map_err(unsendable)?);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(PRODUCT));
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    if !check.reuse {
        headers.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    }
    if matches!(check.method.as_ref(), "POST" | "PUT" | "PATCH") {
        // RFC 9110 section 8.6: "A user agent SHOULD send Content-Length in a request when the method defines a meaning
        // for enclosed content and it is not sending Transfer-Encoding." Some answer 411 otherwise.
        headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    }
    Ok(request)
}

/// The same request, as HTTP/2 has it.
pub(super) fn for_http2(mut request: Request<Empty<Bytes>>, scheme: &Scheme) -> Result<Request<Empty<Bytes>>, Failure> {
    // RFC 9113 section 8.3.1: "Clients that generate HTTP/2 requests directly MUST use the ":authority" pseudo-header
    // field to convey authority information", and section 8.2.2: "An endpoint MUST NOT generate an HTTP/2 message
    // containing connection-specific header fields".
    let authority = request.headers_mut().remove(HOST);
    request.headers_mut().remove(CONNECTION);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme(scheme.clone()).path_and_query(path);
    let uri = uri.authority(authority.as_ref().map_or(&b""[..], |authority| authority.as_bytes()));
    *request.uri_mut() = uri.build().map_err(unsendable)?;
    Ok(request)
}

/// RFC 9110 section 7.2: `Host = uri-host [ ":" port ]`, where RFC 3986 section 3.2.2 has IPv6 addresses in brackets.
pub(in super::super) fn host_field(host: &str, port: u16, default_port: u16) -> String {
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    if port == default_port { host } else { format!("{host}:{port}") }
}

fn unsendable(error: impl Display) -> Failure {
    Failure::Protocol(format!("the request cannot be sent: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_field_names_a_port_only_where_it_must() {
        for (host, port, default, field) in [
            ("www.example.com", 80, HTTP_PORT, "www.example.com"),
            ("www.example.com", 8080, HTTP_PORT, "www.example.com:8080"),
            ("www.example.com", 80, HTTPS_PORT, "www.example.com:80"),
            ("192.0.2.1", 443, HTTPS_PORT, "192.0.2.1"),
            ("2001:db8::1", 443, HTTPS_PORT, "[2001:db8::1]"),
            ("2001:db8::1", 8443, HTTPS_PORT, "[2001:db8::1]:8443"),
        ] {
            assert_eq!(host_field(host, port, default), field);
        }
    }

    #[test]
    fn http_2_has_the_host_in_its_uri_and_no_word_of_the_connection() {
        let check = HttpCheck { path: "/a?b=c".into(), ..HttpCheck::default() };
        for (host, uri) in
            [("www.example.com", "https://www.example.com:8443/a?b=c"), ("::1", "https://[::1]:8443/a?b=c")]
        {
            let request = for_http1(&check, host, 8443, &Scheme::HTTPS).unwrap();
            assert_eq!(request.headers()[CONNECTION], "close");
            let request = for_http2(request, &Scheme::HTTPS).unwrap();
            assert_eq!(request.uri().to_string(), uri);
            assert!(!request.headers().contains_key(HOST) && !request.headers().contains_key(CONNECTION));
        }
    }
}
