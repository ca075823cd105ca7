//! DNS over HTTP (RFC 8484): reads queries from requests, and writes answers into responses.
//!
//! Answers are `private`: a shared cache would use the URL alone as its key, but an answer depends on the client.

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Version};
use percent_encoding::percent_decode_str;

use super::service::{Answer, SHORT_QUERY, SharedResponder};
use crate::wire::{HEADER_LENGTH, MAX_MESSAGE};

/// The path for queries. RFC 8484 leaves the path to the server. This one is in its examples, and clients use it by
/// default.
const PATH: &str = "/dns-query";

/// The variable of the URI template that holds a query (RFC 8484, section 6).
const VARIABLE: &str = "dns";

/// The media type of DNS messages (RFC 8484, section 6).
const MEDIA_TYPE: &str = "application/dns-message";

/// The supported methods.
const METHODS: &str = "GET, HEAD, POST";

/// The reason why a request gets no DNS answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// An HTTP/1.1 request has no Host or an invalid one, or a request of any version has two.
    Host,
    /// The path is not [`PATH`].
    NotFound,
    /// The method is not GET, HEAD or POST.
    Method,
    /// The method is unknown, or is for servers and proxies as a whole.
    NotImplemented,
    /// A GET request does not have exactly one variable `dns`, or its value is not base64url without padding.
    Variable,
    /// A POST request has another media type than [`MEDIA_TYPE`].
    MediaType,
    /// The query is longer than a message can be.
    TooLarge,
    /// The body did not arrive in time.
    Timeout,
    /// The connection broke before the body was complete.
    Cut,
    /// The content is not a query.
    NotAQuery,
    /// The client leaves too many answers unread.
    Busy,
}

impl Rejection {
    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Host | Self::Variable | Self::Cut | Self::NotAQuery => StatusCode::BAD_REQUEST,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the reason as a line of text, for the body of the response.
    fn reason(self) -> &'static str {
        match self {
            Self::Host => "the request needs one Host field, with a name or an address\n",
            Self::NotFound => "DNS is served only at /dns-query\n",
            Self::Method | Self::NotImplemented => "use GET, HEAD or POST\n",
            Self::Variable => "the URL needs one variable `dns`: a DNS message in base64url without padding\n",
            Self::MediaType => "the body must be of type application/dns-message\n",
            Self::TooLarge => "a DNS message has at most 65535 octets\n",
            Self::Timeout => "the body took too long\n",
            Self::Cut => "the body is incomplete\n",
            Self::NotAQuery => "the content is not a DNS query\n",
            Self::Busy => "too many answers wait for you to read them\n",
        }
    }

    /// Returns the response for this rejection.
    pub(super) fn response(self, is_head: bool) -> Response<Full<Bytes>> {
        let mut response = with_body(Bytes::from_static(self.reason().as_bytes()), is_head);
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if self == Self::Method {
            // RFC 9110, section 15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        response
    }
}

/// Returns the query of a request. [`check_host`] must have checked its `Host` before. Fails with the rejection.
pub(super) async fn read_query(request: Request<Incoming>, responder: &SharedResponder) -> Result<Bytes, Rejection> {
    if !is_implemented(&request) {
        return Err(Rejection::NotImplemented);
    }
    if !is_path(request.uri().path()) {
        return Err(Rejection::NotFound);
    }
    let query = match *request.method() {
        Method::GET | Method::HEAD => read_variable(request.uri().query().unwrap_or_default())?,
        Method::POST if is_message(&request) => read_body(request.into_body(), responder).await?,
        Method::POST => return Err(Rejection::MediaType),
        _ => return Err(Rejection::Method),
    };
    match query.len() {
        0..HEADER_LENGTH => Err(Rejection::NotAQuery),
        HEADER_LENGTH..=MAX_MESSAGE => Ok(query),
        _ => Err(Rejection::TooLarge),
    }
}

/// True if the method is implemented. An unrecognized or unimplemented one gets 501, whatever its target is (RFC 9110,
/// section 9.1). CONNECT and `OPTIONS *` have no path: CONNECT asks for a tunnel, and `*` means the server as a whole.
fn is_implemented<B>(request: &Request<B>) -> bool {
    match *request.method() {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE | Method::PATCH | Method::TRACE => {
            true
        }
        Method::OPTIONS => request.uri().path() != "*",
        _ => false,
    }
}

/// RFC 9112, section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
/// that lacks a Host header field and to any request message that contains more than one Host header field line or a
/// Host header field with an invalid field value." HTTP/2 has `:authority` in its stead.
pub(super) fn check_host<B>(request: &Request<B>) -> Result<(), Rejection> {
    let mut fields = request.headers().get_all(HOST).iter();
    match (fields.next(), fields.next()) {
        (None, _) if request.version() != Version::HTTP_11 => Ok(()),
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        _ => Err(Rejection::Host),
    }
}

/// True if the value is a host with or without a port. It may be empty: clients send that for a URI without a host.
fn is_host(value: &[u8]) -> bool {
    let is_authority = || Authority::try_from(value).is_ok_and(|authority| !authority.host().is_empty());
    value.is_empty() || !value.contains(&b'@') && is_authority()
}

/// True if the path is [`PATH`], with any of its octets percent-encoded (RFC 3986, section 6.2.2.2). An encoded slash
/// is not a separator.
fn is_path(path: &str) -> bool {
    let decoded = path.split('/').map(|segment| percent_decode_str(segment));
    decoded.map(Iterator::collect::<Vec<u8>>).eq(PATH.split('/').map(|segment| segment.as_bytes().to_vec()))
}

/// True if the body can be read as a DNS message: it has one media type, [`MEDIA_TYPE`], and no content coding, which
/// would get 415 too (RFC 9110, section 8.4).
pub(super) fn is_message<B>(request: &Request<B>) -> bool {
    let mut media_types = request.headers().get_all(CONTENT_TYPE).iter();
    let (Some(media_type), None) = (media_types.next(), media_types.next()) else { return false };
    let essence = media_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let mut codings = request.headers().get_all(CONTENT_ENCODING).iter();
    essence.trim().eq_ignore_ascii_case(MEDIA_TYPE)
        && codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Returns the query in the variables of a URL. Fails unless there is exactly one variable `dns`.
///
/// RFC 8484, section 6: "padding characters for base64url MUST NOT be included". Name and value may be percent-encoded
/// (RFC 6570, section 3.2.8, leaves that to the client).
fn read_variable(query: &str) -> Result<Bytes, Rejection> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| percent_decode_str(name).eq(VARIABLE.bytes())).map(|(_, value)| value);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Rejection::Variable) };
    let value: Vec<u8> = percent_decode_str(value).collect();
    let message = BASE64URL_NOPAD.decode(&value).map_err(|_| Rejection::Variable)?;
    Ok(message.into())
}

/// Reads a whole body. If it is long, waits until the connection may read a long query.
async fn read_body(mut body: Incoming, responder: &SharedResponder) -> Result<Bytes, Rejection> {
    let mut message = Vec::new();
    let mut long_turn = None;
    while let Some(frame) = body.frame().await {
        // Trailers are ignored.
        let Ok(octets) = frame.map_err(|_| Rejection::Cut)?.into_data() else { continue };
        let length = message.len() + octets.len();
        if length > MAX_MESSAGE {
            return Err(Rejection::TooLarge);
        }
        if length > SHORT_QUERY && long_turn.is_none() {
            long_turn = Some(responder.long_turn().await);
        }
        message.extend_from_slice(&octets);
    }
    Ok(message.into())
}

/// Returns the HTTP response that carries an answer.
///
/// RFC 8484, section 5.1, requires a freshness lifetime "less than or equal to the smallest TTL in the Answer section",
/// and for a negative answer at most the SOA's MINIMUM; the SOA's own TTL limits that further (RFC 2308, section 5).
/// Failures and referrals must not be cached.
pub(super) fn response(answer: Answer, is_head: bool) -> Response<Full<Bytes>> {
    let cache_control = match answer.ttl {
        Some(seconds) => format!("private, max-age={seconds}"),
        None => "no-store".to_owned(),
    };
    let mut response = with_body(answer.message, is_head);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Ok(value) = HeaderValue::from_str(&cache_control) {
        headers.insert(CACHE_CONTROL, value);
    }
    response
}

/// Returns a response with this body. The response to a HEAD request has the header fields of GET and no content (RFC
/// 9110, section 9.3.2).
fn with_body(body: Bytes, is_head: bool) -> Response<Full<Bytes>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Full::new(if is_head { Bytes::new() } else { body }));
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8484_6_the_variable_is_base64url_without_padding_and_stands_there_once() {
        assert_eq!(read_variable("dns=AAE-_w").unwrap().as_ref(), [0, 1, 0x3e, 0xff]);
        assert_eq!(read_variable("ct=x&dns=AAE").unwrap().as_ref(), [0, 1]);
        for encoded in ["dns=%41AE-_w", "dns=AAE%2d%5Fw", "%64n%73=AAE-_w", "x=%&dns=%41%41%45%2D%5f%77"] {
            assert_eq!(read_variable(encoded).unwrap().as_ref(), [0, 1, 0x3e, 0xff], "{encoded}");
        }
        for query in [
            "",
            "dns",
            "dn=AAE",
            "dns=AAE=",
            "dns=AA+/",
            "dns=AAE&dns=AAE",
            "dns=AAE&%64ns=AAE",
            "dns%3DAAE",
            "dns=AAE%3D",
            "dns=A",
            "DNS=AAE",
            "dns=%",
            "dns=AA%4",
        ] {
            assert_eq!(read_variable(query), Err(Rejection::Variable), "{query}");
        }
    }

    #[test]
    fn rfc3986_6_2_2_2_a_path_is_the_same_percent_encoded() {
        for path in ["/dns-query", "/dns%2Dquery", "/%64%6e%73-query", "/dns%2dquer%79"] {
            assert!(is_path(path), "{path}");
        }
        for path in
            ["/", "/dns-query/", "/%2Fdns-query", "//dns-query", "/dns-query%2F", "/DNS-query", "/dns%-query", "*", ""]
        {
            assert!(!is_path(path), "{path}");
        }
    }

    #[test]
    fn rfc9110_9_1_a_method_that_no_target_takes_is_not_implemented() {
        let is_implemented = |method: &str, target: &str| {
            super::is_implemented(&Request::builder().method(method).uri(target).body(()).unwrap())
        };
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"] {
            assert!(is_implemented(method, "/dns-query") && is_implemented(method, "/"), "{method}");
        }
        for (method, target) in
            [("OPTIONS", "*"), ("CONNECT", "example.com:443"), ("PROPFIND", "/dns-query"), ("get", "/dns-query")]
        {
            assert!(!is_implemented(method, target), "{method} {target}");
        }
    }

    #[test]
    fn rfc9110_8_4_a_body_is_a_message_as_it_is() {
        let is_message = |fields: &[(&str, &str)]| {
            let request =
                fields.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
            super::is_message(&request.body(()).unwrap())
        };
        let sound = ("content-type", "Application/DNS-Message; a=b");
        assert!(is_message(&[sound]));
        assert!(is_message(&[sound, ("content-encoding", "identity")]));
        for fields in [
            &[][..],
            &[("content-type", "application/dns-messages")],
            &[sound, ("content-type", "text/plain")],
            &[sound, ("content-encoding", "gzip")],
            &[sound, ("content-encoding", "identity"), ("content-encoding", "br")],
        ] {
            assert!(!is_message(fields), "{fields:?}");
        }
    }

    #[test]
    fn rfc9112_3_2_a_request_names_one_host() {
        let check = |version, hosts: &[&str]| {
            let request =
                hosts.iter().fold(Request::builder().version(version), |request, host| request.header(HOST, *host));
            check_host(&request.body(()).unwrap())
        };
        for sound in ["ns1.example.com", "ns1.example.com:8443", "192.0.2.1", "[2001:db8::1]:443", ""] {
            assert_eq!(check(Version::HTTP_11, &[sound]), Ok(()), "{sound}");
        }
        for broken in ["a b", "a/b", "me@ns1.example.com", ":443", "a:b:c", "http://a"] {
            assert_eq!(check(Version::HTTP_11, &[broken]), Err(Rejection::Host), "{broken}");
        }
        assert_eq!(check(Version::HTTP_11, &[]), Err(Rejection::Host));
        assert_eq!(check(Version::HTTP_10, &[]), Ok(()));
        assert_eq!(check(Version::HTTP_2, &[]), Ok(()));
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(check(version, &["a", "a"]), Err(Rejection::Host), "{version:?}");
        }
    }
}
