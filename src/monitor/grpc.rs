//! One call of a gRPC health service over a connected stream, plain or TLS.
//!
//! The connection uses h2 directly. hyper's client would need an executor for tasks that outlive the probe; here
//! everything is polled inside the probe.

mod message;

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, StatusCode, Uri};
use tokio::io::{AsyncRead, AsyncWrite};

use super::meter::{Meter, Metered, Unit};
use super::{Budget, failure, http, said};
use crate::health::{Failure, GrpcCheck, Stage};
use message::Status;

/// The method of the health service.
const PATH: &str = "/grpc.health.v1.Health/Check";
/// gRPC's content type, or its beginning.
const GRPC: &str = "application/grpc";

/// Maximum number of octets of a header list: the default limit of gRPC's own clients.
const HEADER_LIMIT: u32 = 8 * 1024;
/// Maximum number of octets of a response. A normal response has seven.
const RESPONSE_LIMIT: usize = 4 * 1024;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The status codes of a call, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The head of the call.
pub(super) fn request(check: &GrpcCheck, host: &str, port: u16) -> Result<Request<()>, Failure> {
    let (scheme, default_port) =
        if check.tls.is_some() { (Scheme::HTTPS, http::HTTPS_PORT) } else { (Scheme::HTTP, http::HTTP_PORT) };
    let uri = Uri::builder().scheme(scheme).authority(http::host_field(host, port, default_port)).path_and_query(PATH);
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.build().map_err(|error| protocol(format!("the request cannot be sent: {error}")))?;
    let headers = request.headers_mut();
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    headers.insert(USER_AGENT, HeaderValue::from_static(http::PRODUCT));
    Ok(request)
}

/// Calls the health service and judges its response. Returns how long the head of the response took.
pub(super) async fn exchange<S>(
    stream: S,
    meter: Arc<Meter>,
    request: Request<()>,
    check: &GrpcCheck,
    budget: Budget,
) -> Result<Duration, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(HEADER_LIMIT);
    let stream = Metered::new(stream, meter, Unit::Frame);
    let opened = budget.within(Stage::Response, builder.handshake(stream)).await?;
    let (sender, connection) = opened.map_err(|error| failure::from_h2(&error, Stage::Response))?;
    let verdict = budget.within(Stage::Response, call(sender, request, message::request(&check.service)));
    let mut verdict = pin!(verdict);
    tokio::select! {
        biased;
        verdict = &mut verdict => verdict?,
        // Events on the connection, its end included, also reach the call.
        _ = connection => verdict.await?,
    }
}

async fn call(sender: SendRequest<Bytes>, request: Request<()>, message: Vec<u8>) -> Result<Duration, Failure> {
    let failed = |error: h2::Error| failure::from_h2(&error, Stage::Response);
    let mut sender = sender.ready().await.map_err(failed)?;
    let (response, mut body) = sender.send_request(request, false).map_err(failed)?;
    body.send_data(message.into(), true).map_err(failed)?;
    let asked = Instant::now();
    let (head, mut body) = response.await.map_err(failed)?.into_parts();
    let first_byte = asked.elapsed();
    if head.status != StatusCode::OK {
        return Err(Failure::Status(head.status.as_u16()));
    }
    // A call that fails at once has its status in the head, and no body.
    if head.headers.contains_key(STATUS) {
        judge_status(&head.headers)?;
    }
    if !head.headers.get(CONTENT_TYPE).is_some_and(|kind| is_grpc(kind.as_bytes())) {
        return Err(protocol(format!("the content type is not {GRPC}")));
    }
    let message = read(&mut body).await?;
    let trailers = body.trailers().await.map_err(failed)?;
    judge_status(&trailers.or(Some(head.headers)).unwrap_or_default())?;
    match message::response(&message).map_err(protocol)? {
        Status::Serving => Ok(first_byte),
        other => Err(Failure::NotServing(other.as_str())),
    }
}

/// True if a media type is gRPC's. Its parts may be in any case (RFC 9110 section 8.3.1). The message format (`+proto`)
/// or a parameter may follow.
fn is_grpc(media_type: &[u8]) -> bool {
    let Some((name, rest)) = media_type.split_at_checked(GRPC.len()) else { return false };
    name.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.trim_ascii_start(), [] | [b'+' | b';', ..])
}

async fn read(body: &mut RecvStream) -> Result<Vec<u8>, Failure> {
    let mut message = Vec::new();
    while let Some(piece) = body.data().await {
        message.extend_from_slice(&piece.map_err(|error| failure::from_h2(&error, Stage::Response))?);
        if message.len() > RESPONSE_LIMIT {
            return Err(Failure::TooMuch(format!("a health message of more than {RESPONSE_LIMIT} octets")));
        }
    }
    Ok(message)
}

/// The result of the call, from its status fields.
fn judge_status(fields: &HeaderMap) -> Result<(), Failure> {
    let status = fields.get(STATUS).ok_or_else(|| protocol("the call ends without grpc-status"))?;
    let code: Option<usize> = status.to_str().ok().and_then(|status| status.parse().ok());
    let code = code.ok_or_else(|| protocol("grpc-status is not a number"))?;
    if code == 0 {
        return Ok(());
    }
    let name = CODES.get(code).map(|name| format!(" {name}")).unwrap_or_default();
    let message = fields.get(MESSAGE).map(|message| said::first_line(&percent_decoded(message.as_bytes())));
    let message = message.filter(|message| !message.is_empty()).map(|message| format!(": {message}"));
    Err(Failure::Grpc(format!("{code}{name}{}", message.unwrap_or_default())))
}

/// Decodes percent-encoded text, and leaves invalid escapes as they are. gRPC over HTTP/2, "Responses": a decoder "must
/// not error due to invalid values".
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|digits| octet == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let encoded = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        octets.push(encoded.unwrap_or(octet));
        rest = if encoded.is_some() { &behind[2..] } else { behind };
    }
    octets
}

fn protocol(why: impl Display) -> Failure {
    Failure::Protocol(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_apart_whatever_their_case() {
        for kind in ["application/grpc", "Application/GRPC", "APPLICATION/GRPC+PROTO", "application/grpc ; v=1"] {
            assert!(is_grpc(kind.as_bytes()), "{kind}");
        }
        for kind in ["application/grpc-web", "application/grp", "text/html", ""] {
            assert!(!is_grpc(kind.as_bytes()), "{kind}");
        }
    }

    #[test]
    fn messages_are_decoded_whatever_they_are() {
        for (encoded, decoded) in [
            ("a%20b", &b"a b"[..]),
            ("100%", b"100%"),
            ("%", b"%"),
            ("%4", b"%4"),
            ("%+4", b"%+4"),
            ("%zz%41", b"%zzA"),
            ("%C3%BC", "ü".as_bytes()),
        ] {
            assert_eq!(percent_decoded(encoded.as_bytes()), decoded, "{encoded}");
        }
    }
}
