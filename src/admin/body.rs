//! Bodies of requests, no longer and no later than they may be.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::refusal::Refusal;

/// Octets of a body: the longest order is a name and a value.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// How long a body may take from its first octet to its last one.
const BODY_TIME: Duration = Duration::from_secs(5);

/// The text of a body of at most so many octets.
pub(super) async fn read(request: Request<Body>, most: usize) -> Result<String, Refusal> {
    let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {most} octets here"));
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > most as u64) {
        return Err(too_large());
    }
    let octets = match timeout(BODY_TIME, Limited::new(request.into_body(), most).collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(error)) => return Err(Refusal::bad(format!("the body cannot be read: {error}"))),
        Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body takes too long")),
    };
    String::from_utf8(octets.into()).map_err(|_| Refusal::bad("the body is not UTF-8"))
}
