//! The request of a check.

use std::fmt::Display;
use std::net::Ipv6Addr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Method;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme, Uri};

use crate::health::{Failure, HttpCheck};

/// RFC 9110 section 4.2.1.
pub(in super::super) const HTTP_PORT: u16 = 80;
/// RFC 9110 section 4.2.2.
pub(in super::super) const HTTPS_PORT: u16 = 443;
/// The `User-Agent`, which endpoints write to their access logs.
pub(in super::super) const PRODUCT: &str = concat!("truenorth/", env!("CARGO_PKG_VERSION"));

/// A request that can be sent in either version of HTTP.
pub(super) struct Request<'a> {
    method: Method,
    path: PathAndQuery,
    /// The field names as they are written, with their values. The first is `Host`.
    fields: Vec<(&'a str, HeaderValue)>,
    octets: Vec<u8>,
}

impl<'a> Request<'a> {
    /// The request that the check makes to this host and port.
    pub(super) fn new(check: &'a HttpCheck, host: &str, port: u16, scheme: &Scheme) -> Result<Self, Failure> {
        let method = Method::from_bytes(check.method.as_bytes()).map_err(unsendable)?;
        let path = PathAndQuery::try_from(&*check.path).map_err(unsendable)?;
        let default_port = if *scheme == Scheme::HTTPS { HTTPS_PORT } else { HTTP_PORT };
        let host = HeaderValue::try_from(host_field(host, port, default_port)).map_err(unsendable)?;
        let mut fields = vec![("Host", host)];
        for (name, value) in &check.headers {
            HeaderName::from_bytes(name.as_bytes()).map_err(unsendable)?;
            fields.push((name, HeaderValue::from_str(value).map_err(unsendable)?));
        }
        let mut usual = |name: &'static str, value: &'static str| {
            if !fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                fields.push((name, HeaderValue::from_static(value)));
            }
        };
        usual("User-Agent", PRODUCT);
        usual("Accept", "*/*");
        if !check.reuse {
            usual("Connection", "close");
        }
        if matches!(check.method.as_ref(), "POST" | "PUT" | "PATCH") {
            // RFC 9110 section 8.6: "A user agent SHOULD send Content-Length in a request when the method defines a meaning
            // for enclosed content and it is not sending Transfer-Encoding." Some answer 411 otherwise.
            usual("Content-Length", "0");
        }
        let octets = write(&method, &path, &fields);
        Ok(Self { method, path, fields, octets })
    }

    /// The request in HTTP/1.1. Field names are in the case in which the RFCs or the operator write them. The case
    /// should not matter (RFC 9110 section 5.1), but for some servers it does.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// True if its response has no body, whatever the head says (RFC 9112 section 6.3).
    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The same request in HTTP/2.
    pub(super) fn for_http2(&self, scheme: &Scheme) -> Result<hyper::Request<Empty<Bytes>>, Failure> {
        let mut fields = HeaderMap::new();
        for (name, value) in &self.fields {
            fields.append(HeaderName::from_bytes(name.as_bytes()).map_err(unsendable)?, value.clone());
        }
        // RFC 9113 section 8.3.1: "Clients that generate HTTP/2 requests directly MUST use the ":authority" pseudo-header
        // field to convey authority information", and section 8.2.2: "An endpoint MUST NOT generate an HTTP/2 message
        // containing connection-specific header fields".
        let authority = fields.remove(HOST);
        fields.remove(CONNECTION);
        let uri = Uri::builder().scheme(scheme.clone()).path_and_query(self.path.clone());
        let uri = uri.authority(authority.as_ref().map_or(&b""[..], HeaderValue::as_bytes));
        let mut request = hyper::Request::new(Empty::new());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.build().map_err(unsendable)?;
        *request.headers_mut() = fields;
        Ok(request)
    }
}

/// RFC 9112 section 3: the request line, the fields, and an empty line.
fn write(method: &Method, path: &PathAndQuery, fields: &[(&str, HeaderValue)]) -> Vec<u8> {
    let mut octets = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in fields {
        octets.extend(name.bytes().chain(*b": ").chain(value.as_bytes().iter().copied()).chain(*b"\r\n"));
    }
    octets.extend(b"\r\n");
    octets
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
    use hyper::header::{ACCEPT, CONTENT_LENGTH, USER_AGENT};

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
    fn fields_are_written_as_the_rfcs_and_the_operator_write_them() {
        let headers = [("x-lower", "1"), ("X-UPPER", "2"), ("user-AGENT", "me")];
        let headers = headers.map(|(name, value)| (name.into(), value.into())).to_vec();
        let check = HttpCheck { method: "POST".into(), headers, ..HttpCheck::default() };
        let request = Request::new(&check, "www.example.com", 80, &Scheme::HTTP).unwrap();
        assert_eq!(
            String::from_utf8_lossy(request.octets()),
            "POST / HTTP/1.1\r\nHost: www.example.com\r\nx-lower: 1\r\nX-UPPER: 2\r\nuser-AGENT: me\r\nAccept: */*\r\n\
             Connection: close\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn http_2_has_the_host_in_its_uri_and_no_word_of_the_connection() {
        let check = HttpCheck { path: "/a?b=c".into(), ..HttpCheck::default() };
        for (host, uri) in
            [("www.example.com", "https://www.example.com:8443/a?b=c"), ("::1", "https://[::1]:8443/a?b=c")]
        {
            let request = Request::new(&check, host, 8443, &Scheme::HTTPS).unwrap().for_http2(&Scheme::HTTPS).unwrap();
            assert_eq!(request.uri().to_string(), uri);
            assert!(!request.headers().contains_key(HOST) && !request.headers().contains_key(CONNECTION));
            assert_eq!(
                (&request.headers()[USER_AGENT], request.headers()[ACCEPT].as_bytes()),
                (&HeaderValue::from_static(PRODUCT), &b"*/*"[..])
            );
            assert!(!request.headers().contains_key(CONTENT_LENGTH));
        }
    }
}
