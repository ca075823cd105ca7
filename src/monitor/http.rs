//! One request and one response of HTTP/1.1 over a connected stream, plain or TLS.

use std::fmt::Display;
use std::net::Ipv6Addr;
use std::pin::pin;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Budget, body, failure};
use crate::health::{Failure, HttpCheck, Stage};

/// RFC 9110 section 4.2.1.
pub(super) const HTTP_PORT: u16 = 80;
/// RFC 9110 section 4.2.2.
pub(super) const HTTPS_PORT: u16 = 443;

/// Octets of a response's head, at most; four times what common servers let an application send.
const HEAD_LIMIT: usize = 32 * 1024;
/// What endpoints write to their access logs.
const PRODUCT: &str = concat!("truenorth/", env!("CARGO_PKG_VERSION"));

/// The request that a check asks for.
pub(super) fn request(
    check: &HttpCheck,
    host: &str,
    port: u16,
    default_port: u16,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::from_bytes(check.method.as_bytes()).map_err(unsendable)?;
    *request.uri_mut() = check.path.parse().map_err(unsendable)?;
    let host = HeaderValue::try_from(host_field(host, port, default_port)).map_err(unsendable)?;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    for (name, value) in &check.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(unsendable)?;
        headers.append(name, HeaderValue::from_str(value).map_err(unsendable)?);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(PRODUCT));
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    if matches!(check.method.as_ref(), "POST" | "PUT" | "PATCH") {
        // RFC 9110 section 8.6: "A user agent SHOULD send Content-Length in a request when the method defines a meaning
        // for enclosed content and it is not sending Transfer-Encoding." Some answer 411 otherwise.
        headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    }
    Ok(request)
}

/// RFC 9110 section 7.2: `Host = uri-host [ ":" port ]`, where RFC 3986 section 3.2.2 has IPv6 addresses in brackets.
pub(super) fn host_field(host: &str, port: u16, default_port: u16) -> String {
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    if port == default_port { host } else { format!("{host}:{port}") }
}

fn unsendable(error: impl Display) -> Failure {
    Failure::Protocol(format!("the request cannot be sent: {error}"))
}

/// Sends the request and judges the response.
pub(super) async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
    check: &HttpCheck,
    budget: Budget,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure::from_http(&error, Stage::Response))?;
    let mut verdict = pin!(judge(&mut sender, request, check, budget));
    tokio::select! {
        biased;
        verdict = &mut verdict => verdict,
        // Whatever the connection has to say, its end included, it hands to the response or to its body.
        _ = connection => verdict.await,
    }
}

async fn judge(
    sender: &mut http1::SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    check: &HttpCheck,
    budget: Budget,
) -> Result<(), Failure> {
    let response = budget.within(Stage::Response, sender.send_request(request)).await?;
    let mut response = response.map_err(|error| failure::from_http(&error, Stage::Response))?;
    let status = response.status().as_u16();
    if !check.expect_status.iter().any(|range| (range.first..=range.last).contains(&status)) {
        return Err(Failure::Status(status));
    }
    let Some(wanted) = &check.expect_body else { return Ok(()) };
    let holds = budget.within(Stage::Body, body::holds(response.body_mut(), wanted)).await?;
    match holds {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Body),
        Err(error) => Err(failure::from_http(&error, Stage::Body)),
    }
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
}
