//! Responses to requests that are refused: problem details (RFC 9457).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::report::{self, Problem};

/// A status, and the reason in a sentence without a full stop.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    error: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// Returns the error for a request that is wrong.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// Returns the error for a request that the node cannot answer now.
    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    /// Returns the error for requests while the node is stopping.
    pub(super) fn stopping() -> Self {
        Self::unavailable("the node is stopping")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = refuse(self.status, report::to_json(&problem(self.status, self.error)));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: a 401 says how to authenticate.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            // RFC 9110, section 15.6.4. If another process replaces this one, it takes the order then.
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// Returns the problem details for a status and a reason.
pub(super) fn problem(status: StatusCode, detail: String) -> Problem {
    Problem { title: status.canonical_reason().unwrap_or_default().to_owned(), status: status.as_u16(), detail }
}

/// Returns the response with these problem details, which are JSON.
pub(super) fn refuse(status: StatusCode, problem: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/problem+json")], problem + "\n").into_response()
}

/// Returns a response with a JSON body.
pub(super) fn json(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response()
}
